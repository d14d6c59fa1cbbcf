"""Has the model become worse than it was on its holdout?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from windlass.decisions.figures import decision, show, show_rise
from windlass.decisions.statistics.paired import dependence
from windlass.decisions.statistics.sequential import change_evidence
from windlass.records.decision import Decision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RUN_LENGTH = 100_000
"""Average number of matured predictions before a false alarm, at least."""
MINIMUM_ROWS = 100
_CONFIDENCE_ERRORS = 2.0
"""Standard errors that are granted to the reference, since it is a sample too."""
_LONGEST_BLOCK = 48
"""Rows of a block at most; longer ones keep more promises, and find a decay much later."""
_LEAST_BLOCKS = 20
"""Blocks of the holdout that can show whether they follow each other."""
_CLEARLY = 1.645
"""Standard errors that chance exceeds one time in twenty."""
_STRETCH = 1024
"""Rows that the next alarm and its end are sought in at first, after one has ended."""


class LossReference(msgspec.Struct, frozen=True, kw_only=True):
    """The losses of a version on its holdout, summed up; kept in the bundle."""

    mean: float
    """Of the losses cut at `bound`."""
    variance: float
    rows: int
    bound: float
    """Losses are cut here: 1 for classification, three times the 99th percentile for regression."""
    block: int = 1
    """Consecutive losses that are averaged before they are judged, since neighbours err alike; 1: independent."""
    independent: bool = True
    """Whether the means of blocks do not follow each other on the holdout, so that a rate of false alarms holds."""

    @property
    def is_short(self) -> bool:
        """Whether the losses are too few to tell of blocks as long as they may be whether these follow each other."""
        return self.rows < _LEAST_BLOCKS * _LONGEST_BLOCK


@dataclass(frozen=True, kw_only=True, eq=False)
class SliceLosses:
    """The losses of one group of a declared slice."""

    column: str
    group: str
    reference: LossReference
    places: NDArray[np.int64]
    """`(m,)` rising: where they stand among all losses."""

    @property
    def name(self) -> str:
        return f"{self.column} = {self.group}"


@dataclass(frozen=True, kw_only=True, eq=False)
class DecayEvidence:
    """What became known of a version's predictions since it started to answer."""

    reference: LossReference | None
    """None: there was no holdout, so nothing to compare with."""
    losses: Floats
    """`(n,)` losses (`decisions.statistics.losses.losses`) in the order of the predictions, or the last of them; the
    least that it can be, where an outcome has not come."""
    most: Floats | None = None
    """`(n,)` the most that each of them can be; None: all outcomes have come."""
    pending: int = 0
    """Predictions that still wait for their outcome."""
    slices: tuple[SliceLosses, ...] = ()
    """Of declared slices: each row is in one group of a column at most."""


def summarise_losses(losses: Floats, *, bounded: bool) -> LossReference | None:
    """The reference from the holdout's losses, `(n,)` in the order of time; None when there are too few.

    `bounded`: they lie in 0..1 (classification). The block grows until the means of blocks do not follow each other.
    """
    losses = np.asarray(losses, dtype=np.float64)
    losses = losses[np.isfinite(losses)]
    if len(losses) < MINIMUM_ROWS:
        return None
    bound = 1.0 if bounded else 3 * float(np.quantile(losses, 0.99))
    kept = np.clip(losses, 0.0, bound)
    ratio = dependence(kept)
    block, independent = (
        (1, True) if ratio == 1 else _independent_block(kept, min(_LONGEST_BLOCK, int(np.ceil(ratio)) * 2))
    )
    return LossReference(
        mean=float(kept.mean()),
        variance=float(kept.var(ddof=1)) * ratio,
        rows=len(kept),
        bound=bound,
        block=block,
        independent=independent,
    )


