"""The figures that models are judged by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from windlass.decisions.statistics import losses as per_row
from windlass.decisions.statistics import ranking
from windlass.errors import ProductError
from windlass.product.policy import Gate
from windlass.product.task import DEFAULT_METRICS, KINDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from windlass.product.task import TaskKind

    Array = NDArray[Any]
    Floats = NDArray[np.float64]
    Score = Callable[[Array, Array], float]
    PerRow = Callable[[Array, Array], Floats]

Cost = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One figure of quality and what is known about its noise."""

    name: str
    kind: TaskKind
    larger_is_better: bool
    function: Score
    """`(truth, predictions) -> float`, NaN where it is undefined."""
    influence: PerRow | None = None
    """Each row's first-order contribution to the figure's error, mean 0; None: only resampling can tell the noise."""
    perfect: float | None = None
    """What a model that is always right scores."""

    def score(self, truth: Array, predictions: Array) -> float:
        """The figure on these rows; NaN when it is undefined (no rows, one class, a prediction that is not finite)."""
        truth, predictions = np.asarray(truth), np.asarray(predictions)
        if len(truth) == 0 or not (np.isfinite(predictions).all() and np.isfinite(truth).all()):
            return float("nan")
        value = float(self.function(truth, predictions))
        return value if np.isfinite(value) else float("nan")

    def room(self, score: float) -> float | None:
        """What a score falls short of a perfect one; None where nobody knows what that is."""
        if self.perfect is None:
            return None
        return abs(self.perfect - score)

    def gain(self, candidate: float, champion: float) -> float:
        """How much better the first figure is than the second, in the metric's units; negative: worse."""
        return candidate - champion if self.larger_is_better else champion - candidate


def metric_for(
    name: str, kind: TaskKind, *, cost: Cost | None = None, own: Callable[[Any, Any], float] | None = None
) -> Metric:
    """The metric called `name` for a task of this kind; `default` is the kind's own.

    `own` is a function `(truth, predictions) -> float`, larger is better, and is used whatever the name. `cost` is the
    matrix behind the metric `cost`. Raises ProductError for a name that does not exist for this kind of task.
    """
    if own is not None:
        return Metric(name=name, kind=kind, larger_is_better=True, function=partial(_own, own, name))
    name = DEFAULT_METRICS[kind] if name == "default" else name
    if name == "cost" and kind == "binary":
        if cost is None:
            raise ProductError(
                "the metric 'cost' needs a cost matrix", where="Gate.cost", remedy="cost=[[0, 1], [5, 0]]"
            )
        return replace(_mean("cost", kind, partial(per_row.cost, matrix=cost)), perfect=None)
    make = _REGISTRY[kind].get(name)
    if make is None:
        raise ProductError(
            f"there is no metric {name!r} for a {kind} task",
            where="Gate.metric",
            remedy=f"use one of {', '.join(NAMES[kind])}, or pass a function (y_true, y_score) -> float",
        )
    return make


def _own(function: Callable[[Any, Any], float], name: str, truth: Array, predictions: Array) -> float:
    value: object = function(truth, predictions)
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise ProductError(
            f"{name} returned {value!r}"[:300], where="Gate.metric", remedy="return a number; larger is better"
        ) from error


def main_metric(gate: Gate | None, kind: TaskKind) -> Metric:
    """The metric that the gate judges by; without one the kind's own. Raises ProductError for one that does not exist
    for this kind of task."""
    gate = gate or Gate()
    return metric_for(gate.metric, kind, cost=gate.cost, own=gate.own)


def is_ranked(gate: Gate | None, kind: TaskKind) -> bool:
    """Whether a product is judged by nothing but how its positives are told from its negatives."""
    return kind == "binary" and main_metric(gate, kind).name in per_row.RANKING


def _mean(name: str, kind: TaskKind, loss: PerRow) -> Metric:
    """A metric that is the mean of a loss by row; smaller is better."""
    return Metric(
        name=name,
        kind=kind,
        larger_is_better=False,
        function=lambda truth, predictions: float(loss(truth, predictions).mean()),
        influence=lambda truth, predictions: _centred(loss(truth, predictions)),
        perfect=0.0,
    )


def _centred(values: Floats) -> Floats:
    return np.asarray(values - values.mean(), dtype=np.float64)


# -- classification ----------------------------------------------------------------------------------------------


def _accuracy(truth: Array, predictions: Array) -> float:
    return float(1 - per_row.wrong(truth, predictions).mean())


def _accuracy_influence(truth: Array, predictions: Array) -> Floats:
    return -_centred(per_row.wrong(truth, predictions))


def _confusion(truth: Array, predictions: Array) -> Floats:
    """Counts, `(k, k)`: true class in rows, chosen class in columns."""
    codes = np.asarray(truth, dtype=np.int64)
    size = max(2 if predictions.ndim == 1 else predictions.shape[1], int(codes.max()) + 1)
    cells = np.bincount(codes * size + per_row.chosen(predictions), minlength=size * size)
    return cells.reshape(size, size).astype(np.float64)


def _ratio(above: float, below: float) -> float:
    return above / below if below else float("nan")


def _precision(truth: Array, predictions: Array) -> float:
    table = _confusion(truth, predictions)
    return _ratio(table[1, 1], table[:, 1].sum())


