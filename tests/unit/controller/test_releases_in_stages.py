from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from windlass.controller.context import LoopContext
from windlass.controller.releases import Releases
from windlass.errors import BundleCorrupt
from windlass.product.policy import Outcome, Release
from windlass.records.decision import Decision
from windlass.records.event import (
    AlarmRaised,
    ChampionChanged,
    GateDecided,
    ProductPaused,
    ProductResumed,
    RecourseDecided,
    ReleaseAdvanced,
    ReleaseDelayed,
    ReleaseFinished,
    ReleaseStarted,
    RunFinished,
    RunStarted,
)
from windlass.release.evidence import Expected

from .conftest import NOON, POLICIES, PRODUCT, Desk  # type: ignore[import-not-found]


def releases(desk: Desk, **keywords: Any) -> Releases:
    """As in a controller that has just started."""
    return Releases(context=desk.new_context(), **keywords)


def slow_to_read(desk: Desk) -> tuple[LoopContext, list[float], Callable[..., pl.DataFrame]]:
    """A context, the time that has passed in it, and a reading of labels that takes 10 s of that."""
    context, moment = desk.new_context(), [0.0]
    context.real_time = lambda: moment[0]
    read = context.lake.labelled

    def slow(*args: Any, **keywords: Any) -> pl.DataFrame:
        moment[0] += 10.0
        return read(*args, **keywords)

    return context, moment, slow


def stage(desk: Desk) -> str | None:
    return None if desk.state.release is None else desk.state.release.stage


def champion(desk: Desk) -> str | None:
    return None if desk.state.champion is None else desk.state.champion.version


def with_two(desk: Desk) -> Releases:
    """v1 answers, v2 has been registered and is in its first stage."""
    leading = releases(desk)
    for name in ("v1", "v2"):
        desk.register(name)
        leading.step(PRODUCT)
    return leading


def in_shadow(desk: Desk, leading: Releases, count: int = 40, **keywords: Any) -> list[str]:
    """Requests that v1 answers and v2 in shadow; an hour passes."""
    desk.wait(hours=1)
    ids = desk.answer(count, version="v1")
    desk.answer(count, version="v2", stage="shadow", ids=ids, **keywords)
    desk.commit(leading)
    return ids


def in_canary(desk: Desk, leading: Releases, count: int = 40, **keywords: Any) -> None:
    desk.wait(hours=1)
    desk.answer(count, version="v1")
    desk.answer(count, version="v2", stage="canary", **keywords)
    desk.commit(leading)


def in_canary_and_wrong(desk: Desk, leading: Releases) -> None:
    """v1 is right and v2 wrong, and the outcomes come at once."""
    for _ in range(3):
        desk.wait(hours=1)
        for version, role, score in (("v1", "champion", 0.9), ("v2", "canary", 0.2)):
            names = [f"p{number:.12f}-0" for number in desk.random.random(60)]
            desk.answer(60, version=version, stage=role, ids=names, scores=score + desk.random.random(60) / 20)
            desk.observe(names, True)
    desk.commit(leading)


def in_probation(desk: Desk, leading: Releases, count: int = 60, *, right: str = "v2", **keywords: Any) -> None:
    """v2 answers and v1 in shadow, and the outcomes come at once; `right` names who was."""
    desk.wait(hours=1)
    scores = {name: np.full(count, 0.95 if name == right else 0.05) for name in ("v1", "v2")}
    ids = desk.answer(count, version="v2", scores=scores["v2"], **keywords)
    desk.answer(count, version="v1", stage="shadow", ids=ids, scores=scores["v1"])
    desk.observe(ids, True)
    desk.commit(leading)


def promoted(desk: Desk) -> Releases:
    leading = with_two(desk)
    in_shadow(desk, leading)
    leading.step(PRODUCT)
    in_canary(desk, leading)
    in_canary(desk, leading)
    desk.wait(minutes=1)
    leading.step(PRODUCT)
    assert (champion(desk), stage(desk)) == ("v2", "probation")
    return leading


# -- the way up ------------------------------------------------------------------------------------------------------


def test_the_first_version_answers_at_once(desk: Desk) -> None:
    desk.register("v1")
    releases(desk).step(PRODUCT)
    assert (champion(desk), stage(desk)) == ("v1", None)
    (finished,) = desk.bodies(ReleaseFinished)
    assert finished.outcome == "promoted"


