"""A workspace stays bounded, and what is kept reads as before."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from windlass.controller.cleaning import TITLE, Cleaning
from windlass.controller.commands import Commands
from windlass.controller.context import LoopContext
from windlass.errors import LeaseLost
from windlass.records.event import (
    ChampionChanged,
    CommandFinished,
    RunFinished,
    RunStarted,
    StepFinished,
    VersionRegistered,
    VersionRetired,
    WorkspaceCleaned,
)
from windlass.records.ids import moment_of, new_id
from windlass.registry.files import walk

from .conftest import PRODUCT, Desk  # type: ignore[import-not-found]


@pytest.fixture
def cleaning(desk: Desk) -> Cleaning:
    return Cleaning(context=desk.context)


def freed(cleaned: WorkspaceCleaned) -> dict[str, int]:
    return {each.what: each.count for each in cleaned.freed}


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in walk(folder))


def train(desk: Desk, name: str) -> str:
    """What a run leaves behind: a version, outputs of steps, logs and figures, a release; the run's name."""
    run = new_id("run", desk.clock.now())
    desk.write(RunStarted(run=run, trigger="schedule", reason="test"))
    for step in ("extract", "train"):
        key = f"{step}-{run}"
        desk.write(StepFinished(run=run, step=step, key=key, seconds=0.1, outputs={}))
        outputs = desk.paths.step(PRODUCT, key)
        outputs.mkdir(parents=True)
        (outputs / "rows.arrow").write_bytes(b"r" * 5000)
    logs = desk.paths.run(PRODUCT, run)
    logs.mkdir(parents=True)
    (logs / "train.log").write_text("fitted\n" * 100)
    digest = desk.publish(name)
    desk.write(
        VersionRegistered(version=name, digest=digest, run=run, metrics={}),
        RunFinished(run=run, outcome="registered", version=name, seconds=1.0),
        ChampionChanged(version=name, digest=digest, previous=None, release=None, reason="test"),
    )
    return run


def month(desk: Desk, number: int) -> None:
    """A version, its answers and their outcomes, and rows of an extract."""
    train(desk, f"v{number}")
    for _ in range(2):
        desk.observe(desk.answer(60, version=f"v{number}"), True)
        desk.commit()
    rows = pl.DataFrame({"id": [f"{number}-{row}" for row in range(50)], "wind": [float(number)] * 50})
    desk.context.lake.ingest(PRODUCT, "main", rows, time=None, key="id", now=desk.clock.now())
    desk.wait(days=30)


def test_everything_but_the_rows_levels_off(desk: Desk, cleaning: Cleaning) -> None:
    sizes: list[dict[str, int]] = []
    for number in range(1, 13):
        month(desk, number)
        for product, table in [(PRODUCT, name) for name in desk.context.lake.names(PRODUCT)]:
            desk.context.lake.sweep(product, table, hours=0)  # no reader is at work here
        desk.context.record(cleaning.clean(), product=None)
        lake = desk.context.lake.tables(PRODUCT)
        sizes.append(
            {
                "bundles": len(list(desk.paths.bundles(PRODUCT).iterdir())),
                "registry": size(desk.paths.registry),
                "artifacts": size(desk.paths.artifacts),
                "events of steps": len(desk.ledger.events((StepFinished,))),
                "files of the lake": len(list(desk.paths.lake.rglob("part-*.parquet"))),
                "rows of the lake": sum(table.rows for table in lake),
            }
        )
    early, late = sizes[5], sizes[-1]
    assert late["rows of the lake"] > 1.9 * early["rows of the lake"]
    for what in early.keys() - {"rows of the lake"}:
        assert late[what] <= 1.05 * early[what], what
    assert desk.context.notary.verify().ok


def test_what_is_kept_answers_and_what_went_is_told(desk: Desk, cleaning: Cleaning) -> None:
    for number in range(1, 13):
        month(desk, number)
    cleaned = cleaning.clean()
    versions = desk.state.versions
    retired = [name for name, version in versions.items() if version.retired]
    # v12 to v8 are the newest five; of the last 90 days the answers are kept, which are v10's to v12's.
    assert retired == [f"v{number}" for number in range(1, 8)]
    assert [body.version for body in desk.bodies(VersionRetired)] == retired
    for name, version in versions.items():
        assert desk.registry.holds(PRODUCT, version.digest) is (name not in retired)
    assert freed(cleaned)["bundles"] == 7
    assert freed(cleaned)["step outputs"] == 22
    assert freed(cleaned)["logs of runs"] == 7
    assert freed(cleaned)["events"] > 0
    assert [each.bytes for each in cleaned.freed if each.what == "step outputs"] == [22 * 5000]
    assert freed(cleaning.clean()) == {}