def _recall(truth: Array, predictions: Array) -> float:
    table = _confusion(truth, predictions)
    return _ratio(table[1, 1], table[1].sum())


def _f1(truth: Array, predictions: Array) -> float:
    table = _confusion(truth, predictions)
    return _ratio(2 * table[1, 1], table[1].sum() + table[:, 1].sum())


def _balanced_accuracy(truth: Array, predictions: Array) -> float:
    """Recall averaged over the classes that occur; NaN when only one does."""
    table = _confusion(truth, predictions)
    occurs = table.sum(axis=1) > 0
    return float((np.diag(table)[occurs] / table[occurs].sum(axis=1)).mean()) if occurs.sum() > 1 else float("nan")


def _macro_f1(truth: Array, predictions: Array) -> float:
    """F1 averaged over the classes that occur or are predicted."""
    table = _confusion(truth, predictions)
    size = table.sum(axis=1) + table.sum(axis=0)
    return float((2 * np.diag(table)[size > 0] / size[size > 0]).mean())


def _mcc(truth: Array, predictions: Array) -> float:
    """Matthews' correlation of truth and choice; 0 when the model always chooses the same, NaN with one true class.

    Source: Gorodkin (2004), Computational Biology and Chemistry 28, for any number of classes.
    """
    table = _confusion(truth, predictions)
    total, right, true, picked = table.sum(), np.trace(table), table.sum(axis=1), table.sum(axis=0)
    spread_true, spread_picked = total**2 - (true**2).sum(), total**2 - (picked**2).sum()
    if spread_true == 0:
        return float("nan")
    return float((right * total - true @ picked) / np.sqrt(spread_true * spread_picked)) if spread_picked else 0.0


def _macro_auc(truth: Array, predictions: Array) -> float:
    """One class against the rest, averaged over the classes that occur."""
    areas = [ranking.roc_auc(truth == code, predictions[:, code]) for code in _occurring(truth, predictions)]
    return float(np.mean(areas)) if areas else float("nan")


def _macro_auc_influence(truth: Array, predictions: Array) -> Floats:
    parts = [ranking.auc_influence(truth == code, predictions[:, code]) for code in _occurring(truth, predictions)]
    return np.asarray(np.mean(parts, axis=0) if parts else np.full(len(truth), np.nan), dtype=np.float64)


def _occurring(truth: Array, predictions: Array) -> list[int]:
    codes = np.unique(np.asarray(truth, dtype=np.int64))
    return [int(code) for code in codes if code < predictions.shape[1]] if len(codes) > 1 else []


# -- regression --------------------------------------------------------------------------------------------------


def _rmse(truth: Array, predictions: Array) -> float:
    return float(np.sqrt(per_row.squared(truth, predictions).mean()))


def _rmse_influence(truth: Array, predictions: Array) -> Floats:
    """By the delta method: d sqrt(m) = dm / (2 sqrt(m))."""
    errors = per_row.squared(truth, predictions)
    root = np.sqrt(errors.mean())
    return _centred(errors) / (2 * root) if root else np.zeros(len(errors))


def _r2(truth: Array, predictions: Array) -> float:
    spread = float(np.var(np.asarray(truth, dtype=np.float64)))
    return 1 - float(per_row.squared(truth, predictions).mean()) / spread if spread else float("nan")


def _median_error(truth: Array, predictions: Array) -> float:
    return float(np.median(per_row.absolute(truth, predictions)))


def _larger(name: str, kind: TaskKind, function: Score, influence: PerRow | None = None) -> Metric:
    return Metric(name=name, kind=kind, larger_is_better=True, function=function, influence=influence, perfect=1.0)


def _classification(kind: TaskKind) -> list[Metric]:
    return [
        _larger("accuracy", kind, _accuracy, _accuracy_influence),
        _larger("balanced_accuracy", kind, _balanced_accuracy),
        _larger("mcc", kind, _mcc),
        _mean("log_loss", kind, per_row.log_loss),
        _mean("brier", kind, per_row.brier),
    ]


_ALL = [
    _larger("roc_auc", "binary", ranking.roc_auc, ranking.auc_influence),
    _larger("average_precision", "binary", ranking.average_precision),
    *_classification("binary"),
    _larger("f1", "binary", _f1),
    _larger("precision", "binary", _precision),
    _larger("recall", "binary", _recall),
    *_classification("multiclass"),
    _larger("macro_f1", "multiclass", _macro_f1),
    _larger("roc_auc", "multiclass", _macro_auc, _macro_auc_influence),
    _mean("mae", "regression", per_row.absolute),
    _mean("mse", "regression", per_row.squared),
    _mean("mape", "regression", per_row.relative),
    Metric(
        name="rmse", kind="regression", larger_is_better=False, function=_rmse, influence=_rmse_influence, perfect=0.0
    ),
    _larger("r2", "regression", _r2),
    Metric(name="median_ae", kind="regression", larger_is_better=False, function=_median_error, perfect=0.0),
]
_REGISTRY: dict[str, dict[str, Metric]] = {
    kind: {metric.name: metric for metric in _ALL if metric.kind == kind} for kind in KINDS
}
NAMES: Mapping[TaskKind, tuple[str, ...]] = {
    kind: (*_REGISTRY[kind], *(("cost",) if kind == "binary" else ())) for kind in KINDS
}
"""The names that `metric_for` knows, by kind of task, besides `default`."""
