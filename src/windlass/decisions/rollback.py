"""Was the promotion right? The judgement on probation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from windlass.decisions.budget import FAILING, FAILING_OFTEN, OUTCOMES, SAME, SLOW
from windlass.decisions.figures import decision, show, show_moment
from windlass.decisions.slowness import Stretches, limit_of, slowness
from windlass.decisions.statistics.paired_losses import PairedLosses, evidence_of_worse, material, p_better
from windlass.decisions.statistics.sequential import evidence_above, proportion_bounds
from windlass.product.policy import Release
from windlass.records.decision import Decision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

OFTEN, EXPECTED = 2.0, 2.0
"""A stretch fails when it has more errors than so many times as are to be expected of the one before at the most; it is
long enough for so many of these."""
ERROR_CAP = 0.02
"""An error rate that no champion may have, unless the one before it failed as often."""
ALIKE, ALIKE_ROWS = 0.5, 10
"""A minute has the same answer for everybody when so many callers or more got no other, while the one before gave none
of its answers to more than this part of as many."""
ALIKE_BY_CHANCE = 0.05
"""The chance of such a minute, whatever came before, of a version that answers as it should: far above what it is."""
STANDS = 3.0
"""Evidence with which no probation ends, as no stage of a release does."""
LEAST_LONGER = timedelta(hours=1)
"""A probation goes on, while something stands against the version, for as long again, and for so long at least: in
minutes nothing can be proved that is judged by minutes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RollbackEvidence:
    """What the new champion did since it was promoted, and what the one before would have done."""

    started_at: datetime
    """When probation began."""
    losses: PairedLosses
    """On the same rows: of the new champion as `new`, of the one before, which runs in shadow."""
    requests: int = 0
    """Asked of the new champion."""
    errors: int = 0
    """Requests of these that it failed to answer."""
    previous_requests: int = 0
    """Asked of the one before while it answered, in its last day at least; 0: nothing is known of that time."""
    previous_errors: int = 0
    by_minute: Array = field(default_factory=lambda: np.empty((0, 4)))
    """`(k, 4)`: requests and errors of the new one in each minute that is over and had any, in order; and of the one
    before, which was asked some of the same in shadow."""
    under_way: tuple[int, int] = (0, 0)
    """Requests and errors of the minute that goes on, of those that the one before has answered in shadow."""
    alike_by_minute: Array = field(default_factory=lambda: np.empty((0, 4)))
    """`(k, 4)`: of the same minutes, how many callers got a first answer and how many of them the most frequent one;
    and the same of the one before, in shadow."""
    latency: Stretches = field(default_factory=Stretches)
    refused: str | None = None
    """Why it cannot serve: a worker could not load it, or workers crash with it; None: nothing of the kind is known."""


def decide_rollback(evidence: RollbackEvidence, policy: Release, now: datetime) -> Decision:
    """`roll_back` when it clearly does harm, `keep` when probation is over without that, else `wait`.

    Rolled back: refused by a serving worker, worse on outcomes by 2 % or more, failing more often than the one before,
    slower, or giving the same answer to everybody. It may be asked as often as one likes: the evidence is bets that no
    look can win but by being right (0.5 % ever, for all of it together). A probation is not over while something stands
    against the version that more of it would prove, but goes on for as long again at most, or an hour. A version that
    merely seems worse is kept then, and the reason says so. `gain` and `p_better` in the numbers say what it brought;
    `precedent_of` reads them when probation is over.
    """
    losses = evidence.losses
    numbers: dict[str, Any] = {
        "outcomes": losses.rows,
        "loss_difference": losses.gap,
        "previous_loss": losses.usual,
        "gain": losses.gain,
        "p_better": p_better(losses),
        "evidence_worse": evidence_of_worse(losses),
        "evidence_needed": 1 / OUTCOMES,
        "requests": evidence.requests,
        "error_rate": evidence.errors / evidence.requests if evidence.requests else 0.0,
    }
    if evidence.refused is not None:
        return decision("rollback", "roll_back", [f"It cannot serve: {evidence.refused}"], numbers, now)
    found = (
        _worse(losses, numbers),
        _failing(evidence, numbers),
        slowness(evidence.latency, SLOW, numbers),
        _same(evidence, policy, numbers),
    )
    harms = [harm for harm in found if harm is not None]
    if harms:
        return decision("rollback", "roll_back", harms, numbers, now)
    until = evidence.started_at + policy.probation
    if now < until:
        return decision("rollback", "wait", [f"Probation lasts until {show_moment(until)}."], numbers, now)
    doubts = _doubts(evidence, numbers)
    longer = max(policy.probation, LEAST_LONGER) if policy.probation else timedelta()
    if doubts and now < until + longer:
        return decision("rollback", "wait", [f"Probation goes on: {'; '.join(doubts)}."], numbers, now)
    return decision("rollback", "keep", [_kept(losses.rows, losses.gap, doubts)], numbers, now)


