"""What every ledger does, whatever database lies under it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any

import pytest

from windlass.errors import LedgerError
from windlass.ledger.chain import BEGINNING, Link
from windlass.ledger.ledger import Ledger
from windlass.records.event import (
    CommandRequested,
    ProductResumed,
    ReleaseStarted,
    RunFinished,
    RunLogged,
    RunStarted,
    WorkspaceCreated,
)

AT = datetime(2013, 3, 1, 12, tzinfo=UTC)


def started(run: str = "run-1") -> RunStarted:
    return RunStarted(run=run, trigger="manual", reason="by hand")


def logged(run: str = "run-1", **metrics: float) -> RunLogged:
    return RunLogged(run=run, metrics=metrics)


def test_events_are_numbered_from_one_and_chained(ledger: Ledger) -> None:
    ledger.append(started(), logged(a=1.0), at=AT, actor="ann", product="flights")
    ledger.append(logged(a=2.0), at=AT, actor="ann", product="flights")

    events = ledger.events()

    assert [event.sequence for event in events] == [1, 2, 3] == list(range(1, ledger.head() + 1))
    assert [event.previous for event in events] == ["0" * 64, events[0].hash, events[1].hash]
    assert len({event.hash for event in events}) == 3


def test_append_returns_what_will_be_read(ledger: Ledger) -> None:
    written = ledger.append(
        started(), RunFinished(run="run-1", outcome="done", seconds=3), at=AT, actor="ann", product="flights"
    )

    assert list(written) == ledger.events()
    assert isinstance(written[1].body, RunFinished)
    assert isinstance(written[1].body.seconds, float)


def test_a_hash_can_be_computed_without_windlass(ledger: Ledger) -> None:
    body = RunLogged(run="rün\n1", params={"z": 'a"\\/b\x07\x7f\u2028', "a": None}, metrics={"loss": 1e-7})
    (event,) = ledger.append(body, at=AT, actor="Zoë \U0001f9ed", product="flights")

    text = json.dumps(
        {
            "kind": "run.logged",
            "run": "rün\n1",
            "params": {"a": None, "z": 'a"\\/b\x07\x7f\u2028'},
            "metrics": {"loss": 1e-7},
            "step": None,
            "figures": {},
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).replace("1e-07", "1e-7")
    content = [1, "2013-03-01T12:00:00.000000Z", "run.logged", "flights", "rün\n1", "rün\n1", "Zoë \U0001f9ed", text]
    plain = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    assert event.hash == sha256(("0" * 64 + plain).encode()).hexdigest()


def test_all_bodies_of_an_append_are_written_or_none(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match=r"run\.logged cannot be recorded.*metrics"):
        ledger.append(started(), logged(loss=float("nan")), at=AT, actor="ann")

    assert ledger.head() == 0
    assert ledger.events() == []


def test_appending_nothing_writes_nothing(ledger: Ledger) -> None:
    assert ledger.append(at=AT, actor="ann") == ()
    assert ledger.head() == 0


def test_a_fenced_kind_needs_a_fence(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match=r"only the holder of the lease may write product\.resumed"):
        ledger.append(started(), ProductResumed(reason="mended"), at=AT, actor="ann", product="flights")

    assert ledger.head() == 0


@pytest.mark.parametrize(
    ("body", "actor"),
    [
        (RunLogged(run="\ud800"), "ann"),
        (RunLogged(run="run-1"), "\ud800"),
        (RunLogged(run="run-1"), "a\0nn"),
        (RunLogged(run="run-1"), 7),
        (RunLogged(run="run-1"), "a" * 501),
        (RunLogged(run="run-1", params={"depth": object()}), "ann"),  # type: ignore[dict-item]
        (RunLogged(run=7), "ann"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_read_again_is_not_written(ledger: Ledger, body: RunLogged, actor: Any) -> None:
    with pytest.raises(LedgerError, match="cannot be recorded"):
        ledger.append(body, at=AT, actor=actor)

    assert ledger.head() == 0


def test_the_longest_names_and_texts_come_back(ledger: Ledger) -> None:
    name = "".join(chr(0x1F300 + place) for place in range(500))  # nothing that an index could make shorter
    body = RunStarted(run=name, trigger="manual", reason="because " * 100_000)
    written = ledger.append(body, at=AT, actor=name, product=name)

    assert ledger.events(run=name, product=name, subject=name) == list(written)
    assert ledger.verify().ok


def test_a_kind_of_ones_own_is_refused(ledger: Ledger) -> None:
    class Mine(RunLogged, frozen=True, kw_only=True, tag="run.logged"):
        extra: int = 1

    with pytest.raises(LedgerError, match="Mine is not a kind of event"):
        ledger.append(Mine(run="run-1"), at=AT, actor="ann")


def test_a_time_without_a_zone_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="no time zone"):
        ledger.append(started(), at=datetime(2013, 3, 1, 12), actor="ann")  # noqa: DTZ001


def test_times_are_kept_in_utc_to_the_microsecond(ledger: Ledger) -> None:
    local = datetime(2013, 3, 1, 7, 0, 0, 1, tzinfo=timezone(timedelta(hours=-5)))
    ledger.append(started(), at=local, actor="ann")

    (event,) = ledger.events()

    assert event.at == local
    assert event.at.tzinfo == UTC


def test_an_event_belongs_to_the_run_that_its_body_names(ledger: Ledger) -> None:
    fence = ledger.acquire("controller-1", 10)
    release = ReleaseStarted(release="rel-1", version="v2", previous="v1", run=None, plan={})
    ledger.append(started("run-7"), WorkspaceCreated(workspace="w", windlass="0"), at=AT, actor="ann", product="p")
    ledger.append(release, at=AT, actor="ann", product="p", run="run-8", fence=fence)

    assert [event.run for event in ledger.events()] == ["run-7", None, "run-8"]
    assert [event.sequence for event in ledger.events(run="run-7")] == [1]


def test_events_are_found_by_what_they_are_about(ledger: Ledger) -> None:
    ask = CommandRequested(command="cmd-1", name="pause", reason="holiday")
    ledger.append(started("run-1"), logged("run-1"), at=AT, actor="ann", product="flights")
    ledger.append(started("run-2"), ask, at=AT, actor="ann", product="taxis")

    def sequences(**filters: object) -> list[int]:
        return [event.sequence for event in ledger.events(**filters)]  # type: ignore[arg-type]

    assert sequences(subject="cmd-1") == [4]
    assert sequences(subject="run-1", kinds=(RunLogged,)) == [2]
    assert sequences(product="taxis") == [3, 4]
    assert sequences(kinds=(RunStarted, CommandRequested)) == [1, 3, 4]
    assert sequences(kinds=(RunStarted, CommandRequested), newest=2) == [3, 4]
    assert sequences(after=2) == [3, 4]
    assert sequences(newest=1) == [4]
    assert sequences(newest=0) == []
    assert sequences(product="trains") == []


def test_what_is_new_comes_with_where_the_ledger_ends(ledger: Ledger) -> None:
    assert ledger.news((RunStarted,), after=0) == (BEGINNING, [])
    first, *_, last = ledger.append(started("run-1"), started("run-2"), logged("run-2"), at=AT, actor="ann")

    assert ledger.news((RunStarted,), after=1) == (Link(3, last.hash), ledger.events((RunStarted,), run="run-2"))
    assert ledger.news((RunStarted,), after=3) == (Link(3, last.hash), [])
    assert ledger.news((), after=0)[1][0] == first


def test_a_link_says_whether_it_is_the_same_ledger(ledger: Ledger) -> None:
    first, second = ledger.append(started(), logged(), at=AT, actor="ann")

    assert ledger.holds(Link(1, first.hash))
    assert ledger.holds(Link(2, second.hash))
    assert not ledger.holds(Link(1, second.hash))
    assert not ledger.holds(Link(3, second.hash))


def test_threads_may_share_a_ledger(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: ledger.append(logged(n=n), logged(n=n), at=AT, actor=f"thread-{n}"), range(40)))

    events = ledger.events()
    assert [event.sequence for event in events] == list(range(1, 81))
    assert all(first.actor == second.actor for first, second in zip(events[::2], events[1::2], strict=True))
    assert ledger.verify().ok


def test_a_whole_ledger_verifies(ledger: Ledger) -> None:
    assert ledger.verify().ok
    written = ledger.append(started(), logged(a=1.0), at=AT, actor="ann")

    found = ledger.verify()

    assert (found.ok, found.events, found.head, found.problems) == (True, 2, written[-1].hash, ())


def test_of_all_who_begin_a_ledger_one_does(ledger: Ledger) -> None:
    """The others have seen it empty too."""
    began = [ledger.begin(WorkspaceCreated(workspace=name, windlass="0"), at=AT, actor="ann") for name in "abc"]
    assert began == [True, False, False]
    assert [(event.sequence, event.body) for event in ledger.events()] == [
        (1, WorkspaceCreated(workspace="a", windlass="0"))
    ]
    assert ledger.verify().ok
    with pytest.raises(LedgerError, match="only the holder of the lease"):
        ledger.begin(ProductResumed(reason="back"), at=AT, actor="ann")
