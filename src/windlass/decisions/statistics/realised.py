"""How good a model was on rows of which only some labels have come: a figure with an interval, at every age of labels.

Where one class becomes known early and the other late, the labels that are there say little about those that are not.
Each label that came at age a therefore counts for 1 / F(a) rows of its class, where F is the distribution of that
class's delays (Horvitz and Thompson 1952, JASA 47). The interval holds what these weights do not know: which rows were
drawn, whose labels came, and the error of F itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from windlass.decisions.statistics import losses as per_row
from windlass.decisions.statistics.completeness import Usual, explained, groups_of
from windlass.decisions.statistics.delays import Delays, Deliveries

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from windlass.decisions.statistics.metrics import Metric

    Array = NDArray[Any]
    Floats = NDArray[np.float64]

_LEAST_SHARE = 0.1
"""Of each class's labels that must be known at an age for rows of that age to be weighed."""
_LEAST_PART = 0.5
"""Of the rows, which must be old enough for that."""
_LEAST_LABELS = 20
"""Of each class whose labels are still to come, which must be there."""
_LEAST_DELAYS, _LEAST_OWN = 50, 5
"""Labels of one group at least, for anything to be told of delays, and of a group, for its delays to be its own. How
little so few tell is in their doubt; that they come as those of other groups do would be a guess, and a sure one."""
_SETTLED = 0.98
_PSEUDO = 2.0
"""Rows of the best and of the worst kind that are added to a share (Agresti and Coull 1998, American Statistician 52):
without them a share of 0 or 1 would seem certain."""
_QUANTILE = 0.98
"""Of Student's t; a little beyond 0.975, since the weights' tails are heavier than the degrees of freedom tell."""
MEANS = {
    "accuracy": per_row.wrong,
    "log_loss": per_row.log_loss,
    "brier": per_row.brier,
    "mae": per_row.absolute,
    "mse": per_row.squared,
    "rmse": per_row.squared,
}
"""Figures that are a function of a mean over rows."""
_SHARES = ("accuracy", "brier", "roc_auc")


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelTimes:
    """What n rows are known to be, and when that became known; times in seconds, rows in any order."""

    at: Floats
    """`(n,)` when each row was answered."""
    known_at: Floats
    """`(n,)` when its label came; NaN: not yet."""
    truth: Floats
    """`(n,)` codes or values; NaN: not yet."""

    @property
    def known(self) -> NDArray[np.bool_]:
        return np.isfinite(self.truth) & np.isfinite(self.known_at)


@dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """What older rows tell of the delays of labels."""

    delays: Mapping[int, Delays]
    """By group: a class, or a quarter of the values."""
    usual: Usual
    """How many labels never come."""
    cuts: Floats
    """Regression: the values between the quarters; empty for classes."""
    deliveries: Deliveries

    def group(self, truth: Floats) -> NDArray[np.int64]:
        """The group of each known label."""
        return np.asarray(np.searchsorted(self.cuts, truth) if len(self.cuts) else truth, dtype=np.int64)


class Realised(NamedTuple):
    """A figure of some rows as of now."""

    value: float
    """NaN while too little is known."""
    lower: float
    upper: float
    """Where the figure of rows like these lies, and where this one will end once all labels are there: each with a
    chance of 95 in 100."""
    labelled: int


def learn_history(rows: LabelTimes, *, now: float, within: float, classes: bool) -> History:
    """From all rows that there are, the older ones above all; `within` is how long a label may take.

    Groups of which hardly any delays were seen go with the slowest of the others.
    """
    known = rows.known
    cuts = np.empty(0) if classes or not known.any() else np.quantile(rows.truth[known], [0.25, 0.5, 0.75])
    codes = groups_of(rows.truth, classes=True) if classes else np.searchsorted(cuts, rows.truth)
    deliveries = Deliveries.of(rows.at, np.where(known, rows.known_at, np.nan), within=within)
    over = deliveries.age(rows.at, now) > within
    history = History(delays={}, usual=Usual.of(known[over]), cuts=cuts, deliveries=deliveries)
    delays = {}
    present, counts = np.unique(codes[known], return_counts=True)
    least = _LEAST_OWN if counts.max(initial=0) >= _LEAST_DELAYS else _LEAST_DELAYS
    for code in present[counts >= least]:
        own = known & (codes == code)
        delays[int(code)] = deliveries.learn_with_doubt(rows.at[own], rows.known_at[own], now=now)
    return replace(history, delays=delays)


