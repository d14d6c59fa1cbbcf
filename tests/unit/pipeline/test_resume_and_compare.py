"""Which run a new one takes up, and two runs side by side; both read from a real ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from windlass.errors import UsageError
from windlass.ledger.ledger import Ledger
from windlass.pipeline.notes.compare import compare_runs
from windlass.pipeline.notes.noted import environment_file
from windlass.pipeline.steps.resume import FRESH, chain_of, trusted_by, unfinished_run
from windlass.pipeline.steps.tables import write_record
from windlass.records.bundle import Environment
from windlass.records.data import DataPin
from windlass.records.decision import Decision
from windlass.records.event import (
    Body,
    DataPinned,
    GateDecided,
    RunFailed,
    RunFinished,
    RunLogged,
    RunStarted,
    StepFinished,
)
from windlass.records.lease import Fence
from windlass.records.paths import Paths

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Story:
    """Writes events as runs do."""

    def __init__(self, ledger: Ledger, fence: Fence) -> None:
        self.ledger = ledger
        self.fence = fence
        self.now = NOW

    def say(self, *bodies: Body, product: str = "flights", run: str | None = None) -> None:
        self.ledger.append(*bodies, at=self.now, actor="pipeline", product=product, run=run, fence=self.fence)

    def start(self, run: str, *, resumes: str | None = None, product: str = "flights", force: bool = False) -> None:
        began = RunStarted(run=run, trigger="manual", reason="test", resumes=resumes, force=force)
        self.say(began, product=product)

    def finish(self, run: str) -> None:
        self.say(RunFinished(run=run, outcome="registered", seconds=1.0))

    def fail(self, run: str, *, step: str | None = "train") -> None:
        self.say(RunFailed(run=run, step=step, error="ValueError", message="broken"))


@pytest.fixture
def story(ledger: Ledger, fence: Fence) -> Story:
    return Story(ledger, fence)


def test_nothing_to_take_up(story: Story) -> None:
    assert unfinished_run(story.ledger, "flights", now=NOW) is None
    story.start("run-1")
    story.finish("run-1")
    assert unfinished_run(story.ledger, "flights", now=NOW) is None


def test_a_killed_and_a_failed_run_are_taken_up(story: Story) -> None:
    story.start("run-1")
    assert unfinished_run(story.ledger, "flights", now=NOW) == "run-1"
    story.fail("run-1")
    assert unfinished_run(story.ledger, "flights", now=NOW) == "run-1"
    assert unfinished_run(story.ledger, "other", now=NOW) is None


@pytest.mark.parametrize(
    ("step", "taken_up"),
    [("prepare", True), ("extract", False), ("pin", False), ("check", False), ("features", True), (None, True)],
)
def test_a_run_whose_data_could_not_be_used_is_left(story: Story, step: str | None, taken_up: bool) -> None:
    story.start("run-1")
    story.fail("run-1", step=step)
    assert (unfinished_run(story.ledger, "flights", now=NOW) is not None) == taken_up


def test_the_chain_leads_to_its_start(story: Story) -> None:
    story.start("run-0")
    story.finish("run-0")
    story.start("run-1")
    story.fail("run-1")
    story.start("run-2", resumes="run-1")
    story.start("run-3", resumes="run-2")
    assert unfinished_run(story.ledger, "flights", now=NOW) == "run-3"
    assert chain_of(story.ledger, "flights", "run-3") == ["run-3", "run-2", "run-1"]
    assert chain_of(story.ledger, "flights", "run-0") == ["run-0"]
    story.finish("run-3")
    assert unfinished_run(story.ledger, "flights", now=NOW) is None


def test_who_is_to_do_everything_again_trusts_those_before_it_that_were_too(story: Story) -> None:
    story.start("a")
    story.start("b", resumes="a", force=True)
    story.start("c", resumes="b", force=True)
    trusted = {run: trusted_by(story.ledger, "flights", run) for run in "abc"}
    assert trusted == {"a": None, "b": {"b"}, "c": {"b", "c"}}


def test_an_old_failure_before_a_finished_run_is_left(story: Story) -> None:
    story.start("run-1")
    story.fail("run-1")
    story.start("run-2")
    story.finish("run-2")
    assert unfinished_run(story.ledger, "flights", now=NOW) is None


def test_what_is_not_fresh_is_left(story: Story) -> None:
    story.start("run-1")
    assert unfinished_run(story.ledger, "flights", now=NOW + FRESH) is not None
    assert unfinished_run(story.ledger, "flights", now=NOW + FRESH + timedelta(seconds=1)) is None
    # Resuming does not make it fresher: what counts is when its data was fetched.
    story.now = NOW + FRESH
    story.start("run-2", resumes="run-1")
    assert unfinished_run(story.ledger, "flights", now=NOW + FRESH + timedelta(seconds=1)) is None


def test_notebooks_are_no_training_runs(story: Story) -> None:
    story.start("run-1")
    story.say(RunStarted(run="run-2", trigger="notebook", reason="by hand"))
    assert unfinished_run(story.ledger, "flights", now=NOW) == "run-1"


def pin(digest: str) -> DataPin:
    return DataPin(
        product="flights",
        upto={"examples/rows": 7},
        as_of=NOW,
        start=None,
        time=None,
        key=None,
        within=0.0,
        absent=None,
        rows=100,
        digest=digest,
    )


def tell(story: Story, run: str, *, depth: int, auc: float, digest: str) -> None:
    story.start(run)
    story.say(RunLogged(run=run, params={"depth": depth, "seed": 1}, metrics={"loss": 0.9}, step=0))
    story.say(RunLogged(run=run, metrics={"loss": 0.1}, step=1))
    story.say(DataPinned(run=run, pin=pin(digest)))
    story.say(
        StepFinished(run=run, step="evaluate", key="k", seconds=1.0, outputs={}, summary={"roc_auc": auc}),
        StepFinished(run=run, step="train", key="t", seconds=1.0, outputs={}, summary={"source": "abc"}),
        StepFinished(run=run, step="check", key="c", seconds=1.0, outputs={}, summary={"rows": 5}),
    )
    decision = Decision(judgement="gate", verdict="pass", reasons=("Good.",), numbers={"rows": 20}, at=NOW)
    story.say(GateDecided(run=run, against=None, decision=decision))
    story.finish(run)


def test_side_by_side_differences_first(story: Story, paths: Paths) -> None:
    tell(story, "run-1", depth=3, auc=0.7, digest="aa")
    tell(story, "run-2", depth=4, auc=0.8, digest="aa")
    for run, version in (("run-1", "1.0"), ("run-2", "1.1")):
        file = environment_file(paths, "flights", run)
        file.parent.mkdir(parents=True)
        environment = Environment(python="3.11", platform="x", windlass="0", distributions={"polars": version})
        write_record(environment, file)
    found = compare_runs(story.ledger, "run-1", "run-2", paths=paths)
    assert (found.a, found.b) == ("run-1", "run-2")
    differing = [(row.group, row.name, row.a, row.b) for row in found.rows if row.differs]
    assert differing == [
        ("param", "depth", 3, 4),
        ("metric", "holdout.roc_auc", 0.7, 0.8),
        ("environment", "polars", "1.0", "1.1"),
    ]
    assert [row.differs for row in found.rows] == sorted((row.differs for row in found.rows), reverse=True)
    same = {(row.group, row.name): row.a for row in found.rows if not row.differs}
    assert same["metric", "loss"] == 0.1
    assert same["data", "digest"] == "aa"
    assert same["gate", "verdict"] == "pass"
    assert same["code", "source"] == "abc"
    assert ("metric", "holdout.rows") not in same


def test_a_fact_that_only_one_run_has(story: Story) -> None:
    story.start("run-1")
    story.say(RunLogged(run="run-1", params={"none": None, "depth": 3}))
    story.fail("run-1")
    story.start("run-2")
    found = {(row.group, row.name): row for row in compare_runs(story.ledger, "run-1", "run-2").rows}
    assert (found["param", "depth"].a, found["param", "depth"].b) == (3, None)
    assert found["param", "depth"].differs
    assert found["param", "none"].differs
    assert found["run", "outcome"].a == "failed"


def test_a_run_with_itself(story: Story) -> None:
    tell(story, "run-1", depth=3, auc=0.7, digest="aa")
    assert not any(row.differs for row in compare_runs(story.ledger, "run-1", "run-1").rows)


def test_unknown_run(story: Story, tmp_path: Path) -> None:
    story.start("run-1")
    with pytest.raises(UsageError, match="no run 'run-9'"):
        compare_runs(story.ledger, "run-1", "run-9")
