"""A person's rows go from everything that the workspace holds, and what was trained on them says so."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from windlass.controller.commands import Commands
from windlass.controller.erasing import TITLE
from windlass.controller.erasure_file import read_erasure, write_erasure
from windlass.errors import LakeError, LeaseLost
from windlass.lake.lake import Lake
from windlass.lake.segments import SegmentWriter
from windlass.ledger.erasures import read_since
from windlass.product.policy import Outcome
from windlass.records.capture import OutcomeBatch, OutcomeRow, PredictionBatch
from windlass.records.data import DataPin
from windlass.records.erasure import Erasure
from windlass.records.event import (
    CommandFinished,
    CommandRequested,
    CommandWithdrawn,
    DataErased,
    VersionRegistered,
)
from windlass.records.ids import new_id
from windlass.registry.files import walk

from .conftest import PRODUCT, Desk  # type: ignore[import-not-found]

KEY = "zebra-4711"
NAME = "Zebrowski"


class Killed(BaseException):
    """What `kill -9` is to the code that it hits."""


def answers(desk: Desk, writer: SegmentWriter, *keys: str) -> None:
    ids = tuple(f"p-{key}-{desk.clock.now():%d%H%M%S}" for key in keys)
    rows = tuple(f'{{"id": "{key}", "name": "{NAME if key == KEY else key}"}}'.encode() for key in keys)
    batch = PredictionBatch(
        request_id=f"r-{keys[0]}",
        at=desk.clock.now(),
        version="v1",
        stage="champion",
        latency_ms=1.0,
        ids=ids,
        keys=keys,
        event_times=(None,) * len(keys),
        scores=(0.5,) * len(keys),
        rows=rows,
    )
    told = tuple(OutcomeRow(prediction_id=name, value=True, observed_at=desk.clock.now()) for name in ids)
    writer.append(batch)
    writer.append(OutcomeBatch(request_id="o", received_at=desk.clock.now(), outcomes=told))


@pytest.fixture
def pinned(desk: Desk) -> DataPin:
    """A workspace in which the key is everywhere where it may be, and a version that was trained on its rows."""
    moment = desk.clock.now()
    keys = ["anna", KEY, "bert", KEY]
    frame = pl.DataFrame({"id": keys, "at": [moment + timedelta(hours=n) for n in range(4)], "name": [NAME] * 4})
    frame = frame.with_columns(name=pl.when(pl.col("id") == KEY).then("name").otherwise("id"), wind=pl.lit(1.0))
    lake = desk.context.lake
    for part in (frame[:2], frame[2:]):
        lake.ingest(PRODUCT, "main", part, time="at", key="id", now=moment)
    lake.ingest(PRODUCT, "carriers", pl.DataFrame({"carrier": ["UA"]}), time=None, key=None, now=moment)
    with_writer(desk, lambda writer: answers(desk, writer, "anna", KEY))
    desk.commit()
    desk.wait(days=5)
    _, pin = lake.pin(PRODUCT, time="at", key="id", outcome=Outcome(within="2d"), as_of=desk.clock.now())
    digest = publish(desk, pin)
    desk.write(VersionRegistered(version="v1", digest=digest, run="run of v1", metrics={}))
    step = desk.paths.step(PRODUCT, "some-key")
    step.mkdir(parents=True)
    frame.write_ipc(step / "rows.arrow")
    log = desk.paths.run(PRODUCT, "run-1") / "check.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"set aside: {NAME}\n")
    desk.paths.log.write_text(f"2026 INFO about {NAME}\n")
    answers(desk, desk._writer, "carl", KEY)  # still in a segment that its writer holds
    return pin


def publish(desk: Desk, pin: DataPin) -> str:
    """A bundle as `Desk` makes them, pinned."""
    plain = desk.registry.publish

    def with_pin(staged: Path, manifest: Any) -> str:
        return plain(staged, msgspec.structs.replace(manifest, pin=pin))

    desk.registry.publish = with_pin  # type: ignore[method-assign]
    try:
        return desk.publish("v1")
    finally:
        desk.registry.publish = plain  # type: ignore[method-assign]


def with_writer(desk: Desk, work: Callable[[SegmentWriter], None]) -> None:
    writer = SegmentWriter(desk.paths.segments(PRODUCT) / "w1")
    work(writer)
    writer.close()


def request(desk: Desk, key: str = KEY) -> str:
    command = f"command-{desk.ledger.head()}"
    write_erasure(desk.paths, Erasure(command=command, product=PRODUCT, key=key))
    asked = CommandRequested(command=command, name="erase", reason="request 12")
    desk.write(asked, actor="ada")
    return command


def see_through(desk: Desk, command: str, commands: Commands | None = None) -> CommandFinished:
    """What the loop does: looks, workers that let go in between, and another look."""
    commands = commands or Commands(context=desk.context)
    commands.handle()
    desk._writer.close()  # a worker has seen that it is to begin another segment
    commands.handle()
    commands.handle()
    (finished,) = [body for body in desk.bodies(CommandFinished) if body.command == command]
    return finished


def holding(desk: Desk, *texts: str) -> list[str]:
    """The files of the workspace in which any of the texts stands, however a table is compressed."""
    found = []
    for path in walk(desk.paths.root):
        content = path.read_bytes()
        if path.suffix == ".parquet" and path.parent.name != "_delta_log":
            content = str(pl.read_parquet(path).rows()).encode()
        if any(text.encode() in content for text in texts):
            found.append(path.relative_to(desk.paths.root).as_posix())
    return found


def test_no_file_of_the_workspace_holds_it_any_more(desk: Desk, pinned: DataPin) -> None:
    desk._writer.append(PredictionBatch(**{**plain_batch(desk), "keys": ("dora",)}))
    assert len(holding(desk, KEY, NAME)) >= 6
    finished = see_through(desk, request(desk))
    assert finished.done, finished.message
    assert holding(desk, KEY, NAME) == []
    assert "2 of examples/main, 2 of outcomes, 2 of predictions" in finished.message
    assert "training sets of v1 are recorded anew" in finished.message
    (erased,) = desk.bodies(DataErased)
    assert erased.rows == {"examples/main": 2, "outcomes": 2, "predictions": 2}
    assert erased.reason == "ada: request 12"
    assert erased.key == hmac.new(desk.paths.secret.read_bytes(), KEY.encode(), sha256).hexdigest()
    assert desk.paths.secret.stat().st_mode & 0o077 == 0
    assert list(desk.paths.erasure("any").parent.iterdir()) == []


def plain_batch(desk: Desk) -> dict[str, Any]:
    return {
        "request_id": "r-dora",
        "at": desk.clock.now(),
        "version": "v1",
        "stage": "champion",
        "latency_ms": 1.0,
        "ids": ("p-dora",),
        "event_times": (None,),
        "scores": (0.5,),
        "rows": (b"{}",),
    }


def test_what_others_said_stays_and_no_sequence_comes_again(desk: Desk, pinned: DataPin) -> None:
    lake = desk.context.lake
    high = pinned.upto["examples/main"]
    see_through(desk, request(desk))
    assert lake.examples(PRODUCT, "main")["id"].to_list() == ["anna", "bert"]
    assert sorted(lake.predictions(PRODUCT)["key"]) == ["anna", "carl"]
    assert lake.outcomes(PRODUCT).height == 2
    row = pl.DataFrame({"id": ["emil"], "at": [desk.clock.now()], "name": ["emil"], "wind": [2.0]})
    fresh = Lake(desk.paths.lake, desk.context.held())
    assert fresh.ingest(PRODUCT, "main", row, time="at", key="id", now=desk.clock.now()).sequence == high + 1


def test_the_training_set_reads_as_it_was_recorded_anew(desk: Desk, pinned: DataPin) -> None:
    see_through(desk, request(desk))
    pin, told = read_since(desk.ledger, PRODUCT, "v1", pinned)
    assert pin.digest != pinned.digest
    assert (pinned.rows, pin.rows) == (6, 4)  # three keys and a carrier in the examples, two answers
    assert Lake(desk.paths.lake).read(pin).sources["main"]["id"].to_list() == ["anna", "bert"]
    assert told is not None
    assert told.startswith("its training set has lost 2 of 6 rows, since people asked to be erased (one erasure")
    see_through(desk, request(desk, "bert"))
    pin, told = read_since(desk.ledger, PRODUCT, "v1", pinned)
    assert (pin.rows, "2 erasures" in str(told)) == (3, True)
    assert Lake(desk.paths.lake).read(pin).sources["main"]["id"].to_list() == ["anna"]


def test_a_key_that_nobody_has_changes_nothing(desk: Desk, pinned: DataPin) -> None:
    finished = see_through(desk, request(desk, "nobody"))
    assert (finished.done, finished.message) == (True, "there was no row of this key")
    assert read_since(desk.ledger, PRODUCT, "v1", pinned) == (pinned, None)
    desk.context.lake.read(pinned)


KILLED_AT = ("commit_segments", "repin", "drop", "vacuum", "remove", "clear_leftovers", "append")
PLACES = {
    "commit_segments": "windlass.lake.lake.Lake.commit_segments",
    "repin": "windlass.lake.lake.Lake.repin",
    "drop": "windlass.lake.table.Table.drop",
    "vacuum": "windlass.lake.table.Table.vacuum",
    "remove": "windlass.staging.Staging.remove",
    "clear_leftovers": "windlass.staging.Staging.clear_leftovers",
    "append": "windlass.controller.context.LoopContext.record",
}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("place", KILLED_AT)
def test_killed_anywhere_the_next_holder_takes_it_up(
    desk: Desk, pinned: DataPin, monkeypatch: pytest.MonkeyPatch, place: str, after: bool
) -> None:
    module, _, name = PLACES[place].rpartition(".")
    holder = pytest.importorskip(module.rpartition(".")[0])
    owner = getattr(holder, module.rpartition(".")[2])
    real, left = getattr(owner, name), [1]

    def killed(self: Any, *arguments: Any, **named: Any) -> Any:
        done = real(self, *arguments, **named) if after else None
        if left.pop() == 0:
            left.append(0)
            raise Killed
        left.append(0)
        return done if after else real(self, *arguments, **named)

    command = request(desk)
    desk._writer.close()
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, killed)
        try:
            for _ in range(3):
                Commands(context=desk.context).handle()
        except Killed:
            pass
    assert desk.context.fence is not None
    desk.ledger.release(desk.context.fence)
    desk.context = desk.new_context()
    finished = see_through(desk, command)
    assert finished.done
    (erased,) = desk.bodies(DataErased)
    assert erased.rows == {"examples/main": 2, "outcomes": 2, "predictions": 2}
    assert holding(desk, KEY, NAME) == []
    desk.context.lake.read(read_since(desk.ledger, PRODUCT, "v1", pinned)[0])


def test_who_lost_the_lease_erases_nothing(desk: Desk, pinned: DataPin) -> None:
    request(desk)
    desk._writer.close()
    assert desk.context.fence is not None
    old = desk.context
    desk.ledger.release(desk.context.fence)
    desk.context = desk.new_context()
    with pytest.raises(LeaseLost):
        Commands(context=old).handle()
    assert desk.context.lake.examples(PRODUCT, "main")["id"].to_list() == ["anna", KEY, "bert", KEY]
    desk.context.lake.read(pinned)


def test_a_request_that_is_taken_back_in_time_is_not_carried_out(desk: Desk, pinned: DataPin) -> None:
    command = request(desk)
    commands = Commands(context=desk.context)
    commands.handle()  # waits for the worker
    assert desk.bodies(CommandFinished) == []
    desk.write(CommandWithdrawn(command=command, reason="changed my mind"))
    desk._writer.close()
    commands.handle()
    assert desk.bodies(DataErased) == []
    assert read_erasure(desk.paths, command) is None
    desk.context.lake.read(pinned)


def test_there_is_no_way_back_once_rows_are_gone(desk: Desk, pinned: DataPin, monkeypatch: pytest.MonkeyPatch) -> None:
    command = request(desk)
    desk._writer.close()
    commands = Commands(context=desk.context)

    def full(self: Any, *, hours: int) -> Any:
        raise LakeError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("windlass.lake.table.Table.vacuum", full)
        commands.handle()
        commands.handle()
    assert [incident.opened.title for incident in desk.state.incidents.values()] == [TITLE]
    desk.write(CommandWithdrawn(command=command, reason="no answer for ten minutes"))
    commands.handle()
    assert len(desk.bodies(DataErased)) == 1
    assert desk.state.incidents == {}
    assert holding(desk, KEY, NAME) == []


def test_not_while_a_run_holds_rows_or_a_backup_copies_them(desk: Desk, pinned: DataPin) -> None:
    command = request(desk)
    Commands(context=desk.context, busy=lambda: True).handle()
    (finished,) = [body for body in desk.bodies(CommandFinished) if body.command == command]
    assert (finished.done, "a run is under way" in finished.message) == (False, True)
    command = request(desk)
    desk._writer.close()
    commands = Commands(context=desk.context)
    with Lake(desk.paths.lake).held(PRODUCT, "examples/main"):
        commands.handle()
        commands.handle()
        assert desk.bodies(DataErased) == []
    assert see_through(desk, command, commands).done
    assert desk.bodies(DataErased)[0].rows == {"examples/main": 2, "outcomes": 2, "predictions": 2}


def test_a_training_set_that_something_else_had_changed_is_not_recorded_anew(desk: Desk, pinned: DataPin) -> None:
    table = desk.context.lake._table(PRODUCT, "examples/main")
    tampered = desk.context.lake.examples(PRODUCT, "main", system=True).with_columns(wind=pl.lit(7.0))
    table._write(tampered, replace=True)
    finished = see_through(desk, request(desk))
    assert "the training sets of v1 did not read as pinned" in finished.message
    (erased,) = desk.bodies(DataErased)
    assert (erased.repinned, erased.broken) == ({}, ("v1",))


def test_a_file_that_nobody_asked_about_does_not_stay(desk: Desk, pinned: DataPin) -> None:
    command = new_id("command", desk.clock.now())
    write_erasure(desk.paths, Erasure(command=command, product=PRODUCT, key=KEY))
    commands = Commands(context=desk.context)
    for hours, there in ((0, True), (0.9, True), (0.2, False)):
        desk.wait(hours=hours)
        commands.handle()
        assert desk.paths.erasure(command).exists() is there
    desk.context.lake.read(pinned)
