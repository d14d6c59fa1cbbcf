from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from windlass.controller.declarations import Declarations
from windlass.controller.incidents import Incidents
from windlass.controller.training import FAILED, Signals, Training
from windlass.decisions.figures import decision
from windlass.decisions.precedent import Precedent
from windlass.errors import DataError, EngineError, LeaseLost, UsageError
from windlass.pipeline.steps.progress import ProgressMessage
from windlass.product.policy import Retrain
from windlass.records.decision import Decision
from windlass.records.event import (
    ChampionChanged,
    CommandRequested,
    DataPinned,
    IncidentClosed,
    IncidentOpened,
    ReleaseFinished,
    ReleaseStarted,
    RetrainDecided,
    RunFailed,
    RunFinished,
    RunStarted,
    VersionRetired,
)
from windlass.records.state import PendingCommand

from ...pins import pin_of  # type: ignore[import-not-found]
from .conftest import NOON, POLICIES, PRODUCT, Desk  # type: ignore[import-not-found]

QUIET = Signals()


def training(desk: Desk, *, entries: dict[str, str] | None = None, **more: Any) -> Training:
    """As in a controller that has just started."""
    context = desk.context
    incidents, entries = Incidents(context=context), entries or {PRODUCT: "m:P"}
    return Training(
        context=context,
        engine=desk.engine,
        incidents=incidents,
        declarations=Declarations(context=context, engine=desk.engine, incidents=incidents, entries=entries),
        entries=entries,
        **more,
    )


def alarm(judgement: Any = "decay") -> Decision:
    return Decision(judgement=judgement, verdict="alarm", reasons=("It has decayed.",), numbers={}, at=NOON)


def by_hand(*, sequence: int = 1, force: bool = True, product: str = PRODUCT) -> PendingCommand:
    """A person's request; `sequence`: where it stands in the ledger."""
    request = CommandRequested(command="c", name="train", force=force, reason="because")
    return PendingCommand(sequence=sequence, at=NOON, actor="ada", product=product, request=request)


def begun(desk: Desk) -> RunStarted:
    """What the ledger says of the run that was started last; the engine was given that one."""
    started: RunStarted = desk.bodies(RunStarted)[-1]
    assert started.run == desk.engine.request.run
    return started


def train_by_hand(desk: Desk, control: Training, **keywords: Any) -> str:
    """What the holder of the lease does for a person; its answer."""
    answer = control.start_by_hand(by_hand(**keywords))
    desk.write(*answer.bodies)
    answer.then()
    return answer.message


def decisions(desk: Desk) -> list[tuple[str, str]]:
    return [(body.decision.verdict, body.decision.reasons[0]) for body in desk.bodies(RetrainDecided)]


def with_champion(desk: Desk) -> None:
    """A version that a run made and that answers."""
    from windlass.release import director

    desk.register("v1")
    version = desk.state.versions["v1"]
    desk.write(*director.begin(desk.state, version, policies=POLICIES, release="r", now=NOON, reason="test"))


# -- starting --------------------------------------------------------------------------------------------------------


def test_the_first_version_is_trained_at_once_and_its_decision_written_down(desk: Desk) -> None:
    control = training(desk)
    control.decide(PRODUCT, QUIET)
    ((function, request),) = desk.engine.submitted
    assert function == "windlass.pipeline.training:run_training"
    assert (request.product, request.entry, begun(desk).trigger) == (PRODUCT, "m:P", "first")
    assert (request.champion, request.fence) == (None, desk.context.fence)
    (decided,) = desk.bodies(RetrainDecided)
    assert (decided.decision.verdict, decided.run) == ("retrain", request.run)
    control.decide(PRODUCT, QUIET)  # one at a time
    assert len(desk.engine.jobs) == 1


def test_a_signal_is_heard_and_the_champion_goes_along(desk: Desk) -> None:
    desk.declare(replace(POLICIES, retrain=Retrain(on_decay=True, cooldown="1h", window="9d")))
    with_champion(desk)
    desk.wait(hours=2)
    training(desk).decide(PRODUCT, Signals(decay=alarm()))
    request = desk.engine.request
    assert (begun(desk).trigger, begun(desk).reason) == ("decay", "It has decayed.")
    assert (request.champion, request.champion_digest) == ("v1", desk.state.versions["v1"].digest)
    assert (request.window, begun(desk).force) == (Retrain(window="9d").window, False)
    assert not request.must_gain