def realised_score(
    metric: Metric, rows: LabelTimes, predictions: Array, history: History, *, now: float, within: float
) -> Realised:
    """A metric of n rows as of `now`, with an interval.

    `metric` is one of `MEANS` or the area under the ROC curve of two classes; for others the figure of the labels that
    are there, which is only right once all are, without an interval. Where too few labels are known for weights, or
    more of them are missing than the delays explain, the interval holds whatever the missing ones may turn out to be,
    and what chance among so many rows leaves. With all labels there is nothing to be weighed, however few there are.
    """
    known = rows.known & history.deliveries.known(rows.at, rows.known_at, now=now)
    truth = rows.truth[known]
    if metric.name not in MEANS and not (metric.name == "roc_auc" and metric.kind == "binary"):
        value = metric.score(truth, predictions[known])
        return Realised(value, float("nan"), float("nan"), int(known.sum()))
    if len(truth) == len(rows.truth) and len(truth):
        whole = _interval(metric, truth, predictions, np.ones(len(truth)), [])
        return whole._replace(labelled=len(truth))
    weighed = _weighed(rows, known, history, now=now, within=within)
    if weighed is None:
        return _whatever_comes(metric, rows.truth, predictions, known)
    chosen, weights, doubt = weighed
    return _interval(metric, rows.truth[chosen], predictions[chosen], weights, doubt)._replace(
        labelled=int(known.sum())
    )


def _weighed(
    rows: LabelTimes, known: NDArray[np.bool_], history: History, *, now: float, within: float
) -> tuple[NDArray[np.int64], Floats, list[tuple[NDArray[np.int64], Floats]]] | None:
    """The labelled rows that count, for how many each counts, and by group which of them share what doubt."""
    age = history.deliveries.age(rows.at, now)
    settled = age >= within
    if not history.delays:
        enough = settled.mean() >= _LEAST_PART and len(rows.at) > 0
        chosen = np.flatnonzero(known & settled)
        return (chosen, np.ones(len(chosen)), []) if enough and settled.all() else None
    share = {code: np.where(settled, 1.0, delays.known_by(age)) for code, delays in history.delays.items()}
    slowest = np.min(list(share.values()), axis=0)
    old_enough = slowest >= _LEAST_SHARE
    if old_enough.mean() < _LEAST_PART:
        return None
    chosen = np.flatnonzero(known & old_enough)
    codes = history.group(rows.truth[chosen])
    own = slowest[chosen].copy()
    doubt = []
    for code, delays in history.delays.items():
        members = np.flatnonzero(codes == code)
        own[members] = share[code][chosen[members]]
        coming = float(share[code][old_enough].mean()) < _SETTLED
        if coming and len(members) < _LEAST_LABELS:
            return None
        error = np.where(settled[chosen[members], None], 0.0, delays.doubt(age[chosen[members]]))
        doubt.append((members, error))
    if not explained(own, rows=int(old_enough.sum()), usual=history.usual):
        return None
    return chosen, 1 / own, doubt


def _interval(
    metric: Metric, truth: Floats, predictions: Array, weights: Floats, doubt: list[tuple[NDArray[np.int64], Floats]]
) -> Realised:
    value, influence = _weighted(metric, truth, predictions, weights)
    if not np.isfinite(value):
        return Realised(float("nan"), *_ends(metric.name), 0)
    variance = float((influence**2).sum())
    effective = variance**2 / float((influence**4).sum()) if variance > 0 else float(len(truth))
    variance += sum(float(((influence[members] @ error) ** 2).sum()) for members, error in doubt)
    lower, upper = _reached(metric.name, value, variance, effective)
    if metric.name == "accuracy":
        value, lower, upper = 1 - value, 1 - upper, 1 - lower
    if metric.name == "rmse":
        value, lower, upper = float(np.sqrt(value)), float(np.sqrt(lower)), float(np.sqrt(upper))
    return Realised(value, lower, upper, 0)


