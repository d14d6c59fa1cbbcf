from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from windlass.decisions.answers import Answers, ReleaseEvidence, Stream
from windlass.decisions.budget import BEFORE_PROMOTION
from windlass.decisions.release import decide_release
from windlass.decisions.statistics.paired_losses import PairedLosses
from windlass.product.policy import Release
from windlass.records.decision import Decision

from .played import Challenger, look, play, ramp, seldom  # type: ignore[import-not-found]

START = datetime(2026, 3, 1, tzinfo=UTC)
LATER = START + timedelta(hours=1)
POLICY = Release(shadow=500, canary=[0.1, 0.5], bake="15m", minimum=200, deadline="2d")


def stream(values: np.ndarray) -> Stream:
    """Spread evenly over the stage, whatever their number."""
    return Stream(values=values, places=np.linspace(0, 1, len(values)))


def answers(
    rng: np.random.Generator,
    rows: int = 600,
    *,
    errors: int = 0,
    scores: np.ndarray | None = None,
    latency_ms: np.ndarray | None = None,
) -> Answers:
    """One request to a row, and one call; `errors` more requests that failed."""
    return Answers(
        rows=rows,
        failures=stream(rng.permutation(np.arange(rows + errors) < errors)),
        scores=stream(rng.beta(2, 5, rows) if scores is None else scores),
        latency_ms=stream(rng.gamma(4, 1, rows) if latency_ms is None else latency_ms),
    )


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


@pytest.mark.parametrize(("rows", "short"), [(600, False), (150, True)])
def test_only_what_has_its_rows_is_delayed(rows: int, short: bool, rng: np.random.Generator) -> None:
    """The last six of its requests failed and none of the champion's, which is no proof yet."""
    own = replace(answers(rng, rows), failures=stream(np.arange(rows + 6) >= rows))
    decision = decide_release(evidence(rng, challenger=own, champion=answers(rng, rows)), POLICY, LATER)
    assert (decision.verdict, decision.numbers["delayed"]) == ("wait", not short)
    assert [reason.startswith("It seems to fail") for reason in decision.reasons] == [False] * short + [True]


@pytest.mark.parametrize("most", [1.0, 0.97, 0.5])
def test_where_callers_ask_the_same_the_same_answer_is_no_harm(
    most: float, rng: np.random.Generator, plausible: Callable[[int, int, float], bool]
) -> None:
    """Of two models each row has another score of either; `most` of the rows are alike, so a few answers often are."""
    runs, wrong = 300, 0
    for _ in range(runs):
        alike = [rng.random(rows) < most for rows in (15, 40)]
        scores = [np.where(same, usual, usual + 0.1) for same, usual in zip(alike, (0.55, 0.6), strict=True)]
        own, others = (answers(rng, len(each), scores=each) for each in scores)
        decision = decide_release(evidence(rng, challenger=own, champion=others, expected_shift=0.5), POLICY, LATER)
        wrong += decision.verdict == "roll_back"
    assert plausible(wrong, runs, BEFORE_PROMOTION)


def test_where_callers_ask_the_same_a_slight_difference_is_no_shift(rng: np.random.Generator) -> None:
    """Nine in ten ask about one row, which the two score alike but for 0.04; of numbers, by their scale."""

    def judged(difference: float, scale: float | None) -> str:
        sides = []
        for usual, rows in ((0.5 + difference, 400), (0.5, 2000)):
            alike = rng.random(rows) < 0.9
            scores = np.where(alike, usual, rng.beta(2, 5, rows)) * (1.0 if scale is None else scale)
            sides.append(answers(rng, rows, scores=scores))
        given = evidence(rng, challenger=sides[0], champion=sides[1], expected_shift=0.05, scale=scale)
        return decide_release(given, POLICY, LATER).verdict

    assert (judged(0.04, 1.0), judged(0.04, 3000.0)) == ("advance", "advance")
    assert (judged(0.2, 1.0), judged(0.2, 3000.0), judged(0.04, None)) == ("roll_back", "roll_back", "roll_back")