def test_a_decay_that_is_dated_on_few_rows_excuses_no_candidate_from_gaining(desk: Desk) -> None:
    desk.declare(replace(POLICIES, retrain=Retrain(on_decay=True, cooldown="1h")))
    with_champion(desk)
    desk.wait(hours=2)
    told = decision("decay", "alarm", ["It has decayed."], {"recent_rows": 60}, NOON)
    training(desk).decide(PRODUCT, Signals(decay=told))
    request = desk.engine.request
    assert (begun(desk).trigger, request.changed, request.must_gain, request.precedent) == ("decay", 60, True, None)
    assert not request.growth


def test_a_decay_is_answered_again_when_the_rows_since_the_change_have_doubled(desk: Desk) -> None:
    desk.declare(replace(POLICIES, retrain=Retrain(on_decay=True, cooldown="1h")))
    with_champion(desk)
    desk.write(DataPinned(run="r1", pin=pin_of(9000, product=PRODUCT, as_of=NOON)))
    desk.wait(hours=2)
    told = decision("decay", "alarm", ["It has decayed."], {"recent_rows": 200}, NOON)
    control = training(desk)
    control.decide(PRODUCT, Signals(decay=told))
    desk.write(RunFinished(run=begun(desk).run, outcome="rejected", seconds=1.0))
    desk.engine.finish()
    control.follow()
    desk.wait(hours=3)  # the run was in vain, so its cooldown is twice as long
    control.decide(PRODUCT, Signals(new_labelled=199))
    assert len(desk.engine.jobs) == 1
    control.decide(PRODUCT, Signals(new_labelled=200))
    request = desk.engine.request
    assert (begun(desk).trigger, request.changed, request.must_gain, request.precedent) == ("change", 400, False, None)
    desk.write(RunFinished(run=request.run, outcome="rejected", seconds=1.0))
    assert desk.context.product(PRODUCT).rejections == 1, "of the run for decay alone"


def test_the_schedule_goes_on_after_a_clock_that_was_years_ahead(desk: Desk) -> None:
    desk.declare(replace(POLICIES, retrain=Retrain(every="1h", cooldown="1h")))
    with_champion(desk)
    ahead = RunStarted(run="r0", trigger="schedule", reason="because", force=False)
    desk.wait(hours=24 * 400)
    desk.write(ahead, RunFinished(run="r0", outcome="rejected", seconds=1.0))
    desk.wait(hours=-24 * 400)
    training(desk).decide(PRODUCT, QUIET)
    assert begun(desk).trigger == "schedule"


def test_after_a_decay_the_versions_that_answered_before_go_along(desk: Desk) -> None:
    desk.declare(replace(POLICIES, retrain=Retrain(every="1h", on_decay=True, cooldown="1h")))
    with_champion(desk)
    digests = {"v1": desk.state.versions["v1"].digest}
    for name, previous in (("v2", "v1"), ("v3", "v2"), ("v4", "v3"), ("v5", "v4")):
        digests[name] = desk.register(name)
        desk.write(ChampionChanged(version=name, digest=digests[name], previous=previous, release=None, reason="test"))
    desk.write(ChampionChanged(version="v4", digest=digests["v4"], previous="v5", release=None, reason="test"))
    desk.write(VersionRetired(version="v3", digest=digests["v3"], reason="cleaned"))
    desk.wait(hours=2)
    training(desk).decide(PRODUCT, Signals(decay=alarm()))
    assert begun(desk).trigger == "decay"
    assert desk.engine.request.earlier == tuple((name, digests[name]) for name in ("v5", "v2", "v1"))


