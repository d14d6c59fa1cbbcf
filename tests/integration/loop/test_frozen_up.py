"""`windlass up` that is stopped (SIGSTOP) while it acts, succeeded by another, and woken up again (SIGCONT)."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from windlass.ledger.lock_holder import find_lock_holder
from windlass.records.event import (
    ChampionChanged,
    ControllerStarted,
    ProductPaused,
    RunFailed,
    RunFinished,
    RunStarted,
    StepStarted,
)
from windlass.records.paths import STAGING

from ...ports import free_port  # type: ignore[import-not-found]
from .project import Up  # type: ignore[import-not-found]


@pytest.mark.parametrize(
    ("up", "everything"), [("sqlite", False), ("postgres", True)], indirect=["up"], ids=["controller", "all of it"]
)
def test_one_that_is_stopped_is_succeeded_and_changes_nothing_when_it_wakes_up(up: Up, everything: bool) -> None:
    """`everything`: its training process and its workers are stopped with it, as when a container is paused."""
    up.more["WINDLASS_LEASE_SECONDS"] = "4"  # after which it is succeeded
    first, first_port = up.start(), up.port
    up.more.clear()  # nobody succeeds the second
    up.wait_until(lambda: up.champion() == "v1")
    answered = {answer["id"] for answer in up.predict(5)}
    up.source.write_text(up.source.read_text().replace("C=1.0", "C=0.1"))
    up.hold.touch()
    up.ask("train")
    up.wait_until(lambda: [body.step for body in up.events(StepStarted)].count("extract") == 2)

    frozen = freeze(up, first, everything=everything)
    if everything:
        up.port = free_port()  # nobody answers at the other one
    second = up.start()
    up.wait_until(lambda: len(up.events(ControllerStarted)) == 2)
    up.hold.unlink()  # where it was not stopped, the training process of the first goes on as well
    up.wait_until(lambda: len(up.events(RunFinished)) == 2)
    paused = up.command("pause", "--reason", "nothing is to happen by itself")
    promoted = up.command("promote", "v2", "--reason", "it is urgent")
    assert (paused.returncode, promoted.returncode) == (0, 0), paused.stderr + promoted.stderr
    # Nobody is asked before, or a shadow that is about to leave might write that down at any time.
    up.wait_until(lambda: "serving v1 as shadow, v2 as champion" in up.paths.log.read_text())
    newer = {answer["id"] for answer in up.predict(5)}
    up.wait_until(lambda: answered | newer <= up.captured() and newer <= up.captured("shadow"))
    for _ in range(2):  # the second has looked at everything between the two refusals, and has nothing left to do
        assert up.command("promote", "v9", "--reason", "to see that it looks").returncode == 2

    before, head = contents(up), up.ledger.head()
    wake(frozen)
    up.wait_until(lambda: any("; standing by again" in line for line in up.said[first.pid]))  # whatever refused it
    up.wait_until(lambda: any("standing by to take over" in line for line in up.said[first.pid]))
    assert (changed(before, contents(up)), up.ledger.head()) == ({}, head)
    assert (first.poll(), second.poll()) == (None, None)
    up.wait_until(lambda: [up.champion(), up.champion(port=first_port)] == ["v2", "v2"])

    begun, taken_up = up.events(RunStarted)[1:]
    assert [body.run for body in up.events(RunFailed)] == [begun.run]
    assert taken_up.resumes == begun.run
    assert [body.run for body in up.events(RunFinished)][1:] == [taken_up.run]
    assert [body.version for body in up.events(ChampionChanged)] == ["v1", "v2"]
    assert len(up.events(ProductPaused)) == 1
    assert up.ledger.verify().ok


def freeze(up: Up, process: subprocess.Popen[str], *, everything: bool) -> list[psutil.Process]:
    """Stop `process` where it stands, and with `everything` all that it has started; who was stopped.

    Not in the millisecond in which it has SQLite's file locked: then nobody can take over, which has a test of its own.
    """
    parent = psutil.Process(process.pid)
    frozen = [parent, *(parent.children(recursive=True) if everything else [])]
    while True:
        for each in frozen:
            each.suspend()
        up.wait_until(lambda: all(each.status() == psutil.STATUS_STOPPED for each in frozen))
        holder = find_lock_holder(up.paths.ledger)
        if holder is None or not holder.stopped:
            return frozen
        wake(frozen)


def wake(frozen: list[psutil.Process]) -> None:
    for each in frozen:
        each.resume()


def contents(up: Up) -> dict[str, Any]:
    """All files that one who was succeeded must leave: those of artifacts, lake, registry and routing.

    But for what nobody reads: the log of its own run, what a library writes beside the folder of its token, which must
    not come back, and rows that it had begun to write: their commit is refused, and no log of a table names their file.
    """
    begun = up.events(RunStarted)[1]
    tokens = {str(path.relative_to(up.folder)): 0 for path in _files(up) if path.name.startswith("token-")}
    own = {STAGING, begun.run}
    files = [path for path in _files(up) if not own & {*path.parts}]
    logs = "".join(path.read_text() for path in files if path.parent.name == "_delta_log" and path.suffix == ".json")
    rows = [path for path in files if path.is_relative_to(up.paths.lake) and path.suffix == ".parquet"]
    counts = set(files) - {path for path in rows if path.name not in logs}
    return tokens | {str(path.relative_to(up.folder)): _look(path) for path in counts}


def changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Path -> how it was and how it is."""
    return {
        path: (before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    }


def _files(up: Up) -> list[Path]:
    return sorted(path for store in up.paths.stores for path in store.rglob("*"))


def _look(path: Path) -> tuple[int, int, int]:
    """Which file it is, how large and how new; of a folder, whose files are looked at anyway, which it is alone."""
    found = path.stat()
    return (found.st_ino, found.st_size, found.st_mtime_ns) if path.is_file() else (found.st_ino, 0, 0)