def test_a_challenger_goes_through_all_stages_and_every_step_has_its_decision(desk: Desk) -> None:
    leading = promoted(desk)
    for _ in range(6):
        assert stage(desk) == "probation"
        in_probation(desk, leading)
        leading.step(PRODUCT)
    assert (champion(desk), stage(desk)) == ("v2", None)
    advanced = desk.bodies(ReleaseAdvanced)
    assert [(body.stage, body.share) for body in advanced] == [("shadow", 0.0), ("canary", 0.5), ("probation", 1.0)]
    assert all(body.decision.reasons for body in advanced)
    assert advanced[1].decision.numbers["rows"] == 40
    finished = desk.bodies(ReleaseFinished)[-1]
    assert (finished.outcome, finished.decision.verdict, finished.decision.numbers["outcomes"]) == (
        "promoted",
        "keep",
        6 * 60,
    )


@pytest.mark.parametrize(("models", "outcome"), [(1, "rolled_back"), (4, None)])
def test_a_version_that_asks_four_models_may_take_as_long_as_four(desk: Desk, models: int, outcome: str | None) -> None:
    leading = releases(desk)
    desk.register("v1")
    leading.step(PRODUCT)
    desk.register("v2", models=models)
    leading.step(PRODUCT)
    in_shadow(desk, leading)
    leading.step(PRODUCT)
    for _ in range(40):
        desk.wait(minutes=1)
        desk.answer(1, version="v1", latency_ms=5.0)
        desk.answer(1, version="v2", stage="canary", latency_ms=20.0)
    desk.commit(leading)
    leading.step(PRODUCT)
    ended = [body.outcome for body in desk.bodies(ReleaseFinished) if body.version == "v2"]
    assert ended == ([outcome] if outcome else [])


def test_nothing_happens_before_there_is_enough_to_judge(desk: Desk) -> None:
    leading = with_two(desk)
    for _ in range(3):
        in_shadow(desk, leading, count=13)
        head = desk.ledger.head()
        leading.step(PRODUCT)
        assert (stage(desk), desk.ledger.head()) == ("shadow", head)
    in_shadow(desk, leading, count=1)
    leading.step(PRODUCT)
    assert stage(desk) == "canary"


def test_what_waits_beyond_its_policy_is_told_why_once(desk: Desk) -> None:
    leading = with_two(desk)
    in_shadow(desk, leading)
    leading.step(PRODUCT)
    in_canary(desk, leading, count=10)
    leading.step(PRODUCT)
    assert desk.bodies(ReleaseDelayed) == []  # it has not the rows yet
    in_canary(desk, leading)
    desk.answer(6, version="v2", stage="canary", error="it raised")
    in_canary(desk, leading)
    for again in (leading, releases(desk)):
        again.step(PRODUCT)
        (told,) = desk.bodies(ReleaseDelayed)
        assert (stage(desk), told.decision.verdict, told.version) == ("canary", "wait", "v2")
        assert desk.state.release.delayed == told.decision.reasons[0]  # type: ignore[union-attr]
        assert "seems to fail more often" in told.decision.reasons[0]


def test_looking_twice_promotes_once(desk: Desk) -> None:
    leading = promoted(desk)
    for _ in range(3):
        leading.step(PRODUCT)
        releases(desk).step(PRODUCT)
    assert [body.version for body in desk.bodies(ChampionChanged)] == ["v1", "v2"]
    assert len(desk.bodies(ReleaseStarted)) == 2


@pytest.mark.parametrize("where", ["shadow", "canary", "probation"])
def test_a_restart_in_any_stage_judges_by_the_same_evidence(desk: Desk, where: str) -> None:
    leading = with_two(desk) if where == "shadow" else None
    if where == "canary":
        leading = with_two(desk)
        in_shadow(desk, leading)
        leading.step(PRODUCT)
    if where == "probation":
        leading = promoted(desk)
    assert leading is not None
    assert stage(desk) == where
    feed = {"shadow": in_shadow, "canary": in_canary, "probation": in_probation}[where]
    feed(desk, leading, count=15)
    again = releases(desk)
    state = desk.state
    assert state.release is not None
    policy = Release(**state.release.plan)
    before = leading._decide(state, state.release, policy)
    after = again._decide(state, state.release, policy)
    assert (after.verdict, after.reasons, after.numbers) == (before.verdict, before.reasons, before.numbers)
    assert before.numbers["requests" if before.judgement == "rollback" else "rows"] == 15


