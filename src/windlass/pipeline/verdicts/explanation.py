"""How long a candidate takes, and which features it uses."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from windlass.decisions.statistics.losses import losses
from windlass.pipeline.verdicts.evaluation import Importance, Latency

if TYPE_CHECKING:
    from windlass.product.task import TaskKind

Array = np.ndarray[Any, Any]
Predict = Callable[[pl.DataFrame], Array]
"""Predictions of a frame."""

IMPORTANCE_ROWS = 500
_LEAST_IMPORTANCE_ROWS = 100
_IMPORTANCE_CELLS = 150_000
"""Of the rows that are shuffled. As many as there are features are predicted anew, so that what it takes goes with the
square of the features' number; with 300 and more the rows are fewer."""
_REPEATS = 2
_AT_ONCE = 20_000
"""Rows that are predicted in one call: many shuffled copies are stacked, since a call costs more than its rows."""
_SINGLES = 30
_SINGLES_FOR_A_LIMIT = 300
_BATCHES = 3
_BATCH = 1000
SEED = 0


def measure_latency(rows: pl.DataFrame, predict: Predict, *, limited: bool) -> Latency:
    """Time `predict` (features and model together) on single rows and on batches of up to 1,000.

    With `limited` (the gate sets a limit) more single rows are timed, so that the 99th percentile is not just the
    slowest of a few.
    """
    count = _SINGLES_FOR_A_LIMIT if limited else _SINGLES
    singles = [rows[place % rows.height : place % rows.height + 1] for place in range(count)]
    batch = rows.head(_BATCH)
    single = _timed(predict, singles)
    whole = _timed(predict, [batch] * _BATCHES)
    return Latency(
        single_p50=float(np.quantile(single, 0.5)),
        single_p99=float(np.quantile(single, 0.99)),
        batch_rows=batch.height,
        batch_p50=float(np.quantile(whole, 0.5)),
        batch_p99=float(np.quantile(whole, 0.99)),
    )


def _timed(predict: Predict, frames: Sequence[pl.DataFrame]) -> list[float]:
    """Milliseconds of each call, after one that does not count."""
    predict(frames[0])
    durations = []
    for frame in frames:
        began = time.perf_counter()
        predict(frame)
        durations.append(1000 * (time.perf_counter() - began))
    return durations


def permutation_importances(
    features: pl.DataFrame, truth: Array, predict: Predict, kind: TaskKind
) -> tuple[Importance, ...]:
    """By how much the mean loss rises when a feature is shuffled, the weightiest first.

    Measured on at most 500 rows drawn with a fixed seed (fewer of more than 300 features, but 100), as the mean of two
    shuffles; `predict` takes features.
    Source: Breiman (2001), Machine Learning 45; Fisher, Rudin, Dominici (2019), JMLR 20, for any model.
    """
    random = np.random.default_rng(SEED)
    most = min(IMPORTANCE_ROWS, max(_LEAST_IMPORTANCE_ROWS, _IMPORTANCE_CELLS // max(1, features.width)))
    if features.height > most:
        sample = np.sort(random.choice(features.height, most, replace=False))
        features, truth = features[sample], truth[sample]
    before = float(losses(truth, predict(features), kind).mean())
    orders = [random.permutation(features.height) for _ in range(_REPEATS)]
    per_call = max(1, _AT_ONCE // max(1, features.height * _REPEATS))
    found = []
    for start in range(0, features.width, per_call):
        names = features.columns[start : start + per_call]
        shuffled = [features.with_columns(features[name][order]) for name in names for order in orders]
        after = losses(np.tile(truth, len(shuffled)), predict(pl.concat(shuffled)), kind)
        rises = after.reshape(len(names), -1).mean(axis=1) - before
        found += [Importance(feature=name, rise=float(rise)) for name, rise in zip(names, rises, strict=True)]
    return tuple(sorted(found, key=lambda importance: -importance.rise))
