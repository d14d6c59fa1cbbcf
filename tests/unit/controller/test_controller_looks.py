from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from windlass.controller.controller import Controller
from windlass.errors import LakeError, LeaseLost, LedgerError
from windlass.records.event import (
    ControllerStarted,
    ControllerStopped,
    IncidentClosed,
    IncidentOpened,
    ProductPaused,
    RetrainDecided,
)
from windlass.release.routing import read_routing
from windlass.serving.supervisor import ServingEvent

from .conftest import PRODUCT, Desk  # type: ignore[import-not-found]


def controller(desk: Desk, *, entries: dict[str, str] | None = None) -> Controller:
    made = Controller(
        context=desk.context, engine=desk.engine, entries={PRODUCT: "m:P"} if entries is None else entries
    )
    made.start()
    for job in range(len(desk.engine.jobs)):  # the products are read
        desk.engine.jobs[job].take(_done(job))
    return made


def _done(number: int) -> Any:
    import pickle

    from windlass.engines import wire

    return wire.Done(number=number, result=pickle.dumps(None))


def break_lake(monkeypatch: pytest.MonkeyPatch, desk: Desk) -> None:
    def broken(*_given: Any, **_keywords: Any) -> None:
        raise LakeError("the table cannot be read", remedy="mend the disk")

    monkeypatch.setattr(desk.context.lake, "commit_segments", broken)


def test_it_says_when_it_acts_and_when_it_no_longer_does(desk: Desk) -> None:
    acting = controller(desk)
    fence = desk.context.fence
    (started,) = desk.bodies(ControllerStarted)
    assert (started.holder, started.token) == (fence.holder, fence.token)
    assert desk.context.state.controller is not None
    desk.answer(7)
    acting.stop("asked to stop")
    (stopped,) = desk.bodies(ControllerStopped)
    assert (stopped.holder, stopped.reason) == (fence.holder, "asked to stop")
    assert desk.context.state.controller is None
    assert desk.ledger.lease() is None
    assert desk.lake.predictions(PRODUCT).height == 7  # all that was captured


def test_a_product_without_a_champion_is_routed_so_that_callers_hear_that_it_is_to_come(desk: Desk) -> None:
    controller(desk).tick()
    routing = read_routing(desk.paths.routing(PRODUCT))
    assert routing is not None
    assert routing.champion is None


def test_one_look_takes_in_releases_routes_watches_and_decides(desk: Desk) -> None:
    acting = controller(desk)
    desk.register("v1")
    desk.answer(5)
    acting.tick()
    routing = read_routing(desk.paths.routing(PRODUCT))
    assert routing is not None
    assert routing.champion is not None
    assert routing.champion.version == "v1"
    assert desk.lake.predictions(PRODUCT).height == 5
    assert desk.bodies(RetrainDecided)[-1].decision.verdict == "wait"
    head = desk.ledger.head()
    acting.tick()
    assert desk.ledger.head() == head  # nothing new, nothing written


def test_a_lost_routing_record_is_written_again(desk: Desk) -> None:
    acting = controller(desk)
    desk.register("v1")
    acting.tick()
    path = desk.paths.routing(PRODUCT)
    for harm in (path.unlink, lambda: path.write_text("{"), lambda: path.write_text("[1]")):
        harm()
        acting.tick()
        found = read_routing(path)
        assert found is not None
        assert found.champion is not None


def test_what_is_wrong_with_one_part_stops_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    acting = controller(desk)
    desk.register("v1")
    with monkeypatch.context() as patch:
        break_lake(patch, desk)
        for _ in range(3):
            acting.tick()
        (opened,) = desk.bodies(IncidentOpened)
        assert opened.title == "taking in what was captured cannot go on"
        assert opened.cause.startswith("LakeError: the table cannot be read")
        assert opened.remedy == "mend the disk"
        assert desk.state.champion is not None  # it was released all the same
        assert read_routing(desk.paths.routing(PRODUCT)) is not None
    acting.tick()
    (closed,) = desk.bodies(IncidentClosed)
    assert closed.incident == opened.incident


