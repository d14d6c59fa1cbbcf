"""Steps on a real ledger and real files: done once, noticed when damaged, told when they fail."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.errors import DataError, LeaseLost, RunFailed
from windlass.ledger.ledger import Ledger
from windlass.pipeline.steps.progress import ProgressMessage
from windlass.pipeline.steps.step import Step, StepRunner, prune
from windlass.records.event import RunFailed as RunFailedEvent
from windlass.records.event import StepFailed, StepFinished, StepStarted
from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.staging import Staging

Make = Callable[..., StepRunner]
PRODUCT = "flights"


class Counting:
    """Work that says how often it was done."""

    def __init__(self, text: str = "rows") -> None:
        self.times = 0
        self.text = text

    def __call__(self, folder: Path) -> dict[str, int]:
        self.times += 1
        (folder / "deep").mkdir()
        (folder / "deep" / "out.txt").write_text(self.text)
        (folder / "other.json").write_text("{}")
        return {"rows": 3}


def test_done_once_for_a_key(runner: Make, ledger: Ledger) -> None:
    work, step = Counting(), Step(name="extract")
    first = runner("run-1").run(step, work)
    second = runner("run-2").run(step, work)
    third = runner("run-3").run(step, work)
    assert work.times == 1
    assert first.outputs == second.outputs == third.outputs
    assert set(first.outputs) == {"deep/out.txt", "other.json"}
    assert (second.folder / "deep" / "out.txt").read_text() == "rows"
    assert (first.reused, second.reused, third.reused) == (None, "run-1", "run-1")
    assert third.summary == {"rows": 3}
    bodies = [event.body for event in ledger.events([StepFinished])]
    assert [(body.run, body.reused) for body in bodies] == [("run-1", None), ("run-2", "run-1"), ("run-3", "run-1")]
    assert len(ledger.events([StepStarted])) == 1


def test_another_product_works_by_itself(runner: Make, ledger: Ledger, paths: Paths) -> None:
    work = Counting()
    runner().run(Step(name="extract"), work)
    other = runner()
    other._product = "other"
    other.run(Step(name="extract"), work)
    assert work.times == 2


@pytest.mark.parametrize(
    "changed",
    [
        Step(name="b", code="1", parameters={"x": 1}, inputs={"a": "d"}),
        Step(name="a", code="2", parameters={"x": 1}, inputs={"a": "d"}),
        Step(name="a", code="1", parameters={"x": 2}, inputs={"a": "d"}),
        Step(name="a", code="1", parameters={"x": 1}, inputs={"a": "e"}),
        Step(name="a", code="1", parameters={"x": 1}, inputs={"b": "d"}),
        Step(name="a", code="1", parameters={"x": 1}, inputs={"a": "d"}, version=2),
    ],
)
def test_everything_that_goes_in_is_in_the_key(changed: Step) -> None:
    assert changed.key != Step(name="a", code="1", parameters={"x": 1}, inputs={"a": "d"}).key


plain = st.dictionaries(st.text(), st.integers() | st.text() | st.none() | st.lists(st.booleans()), max_size=5)


@given(parameters=plain, inputs=st.dictionaries(st.text(), st.text(), max_size=5))
def test_key_does_not_depend_on_the_order_of_names(parameters: dict[str, object], inputs: dict[str, str]) -> None:
    one = Step(name="a", parameters=parameters, inputs=inputs)
    other = Step(name="a", parameters=dict(reversed(parameters.items())), inputs=dict(reversed(inputs.items())))
    assert one.key == other.key


@pytest.mark.parametrize("damage", ["content", "missing", "extra", "folder"])
def test_damaged_outputs_are_noticed_and_made_again(runner: Make, damage: str, messages: list[ProgressMessage]) -> None:
    work, step = Counting(), Step(name="extract")
    folder = runner().run(step, work).folder
    match damage:
        case "content":
            (folder / "deep" / "out.txt").write_text("rowz")
        case "missing":
            (folder / "other.json").unlink()
        case "extra":
            (folder / "more").write_text("")
        case "folder":
            folder.rename(folder.with_name("gone"))
    again = runner("run-2").run(step, work)
    assert work.times == 2
    assert again.reused is None
    assert (again.folder / "deep" / "out.txt").read_text() == "rows"
    assert {path.name for path in again.folder.iterdir()} == {"deep", "other.json"}
    assert any("damaged" in message.text for message in messages)
    runner("run-3").run(step, work)
    assert work.times == 2


def test_a_run_that_trusts_none_before_it_works_again_and_counts_from_then_on(runner: Make) -> None:
    step = Step(name="extract")
    runner("run-1").run(step, Counting("old"))
    forced = runner("run-2", trusted={"run-2"}).run(step, Counting("new"))
    assert (forced.folder / "deep" / "out.txt").read_text() == "new"
    taken = runner("run-3").run(step, Counting("never"))
    assert taken.reused == "run-2"
    assert taken.outputs == forced.outputs


def test_only_the_work_of_trusted_runs_is_taken_over(runner: Make) -> None:
    step = Step(name="extract")
    runner("run-1").run(step, Counting("old"))
    runner("run-2").run(step, Counting("never"))  # it has taken over what run-1 did, which is not trusted below
    again = runner("run-3", trusted={"run-2", "run-3"}).run(step, Counting("new"))
    assert again.reused is None
    assert runner("run-4", trusted={"run-3", "run-4"}).run(step, Counting("never")).reused == "run-3"
    assert runner("run-5", trusted={"run-3", "run-5"}).run(step, Counting("never")).reused == "run-3"


def test_outputs_may_be_refused_for_another_reason(runner: Make) -> None:
    work, step = Counting(), Step(name="bundle")
    runner().run(step, work)
    runner("run-2").run(step, work, still_valid=lambda folder: False)
    assert work.times == 2
    runner("run-3").run(step, work, still_valid=lambda folder: (folder / "other.json").is_file())
    assert work.times == 2


def test_step_without_outputs(runner: Make) -> None:
    calls: list[Path] = []
    step = Step(name="nothing")
    runner().run(step, calls.append)
    assert runner("run-2").run(step, calls.append).outputs == {}
    assert len(calls) == 1


def test_digest_of_some_outputs(runner: Make) -> None:
    one = runner().run(Step(name="one"), Counting("a"))
    two = runner().run(Step(name="two"), Counting("b"))
    assert one.digest("other.json") == two.digest("other.json")
    assert one.digest() != two.digest()
    with pytest.raises(KeyError):
        one.digest("no such file")


def test_failure_names_line_and_log_and_leaves_nothing(
    runner: Make, ledger: Ledger, paths: Paths, fence: Fence, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    file = project / "flights.py"
    file.write_text("def train(folder):\n    (folder / 'half').write_text('')\n    import json\n    json.loads('{')\n")
    names: dict[str, Callable[[Path], None]] = {}
    exec(compile(file.read_text(), str(file), "exec"), names)
    with pytest.raises(RunFailed, match="step train raised") as caught:
        runner().run(Step(name="train"), names["train"])
    assert caught.value.where == f"{file}:4"
    failed, stopped = ledger.events([StepFailed, RunFailedEvent])
    assert isinstance(failed.body, StepFailed)
    assert failed.body.error == "JSONDecodeError"
    assert isinstance(stopped.body, RunFailedEvent)
    assert stopped.body.step == "train"
    log = (paths.root / stopped.body.log).read_text()
    assert "Traceback" in log
    assert "json.loads" in log
    assert not paths.step(PRODUCT, "x").parent.exists()
    assert list((Staging(paths.artifacts, fence).folder / PRODUCT).iterdir()) == []
    work = Counting()
    runner("run-2").run(Step(name="train"), work)
    assert work.times == 1


def test_our_own_error_passes_as_it_is(runner: Make, ledger: Ledger) -> None:
    def work(folder: Path) -> None:
        raise DataError("no rows", where="extract", remedy="return some")

    with pytest.raises(DataError, match="no rows"):
        runner().run(Step(name="check"), work)
    body = ledger.events([RunFailedEvent])[0].body
    assert isinstance(body, RunFailedEvent)
    assert (body.error, body.message, body.remedy) == ("DataError", "no rows", "return some")


def test_sys_exit_in_user_code_is_a_failure(runner: Make, ledger: Ledger) -> None:
    with pytest.raises(RunFailed, match="SystemExit: 3"):
        runner().run(Step(name="train"), lambda folder: sys.exit(3))
    assert len(ledger.events([StepFailed])) == 1


def test_interrupt_is_recorded_and_passes(runner: Make, ledger: Ledger) -> None:
    def work(folder: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner().run(Step(name="train"), work)
    assert len(ledger.events([RunFailedEvent])) == 1


def test_lost_lease_stops_before_the_work(runner: Make, ledger: Ledger, fence: Fence) -> None:
    work = Counting()
    ledger.release(fence)
    assert ledger.acquire("other", 60) is not None
    before = ledger.head()
    with pytest.raises(LeaseLost):
        runner().run(Step(name="train"), work)
    assert work.times == 0
    assert ledger.head() == before


def test_lease_lost_during_the_work_does_not_count(runner: Make, ledger: Ledger, fence: Fence) -> None:
    def work(folder: Path) -> None:
        ledger.release(fence)
        assert ledger.acquire("other", 60) is not None

    with pytest.raises(LeaseLost):
        runner().run(Step(name="train"), work)
    assert ledger.events([StepFinished, StepFailed, RunFailedEvent]) == []


def test_failure_after_the_lease_was_lost_says_so(runner: Make, ledger: Ledger, fence: Fence) -> None:
    def work(folder: Path) -> None:
        ledger.release(fence)
        assert ledger.acquire("other", 60) is not None
        raise ValueError("user error")

    with pytest.raises(LeaseLost):
        runner().run(Step(name="train"), work)
    assert ledger.events([StepFinished, StepFailed, RunFailedEvent]) == []


def test_all_output_goes_to_the_log(runner: Make, paths: Paths, capfd: pytest.CaptureFixture[str]) -> None:
    def work(folder: Path) -> None:
        print("from python")  # noqa: T201
        print("an error", file=sys.stderr)  # noqa: T201
        os.system("echo from a shell")
        os.write(2, b"from native code \xff\n")

    runner().run(Step(name="train"), work)
    assert capfd.readouterr() == ("", "")
    log = (paths.run(PRODUCT, "run-1") / "train.log").read_bytes()
    for words in (b"from python", b"an error", b"from a shell", b"from native code"):
        assert words in log
    print("after")  # noqa: T201
    assert capfd.readouterr().out == "after\n"


def test_progress(runner: Make, messages: list[ProgressMessage]) -> None:
    runner().run(Step(name="extract"), Counting())
    runner("run-2").run(Step(name="extract"), Counting())
    assert [(message.step, message.state, message.rows) for message in messages] == [
        ("extract", "started", None),
        ("extract", "finished", 3),
        ("extract", "reused", 3),
    ]
    assert messages[1].seconds > 0


def test_the_same_run_takes_its_own_step_without_another_event(runner: Make, ledger: Ledger) -> None:
    work, once = Counting(), runner()
    once.run(Step(name="extract"), work)
    assert once.run(Step(name="extract"), work).reused == "run-1"
    assert len(ledger.events([StepFinished])) == 1


def succeed(paths: Paths) -> Staging:
    """Somebody else takes over."""
    successor = Staging(paths.artifacts, Fence(holder="other", token=7))
    successor.begin()
    successor.retire_predecessors()
    return successor


def test_after_a_take_over_no_output_gets_into_its_place(
    runner: Make, ledger: Ledger, paths: Paths, fence: Fence
) -> None:
    """Woken up in the middle of the work, or right before the rename."""

    def frozen(folder: Path) -> None:
        (folder / "out.txt").write_text("late")
        ledger.release(fence)
        assert ledger.acquire("other", 60) is not None
        succeed(paths)

    step = Step(name="train")
    with pytest.raises(LeaseLost):
        runner().run(step, frozen)
    assert not paths.step(PRODUCT, step.key).exists()


def test_a_rename_on_its_way_when_the_lease_goes_changes_nothing(
    runner: Make, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, exchange = Step(name="train"), Staging.exchange
    runner().run(step, Counting("first"))

    def overtaken(self: Staging, staged: Path, target: Path) -> None:
        succeed(paths)
        exchange(self, staged, target)

    monkeypatch.setattr(Staging, "exchange", overtaken)
    with pytest.raises(LeaseLost):
        runner("run-2", trusted=()).run(step, Counting("second"))
    assert (paths.step(PRODUCT, step.key) / "deep" / "out.txt").read_text() == "first"


def test_after_a_take_over_nothing_is_pruned(runner: Make, paths: Paths, fence: Fence) -> None:
    done = runner()
    kept = done.run(Step(name="a"), Counting())
    succeed(paths)
    with pytest.raises(LeaseLost):
        prune(paths, PRODUCT, frozenset(), fence=fence)
    assert (kept.folder / "other.json").exists()


def test_prune_gives_back_what_is_not_kept(runner: Make, paths: Paths, fence: Fence) -> None:
    old, new = runner(), runner("run-2")
    old.run(Step(name="a"), Counting())
    kept = new.run(Step(name="b"), Counting())
    left = Staging(paths.artifacts, fence).make(PRODUCT, "of a run that was killed")
    prune(paths, PRODUCT, new.used, fence=fence)
    assert [path.name for path in paths.step(PRODUCT, "x").parent.iterdir()] == [kept.key]
    assert not left.exists()
    prune(paths, "never trained", frozenset(), fence=fence)