def test_where_no_version_may_be_made_those_that_answered_before_are_asked(desk: Desk) -> None:
    """Such a run counts as no training: neither for the pause until the next, nor for the rows that are new."""
    desk.declare(replace(POLICIES, retrain=Retrain(on_decay=True, cooldown="1h", share=0.05)))
    with_champion(desk)
    desk.write(DataPinned(run="r1", pin=pin_of(1000, product=PRODUCT, as_of=NOON)))
    digest = desk.register("v2")
    desk.write(ChampionChanged(version="v2", digest=digest, previous="v1", release=None, reason="test"))
    desk.write(ReleaseFinished(release="r", version="v1", outcome="superseded", decision=alarm()))
    desk.wait(hours=2)
    before = desk.context.product(PRODUCT)
    told = decision("decay", "alarm", ["It has decayed."], {"recent_rows": 200}, NOON)
    control = training(desk)
    control.decide(PRODUCT, Signals(decay=told))
    asked = begun(desk)
    request = desk.engine.request
    assert (asked.trigger, request.only_earlier, request.changed, request.must_gain) == ("recourse", True, 200, False)
    assert request.earlier == (("v1", desk.state.versions["v1"].digest),)
    desk.write(
        DataPinned(run=asked.run, pin=pin_of(1300, product=PRODUCT, as_of=NOON)),
        RunFinished(run=asked.run, outcome="kept", seconds=1),
    )
    desk.engine.finish()
    control.follow()
    after = desk.context.product(PRODUCT)
    assert after.asked_at == NOON + timedelta(hours=2)
    assert (after.run_starts, after.labelled, after.changed) == (before.run_starts, 1000, 0)
    assert (after.rejections, after.last_run.outcome) == (before.rejections, "kept")
    control.decide(PRODUCT, Signals(decay=told))
    assert len(desk.engine.jobs) == 1, "not again within the cooldown"
    assert decisions(desk)[-1][0] == "wait"
    desk.wait(hours=1)
    control.decide(PRODUCT, Signals(decay=told))
    assert begun(desk).run != asked.run


def test_for_other_signals_nobody_asks_what_earlier_versions_would_do(desk: Desk) -> None:
    desk.declare(replace(POLICIES, retrain=Retrain(every="1h", on_decay=True, cooldown="1h")))
    with_champion(desk)
    digest = desk.register("v2")
    desk.write(ChampionChanged(version="v2", digest=digest, previous="v1", release=None, reason="test"))
    desk.wait(hours=2)
    training(desk).decide(PRODUCT, QUIET)
    assert (begun(desk).trigger, desk.engine.request.earlier) == ("schedule", ())


def test_a_better_model_is_looked_for_when_the_rows_have_grown(desk: Desk) -> None:
    desk.declare(replace(POLICIES, retrain=Retrain(cooldown="1h")))
    with_champion(desk)
    desk.write(DataPinned(run="r1", pin=pin_of(1000, product=PRODUCT, as_of=NOON)))
    desk.wait(hours=2)
    training(desk).decide(PRODUCT, Signals(new_labelled=249))
    training(desk).decide(PRODUCT, Signals(new_labelled=99, warning=alarm("warning")))
    assert desk.engine.jobs == []
    training(desk).decide(PRODUCT, Signals(new_labelled=250))
    assert begun(desk).trigger == "growth"
    assert desk.engine.request.must_gain
    assert desk.engine.request.precedent is None
    assert desk.engine.request.growth


def test_a_release_that_paid_makes_growth_be_looked_at_sooner_and_goes_along(desk: Desk) -> None:
    desk.declare(replace(POLICIES, retrain=Retrain(cooldown="1h")))
    with_champion(desk)
    desk.write(DataPinned(run="r1", pin=pin_of(1000, product=PRODUCT, as_of=NOON)))
    told = {"gain": 0.03, "p_better": 0.02}
    kept = Decision(judgement="rollback", verdict="keep", reasons=("It is better.",), numbers=told, at=NOON)
    desk.write(
        ReleaseStarted(release="rel-2", version="v2", previous="v1", run="r1", plan={}),
        ReleaseFinished(release="rel-2", version="v2", outcome="promoted", decision=kept),
    )
    desk.wait(hours=2)
    training(desk).decide(PRODUCT, Signals(new_labelled=149))
    assert desk.engine.jobs == []
    training(desk).decide(PRODUCT, Signals(new_labelled=150))
    assert begun(desk).trigger == "growth"
    assert desk.engine.request.precedent == Precedent(gain=0.03, p_better=0.02)


