"""`windlass up` as a user runs it: a process of its own, real workers, real HTTP, signals."""

from __future__ import annotations

import http.client
import json
import signal
from pathlib import Path

import psutil
import pytest

from windlass.ledger.ledger import Ledger
from windlass.records.event import (
    ChampionChanged,
    ControllerStarted,
    ControllerStopped,
    IncidentClosed,
    IncidentOpened,
    ProductPaused,
    RunFailed,
    RunFinished,
)

from ...postgres_server import PostgresServer  # type: ignore[import-not-found]
from .project import PRODUCT, Up  # type: ignore[import-not-found]

on_both_databases = pytest.mark.parametrize("up", ["sqlite", "postgres"], indirect=True)


@on_both_databases
def test_it_trains_serves_obeys_and_leaves_cleanly(up: Up) -> None:
    process = up.start()
    assert up.wait_until(up.champion) == "v1"
    for said in ("serving on", "run started (first)"):
        up.wait_until(lambda said=said: any(said in line for line in up.said[process.pid]))  # type: ignore[misc]

    done = up.command("pause", "--reason", "holidays")
    assert (done.returncode, "paused" in done.stdout) == (0, True), done.stderr
    assert [body.reason for body in up.events(ProductPaused)] == ["holidays"]
    assert up.command("resume", "--reason", "back").returncode == 0

    up.source.write_text(up.source.read_text().replace("C=1.0", "C=0.1"))
    trained = up.command("train")
    assert (trained.returncode, "v2" in trained.stdout) == (0, True), trained.stdout + trained.stderr
    assert up.wait_until(up.champion) == "v1"  # v2 is in its shadow stage
    promoted = up.command("promote", "v2", "--reason", "it is urgent")
    assert (promoted.returncode, "v2 answers now" in promoted.stdout) == (0, True), promoted.stderr
    up.wait_until(lambda: up.champion() == "v2")
    rolled_back = up.command("rollback", "--reason", "it was a mistake")
    assert (rolled_back.returncode, "v1 answers now" in rolled_back.stdout) == (0, True), rolled_back.stderr
    up.wait_until(lambda: up.champion() == "v1")
    refused = up.command("promote", "v9", "--reason", "why not")
    assert (refused.returncode, "no version 'v9'" in refused.stderr) == (2, True)
    assert [body.version for body in up.events(ChampionChanged)] == ["v1", "v2", "v1"]

    answered = {answer["id"] for _ in range(20) for answer in up.predict(5)}
    assert len(answered) == 100
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 0, up.said
    assert answered <= up.captured()
    (stopped,) = up.events(ControllerStopped)
    assert stopped.reason == "asked to stop"
    with Ledger(up.ledger_url) as ledger:
        assert ledger.lease() is None
        assert ledger.verify().ok
    (status,) = json.loads(up.command("status", "--json").stdout)
    assert (status["champion"], status["paused"]) == ("v1", None)
    traced = json.loads(up.command("trace", next(iter(answered)), "--json").stdout)
    assert (traced["version"]["version"], traced["run"]["trigger"]) == ("v1", "first")
    assert traced["release"]["stages"][0]["stage"] == "release.started"
    assert "every hash follows from the one before" in up.command("ledger", "verify").stdout
    assert up.champion() is None
    assert not list(up.paths.segments(PRODUCT).rglob("*.segment"))


@on_both_databases
def test_a_second_one_waits_and_takes_over_as_soon_as_the_first_is_killed(up: Up) -> None:
    up.more["WINDLASS_LEASE_SECONDS"] = "3600"  # for which nobody waits
    first = up.start()
    assert up.wait_until(up.champion) == "v1"
    answered = {answer["id"] for answer in up.predict(30)}
    second = up.start()
    up.wait_until(lambda: any("standing by to take over" in line for line in up.said[second.pid]))
    assert len(up.events(ControllerStarted)) == 1
    first.kill()
    first.wait()
    up.wait_until(lambda: len(up.events(ControllerStarted)) == 2)
    started = up.events(ControllerStarted)
    assert started[1].token > started[0].token
    assert up.wait_until(up.champion) == "v1"
    up.wait_until(lambda: answered <= up.captured())  # what the first had answered is not lost
    second.send_signal(signal.SIGTERM)
    assert second.wait(120) == 0, up.said
    assert len(up.events(ControllerStopped)) == 1
    assert [body.outcome for body in up.events(RunFinished)] == ["registered"]


def test_killed_while_it_trains_the_next_one_takes_the_run_up(up: Up) -> None:
    up.more["WINDLASS_LEASE_SECONDS"] = "3600"
    waits = f"        while Path({str(up.hold)!r}).exists():\n            time.sleep(0.01)\n"
    source, features = up.source.read_text().replace(waits, ""), "    def features(self, rows):\n"
    up.source.write_text(source.replace(features, features + waits))
    up.hold.touch()
    first = up.start()
    up.wait_until(lambda: any(event.kind() == "step.finished" for event in up.events()))
    first.kill()
    first.wait()
    up.hold.unlink()
    up.start()
    assert up.wait_until(up.champion) == "v1"
    (failed,) = up.events(RunFailed)
    resumed = [event for event in up.events() if event.kind() == "run.started"][-1]
    assert resumed.resumes == failed.run
    assert len(up.events(RunFinished)) == 1
    assert len(up.events(ChampionChanged)) == 1