def test_a_version_that_hangs_is_withdrawn_before_a_few_calls_of_many_rows_pass_for_a_stage(
    rng: np.random.Generator,
) -> None:
    """It takes 30 seconds for three rows of ten. Meanwhile requests gather, so that after three calls enough rows have
    been answered, and hardly anything is known of how long it takes."""
    policy, said, took, rows = replace(POLICY, minimum=20), list[str](), list[float](), 0
    waiting = 1
    while len(took) < 60 and said[-1:] != ["roll_back"]:
        together = min(waiting, 256)
        hangs = rng.random() > 0.7**together
        took.append(30_000.0 if hangs else 5.0)
        rows += together
        waiting = max(1, waiting - together + int(5 * took[-1] / 1000))  # five more a second
        challenger = answers(rng, rows, latency_ms=np.array(took))
        given = evidence(rng, challenger=challenger, champion=answers(rng, 5000))
        said.append(decide_release(given, policy, LATER).verdict)
    assert rows > 10 * policy.minimum
    assert said == ["wait"] * (len(said) - 1) + ["roll_back"]


def test_a_stage_of_few_requests_does_not_wait_for_more_calls_than_there_are(rng: np.random.Generator) -> None:
    """A thousand rows in two requests, one call each."""
    few = Answers(
        rows=1000,
        failures=stream(np.zeros(2, dtype=bool)),
        scores=stream(rng.beta(2, 5, 1000)),
        latency_ms=stream(np.array([9.0, 11.0])),
    )
    assert decide_release(evidence(rng, challenger=few), POLICY, LATER).verdict == "advance"
    shared = replace(few, failures=stream(np.zeros(1000, dtype=bool)))
    told = decide_release(evidence(rng, challenger=shared), POLICY, LATER)
    assert (told.verdict, told.reasons) == ("wait", ("Fewer than 20 calls of it have told how long they take.",))


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
        ({"errors": 60}, "It fails on 9.09% of 660 requests, the champion on 0.00%"),
        ({"scores": np.full(600, 0.3)}, "are the same"),
        ({"latency_ms": np.full(600, 90.0)}, "It takes 90 ms (median), the champion"),
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


def test_a_slow_tail_is_harm_where_the_median_is_as_it_was(rng: np.random.Generator) -> None:
    taken = rng.gamma(4, 1, 600)
    taken[::20] += 400
    decision = decide_release(evidence(rng, challenger=answers(rng, latency_ms=taken)), POLICY, LATER)
    assert decision.verdict == "roll_back"
    assert "far beyond the champion's slowest" in decision.reasons[0]
    aside = evidence(rng, stage="shadow", challenger=answers(rng, latency_ms=taken))
    assert decide_release(aside, POLICY, LATER).verdict == "advance"


def test_the_first_calls_may_load_what_they_need(rng: np.random.Generator) -> None:
    """One in each of eight workers; the champion has been asked for long."""
    taken = rng.gamma(4, 1, 600)
    taken[:8] += 900
    places = np.append(np.linspace(0.5, 0.501, 20), np.linspace(0.502, 1, 580))
    own = replace(answers(rng), latency_ms=Stream(values=taken, places=places))
    assert decide_release(evidence(rng, challenger=own), POLICY, LATER).verdict == "advance"
    own = replace(own, latency_ms=Stream(values=np.roll(taken, 30), places=places))
    assert decide_release(evidence(rng, challenger=own), POLICY, LATER).verdict == "roll_back"


@pytest.mark.parametrize("stage", ["shadow", "canary"])
def test_what_is_away_as_a_stage_begins_is_held_against_nobody(stage: str, rng: np.random.Generator) -> None:
    """Both fail on all of their first requests; and by itself the challenger would be gone after four."""
    both = {name: answers(rng, 0, errors=60) for name in ("challenger", "champion")}
    assert decide_release(evidence(rng, stage=stage, **both), POLICY, START).verdict == "wait"
    alone = evidence(rng, stage=stage, challenger=answers(rng, 0, errors=60), champion=answers(rng, 60))
    assert decide_release(alone, POLICY, START).verdict == "roll_back"


