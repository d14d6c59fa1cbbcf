"""Asking a model that somebody else trained what it can do with a row, since it does not say so itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec
import polars as pl

from windlass.errors import MissingExtra, ProductError, RegistryError, WindlassError
from windlass.product.contract.types import dtype_of
from windlass.product.model.predict import NotFinite, predict
from windlass.product.model.transformers import Known, count_of, names_of, parts_of, takers_of
from windlass.product.task import TaskKind
from windlass.records.bundle import Column
from windlass.registry.native import NativeModel

_FILLS = (0.0, 1.0)
"""What numbers of a plain row are, in turn: one may be out of the model's range."""
_PLAIN: dict[str, Any] = {
    "str": "2024-01-01",  # which a model may take for a moment as well
    "date": date(2024, 1, 1),
    "datetime": datetime(2024, 1, 1),  # noqa: DTZ001 (polars gives it the zone of its column)
}
"""What other cells of a plain row are."""
_MOST_COLUMNS = 300
"""Up to here each column is tried with a gap; above, all together."""


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What came out."""

    columns: tuple[Column, ...]
    """With `nullable` as it was found."""
    doubt: str = ""
    """Why nothing could be found: the model answered no row that it was asked, for this reason."""


def probe(
    model: Any,
    columns: Sequence[Column],
    known: dict[str, Known],
    rows: pl.DataFrame | None = None,
    *,
    kind: TaskKind,
    classes: int,
    where: str,
) -> Probed:
    """Which columns `model` takes gaps in, found by asking it about one row with gaps: of `rows`, or a plain one.

    A model that wants a pandas frame is marked as such (`windlass_input`). Raises RegistryError when it answers in a
    form that cannot be served. When it answers no plain row at all, the columns stay as they are.
    """
    ask = _Asking(model, kind, classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of columns without any value, which is the point here
        real = [] if rows is None else _real_row(rows, columns)
        for row in (*real, *(_plain_row(columns, known, fill) for fill in _FILLS)):
            if ask(row) or (_is_foreign(model) and ask.as_pandas(row)):
                taken = _gaps(ask, row, [column.name for column in columns])
                found = (msgspec.structs.replace(column, nullable=column.name in taken) for column in columns)
                return Probed(columns=tuple(found))
    if isinstance(ask.error, ProductError) and not isinstance(ask.error, NotFinite):
        raise RegistryError(ask.error.what, where=where, remedy=ask.error.remedy) from ask.error
    return Probed(columns=tuple(columns), doubt=_in_a_line(ask.error))


class _Asking:
    """Whether a model answers a row; keeps why not."""

    def __init__(self, model: Any, kind: TaskKind, classes: int) -> None:
        self._model = model
        self._kind = kind
        self._classes = classes
        self.error: Exception | None = None

    def __call__(self, row: pl.DataFrame) -> bool:
        try:
            predict(self._model, row, self._kind, classes=self._classes or None)
        except Exception as error:  # noqa: BLE001 (the model is the user's; what it raises is what is asked for)
            self.error = error
            return False
        return True

    def as_pandas(self, row: pl.DataFrame) -> bool:
        """Whether it answers once it gets a pandas frame; it is left marked so if it does."""
        refused = self.error
        self._model.windlass_input = "pandas"
        if self(row):
            return True
        del self._model.windlass_input
        if not isinstance(self.error, MissingExtra):  # which is worth knowing, and all that there is to mend
            self.error = refused
        return False


def _in_a_line(error: Exception | None) -> str:
    if isinstance(error, WindlassError):
        return f"{error.what}; {error.remedy}"
    return f"{type(error).__name__}: {error}".partition("\n")[0][:300]


def _is_foreign(model: Any) -> bool:
    """Whether it may have been trained on a pandas frame: some step knows names, or the first one does not even say how
    many columns it takes; and it is not said what frame it takes."""
    if hasattr(model, "windlass_input") or isinstance(model, NativeModel):
        return False
    named = any(names_of(part) is not None for part in parts_of(model))
    return named or all(count_of(part) is None for part in takers_of(model))


def _gaps(answers: Callable[[pl.DataFrame], bool], row: pl.DataFrame, names: Sequence[str]) -> set[str]:
    """The columns in which a gap is answered, halving those in which it is not."""
    if answers(row.with_columns(pl.lit(None, dtype=row.schema[name]).alias(name) for name in names)):
        return set(names)
    if len(names) == 1 or row.width > _MOST_COLUMNS:
        return set()
    middle = len(names) // 2
    return _gaps(answers, row, names[:middle]) | _gaps(answers, row, names[middle:])


def _real_row(rows: pl.DataFrame, columns: Sequence[Column]) -> list[pl.DataFrame]:
    """The first row without a gap, in the types of the columns; none if there is no such row."""
    if not {column.name for column in columns} <= {*rows.columns}:
        return []
    whole = rows.select([column.name for column in columns]).drop_nulls().head(1)
    try:
        cells = [whole[column.name].cast(dtype_of(column)) for column in columns]
    except pl.exceptions.PolarsError:  # a declared type that they are not of; whoever reads them all says so
        return []
    return [pl.DataFrame(cells)] if whole.height else []


def _plain_row(columns: Sequence[Column], known: dict[str, Known], fill: float) -> pl.DataFrame:
    values = {
        column.name: known[column.name].example if column.name in known else _PLAIN.get(column.dtype, fill)
        for column in columns
    }
    return pl.DataFrame([_cell(column, values[column.name]) for column in columns])


def _cell(column: Column, value: Any) -> pl.Series:
    dtype = dtype_of(column)
    if isinstance(dtype, pl.Enum):
        return pl.Series(column.name, dtype.categories.head(1)).cast(dtype)
    cell = pl.Series(column.name, [value])
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        cell = cell.dt.replace_time_zone(dtype.time_zone)
    return cell.cast(dtype)
