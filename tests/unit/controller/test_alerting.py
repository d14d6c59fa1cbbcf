"""What is wrong is told: at least once, by real servers' answers, whatever dies in between."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from windlass.alerts.message import TOLD_KINDS, matters_of, message_of, subject_of, text_of
from windlass.alerts.sending import Later, NotDelivered, Refused
from windlass.controller.alerting import TOLD_ATTEMPTS, Alerting, pause_after
from windlass.controller.incidents import Incidents
from windlass.records.alert import QueuedAlert
from windlass.records.decision import Decision
from windlass.records.event import (
    AlarmCleared,
    AlarmRaised,
    AlertAcknowledged,
    AlertDelivered,
    AlertFailed,
    AlertsQueued,
    AlertsSilenced,
    RetrainDecided,
)
from windlass.settings import Route

from .conftest import NOON, PRODUCT, Desk  # type: ignore[import-not-found]

HOOK = Route(kind="webhook", url="http://unused")
REASON = "The mean loss of the last 500 outcomes is 0.4; on the holdout it was 0.2 (+100%)."


def decay(name: str, signal: Any = "decay") -> AlarmRaised:
    decision = Decision(
        judgement="decay",
        verdict="alarm",
        reasons=(REASON,),
        numbers={"evidence": 21.5, "evidence_needed": 11.5},
        at=NOON,
    )
    return AlarmRaised(alarm=name, signal=signal, version="v1", decision=decision)


class Receiver:
    """In place of a network: keeps what arrives, and does what it is told to do next."""

    def __init__(self) -> None:
        self.got: list[QueuedAlert] = []
        self.down = False
        self.refuses = False
        """What it does not take while it is down, it refuses for what it says."""
        self.waiting: list[Callable[[], None]] = []
        """Attempts that a test lets run when it likes."""

    def __call__(self, _route: Route, queued: QueuedAlert) -> str:
        if self.down:
            raise Refused("HTTP 400") if self.refuses else NotDelivered("HTTP 503")
        self.got.append(queued)
        return "HTTP 200"

    def run(self) -> None:
        for attempt in self.waiting:
            attempt()
        self.waiting.clear()


def make(desk: Desk, receiver: Receiver, **routes: Route) -> Alerting:
    desk.context.settings = replace(desk.settings, alerts=routes or {"ops": HOOK})
    return Alerting(
        context=desk.context,
        incidents=Incidents(context=desk.context),
        send=receiver,
        start=receiver.waiting.append,
    )


def look(desk: Desk, alerting: Alerting, receiver: Receiver) -> None:
    """Past the window of grouping: one look that queues and sends, one that records."""
    desk.wait(minutes=1)
    alerting.step(PRODUCT)
    receiver.run()
    alerting.note()


def test_an_alarm_arrives_at_a_real_server(desk: Desk) -> None:
    got: list[tuple[dict[str, str], Any]] = []
    arrived = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            got.append((dict(self.headers), body))
            self.send_response(202)
            self.end_headers()
            arrived.set()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        route = Route(kind="webhook", url=f"http://127.0.0.1:{server.server_port}/hook")
        desk.context.settings = replace(desk.settings, alerts={"ops": route})
        alerting = Alerting(context=desk.context, incidents=Incidents(context=desk.context))
        desk.write(decay("a1"))
        desk.wait(minutes=1)
        alerting.step(PRODUCT)
        assert arrived.wait(120)
        while not desk.bodies(AlertDelivered):
            alerting.note()
        server.shutdown()
    ((headers, body),) = got
    assert headers["Idempotency-Key"] == body["id"]
    assert body["status"] == "open"
    assert body["severity"] == "critical"
    (matter,) = body["matters"]
    assert matter["cause"] == REASON
    assert "21.5" in matter["sure"]
    assert body["done"] == ["Nothing so far. The champion goes on answering."]
    (delivered,) = desk.bodies(AlertDelivered)
    assert (delivered.alert, delivered.answer) == (body["id"], "HTTP 202")
    assert desk.state.alerts.pending == {}


def test_alarms_of_one_window_are_one_message_and_their_end_another(desk: Desk) -> None:
    receiver = Receiver()
    alerting = make(desk, receiver)
    desk.write(decay("a1"))
    alerting.step(PRODUCT)
    assert receiver.waiting == []  # others may be to come
    desk.write(decay("a2", "drift"))
    look(desk, alerting, receiver)
    desk.write(AlarmCleared(alarm="a1", reason="v2 answers now"))
    look(desk, alerting, receiver)
    look(desk, alerting, receiver)
    assert [[matter.name for matter in each.message.matters] for each in receiver.got] == [["a1", "a2"], ["a1"]]
    assert receiver.got[1].message.matters[0].resolution == "v2 answers now"


def test_a_message_says_why_nothing_is_done_also_where_that_was_so_before(desk: Desk) -> None:
    held = Decision(judgement="retrain", verdict="wait", reasons=("It is too soon: until noon.",), numbers={}, at=NOON)
    desk.write(RetrainDecided(decision=held))
    desk.wait(hours=1)
    desk.write(decay("a1"))
    matters = matters_of(desk.ledger.events(TOLD_KINDS))
    assert message_of(desk.state, [*matters.values()]).done == ("Retraining: wait. It is too soon: until noon.",)


def test_a_message_says_how_sure_an_alarm_is_in_words(desk: Desk) -> None:
    def sure(judgement: Any, **numbers: Any) -> str:
        decision = Decision(judgement=judgement, verdict="alarm", reasons=(REASON,), numbers=numbers, at=NOON)
        desk.write(replace(decay("a1"), decision=decision))
        *_, event = desk.ledger.events((AlarmRaised,))
        return matters_of([event])["a1"].sure

    assert sure("drift", evidence=9000.4, evidence_needed=8760.0) == (
        "The evidence is 9,000, and 8,760 raises an alarm; "
        "without cause that comes once in 8,760 windows on average, at most."
    )
    assert sure("decay", evidence=3e43, evidence_needed=1e5).startswith(
        "The evidence is more than 1,000,000,000, and 100,000 raises an alarm; without cause that comes once in "
    )
    assert "without cause" not in sure("decay", evidence=3e5, evidence_needed=1e5, promised=False)
    assert sure("drift", evidence=0.6, evidence_needed=8760.0, vanished="fare") == "It was seen, not inferred."
    assert "figures are kept" in sure("service")


def test_what_lasts_is_told_before_what_is_over(desk: Desk) -> None:
    desk.write(decay("a1"))
    desk.write(AlarmCleared(alarm="a1", reason="v2 answers now"))
    desk.write(decay("a2", "drift"))
    matters = matters_of(desk.ledger.events(TOLD_KINDS))
    message = message_of(desk.state, [*matters.values()])
    assert subject_of(message) == f"[WARNING] {PRODUCT}: drift of v1; 1 over"
    text = text_of(message)
    assert text.index("drift of v1 (warning)") < text.index("decay of v1 (critical)") < text.index("over since")
    ended = message_of(desk.state, [matters["a1"]])
    assert subject_of(ended) == f"[OVER] {PRODUCT}: decay of v1"


def test_each_route_is_told_what_it_asks_for(desk: Desk) -> None:
    receiver = Receiver()
    pager = Route(kind="webhook", url="http://unused", severity="critical")
    other = Route(kind="webhook", url="http://unused", products=("another",))
    alerting = make(desk, receiver, all=HOOK, pager=pager, other=other)
    desk.write(decay("a1"), decay("a2", "drift"))
    look(desk, alerting, receiver)
    told = {each.route: [matter.name for matter in each.message.matters] for each in receiver.got}
    assert told == {"all": ["a1", "a2"], "pager": ["a1"]}


def test_silence_and_acknowledgement_withhold_and_say_so(desk: Desk) -> None:
    receiver = Receiver()
    alerting = make(desk, receiver)
    until = NOON.replace(hour=14)
    desk.write(AlertsSilenced(silence="s", until=until, signal="drift", reason="backfill"), actor="ada")
    desk.write(decay("a1", "drift"), decay("a2"))
    desk.write(AlertAcknowledged(matter="a2", reason="mine"), actor="bob")
    look(desk, alerting, receiver)
    assert receiver.got == []
    (queued,) = desk.bodies(AlertsQueued)
    assert {each.matter: each.reason for each in queued.withheld} == {
        "a1": "ada wants silence until 2026-03-01 14:00 UTC: backfill",
        "a2": "bob has acknowledged it",
    }
    desk.wait(hours=2)
    desk.write(decay("a3", "drift"))
    look(desk, alerting, receiver)
    assert [matter.name for each in receiver.got for matter in each.message.matters] == ["a3"]


@pytest.mark.parametrize("refuses", [False, True])
def test_a_receiver_that_is_down_is_tried_until_it_is_not_and_an_incident_says_so(desk: Desk, refuses: bool) -> None:
    """What it refuses for what it says is given up instead."""
    receiver = Receiver()
    receiver.refuses = refuses
    alerting = make(desk, receiver)
    now = [0.0]
    desk.context.real_time = lambda: now[0]
    receiver.down = True
    desk.write(decay("a1"))
    for attempt in range(1, TOLD_ATTEMPTS + 1):
        look(desk, alerting, receiver)
        assert [failed.attempt for failed in desk.bodies(AlertFailed)] == list(range(1, attempt + 1))
        alerting.step(PRODUCT)
        assert receiver.waiting == []  # too early
        now[0] += pause_after(attempt)
    assert desk.bodies(AlertFailed)[-1].given_up is refuses
    assert [incident.opened.title for incident in desk.state.incidents.values()] == ["the route ops is not reached"]
    for _ in range(3):  # hours later
        now[0] += pause_after(99)
        look(desk, alerting, receiver)
    receiver.down = False
    for _ in range(4):
        now[0] += pause_after(99)
        look(desk, alerting, receiver)
    told = {matter.title for each in receiver.got for matter in each.message.matters}
    assert "the route ops is not reached" in told
    assert (len(told) == 2) is not refuses, "and what was to be told at first"
    assert desk.state.incidents == {}
    assert not desk.state.alerts.pending


def test_only_those_are_asked_again_who_wanted_it_later(desk: Desk) -> None:
    asked: list[tuple[str, ...]] = []

    class Greylisting(Receiver):
        def __call__(self, route: Route, queued: QueuedAlert) -> str:
            asked.append(route.to)
            if len(asked) == 1:
                raise Later("accepted, but 1 of 2 receivers are to be tried later", left=("b@x",))
            return super().__call__(route, queued)

    receiver = Greylisting()
    mail = Route(kind="email", url="smtp://unused", sender="w@x", to=("a@x", "b@x"))
    alerting = make(desk, receiver, ops=mail)
    now = [0.0]
    desk.context.real_time = lambda: now[0]
    for name in ("a1", "a2"):
        desk.write(decay(name))
        for _ in range(2):
            look(desk, alerting, receiver)
            now[0] += pause_after(1)
    assert asked == [("a@x", "b@x"), ("b@x",), ("a@x", "b@x")]
    assert not desk.state.alerts.pending


@pytest.mark.parametrize("ends", ["refused", "no route"])
def test_receivers_of_what_is_given_up_are_not_kept(desk: Desk, ends: str) -> None:
    class Greylisting(Receiver):
        def __call__(self, route: Route, queued: QueuedAlert) -> str:
            if route.to == ("b@x",):
                raise Refused("550 no such receiver")
            raise Later("accepted, but 1 of 2 receivers are to be tried later", left=("b@x",))

    receiver = Greylisting()
    mail = Route(kind="email", url="smtp://unused", sender="w@x", to=("a@x", "b@x"))
    alerting = make(desk, receiver, ops=mail)
    now = [0.0]
    desk.context.real_time = lambda: now[0]
    desk.write(decay("a1"))
    look(desk, alerting, receiver)
    (first,) = alerting._left
    if ends == "no route":
        desk.context.settings = replace(desk.settings, alerts={})
    for attempt in range(1, TOLD_ATTEMPTS):
        now[0] += pause_after(attempt)
        look(desk, alerting, receiver)
    assert [failed.alert for failed in desk.bodies(AlertFailed) if failed.given_up] == [first]
    assert alerting._left == {}


def test_while_a_receiver_hangs_the_loop_and_other_routes_go_on(desk: Desk) -> None:
    receiver = Receiver()
    alerting = make(desk, receiver, hangs=HOOK, works=HOOK)
    desk.write(decay("a1"))
    desk.wait(minutes=1)
    alerting.step(PRODUCT)
    _hanging, working = receiver.waiting
    working()
    alerting.note()
    desk.write(decay("a2"))
    desk.wait(minutes=1)
    alerting.step(PRODUCT)
    receiver.waiting[2]()
    assert len(receiver.waiting) == 3  # one at a time for the one that hangs
    assert [each.route for each in receiver.got] == ["works", "works"]


def test_without_routes_nothing_is_written(desk: Desk) -> None:
    alerting = Alerting(context=desk.context, incidents=Incidents(context=desk.context))
    desk.write(decay("a1"))
    desk.wait(hours=1)
    alerting.step(PRODUCT)
    assert desk.bodies(AlertsQueued) == []


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        yield Path(folder)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.sampled_from(["raise", "clear", "step", "send", "note", "kill", "down", "up"]), max_size=40))
def test_whatever_dies_no_alarm_is_lost_and_repetitions_have_one_id(folder: Path, steps: list[str]) -> None:
    """`send` without `note` before `kill` is the crash between the sending and its record."""
    desk, receiver = Desk(folder / f"w{len(list(folder.iterdir()))}"), Receiver()
    desk.declare()
    alerting = make(desk, receiver)
    raised, cleared = 0, 0
    for step in [*steps, "up", "kill"]:
        desk.wait(minutes=1)
        if step == "raise":
            raised += 1
            desk.write(decay(f"a{raised}"))
        elif step == "clear" and cleared < raised:
            cleared += 1
            desk.write(AlarmCleared(alarm=f"a{cleared}", reason="over"))
        elif step == "step":
            alerting.step(PRODUCT)
        elif step == "send":
            receiver.run()
        elif step == "note":
            alerting.note()
        elif step == "kill":
            receiver.waiting.clear()
            alerting = make(desk, receiver)
        else:
            receiver.down = step == "down"
    for _ in range(len(steps) + 3):
        look(desk, alerting, receiver)
    told = {matter.name for each in receiver.got for matter in each.message.matters}
    over = {matter.name for each in receiver.got for matter in each.message.matters if matter.over}
    queued = [each for body in desk.bodies(AlertsQueued) for each in body.alerts]
    withheld = {each.matter for body in desk.bodies(AlertsQueued) for each in body.withheld}
    assert told | withheld == {f"a{number}" for number in range(1, raised + 1)}
    assert over | withheld >= {f"a{number}" for number in range(1, cleared + 1)}
    assert {each.alert for each in receiver.got} == {each.alert for each in queued}
    assert sorted(body.alert for body in desk.bodies(AlertDelivered)) == sorted(each.alert for each in queued)
    assert desk.state.alerts.pending == {}
    desk.close()