def test_a_waiting_one_leaves_when_it_is_told(up: Up) -> None:
    up.start()
    up.wait_until(lambda: up.events(ControllerStarted))
    second = up.start()
    up.wait_until(lambda: any("standing by to take over" in line for line in up.said[second.pid]))
    second.send_signal(signal.SIGINT)
    assert second.wait(120) == 0
    assert len(up.events(ControllerStarted)) == 1


def test_after_a_kill_the_next_run_by_hand_is_not_refused_and_takes_the_run_up(up: Up) -> None:
    up.more["WINDLASS_LEASE_SECONDS"] = "3600"
    up.hold.touch()
    first = up.start("train")
    up.wait_until(lambda: any(event.kind() == "step.started" for event in up.events()))
    first.kill()
    first.wait()
    up.hold.unlink()
    trained = up.command("train")
    assert trained.returncode == 0, trained.stdout + trained.stderr
    assert "v1 registered; it answers now" in trained.stdout
    (failed,) = up.events(RunFailed)
    resumed = [event for event in up.events() if event.kind() == "run.started"][-1]
    assert resumed.resumes == failed.run
    assert "its process ended before" in failed.message


def test_a_file_that_cannot_be_read_at_the_start_is_an_incident_and_the_champion_serves(up: Up) -> None:
    assert up.command("train").returncode == 0
    whole = up.source.read_text()
    up.source.write_text(whole.replace("def features(self, rows):", "def features(self, rows:"))
    process = up.start()
    assert up.wait_until(up.champion) == "v1"
    (opened,) = up.wait_until(lambda: up.events(IncidentOpened))
    assert (opened.title, "lateness.py" in opened.cause) == ("the product cannot be read", True)
    assert "not valid Python" in opened.cause
    up.source.write_text(whole)
    up.wait_until(lambda: up.events(IncidentClosed))  # it is read again by itself
    up.wait_until(lambda: up.champion() == "v1")
    assert process.poll() is None


def test_an_extract_that_raises_is_an_incident_and_the_process_stays(up: Up) -> None:
    whole = up.source.read_text()
    up.source.write_text(whole.replace("return pl.read_parquet", "raise ConnectionError('refused')  #"))
    process = up.start()
    (opened,) = up.wait_until(lambda: up.events(IncidentOpened))
    assert opened.title == "training failed"
    assert "step extract raised ConnectionError" in opened.cause
    assert "refused" not in opened.cause  # what it said may be values of rows, and stands in the log
    assert "ConnectionError: refused" in up.command("runs").stdout
    assert "lateness.py:" in opened.cause
    assert "extract.log" in opened.remedy
    up.wait_until(lambda: any("remedy:" in line for line in up.said[process.pid]))
    up.wait_until(lambda: up.state.last_retrain is not None and "next try is at" in up.state.last_retrain.reasons[0])
    up.source.write_text(whole)
    assert up.command("train").returncode == 0  # the mended file is read, though the process is the same
    assert up.wait_until(up.champion) == "v1"
    up.wait_until(lambda: not up.state.incidents)
    assert process.poll() is None


def squeeze(up: Up, limit: int) -> None:
    """Let no process of ours write a byte beyond `limit` in any file: what a full disk is to them."""
    parent = psutil.Process(up.processes[-1].pid)
    for process in (parent, *parent.children(recursive=True)):
        _, hard = process.rlimit(psutil.RLIMIT_FSIZE)
        process.rlimit(psutil.RLIMIT_FSIZE, (limit if limit >= 0 else hard, hard))


def test_a_full_disk_answers_nobody_unrecorded_is_told_and_mends_itself(up: Up) -> None:
    process = up.start()
    up.wait_until(lambda: up.champion() == "v1")
    before = {answer["id"] for answer in up.predict(5)}
    squeeze(up, 0)
    body = json.dumps({"rows": [{"id": 1, "at": "2026-03-01T10:00:00Z", "wind": 0.5, "rain": 0.1}]})
    for _ in range(3):
        connection = http.client.HTTPConnection("127.0.0.1", up.port, timeout=120)
        connection.request("POST", f"/{PRODUCT}/predict", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert response.status == 503
        assert "it could not be recorded, so it is not answered" in json.loads(response.read())["error"]
    assert process.poll() is None
    squeeze(up, -1)
    up.wait_until(up.champion)
    after = {answer["id"] for answer in up.predict(5)}
    opened = up.wait_until(lambda: [body for body in up.events(IncidentOpened) if "be captured" in body.title])
    assert [incident.title for incident in opened] == ["answers cannot be captured"]
    assert "File too large" in opened[0].cause
    closed = up.wait_until(lambda: [body for body in up.events(IncidentClosed) if body.incident == opened[0].incident])
    assert closed[0].resolution == "answers are captured again"
    up.wait_until(lambda: before | after <= up.captured())
    up.wait_until(lambda: up.champion() == "v1")


def test_a_database_that_goes_away_and_comes_back_stops_the_loop_and_no_answer(tmp_path: Path) -> None:
    with PostgresServer() as server:
        up = Up(tmp_path / "project", ledger=server.new_url())
        try:
            process = up.start()
            up.wait_until(lambda: up.champion() == "v1")
            server.stop()
            answered = {answer["id"] for answer in up.predict(5)}
            up.wait_until(lambda: "the loop stands still" in up.paths.log.read_text())
            assert process.poll() is None
            server.start()
            up.wait_until(lambda: answered <= up.captured())
            assert up.command("pause", "--reason", "it obeys again").returncode == 0
            up.wait_until(lambda: up.champion() == "v1")
        finally:
            up.close()
