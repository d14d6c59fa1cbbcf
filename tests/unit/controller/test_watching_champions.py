from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from windlass.controller.incidents import Incidents
from windlass.controller.watching import Watching
from windlass.errors import BundleCorrupt
from windlass.monitoring import reference as references
from windlass.monitoring.sketches import quantiles_at
from windlass.product.policy import Outcome
from windlass.records.alert import likely_cause
from windlass.records.event import (
    AlarmCleared,
    AlarmRaised,
    ChampionChanged,
    IncidentClosed,
    IncidentOpened,
    RunStarted,
)

from .conftest import NOON, POLICIES, PRODUCT, Desk  # type: ignore[import-not-found]


def watching(desk: Desk) -> Watching:
    """As in a controller that has just started."""
    context = desk.new_context()
    return Watching(context=context, incidents=Incidents(context=context))


def crown(desk: Desk, name: str, **keywords: Any) -> None:
    """A version is registered and answers from now on."""
    digest = desk.register(name, **keywords)
    desk.write(ChampionChanged(version=name, digest=digest, previous=None, release=None, reason="test"))


def live(desk: Desk, eyes: Watching, count: int, *, right: bool = True, shift: float = 0.0, **keywords: Any) -> None:
    """A quarter of an hour: answers, their outcomes, a look."""
    desk.wait(minutes=15)
    scores = desk.random.uniform(0.7, 1.0, size=count)
    ids = desk.answer(count, scores=scores, shift=shift, **keywords)
    desk.observe(ids, right)
    desk.commit(eyes)
    eyes.judge(PRODUCT)


def alarms(desk: Desk) -> list[str]:
    return sorted(alarm.raised.signal for alarm in desk.state.alarms.values())


# -- alarms ----------------------------------------------------------------------------------------------------------


def test_without_a_champion_or_a_reference_there_is_nothing_to_watch(desk: Desk) -> None:
    eyes = watching(desk)
    eyes.judge(PRODUCT)
    assert eyes.signals(PRODUCT).drift is None
    crown(desk, "v1", reference=False)
    live(desk, eyes, 50)
    found = eyes.signals(PRODUCT)
    assert (found.drift, found.decay, alarms(desk)) == (None, None, [])


def test_an_alarm_of_decay_says_which_feature_is_at_fault(desk: Desk) -> None:
    """From some day on `wind` arrives with its sign turned, and the model believes it."""
    crown(desk, "v1")
    eyes = watching(desk)
    for day in range(16):
        desk.wait(hours=1)
        inputs = desk.random.normal(size=(100, 2))
        truth = inputs[:, 0] + 0.3 * desk.random.normal(size=100) > 0  # as on the holdout
        seen = inputs * [-1 if day >= 8 else 1, 1]
        rows = [f'{{"wind": {wind}, "rain": {rain}}}'.encode() for wind, rain in seen.tolist()]
        ids = desk.answer(100, scores=1 / (1 + np.exp(-6 * seen[:, 0])), rows=rows)
        desk.observe(ids, [bool(value) for value in truth])
        desk.commit(eyes)
        eyes.judge(PRODUCT)
    (raised,) = [body for body in desk.bodies(AlarmRaised) if body.signal == "decay"]
    first = raised.causes[0]
    assert (first.name, first.kind) == ("wind", "relation")
    assert sum(each.share for each in raised.causes if each.kind != "slice") == pytest.approx(1)
    (opened,) = [body for body in desk.bodies(IncidentOpened) if body.alarm == raised.alarm]
    assert "the same wind end differently" in opened.cause


def test_decay_raises_one_alarm_with_its_incident(desk: Desk) -> None:
    crown(desk, "v1")
    eyes = watching(desk)
    for _ in range(4):
        live(desk, eyes, 50)
    assert eyes.signals(PRODUCT).decay.verdict == "quiet"
    for _ in range(10):
        live(desk, eyes, 50, right=False)
    assert "decay" in alarms(desk)
    (raised,) = [body for body in desk.bodies(AlarmRaised) if body.signal == "decay"]
    (opened,) = [body for body in desk.bodies(IncidentOpened) if body.alarm == raised.alarm]
    assert (raised.version, raised.decision.verdict, opened.title) == ("v1", "alarm", "decay of v1")
    assert opened.cause == f"{raised.decision.reasons[0]} {likely_cause(raised.causes)}".strip()
    assert opened.remedy
    assert eyes.signals(PRODUCT).decay.verdict == "alarm"