def test_of_twenty_cooldowns_at_most_eight_bring_a_version(desk: Desk) -> None:
    desk.declare(replace(POLICIES, retrain=Retrain(cooldown="1h", per_week=100)))
    for each in range(2, 9):
        desk.register(f"v{each}")
    with_champion(desk)
    control = training(desk)
    desk.wait(hours=2)
    control.decide(PRODUCT, Signals(decay=alarm()))
    assert desk.engine.jobs == []
    assert "40% of the last 20 looks" in decisions(desk)[-1][1]
    desk.wait(hours=18)  # since then are twenty cooldowns
    control.decide(PRODUCT, Signals(decay=alarm()))
    assert begun(desk).trigger == "decay"


@pytest.mark.parametrize(("made", "sparing"), [(4, False), (5, True)])
def test_after_a_change_the_last_of_these_are_spent_sparingly(desk: Desk, made: int, sparing: bool) -> None:
    desk.declare(replace(POLICIES, retrain=Retrain(cooldown="1h", per_week=100)))
    for each in range(2, made + 1):
        desk.register(f"v{each}")
    with_champion(desk)
    desk.write(DataPinned(run="r1", pin=pin_of(9000, product=PRODUCT, as_of=NOON)))
    told = Decision(judgement="retrain", verdict="retrain", reasons=("Decayed.",), numbers={"changed": 200}, at=NOON)
    desk.write(RetrainDecided(decision=told, run="r1"))
    desk.wait(hours=9)
    training(desk).decide(PRODUCT, Signals(new_labelled=200))
    assert (begun(desk).trigger, desk.engine.request.sparing) == ("change", sparing)
    assert not desk.engine.request.must_gain


def test_the_last_of_these_are_kept_for_an_alarm_for_a_while(desk: Desk) -> None:
    desk.declare(replace(POLICIES, retrain=Retrain(cooldown="1h", per_week=100)))
    for each in range(2, 6):
        desk.register(f"v{each}")
    with_champion(desk)
    desk.write(DataPinned(run="r1", pin=pin_of(1000, product=PRODUCT, as_of=NOON)))
    control = training(desk)
    desk.wait(hours=2)
    control.decide(PRODUCT, Signals(new_labelled=250))
    assert desk.engine.jobs == []
    assert "3 may still be made" in decisions(desk)[-1][1]
    control.decide(PRODUCT, Signals(new_labelled=250, decay=alarm()))
    assert begun(desk).trigger == "decay"


def test_the_same_answer_is_written_once(desk: Desk) -> None:
    with_champion(desk)
    control = training(desk)
    for _ in range(3):
        control.decide(PRODUCT, QUIET)
    desk.wait(minutes=10)
    for _ in range(3):
        control.decide(PRODUCT, Signals(decay=alarm()))  # held back by the cooldown
    training(desk).decide(PRODUCT, Signals(decay=alarm()))  # nor does a restart make it news
    verdicts = decisions(desk)
    assert [verdict for verdict, _ in verdicts] == ["wait", "wait"]
    assert "cooldown" in verdicts[1][1]
    assert desk.engine.jobs == []


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ("candidate", "v2 is to be released first, which waits for an A/B test."),
        ("release", "A version is being released; it is judged before another is trained."),
    ],
)
def test_no_run_starts_while_a_version_is_being_released(desk: Desk, stage: str, said: str) -> None:
    from windlass.release import director

    with_champion(desk)
    desk.register("v2")
    if stage == "release":
        version = desk.state.versions["v2"]
        desk.write(*director.begin(desk.state, version, policies=POLICIES, release="r2", now=NOON, reason="test"))
    desk.wait(days=60)
    training(desk, waits_for=lambda _product: "an A/B test").decide(PRODUCT, Signals(decay=alarm()))
    assert desk.engine.jobs == []
    assert decisions(desk)[-1][1] == said


def test_a_paused_product_says_that_it_waits(desk: Desk) -> None:
    from windlass.records.event import ProductPaused

    desk.write(ProductPaused(reason="holidays"))
    training(desk).decide(PRODUCT, Signals(decay=alarm()))
    assert (desk.engine.jobs, decisions(desk)) == ([], [("wait", "The product is paused.")])


