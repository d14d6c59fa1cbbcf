"""Is the model expected to become worse, before any label tells?

How much an answer loses depends on the answer: the surer, the less. So the holdout tells what to expect of each answer,
and where the answers move to where the model errs more, the mean of what is expected rises at once, while labels still
take their time. What the answers do not tell is a change of the relation itself: that shows in labels alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from windlass.decisions.decay import DecayEvidence, decide_decay, told_promise
from windlass.decisions.figures import decision, show, show_rise
from windlass.decisions.loss_reference import MINIMUM_ROWS, LossReference, summarise_losses
from windlass.records.decision import Decision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]

_BINS = 20
_LEAST_OF_BIN = 25
_OF_LABELS = ("outcomes", "pending")


class ExpectedLosses(msgspec.Struct, frozen=True, kw_only=True):
    """What a version's answers lost on its holdout, by the answer; kept in the bundle."""

    edges: tuple[float, ...]
    """Between bins of answers, rising; a bin begins with its edge."""
    means: tuple[float, ...]
    """The mean loss of each bin, one more than edges."""
    reference: LossReference
    """Of what was expected of the holdout's answers, in the order of time."""

    def of(self, scores: Array) -> Floats:
        """`(n,)` the loss to expect of each of `(n,)` answers."""
        return np.asarray(self.means)[np.searchsorted(np.asarray(self.edges), scores, side="right")]


def learn_expected(scores: Array, losses: Floats, *, bounded: bool) -> ExpectedLosses | None:
    """From the holdout's answers `(n,)` (`gate.one_score`) and what each lost, in the order of time.

    Twentieths of the answers are told apart, of few rows larger parts. `bounded`: losses lie in 0..1 (classification).
    None for fewer than 100 rows, or where every answer is expected to lose the same.
    """
    bins = min(_BINS, len(scores) // _LEAST_OF_BIN)
    if len(scores) < MINIMUM_ROWS or bins < 2:
        return None
    edges = np.unique(np.quantile(scores, np.arange(1, bins) / bins, method="inverted_cdf"))
    edges = edges[edges > scores.min()]
    if not len(edges):
        return None
    places = np.searchsorted(edges, scores, side="right")
    counts = np.bincount(places, minlength=len(edges) + 1)
    means = np.bincount(places, weights=losses, minlength=len(counts)) / counts
    reference = summarise_losses(means[places], bounded=bounded)
    if reference is None or reference.variance <= 0:
        return None
    return ExpectedLosses(edges=tuple(edges.tolist()), means=tuple(means.tolist()), reference=reference)


def decide_warning(reference: LossReference | None, expected: Floats, now: datetime) -> Decision:
    """`alarm`, `quiet` or `wait`: whether answers `(n,)`, in their order, are expected to lose more than the holdout's.

    The same e-detector as for decay, on what is expected in place of what was lost: while answers come as they did on
    the holdout, a false warning comes after 100,000 answers on average or later, and within n answers with probability
    at most n / 100,000 (`decay.decide_decay`, with the same conditions).
    """
    found = decide_decay(DecayEvidence(reference=reference, losses=expected), now)
    if found.verdict == "wait" or reference is None:
        return decision("warning", "wait", ["Too few answers, or none on a holdout, tell what to expect."], {}, now)
    figures = {name: value for name, value in found.numbers.items() if name not in _OF_LABELS}
    numbers = {"answers": found.numbers["outcomes"], **figures}
    if found.verdict == "quiet":
        reason = "By the answers alone the model is expected to be as good as on the holdout."
        return decision("warning", "quiet", [reason + told_promise(numbers)], numbers, now)
    recent = float(found.numbers["recent"] or 0.0)
    reason = (
        f"By the last {found.count('recent_rows')} answers alone a mean loss of {show(recent)} is to be expected; "
        f"on the holdout it was {show(reference.mean)}{show_rise(recent, reference.mean)}."
    )
    return decision("warning", "alarm", [reason + told_promise(numbers)], numbers, now)
