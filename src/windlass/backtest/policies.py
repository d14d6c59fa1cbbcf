"""The fixed policies that the loop is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from windlass.backtest.result import BacktestEvent
from windlass.backtest.stream import HISTORY, Array, Stream, Window
from windlass.backtest.trainer import Trainer


class Policy(Protocol):
    """Decides which model answers; asked for the predictions of one window after the other."""

    trainer: Trainer
    retrains: int
    events: list[BacktestEvent]

    def run(self, index: int, window: Window) -> Array:
        """Predictions of the rows of this window, knowing nothing that was not known when each was asked for."""
        ...


class Frozen:
    """Never retrains: the first model answers for ever."""

    def __init__(self, *, trainer: Trainer, first: Any) -> None:
        self.trainer = trainer
        self.retrains = 0
        self.events: list[BacktestEvent] = []
        self._model = first

    def run(self, index: int, window: Window) -> Array:  # noqa: ARG002 (the protocol's signature)
        return self.trainer.predict(self._model, window.start, window.stop)


class Periodic:
    """Retrains before each window on the labels known by then, of all rows or of the latest `stretch` rows.

    When these rows cannot train a model (too few labels, one class), the one before answers on.
    """

    def __init__(self, *, stream: Stream, trainer: Trainer, first: Any, stretch: int | None) -> None:
        self.trainer = trainer
        self.retrains = 0
        self.events: list[BacktestEvent] = []
        self._stream = stream
        self._stretch = stretch
        self._model = first

    def run(self, index: int, window: Window) -> Array:
        if index:
            earliest = 0 if self._stretch is None else max(0, window.start - self._stretch)
            known = self._stream.known(int(self._stream.at[window.start]), start=earliest, stop=window.start)
            if self.trainer.can_fit(known):
                self._model = self.trainer.fit(known)
                self.retrains += 1
        return self.trainer.predict(self._model, window.start, window.stop)


def recent_rows(rows: int) -> int:
    """How many rows `recent` looks back on: a fifth of the file."""
    return max(1, round(rows * HISTORY))


NAMES: Sequence[str] = ("frozen", "every-window", "recent", "windlass")
