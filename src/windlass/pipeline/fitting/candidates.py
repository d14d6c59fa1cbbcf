"""Models of stretches of different length, made into one; the training run and the backtest do it by this."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal

import msgspec
import numpy as np

from windlass.decisions.committee import MEMBERS, committee_helps, parts_of
from windlass.decisions.curve import Step, cuts_of
from windlass.decisions.horizons import SHARES, horizons, weigh
from windlass.decisions.statistics import paired
from windlass.decisions.statistics.metrics import Metric
from windlass.product.model.blend import Blend, combined
from windlass.product.task import TaskKind

Array = np.ndarray[Any, Any]
Fit = Callable[[Array], Any]
"""A model of the rows at these places, `(m,)` rising."""
Answer = Callable[[Any], Array]
"""What a model predicts for the rows that choose."""


class Mix(msgspec.Struct, frozen=True, kw_only=True):
    """Which stretches a model learned from, and how much each of them counts."""

    stretches: tuple[float | Literal["changed"], ...] = (1.0,)
    """The newest rows: this share of all, or those since a change."""
    weights: tuple[float, ...] = (1.0,)
    """Positive; they sum to 1."""
    committee: int = 1
    """How many models answer together for all rows, each of which left out another part; 1: one model of all rows."""
    early: bool = False
    """Whether what answers learned from labels that came early, too (`decisions.earliness`)."""

    def __str__(self) -> str:
        return f"{self._told()}, early labels included" if self.early else self._told()

    @property
    def models(self) -> int:
        """How many are asked for an answer."""
        return sum(self.committee if stretch == 1.0 else 1 for stretch in self.stretches)

    def without_committee(self) -> Mix:
        """The same stretches, with one model for each."""
        return msgspec.structs.replace(self, committee=1)

    def _told(self) -> str:
        names = [self._named(each) for each in self.stretches]
        if len(names) == 1:
            return names[0]
        told = (f"{name} {weight:.0%}" for name, weight in zip(names, self.weights, strict=True))
        return f"a blend of {', '.join(told)}"

    def _named(self, stretch: float | Literal["changed"]) -> str:
        return (
            f"a committee of {self.committee} on all rows" if stretch == 1.0 and self.committee > 1 else _told(stretch)
        )


def choose(fit: Fit, answer: Answer, *, labels: Array, truth: Array, kind: TaskKind, changed: int = 0) -> Mix:
    """Fit a model to each stretch of the rows with `labels` (in the order of their time), and say which of them count,
    and whether a committee does better than one model of all rows.

    `truth` are the labels of the rows that choose; they came after all others. The newest `changed` rows came since a
    change.
    """
    count = len(labels)
    rows = [each for each in horizons(count, changed=changed) if _learnable(labels[count - each :], kind)]
    if len(rows) < 2:
        return Mix()
    alone, *shorter = [answer(fit(np.arange(count - each, count))) for each in rows]
    together = _together(fit, answer, labels, kind)
    committee = 1
    if together is not None and committee_helps(kind, truth, together=together, alone=alone):
        alone, committee = together, MEMBERS
    weights = weigh(truth, [alone, *shorter], kind)
    kept = np.flatnonzero(weights)
    return Mix(
        stretches=tuple("changed" if rows[place] == changed else _share(rows[place], count) for place in kept),
        weights=tuple(float(weights[place]) for place in kept),
        committee=committee,
    )


def follow(fit: Fit, mix: Mix, *, labels: Array, kind: TaskKind, classes: int, changed: int = 0) -> Any:
    """A model, or a blend, made of these rows as `mix` says; a stretch that holds one class alone is left out."""
    count = len(labels)
    members: list[tuple[Array, float]] = []
    for stretch, weight in zip(mix.stretches, mix.weights, strict=True):
        rows = changed if stretch == "changed" else round(count * stretch)
        parts = parts_of(count) if stretch == 1.0 and mix.committee > 1 else [np.arange(count - rows, count)]
        members += [(part, weight / len(parts)) for part in parts]
    members = [each for each in members if _learnable(labels[each[0]], kind)] or [(np.arange(count), 1.0)]
    total = sum(weight for _, weight in members)
    models = [fit(places) for places, _ in members]
    weights = tuple(weight / total for _, weight in members)
    return models[0] if len(models) == 1 else Blend(models, weights, kind=kind, classes=classes or None)


def climb(
    fit: Fit, answer: Callable[[Any, Array], Array], *, truth: Array, train: int, metric: Metric
) -> tuple[Step, ...]:
    """Models of more and more of the first `train` rows, and how much better each is than the one before, on the rows
    that come next; the last on all those that do not train.

    `truth` are the labels of all rows, in the order of their time; `answer` is asked for the rows at some places.
    """
    cuts = [*cuts_of(train), len(truth)]
    models = [_fitted(fit, truth[:cut], metric.kind) for cut in cuts[:-1]]
    steps = []
    for place, (fewer, more) in enumerate(pairwise(models), start=1):
        if fewer is None or more is None:
            continue
        judging = np.arange(cuts[place], cuts[place + 1])
        found = paired.compare(metric, truth[judging], answer(more, judging), answer(fewer, judging))
        steps.append(Step(growth=math.log(cuts[place] / cuts[place - 1]), gain=found.gain, error=found.error))
    return tuple(steps)


def _fitted(fit: Fit, labels: Array, kind: TaskKind) -> Any:
    return fit(np.arange(len(labels))) if _learnable(labels, kind) else None


def _together(fit: Fit, answer: Answer, labels: Array, kind: TaskKind) -> Array | None:
    """What a committee of all rows predicts for the rows that choose; None where a member would know one class."""
    parts = parts_of(len(labels))
    if not all(_learnable(labels[part], kind) for part in parts):
        return None
    return combined([answer(fit(part)) for part in parts], [1 / MEMBERS] * MEMBERS, kind)


def _share(rows: int, count: int) -> float:
    return min(SHARES, key=lambda share: abs(rows - count * share))


def _learnable(labels: Array, kind: TaskKind) -> bool:
    return kind == "regression" or len(np.unique(labels)) > 1


def _told(stretch: float | Literal["changed"]) -> str:
    if stretch == "changed":
        return "the rows since the change"
    names = {1.0: "all rows", 0.5: "the newest half", 0.25: "the newest quarter", 0.125: "the newest eighth"}
    return names.get(stretch, "the newest sixteenth")
