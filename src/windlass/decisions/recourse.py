"""After a decay: back to a version that answered before, or forward to what was just trained?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from windlass.decisions.figures import decision, show
from windlass.decisions.gate import MINIMUM_ROWS, apart, material
from windlass.decisions.statistics import paired
from windlass.decisions.statistics.divergence import holm
from windlass.decisions.statistics.metrics import Metric, main_metric
from windlass.product.policy import Gate
from windlass.records.decision import Decision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from windlass.product.task import TaskKind

    Array = NDArray[Any]

_LAST = 3
"""Of the earlier versions those that answered last are asked, and the first: each costs a run some tenths of a second,
and the more there are, the more must one of them be better to be told from chance."""
ALPHA = 0.05
"""Chance that any earlier version that is no better than the champion is called better: over all of them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RecourseEvidence:
    """Predictions of the same n rows, which none of the models has learned from, in the order of their time."""

    kind: TaskKind
    truth: Array
    """`(n,)` codes or values."""
    champion: Array
    """`(n,)`, or `(n, k)` for multiclass; so are the others."""
    candidate: Array | None
    """What was just trained; None: the gate rejected it, or nothing was."""
    earlier: Mapping[str, Array]
    """Version -> its predictions."""
    remarks: tuple[str, ...] = ()
    """What could not be asked, and why."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Hearing:
    evidence: RecourseEvidence
    policy: Gate
    metric: Metric
    numbers: dict[str, Any] = field(default_factory=dict)


def to_be_asked(answered: Sequence[str], *, champion: str | None) -> tuple[str, ...]:
    """Of the versions that have `answered`, in that order, those that may be gone back to.

    The last three before the champion, the newest first, and the very first: it has learned nothing of what came since,
    which is best forgotten where that was a passing stretch.
    """
    others = list(dict.fromkeys(name for name in reversed(answered) if name != champion))
    first = [name for name in answered[:1] if name in others[_LAST:]]
    return (*others[:_LAST], *first)


def decide_recourse(evidence: RecourseEvidence, policy: Gate | None, now: datetime) -> Decision:
    """`back` to the version that `numbers["version"]` names, or `forward`.

    Where the world returns to what it was (a season, the end of a campaign), a version that answered then may do better
    than the champion and than what can be learned of the few rows since. It must be within the gate's bounds, and
    clearly better than the champion on the same rows (one-sided, 5 % over all earlier versions together by Holm's
    method), and by 2 % of what that falls short of a perfect score. Of several the best goes, unless a candidate that
    passed the gate does better on these rows: where they do alike, to go back is preferred, since it makes no version.
    It is released in stages like any other version.
    """
    hearing = _Hearing(evidence=evidence, policy=policy or Gate(), metric=main_metric(policy, evidence.kind))
    hearing.numbers.update({"metric": hearing.metric.name, "rows": len(evidence.truth)})
    said, best = _best(hearing)
    if best is None:
        return decision("recourse", "forward", [said, *evidence.remarks], hearing.numbers, now)
    hearing.numbers.update({"version": best, **apart(evidence.earlier[best], evidence.champion, evidence.kind)})
    return decision("recourse", "back", [said, *evidence.remarks], hearing.numbers, now)


def _best(hearing: _Hearing) -> tuple[str, str | None]:
    """What is to be said, and the version to go back to."""
    evidence, metric, rows = hearing.evidence, hearing.metric, len(hearing.evidence.truth)
    names = [name for name, answers in evidence.earlier.items() if _within_bounds(hearing, name, answers)]
    if not names or rows < MINIMUM_ROWS:
        few = "no earlier version can be compared" if rows >= MINIMUM_ROWS else f"only {rows} rows can be compared"
        return f"There is nothing to go back to: {few}.", None
    better = _clearly_better(hearing, names)
    if not better:
        return f"No earlier version is clearly better than the champion on the same {rows} rows.", None
    scores = {name: hearing.numbers[name] for name in better}
    best = (max if metric.larger_is_better else min)(scores, key=scores.__getitem__)
    if evidence.candidate is not None:
        candidate = metric.score(evidence.truth, evidence.candidate)
        if metric.gain(scores[best], candidate) < 0:
            figures = f"{metric.name} {show(candidate)}, {best} {show(scores[best])}"
            return f"No earlier version does as well as the candidate on the same {rows} rows: {figures}.", None
    compared = {"champion": evidence.champion, "candidate": evidence.candidate}
    others = [
        f"the {who} {show(metric.score(evidence.truth, answers))}"
        for who, answers in compared.items()
        if answers is not None
    ]
    figures = f"{metric.name} {show(scores[best])}, {', '.join(others)}"
    return f"{best} is clearly better on the same {rows} rows: {figures}.", best


def _within_bounds(hearing: _Hearing, name: str, answers: Array) -> bool:
    """Whether it keeps what the gate asks of every version; its figure is noted."""
    policy, score = hearing.policy, hearing.metric.score(hearing.evidence.truth, answers)
    hearing.numbers[name] = score
    low = policy.at_least is not None and score < policy.at_least
    high = policy.at_most is not None and score > policy.at_most
    return bool(np.isfinite(score)) and not low and not high


def _clearly_better(hearing: _Hearing, names: list[str]) -> list[str]:
    """Those that are, than the champion."""
    evidence, metric = hearing.evidence, hearing.metric
    found = [paired.compare(metric, evidence.truth, evidence.earlier[name], evidence.champion) for name in names]
    clear = holm(np.array([each.p_better() for each in found]), ALPHA)
    return [name for name, each, sure in zip(names, found, clear, strict=True) if sure and material(metric, each)]
