from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from windlass.decisions.budget import FAILING, FAILING_OFTEN, OUTCOMES, SAME
from windlass.decisions.rollback import ALIKE_BY_CHANCE, OFTEN, RollbackEvidence, decide_rollback
from windlass.decisions.slowness import Stretches
from windlass.decisions.statistics.paired_losses import PairedLosses, evidence_of_worse, material, scaled_difference
from windlass.decisions.statistics.sequential import evidence_above, proportion_bounds
from windlass.product.policy import Release
from windlass.records.decision import Decision

START = datetime(2026, 3, 1, tzinfo=UTC)
POLICY = Release(probation="7d")
DURING, AFTER = START + timedelta(days=3), START + timedelta(days=7)


def brier_losses(rng: np.random.Generator, rows: int, noise: float) -> PairedLosses:
    """Two models of the same world; the new one's scores carry `noise`, the previous one's 0.5."""
    signal = rng.normal(size=rows)
    truth = rng.random(rows) < 1 / (1 + np.exp(-signal))
    new, previous = (
        (1 / (1 + np.exp(-(signal + scale * rng.normal(size=rows)))) - truth) ** 2 for scale in (noise, 0.5)
    )
    return PairedLosses(new=new, previous=previous)


def test_errors_that_the_one_before_made_as_often_are_no_reason(rng: np.random.Generator) -> None:
    nothing = PairedLosses(new=np.zeros(0), previous=np.zeros(0))
    failing = {"started_at": START, "losses": nothing, "by_minute": np.array([[4000, 200, 0, 0]])}
    alone = decide_rollback(RollbackEvidence(**failing), POLICY, DURING)
    assert alone.verdict == "roll_back"
    assert "more than 2.0% is not allowed" in alone.reasons[0]
    as_before = RollbackEvidence(**failing, previous_requests=4000, previous_errors=190)
    assert decide_rollback(as_before, POLICY, DURING).verdict == "wait"
    better_before = RollbackEvidence(**failing, previous_requests=4000, previous_errors=40)
    assert decide_rollback(better_before, POLICY, DURING).verdict == "roll_back"


def test_one_that_fails_on_everything_is_not_kept_for_the_rest_of_the_minute() -> None:
    nothing = PairedLosses(new=np.zeros(0), previous=np.zeros(0))
    for until_now, verdict in ((DURING, "wait"), (AFTER, "keep")):
        few = RollbackEvidence(started_at=START, losses=nothing, under_way=(2, 2))
        assert decide_rollback(few, POLICY, until_now).verdict == verdict
    failing = decide_rollback(RollbackEvidence(started_at=START, losses=nothing, under_way=(8, 8)), POLICY, DURING)
    assert failing.verdict == "roll_back"
    assert "fails on 100.00% of 8 requests" in failing.reasons[0]


def test_what_the_one_before_does_in_shadow_tells_how_often_it_fails() -> None:
    """Of ten requests that it answered before it may be one that fails on half of them."""
    nothing = PairedLosses(new=np.zeros(0), previous=np.zeros(0))
    short = {"started_at": START, "losses": nothing, "previous_requests": 10}
    unseen = RollbackEvidence(**short, by_minute=np.array([[2400, 240, 0, 0]]))
    assert decide_rollback(unseen, POLICY, DURING).verdict == "wait"
    seen = RollbackEvidence(**short, by_minute=np.array([[2400, 240, 1700, 0]]))
    assert decide_rollback(seen, POLICY, DURING).verdict == "roll_back"


def test_worse_is_rolled_back_in_probation(rng: np.random.Generator) -> None:
    evidence = RollbackEvidence(started_at=START, losses=brier_losses(rng, 3000, 1.5))
    decision = decide_rollback(evidence, POLICY, DURING)
    assert (decision.judgement, decision.verdict) == ("rollback", "roll_back")
    assert decision.numbers["loss_difference"] > 0
    assert decision.numbers["evidence_worse"] >= decision.numbers["evidence_needed"] == 1 / OUTCOMES


def test_as_good_is_waited_for_and_then_kept(rng: np.random.Generator) -> None:
    evidence = RollbackEvidence(started_at=START, losses=brier_losses(rng, 3000, 0.5))
    assert decide_rollback(evidence, POLICY, DURING).verdict == "wait"
    assert decide_rollback(evidence, POLICY, AFTER - timedelta(seconds=1)).verdict == "wait"
    kept = decide_rollback(evidence, POLICY, AFTER)
    assert kept.verdict == "keep"
    assert "3000 outcomes" in kept.reasons[0]


