"""Latency in probation: how seldom a version that is no slower is rolled back, and how soon one that is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from windlass.decisions.budget import SLOW
from windlass.decisions.rollback import RollbackEvidence, decide_rollback
from windlass.decisions.slowness import FEW, Stretches, slowness
from windlass.decisions.statistics.paired_losses import PairedLosses
from windlass.product.policy import Release
from windlass.records.decision import Decision

from .played_probation import DAY, probation  # type: ignore[import-not-found]

START = datetime(2026, 3, 1, tzinfo=UTC)
NOTHING = PairedLosses(new=np.empty(0), previous=np.empty(0))


def decided(latency: Stretches) -> Decision:
    evidence = RollbackEvidence(started_at=START, losses=NOTHING, latency=latency)
    return decide_rollback(evidence, Release(probation="7d"), START + timedelta(days=3))


def even(
    quickest: list[float],
    *,
    beside: float = np.nan,
    control: float = np.nan,
    before: float = 5.0,
    stretches: int = 60,
    asks: float = 1.0,
) -> Stretches:
    return Stretches(
        quickest=np.asarray(quickest),
        beside=np.full(len(quickest), beside),
        control=np.full(len(quickest), control),
        before=np.full(stretches, before),
        asks=asks,
    )


def test_of_harmless_versions_hardly_any_is_rolled_back_in_a_week(
    rng: np.random.Generator, plausible: Callable[[int, int, float], bool]
) -> None:
    """The evidence is the largest of all looks so far, so one question at the end asks them all."""
    runs = 100
    wrong = sum(decided(probation(rng, minutes=7 * DAY)).verdict == "roll_back" for _ in range(runs))
    assert plausible(wrong, runs, 0.01)


def test_at_the_edge_of_what_is_supposed_the_bound_holds(
    rng: np.random.Generator, plausible: Callable[[int, int, float], bool]
) -> None:
    """Every other stretch is slow, by chance: as much as the null allows."""
    runs, wrong = 3000, 0
    for _ in range(runs):
        slow = np.where(rng.random(2000) < 0.5, 100.0, 1.0)
        wrong += slowness(even(list(slow)), 0.01, {}) is not None
    assert plausible(wrong, runs, 0.01)


@pytest.mark.parametrize(("since", "minutes"), [(0, 12 * 60), (6 * 60, DAY)])
def test_one_that_becomes_three_times_slower_comes_back(since: int, minutes: int, rng: np.random.Generator) -> None:
    """Also hours after its promotion, when much has spoken for it; on a machine whose moods triple a call's time."""
    runs = 60
    found = [probation(rng, minutes=since + minutes, slower=3.0, since=since) for _ in range(runs)]
    assert sum(decided(played).verdict == "roll_back" for played in found) >= 0.95 * runs


def test_a_machine_on_which_everything_takes_three_times_as_long_for_hours_is_no_reason(
    rng: np.random.Generator,
) -> None:
    """In shadow the predecessor is timed without what it waits for a processor; what the workers time of it tells."""

    def played(slower: float) -> Stretches:
        calm = probation(rng, minutes=6 * 60, moody=False, slower=slower)
        busy = np.where(np.arange(6 * 60) < 120, 3.0, 1.0)
        return replace(calm, quickest=calm.quickest * busy, control=calm.control * busy)

    harmless = played(1.0)
    assert decided(harmless).verdict == "wait"
    assert decided(replace(harmless, control=np.empty(0))).verdict == "roll_back"  # else it would be one
    slow = decided(played(3.0))
    assert slow.verdict == "roll_back"
    assert "far longer than its predecessor's at the same time" in slow.reasons[0]


def test_what_makes_its_predecessor_slow_as_well_is_no_reason(rng: np.random.Generator) -> None:
    assert decided(probation(rng, minutes=6 * 60, both=6.0)).verdict == "wait"
    assert decided(even([50.0] * 100, beside=60.0)).verdict == "wait"
    assert decided(even([50.0] * 100, beside=5.0)).verdict == "roll_back"


@pytest.mark.parametrize(
    ("latency", "verdict"),
    [
        (even([11.0] * 24), "wait"),
        (even([11.0] * 25), "roll_back"),
        (even([9.9] * 1000), "wait"),  # less than twice as long
        (even([0.9] * 1000, before=0.3), "wait"),  # three times as long, and not 2 ms longer
        (even([2.4] * 100, before=0.3), "roll_back"),
        (even([11.0] * 100, stretches=FEW - 1), "wait"),  # of before nothing is known
        (even([11.0, 1.0] * 1000), "wait"),
        (even([39.0] * 100, asks=4.0), "wait"),  # less than twice as long as four of them
        (even([41.0] * 100, asks=4.0), "roll_back"),
        (even([41.0] * 100, asks=4.0, beside=11.0), "wait"),  # four of them would be slow now, too
        (even([9.0] * 100, control=4.0), "roll_back"),  # twice as long as now, and half as long again as before
        (even([9.0] * 100, control=5.0), "wait"),
        (even([7.4] * 100, control=1.0), "wait"),  # hardly longer than ever: what repeats a call may be quicker
        (even([41.0] * 100, asks=4.0, control=11.0), "wait"),
        (Stretches(), "wait"),
    ],
)
def test_slow_is_twice_as_long_and_two_milliseconds_for_25_stretches(latency: Stretches, verdict: str) -> None:
    found = decided(latency)
    assert found.verdict == verdict
    if verdict == "roll_back":
        assert "nine in ten of its calls took" in found.reasons[0]
        assert found.numbers["evidence_latency"] >= 1 / SLOW
