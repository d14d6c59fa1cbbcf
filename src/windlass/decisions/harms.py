"""The harms that a challenger can do while labels are still to come, each judged at all looks together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from windlass.decisions.answers import ReleaseEvidence
from windlass.decisions.figures import show
from windlass.decisions.slowness import slow_from
from windlass.decisions.statistics.divergence import ks_distance
from windlass.decisions.statistics.paired_losses import evidence_of_worse, material
from windlass.decisions.statistics.sequential import course_above, distribution_radius, evidence_above
from windlass.decisions.statistics.two_streams import evidence_of_more, in_order, neighbours, stretches

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

ERROR_CAP = 0.02
"""An error rate that no challenger may have, where there is no champion's to hold it against. Where there is one,
however few requests it was asked, that one is the measure: what both depend on may be away just as a stage begins."""
FEW = 100
"""Calls of the champion below which nothing is held against them."""
SLOWER_MS = {"canary": 2.0, "shadow": 20.0}
"""It is slow when it takes twice as long as the champion and so many milliseconds longer. In shadow it is asked aside,
while requests go first, so that its time is no more than a hint there."""
WARM = 20
"""Its first calls, which count for no tail: in the first one of each worker much may be loaded."""
TAIL, TAIL_MS = 0.01, 20.0
"""Its tail is long when more than 1 % of its calls take twice the champion's 99th percentile and 20 ms more than it."""
SHIFT, UNKNOWN_SHIFT = 0.3, 0.6
"""How much further than on the holdout its scores may be from the champion's, as a distance of distributions, 0..1;
and how far when the distance on the holdout is not known."""
SLIGHT = 0.05
"""Scores that differ by so much of what they are measured by are alike: where many callers ask the same, a slight
difference of two models would else be one of many answers."""
GAP, UNKNOWN_GAP = 0.2, 0.5
"""The same for the mean gap of the two on the same row."""
DOUBT = 3.0
"""Evidence of more failures or slower answers at which a stage is not left yet. A harmless version is beyond it in at
most one case of three at any moment, and comes back by itself."""

Numbers = dict[str, Any]
Harm = Callable[[ReleaseEvidence, float, Numbers], str | None]


def failures(evidence: ReleaseEvidence, alpha: float, numbers: Numbers) -> str | None:
    """Requests that it did not answer, or with no finite number."""
    challenger, champion = evidence.challenger, evidence.champion
    own, others = challenger.error_rate, champion.error_rate
    if champion.requests == 0:
        course, others_said = course_above(challenger.failures.values.astype(float), ERROR_CAP), "2.00% is allowed"
    else:
        course = evidence_of_more(*_both(evidence, "failures"))
        others_said = f"the champion on {others:.2%}"
    proof = _note(course, "failures", numbers)
    numbers |= {"requests": challenger.requests, "error_rate": own, "champion_error_rate": others}
    if proof < 1 / alpha:
        return None
    return f"It fails on {own:.2%} of {challenger.requests} requests, {others_said}: clearly more."


def latency(evidence: ReleaseEvidence, alpha: float, numbers: Numbers) -> str | None:
    """Calls that take more than twice the time of the champion's next to it, in more than half of the cases."""
    arms, taken = _both(evidence, "latency_ms")
    own, others = neighbours(arms, taken)
    limit = slow_from(others, asks=evidence.asks, longer=SLOWER_MS[evidence.stage])
    proof = _note(course_above((own > limit).astype(float), 0.5), "latency", numbers)
    if len(own) == 0:
        return None
    usual = float(np.median(others))
    numbers |= {"calls": len(own), "latency_ms_p50": np.median(own), "champion_latency_ms_p50": usual}
    if proof < 1 / alpha:
        return None
    more = f", and it asks {show(evidence.asks)} times as many models" if evidence.asks > 1 else ""
    return f"It takes {show(float(np.median(own)))} ms (median), the champion {show(usual)} ms at the same time{more}."


def tail(evidence: ReleaseEvidence, alpha: float, numbers: Numbers) -> str | None:
    """Calls beyond what the champion's slowest take."""
    arms, taken = _both(evidence, "latency_ms")
    if evidence.stage == "shadow" or np.count_nonzero(~arms) < FEW:
        return None
    limits = _limits(arms, taken, asks=evidence.asks)
    known = np.isfinite(limits) & ~(arms & (np.cumsum(arms) <= WARM))
    slow = taken[known] > limits[known]
    proof = _note(evidence_of_more(arms[known], slow), "tail", numbers)
    own = slow[arms[known]]
    share = float(own.mean()) if len(own) else 0.0
    numbers |= {"slow_share": share, "latency_limit_ms": limits[-1]}
    if proof < 1 / alpha or share <= TAIL:
        return None
    return f"{share:.1%} of its calls take more than {show(float(limits[-1]))} ms, far beyond the champion's slowest."