def test_what_was_captured_before_the_stage_began_does_not_count(desk: Desk) -> None:
    """It may reach the lake later: a worker's segment waits for the next commit."""
    leading = with_two(desk)
    in_shadow(desk, leading)
    late = desk.answer(30, version="v1")
    desk.answer(30, version="v2", stage="canary", ids=late)  # before there was a canary
    desk.wait(hours=1)
    leading.step(PRODUCT)
    assert stage(desk) == "canary"
    desk.commit(leading)
    desk.wait(hours=2)
    leading.step(PRODUCT)
    assert stage(desk) == "canary"


# -- and down --------------------------------------------------------------------------------------------------------


def test_a_challenger_that_fails_in_shadow_is_abandoned(desk: Desk) -> None:
    leading = with_two(desk)
    in_shadow(desk, leading, error="it raised")
    leading.step(PRODUCT)
    assert (champion(desk), stage(desk)) == ("v1", None)
    finished = desk.bodies(ReleaseFinished)[-1]
    assert (finished.version, finished.outcome, finished.decision.verdict) == ("v2", "abandoned", "roll_back")
    assert desk.state.rejections == 1


def test_a_challenger_that_fails_in_canary_is_rolled_back(desk: Desk) -> None:
    leading = with_two(desk)
    in_shadow(desk, leading)
    leading.step(PRODUCT)
    in_canary(desk, leading, error="it raised")
    leading.step(PRODUCT)
    assert (champion(desk), stage(desk)) == ("v1", None)
    assert desk.bodies(ReleaseFinished)[-1].outcome == "rolled_back"


def test_a_champion_that_is_clearly_worse_is_rolled_back_in_probation(desk: Desk) -> None:
    leading = promoted(desk)
    in_probation(desk, leading, right="v1")
    leading.step(PRODUCT)
    assert (champion(desk), stage(desk)) == ("v1", None)
    finished = desk.bodies(ReleaseFinished)[-1]
    assert (finished.version, finished.outcome) == ("v2", "rolled_back")
    assert "clearly worse" in finished.decision.reasons[0]
    assert [body.version for body in desk.bodies(ChampionChanged)] == ["v1", "v2", "v1"]


@pytest.mark.parametrize("where", ["shadow", "canary", "probation"])
def test_a_version_that_no_worker_can_load_is_withdrawn(desk: Desk, where: str) -> None:
    leading = promoted(desk) if where == "probation" else with_two(desk)
    if where == "canary":
        in_shadow(desk, leading)
        leading.step(PRODUCT)
    assert stage(desk) == where
    releases(desk, refused=lambda _product, version: "no module named x" if version == "v2" else None).step(PRODUCT)
    assert (champion(desk), stage(desk)) == ("v1", None)
    assert "no module named x" in desk.bodies(ReleaseFinished)[-1].decision.reasons[0]


def test_while_paused_nothing_advances_and_what_does_harm_is_withdrawn(desk: Desk) -> None:
    leading = with_two(desk)
    in_shadow(desk, leading)
    desk.write(ProductPaused(reason="holidays"))
    leading.step(PRODUCT)
    assert stage(desk) == "shadow"
    desk.write(ProductResumed(reason="back"))
    leading.step(PRODUCT)
    assert stage(desk) == "canary"
    desk.write(ProductPaused(reason="holidays"))
    desk.register("v3")
    in_canary(desk, leading, error="it raised")
    leading.step(PRODUCT)
    assert (champion(desk), stage(desk)) == ("v1", None)
    leading.step(PRODUCT)
    assert stage(desk) is None  # v3 waits
    desk.write(ProductResumed(reason="back"))
    leading.step(PRODUCT)
    assert stage(desk) == "shadow"


