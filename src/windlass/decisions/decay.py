"""Has the model become worse than it was on its holdout?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from windlass.decisions.figures import decision, show, show_rise
from windlass.decisions.loss_reference import MINIMUM_ROWS, LossReference
from windlass.decisions.rising import Judged, standing_of
from windlass.decisions.statistics.stretches import misordered
from windlass.records.decision import Decision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RUN_LENGTH = 100_000
"""Average number of matured predictions before a false alarm, at least."""


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
class Ranking:
    """How positives stand among negatives, of a product whose metric is a ranking."""

    reference: LossReference
    """Of the holdout's stretches (`summarise_ranking`)."""
    truth: Floats
    """`(n,)` of the rows of the losses: 0 or 1, NaN where the outcome has not come."""
    scores: Floats


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
    ranking: Ranking | None = None
    """None: the metric is no ranking, or the holdout was too small to tell."""


def decide_decay(evidence: DecayEvidence, now: datetime, *, run_length: int = RUN_LENGTH) -> Decision:
    """`alarm`, `quiet`, or `wait` while there is too little to judge. It may be asked after every outcome.

    The evidence is a Shiryaev-Roberts e-detector (see `sequential.change_evidence`) on the losses against the upper end
    of what the holdout's mean can be. While the losses' mean, given all before, stays below that, a false alarm comes
    after `run_length` predictions on average or later, and within n predictions with probability at most n /
    run_length. An alarm ends by the same detector turned round (`rising`). Losses whose neighbours err alike are judged
    in blocks, whose means do not follow each other on the holdout; where there are no such blocks, or too few losses to
    tell, `promised` is False among the numbers, and the reason says that no rate of false alarms is promised.

    With declared slices, or where the metric is a ranking, half of every stake is laid on the whole, and the other
    half, in equal parts, on each column of slices, there on the group that the row is in, and on the ranking. A group's
    stakes grow with its own rows only, and on a stretch of rows by which the ranking is judged (`stretches`) as many
    are laid as it has rows. So what all stakes together have won grows by at most 1 a prediction on average, as for one
    detector, however many there are and whatever they have to do with each other (an average of e-detectors is one:
    Shin, Ramdas and Rinaldo 2024, section 2). The price is a whole that needs twice the evidence. What is granted to
    the references is shared out too: all of them hold together as often as one would with two standard errors.
    """
    reference = evidence.reference
    losses = np.asarray(evidence.losses, dtype=np.float64)
    most = losses if evidence.most is None else np.asarray(evidence.most, dtype=np.float64)
    known = np.isfinite(losses)
    losses, most = losses[known], most[known]
    numbers: dict[str, Any] = {"outcomes": len(losses), "pending": evidence.pending}
    if reference is None or reference.bound <= 0:
        return decision("decay", "wait", ["There is no holdout to compare with."], numbers, now)
    numbers |= {"reference": reference.mean, "reference_rows": reference.rows, "block": reference.block}
    judged = _judged(evidence, reference, losses, most, known)
    independent = all(each.reference.independent for each in judged)
    short = any(each.reference.is_short for each in judged if not each.name)
    numbers |= {"promised": independent and not short, "short": independent and short}
    if len(losses) < MINIMUM_ROWS:
        return decision("decay", "wait", [f"Fewer than {MINIMUM_ROWS} outcomes are known."], numbers, now)
    standing = standing_of(judged, len(losses), needed=run_length)
    since, worst = standing.since, standing.worst
    numbers |= {"evidence": standing.evidence, "evidence_needed": run_length}
    numbers |= {"recent": float(losses[since:].mean()), "recent_rows": len(losses) - since}
    if evidence.slices:
        numbers |= {"slices": len(evidence.slices)}
    if not standing.raised:
        reason = f"The losses are no higher than on the holdout, beyond noise{_neither(evidence)}."
        return decision("decay", "quiet", [reason + told_promise(numbers)], numbers, now)
    if evidence.slices:
        numbers |= {"slice": worst.name or None}
    if evidence.ranking is not None:
        numbers |= {"ranking": worst.ranks}
    return decision("decay", "alarm", [_told(worst, since, len(losses)) + told_promise(numbers)], numbers, now)


def _neither(evidence: DecayEvidence) -> str:
    """What was looked at besides all losses."""
    slices = ", neither of all rows nor of a slice" if evidence.slices else ""
    return slices + (", and positives are told from negatives as well as there" if evidence.ranking is not None else "")


def _told(worst: Judged, since: int, rows: int) -> str:
    """What has become worse, in words: `since` which row, of how many."""
    own = worst.least[worst.first >= since]
    held, recent = worst.reference.mean, float(own.mean())
    if worst.ranks:
        outcomes, before, now = f"the last {rows - since} outcomes", show(1 - held), show(1 - recent)
        return (
            f"Among rows of the same time the ROC AUC of {outcomes} is {now}; on the holdout it was {before}."
            if recent > held
            else f"Among rows of the same time the ROC AUC fell below that of the holdout ({before}). Whether it is up "
            f"again, as {outcomes} look ({now}), is not clear yet."
        )
    of = f" of {worst.name}" if worst.name else ""
    return (
        f"The mean loss of the last {len(own)} outcomes{of} is {show(recent)}; "
        f"on the holdout it was {show(held)}{show_rise(recent, held)}."
        if recent > held
        else f"The losses{of} rose above those of the holdout ({show(held)}). Whether they are down again, as the "
        f"last {len(own)} look ({show(recent)}), is not clear yet."
    )


def told_promise(numbers: Mapping[str, Any]) -> str:
    """What to add to a reason where the figures of a decision of this module promise no rate of false alarms."""
    if numbers.get("promised", True):
        return ""
    why = (
        "The holdout is too small to tell for how long losses are alike"
        if numbers.get("short")
        else "The losses of the holdout follow each other beyond the blocks that they are judged in"
    )
    return f" {why}, so no rate of false alarms is promised."


def _judged(
    evidence: DecayEvidence, reference: LossReference, losses: Floats, most: Floats, known: NDArray[np.bool_]
) -> list[Judged]:
    """Half of each stake is laid on all losses, the rest in equal parts for each column of slices and the ranking."""
    ranking = evidence.ranking
    others = len({each.column for each in evidence.slices}) + (ranking is not None)
    share = 0.5 / others if others else 0.0
    rows = np.arange(len(losses))
    found = [Judged(reference=reference, share=1 - others * share, first=rows, last=rows, least=losses, most=most)]
    if ranking is not None:
        first, last, lower, upper = misordered(ranking.truth[known], ranking.scores[known])
        own = Judged(
            reference=ranking.reference, share=share, first=first, last=last, least=lower, most=upper, ranks=True
        )
        found.append(own)
    for each in evidence.slices:
        least, greatest = losses[each.places], most[each.places]
        own = Judged(
            reference=each.reference,
            share=share,
            first=each.places,
            last=each.places,
            least=least,
            most=greatest,
            name=each.name,
        )
        found.append(own)
    return found
