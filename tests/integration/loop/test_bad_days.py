"""What goes wrong around a `windlass up` that runs: the champion answers on, and what is wrong is told."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from windlass.records.event import ChampionChanged, ControllerStarted, IncidentOpened, ProductPaused, VersionRegistered

from .project import PRODUCT, Up  # type: ignore[import-not-found]


def kill_worker(up: Up) -> None:
    killed = 0
    for process in psutil.Process(up.processes[0].pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # of another that has just ended, nobody knows what it ran
            if "windlass.serving.worker" in process.cmdline():
                process.kill()
                killed += 1
    assert killed == 1


def test_a_champion_whose_files_are_damaged_answers_from_memory_and_then_the_one_before_does(up: Up) -> None:
    process = up.start()
    up.wait_until(lambda: up.champion() == "v1")
    up.source.write_text(up.source.read_text().replace("C=1.0", "C=0.1"))
    assert up.command("train").returncode == 0
    assert up.command("promote", "v2", "--reason", "it is urgent").returncode == 0
    up.wait_until(lambda: up.champion() == "v2")

    digest = next(body.digest for body in up.events(VersionRegistered) if body.version == "v2")
    model = next(path for path in (up.paths.bundle(PRODUCT, digest) / "model").rglob("*") if path.is_file())
    model.chmod(0o600)
    model.write_bytes(model.read_bytes()[:-1])
    assert {answer["version"] for answer in up.predict(3)} == {"v2"}
    kill_worker(up)
    up.wait_until(lambda: up.champion() == "v1")  # the worker that came in its place could not load v2
    assert [body.version for body in up.events(ChampionChanged)] == ["v1", "v2", "v1"]
    told = [body for body in up.events(IncidentOpened) if "damaged" in body.title][-1]
    assert (told.title, str(model) in told.cause) == ("damaged bundle of champion v2", True)
    assert "v1, the champion before, answers in its place" in told.remedy
    assert process.poll() is None


def test_of_a_champion_whose_library_is_gone_the_one_before_answers(
    up: Up, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "installed"
    installed.mkdir()
    (installed / "somebodys_library.py").touch()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")]))
    up.start()
    up.wait_until(lambda: up.champion() == "v1")
    text = up.source.read_text().replace('probation="7d"', 'probation="1s"')  # or it would be withdrawn from it
    up.source.write_text("import somebodys_library\n" + text)
    assert up.command("train").returncode == 0
    assert up.command("promote", "v2", "--reason", "it is urgent").returncode == 0
    up.wait_until(lambda: up.champion() == "v2" and up.state.release is None)

    shutil.rmtree(installed)  # the process that trained has it in memory still, as the serving worker has
    assert {answer["version"] for answer in up.predict(3)} == {"v2"}
    kill_worker(up)
    up.wait_until(lambda: up.champion() == "v1")
    assert [body.version for body in up.events(ChampionChanged)] == ["v1", "v2", "v1"]
    told = next(body for body in up.events(IncidentOpened) if body.title == "nothing loads champion v2")
    assert "somebodys_library" in told.cause
    assert "v1, the champion before, answers in its place" in told.remedy
    assert up.ledger.verify().ok


def test_a_ledger_that_is_locked_and_then_taken_away_holds_up_the_loop_and_no_answer(up: Up) -> None:
    up.more["WINDLASS_LEASE_SECONDS"] = "15"
    process = up.start()
    up.more.clear()  # nobody asks for the lease of one that is held up
    up.wait_until(lambda: up.champion() == "v1")
    with closing(sqlite3.connect(up.paths.ledger, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        up.wait_until(lambda: up.ledger.lease() is None)  # it has run out, since it could not be renewed
        answered = {answer["id"] for _ in range(5) for answer in up.predict(5)}
        assert len(answered) == 25
        other.execute("ROLLBACK")
    up.wait_until(lambda: answered <= up.captured())

    away = up.paths.ledger.with_name("away.db")
    up.paths.ledger.rename(away)
    up.wait_until(lambda: any("deleted or replaced while it was open" in line for line in up.said[process.pid]))
    assert "the loop stands still" in up.paths.log.read_text()
    answered = {answer["id"] for answer in up.predict(5)}
    assert len(answered) == 5
    refused = up.command("train")
    assert (refused.returncode, up.paths.ledger.exists()) == (2, False)
    assert "the ledger of this workspace is gone" in refused.stderr
    away.rename(up.paths.ledger)
    up.wait_until(lambda: answered <= up.captured())
    up.wait_until(lambda: any("the ledger can be used again" in line for line in up.said[process.pid]))
    assert up.command("pause", "--reason", "it obeys again").returncode == 0
    assert (len(up.events(ProductPaused)), up.champion()) == (1, "v1")
    assert (len(up.events(ControllerStarted)), process.poll()) == (1, None)
    assert up.ledger.verify().ok