def test_what_cannot_be_trained_here_is_not_asked_about(desk: Desk) -> None:
    training(desk, entries={"other": "m:Other"}).decide(PRODUCT, QUIET)
    training(desk).decide("undeclared", QUIET)
    assert (desk.engine.jobs, decisions(desk)) == ([], [])


def test_a_person_may_start_a_run(desk: Desk) -> None:
    control = training(desk)
    assert train_by_hand(desk, control).endswith("started")
    assert (begun(desk).trigger, begun(desk).reason) == ("manual", "ada: because")
    assert begun(desk).force


def test_a_run_that_began_before_it_was_asked_for_is_not_what_was_asked_for(desk: Desk) -> None:
    """The code may have been mended in between."""
    control = training(desk)
    train_by_hand(desk, control)
    with pytest.raises(UsageError, match="under way"):
        train_by_hand(desk, control, sequence=desk.ledger.head() + 1)
    assert len(desk.engine.jobs) == 1


def test_two_who_ask_before_a_run_begins_get_the_same_one(desk: Desk) -> None:
    control = training(desk)
    asked = desk.ledger.head()
    first = train_by_hand(desk, control, sequence=asked, force=False)
    assert train_by_hand(desk, control, sequence=asked, force=False) == first
    with pytest.raises(UsageError, match="under way"):  # who wants every step repeated does not get that
        train_by_hand(desk, control, sequence=asked, force=True)
    assert len(desk.engine.jobs) == 1


def test_a_run_that_nobody_works_on_has_failed_before_another_begins(desk: Desk) -> None:
    train_by_hand(desk, training(desk))
    run = begun(desk).run
    train_by_hand(desk, training(desk))  # another process, after a kill
    (failed,) = desk.bodies(RunFailed)
    assert (failed.run, "ended before" in failed.message) == (run, True)
    assert desk.state.run is not None
    assert (desk.state.run.run, desk.state.run.resumes) == (begun(desk).run, run)


def test_a_person_is_told_what_cannot_train(desk: Desk) -> None:
    desk.declare(trains=False)
    with pytest.raises(UsageError, match="no `extract`"):
        train_by_hand(desk, training(desk))
    with pytest.raises(UsageError, match="other"):
        training(desk, entries={"other": "m:Other"}).start_by_hand(by_hand())
    assert desk.engine.jobs == []


# -- how it ends -----------------------------------------------------------------------------------------------------


def test_what_the_run_says_is_passed_on(desk: Desk) -> None:
    heard: list[Any] = []
    control = training(desk, show=heard.append)
    control.decide(PRODUCT, QUIET)
    message = ProgressMessage(run="r", step="train", state="started")
    desk.engine.say(message)
    control.follow()
    assert heard == [message]
    assert not control.idle


def test_a_run_that_fails_of_something_else_is_told_anew(desk: Desk) -> None:
    control = training(desk)
    for what in ("no extract", "no extract", "no such file"):
        control.decide(PRODUCT, QUIET)
        desk.write(RunFailed(run=begun(desk).run, step="extract", error="DataError", message=what))
        desk.engine.fail(DataError(what, where="extract", remedy=f"mend: {what}"))
        control.follow()
        desk.wait(days=1)
    first, second = desk.bodies(IncidentOpened)
    assert (first.cause, second.cause) == ("no extract (at extract)", "no such file (at extract)")
    assert second.remedy == "mend: no such file"
    (closed,) = desk.bodies(IncidentClosed)
    assert (closed.incident, "failed of something else" in closed.resolution) == (first.incident, True)


def test_a_failed_run_is_an_incident_that_the_next_success_closes(desk: Desk) -> None:
    control = training(desk)
    control.decide(PRODUCT, QUIET)
    run = begun(desk).run
    desk.write(RunFailed(run=run, step="check", error="DataError", message="nulls"))
    desk.engine.fail(DataError("the time column has nulls", where="column 'at'", remedy="leave them out"))
    assert [job.done for job in control.jobs] == [True]
    control.follow()
    assert control.idle
    (opened,) = desk.bodies(IncidentOpened)
    assert (opened.title, opened.remedy) == (FAILED, "leave them out")
    assert opened.cause == "the time column has nulls (at column 'at')"
    assert len(desk.bodies(RunFailed)) == 1  # the pipeline has told it already

    desk.wait(minutes=6)
    control.decide(PRODUCT, QUIET)
    run = begun(desk).run
    desk.write(RunFinished(run=run, outcome="rejected", seconds=1.0))
    desk.engine.finish()
    control.follow()
    (closed,) = desk.bodies(IncidentClosed)
    assert run in closed.resolution


