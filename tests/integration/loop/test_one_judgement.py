"""The controller and the backtest have no path of their own: what they do follows from `windlass.decisions` alone.

First by reading the code: who can make a Decision, and who can make the events that change what the loop does. Then by
running both drivers with each `decide_*` replaced by one that says something else, which must be obeyed.
"""

from __future__ import annotations

import ast
import functools
import importlib
import pickle
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

import windlass
from windlass.backtest.file import FileRequest, stream_from_file
from windlass.backtest.replay import run_backtest
from windlass.backtest.result import BacktestEvent
from windlass.engines import wire
from windlass.engines.job import Job
from windlass.errors import WindlassError
from windlass.records.decision import Decision
from windlass.records.event import (
    AlarmRaised,
    ChampionChanged,
    GateDecided,
    ReleaseAdvanced,
    ReleaseFinished,
    RetrainDecided,
    RunStarted,
    VersionRegistered,
)

from .conftest import NOON, World  # type: ignore[import-not-found]

SOURCES = Path(windlass.__file__).parent
JUDGES = {
    "decide_gate": {"pipeline/verdicts/judging.py", "backtest/challenger.py"},
    "decide_retrain": {"controller/training.py", "backtest/loop.py"},
    "decide_release": {"controller/releases.py"},
    "decide_rollback": {"controller/releases.py", "backtest/loop.py"},
    "decide_drift": {"monitoring/comparison.py"},
    "decide_decay": {"monitoring/watch.py", "monitoring/decaying.py"},
}
"""Who asks for which judgement; the watch is what both drivers look through. `decaying` is for who has arrays alone,
and neither of them asks there."""


# -- by reading ------------------------------------------------------------------------------------------------------


class Module:
    """What a module calls, and which names it gives to what it imports."""

    def __init__(self, path: Path) -> None:
        self.calls: list[ast.Call] = []
        self.imported: list[ast.alias] = []
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                self.calls.append(node)
            elif isinstance(node, ast.ImportFrom):
                self.imported += node.names


@functools.cache
def modules() -> dict[str, Module]:
    named = ((path.relative_to(SOURCES).as_posix(), path) for path in sorted(SOURCES.rglob("*.py")))
    return {name: Module(path) for name, path in named if not name.startswith(("decisions/", "ledger/migrations/"))}


def callers(*names: str) -> dict[str, list[ast.Call]]:
    """Module -> the calls in it of anything that has one of these names, under whatever name it was imported."""
    found: dict[str, list[ast.Call]] = {}
    for name, module in modules().items():
        aliases = {alias.asname or alias.name for alias in module.imported if alias.name in names} | set(names)
        calls = [call for call in module.calls if called(call) in aliases]
        if calls:
            found[name] = calls
    return found


def called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def test_only_the_decisions_make_a_decision() -> None:
    """But for those that judge nothing: a window that is not full yet, a release that needs or gets no judging, and an
    A/B test that a person stops."""
    assert set(callers("Decision")) <= {"records/decision.py"}
    made = callers("decision")
    assert set(made) == {"monitoring/watch.py", "release/director.py", "release/experiment.py"}
    (stopped,) = made["release/experiment.py"]
    assert [ast.literal_eval(argument) for argument in stopped.args[:2]] == ["experiment", "stopped"]
    (waiting,) = made["monitoring/watch.py"]
    assert [ast.literal_eval(argument) for argument in waiting.args[:2]] == ["drift", "wait"]
    (by_hand,) = made["release/director.py"]
    assert ast.literal_eval(by_hand.args[0]) == "release"


@pytest.mark.parametrize("judge", sorted(JUDGES))
def test_each_judgement_is_asked_for_where_we_think(judge: str) -> None:
    assert set(callers(judge)) == JUDGES[judge]


@pytest.mark.parametrize(
    ("judge", "askers"),
    [
        ("decide_recourse", {"pipeline/verdicts/recourse.py", "backtest/challenger.py"}),
        ("decide_warning", {"monitoring/watch.py"}),
        ("decide_approval", {"controller/releases.py"}),
        ("decide_arrivals", {"controller/arrivals.py"}),
        ("decide_experiment", {"controller/experiments.py", "app/experiments.py"}),  # the second shows it, and acts not
        ("decide_service", {"controller/service.py"}),
    ],
)
def test_judgements_that_are_not_asked_for_at_every_look_have_their_places_too(judge: str, askers: set[str]) -> None:
    assert set(callers(judge)) == askers


@pytest.mark.parametrize(
    ("rule", "users"),
    [
        ("sources_of", {"pipeline/rows/ingest.py", "backtest/product.py"}),
        ("assemble", {"pipeline/rows/door.py", "pipeline/rows/labelled.py", "backtest/product.py"}),
        ("label_history", {"pipeline/rows/labels.py", "backtest/product.py"}),
        ("representative_rows", {"pipeline/rows/labelled.py", "release/losses.py", "backtest/stream.py"}),
        ("holdout_place", {"pipeline/rows/split.py", "backtest/challenger.py"}),
        ("choosing_place", {"pipeline/rows/split.py", "backtest/challenger.py"}),
        ("constant_answer", {"pipeline/verdicts/judging.py", "backtest/challenger.py"}),
        ("precedent_of", {"controller/training.py", "backtest/loop.py"}),
        ("climb", {"pipeline/fitting/learning.py", "backtest/challenger.py"}),
    ],
)
def test_what_judgements_rest_on_is_made_by_the_same_functions(rule: str, users: set[str]) -> None:
    assert set(callers(rule)) - {"pipeline/rows/assembly.py"} == users


