"""What is measured of a candidate on rows it has not learned from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from windlass.decisions.statistics.losses import chosen
from windlass.decisions.statistics.metrics import NAMES, main_metric, metric_for
from windlass.pipeline.rows.split import Split
from windlass.product.policy import Gate

if TYPE_CHECKING:
    from windlass.product.task import TaskKind

Array = np.ndarray[Any, Any]

EVALUATION = "evaluation.json"
LATENCY = "latency.json"
BINS = 10
SMALLEST_SLICE = 20
"""Rows below which a group is not shown by itself."""
MOST_GROUPS = 50
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """One group of rows."""

    column: str
    group: str
    rows: int
    metrics: dict[str, float]


class CalibrationBin(msgspec.Struct, frozen=True, kw_only=True):
    """Rows whose predicted probability lies between `lower` and `upper`."""

    lower: float
    upper: float
    rows: int
    predicted: float
    """Mean probability that the model gave."""
    observed: float
    """How often it was right about that: the share of positives, or of right choices for several classes."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    bins: tuple[CalibrationBin, ...]
    ece: float
    """Expected calibration error: the mean distance of predicted and observed, weighted by rows, 0..1."""


class Importance(msgspec.Struct, frozen=True, kw_only=True):
    """How much one feature matters to this model on these rows."""

    feature: str
    rise: float
    """By how much the mean loss rises when the feature is shuffled among the rows; about 0 or below: not used."""


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Features and model together, in milliseconds, on the machine that trained."""

    single_p50: float
    single_p99: float
    batch_rows: int
    batch_p50: float
    batch_p99: float


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of a candidate; `evaluation.json` in a bundle. Those undefined on these rows are left out."""

    rows: int
    metric: str
    """The one that the gate judges."""
    larger_is_better: bool
    metrics: dict[str, float]
    baseline: dict[str, float]
    """The same figures for the best constant answer, learned from the training rows."""
    slices: tuple[Slice, ...]
    calibration: Calibration | None
    """Classification only."""
    residuals: dict[str, float]
    """Regression only: quantiles of prediction minus truth."""
    importances: tuple[Importance, ...]
    """The weightiest first."""
    split: Split
    """How training rows and holdout were parted; the next challenger is judged on rows that this one has not seen."""


def score_all(truth: Array, predictions: Array, *, gate: Gate | None, kind: TaskKind) -> dict[str, float]:
    """Every figure there is for the kind of task, and the gate's own; those that are undefined are left out."""
    main = main_metric(gate, kind)
    names = [name for name in NAMES[kind] if name not in ("cost", main.name)]
    metrics = [main, *(metric_for(name, kind) for name in names)]
    scores = {metric.name: metric.score(truth, predictions) for metric in metrics}
    return {name: score for name, score in scores.items() if np.isfinite(score)}


def slice_table(
    truth: Array, predictions: Array, groups: Mapping[str, Array], *, gate: Gate | None, kind: TaskKind
) -> tuple[Slice, ...]:
    """The figures within each group of at least 20 rows, the largest groups of each column first.

    `groups` is column -> `(n,)` group of each row, as strings.
    """
    table = []
    for column, values in groups.items():
        labels, codes, counts = np.unique(np.asarray(values, dtype=str), return_inverse=True, return_counts=True)
        largest = np.argsort(-counts, kind="stable")[:MOST_GROUPS]
        for code in largest[counts[largest] >= SMALLEST_SLICE]:
            rows = codes == code
            scores = score_all(truth[rows], predictions[rows], gate=gate, kind=kind)
            table.append(Slice(column=column, group=str(labels[code]), rows=int(counts[code]), metrics=scores))
    return tuple(table)


def calibration_of(truth: Array, predictions: Array, kind: TaskKind) -> Calibration | None:
    """Predicted against observed, in ten bins of equal width; for several classes, of the chosen one.

    Source: Naeini, Cooper, Hauskrecht (2015), AAAI; Guo et al. (2017), ICML, for the chosen class.
    """
    if kind == "regression":
        return None
    if kind == "binary":
        given, happened = predictions, truth
    else:
        given, happened = predictions.max(axis=1), chosen(predictions) == truth
    place = np.clip((given * BINS).astype(np.int64), 0, BINS - 1)
    rows = np.bincount(place, minlength=BINS)
    with np.errstate(invalid="ignore"):
        predicted = np.bincount(place, weights=given, minlength=BINS) / rows
        observed = np.bincount(place, weights=happened.astype(np.float64), minlength=BINS) / rows
    filled = np.flatnonzero(rows)
    bins = tuple(
        CalibrationBin(
            lower=int(number) / BINS,
            upper=(int(number) + 1) / BINS,
            rows=int(rows[number]),
            predicted=float(predicted[number]),
            observed=float(observed[number]),
        )
        for number in filled
    )
    ece = float((np.abs(predicted - observed)[filled] * rows[filled]).sum() / rows.sum())
    return Calibration(bins=bins, ece=ece)


def residuals_of(truth: Array, predictions: Array, kind: TaskKind) -> dict[str, float]:
    """Quantiles of prediction minus truth; empty for classification."""
    if kind != "regression":
        return {}
    found = np.quantile(predictions - truth, QUANTILES)
    return {f"{quantile:g}": float(value) for quantile, value in zip(QUANTILES, found, strict=True)}
