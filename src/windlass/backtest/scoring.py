"""How good the predictions of each window were, seen afterwards."""

from __future__ import annotations

import math

import numpy as np

from windlass.backtest.stream import Array, Stream, Window
from windlass.decisions.statistics.metrics import Metric, main_metric, metric_for


class Scorer:
    """Scores windows on all rows that have a label, however late it came."""

    def __init__(self, *, stream: Stream) -> None:
        task = stream.product.task
        self._stream = stream
        self.metric = main_metric(stream.product.gate, task.kind)
        self.log_loss = metric_for("log_loss", task.kind) if task.kind == "binary" else None

    def score(self, metric: Metric, window: Window, predictions: Array) -> float | None:
        """The metric of one window; None where it is undefined (no labels, one class)."""
        truth = self._stream.target[window.start : window.stop]
        labelled = np.isfinite(truth)
        score = metric.score(truth[labelled], predictions[labelled])
        return score if math.isfinite(score) else None


def mean_of(scores: list[float | None]) -> float | None:
    """The mean of those that are defined."""
    defined = [score for score in scores if score is not None]
    return float(np.mean(defined)) if defined else None
