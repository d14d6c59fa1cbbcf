"""Fits and predictions of one policy, counted and timed."""

from __future__ import annotations

import random
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from windlass.backtest.stopwatch import Stopwatch
from windlass.backtest.stream import Array, Known, Stream
from windlass.product.model.predict import predict

_FOR_DEVELOPERS = (DeprecationWarning, PendingDeprecationWarning, ResourceWarning)
LEAST = 4
"""Labelled rows below which nothing is fitted."""


class Trainer:
    """Trains as the product trains and asks models as serving does."""

    def __init__(self, *, stream: Stream, seed: int) -> None:
        self._stream = stream
        self._seed = seed
        self.watch = Stopwatch()
        self.fits = 0
        self.warnings: Counter[str] = Counter()
        """What libraries warned of, the first line of each, and in how many fits and predictions."""

    def can_fit(self, known: Known) -> bool:
        """Whether these labelled rows are enough, and of more than one class."""
        if len(known) < LEAST:
            return False
        return self._stream.product.task.kind == "regression" or len(np.unique(known.labels)) > 1

    def fit(self, known: Known) -> Any:
        """A model trained on these rows; random numbers of the user's code start from the seed."""
        examples = self._stream.examples(known)
        random.seed(self._seed)
        np.random.seed(self._seed)
        with self.watch.measure("fit"), self._listening():
            model = self._stream.product().train(examples)
        self.fits += 1
        return model

    def predict(self, model: Any, start: int, stop: int) -> Array:
        """Predictions of rows `start` to before `stop`."""
        return self._predict(model, self._stream.features.slice(start, stop - start))

    def predict_at(self, model: Any, positions: Array) -> Array:
        """Predictions of the rows at these positions."""
        return self._predict(model, self._stream.take(positions))

    def _predict(self, model: Any, features: Any) -> Array:
        kind = self._stream.product.task.kind
        with self.watch.measure("predict"), self._listening():
            return predict(model, features, kind, classes=len(self._stream.classes) or None)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Count warnings instead of letting the same one through at each of many fits."""
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            for category in _FOR_DEVELOPERS:
                warnings.simplefilter("ignore", category)
            yield
        texts = (str(warning.message).strip() for warning in heard)
        self.warnings.update({text.splitlines()[0] for text in texts if text})