def test_a_process_that_dies_is_noted_for_it(desk: Desk) -> None:
    control = training(desk)
    control.decide(PRODUCT, QUIET)
    run = begun(desk).run
    desk.engine.fail(EngineError("the process that ran user code was ended by SIGKILL"))
    control.follow()
    (failed,) = desk.bodies(RunFailed)
    assert (failed.run, "SIGKILL" in failed.message) == (run, True)
    assert (desk.state.run, desk.state.failures) == (None, 1)


def test_a_process_that_cannot_even_begin_does_not_start_a_storm(desk: Desk) -> None:
    """Nothing was written by the run itself, and yet it counts: five minutes, ten, twenty, ... to the next try."""
    control = training(desk)
    starts = []
    for minute in range(120):
        control.decide(PRODUCT, QUIET)
        if not control.idle:
            starts.append(minute)
            desk.engine.fail(EngineError("no process can be started for user code"))
            control.follow()
        desk.wait(minutes=1)
    assert starts == [0, 5, 15, 35, 75]
    assert desk.state.failures == 5
    assert len(desk.bodies(IncidentOpened)) == 1


def test_a_run_that_kills_its_process_every_time_backs_off(desk: Desk) -> None:
    with_champion(desk)
    desk.wait(hours=2)
    control = training(desk)
    starts = []
    for minute in range(60):
        control.decide(PRODUCT, Signals(decay=alarm()))
        if not control.idle:
            starts.append(minute)
            desk.engine.fail(EngineError("ended by SIGKILL"))
            control.follow()
        desk.wait(minutes=1)
    assert starts == [0, 5, 15, 35]


def test_a_signal_whose_run_failed_is_still_owed(desk: Desk) -> None:
    """The schedule looks at the start of the last run; that this one failed must not cost a month."""
    with_champion(desk)
    desk.wait(days=31)
    control = training(desk)
    control.decide(PRODUCT, QUIET)
    assert begun(desk).trigger == "schedule"
    desk.engine.fail(EngineError("ended by SIGKILL"))
    control.follow()
    desk.wait(minutes=4)
    control.decide(PRODUCT, QUIET)
    assert control.idle
    desk.wait(minutes=2)
    control.decide(PRODUCT, QUIET)
    assert begun(desk).trigger == "schedule"
    assert "failed" in begun(desk).reason


def test_a_run_by_hand_that_failed_is_not_repeated_unasked(desk: Desk) -> None:
    with_champion(desk)
    desk.wait(hours=2)
    control = training(desk)
    train_by_hand(desk, control)
    desk.engine.fail(EngineError("ended by SIGKILL"))
    control.follow()
    desk.wait(days=2)
    control.decide(PRODUCT, QUIET)
    assert len(desk.engine.jobs) == 1


# -- interrupted runs ------------------------------------------------------------------------------------------------


def test_a_run_whose_controller_died_is_taken_up_at_once(desk: Desk) -> None:
    first = training(desk)
    train_by_hand(desk, first)
    run = begun(desk).run
    control = training(desk)  # another process, after a kill
    control.decide(PRODUCT, QUIET)
    assert (begun(desk).trigger, begun(desk).resumes) == ("manual", run)
    assert begun(desk).reason == f"takes up {run}, which was interrupted"
    (failed,) = desk.bodies(RunFailed)
    assert failed.run == run
    assert desk.bodies(RetrainDecided)[-1].decision.numbers["trigger"] == "interrupted"


@pytest.mark.parametrize("force", [True, False])
def test_a_run_that_was_to_do_everything_again_still_is_when_it_is_taken_up(desk: Desk, force: bool) -> None:
    train_by_hand(desk, training(desk), force=force)
    training(desk).decide(PRODUCT, QUIET)  # another process, after a kill
    assert begun(desk).force is force
    control = training(desk)
    train_by_hand(desk, control, force=False, sequence=99)  # and another, of which a person asks for a run
    assert (begun(desk).force, len(desk.bodies(RunFailed))) == (force, 2)