def test_drift_is_raised_and_cleared_when_it_is_over(desk: Desk) -> None:
    crown(desk, "v1")
    eyes = watching(desk)
    (predictions,) = references.load(desk.paths.bundle(PRODUCT, desk.state.champion.digest)).predictions.columns
    for _ in range(2):
        desk.answer(50, scores=quantiles_at(predictions.sketches.quantiles, desk.random.random(50)))
        desk.commit(eyes)
        eyes.judge(PRODUCT)
    for _ in range(4):
        live(desk, eyes, 50, shift=4.0)
    assert "drift" in alarms(desk)
    drifted = [body for body in desk.bodies(AlarmRaised) if body.signal == "drift"]
    assert len(drifted) == 1
    for _ in range(8):  # it took one window of a hundred to raise, and stands for two more
        desk.wait(minutes=15)
        usual = quantiles_at(predictions.sketches.quantiles, desk.random.random(50))
        desk.answer(50, scores=usual)
        desk.commit(eyes)
        eyes.judge(PRODUCT)
    assert "drift" not in alarms(desk)
    assert [body.alarm for body in desk.bodies(AlarmCleared)] == [drifted[0].alarm]
    assert len(desk.bodies(IncidentClosed)) == 1


def test_another_champion_clears_the_alarms_of_the_one_before(desk: Desk) -> None:
    crown(desk, "v1")
    eyes = watching(desk)
    for _ in range(8):
        live(desk, eyes, 50, right=False)
    assert "decay" in alarms(desk)
    crown(desk, "v2")
    eyes.judge(PRODUCT)
    assert alarms(desk) == []
    cleared = desk.bodies(AlarmCleared)
    assert {body.reason for body in cleared} == {"v2 answers now"}
    assert len(cleared) == len(desk.bodies(AlarmRaised))  # each once
    assert desk.state.incidents == {}
    assert eyes.signals(PRODUCT).decay.verdict == "wait"


def test_a_restart_neither_clears_nor_repeats_an_alarm(desk: Desk) -> None:
    crown(desk, "v1")
    eyes = watching(desk)
    for _ in range(8):
        live(desk, eyes, 50, right=False)
    raised = len(desk.bodies(AlarmRaised))
    for _ in range(3):
        again = watching(desk)
        again.judge(PRODUCT)
        assert again.signals(PRODUCT).decay.verdict == "alarm"
    assert (len(desk.bodies(AlarmRaised)), len(desk.bodies(AlarmCleared))) == (raised, 0)


def test_a_shadow_and_failed_answers_are_not_the_champions(desk: Desk) -> None:
    crown(desk, "v1")
    eyes = watching(desk)
    for _ in range(8):
        live(desk, eyes, 50, right=False, stage="shadow")
        live(desk, eyes, 50, right=False, version="v7")
        desk.answer(5, error="it raised")
    assert eyes.signals(PRODUCT).decay.numbers["outcomes"] == 0
    assert alarms(desk) == []


# -- after a restart -------------------------------------------------------------------------------------------------


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    hours=st.lists(
        st.tuples(st.integers(1, 90), st.booleans(), st.sampled_from([0.0, 0.0, 3.0])), min_size=3, max_size=10
    ),
    restarts=st.sets(st.integers(0, 9), min_size=1),
)
def test_whoever_was_restarted_judges_as_who_was_not(
    tmp_path_factory: pytest.TempPathFactory, hours: list[tuple[int, bool, float]], restarts: set[int]
) -> None:
    desk = Desk(tmp_path_factory.mktemp("workspace") / "w")
    desk.declare()
    crown(desk, "v1")
    steady, broken = watching(desk), watching(desk)
    steady.judge(PRODUCT)
    for hour, (count, right, shift) in enumerate(hours):
        desk.wait(minutes=40)
        ids = desk.answer(count, scores=desk.random.uniform(0.6, 1.0, size=count), shift=shift)
        desk.observe(ids, right)
        desk.commit(steady, broken)
        if hour in restarts:
            broken = watching(desk)
        steady.judge(PRODUCT)
        broken.judge(PRODUCT)
        for name in ("drift", "decay", "warning"):
            mine, theirs = getattr(steady.signals(PRODUCT), name), getattr(broken.signals(PRODUCT), name)
            assert (mine.verdict, mine.reasons, mine.numbers) == (theirs.verdict, theirs.reasons, theirs.numbers), name
    desk.close()


def test_how_commits_were_cut_makes_no_difference(desk: Desk) -> None:
    """A controller that looked once sees what one saw that looked after every request."""
    crown(desk, "v1")
    often = watching(desk)
    often.judge(PRODUCT)
    for _ in range(11):
        desk.wait(minutes=7)
        desk.observe(desk.answer(37, shift=0.6), True)
        desk.commit(often)
    once = watching(desk)
    for eyes in (often, once):
        eyes.judge(PRODUCT)
    assert often.signals(PRODUCT).drift.numbers == once.signals(PRODUCT).drift.numbers
    assert often.signals(PRODUCT).drift.verdict != "wait"
    assert often.signals(PRODUCT).decay == once.signals(PRODUCT).decay
    assert often.signals(PRODUCT).warning.numbers == once.signals(PRODUCT).warning.numbers
    assert often.signals(PRODUCT).warning.numbers["answers"] == 400