def test_another_controller_closes_what_the_first_had_opened(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    acting = controller(desk)
    with monkeypatch.context() as patch:
        break_lake(patch, desk)
        acting.tick()
    assert desk.state.incidents
    controller(desk).tick()
    assert desk.state.incidents == {}


def test_what_is_wrong_with_one_product_stops_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    acting = controller(desk, entries={"a-broken-one": "m:B", PRODUCT: "m:P"})
    desk.register("v1")
    commit = desk.context.lake.commit_segments

    def broken(name: str, folder: Path, now: Any) -> Any:
        if name != PRODUCT:
            raise ZeroDivisionError("oh")
        return commit(name, folder, now)

    monkeypatch.setattr(desk.context.lake, "commit_segments", broken)
    acting.tick()
    assert desk.state.champion is not None
    broken_ones = desk.context.product("a-broken-one").incidents.values()
    assert [incident.opened.cause for incident in broken_ones] == [
        "ZeroDivisionError was raised; the log has the whole story"
    ]


def test_while_the_ledger_cannot_be_written_nothing_is_done_and_nobody_dies(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    acting = controller(desk)
    desk.register("v1")

    def full(*_given: Any, **_keywords: Any) -> None:
        raise LedgerError("the disk is full")

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(desk.context.ledger, "append", full)
        for _ in range(5):
            acting.tick()
    assert desk.state.champion is None
    assert sum("the loop stands still" in record.message for record in caplog.records) == 1
    acting.tick()
    assert desk.state.champion is not None


def test_who_lost_the_lease_hears_of_it_before_it_does_anything(desk: Desk) -> None:
    acting = controller(desk)
    desk.register("v1")
    desk.answer(3)
    now = 0.0
    desk.context.real_time = lambda: now
    desk.ledger.release(desk.context.fence)
    assert desk.ledger.acquire("another", 60) is not None
    now += desk.settings.lease_seconds  # it was stopped for as long as a lease lasts, say
    head = desk.ledger.head()
    with pytest.raises(LeaseLost):
        acting.tick()
    assert desk.ledger.head() == head
    assert not (desk.paths.lake / PRODUCT).exists()
    routing = read_routing(desk.paths.routing(PRODUCT))
    assert routing is not None
    assert routing.champion is None  # as it was when the controller started


def test_the_lease_is_held_as_long_as_there_are_looks(desk: Desk) -> None:
    acting = controller(desk)
    desk.ledger.renew(desk.context.fence, 0.5)
    first = desk.ledger.lease()
    now = 0.0
    desk.context.real_time = lambda: now
    for _ in range(4):
        now += desk.settings.lease_seconds / 3
        acting.tick()
    held = desk.ledger.lease()
    assert held is not None
    assert first is not None
    assert held.expires_at > first.expires_at


def test_a_product_whose_code_was_taken_away_is_still_looked_after(desk: Desk) -> None:
    controller(desk).tick()
    desk.register("v1")
    controller(desk).tick()
    desk.answer(4)
    desk.paths.routing(PRODUCT).unlink()
    without = controller(desk, entries={})
    without.tick()
    assert desk.lake.predictions(PRODUCT).height == 4
    assert desk.paths.routing(PRODUCT).exists()


def test_requests_of_people_reach_it(desk: Desk) -> None:
    acting = controller(desk)
    desk.ask("pause")
    acting.tick()
    assert len(desk.bodies(ProductPaused)) == 1
    assert desk.state.paused == "because"


def test_what_workers_tell_is_heard_at_the_next_look(desk: Desk) -> None:
    acting = controller(desk)
    desk.register("v1")
    acting.tick()
    thread = threading.Thread(target=acting.hear, args=(ServingEvent(kind="died", worker="w0", detail="killed"),))
    thread.start()
    thread.join()
    assert desk.state.incidents == {}
    acting.tick()
    assert [incident.opened.title for incident in desk.state.incidents.values()] == ["serving worker w0 died"]


def test_resting_ends_when_there_is_something_to_do(desk: Desk) -> None:
    desk.context.real_time = time.monotonic
    acting = controller(desk)
    acting.tick()  # starts the first run
    began = time.monotonic()
    threading.Timer(0.05, desk.engine.finish).start()
    acting.rest(threading.Event(), 600)
    assert time.monotonic() - began < 300
    stopping = threading.Event()
    stopping.set()
    acting.tick()
    acting.rest(stopping, 600)
    assert time.monotonic() - began < 300


def test_resting_lasts_as_long_as_it_was_told(desk: Desk) -> None:
    desk.context.real_time = time.monotonic
    acting = controller(desk)
    acting.tick()
    began = time.monotonic()
    acting.rest(threading.Event(), 0.1)
    assert time.monotonic() - began >= 0.1
