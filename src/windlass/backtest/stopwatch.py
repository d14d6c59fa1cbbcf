"""Where a policy's seconds go: fits, predictions, and all the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Literal

Kind = Literal["total", "fit", "predict"]


@dataclass(kw_only=True)
class Stopwatch:
    """Seconds by kind; `fit` and `predict` are measured inside `total`."""

    seconds: dict[Kind, float] = field(default_factory=lambda: {"total": 0.0, "fit": 0.0, "predict": 0.0})

    @contextmanager
    def measure(self, kind: Kind) -> Iterator[None]:
        started = perf_counter()
        try:
            yield
        finally:
            self.seconds[kind] += perf_counter() - started

    @property
    def overhead(self) -> float:
        """Seconds on top of fits and predictions."""
        return max(self.seconds["total"] - self.seconds["fit"] - self.seconds["predict"], 0.0)
