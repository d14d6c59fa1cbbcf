"""Models of stretches of different length, made into one; the training run and the backtest do it by this."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from windlass.decisions.horizons import horizons, weigh
from windlass.product.model.blend import Blend
from windlass.product.task import TaskKind

Array = np.ndarray[Any, Any]
Fit = Callable[[int], Any]
"""A model of that many rows, the newest ones."""
Answer = Callable[[Any], Array]
"""What a model predicts for the rows that choose."""


class Mix(msgspec.Struct, frozen=True, kw_only=True):
    """Which stretches a model learned from, and how much each of them counts."""

    shares: tuple[float, ...] = (1.0,)
    """Of all rows, the newest ones."""
    weights: tuple[float, ...] = (1.0,)
    """Positive; they sum to 1."""

    def __str__(self) -> str:
        if self.shares == (1.0,):
            return "all rows"
        parts = [
            f"{'all rows' if share == 1 else f'the newest {_fraction(share)}'} {weight:.0%}"
            for share, weight in zip(self.shares, self.weights, strict=True)
        ]
        return f"a blend of {', '.join(parts)}" if len(parts) > 1 else parts[0].rpartition(" ")[0]


def choose(fit: Fit, answer: Answer, *, labels: Array, truth: Array, kind: TaskKind, classes: int) -> tuple[Any, Mix]:
    """Fit a model to each stretch of the rows with `labels` (in the order of their time), and blend those that count.

    `truth` are the labels of the rows that choose; they came after all others. Returns the blend, or the single model
    that is left, and how it was made.
    """
    shares = [share for share in horizons(len(labels)) if _learnable(labels, _rows(labels, share), kind)] or [1.0]
    models = [fit(_rows(labels, share)) for share in shares]
    weights = weigh(truth, [answer(model) for model in models], kind)
    kept = np.flatnonzero(weights)
    mix = Mix(shares=tuple(shares[place] for place in kept), weights=tuple(float(weights[place]) for place in kept))
    return _blend([models[place] for place in kept], mix.weights, kind=kind, classes=classes), mix


def follow(fit: Fit, mix: Mix, *, labels: Array, kind: TaskKind, classes: int) -> Any:
    """A model made in the same way of other rows; a stretch that holds one class alone is left out."""
    chosen = [
        (share, weight)
        for share, weight in zip(mix.shares, mix.weights, strict=True)
        if _learnable(labels, _rows(labels, share), kind)
    ] or [(1.0, 1.0)]
    total = sum(weight for _, weight in chosen)
    models = [fit(_rows(labels, share)) for share, _ in chosen]
    return _blend(models, tuple(weight / total for _, weight in chosen), kind=kind, classes=classes)


def _blend(models: list[Any], weights: tuple[float, ...], *, kind: TaskKind, classes: int) -> Any:
    return models[0] if len(models) == 1 else Blend(models, weights, kind=kind, classes=classes or None)


def _rows(labels: Array, share: float) -> int:
    return len(labels) if share == 1.0 else round(len(labels) * share)


def _learnable(labels: Array, rows: int, kind: TaskKind) -> bool:
    return kind == "regression" or len(np.unique(labels[len(labels) - rows :])) > 1


def _fraction(share: float) -> str:
    names = {0.5: "half", 0.25: "quarter", 0.125: "eighth", 0.0625: "sixteenth"}
    return names.get(share, f"{share:.0%}")