@pytest.mark.parametrize("stage", ["shadow", "canary"])
def test_one_that_is_known_to_ask_four_models_may_take_as_long_as_four(stage: str, rng: np.random.Generator) -> None:
    def judged(slower: float, asks: float) -> Decision:
        taken = 12 * rng.gamma(40, 1 / 40, 3600)
        own = answers(rng, latency_ms=slower * taken[:600])
        champion = answers(rng, 3000, latency_ms=taken[600:])
        return decide_release(evidence(rng, stage=stage, challenger=own, champion=champion, asks=asks), POLICY, LATER)

    assert judged(4.0, 1.0).verdict == "roll_back"
    assert judged(4.0, 4.0).verdict == "advance"
    slow = judged(12.0, 4.0)
    assert slow.verdict == "roll_back"
    assert slow.reasons[0].endswith("at the same time, and it asks 4 times as many models.")
    assert slow.numbers["champion_latency_ms_p50"] == pytest.approx(12, abs=1)


def test_a_total_failure_needs_few_requests(rng: np.random.Generator) -> None:
    for failed, verdict in ((5, "roll_back"), (1, "wait")):
        broken = evidence(rng, challenger=answers(rng, 0, errors=failed))
        assert decide_release(broken, POLICY, START).verdict == verdict


def test_a_challenger_that_seems_to_fail_more_often_waits(rng: np.random.Generator) -> None:
    shaky = decide_release(evidence(rng, challenger=answers(rng, 300, errors=4)), POLICY, LATER)
    assert shaky.verdict == "wait"
    assert "fail more often than the champion, though not yet clearly" in shaky.reasons[0]
    slow = answers(rng, 210, latency_ms=np.where(np.arange(210) % 20 < 13, 12.0, 3.0))
    assert "take longer" in decide_release(evidence(rng, challenger=slow), POLICY, LATER).reasons[0]


def test_a_slow_hour_that_both_have_is_no_harm(rng: np.random.Generator) -> None:
    hour = np.where(np.linspace(0, 1, 600) < 0.7, 1.0, 30.0)
    both = {
        "challenger": answers(rng, latency_ms=hour * rng.gamma(4, 1, 600)),
        "champion": answers(rng, latency_ms=hour * rng.gamma(4, 1, 600)),
    }
    assert decide_release(evidence(rng, **both), POLICY, LATER).verdict == "advance"


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


def test_answers_to_the_same_rows_may_differ_as_on_the_holdout_and_no_further(rng: np.random.Generator) -> None:
    apart = {"stage": "shadow", "gaps": rng.uniform(0.3, 0.8, 600)}
    assert decide_release(evidence(rng, **apart, expected_gap=0.5), POLICY, LATER).verdict == "advance"
    harm = decide_release(evidence(rng, **apart, expected_gap=0.1), POLICY, LATER)
    assert harm.verdict == "roll_back"
    assert "answers the same rows otherwise than the champion, by 0.5" in harm.reasons[0]
    assert decide_release(evidence(rng, stage="shadow", gaps=np.full(600, 0.6)), POLICY, LATER).verdict == "roll_back"


def test_where_only_the_difference_speaks_and_an_alarm_stands_against_the_champion_both_ways_are_named(
    rng: np.random.Generator,
) -> None:
    """A champion that got stuck makes every good version look wrong beside it."""
    apart = {"stage": "shadow", "gaps": rng.uniform(0.3, 0.8, 600), "expected_gap": 0.1}
    told = decide_release(evidence(rng, **apart, doubted="drift"), POLICY, LATER)
    assert told.verdict == "roll_back"
    assert "An alarm of drift stands against the champion: if that one is wrong, `windlass promote`" in told.reasons[1]
    assert len(decide_release(evidence(rng, **apart), POLICY, LATER).reasons) == 1
    worse = PairedLosses(new=np.full(800, 0.7), previous=np.full(800, 0.2))
    both = decide_release(evidence(rng, **apart, losses=worse, doubted="drift"), POLICY, LATER)
    assert not any("stands against" in reason for reason in both.reasons)


