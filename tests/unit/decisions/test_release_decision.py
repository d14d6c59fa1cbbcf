from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from windlass.decisions.paired_losses import PairedLosses
from windlass.decisions.release import Answers, ReleaseEvidence, decide_release
from windlass.product.policy import Release

START = datetime(2026, 3, 1, tzinfo=UTC)
LATER = START + timedelta(hours=1)
POLICY = Release(shadow=500, canary=[0.1, 0.5], bake="15m", minimum=200, deadline="2d")


def answers(rng: np.random.Generator, rows: int = 600, **changes: object) -> Answers:
    values = {"scores": rng.beta(2, 5, rows), "latency_ms": rng.gamma(4, 1, rows)}
    return Answers(**{**values, **changes})


def evidence(rng: np.random.Generator, *, stage: str = "canary", **changes: object) -> ReleaseEvidence:
    values = {
        "stage": stage,
        "share": 0.1,
        "started_at": START,
        "stage_started_at": START,
        "challenger": answers(rng),
        "champion": answers(rng, 3000),
    }
    return ReleaseEvidence(**{**values, **changes})


def test_a_harmless_challenger_advances(rng: np.random.Generator) -> None:
    for stage in ("shadow", "canary"):
        decision = decide_release(evidence(rng, stage=stage), POLICY, LATER)
        assert (decision.verdict, decision.judgement) == ("advance", "release")
    assert decision.numbers["rows"] == 600
    assert decision.numbers["champion_error_rate"] == 0


def test_it_waits_for_rows_and_for_the_bake(rng: np.random.Generator) -> None:
    few = evidence(rng, challenger=answers(rng, 199))
    assert "Fewer than 200 rows" in decide_release(few, POLICY, LATER).reasons[0]
    assert (
        "Fewer than 500 rows"
        in decide_release(evidence(rng, stage="shadow", challenger=answers(rng, 499)), POLICY, LATER).reasons[0]
    )
    early = decide_release(evidence(rng), POLICY, START + timedelta(minutes=14))
    assert (early.verdict, early.reasons[0]) == (
        "wait",
        "The canary on 10% of the keys lasts until 2026-03-01 00:15 UTC at least.",
    )
    assert decide_release(evidence(rng), POLICY, START + timedelta(minutes=15)).verdict == "advance"


def test_what_stays_undecided_is_rolled_back_at_the_deadline(rng: np.random.Generator) -> None:
    few = evidence(rng, challenger=answers(rng, 10))
    assert decide_release(few, POLICY, START + timedelta(days=2) - timedelta(seconds=1)).verdict == "wait"
    late = decide_release(few, POLICY, START + timedelta(days=2))
    assert late.verdict == "roll_back"
    assert "not decided within 2d" in late.reasons[0]
    assert decide_release(evidence(rng), POLICY, START + timedelta(days=3)).verdict == "advance"


@pytest.mark.parametrize(
    ("challenger", "said"),
    [
        ({"errors": 60}, "It fails on 9.09% of 660 requests"),
        ({"scores": np.full(600, 0.3)}, "are the same"),
        ({"latency_ms": np.full(600, 90.0)}, "take more than"),
        ({"scores": np.full(600, 0.99) + np.linspace(0, 0.001, 600)}, "from the champion's"),
    ],
)
def test_each_harm_is_rolled_back_at_once(challenger: dict[str, object], said: str, rng: np.random.Generator) -> None:
    """Long before the bake is over."""
    decision = decide_release(
        evidence(rng, challenger=answers(rng, **challenger)), POLICY, START + timedelta(minutes=1)
    )
    assert decision.verdict == "roll_back"
    assert any(said in reason for reason in decision.reasons)


def test_a_total_failure_needs_few_rows(rng: np.random.Generator) -> None:
    broken = evidence(rng, challenger=Answers(errors=5))
    assert decide_release(broken, POLICY, START).verdict == "roll_back"
    assert decide_release(evidence(rng, challenger=Answers(errors=1)), POLICY, START).verdict == "wait"


def test_more_errors_than_the_champion_but_not_clearly_more_waits(rng: np.random.Generator) -> None:
    shaky = evidence(rng, challenger=answers(rng, 300, errors=4))
    assert "not yet clearly" in decide_release(shaky, POLICY, LATER).reasons[0]


def test_a_pause_does_not_run_against_the_deadline(rng: np.random.Generator) -> None:
    few = evidence(rng, challenger=answers(rng, 10), paused=timedelta(days=5))
    assert decide_release(few, POLICY, START + timedelta(days=6)).verdict == "wait"
    assert decide_release(few, POLICY, START + timedelta(days=7)).verdict == "roll_back"


def test_a_champion_that_fails_as_often_excuses(rng: np.random.Generator) -> None:
    """Bad rows fail everywhere; a challenger that fails on fewer of them is an improvement."""
    for own, others in ((60, 60), (300, 700)):
        same = evidence(rng, challenger=answers(rng, 6000, errors=own), champion=answers(rng, 6000, errors=others))
        assert decide_release(same, POLICY, LATER).verdict == "advance"


def test_a_shift_that_the_holdout_showed_is_no_harm(rng: np.random.Generator) -> None:
    """A model retrained because the world changed answers differently, and should."""
    moved = {"challenger": answers(rng, 5000, scores=rng.beta(9, 2, 5000)), "champion": answers(rng, 5000)}
    assert decide_release(evidence(rng, **moved), POLICY, LATER).verdict == "roll_back"
    assert decide_release(evidence(rng, **moved, expected_shift=0.9), POLICY, LATER).verdict == "advance"


def test_outcomes_in_shadow_count(rng: np.random.Generator) -> None:
    previous = rng.random(800) * 0.5
    worse = PairedLosses(new=np.minimum(previous + 0.2, 1), previous=previous)
    assert "clearly worse" in decide_release(evidence(rng, losses=worse), POLICY, LATER).reasons[0]
    same = PairedLosses(new=rng.permutation(previous), previous=previous)
    assert decide_release(evidence(rng, losses=same), POLICY, LATER).verdict == "advance"


def test_a_harmless_challenger_is_seldom_withdrawn_however_often_one_looks(
    rng: np.random.Generator, plausible: Callable[[int, int, float], bool]
) -> None:
    """Errors, latency, shift: 1 % each, at 10 looks together."""
    withdrawn = 0
    for _ in range(60):
        own, others = answers(rng, 1000), answers(rng, 4000)
        failed = rng.random((2, 4000)) < 0.01
        for look in range(100, 1001, 100):
            challenger = Answers(
                scores=own.scores[:look], latency_ms=own.latency_ms[:look], errors=int(failed[0, :look].sum())
            )
            champion = Answers(
                scores=others.scores[: 4 * look],
                latency_ms=others.latency_ms[: 4 * look],
                errors=int(failed[1, : 4 * look].sum()),
            )
            looked = evidence(rng, challenger=challenger, champion=champion)
            if decide_release(looked, POLICY, START).verdict == "roll_back":
                withdrawn += 1
                break
    assert plausible(withdrawn, 60, 0.03)


def test_without_a_champions_answers_the_cap_still_holds(rng: np.random.Generator) -> None:
    assert decide_release(evidence(rng, champion=Answers()), POLICY, LATER).verdict == "advance"
    failing = evidence(rng, champion=Answers(), challenger=answers(rng, errors=100))
    assert decide_release(failing, POLICY, LATER).verdict == "roll_back"