def constant(evidence: ReleaseEvidence, alpha: float, numbers: Numbers) -> str | None:
    """The same answer to everybody, where the champion's differ: clearly more often than that one gives the answer that
    it gives most. Where callers all ask the same, both answer the same."""
    own, others = evidence.challenger.scores, evidence.champion.scores
    if len(own) < 2 or len(others) == 0:
        return None
    same = bool(own.values.min() == own.values.max())
    numbers["constant"] = same
    if not same:
        return None
    arms, scores = _both(evidence, "scores")
    found, counts = np.unique(others.values, return_counts=True)
    usual = np.where(arms, own.values[0], found[counts.argmax()])
    proof = evidence_of_more(arms, scores == usual).max(initial=1.0)
    return f"All of its {len(own)} answers are the same, and the champion's are not." if proof >= 1 / alpha else None


def shift(evidence: ReleaseEvidence, alpha: float, numbers: Numbers) -> str | None:
    """Scores distributed otherwise than the holdout led to expect."""
    own, others = evidence.challenger.scores.values, evidence.champion.scores.values
    if len(own) == 0 or len(others) == 0:
        return None
    distance, expected = ks_distance(own, others, slack=SLIGHT * (evidence.scale or 0.0)), evidence.expected_shift
    allowed = min(0.95, expected + SHIFT) if expected is not None else UNKNOWN_SHIFT
    least = distance - distribution_radius(len(own), alpha / 2) - distribution_radius(len(others), alpha / 2)
    numbers |= {"shift": distance, "shift_low": max(least, 0.0), "shift_allowed": allowed}
    if not least > allowed:
        return None
    return f"Its scores lie {distance:.2f} from the champion's (0 to 1), more than {_explained(expected, allowed)}."


def disagreement(evidence: ReleaseEvidence, alpha: float, numbers: Numbers) -> str | None:
    """Other answers to the same rows than the holdout led to expect."""
    gaps, expected = evidence.gaps[np.isfinite(evidence.gaps)], evidence.expected_gap
    if len(gaps) == 0:
        return None
    allowed = min(0.95, expected + GAP) if expected is not None else UNKNOWN_GAP
    numbers |= {"gap": gaps.mean(), "gap_allowed": allowed}
    if evidence_above(gaps, allowed) < 1 / alpha:
        return None
    said = f"It answers the same rows otherwise than the champion, by {gaps.mean():.2f} on average (0 to 1)"
    return f"{said}, more than {_explained(expected, allowed)}."


def outcomes(evidence: ReleaseEvidence, alpha: float, numbers: Numbers) -> str | None:
    """Losses on the outcomes that have come, where they come quickly."""
    losses = evidence.losses
    if losses is None or losses.rows == 0:
        return None
    proof, gap = evidence_of_worse(losses), losses.gap
    numbers |= {"outcomes": losses.rows, "loss_difference": gap, "evidence_worse": proof}
    if proof < 1 / alpha or not material(losses):
        return None
    return f"On {losses.rows} outcomes its loss is {show(gap)} higher than the champion's: clearly worse."


HARMS: tuple[Harm, ...] = (failures, latency, tail, constant, shift, disagreement, outcomes)


def doubts(numbers: Numbers) -> list[str]:
    """What looks like harm after the last look without being proven."""
    said = {"failures": "fail more often", "latency": "take longer"}
    return [
        f"It seems to {what} than the champion, though not yet clearly."
        for name, what in said.items()
        if numbers.get(f"evidence_{name}", 1.0) >= DOUBT
    ]


def _both(evidence: ReleaseEvidence, name: str) -> tuple[NDArray[np.bool_], Array]:
    new, old = getattr(evidence.challenger, name), getattr(evidence.champion, name)
    return in_order(new.values, old.values, new.places, old.places)


def _note(course: Array, name: str, numbers: Numbers) -> float:
    """The most that was ever proven; what stands now is noted."""
    numbers[f"evidence_{name}"] = float(course[-1]) if len(course) else 1.0
    return float(course.max(initial=1.0))


def _limits(arms: NDArray[np.bool_], taken: Array, *, asks: float) -> Array:
    """`(n,)`: the limit of each call, from the champion's calls in the stretches before its own, for `asks` times as
    many models; NaN while they are too few. It is set anew whenever their number has doubled."""
    over = stretches(arms)
    others, where = taken[~arms], over[~arms]
    limits = np.full(len(arms), np.nan)
    size = FEW
    while size <= len(others):
        usual = float(np.quantile(others[:size], 0.99))
        limits[over > where[size - 1]] = slow_from(usual, asks=asks, longer=TAIL_MS)
        size *= 2
    return limits


def _explained(expected: float | None, allowed: float) -> str:
    return f"{'is plausible' if expected is None else 'the holdout explains'} ({allowed:.2f})"