def _weighted(metric: Metric, truth: Floats, predictions: Array, weights: Floats) -> tuple[float, Floats]:
    """The weighted mean of the losses, or the weighted area, and each row's influence on it."""
    if not len(truth):
        return float("nan"), np.empty(0)
    if metric.name != "roc_auc":
        found, total = MEANS[metric.name](truth, predictions), weights.sum()
        value = float(weights @ found / total)
        return value, np.asarray(weights * (found - value) / total)
    positive = truth == 1
    if positive.all() or not positive.any():
        return float("nan"), np.empty(0)
    up, down = weights[positive], weights[~positive]
    above = _below(predictions[positive], predictions[~positive], down)
    under = 1 - _below(predictions[~positive], predictions[positive], up)
    value = float(up @ above / up.sum())
    influence = np.empty(len(truth))
    influence[positive] = up * (above - value) / up.sum()
    influence[~positive] = down * (under - value) / down.sum()
    return value, influence


def _below(of: Array, among: Array, weights: Floats) -> Floats:
    """For each of `of`, the weight of `among` below it as a part of all, ties counting half."""
    order = np.argsort(among, kind="stable")
    total = np.append(0.0, np.cumsum(weights[order]))
    ordered = among[order]
    under = total[np.searchsorted(ordered, of, side="left")] + total[np.searchsorted(ordered, of, side="right")]
    return np.asarray(under / (2 * total[-1]))


def _reached(name: str, value: float, variance: float, effective: float) -> tuple[float, float]:
    """Shares on the scale of their log odds, other losses on that of their logarithm: there errors are more even."""
    from scipy.special import stdtrit

    reach = float(stdtrit(max(effective - 1, 1.0), _QUANTILE))
    if name in _SHARES:
        count = max(value * (1 - value) / variance, 1.0) if variance > 0 else effective
        middle = (value * count + _PSEUDO) / (count + 2 * _PSEUDO)
        error = np.sqrt(middle * (1 - middle) / count)
        odds, step = np.log(middle / (1 - middle)), reach * error / (middle * (1 - middle))
        ends = [float(1 / (1 + np.exp(-(odds + sign * step)))) for sign in (-1, 1)]
        return min(ends[0], value), max(ends[1], value)
    if value <= 0:
        return 0.0, 0.0 if variance == 0 else float("inf")
    step = reach * np.sqrt(variance) / value
    return float(value * np.exp(-step)), float(value * np.exp(step))


def _whatever_comes(metric: Metric, truth: Floats, predictions: Array, known: NDArray[np.bool_]) -> Realised:
    """Bounds on the figure of these very rows that hold for any labels of those that have none (Manski 1989, Journal of
    Human Resources 24), and beyond each of them what chance leaves of the mean of as many rows."""
    count = int(known.sum())
    if metric.name == "roc_auc" or not len(truth):
        return Realised(float("nan"), *_ends(metric.name), count)
    loss = MEANS[metric.name]
    seen, missing = loss(truth[known], predictions[known]), predictions[~known]
    least, most = _extremes(loss, missing, regression=metric.kind == "regression")
    lower, _ = _of_mean(metric.name, np.append(seen, least))
    _, upper = _of_mean(metric.name, np.append(seen, most))
    if metric.name == "accuracy":
        lower, upper = 1 - upper, 1 - lower
    if metric.name == "rmse":
        lower, upper = float(np.sqrt(lower)), float(np.sqrt(upper))
    return Realised(float("nan"), lower, upper, count)


def _of_mean(name: str, found: Floats) -> tuple[float, float]:
    """Where the mean of losses lies of which these are a sample."""
    if not np.isfinite(found).all():
        return 0.0, float("inf")
    return _reached(name, float(found.mean()), float(found.var() / len(found)), float(len(found)))


def _extremes(loss: Any, predictions: Array, *, regression: bool) -> tuple[Floats, Floats]:
    """The least and the greatest loss that each of these rows may turn out to have."""
    if regression:
        return np.zeros(len(predictions)), np.full(len(predictions), np.inf)
    classes = 2 if predictions.ndim == 1 else predictions.shape[1]
    every = np.stack([loss(np.full(len(predictions), code), predictions) for code in range(classes)])
    return every.min(axis=0), every.max(axis=0)


def _ends(name: str) -> tuple[float, float]:
    return (0.0, 1.0) if name in _SHARES else (0.0, float("inf"))