@pytest.mark.parametrize("stage", ["shadow", "canary"])
def test_one_that_outcomes_prove_better_may_answer_otherwise(stage: str, rng: np.random.Generator) -> None:
    apart = {"stage": stage, "gaps": rng.uniform(0.3, 0.8, 600), "expected_gap": 0.1}
    previous = rng.random(800) * 0.5
    better = PairedLosses(new=np.maximum(previous - 0.2, 0), previous=previous)
    assert decide_release(evidence(rng, **apart, losses=better), POLICY, LATER).verdict == "advance"
    same = PairedLosses(new=rng.permutation(previous), previous=previous)
    assert decide_release(evidence(rng, **apart, losses=same), POLICY, LATER).verdict == "roll_back"
    failing = replace(answers(rng), failures=stream(rng.random(600) < 0.5))
    assert (
        decide_release(evidence(rng, **apart, losses=better, challenger=failing), POLICY, LATER).verdict == "roll_back"
    )


def test_while_the_champion_decays_a_difference_in_shadow_waits_for_outcomes_until_the_deadline(
    rng: np.random.Generator,
) -> None:
    apart = {"gaps": rng.uniform(0.3, 0.8, 600), "expected_gap": 0.1, "doubted": "decay"}
    waits = decide_release(evidence(rng, stage="shadow", **apart), POLICY, LATER)
    assert waits.verdict == "wait"
    assert (
        waits.reasons[-1] == "An alarm of decay stands against the champion: outcomes tell which of the two is wrong."
    )
    assert decide_release(evidence(rng, stage="canary", **apart), POLICY, LATER).verdict == "roll_back"
    late = decide_release(evidence(rng, stage="shadow", **apart), POLICY, START + POLICY.deadline)
    assert late.verdict == "roll_back"
    assert "not decided within" in late.reasons[0]


# -- whole releases, played by chance --------------------------------------------------------------------------------


@pytest.mark.parametrize("harmless", [Challenger(outcomes=True), Challenger(pauses=0.005)], ids=["", "pauses"])
def test_a_harmless_challenger_is_seldom_withdrawn_over_all_stages_harms_and_looks(
    harmless: Challenger, rng: np.random.Generator, plausible: Callable[[int, int, float], bool]
) -> None:
    policy = Release(shadow=200, canary=[0.2, 0.5], minimum=200)
    withdrawn = sum(ramp(rng, harmless, policy=policy, looks=seldom)[0] != "promoted" for _ in range(100))
    assert plausible(withdrawn, 100, BEFORE_PROMOTION)


@pytest.mark.parametrize(
    ("challenger", "requests"),
    [
        (Challenger(failing=0.02), 10_000),
        (Challenger(slower=3.0), 400),
        (Challenger(no_number=True), 20),
        (Challenger(constant=True), 25),
        (Challenger(outcomes=True, loss=0.05), 1500),
    ],
    ids=["errors 1 -> 2 %", "3 times slower", "NaN", "constant", "worse on outcomes"],
)
@pytest.mark.parametrize("share", [0.05, 0.25])
def test_each_harm_is_found_within_so_many_requests(
    challenger: Challenger, requests: int, share: float, rng: np.random.Generator
) -> None:
    """The numbers that docs/explanation/decisions.md states, each kept by 95 of 100 releases: of 5, 3 or more."""
    policy = Release(shadow=500, canary=[share, 0.5], minimum=requests)
    kept = 0
    for _ in range(5):
        played = play(rng, challenger, stage="canary", share=share, asked=requests)
        kept += decide_release(look(played, len(played.arms)), policy, START).verdict == "roll_back"
    assert kept >= 3


def test_without_a_champions_answers_the_cap_still_holds(rng: np.random.Generator) -> None:
    assert decide_release(evidence(rng, champion=Answers()), POLICY, LATER).verdict == "advance"
    failing = evidence(rng, champion=Answers(), challenger=answers(rng, errors=100))
    assert decide_release(failing, POLICY, LATER).verdict == "roll_back"
