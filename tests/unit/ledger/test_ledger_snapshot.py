"""A state that was kept is used where it holds, and only there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from windlass.ledger import snapshot as module
from windlass.ledger.chain import Link
from windlass.ledger.ledger import Ledger
from windlass.ledger.projection import EMPTY, STATE_KINDS, fold
from windlass.ledger.snapshot import Snapshot, SnapshotFile
from windlass.ledger.view import StateView
from windlass.records.event import Body, Event, RunLogged, RunStarted, VersionRegistered
from windlass.records.state import WorkspaceState

from .test_ledger_projection import _HISTORIES, hour  # type: ignore[import-not-found]

AT = datetime(2013, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("windlass.ledger.view._KEPT_EVERY", 5)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as opened:
        fence = opened.acquire("one", 60)
        for number in range(1, 8):
            registered = VersionRegistered(
                version=f"v{number}", digest="d" * 64, run=f"r{number}", metrics={"auc": 0.7}
            )
            opened.append(registered, at=AT, actor="a", product="flights", fence=fence)
        yield opened


def refreshed(ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[WorkspaceState, int]:
    """What a new process sees, and after which event it had to read."""
    asked: list[int] = []
    news = ledger.news

    def watched(kinds: tuple[type[Body], ...], *, after: int) -> tuple[object, list[Event]]:
        asked.append(after)
        return news(kinds, after=after)

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "news", watched)
        state = StateView(ledger, snapshots=SnapshotFile(path)).refresh()
    return state, asked[0]


def test_the_next_process_goes_on_where_the_last_one_was(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, after = refreshed(ledger, path, monkeypatch)
    assert after == 0
    ledger.append(RunStarted(run="r9", trigger="drift", reason="x"), at=AT, actor="a", product="flights")

    second, after = refreshed(ledger, path, monkeypatch)

    assert after == 7
    assert second == fold(EMPTY, ledger.events(STATE_KINDS)) != first


def test_it_is_written_only_when_much_has_come(ledger: Ledger, path: Path) -> None:
    view = StateView(ledger, snapshots=SnapshotFile(path))
    view.refresh()
    first = path.read_bytes()
    for _ in range(4):
        ledger.append(RunLogged(run="r1"), at=AT, actor="a", product="flights")
        view.refresh()
        assert path.read_bytes() == first
    ledger.append(RunLogged(run="r1"), at=AT, actor="a", product="flights")  # the fifth, though none of the state
    view.refresh()
    assert path.read_bytes() != first
    StateView(ledger).refresh()  # without a file


def test_a_short_ledger_needs_none(path: Path) -> None:
    with Ledger("sqlite://") as ledger:
        ledger.append(RunStarted(run="r1", trigger="drift", reason="x"), at=AT, actor="a", product="flights")
        StateView(ledger, snapshots=SnapshotFile(path)).refresh()
    assert not path.exists()


def test_of_another_ledger_it_is_not_used(
    ledger: Ledger, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refreshed(ledger, path, monkeypatch)
    with Ledger(f"sqlite:///{tmp_path / 'other.db'}") as other:
        for _ in range(9):
            other.append(RunLogged(run="r1"), at=AT, actor="a", product="taxis")
        assert refreshed(other, path, monkeypatch) == (fold(EMPTY, other.events(STATE_KINDS)), 0)
    with Ledger(f"sqlite:///{tmp_path / 'empty.db'}") as empty:
        assert refreshed(empty, path, monkeypatch) == (EMPTY, 0)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda text: text.replace(b'"v7"', b'"v8"'), id="changed"),
        pytest.param(lambda text: text[:-9], id="cut"),
        pytest.param(lambda text: text[:50], id="cut in its head"),
        pytest.param(lambda text: b"", id="emptied"),
        pytest.param(lambda text: b"[]\n" + text, id="foreign"),
    ],
)
def test_a_damaged_one_is_made_anew(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[bytes], bytes]
) -> None:
    whole, _ = refreshed(ledger, path, monkeypatch)
    content = path.read_bytes()
    path.write_bytes(spoil(content))

    assert refreshed(ledger, path, monkeypatch) == (whole, 0)
    assert path.read_bytes() == content


def test_one_of_other_code_is_made_anew(ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = refreshed(ledger, path, monkeypatch)
    with monkeypatch.context() as patched:
        patched.setattr(module, "_code", lambda: "of another release")
        assert refreshed(ledger, path, monkeypatch) == (whole, 0)
        assert refreshed(ledger, path, monkeypatch) == (whole, 7)
    assert refreshed(ledger, path, monkeypatch) == (whole, 0)


def test_a_place_that_cannot_be_used_costs_time_and_is_told(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path.mkdir()
    with caplog.at_level(logging.WARNING):
        state, after = refreshed(ledger, path, monkeypatch)
    assert (state, after) == (fold(EMPTY, ledger.events(STATE_KINDS)), 0)
    read, written = caplog.messages
    assert f"{path} cannot be read" in read
    assert f"{path} cannot be written" in written


@given(_HISTORIES, st.integers(0, 40))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_what_is_kept_is_what_was(path: Path, drawn: list[tuple[Body, str | None, int]], cut: int) -> None:
    with Ledger("sqlite://") as ledger:
        fence = ledger.acquire("one", 60)
        for body, product, hours in drawn:
            ledger.append(body, at=hour(hours), actor="a", product=product, fence=fence)
        events = ledger.events(STATE_KINDS)
    kept = Snapshot(Link(cut, "f" * 64), fold(EMPTY, events[:cut]))
    SnapshotFile(path).write(kept)

    found = SnapshotFile(path).read()

    assert found == kept
    assert found is not None
    assert fold(found.state, events) == fold(EMPTY, events)