def test_a_version_that_is_gone_back_to_is_released_like_any_other(desk: Desk) -> None:
    leading = promoted(desk)
    for _ in range(6):
        in_probation(desk, leading)
        leading.step(PRODUCT)
    desk.wait(hours=1)
    numbers = {"version": "v1", "score_shift": 0.3, "score_gap": 0.2, "score_scale": 1.0}
    back = Decision(judgement="recourse", verdict="back", reasons=("v1 is clearly better.",), numbers=numbers, at=NOON)
    rejected = Decision(judgement="gate", verdict="reject", reasons=("It is not.",), numbers={}, at=NOON)
    desk.write(
        RunStarted(run="run of the decay", trigger="decay", reason="test"),
        GateDecided(run="run of the decay", against="v2", decision=rejected),
        RecourseDecided(run="run of the decay", decision=back),
        RunFinished(run="run of the decay", outcome="recalled", version="v1", seconds=1.0),
    )
    assert desk.state.rejections == 0
    leading.step(PRODUCT)
    release = desk.state.release
    assert release is not None
    assert (release.version, release.stage, release.run) == ("v1", "shadow", "run of the decay")
    assert "v1 does better now" in desk.bodies(ReleaseAdvanced)[-1].decision.reasons[0]
    assert leading._expected(desk.state, release) == Expected(shift=0.3, gap=0.2, scale=1.0)
    desk.wait(hours=1)
    ids = desk.answer(40, version="v2")
    desk.answer(40, version="v1", stage="shadow", ids=ids)
    desk.commit(leading)
    leading.step(PRODUCT)
    for _ in range(2):
        desk.wait(hours=1)
        desk.answer(40, version="v2")
        desk.answer(40, version="v1", stage="canary")
        desk.commit(leading)
    desk.wait(minutes=1)
    leading.step(PRODUCT)
    assert (champion(desk), stage(desk)) == ("v1", "probation")
    assert desk.state.champion == desk.state.versions["v1"]


# -- one after the other ---------------------------------------------------------------------------------------------


def test_a_candidate_waits_for_the_end_of_a_release_but_not_of_a_probation(desk: Desk) -> None:
    leading = with_two(desk)
    desk.register("v3")
    leading.step(PRODUCT)
    assert desk.state.release is not None
    assert desk.state.release.version == "v2"
    in_shadow(desk, leading)
    leading.step(PRODUCT)
    in_canary(desk, leading)
    in_canary(desk, leading)
    leading.step(PRODUCT)
    assert desk.state.release is not None
    assert (desk.state.release.version, desk.state.release.stage) == ("v3", "shadow")
    assert (champion(desk), desk.state.release.previous) == ("v2", "v2")
    assert [(body.version, body.outcome) for body in desk.bodies(ReleaseFinished)] == [
        ("v1", "promoted"),
        ("v2", "superseded"),
    ]


def test_a_bad_probation_is_rolled_back_before_the_next_release_begins(desk: Desk) -> None:
    leading = promoted(desk)
    in_probation(desk, leading, right="v1")
    desk.register("v3")
    leading.step(PRODUCT)
    assert desk.state.release is not None
    assert (champion(desk), desk.state.release.version, desk.state.release.previous) == ("v1", "v3", "v1")


def test_a_damaged_candidate_is_never_routed(desk: Desk) -> None:
    leading = releases(desk)
    desk.register("v1")
    leading.step(PRODUCT)
    digest = desk.register("v2")
    (model,) = desk.paths.bundle(PRODUCT, digest).glob("model*")
    model.chmod(0o600)
    model.write_bytes(b"something else")
    for _ in range(2):
        with pytest.raises(BundleCorrupt):
            leading.step(PRODUCT)
    assert (champion(desk), stage(desk)) == ("v1", None)


# -- evidence --------------------------------------------------------------------------------------------------------


def test_the_shift_that_the_gate_saw_is_expected(desk: Desk) -> None:
    leading = with_two(desk)
    state = desk.state
    assert state.release is not None
    assert leading._expected(state, state.release) == Expected()
    numbers = {"score_shift": 0.4, "score_gap": 0.1, "score_scale": None}
    decision = Decision(judgement="gate", verdict="pass", reasons=("It is good.",), numbers=numbers, at=NOON)
    desk.write(GateDecided(run="run of v2", against="v1", decision=decision))
    assert leading._expected(state, state.release) == Expected(shift=0.4, gap=0.1)


