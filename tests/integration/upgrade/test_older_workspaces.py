"""A workspace that an older release wrote, opened by this one: it says what it said, answers as it did, and goes on."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

from windlass.cli.main import app
from windlass.clock import SharedClock

from ...ports import free_port  # type: ignore[import-not-found]

ARCHIVES = sorted((Path(__file__).parents[2] / "fixtures" / "workspaces").glob("*.tar.gz"))
PRODUCT = "lateness"


class Older:
    """A copy of the workspace, and the present commands on it."""

    def __init__(self, archive: Path, folder: Path) -> None:
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="tar")  # "data" would make what is read-only writable
        self.folder = folder
        self.story = json.loads((folder / "story.json").read_text())
        self.clock = SharedClock(folder / "clock")
        self.port: int = free_port()
        self.environment = {
            "WINDLASS_CLOCK": f"shared:{folder / 'clock'}",
            "WINDLASS_PORT": str(self.port),
        }

    def command(self, *words: str) -> str:
        """What a command prints, run in this process since there are many."""
        self.clock.move_to(self.clock.now() + timedelta(minutes=1))
        done = CliRunner().invoke(app, [*words, "--project", str(self.folder)], env=self.environment)
        assert done.exit_code == 0, f"{words}: {done.output} {done.exception!r}"
        return done.stdout

    def view(self, *words: str) -> Any:
        return json.loads(self.command(*words, "--json"))

    def answer(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        status, answer = self.request(f"/{PRODUCT}/predict", {"rows": [asked]})
        assert status == 200, answer
        predictions: list[dict[str, Any]] = answer["predictions"]
        return predictions

    def committed(self, prediction: str) -> Any:
        """The trace of an answer, once it is in the lake."""
        _wait_until(lambda: prediction in str(self.view("data", "show", "predictions", "--limit", "10000")))
        return self.view("trace", prediction)

    def new_rows(self) -> None:
        """The source has the next hundred hours."""
        history = self.folder / "history.csv"
        rows = pl.read_csv(history, try_parse_dates=True)
        later = rows.tail(100).with_columns(pl.col("id") + "-later", pl.col("at") + timedelta(hours=100))
        pl.concat([rows, later]).write_csv(history)

    def request(self, path: str, content: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            method, body = ("GET", None) if content is None else ("POST", json.dumps(content))
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        except OSError:
            return 0, None
        finally:
            connection.close()

    def up(self, meanwhile: Callable[[], Any]) -> Any:
        """What `meanwhile` returns, done while the loop runs."""
        process = subprocess.Popen(
            [sys.executable, "-m", "windlass", "up"],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            _wait_until(lambda: process.poll() is not None or self.request("/readyz")[0] == 200)
            done = meanwhile()
            process.send_signal(signal.SIGTERM)
            assert process.wait(120) == 0, process.stdout.read() if process.stdout else ""
        finally:
            process.kill()
            process.communicate()
        return done


def _wait_until(condition: Callable[[], bool], *, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        threading.Event().wait(0.05)


DROPPED = frozenset({"judged_on"})
"""Fields that are told no more, of files that still hold them: the digest of the rows that a version was judged on."""


def _without(said: Any, dropped: frozenset[str]) -> Any:
    if isinstance(said, dict):
        return {name: _without(value, dropped) for name, value in said.items() if name not in dropped}
    return [_without(each, dropped) for each in said] if isinstance(said, list) else said


def _as_said(said: Any, now: Any) -> Any:
    """`now` without the fields that only the newer release has."""
    if isinstance(said, dict) and isinstance(now, dict):
        return {name: _as_said(said[name], value) for name, value in now.items() if name in said}
    if isinstance(said, list) and isinstance(now, list) and len(said) == len(now):
        return [_as_said(*pair) for pair in zip(said, now, strict=True)]
    return now


@dataclass(frozen=True, kw_only=True)
class Gone:
    """What was seen of a copy, in this order."""

    story: dict[str, Any]
    """What the older release said."""
    views: list[dict[str, Any]]
    """What the present one says of the same."""
    verified: dict[str, Any]
    answers: list[dict[str, Any]]
    """To the request that the older release had answered."""
    committed: dict[str, Any]
    """Trace of an answer that was left in a segment."""
    trained: str
    versions: list[dict[str, Any]]
    captured: list[str]
    """Ids of all answers in the lake, in the end."""
    verified_again: dict[str, Any]


@pytest.fixture(scope="module", params=ARCHIVES, ids=lambda archive: archive.name.removesuffix(".tar.gz"))
def gone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Gone:
    """The whole way of one workspace under the present release."""
    older = Older(request.param, tmp_path_factory.mktemp("older"))
    views = [{**view, "said": older.view(*view["words"])} for view in older.story["views"]]
    verified = older.view("ledger", "verify")
    (asked,) = [view["said"]["request"] for view in views if view["words"][0] == "trace"]
    answers, committed = older.up(lambda: (older.answer(asked), older.committed(older.story["waiting"][0])))
    older.command("resume", "--reason", "the new release is in")
    older.new_rows()
    return Gone(
        story=older.story,
        views=views,
        verified=verified,
        answers=answers,
        committed=committed,
        trained=older.command("train", "--reason", "from the new release"),
        versions=older.view("versions"),
        captured=[row["prediction_id"] for row in older.view("data", "show", "predictions", "--limit", "10000")],
        verified_again=older.view("ledger", "verify"),
    )


def test_the_first_release_has_its_workspace_here() -> None:
    assert "0.1.0.tar.gz" in [archive.name for archive in ARCHIVES]


def test_every_view_says_what_it_said(gone: Gone) -> None:
    for then, now in zip(gone.story["views"], gone.views, strict=True):
        said = _without(then["said"], DROPPED)
        assert _as_said(said, now["said"]) == said, then["words"]


def test_the_ledger_holds_before_and_after(gone: Gone) -> None:
    assert gone.verified["ok"], gone.verified["problems"]
    assert gone.verified_again["ok"], gone.verified_again["problems"]
    assert gone.verified_again["events"] > gone.verified["events"]
    assert gone.verified_again["signed_upto"] > gone.verified["events"]
    assert gone.verified_again["unsigned"] == 0


def test_the_champion_answers_as_it_did(gone: Gone) -> None:
    (answer,), before = gone.answers, gone.story["answered"]
    assert (answer["version"], answer["label"]) == (before["version"], before["label"])
    assert answer["score"] == pytest.approx(before["score"], rel=1e-9)


def test_the_segment_that_was_left_reaches_the_lake_once(gone: Gone) -> None:
    waiting = gone.story["waiting"]
    assert [gone.captured.count(prediction) for prediction in waiting] == [2] * len(waiting)  # champion and shadow
    assert gone.committed["prediction"]["prediction_id"] == waiting[0]
    assert gone.committed["version"]["version"] == "v1"
    assert len(gone.committed["outcomes"]) == 1


def test_training_goes_on_from_there(gone: Gone) -> None:
    assert "v3 registered" in gone.trained
    assert [version["version"] for version in gone.versions] == ["v1", "v2", "v3"]