def test_a_rollback_finds_its_bundle_however_old_it_is(desk: Desk, cleaning: Cleaning) -> None:
    for number in (1, 2):
        train(desk, f"v{number}")
    for number in range(3, 9):
        desk.register(f"v{number}")  # registered, and never champion
    desk.wait(days=365)
    desk.context.record(cleaning.clean(), product=None)
    assert [name for name, version in desk.state.versions.items() if version.retired] == ["v3"]
    command = desk.ask("rollback")
    Commands(context=desk.context).handle()
    (answer,) = [body for body in desk.bodies(CommandFinished) if body.command == command]
    assert (answer.done, answer.message) == (True, "v1 answers now")
    command = desk.ask("promote", "v3")
    Commands(context=desk.context).handle()
    (answer,) = [body for body in desk.bodies(CommandFinished) if body.command == command]
    assert (answer.done, "removed by cleaning" in answer.message) == (False, True)


def test_what_would_go_is_what_goes(desk: Desk, cleaning: Cleaning) -> None:
    for number in range(1, 10):
        month(desk, number)
    before = desk.ledger.head(), size(desk.paths.root)
    foreseen = freed(cleaning.foresee())
    assert (desk.ledger.head(), size(desk.paths.root)) == before
    assert foreseen == freed(cleaning.clean())
    assert foreseen["small files put together"] > 10


def test_only_who_holds_the_lease_cleans(desk: Desk, cleaning: Cleaning) -> None:
    for number in range(1, 9):
        month(desk, number)
    bundles = list(desk.paths.bundles(PRODUCT).iterdir())
    assert desk.context.fence is not None
    desk.ledger.release(desk.context.fence)
    desk.new_context()
    with pytest.raises(LeaseLost):
        cleaning.clean()
    assert list(desk.paths.bundles(PRODUCT).iterdir()) == bundles


def test_killed_in_the_middle_the_next_one_goes_on(desk: Desk, cleaning: Cleaning, monkeypatch: Any) -> None:
    for number in range(1, 9):
        month(desk, number)
    foreseen = freed(cleaning.foresee())
    calls = iter(range(1000))

    class Killed(BaseException):
        pass

    def keep() -> None:
        if next(calls) == 5:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(desk.context, "keep", keep)
        with pytest.raises(Killed):
            cleaning.clean()
    second = freed(cleaning.clean())
    went = sum(foreseen.get(what, 0) - second.get(what, 0) for what in ("bundles", "step outputs", "logs of runs"))
    assert went == 6
    assert freed(cleaning.foresee()) == {}


def test_a_person_asks_for_it_and_not_while_a_run_is_under_way(desk: Desk) -> None:
    busy = [True]
    commands = Commands(context=desk.context, busy=lambda: busy[0])
    for expected in (False, True):
        command = desk.ask("clean", product=None)
        commands.handle()
        (answer,) = [body for body in desk.bodies(CommandFinished) if body.command == command]
        assert answer.done is expected
        busy[0] = False
    assert len(desk.bodies(WorkspaceCleaned)) == 1


def test_it_is_done_daily_and_what_keeps_it_is_told(desk: Desk, monkeypatch: Any) -> None:
    seconds = [0.0]
    desk.context.real_time = lambda: seconds[0]
    cleaning = Cleaning(context=desk.context)
    desk.register("v1")

    def cleaned_at(moment: float) -> int:
        seconds[0] = moment
        cleaning.step()
        return len(desk.bodies(WorkspaceCleaned))

    assert [cleaned_at(moment) for moment in (0, 899, 900, 901, 87_299, 87_300)] == [0, 0, 1, 1, 1, 2]

    def refuse(self: LoopContext) -> None:
        raise PermissionError(13, "Permission denied", "runs")

    folder = desk.paths.step(PRODUCT, "old")
    folder.mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr("windlass.staging.Staging.remove", refuse_to_remove)
        assert cleaned_at(200_000) == 2
    assert [incident.opened.title for incident in desk.state.incidents.values()] == [TITLE]
    assert cleaned_at(300_000) == 3
    assert desk.state.incidents == {}
    assert not folder.exists()


def refuse_to_remove(self: Any, target: Path) -> None:
    raise PermissionError(13, "Permission denied", str(target))


def test_a_name_tells_its_moment(desk: Desk) -> None:
    now = desk.clock.now()
    assert moment_of(new_id("run", now)) == now
    assert moment_of(new_id("run", now + timedelta(days=1))) == now + timedelta(days=1)
    assert [moment_of(name) for name in ("run", "train.log", "run-1", "run-" + "u" * 19)] == [None] * 4