def _doubts(evidence: RollbackEvidence, numbers: dict[str, Any]) -> list[str]:
    """What stands against it, and would be proved if it stayed so."""
    found = list[str]()
    if numbers["evidence_worse"] >= STANDS and material(evidence.losses):
        found.append("its loss is higher than its predecessor's, which may be noise")
    if numbers["failing_now"]:
        found.append("it has just failed more often than its predecessor did")
    if limit_of(evidence.latency) is not None and evidence.latency.slow()[-1:].any():
        found.append("its last calls took far longer than its predecessor's")
    if numbers["minutes_alike"]:
        found.append("it has just given the same answer to everybody")
    return found


def _worse(losses: PairedLosses, numbers: dict[str, Any]) -> str | None:
    if numbers["evidence_worse"] < 1 / OUTCOMES or not material(losses):
        return None
    return f"On {losses.rows} outcomes its loss is {show(losses.gap)} higher than its predecessor's: clearly worse."


def _failing(evidence: RollbackEvidence, numbers: dict[str, Any]) -> str | None:
    """Clearly too often by itself; or, stretch after stretch, more often than the one before ever did.

    Minutes in which the one before, asked the same in shadow, fails twice as often as is allowed are left out: then it
    is what both depend on that is away. Of the minute under way those requests count that the one before has answered.
    """
    requests, errors, beside, beside_errors = evidence.by_minute.T
    _, most = proportion_bounds(evidence.previous_errors, evidence.previous_requests, FAILING / 4)
    # What the one before does in shadow tells of it too: it may have answered for minutes only.
    trials, hits = evidence.previous_requests + int(beside.sum()), evidence.previous_errors + int(beside_errors.sum())
    _, at_all = proportion_bounds(hits, trials, FAILING / 4)
    known = evidence.previous_requests > 0
    allowed = max(ERROR_CAP, at_all) if known else ERROR_CAP
    alone = ~(beside_errors > OFTEN * allowed * beside)
    asked = int(requests[alone].sum()) + evidence.under_way[0]
    failed = int(errors[alone].sum()) + evidence.under_way[1]
    least, _ = proportion_bounds(failed, asked, FAILING / 2)
    often = _often(evidence.by_minute[alone, :2], most) if known else np.empty(0)
    numbers["evidence_failures"] = proof = evidence_above(often, 0.5)
    numbers["failing_now"] = bool(len(often) and often[-1])
    failing = f"It fails on {failed / max(asked, 1):.2%} of {asked} requests"
    if least > allowed:
        return f"{failing}; more than {allowed:.1%} is not allowed."
    if proof < 1 / FAILING_OFTEN:
        return None
    usual = evidence.previous_errors / evidence.previous_requests
    return f"{failing}, its predecessor on {usual:.2%}: clearly more in {int(often.sum())} of {len(often)} stretches."


def _often(by_minute: Array, most: float) -> Array:
    """`(n,)`: 1 for each stretch with more than OFTEN times the errors that a rate of `most` lets expect.

    What is away for an hour fails many requests at once: as with latency it is stretches that count, not requests.
    """
    found, requests, errors = [], 0, 0
    for asked, failed in by_minute:
        requests, errors = requests + asked, errors + failed
        if requests * most >= EXPECTED:
            found.append(float(errors > OFTEN * most * requests))
            requests = errors = 0
    return np.asarray(found)


def _same(evidence: RollbackEvidence, policy: Release, numbers: dict[str, Any]) -> str | None:
    """The same answer to everybody, minute after minute, where the one before answers the same rows variously.

    Of n minutes, each of which is alike with probability p at most, given those before, so many in a row as n p^k is
    below the budget come with no more than that. Minutes with few callers neither count nor interrupt.
    """
    callers, most, others, others_most = evidence.alike_by_minute.T
    enough = (callers >= ALIKE_ROWS) & (others >= ALIKE_ROWS)
    alike = ((most == callers) & (others_most <= ALIKE * others))[enough]
    in_a_row = len(alike) - int(np.flatnonzero(~alike)[-1]) - 1 if (~alike).any() else len(alike)
    minutes = max(policy.probation, LEAST_LONGER) / timedelta(minutes=1)
    needed = math.ceil(math.log(2 * minutes / SAME) / -math.log(ALIKE_BY_CHANCE))
    numbers |= {"minutes_alike": in_a_row, "minutes_alike_needed": needed}
    if in_a_row < needed:
        return None
    return (
        f"For {in_a_row} minutes it has given the same answer to everybody; its predecessor answers the same variously."
    )


def _kept(outcomes: int, gap: float, doubts: list[str]) -> str:
    """Why it stays, and what stood against it when the time was over."""
    rest = f". Not proved: {'; '.join(doubts)}." if doubts else ", and nothing else speaks against it."
    if outcomes == 0:
        return f"Probation is over; no outcome has come by which the two compare{rest}"
    side = "higher" if gap > 0 else "lower"
    return f"Probation is over; on {outcomes} outcomes its loss is {show(abs(gap))} {side} than its predecessor's{rest}"
