"""Why quality fell, in words: which features, which rows, and whether the data are at fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl

from windlass.decisions.attribution import Binned, Cause, Feature, attribute, residuals_of
from windlass.decisions.figures import show
from windlass.decisions.slices import Condition, find_slices
from windlass.decisions.statistics.losses import losses
from windlass.errors import DataError
from windlass.monitoring.answers import check_answers, check_labels, numbers_of
from windlass.monitoring.bins import places_of
from windlass.monitoring.column import ColumnProfile, kind_of
from windlass.monitoring.profiles import profile
from windlass.monitoring.tables import as_frame
from windlass.product.task import TaskKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

LEAST_ROWS = 50
_MOST_ROWS = 20_000


class ExplainedPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the rise of the mean loss."""

    feature: str | None
    """None: of no single feature."""
    cause: Cause
    """`shift`: its values moved to where the model errs more. `values`: missing, unseen or stuck ones came. `relation`:
    rows of the same value end differently. `level`: all rows end differently alike. `rest`: what none explains."""
    amount: float
    share: float
    """Of the rise."""
    told: str


class ExplainedSlice(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that lose more than their share."""

    rows: str
    """Which, such as `age 30 to 41 and region = north`."""
    count: int
    amount: float
    share: float
    loss_before: float | None
    loss_after: float


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why the mean loss rose."""

    loss_before: float
    loss_after: float
    rows_before: int
    rows_after: int
    parts: tuple[ExplainedPart, ...]
    """They add up to the rise, the largest first, the rest last."""
    slices: tuple[ExplainedSlice, ...]
    """Another view of the same rise; what is not theirs is of the rows in none."""

    @property
    def rise(self) -> float:
        return self.loss_after - self.loss_before


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelled:
    """Rows with what a model answered and what came true."""

    features: Any
    """A frame of n rows (see `tables.as_frame`)."""
    predictions: Array
    """`(n,)` or `(n, k)`."""
    truth: Array
    """`(n,)` codes or values."""


def explain(before: Labelled, after: Labelled, *, kind: TaskKind, columns: Sequence[ColumnProfile] = ()) -> Explanation:
    """Compare n rows of a good time with m of a worse one.

    The loss is the Brier score, or the absolute error. `columns` are profiled columns whose bins are to be used; by
    default the rows of before are profiled. Features that cannot be watched (`profile`) are left out. Of more than
    20,000 rows on a side the newest count. Raises DataError for fewer than 50 on either side and for labels that are
    not finite, and UsageError for what is no label or no prediction of such a task.
    """
    known = tuple(columns) or profile(before.features).columns
    sides = [_binned(side, known, kind) for side in (before, after)]
    features = [_feature(column) for column in known]
    parts = attribute(sides[0], sides[1], features, regression=kind == "regression")
    slices = find_slices(sides[0], sides[1], features)
    rise = float(sides[1].losses.mean() - sides[0].losses.mean())
    return Explanation(
        loss_before=float(sides[0].losses.mean()),
        loss_after=float(sides[1].losses.mean()),
        rows_before=len(sides[0].losses),
        rows_after=len(sides[1].losses),
        parts=tuple(
            ExplainedPart(
                feature=None if part.feature is None else known[part.feature].name,
                cause=part.cause,
                amount=part.amount,
                share=part.amount / rise if rise else 0.0,
                told=_tell(part.cause, None if part.feature is None else known[part.feature].name, part.amount, rise),
            )
            for part in parts
        ),
        slices=tuple(
            ExplainedSlice(
                rows=" and ".join(_where(each, known[each.feature]) for each in found.conditions),
                count=found.rows,
                amount=found.amount,
                share=found.amount / rise if rise else 0.0,
                loss_before=found.loss_before if np.isfinite(found.loss_before) else None,
                loss_after=found.loss_after,
            )
            for found in (slices if rise > 0 else ())
        ),
    )


def _binned(side: Labelled, columns: Sequence[ColumnProfile], kind: TaskKind) -> Binned:
    frame = as_frame(side.features)
    answers, labels = np.asarray(numbers_of(side.predictions), dtype=np.float64), numbers_of(side.truth)
    check_answers(answers, kind)
    check_labels(labels)
    truth = labels.astype(np.float64)
    if not np.isfinite(truth).all():
        raise DataError("a label is not finite", remedy="leave out rows whose outcome has not come")
    if not frame.height == len(answers) == len(truth):
        raise DataError("rows, predictions and labels do not belong together", remedy="give one of each for a row")
    if frame.height < LEAST_ROWS:
        raise DataError(
            f"{frame.height} labelled rows are too few to tell why quality fell", remedy=f"give {LEAST_ROWS} or more"
        )
    frame, answers, truth = frame[-_MOST_ROWS:], answers[-_MOST_ROWS:], truth[-_MOST_ROWS:]
    codes = [_codes(column, frame) for column in columns]
    return Binned(
        codes=np.column_stack(codes) if codes else np.empty((frame.height, 0), dtype=np.int64),
        losses=losses(truth, answers, kind),
        residuals=residuals_of(truth, answers),
    )


def _codes(column: ColumnProfile, frame: pl.DataFrame) -> NDArray[np.int64]:
    """The bin of each value; one that is not there, or of another type, is missing."""
    missing = len(column.counts) - 1
    if column.name not in frame.columns or kind_of(frame[column.name].dtype) != column.kind:
        return np.full(frame.height, missing, dtype=np.int64)
    values = frame[column.name]
    if column.kind == "number":
        numbers = values.cast(pl.Float64).to_numpy()
        return np.where(np.isnan(numbers), missing, np.searchsorted(column.edges, numbers)).astype(np.int64)
    texts = values.cast(pl.String)
    distinct = texts.drop_nulls().unique().to_list()
    places = places_of(column, distinct)
    return texts.replace_strict(distinct, places, default=missing, return_dtype=pl.Int64).to_numpy()


def _feature(column: ColumnProfile) -> Feature:
    last = len(column.counts) - 1
    special = {"number": (0, last - 1, last)}.get(column.kind, (last,) if column.hashed else (last - 1, last))
    return Feature(bins=last + 1, special=special, ordered=column.kind == "number")


def _tell(cause: Cause, name: str | None, amount: float, rise: float) -> str:
    if rise <= 0:
        return "Quality has not fallen, so there is nothing to explain."
    share = f"{amount / rise:.0%} of it"
    return {
        "shift": f"{name} has moved to values where the model errs more ({share}).",
        "values": f"{name} has values that were hardly there before, such as missing, unseen or stuck ones ({share}).",
        "relation": f"Rows with the same {name} end differently than they did ({share}).",
        "level": f"All rows end differently than they did, whatever their features ({share}).",
        "rest": f"No single feature explains the rest ({share}).",
    }[cause]


def _where(condition: Condition, column: ColumnProfile) -> str:
    """A condition in words."""
    missing = len(column.counts) - 1
    if condition.first == missing:
        return f"{column.name} missing"
    if column.kind == "number":
        if condition.last == 0:
            return f"{column.name} below {show(column.edges[0])}"
        if condition.first == missing - 1:
            return f"{column.name} above {show(column.edges[-1])}"
        return f"{column.name} {show(column.edges[condition.first - 1])} to {show(column.edges[condition.last])}"
    if column.hashed:
        return f"{column.name} in group {condition.first}"
    unseen = condition.first >= len(column.categories)
    return f"{column.name} unseen" if unseen else f"{column.name} = {column.categories[condition.first]}"
