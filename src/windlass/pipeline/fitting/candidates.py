"""Models of stretches of different length, made into one; the training run and the backtest do it by this."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec
import numpy as np

from windlass.decisions.horizons import SHARES, horizons, weigh
from windlass.product.model.blend import Blend
from windlass.product.task import TaskKind

Array = np.ndarray[Any, Any]
Fit = Callable[[int], Any]
"""A model of that many rows, the newest ones."""
Answer = Callable[[Any], Array]
"""What a model predicts for the rows that choose."""


class Mix(msgspec.Struct, frozen=True, kw_only=True):
    """Which stretches a model learned from, and how much each of them counts."""

    stretches: tuple[float | Literal["changed"], ...] = (1.0,)
    """The newest rows: this share of all, or those since a change."""
    weights: tuple[float, ...] = (1.0,)
    """Positive; they sum to 1."""
    early: bool = False
    """Whether what answers learned from labels that came early, too (`decisions.earliness`)."""

    def __str__(self) -> str:
        return f"{self._told()}, early labels included" if self.early else self._told()

    def _told(self) -> str:
        if self.stretches == (1.0,):
            return "all rows"
        if len(self.stretches) == 1:
            return _told(self.stretches[0])
        told = (f"{_told(each)} {weight:.0%}" for each, weight in zip(self.stretches, self.weights, strict=True))
        return f"a blend of {', '.join(told)}"


def choose(fit: Fit, answer: Answer, *, labels: Array, truth: Array, kind: TaskKind, changed: int = 0) -> Mix:
    """Fit a model to each stretch of the rows with `labels` (in the order of their time), and say which of them count.

    `truth` are the labels of the rows that choose; they came after all others. The newest `changed` rows came since a
    change.
    """
    rows = [count for count in horizons(len(labels), changed=changed) if _learnable(labels, count, kind)]
    rows = rows or [len(labels)]
    if len(rows) == 1:
        return Mix()
    weights = weigh(truth, [answer(fit(count)) for count in rows], kind)
    kept = np.flatnonzero(weights)
    return Mix(
        stretches=tuple("changed" if rows[place] == changed else _share(rows[place], len(labels)) for place in kept),
        weights=tuple(float(weights[place]) for place in kept),
    )


def follow(fit: Fit, mix: Mix, *, labels: Array, kind: TaskKind, classes: int, changed: int = 0) -> Any:
    """A model, or a blend, made of these rows as `mix` says; a stretch that holds one class alone is left out."""
    rows = [changed if each == "changed" else round(len(labels) * each) for each in mix.stretches]
    chosen = [
        (count, weight) for count, weight in zip(rows, mix.weights, strict=True) if _learnable(labels, count, kind)
    ] or [(len(labels), 1.0)]
    total = sum(weight for _, weight in chosen)
    models = [fit(count) for count, _ in chosen]
    weights = tuple(weight / total for _, weight in chosen)
    return models[0] if len(models) == 1 else Blend(models, weights, kind=kind, classes=classes or None)


def _share(rows: int, count: int) -> float:
    return min(SHARES, key=lambda share: abs(rows - count * share))


def _learnable(labels: Array, rows: int, kind: TaskKind) -> bool:
    return kind == "regression" or len(np.unique(labels[len(labels) - rows :])) > 1


def _told(stretch: float | Literal["changed"]) -> str:
    if stretch == "changed":
        return "the rows since the change"
    names = {1.0: "all rows", 0.5: "the newest half", 0.25: "the newest quarter", 0.125: "the newest eighth"}
    return names.get(stretch, "the newest sixteenth")