def test_both_drivers_look_through_the_same_watch() -> None:
    assert set(callers("Watch")) == {"controller/watching.py", "backtest/loop.py"}


@pytest.mark.parametrize(
    ("event", "makers"),
    [
        ("RetrainDecided", {"controller/training.py"}),
        ("TrainingRequest", {"controller/training.py", "pipeline/reproducing.py"}),  # the second changes nothing
        ("GateDecided", {"pipeline/verdicts/judging.py"}),
        ("RecourseDecided", {"pipeline/verdicts/recourse.py"}),
        ("ReleaseStarted", {"release/director.py"}),
        ("ReleaseAdvanced", {"release/director.py"}),
        ("ReleaseFinished", {"release/director.py"}),
        ("ChampionChanged", {"release/director.py"}),
        ("AlarmRaised", {"controller/watching.py", "controller/service.py", "controller/arrivals.py"}),
        ("ExperimentStarted", {"release/experiment.py"}),
        ("ExperimentFinished", {"release/experiment.py"}),
    ],
)
def test_what_follows_from_a_judgement_is_made_in_one_place(event: str, makers: set[str]) -> None:
    assert set(callers(event)) == makers


# -- by running ------------------------------------------------------------------------------------------------------


class InlineEngine:
    """Runs a job at once and in this process, where judges can be replaced."""

    def submit(self, function: str, argument: Any = None) -> Job:
        job = Job(number=0, function=function, cancel=lambda _job: None)
        module, _, name = function.partition(":")
        try:
            result = getattr(importlib.import_module(module), name)(argument)
        except WindlassError as error:
            job.fail(error)
        else:
            job.take(wire.Done(number=0, result=pickle.dumps(result)))
        return job


class Bench:
    """Judges that say what they are told, and note that they were asked."""

    def __init__(self, patch: pytest.MonkeyPatch, **verdicts: str) -> None:
        self.asked: set[str] = set()
        for judge, places in JUDGES.items():
            for place in places:
                module = importlib.import_module("windlass." + place.removesuffix(".py").replace("/", "."))
                patch.setattr(module, judge, self._judge(judge, getattr(module, judge), verdicts.get(judge)))

    def _judge(self, name: str, real: Callable[..., Decision], verdict: str | None) -> Callable[..., Decision]:
        def judge(*given: Any, **keywords: Any) -> Decision:
            self.asked.add(name)
            said = real(*given, **keywords)
            if verdict is None or verdict == said.verdict:
                return said
            numbers = said.numbers | ({"trigger": "drift"} if name == "decide_retrain" else {})
            return msgspec.structs.replace(said, verdict=verdict, reasons=(f"{name} was told so.",), numbers=numbers)

        return judge


@pytest.fixture
def inline(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "project", InlineEngine())
    yield world
    world.close()


def first_champion(world: World) -> None:
    world.start()
    for _ in range(3):
        world.look()


def hours(world: World, count: int) -> None:
    for _ in range(count):
        world.serve()
        world.look(2)


