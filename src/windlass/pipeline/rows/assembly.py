"""From what `extract` returns to one row for each example; the backtest goes the same way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from windlass.engines.forks import one_comes_out
from windlass.errors import DataError, ProductError
from windlass.product.product import Product

ROWS = "rows"
"""The source that a plain frame goes to."""
OUTCOMES = "outcomes"
"""The source of labels that came later."""


def sources_of(answer: Any, *, where: str) -> dict[str, pl.DataFrame]:
    """What `extract` returned as frames by name. Raises ProductError for anything else."""
    named = answer if isinstance(answer, dict) else {ROWS: answer}
    for name, frame in named.items():
        place = where if name == ROWS else f"{where}, source {name!r}"
        if not isinstance(name, str) or not name.isidentifier():
            raise ProductError(f"{name!r} cannot be a source's name", where=where, remedy="use letters, digits and _")
        if not isinstance(frame, pl.DataFrame):
            raise ProductError(
                f"extract returned {_kind(frame)} instead of a polars DataFrame", where=place, remedy=_remedy(frame)
            )
    return named


def roles_of(product: Product, source: str, frame: pl.DataFrame) -> tuple[str | None, str | None]:
    """The columns of event time and key in a source.

    A plain frame must have both, and whoever reads it says so; of several sources only one may.
    """
    names = (product.task.time, product.task.key)
    time, key = (name if name is not None and (source == ROWS or name in frame.columns) else None for name in names)
    return time, key


def takes_rows_as_they_are(product: Product, sources: Mapping[str, pl.DataFrame]) -> bool:
    """Whether there is one source of examples whose rows are the examples themselves."""
    return len(sources) == 1 and type(product).assemble is Product.assemble


def assemble(product: Product, sources: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """One row per example. A single source is taken as it is, unless the product says how to assemble it.

    Raises DataError when there are no rows or `assemble` returns no frame.
    """
    filled = {name: frame for name, frame in sources.items() if frame.width}
    if not filled:
        raise DataError(
            "there are no rows",
            where=f"{product.name}, extract",
            remedy="see that `extract(None)` returns all rows there are, and that its source is not empty",
        )
    if takes_rows_as_they_are(product, filled):
        return next(iter(filled.values()))
    with one_comes_out():
        assembled: object = product.assemble(filled)
    if not isinstance(assembled, pl.DataFrame):
        raise DataError(
            f"assemble returned a {type(assembled).__name__}",
            where=f"{product.name}, assemble",
            remedy="return a polars DataFrame with one row for each example",
        )
    return assembled


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__module__.partition('.')[0]} {type(value).__qualname__}"


def _remedy(value: object) -> str:
    if isinstance(value, pl.LazyFrame):
        return "end it with .collect()"
    if type(value).__module__.startswith("pandas"):
        return "wrap it: pl.from_pandas(frame)"
    if value is None:
        return "end it with `return`, and return a frame without rows when there is nothing new"
    return "return a polars DataFrame, or a dict of them by source"