def test_in_shadow_other_answers_to_the_same_rows_are_harm(desk: Desk) -> None:
    """The scores of both are distributed alike, and each row gets the opposite."""
    leading = with_two(desk)
    desk.wait(hours=1)
    scores = desk.random.permutation(np.linspace(0, 1, 120))
    ids = desk.answer(120, version="v1", scores=scores)
    desk.answer(120, version="v2", stage="shadow", ids=ids, scores=np.where(scores < 0.5, scores + 0.5, scores - 0.5))
    desk.commit(leading)
    numbers = {"score_shift": 0.0, "score_gap": 0.01, "score_scale": 1.0}
    seen = Decision(judgement="gate", verdict="pass", reasons=("It is good.",), numbers=numbers, at=NOON)
    desk.write(GateDecided(run="run of v2", against="v1", decision=seen))
    drifted = Decision(
        judgement="drift", verdict="alarm", reasons=("The prediction has shifted.",), numbers={}, at=NOON
    )
    desk.write(AlarmRaised(alarm="a1", signal="drift", version="v1", decision=drifted))
    releases(desk).step(PRODUCT)
    assert (champion(desk), stage(desk)) == ("v1", None)
    told = desk.bodies(ReleaseFinished)[-1].decision.reasons
    assert "answers the same rows otherwise" in told[0]
    assert "An alarm of drift stands against the champion" in told[-1]


def test_in_a_canary_outcomes_that_come_at_once_count(desk: Desk) -> None:
    leading = with_two(desk)
    in_shadow(desk, leading)
    leading.step(PRODUCT)
    assert stage(desk) == "canary"
    in_canary_and_wrong(desk, leading)
    leading.step(PRODUCT)
    finished = desk.bodies(ReleaseFinished)[-1]
    assert (champion(desk), stage(desk), finished.outcome) == ("v1", None, "rolled_back")
    assert any("outcomes its loss is" in reason for reason in finished.decision.reasons)


def test_a_long_reading_of_outcomes_delays_no_stage_and_none_is_passed_without_the_newest(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, moment, slow = slow_to_read(desk)
    leading = Releases(context=context)
    for name in ("v1", "v2"):
        desk.register(name)
        leading.step(PRODUCT)
    monkeypatch.setattr(context.lake, "labelled", slow)
    in_shadow(desk, leading, count=13)
    leading.step(PRODUCT)
    assert stage(desk) == "shadow"
    read_at = moment[0]
    in_shadow(desk, leading, count=27)
    leading.step(PRODUCT)
    assert (stage(desk), read_at) == ("canary", 20.0)  # the usual outcomes and those of the stage

    leading.step(PRODUCT)
    came_late_at = moment[0]
    in_canary_and_wrong(desk, leading)
    leading.step(PRODUCT)
    assert (champion(desk), stage(desk), moment[0]) == ("v1", None, came_late_at + 10.0)


def test_what_one_stage_cost_to_read_does_not_hold_up_the_next(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    context, _, slow = slow_to_read(desk)
    monkeypatch.setattr(context.lake, "labelled", slow)
    leading = Releases(context=context)
    for name in ("v1", "v2"):
        desk.register(name)
        leading.step(PRODUCT)
    in_shadow(desk, leading)
    leading.step(PRODUCT)
    assert stage(desk) == "canary"
    for _ in range(2):
        in_canary(desk, leading)
    leading.step(PRODUCT)
    assert (champion(desk), stage(desk)) == ("v2", "probation")


def test_in_probation_labels_that_never_come_count_when_the_policy_says_so(desk: Desk) -> None:
    leading = promoted(desk)
    desk.declare(replace(POLICIES, outcome=Outcome(within="30m", absent=True)))
    desk.wait(minutes=1)
    ids = desk.answer(80, version="v2", scores=np.full(80, 0.05))
    desk.answer(80, version="v1", stage="shadow", ids=ids, scores=np.full(80, 0.95))
    desk.commit(leading)
    leading.step(PRODUCT)
    assert stage(desk) == "probation"
    desk.wait(hours=1)  # nothing comes, and that says it all
    leading.step(PRODUCT)
    assert (champion(desk), stage(desk)) == ("v1", None)


def test_in_regression_differences_are_cut_where_the_holdout_says(desk: Desk) -> None:
    leading = releases(desk)
    for name in ("v1", "v2"):
        desk.register(name, kind="regression")
        leading.step(PRODUCT)
    state = desk.state
    assert state.release is not None
    stage_read = leading._stage(state, state.release)
    from windlass.monitoring import reference as references

    reference = references.load(desk.paths.bundle(PRODUCT, state.versions["v2"].digest))
    assert reference is not None
    assert reference.loss is not None
    assert stage_read.bound == pytest.approx(reference.loss.bound / 3)