def test_a_run_that_did_everything_again_and_failed_says_nothing_of_the_next(desk: Desk) -> None:
    control = training(desk)
    train_by_hand(desk, control, force=True)
    desk.engine.fail(EngineError("ended by SIGKILL"))
    control.follow()
    train_by_hand(desk, control, force=False, sequence=99)
    assert not begun(desk).force


def test_a_run_that_takes_its_controller_down_each_time_is_not_taken_up_in_a_storm(desk: Desk) -> None:
    starts = []
    for minute in range(60):
        control = training(desk)
        control.decide(PRODUCT, QUIET)
        if not control.idle:
            starts.append(minute)
        desk.wait(minutes=1)
    assert starts == [0, 1, 11, 31]


def releasing(desk: Desk) -> None:
    """v1 answers, and v2 is in its first stage beside it."""
    from windlass.release import director

    with_champion(desk)
    desk.register("v2")
    version = desk.state.versions["v2"]
    desk.write(*director.begin(desk.state, version, policies=POLICIES, release="r2", now=NOON, reason="test"))


@pytest.mark.parametrize("kills", [1, 2, 3])
def test_a_run_by_hand_that_is_interrupted_beside_a_release_is_taken_up_however_often(desk: Desk, kills: int) -> None:
    from windlass.release import director

    releasing(desk)
    train_by_hand(desk, training(desk))
    runs = [begun(desk).run]
    for _ in range(kills):
        control = training(desk)  # another process, after a kill
        control.decide(PRODUCT, QUIET)
        if control.idle:  # not the first kill: it is taken up once the release is over, as a failed run would be
            if desk.state.release is not None:
                assert "being released" in decisions(desk)[-1][1]
                desk.write(*director.call_off(desk.state, now=NOON, reason="test"))
            desk.wait(hours=1)
            training(desk).decide(PRODUCT, QUIET)
        assert (begun(desk).trigger, begun(desk).resumes) == ("manual", runs[-1])
        runs.append(begun(desk).run)
    assert len(desk.bodies(RunFailed)) == kills


def test_nothing_is_lost_between_the_decision_and_the_run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed right after the write, when nobody has been given the run yet."""
    monkeypatch.setattr(Training, "_start", lambda *_, **__: None)
    releasing(desk)
    train_by_hand(desk, training(desk))
    first = desk.bodies(RunStarted)[-1].run
    training(desk).decide(PRODUCT, QUIET)
    second = desk.bodies(RunStarted)[-1]
    assert (second.resumes, second.trigger, desk.engine.jobs) == (first, "manual", [])
    monkeypatch.undo()
    desk.wait(days=1)
    from windlass.release import director

    desk.write(*director.call_off(desk.state, now=NOON, reason="test"))
    training(desk).decide(PRODUCT, QUIET)
    assert (begun(desk).resumes, begun(desk).trigger) == (second.run, "manual")


def test_while_paused_an_interrupted_run_waits(desk: Desk) -> None:
    from windlass.records.event import ProductPaused, ProductResumed

    train_by_hand(desk, training(desk))
    desk.write(ProductPaused(reason="holidays"))
    control = training(desk)
    control.decide(PRODUCT, QUIET)
    assert control.idle
    desk.write(ProductResumed(reason="back"))
    control.decide(PRODUCT, QUIET)
    assert "takes up" in begun(desk).reason


def test_stopping_cancels_and_leaves_the_run_to_the_next(desk: Desk) -> None:
    control = training(desk)
    train_by_hand(desk, control)
    control.cancel()
    assert desk.engine.cancelled == desk.engine.jobs
    assert control.idle
    assert desk.state.run is not None


def test_who_lost_the_lease_starts_nothing(desk: Desk) -> None:
    assert desk.context.fence is not None
    desk.ledger.release(desk.context.fence)
    desk.ledger.acquire("another", 60)
    with pytest.raises(LeaseLost):
        training(desk).decide(PRODUCT, QUIET)
    assert desk.engine.jobs == []
