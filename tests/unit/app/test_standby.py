"""A second controller waits for the lease, and outlives what the first one outlives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from windlass.app.door import Door
from windlass.app.up import _wait_for_lease
from windlass.app.workspace import Workspace
from windlass.errors import LedgerError
from windlass.ledger.ledger import Ledger
from windlass.records.lease import Fence
from windlass.settings import Settings


class Closed(Door):
    """A door that nobody goes through."""

    def __init__(self) -> None:
        self.opened: list[bool] = []

    def open(self, *, patient: bool) -> None:
        self.opened.append(patient)

    def check(self) -> None:
        """Nothing is wrong with it."""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    settings = Settings(project=tmp_path, workspace=tmp_path / ".windlass", poll_seconds=0.01)
    with Workspace(settings, create=True) as opened:
        yield opened


def answers(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, *before: Callable[[], Fence | None]) -> None:
    """What the ledger says to the first questions for the lease; then it answers itself."""
    acquire, left = workspace.ledger.acquire, list(before)
    monkeypatch.setattr(
        workspace.ledger, "acquire", lambda *asked, **more: left.pop(0)() if left else acquire(*asked, **more)
    )


def gone() -> Fence | None:
    raise LedgerError("the server is gone", where="there", remedy="wait")


def test_it_goes_on_waiting_when_the_ledger_cannot_be_asked(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(workspace, monkeypatch, lambda: None, gone, gone, lambda: None, gone)
    said: list[str] = []

    fence = _wait_for_lease(workspace, Closed(), threading.Event(), said.append)

    assert fence is not None
    assert [line.partition("\n")[0] for line in said] == [
        "windlass: the server is gone (at there)",  # said once, however often it is asked,
        "windlass: the server is gone (at there)",  # and again after it was back
    ]


def test_one_that_never_reached_the_ledger_says_so_and_ends(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(workspace, monkeypatch, gone)
    with pytest.raises(LedgerError, match="the server is gone"):
        _wait_for_lease(workspace, Closed(), threading.Event(), lambda _: None)


def test_a_dead_holder_is_followed_though_its_lease_seems_good_for_a_day(workspace: Workspace) -> None:
    settings = msgspec.structs.replace(workspace.settings, lease_seconds=0.05)
    ahead = datetime.fromtimestamp(time.monotonic(), UTC) + timedelta(days=1)
    with Ledger(workspace.ledger.url, now=lambda: ahead) as before:
        before.acquire("who-was-killed", 0.05)
    with Workspace(settings) as waiting:
        lease = waiting.ledger.lease()
        assert lease is not None, "its date says that it is good for another day"
        context = _wait_for_lease(waiting, Closed(), threading.Event(), lambda _: None)
    assert context is not None
    assert context.held().token == lease.token + 1


def test_it_names_the_holder_and_leaves_when_told(workspace: Workspace) -> None:
    door, stopping, said = Closed(), threading.Event(), list[str]()
    with Ledger(workspace.ledger.url) as other:
        other.acquire("the-first", 60)

        def say(line: str) -> None:
            said.append(line)
            stopping.set()

        assert _wait_for_lease(workspace, door, stopping, say) is None
    assert door.opened == [True]  # it serves meanwhile
    (line,) = said
    assert line.startswith("windlass: the-first holds the lease; if that process is dead, it runs out within 10 s")
    assert line.endswith("; standing by to take over")
