"""An estimator's figures of labelled rows that were held out: how far they are off, and beyond what labels explain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import polars as pl

from windlass.decisions.statistics.expected import Expected, expected_score
from windlass.decisions.statistics.metrics import metric_for
from windlass.monitoring.joining import Join
from windlass.monitoring.profiles import Profile
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
"""Features by whose thirds, or commonest values, it is measured as well, those along which most changes; and of how
many rows each at most."""
_LEAST_OF_SLICE, _LARGEST_SLICE = 50, 2 / 3
"""Rows of a slice, and share of all rows: nearly all of them are no other place."""
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
    """Metric -> standard deviation of an estimate's error beyond the noise of labels, among stretches of time."""
    afar: dict[str, float]
    """Metric -> how much more that is in a window at a distance of 1 from the reference."""
    reference: Profile
    """Of the features, to tell that distance by."""
    residual: float = 0.0
    """Regression: standard deviation of the squared error, as a multiple of what was expected."""
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
    """What a metric comes to where only `expected` `(n, k)` is known, and how far chance, and `doubts`, others that may
    be instead, may take it from there."""
    if summary.kind != "regression":
        return expected_score(metric_of(name, summary), expected, answers, doubts=doubts)
    size, square = expected.T
    varied = np.maximum(square - size**2, 0.0) if name == "mae" else np.square(summary.residual * square)
    own = size if name == "mae" else square
    place, mean = 0 if name == "mae" else 1, max(float(own.mean()), _NOTHING)
    chance = float(np.sqrt(varied.sum())) / len(own)
    other = [np.log(max(float(each[:, place].mean()), _NOTHING) / mean) for each in doubts]
    noise = float(np.hypot(chance, mean * np.std(other) if other else 0.0))
    if name == "rmse":
        root = float(np.sqrt(mean))
        return Expected(root, noise / (2 * root))
    return Expected(mean, noise)


def metric_of(name: str, summary: Summary) -> Metric:
    """The metric, with the summary's costs."""
    return metric_for(name, summary.kind, cost=summary.cost)


def spread_of(name: str, expected: Floats, given: Labelled, summary: Summary) -> float:
    """How far estimates of held-out stretches are off beyond the noise of their labels; -1 where the figure is
    undefined.

    What chance alone would leave is taken off as well, a standard error of the mean of their squares: the part of these
    that happens to lie above the noise is no error of the estimator.
    """
    parts = _stretches(given.table.height)
    found = np.array([_off(name, rows, expected, given, summary) for rows in parts])
    known = found[np.isfinite(found).all(axis=1)]
    if not len(known):
        return -1.0
    square, noise = known.mean(axis=0)
    return float(np.sqrt(max(0.0, square - noise * (1 + np.sqrt(2 / len(known))))))


def afar_of(name: str, expected: Floats, given: Labelled, summary: Summary) -> float:
    """How far an estimate is off at a distance of 1 (`distance.distance`), where its square grows as the distance's.

    By held-out slices: one that has a share s of the rows is a window at a squared distance of 1 / s - 1. And by the
    noise of the reference's labels: where its rows count for fewer, that is larger as well.
    """
    parts = _slices(given.table, summary.columns, expected)
    found = np.array([(*_off(name, rows, expected, given, summary), away) for rows, away in parts]).reshape(-1, 3)
    square, noise, far = found[np.isfinite(found).all(axis=1)].sum(axis=0)
    labels = figure_of(name, expected, given.answers, summary).noise
    return float(np.sqrt((max(0.0, square - noise) / far if far else 0.0) + labels**2))


def _stretches(rows: int) -> list[Rows]:
    return np.array_split(np.arange(rows), min(_STRETCHES, max(2, rows // 100)))


def _slices(table: pl.DataFrame, columns: Mapping[str, str], expected: Floats) -> list[tuple[Rows, float]]:
    """Rows alike in one feature, what a window may have more of, and the squared distance of such a window.

    Of many features those along which what is expected varies most: how far the rows are off is not looked at here,
    else chance would choose where they are."""
    parts = [_alike(table[name], kind) for name, kind in columns.items()]
    parts.sort(key=lambda each: -_varied(each, expected))
    return [
        (np.sort(rows[:: max(1, len(rows) // _SLICE_ROWS)]), table.height / len(rows) - 1)
        for each in parts[:_SLICED]
        for rows in each
    ]


def _alike(column: pl.Series, kind: str) -> list[Rows]:
    """The rows of each third, or of each of the commonest values."""
    if kind == "number":
        known = column.fill_nan(None)
        order = known.arg_sort(nulls_last=True).to_numpy()
        found = np.array_split(order[: len(known) - known.null_count()], 3)
    else:
        common = column.drop_nulls().value_counts().sort("count", column.name, descending=True)[column.name].head(3)
        found = [np.flatnonzero((column == each).fill_null(value=False).to_numpy()) for each in common]
    return [rows for rows in found if _LEAST_OF_SLICE <= len(rows) <= _LARGEST_SLICE * len(column)]


def _varied(parts: list[Rows], expected: Floats) -> float:
    """The variance of what is expected among these rows, of all columns in units of their own."""
    if not parts:
        return 0.0
    scale = np.maximum(expected.std(axis=0), _NOTHING)
    apart = (np.array([expected[rows].mean(axis=0) for rows in parts]) - expected.mean(axis=0)) / scale
    return float(np.square(apart).mean())


def _off(name: str, part: Rows, expected: Floats, given: Labelled, summary: Summary) -> tuple[float, float]:
    """The squared error of the estimate of these rows, and what the noise of labels has of it; NaN if undefined."""
    answers, truth = given.answers[part], given.truth[part]
    value, noise = figure_of(name, expected[part], answers, summary)
    return float((value - metric_of(name, summary).score(truth, answers)) ** 2), float(noise**2)
