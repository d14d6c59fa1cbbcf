"""The proof that `features` is row-local, and that a model is.

A row's features must not depend on its neighbours: training sees the rows all together, serving sees them a few at a
time, and whatever differs between the two is wrong in production without a word. No reading of the code could tell, so
the same rows are put through in several company: all, a sample, the sample shuffled, its halves, and single rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from windlass.errors import NotRowLocal, ProductError, WindlassError
from windlass.product.product import Product

Array = np.ndarray[Any, Any]

_SEED = 20130101
_SINGLES = 12
"""Rows that are asked alone; each costs a whole call, and the halves already show what most neighbours do."""
_ALONE = 5
"""Rows that a model is asked about one at a time; each costs a whole prediction."""
_REMEDY = (
    "compute each row from that row alone; what is learned from many rows (a mean, an encoding, a scale) belongs to "
    "the estimator, for instance as a step of a Pipeline"
)
_ROUNDING = (
    "the two differ by rounding alone: a matrix product adds up in another order for another number of rows; write it "
    "as expressions of columns, round its result, or leave it to the estimator"
)


def prove_row_local(product: Product, rows: pl.DataFrame, *, sample: int = 200) -> pl.DataFrame:
    """`product.features(rows)`, after a proof on `sample` rows that no row's features depend on other rows.

    `rows` come without the target. The same rows in other company must give the same columns, types and values
    (exactly; NaN equals NaN), in the same order. Raises NotRowLocal naming the column with an example, and ProductError
    when `features` raises, returns something else than a polars frame, is not deterministic or wants the target.
    """
    whole = _call(product, rows)
    if not rows.height:
        return whole
    _check_height(whole, rows.height, product)
    chance = np.random.default_rng(_SEED)
    places = _sample(rows, sample, chance)
    _check_deterministic(product, rows[places])
    expected = whole[places]
    middle = (len(places) + 1) // 2
    companies = [
        (list(range(len(places))), f"among {len(places)} rows instead of {rows.height}"),
        (chance.permutation(len(places)).tolist(), "when the rows are shuffled"),
        (list(range(middle)), "without the other half of the rows"),
        (list(range(middle, len(places))), "without the other half of the rows"),
        *(([place], "when the row comes alone") for place in _singles(rows[places], chance)),
    ]
    for chosen, company in companies:
        numbers = [places[place] for place in chosen]
        if numbers:
            found = _call(product, rows[numbers])
            _check_height(found, len(numbers), product)
            _compare(expected[chosen], found, company, product, numbers)
    return whole


def prove_alone(ask: Callable[[pl.DataFrame], Array], features: pl.DataFrame, answers: Array, *, where: str) -> None:
    """Raise NotRowLocal when the model answers a row by itself otherwise than among all, beyond rounding.

    `answers` are what `ask` gave for all n rows of `features`; some of them are asked again, one at a time.
    """
    for place in np.unique(np.linspace(0, features.height - 1, _ALONE, dtype=np.int64)):
        alone = ask(features[int(place)])[0]
        if not np.allclose(alone, answers[place], rtol=1e-4, atol=1e-6):
            told, among = (_shown(np.atleast_1d(value)) for value in (alone, answers[place]))
            raise NotRowLocal(
                f"the model answers a row with {told} by itself, and with {among} among {features.height} rows",
                plain=f"the model answers a row by itself otherwise than among {features.height} rows",
                where=f"{where}, row {place} of the holdout",
                remedy="what is taken from many rows (a mean, a rank, a scale) is learned in `fit`; chance has a seed",
            )


def _shown(values: Array) -> str:
    return ", ".join(f"{value:.6g}" for value in values[:3])


def _check_deterministic(product: Product, part: pl.DataFrame) -> None:
    again = _first_difference(_call(product, part), _call(product, part))
    if again is not None:
        raise ProductError(
            f"features is not deterministic: the same rows twice give another {again[0]}",
            where=f"{product.name}, features",
            remedy="take random numbers, the time of day and other outside state out of it",
        )


def _call(product: Product, rows: pl.DataFrame) -> pl.DataFrame:
    """The features of `rows`, which a careless method cannot change for the caller."""
    where = f"{product.name}, features"
    try:
        found: object = product.features(rows.clone())
    except WindlassError:
        raise
    except Exception as error:
        raise _failed(error, product, rows, where) from error
    if isinstance(found, pl.DataFrame):
        if not found.width:
            raise ProductError("features returns no column", where=where, remedy="return at least one column")
        if pl.Object in found.dtypes:
            name = next(name for name, dtype in found.schema.items() if dtype == pl.Object)
            raise ProductError(
                f"the feature {name!r} holds Python objects", where=where, remedy="cast it to a number, text or a date"
            )
        if product.task.target in found.columns:
            raise ProductError(
                f"features returns the target {product.task.target!r}",
                where=where,
                remedy="leave it out: when a prediction is asked for, nobody knows it",
            )
        return found
    if isinstance(found, pl.LazyFrame):
        raise ProductError("features returns a LazyFrame", where=where, remedy="end it with .collect()")
    remedy = "return pl.from_pandas(...)" if type(found).__module__.startswith("pandas") else "return a pl.DataFrame"
    if found is None:
        remedy = "end it with `return`"
    raise ProductError(f"features returns a {type(found).__name__}, not a polars DataFrame", where=where, remedy=remedy)


def _failed(error: Exception, product: Product, rows: pl.DataFrame, where: str) -> ProductError:
    target = product.task.target
    if target not in rows.columns and f'"{target}"' in str(error).replace("'", '"'):
        return ProductError(
            f"features asks for the target {target!r}: {type(error).__name__}",
            where=where,
            remedy="use other columns: when a prediction is asked for, nobody knows the target",
        )
    size = "a single row" if rows.height == 1 else f"{rows.height} rows"
    return ProductError(
        f"features raises {type(error).__name__} on {size}: {error}",
        plain=f"features raises {type(error).__name__} on {size}",
        where=where,
        remedy="mend it; it has to work on one row as on many, and with every column that may be missing as null",
    )


def _check_height(found: pl.DataFrame, height: int, product: Product) -> None:
    if found.height != height:
        raise NotRowLocal(
            f"features returns {found.height} rows for {height}",
            where=f"{product.name}, features",
            remedy="return one row for each row, in the same order; leave rows out in `extract` instead",
        )


def _compare(
    expected: pl.DataFrame, found: pl.DataFrame, company: str, product: Product, numbers: Sequence[int]
) -> None:
    difference = _first_difference(expected, found)
    if difference is None:
        return
    column, place = difference
    where = f"{product.name}, features"
    if place is None:
        raise NotRowLocal(f"features gives another {column} {company}", where=where, remedy=_REMEDY)
    before, after = expected[column][place], found[column][place]
    rounding = isinstance(before, float) and isinstance(after, float) and math.isclose(before, after, rel_tol=1e-9)
    raise NotRowLocal(
        f"features depends on neighbouring rows: {column!r} is {_short(before)}, and {_short(after)} {company}",
        plain=f"features depends on neighbouring rows: {column!r} is another one {company}",
        # the row's number and not its key: errors are kept where personal data must not be
        where=f"{where}, column {column!r}, row {numbers[place]}",
        remedy=_ROUNDING if rounding else _REMEDY,
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _first_difference(expected: pl.DataFrame, found: pl.DataFrame) -> tuple[str, int | None] | None:
    """The first column and row that differ; no row, and words for the column, when the shape does."""
    if expected.columns != found.columns:
        extra = sorted(set(expected.columns) ^ set(found.columns))
        return (f"set of columns ({', '.join(extra)})" if extra else "order of columns"), None
    for (name, dtype), other in zip(expected.schema.items(), found.dtypes, strict=True):
        if other != dtype:
            return f"type of the column {name!r} ({dtype} or {other})", None
    if expected.equals(found):
        return None
    for name in expected.columns:
        for place, (left, right) in enumerate(zip(expected[name], found[name], strict=True)):
            if not _same(left, right):
                return name, place
    return None


def _same(left: object, right: object) -> bool:
    if isinstance(left, pl.Series) and isinstance(right, pl.Series):
        return left.equals(right)
    return left == right or (left != left and right != right)  # noqa: PLR0124 (NaN is what differs from itself)


def _sample(rows: pl.DataFrame, size: int, chance: np.random.Generator) -> list[int]:
    """Seeded places, in order, among them for each column one row where it is null, if there is any."""
    if rows.height <= size:
        return list(range(rows.height))
    chosen = chance.choice(rows.height, size, replace=False).tolist()
    return sorted({*chosen, *_first_nulls(rows)})


def _singles(part: pl.DataFrame, chance: np.random.Generator) -> list[int]:
    """Rows to ask alone: the last (the first is alone with all that looks back), some with nulls, and some more."""
    more = chance.permutation(part.height)[:_SINGLES].tolist()
    return list(dict.fromkeys([part.height - 1, *_first_nulls(part)[: _SINGLES // 2], *more]))[:_SINGLES]


def _first_nulls(rows: pl.DataFrame) -> list[int]:
    """For each column with nulls the place of the first one."""
    found = (column.is_null().arg_max() for column in rows.get_columns() if column.null_count())
    return [place for place in found if place is not None]