def test_a_bad_day_alone_is_no_reason_to_go_back(rng: np.random.Generator) -> None:
    """Clearly worse for a day, and then as good: rows of a day are alike, so they are little evidence of all days."""
    previous = rng.uniform(0, 0.4, 4000)
    new = previous + rng.normal(0, 0.05, 4000)
    new[:200] += 0.3
    bad_day = RollbackEvidence(started_at=START, losses=PairedLosses(new=new[:200], previous=previous[:200]))
    assert decide_rollback(bad_day, POLICY, DURING).verdict == "roll_back"
    losses = PairedLosses(new=new, previous=previous)
    decision = decide_rollback(RollbackEvidence(started_at=START, losses=losses), POLICY, DURING)
    assert decision.verdict == "wait"
    assert decision.numbers["loss_difference"] > 0.02 * decision.numbers["previous_loss"]
    assert decision.numbers["evidence_worse"] < 20


def test_what_is_proven_and_next_to_nothing_is_no_reason_either(rng: np.random.Generator) -> None:
    previous = rng.uniform(0, 0.4, 8000)
    losses = PairedLosses(new=previous + 0.0035, previous=previous)
    decision = decide_rollback(RollbackEvidence(started_at=START, losses=losses), POLICY, DURING)
    assert decision.verdict == "wait"
    assert decision.numbers["evidence_worse"] >= decision.numbers["evidence_needed"]
    assert 0 < decision.numbers["loss_difference"] < 0.02 * decision.numbers["previous_loss"]


def test_versions_that_take_turns_at_being_better_are_seldom_taken_back(rng: np.random.Generator) -> None:
    """Each is as often better by a twentieth for 60 rows in a row as the other; independent rows would be evidence."""
    looks = np.geomspace(150, 3000, 20).astype(int)
    withdrawn = believed = 0
    for _ in range(200):
        previous = rng.beta(1, 4, 3000)
        moods = np.repeat(rng.normal(0, 0.05, 50), 60)
        losses = [
            PairedLosses(new=(previous + moods + rng.normal(0, 0.05, 3000))[:look], previous=previous[:look])
            for look in looks
        ]
        evidences = [RollbackEvidence(started_at=START, losses=known) for known in losses]
        withdrawn += any(decide_rollback(one, POLICY, DURING).verdict == "roll_back" for one in evidences)
        believed += any(
            evidence_above((scaled_difference(known)[0] + 1) / 2, 0.5) >= 1 / OUTCOMES and material(known)
            for known in losses
        )
    assert withdrawn <= 7  # at most 1 in 100, which more than 7 of 200 would refute with 99.8 %
    assert believed >= 20, f"{believed} {withdrawn}"


def test_without_outcomes_it_is_kept_and_says_so() -> None:
    nothing = RollbackEvidence(started_at=START, losses=PairedLosses(new=np.empty(0), previous=np.empty(0)))
    assert decide_rollback(nothing, POLICY, DURING).verdict == "wait"
    assert "no outcome has come by which the two compare" in decide_rollback(nothing, POLICY, AFTER).reasons[0]


def test_errors_roll_back_without_any_outcome() -> None:
    assert "fails on 10.00% of 500 requests" in failing(np.array([50]), asked=500, before=0).reasons[0]
    assert failing(np.array([5]), asked=500, before=0).verdict == "wait"


