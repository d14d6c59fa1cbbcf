"""What breaks a contract, told once for the whole frame: column, check, how many rows, and which come first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import polars as pl

from windlass.errors import ContractViolated
from windlass.product.contract.schema import declared_column, is_kept_as, name_of

_SHOWN = 5
"""Values and row numbers that a message lists of one finding."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which a frame breaks its contract."""

    column: str
    check: str
    failing: int
    values: tuple[Any, ...] = ()
    rows: tuple[int, ...] = ()
    said: str = ""
    """More than `check`, with what user code said, which may be values."""
    mask: pl.Series | None = None
    """Which rows it is about, as truth values; None: it is about the frame as a whole."""

    def __str__(self) -> str:
        if not self.failing:
            return f"{self.column}: {self.said}" if self.said else self.brief
        cases = ", ".join(f"{value!r} in row {row}" for value, row in zip(self.values, self.rows, strict=False))
        more = ", ..." if self.failing > len(self.rows) else ""
        return f"{self.brief} ({cases}{more})"

    @property
    def brief(self) -> str:
        """The finding without a value of anybody's."""
        if not self.failing:
            return f"{self.column}: {self.check}"
        noun = "row" if self.failing == 1 else "rows"
        return f"{self.column}: {self.check} fails in {self.failing:,} {noun}"


def validated(schema: Any, rows: pl.DataFrame) -> pl.DataFrame:
    """What pandera returns for `rows`; raises one ContractViolated.

    pandera decides. Its own report of several failures can itself fail (columns of different types), so the findings
    are gathered here, check by check.
    """
    from pandera.errors import SchemaError, SchemaErrors

    try:
        result: pl.DataFrame = schema.validate(rows, lazy=True)
    except (SchemaError, SchemaErrors, pl.exceptions.PolarsError, TypeError, ValueError) as error:
        findings = list(findings_of(schema, rows))
        listed = "\n  ".join(map(str, findings)) or str(error).strip()[:2000]
        told = "\n  ".join(finding.brief for finding in findings) or f"{type(error).__name__} was raised"
        begins = f"the rows break the contract {schema.name or ''}:\n  ".replace(" :", ":")
        raise ContractViolated(
            begins + listed,
            plain=begins + told,
            where=", ".join(dict.fromkeys(finding.column for finding in findings))[:300],
            remedy="mend the rows in `extract`, or change the contract if such rows are right",
        ) from error
    return result


def findings_of(schema: Any, rows: pl.DataFrame) -> Iterator[Finding]:
    """Each way in which `rows` break the contract, column by column and check by check."""
    yield from _shape(schema, rows)
    for name in rows.columns:
        declared = declared_column(schema, name)
        if declared is None:
            continue
        series = rows.get_column(name)
        wrong_type = _wrong_type(declared, series, coerce=bool(schema.coerce or declared.coerce))
        if wrong_type is not None:
            yield wrong_type
            continue
        if not declared.nullable and declared.default is None and series.null_count():
            yield missing(name, series)
        if declared.unique:
            yield from _some(name, "must be unique:", series, series.is_duplicated())
        for check in declared.checks:
            yield from _failed(check, name, series, rows)
    for check in schema.checks:
        yield from _failed(check, None, None, rows)
    if schema.unique:
        names = [schema.unique] if isinstance(schema.unique, str) else list(schema.unique)
        if set(names) <= set(rows.columns):
            keys = rows.select(pl.struct(names).alias(", ".join(names))).to_series()
            yield from _some(", ".join(names), "must be unique together:", keys, keys.is_duplicated())


def _shape(schema: Any, rows: pl.DataFrame) -> Iterator[Finding]:
    for name, declared in schema.columns.items():
        if declared.required and not declared.regex and name not in rows.columns:
            yield Finding(
                column=name, check=f"is missing; there are {', '.join(rows.columns) or 'no columns'}", failing=0
            )
    if schema.strict is True:
        for name in rows.columns:
            if declared_column(schema, name) is None:
                yield Finding(column=name, check="is not in the contract, which is strict", failing=0)


def _wrong_type(declared: Any, series: pl.Series, *, coerce: bool) -> Finding | None:
    if declared.dtype is None or series.dtype == declared.dtype.type:
        return None
    if not coerce and not is_kept_as(declared.dtype.type, series.dtype):
        return Finding(column=series.name, check=f"must be {declared.dtype}, is {series.dtype}", failing=0)
    cast = series.cast(declared.dtype.type, strict=False)
    lost = cast.is_null() & series.is_not_null()
    return _finding(series.name, f"cannot become {declared.dtype}:", series, lost) if lost.any() else None


def _failed(check: Any, column: str | None, series: pl.Series | None, rows: pl.DataFrame) -> Iterator[Finding]:
    if check.raise_warning:
        return
    name, label = column or "whole row", name_of(check)
    passed, complaint = verdicts(check, column, rows)
    if complaint is not None:
        yield Finding(column=name, check=f"the check {label} could not be made", failing=0, said=complaint)
        return
    if passed is None or passed.all():
        return
    if len(passed) != rows.height:
        yield Finding(column=name, check=f"{label} fails", failing=0)
        return
    shown = rows.select(pl.struct(pl.all()).alias("row")).to_series() if series is None else series
    yield _finding(name, label, shown, passed.not_())


def _some(column: str, check: str, series: pl.Series, failing: pl.Series) -> Iterator[Finding]:
    if failing.any():
        yield _finding(column, check, series, failing)


def _finding(column: str, check: str, series: pl.Series, failing: pl.Series) -> Finding:
    rows = failing.arg_true()
    first = rows.head(_SHOWN)
    return Finding(
        column=column,
        check=check,
        failing=len(rows),
        values=tuple(series.gather(first).to_list()),
        rows=tuple(first.to_list()),
        mask=failing.fill_null(value=False),
    )


def missing(column: str, series: pl.Series) -> Finding:
    """The finding that a column must not hold nulls and does."""
    return _finding(column, "must not be null:", series, series.is_null())


def verdicts(check: Any, column: str | None, frame: pl.DataFrame) -> tuple[pl.Series | None, str | None]:
    """What a pandera check says of `frame`: n booleans, or one boolean for the whole column, or why it says nothing."""
    try:
        output = check(frame.lazy(), column).check_output
        table = output.collect() if isinstance(output, pl.LazyFrame) else output
    except Exception as error:  # noqa: BLE001 (the check is the user's; whatever it raises is said to whoever asked)
        return None, f"the check {name_of(check)} could not be made: {error}"[:300]
    if isinstance(table, bool):
        return pl.Series([table]), None
    if not isinstance(table, pl.DataFrame) or not table.width:
        return None, None
    combined = table.select(pl.all_horizontal(pl.all().fill_null(value=check.ignore_na))).to_series()
    return (combined if combined.dtype == pl.Boolean else None), None