def _independent_block(losses: Floats, first: int) -> tuple[int, bool]:
    """The block, doubled from `first`, whose means do not follow each other, and whether there is one.

    It leaves `_LEAST_BLOCKS`, since the means of fewer cannot show whether they do, and is not longer than
    `_LONGEST_BLOCK`: an alarm would be late. Where there is none nothing is promised, and `first` is quickest.
    """
    longest = max(first, min(_LONGEST_BLOCK, len(losses) // _LEAST_BLOCKS))
    block = first
    while _follow(_blocks(losses, block)):
        if block == longest:
            return first, False
        block = min(2 * block, longest)
    return block, True


def _follow(means: Floats) -> bool:
    """Whether each is clearly (5 %) like the one before it, or thirtieths vary more than independence allows."""
    apart = means - means.mean()
    likeness = float(apart[1:] @ apart[:-1]) / float(apart @ apart) if apart.any() else 0.0
    return likeness > _CLEARLY / np.sqrt(len(means)) or dependence(means) > 1


def decide_decay(evidence: DecayEvidence, now: datetime, *, run_length: int = RUN_LENGTH) -> Decision:
    """`alarm`, `quiet`, or `wait` while there is too little to judge. It may be asked after every outcome.

    The evidence is a Shiryaev-Roberts e-detector (see `sequential.change_evidence`) on the losses against the upper end
    of what the holdout's mean can be. While the losses' mean, given all before, stays below that, a false alarm comes
    after `run_length` predictions on average or later, and within n predictions with probability at most n /
    run_length. An alarm ends by the same detector turned round (`_ended`). Losses whose neighbours err alike are judged
    in blocks, whose means do not follow each other on the holdout; where there are no such blocks, or too few losses to
    tell, `promised` is False among the numbers, and the reason says that no rate of false alarms is promised.

    With declared slices half of every stake is laid on the whole, and the other half, in equal parts for each column,
    on the group that the row is in. A group's stakes grow with its own rows only, so what all stakes together have won
    grows by at most 1 a prediction on average, as for one detector, however many groups there are and whatever they
    have to do with each other (an average of e-detectors is one: Shin, Ramdas and Rinaldo 2024, section 2). The price
    is a whole that needs twice the evidence. What is granted to the references is shared out too: all of them hold
    together as often as one would with two standard errors.
    """
    reference = evidence.reference
    losses = np.asarray(evidence.losses, dtype=np.float64)
    most = losses if evidence.most is None else np.asarray(evidence.most, dtype=np.float64)
    losses, most = losses[np.isfinite(losses)], most[np.isfinite(losses)]
    numbers: dict[str, Any] = {"outcomes": len(losses), "pending": evidence.pending}
    if reference is None or reference.bound <= 0:
        return decision("decay", "wait", ["There is no holdout to compare with."], numbers, now)
    numbers |= {"reference": reference.mean, "reference_rows": reference.rows, "block": reference.block}
    independent = all(each.independent for each in [reference, *(of.reference for of in evidence.slices)])
    numbers |= {"promised": independent and not reference.is_short, "short": independent and reference.is_short}
    if len(losses) < MINIMUM_ROWS:
        return decision("decay", "wait", [f"Fewer than {MINIMUM_ROWS} outcomes are known."], numbers, now)
    whole = SliceLosses(column="", group="", reference=reference, places=np.arange(len(losses)))
    columns = len({each.column for each in evidence.slices})
    shares = [0.5, *(0.5 / columns for _ in evidence.slices)] if columns else [1.0]
    standing = _standing([whole, *evidence.slices], shares, losses, most, needed=run_length)
    since, worst = standing.since, standing.worst
    numbers |= {"evidence": standing.evidence, "evidence_needed": run_length}
    numbers |= {"recent": float(losses[since:].mean()), "recent_rows": len(losses) - since}
    if evidence.slices:
        numbers |= {"slices": len(evidence.slices)}
    if not standing.raised:
        of = ", neither of all rows nor of a slice" if evidence.slices else ""
        reason = f"The losses are no higher than on the holdout, beyond noise{of}."
        return decision("decay", "quiet", [reason + told_promise(numbers)], numbers, now)
    if evidence.slices:
        numbers |= {"slice": worst.name if worst.column else None}
    own = losses[worst.places[worst.places >= since]]
    held = worst.reference.mean
    of = f" of {worst.name}" if worst.column else ""
    recent = float(own.mean())
    reason = (
        f"The mean loss of the last {len(own)} outcomes{of} is {show(recent)}; "
        f"on the holdout it was {show(held)}{show_rise(recent, held)}."
        if recent > held
        else f"The losses{of} rose above those of the holdout ({show(held)}). Whether they are down again, as the "
        f"last {len(own)} look ({show(recent)}), is not clear yet."
    )
    return decision("decay", "alarm", [reason + told_promise(numbers)], numbers, now)


def told_promise(numbers: Mapping[str, Any]) -> str:
    """What to add to a reason where the figures of a decision of this module promise no rate of false alarms."""
    if numbers.get("promised", True):
        return ""
    why = (
        "The losses of the holdout are too few to tell for how long they are alike"
        if numbers.get("short")
        else "The losses of the holdout follow each other beyond the blocks that they are judged in"
    )
    return f" {why}, so no rate of false alarms is promised."


class _Standing(NamedTuple):
    """What the losses come to by now."""

    raised: bool
    evidence: float
    """Since the last alarm ended, in units of one row; while one stands, the highest since it was raised."""
    worst: SliceLosses
    """What has become worse, or comes closest to it."""
    since: int
    """The row from which on it has."""


def _standing(
    judged: Sequence[SliceLosses], shares: Sequence[float], losses: Floats, most: Floats, *, needed: float
) -> _Standing:
    """From alarm to end to alarm, up to now; evidence is gathered anew when an alarm has ended.

    No later row changes where an alarm comes and ends. So after the first it is sought in a stretch that is doubled
    until it holds both, and all together take time in proportion to the rows, however many alarms come and end.
    """
    errors = _shared_errors(len(judged))
    start, reach = 0, len(losses)
    while start < len(losses):
        stop = min(start + reach, len(losses))
        here = slice(start, stop)
        own = [_within(each, start, stop) for each in judged]
        paths = [share * _path(each, losses[here], errors) for share, each in zip(shares, own, strict=True)]
        total = np.sum(paths, axis=0)
        reached = np.flatnonzero(total >= needed)
        at = int(reached[0]) if len(reached) else len(total) - 1
        worst = int(np.argmax([path[at] for path in paths]))
        end = _ended(own[worst], losses[here], most[here], errors, at=at, needed=needed) if len(reached) else None
        if end is not None:
            start, reach = start + end + 1, _STRETCH
        elif stop < len(losses):
            reach *= 2
        else:
            since = start + _since(own[worst], losses[start:], errors)
            return _Standing(len(reached) > 0, float(total[at:].max()), judged[worst], since)
    return _Standing(raised=False, evidence=0.0, worst=judged[0], since=len(losses) - 1)


def _within(of: SliceLosses, start: int, stop: int) -> SliceLosses:
    """Of a group the rows from `start` to before `stop`, by their places among these."""
    first, last = np.searchsorted(of.places, [start, stop])
    return replace(of, places=of.places[first:last] - start)


def _ended(of: SliceLosses, losses: Floats, most: Floats, errors: float, *, at: int, needed: float) -> int | None:
    """The row with which an alarm that was raised at the row `at` had ended; None: it stands.

    It ends when the rows after it prove that less than half of the rise is left, by the detector that raised it: while
    their mean, given all before, stays above that, a false end comes after `needed` predictions on average or later,
    and within n predictions with probability at most n / `needed`. The rise is what it was when the evidence stood
    highest: a few bad rows that raised the alarm would make too much of it. An outcome that has not come counts as the
    most that it can be, so that nobody's being late ends an alarm.
    """
    reference = of.reference
    null = upper_mean(reference, errors=errors) / reference.bound
    blocks = _scaled_blocks(of, losses)
    raised = int(np.searchsorted(of.places, at, side="right")) // reference.block - 1
    began = _began(blocks[: raised + 1], null)
    peak = raised + _highest_so_far(change_evidence(blocks, null)[raised:])[:-1]
    sums = np.append(0.0, np.cumsum(blocks))
    half = (null + (sums[peak + 1] - sums[began]) / (peak + 1 - began)) / 2
    back = change_evidence(1 - _scaled_blocks(of, most)[raised + 1 :], 1 - half) * reference.block
    reached = np.flatnonzero(back >= needed)
    return int(of.places[(raised + 2 + reached[0]) * reference.block - 1]) if len(reached) else None


def _highest_so_far(path: Floats) -> NDArray[np.int64]:
    """`(n,)`: up to each place, the first at which the path was highest."""
    higher = np.diff(np.maximum.accumulate(path), prepend=-np.inf) > 0
    return np.maximum.accumulate(np.where(higher, np.arange(len(path)), 0))


def _shared_errors(references: int) -> float:
    """Standard errors for each of several references that hold together as often as one with two."""
    from scipy.special import ndtr, ndtri

    return float(-ndtri(ndtr(-_CONFIDENCE_ERRORS) / references))


def _path(of: SliceLosses, losses: Floats, errors: float) -> Floats:
    """`(n,)`: the evidence of a group after each of all n rows, in units of one row."""
    blocks = _scaled_blocks(of, losses)
    found = change_evidence(blocks, upper_mean(of.reference, errors=errors) / of.reference.bound) * of.reference.block
    ends = of.places[of.reference.block - 1 :: of.reference.block][: len(found)]
    last = np.searchsorted(ends, np.arange(len(losses)), side="right") - 1
    return np.where(last >= 0, found[np.maximum(last, 0)], 0.0) if len(found) else np.zeros(len(losses))


def _since(of: SliceLosses, losses: Floats, errors: float) -> int:
    """The row from which on the group has become worse; the first while it has no full block."""
    blocks = _scaled_blocks(of, losses)
    if not len(blocks):
        return 0
    began = _began(blocks, upper_mean(of.reference, errors=errors) / of.reference.bound)
    return int(of.places[began * of.reference.block])


def _scaled_blocks(of: SliceLosses, losses: Floats) -> Floats:
    return _blocks(np.clip(losses[of.places], 0.0, of.reference.bound) / of.reference.bound, of.reference.block)


def upper_mean(reference: LossReference, *, errors: float = _CONFIDENCE_ERRORS) -> float:
    """The upper end of what the holdout's mean can be: two standard errors, and one full loss for what it missed."""
    error = float(np.sqrt(reference.variance / reference.rows))
    upper = reference.mean + errors * error + reference.bound / reference.rows
    return min(upper, reference.bound * (1 - 1e-9))


def _blocks(losses: Floats, size: int) -> Floats:
    """Means of consecutive blocks; the last, unfinished one is left for later."""
    count = len(losses) // size
    return np.asarray(losses[: count * size].reshape(count, size).mean(axis=1), dtype=np.float64)


def _began(blocks: Floats, null: float) -> int:
    """Where the losses began to be higher: the lowest point of their sum less what lies between before and after.

    What lies between is not known at first, so the point is sought against the null, and again with the mean from there
    on (Page 1954, Biometrika 41).
    """
    between, start = null, 0
    for _ in range(2):
        start = min(int(np.argmin(np.cumsum(np.append(0.0, blocks - between)))), len(blocks) - 1)
        between = max(null, (null + float(blocks[start:].mean())) / 2)
    return start