@pytest.mark.parametrize("before", [0, 5000])
def test_what_is_away_for_the_one_before_as_well_is_no_reason(before: int, rng: np.random.Generator) -> None:
    """For ten minutes right after the promotion; one before that always failed on some excuses no more than that."""
    away = np.append(np.full(10, 600), rng.binomial(1000, 0.001, 20))
    assert failing(away, before=before, beside=away // 10).verdict == "wait"
    assert failing(away, before=before).verdict == "roll_back"
    some = rng.binomial(100, before / 100_000, 30)
    assert failing(np.full(30, 400), before=before, beside=some).verdict == "roll_back"


def failing(errors: np.ndarray, *, asked: int = 1000, before: int = 100, beside: np.ndarray | None = None) -> Decision:
    """`asked` requests a minute of which so many fail; of the 100,000 of the day before, `before` did, and of 100 a
    minute in shadow `beside`."""
    evidence = RollbackEvidence(
        started_at=START,
        losses=PairedLosses(new=np.empty(0), previous=np.empty(0)),
        requests=asked * len(errors),
        errors=int(errors.sum()),
        previous_requests=100_000,
        previous_errors=before,
        by_minute=np.column_stack(
            [np.full(len(errors), asked), errors, np.full(len(errors), 100), 0 * errors if beside is None else beside]
        ),
    )
    return decide_rollback(evidence, POLICY, DURING)


def test_below_two_in_a_hundred_failing_more_often_all_the_time_rolls_back(rng: np.random.Generator) -> None:
    """A rate of 1 % after one of 0.1 %: each stretch is of two minutes."""
    found = failing(rng.binomial(1000, 0.01, 60))
    assert found.verdict == "roll_back"
    assert "its predecessor on 0.10%: clearly more in 30 of 30 stretches" in found.reasons[0]
    assert found.numbers["evidence_failures"] >= 1 / FAILING_OFTEN
    assert failing(rng.binomial(1000, 0.01, 40)).verdict == "wait"  # twenty stretches are no proof


def test_an_outage_of_some_minutes_and_as_many_errors_as_ever_are_no_reason(rng: np.random.Generator) -> None:
    outage = rng.binomial(1000, 0.001, 600)
    outage[100:120] = 300
    assert failing(outage).verdict == "wait"
    assert failing(rng.binomial(1000, 0.01, 600), before=1000).verdict == "wait"


def test_at_twice_the_rate_that_the_one_before_may_have_had_the_bound_holds(
    rng: np.random.Generator, plausible: Callable[[int, int, float], bool]
) -> None:
    _, most = proportion_bounds(100, 100_000, FAILING / 2)
    wrong = sum(failing(rng.binomial(1000, OFTEN * most, 2000)).verdict == "roll_back" for _ in range(200))
    assert plausible(wrong, 200, 2 * FAILING_OFTEN)


NOTHING = PairedLosses(new=np.empty(0), previous=np.empty(0))
CONSTANT, VARIOUS, FEW, ALL_ASK_THE_SAME = (40, 40, 40, 4), (40, 3, 40, 4), (4, 4, 4, 1), (40, 40, 40, 40)
SHORT = Release(probation="4m")
OVER = START + timedelta(minutes=4)


def alike(*minutes: tuple[int, int, int, int], policy: Release = POLICY, now: datetime = DURING) -> Decision:
    evidence = RollbackEvidence(started_at=START, losses=NOTHING, alike_by_minute=np.array(minutes))
    return decide_rollback(evidence, policy, now)


def test_the_same_answer_to_everybody_is_a_matter_of_minutes() -> None:
    """Also of a version that was promoted hours ago; with few callers in a minute nothing is said of that."""
    assert alike(*[VARIOUS] * 300, *[CONSTANT] * 6).verdict == "wait"
    found = alike(*[VARIOUS] * 300, *[CONSTANT] * 4, FEW, *[CONSTANT] * 3)
    assert found.verdict == "roll_back"
    assert "For 7 minutes it has given the same answer to everybody" in found.reasons[0]
    assert alike(*[CONSTANT] * 6, VARIOUS, *[CONSTANT] * 6).verdict == "wait"
    assert alike(*[ALL_ASK_THE_SAME] * 50).verdict == "wait"
    assert alike(*[FEW] * 50).verdict == "wait"


def test_minutes_that_are_alike_by_chance_come_in_a_row_no_more_often_than_the_budget(
    rng: np.random.Generator,
) -> None:
    """In a week of minutes, by the runs of a million: so many in a row are too rare to be seen."""
    needed = alike(VARIOUS).numbers["minutes_alike_needed"]
    assert 14 * 24 * 60 * ALIKE_BY_CHANCE**needed <= SAME
    shorter, minutes = 3, rng.random(1_000_000) < ALIKE_BY_CHANCE
    runs = np.convolve(minutes, np.ones(shorter), "valid") == shorter
    assert runs.mean() == pytest.approx(ALIKE_BY_CHANCE**shorter, rel=0.5)


def test_a_probation_goes_on_while_something_stands_against_the_version() -> None:
    assert alike(*[VARIOUS] * 4, policy=SHORT, now=OVER).verdict == "keep"
    told = alike(*[VARIOUS] * 3, CONSTANT, policy=SHORT, now=OVER)
    assert told.verdict == "wait"
    assert told.reasons == ("Probation goes on: it has just given the same answer to everybody.",)
    assert alike(CONSTANT, policy=Release(probation="0s"), now=OVER).verdict == "keep"  # who wants none gets none
    later = alike(*[VARIOUS] * 3, CONSTANT, policy=SHORT, now=OVER + timedelta(hours=1))
    assert later.verdict == "keep"
    assert later.reasons[0].endswith("Not proved: it has just given the same answer to everybody.")


@pytest.mark.parametrize(("last", "verdict"), [(9.0, "wait"), (1.0, "keep")])
def test_one_that_has_become_slow_is_not_promoted_before_that_could_be_proved(last: float, verdict: str) -> None:
    """By minutes: a probation of four of them is over long before any proof."""
    latency = Stretches(
        quickest=np.array([1.0, 1.0, 9.0, last]), beside=np.ones(4), control=np.ones(4), before=np.ones(60)
    )
    evidence = RollbackEvidence(started_at=START, losses=NOTHING, latency=latency)
    found = decide_rollback(evidence, SHORT, OVER)
    assert found.verdict == verdict
    slow = Stretches(quickest=np.full(26, 9.0), beside=np.ones(26), control=np.ones(26), before=np.ones(60))
    proved = RollbackEvidence(started_at=START, losses=NOTHING, latency=slow)
    assert decide_rollback(proved, SHORT, START + timedelta(minutes=26)).verdict == "roll_back"


def test_one_that_has_just_failed_more_often_is_waited_for() -> None:
    errors = np.array([0, 0, 0, 60])
    evidence = RollbackEvidence(
        started_at=START,
        losses=NOTHING,
        requests=4000,
        errors=60,
        previous_requests=100_000,
        previous_errors=10,
        by_minute=np.column_stack([np.full(4, 20_000), errors, np.full(4, 100), np.zeros(4, dtype=int)]),
    )
    found = decide_rollback(evidence, SHORT, OVER)
    assert found.verdict == "wait"
    assert "it has just failed more often than its predecessor did" in found.reasons[0]


def test_one_that_seems_clearly_worse_on_outcomes_gets_as_long_again(rng: np.random.Generator) -> None:
    """What is proved to 3 to 1, and by 2 % or more, is likely; the limit is a probation of twice the time."""
    previous = np.abs(rng.normal(0, 10, 60))
    losses = PairedLosses(new=previous + rng.normal(4, 6, 60), previous=previous, bound=40.0)
    assert 3 <= evidence_of_worse(losses) < 1 / OUTCOMES
    evidence = RollbackEvidence(started_at=START, losses=losses)
    assert decide_rollback(evidence, POLICY, AFTER).verdict == "wait"
    kept = decide_rollback(evidence, POLICY, START + timedelta(days=14))
    assert kept.verdict == "keep"
    assert "higher than its predecessor's. Not proved: its loss is higher" in kept.reasons[0]


@pytest.mark.parametrize("rows", [200, 3000])
def test_a_version_as_good_is_seldom_rolled_back_however_often_one_looks(
    rows: int, rng: np.random.Generator, plausible: Callable[[int, int, float], bool]
) -> None:
    """The evidence is the largest of all looks so far, so one question at the end asks them all."""
    wrong = 0
    for _ in range(500):
        evidence = RollbackEvidence(started_at=START, losses=brier_losses(rng, rows, 0.5))
        wrong += decide_rollback(evidence, POLICY, DURING).verdict == "roll_back"
    assert plausible(wrong, 500, OUTCOMES)


@pytest.mark.parametrize("bound", [60.0, None])
def test_regression_keeps_the_rate_with_heavy_tails(
    bound: float | None, rng: np.random.Generator, plausible: Callable[[int, int, float], bool]
) -> None:
    wrong = 0
    for _ in range(400):
        new, previous = np.abs(rng.standard_t(3, (2, 1500))) * 10
        wrong += evidence_of_worse(PairedLosses(new=new, previous=previous, bound=bound)) >= 1 / OUTCOMES
    assert plausible(wrong, 400, OUTCOMES)


def test_regression_sees_what_is_worse(rng: np.random.Generator) -> None:
    previous = np.abs(rng.normal(0, 10, 2000))
    new = np.abs(rng.normal(0, 13, 2000))
    for bound in (40.0, None):
        assert evidence_of_worse(PairedLosses(new=new, previous=previous, bound=bound)) > 100


def test_rows_that_only_tell_the_scale_are_not_judged() -> None:
    losses = PairedLosses(new=np.arange(150.0), previous=np.zeros(150), bound=None)
    difference, bound = scaled_difference(losses)
    assert (len(difference), bound) == (50, 99.0)
    assert difference.max() == 99.0
    assert evidence_of_worse(PairedLosses(new=np.ones(100), previous=np.zeros(100), bound=None)) == 1


def test_losses_that_are_not_numbers_are_left_out(rng: np.random.Generator) -> None:
    losses = brier_losses(rng, 500, 2.0)
    holes = PairedLosses(new=np.append(losses.new, np.nan), previous=np.append(losses.previous, 0.1))
    assert evidence_of_worse(holes) == evidence_of_worse(losses)
