"""An estimator's figures of labelled rows that were held out: how far they are off, and beyond what labels explain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import polars as pl

from windlass.decisions.statistics.expected import Expected, expected_score
from windlass.decisions.statistics.metrics import metric_for
from windlass.monitoring.joining import Join
from windlass.product.task import TaskKind
from windlass.records.bundle import ModelFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from windlass.decisions.statistics.metrics import Metric

    Array = NDArray[Any]
    Floats = NDArray[np.float64]
    Rows = NDArray[np.intp]

_STRETCHES = 20
"""Of time, in the reference, among which an estimate's error beyond the noise of labels is measured."""
_SLICED, _SLICE_ROWS = 8, 2000
"""Features by whose thirds, or commonest values, it is measured as well; and of how many rows each at most."""
_LEAST_OF_SLICE = 50
_NOTHING = 1e-300


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All of an estimator but its model."""

    kind: TaskKind
    classes: int
    """1 for regression."""
    columns: dict[str, str]
    """Features that are looked at -> number, category or boolean."""
    joins: tuple[Join, ...]
    """Classification: of each class's chance; of two classes, the second one's. Regression: of the absolute and the
    squared error."""
    spread: dict[str, float]
    """Metric -> standard deviation of an estimate's error beyond the noise of labels, among stretches and slices."""
    residual: tuple[float, ...] = ()
    """Regression: standard deviation of the absolute and the squared error, as a multiple of what was expected."""
    cost: tuple[tuple[float, float], tuple[float, float]] | None = None
    files: tuple[ModelFile, ...] = ()
    """Of the models that look at features; none: the answers alone told as much."""
    rows: int = 0


class Labelled(NamedTuple):
    """A reference."""

    table: pl.DataFrame
    answers: Array
    truth: Array
    targets: Floats
    """`(n, k)` what is to be expected: 1 for the label that came (of two classes the second alone); or the absolute and
    the squared error."""


def figure_of(name: str, expected: Floats, answers: Array, summary: Summary, doubts: Iterable[Floats] = ()) -> Expected:
    if summary.kind != "regression":
        return expected_score(metric_of(name, summary), expected, answers, doubts=doubts)
    place = 0 if name == "mae" else 1
    mean = float(expected[:, place].mean())
    chance = summary.residual[place] * float(np.sqrt(np.square(expected[:, place]).sum())) / len(expected)
    other = [float(each[:, place].mean()) for each in doubts]
    noise = float(np.hypot(chance, np.std(other) if other else 0.0))
    if name == "rmse":
        root = float(np.sqrt(mean))
        return Expected(root, noise / (2 * root) if root else 0.0)
    return Expected(mean, noise)


def metric_of(name: str, summary: Summary) -> Metric:
    return metric_for(name, summary.kind, cost=summary.cost)


def _stretches(rows: int) -> list[Rows]:
    return np.array_split(np.arange(rows), min(_STRETCHES, max(2, rows // 100)))


def _slices(table: pl.DataFrame, columns: Mapping[str, str]) -> list[Rows]:
    """Rows alike in one feature: what a window may have more of. A figure that is right on each stays right when the
    inputs shift."""
    found = []
    for name in list(columns)[:_SLICED]:
        column = table[name]
        if columns[name] == "number":
            order = column.fill_nan(None).arg_sort(nulls_last=True).to_numpy()
            found += np.array_split(order[: len(column) - column.fill_nan(None).null_count()], 3)
        else:
            common = column.drop_nulls().value_counts().sort("count", name, descending=True)[name].head(3)
            found += [np.flatnonzero((column == each).fill_null(value=False).to_numpy()) for each in common]
    thin = [rows[:: max(1, len(rows) // _SLICE_ROWS)] for rows in found]
    return [np.sort(rows) for rows in thin if len(rows) >= _LEAST_OF_SLICE]


def parts_of(table: pl.DataFrame, columns: Mapping[str, str]) -> list[Rows]:
    return [*_stretches(table.height), *_slices(table, columns)]


def misses(first: Floats, second: Floats, given: Labelled, summary: Summary, names: Sequence[str]) -> float:
    """How much larger the squared errors of the first's figures are than the second's, as a mean logarithm."""
    told = []
    for name in names:
        pairs = []
        for part in parts_of(given.table, summary.columns):
            answers, truth = given.answers[part], given.truth[part]
            values = [figure_of(name, each[part], answers, summary).value for each in (first, second)]
            seen = metric_of(name, summary).score(truth, answers)
            if np.isfinite([seen, *values]).all():
                pairs.append(np.square(np.array(values) - seen))
        if pairs:
            one, other = np.mean(pairs, axis=0)
            told.append(np.log((one + _NOTHING) / (other + _NOTHING)))
    return float(np.mean(told)) if told else 0.0


def spread_of(name: str, expected: Floats, given: Labelled, summary: Summary) -> float:
    """How far estimates of held-out stretches, or slices, are off beyond the noise of their labels; -1 where the figure
    is undefined."""
    stretches, slices = _stretches(given.table.height), _slices(given.table, summary.columns)
    return max(_beyond(name, parts, expected, given, summary) for parts in (stretches, slices))


def _beyond(name: str, parts: Sequence[Rows], expected: Floats, given: Labelled, summary: Summary) -> float:
    squares = []
    for part in parts:
        answers, truth = given.answers[part], given.truth[part]
        value, noise = figure_of(name, expected[part], answers, summary)
        seen = metric_of(name, summary).score(truth, answers)
        if np.isfinite(value) and np.isfinite(seen):
            squares.append((value - seen) ** 2 - noise**2)
    return float(np.sqrt(max(0.0, float(np.mean(squares))))) if squares else -1.0