def test_a_damaged_champion_is_told_and_not_watched(desk: Desk) -> None:
    digest = desk.register("v1")
    profile = desk.paths.bundle(PRODUCT, digest) / "profile.json"
    profile.chmod(0o600)
    profile.write_text("{}")
    desk.write(ChampionChanged(version="v1", digest=digest, previous=None, release=None, reason="test"))
    with pytest.raises(BundleCorrupt):
        watching(desk).judge(PRODUCT)


# -- labels ----------------------------------------------------------------------------------------------------------


def test_what_was_labelled_since_the_last_run_is_counted_for_all_versions(desk: Desk) -> None:
    digest = desk.register("v2")
    crown(desk, "v1")
    eyes = watching(desk)
    live(desk, eyes, 30)
    desk.wait(minutes=1)
    desk.write(RunStarted(run="r", trigger="manual", reason="test"))
    eyes.judge(PRODUCT)
    assert eyes.signals(PRODUCT).new_labelled == 0
    open_ids = desk.answer(10)
    live(desk, eyes, 20)
    assert eyes.signals(PRODUCT).new_labelled == 20
    desk.write(ChampionChanged(version="v2", digest=digest, previous="v1", release=None, reason="test"))
    desk.wait(minutes=1)
    desk.observe(open_ids, True)
    desk.commit(eyes)
    eyes.judge(PRODUCT)
    assert eyes.signals(PRODUCT).new_labelled == 30
    again = watching(desk)
    again.judge(PRODUCT)
    assert again.signals(PRODUCT).new_labelled == 30


def test_a_label_that_is_sent_again_or_corrected_is_no_new_one(desk: Desk) -> None:
    crown(desk, "v1")
    eyes = watching(desk)
    old, new = desk.answer(30), desk.answer(10)
    desk.observe(old, True)
    desk.commit(eyes)
    desk.wait(minutes=1)
    desk.write(RunStarted(run="r", trigger="manual", reason="test"))
    desk.wait(minutes=1)
    desk.observe(old, True)
    desk.observe(old[:5], False)
    desk.observe(new, True)
    desk.commit(eyes)
    eyes.judge(PRODUCT)
    assert eyes.signals(PRODUCT).new_labelled == 10


def test_a_new_run_starts_the_count_again_before_anybody_looked(desk: Desk) -> None:
    crown(desk, "v1")
    eyes = watching(desk)
    desk.wait(minutes=5)
    live(desk, eyes, 30)
    assert eyes.signals(PRODUCT).new_labelled == 30
    desk.write(RunStarted(run="r", trigger="manual", reason="test"))
    assert eyes.signals(PRODUCT).new_labelled == 0


def test_labels_that_never_come_count_when_the_policy_says_so(desk: Desk) -> None:
    desk.declare(replace(POLICIES, outcome=Outcome(within="1h", absent=False)))
    crown(desk, "v1")
    eyes = watching(desk)
    for _ in range(5):
        desk.wait(minutes=30)
        desk.answer(40, scores=np.full(40, 0.95))
        desk.commit(eyes)
        eyes.judge(PRODUCT)
    desk.wait(hours=2)
    eyes.judge(PRODUCT)
    assert eyes.signals(PRODUCT).decay.numbers["outcomes"] == 200
    assert "decay" in alarms(desk)


def test_outcomes_that_are_no_labels_stop_nothing_and_are_told(desk: Desk) -> None:
    def strange() -> list[IncidentOpened]:
        return [body for body in desk.bodies(IncidentOpened) if "does not know" in body.title]

    crown(desk, "v1")
    eyes = watching(desk)
    live(desk, eyes, 50)
    desk.wait(minutes=15)
    ids = desk.answer(3)
    desk.observe(ids, ["perhaps", 7, True])
    desk.commit(eyes)
    eyes.judge(PRODUCT)
    (opened,) = strange()
    assert opened.title == "v1 does not know some labels that came"
    assert "others came, which windlass.log names" in opened.cause
    assert "perhaps" not in opened.cause
    live(desk, eyes, 100)
    assert eyes.signals(PRODUCT).decay.numbers["outcomes"] >= 151  # of the others the least loss counts
    watching(desk).judge(PRODUCT)
    assert len(strange()) == 1  # nor does a restart end it or tell it again
    assert opened.incident in desk.state.incidents
    crown(desk, "v2")
    eyes.judge(PRODUCT)
    assert desk.state.incidents == {}


def test_labels_of_any_kind_may_be_watched(desk: Desk) -> None:
    crown(desk, "v1", kind="multiclass")
    eyes = watching(desk)
    desk.wait(minutes=5)
    ids = desk.answer(150, classes=3, scores=np.full(150, 1 / 3))
    desk.observe(ids, "c")
    desk.commit(eyes)
    eyes.judge(PRODUCT)
    assert eyes.signals(PRODUCT).decay.numbers["outcomes"] == 150
    assert desk.clock.now() > NOON