def test_a_controller_left_alone_asks_every_judge(inline: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    first_champion(inline)
    hours(inline, 3)
    inline.flipped = True
    hours(inline, 22)
    assert bench.asked == set(JUDGES)
    assert inline.champion == "v2"


def test_a_controller_obeys_the_gate(inline: World, monkeypatch: pytest.MonkeyPatch) -> None:
    Bench(monkeypatch, decide_gate="reject")
    first_champion(inline)
    assert [body.decision.reasons for body in inline.bodies(GateDecided)] == [("decide_gate was told so.",)]
    assert inline.bodies(VersionRegistered, ChampionChanged) == []


def test_a_controller_obeys_when_it_is_told_not_to_train(inline: World, monkeypatch: pytest.MonkeyPatch) -> None:
    Bench(monkeypatch, decide_retrain="wait")
    first_champion(inline)
    assert inline.bodies(RunStarted) == []
    assert [body.decision.verdict for body in inline.bodies(RetrainDecided)] == ["wait"]


def test_a_controller_obeys_when_it_is_told_to_train(inline: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first_champion(inline)
    Bench(monkeypatch, decide_retrain="retrain")
    inline.serve()
    inline.look()
    (_, second) = inline.bodies(RunStarted)
    assert (second.trigger, second.reason) == ("drift", "decide_retrain was told so.")


@pytest.mark.parametrize("judge", ["decide_drift", "decide_decay"])
def test_a_controller_raises_the_alarm_it_is_told_of(
    inline: World, monkeypatch: pytest.MonkeyPatch, judge: str
) -> None:
    Bench(monkeypatch, **{judge: "alarm"})
    first_champion(inline)
    hours(inline, 3)
    signals = {body.signal for body in inline.bodies(AlarmRaised)}
    assert signals == {judge.removeprefix("decide_")}


def released(world: World) -> None:
    """v1 answers and v2, which is no worse, is being released."""
    first_champion(world)
    (world.folder / "lateness.py").write_text(
        (world.folder / "lateness.py").read_text().replace("LogisticRegression()", "LogisticRegression(C=0.5)")
    )
    world.ask("train")
    world.look(2)
    assert world.stage == "shadow"


@pytest.mark.parametrize(
    ("verdict", "stage", "champion"), [("roll_back", None, "v1"), ("advance", "canary", "v1"), ("wait", "shadow", "v1")]
)
def test_a_controller_obeys_the_judge_of_a_release(
    inline: World, monkeypatch: pytest.MonkeyPatch, verdict: str, stage: str | None, champion: str
) -> None:
    released(inline)
    Bench(monkeypatch, decide_release=verdict, decide_retrain="wait")
    inline.look()
    assert (inline.stage, inline.champion) == (stage, champion)


@pytest.mark.parametrize(
    ("verdict", "stage", "champion"), [("roll_back", None, "v1"), ("keep", None, "v2"), ("wait", "probation", "v2")]
)
def test_a_controller_obeys_the_judge_of_a_probation(
    inline: World, monkeypatch: pytest.MonkeyPatch, verdict: str, stage: str | None, champion: str
) -> None:
    released(inline)
    with monkeypatch.context() as patch:
        Bench(patch, decide_release="advance", decide_retrain="wait", decide_rollback="wait")
        inline.look(2)
        assert (inline.stage, inline.champion) == ("probation", "v2")
    Bench(monkeypatch, decide_rollback=verdict, decide_retrain="wait")
    inline.clock.move_to(inline.clock.now() + timedelta(hours=7))
    inline.look()
    assert (inline.stage, inline.champion) == (stage, champion)
    if verdict != "wait":
        assert inline.bodies(ReleaseFinished)[-1].decision.verdict == verdict
    assert [body.stage for body in inline.bodies(ReleaseAdvanced)] == ["shadow", "canary", "probation"]


# -- the backtest ----------------------------------------------------------------------------------------------------


def replayed(folder: Path) -> tuple[int, list[BacktestEvent]]:
    """A file whose world turns round half way: how often the loop retrained, and what it noted."""
    random = np.random.default_rng(5)
    wind = random.normal(size=8000)
    late = (wind + 0.3 * random.normal(size=8000) > 0) ^ (np.arange(8000) >= 4000)
    times = [NOON + timedelta(hours=hour) for hour in range(8000)]
    path = folder / "data.parquet"
    pl.DataFrame({"at": times, "wind": wind, "late": late}).write_parquet(path)
    request = FileRequest(path=path, target="late", time="at", estimator=LogisticRegression())
    result = run_backtest(stream_from_file(request), windows=10)
    return result.policies["windlass"].retrains, list(result.events)


def kinds(events: list[BacktestEvent]) -> list[str]:
    return [event.kind for event in events]


def test_a_backtest_left_alone_asks_every_judge_but_the_one_of_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no traffic to split: what the gate passes answers, and is on probation."""
    bench = Bench(monkeypatch)
    retrains, _ = replayed(tmp_path)
    assert bench.asked == set(JUDGES) - {"decide_release"}
    assert retrains > 0


def test_a_backtest_obeys_the_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Bench(monkeypatch, decide_gate="reject")
    retrains, events = replayed(tmp_path)
    assert retrains == 0
    assert "gate.decided" in kinds(events)
    assert "champion.changed" not in kinds(events)


def test_a_backtest_obeys_when_it_is_told_not_to_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Bench(monkeypatch, decide_retrain="wait")
    retrains, events = replayed(tmp_path)
    assert (retrains, set(kinds(events)) - {"alarm.raised"}) == (0, set())


def test_a_backtest_obeys_when_it_is_told_to_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Bench(monkeypatch, decide_retrain="retrain", decide_gate="pass", decide_rollback="keep")
    retrains, events = replayed(tmp_path)
    assert retrains == 9
    assert kinds(events).count("retrain.decided") == 9


def test_a_backtest_obeys_the_judge_of_a_probation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Bench(monkeypatch, decide_rollback="roll_back")
    _, events = replayed(tmp_path)
    after = kinds(events)[kinds(events).index("champion.changed") + 1 :]
    assert after[:2] == ["release.finished", "champion.changed"]
    assert events[kinds(events).index("release.finished") + 1].detail == "rolled back"


@pytest.mark.parametrize(("judge", "window"), [("decide_drift", 4), ("decide_decay", 1)])
def test_a_backtest_notes_the_alarm_it_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, judge: str, window: int
) -> None:
    """Drift is judged when two thousand rows have gathered."""
    Bench(monkeypatch, **{judge: "alarm"})
    _, events = replayed(tmp_path)
    first = next(event for event in events if event.kind == "alarm.raised")
    assert first.decision is not None
    assert (first.decision.judgement, first.window) == (judge.removeprefix("decide_"), window)
