"""Tells the routes what is wrong: from the ledger into its outbox, out of it by threads, and what came of it back."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from queue import Empty, SimpleQueue
from typing import NamedTuple

from msgspec.structs import replace

from windlass.alerts.message import SEVERITIES, TOLD_KINDS, matters_of, message_of
from windlass.controller.context import LoopContext
from windlass.controller.incidents import Incidents
from windlass.crashpoints import crashpoint
from windlass.records.alert import Matter, PendingAlert, QueuedAlert, Withheld
from windlass.records.event import AlertDelivered, AlertFailed, AlertsQueued
from windlass.records.ids import new_id
from windlass.records.state import ProductState
from windlass.settings import Route

log = logging.getLogger(__name__)

TOLD_ATTEMPTS = 10
"""After so many, with the pauses between them about 40 minutes, an incident says that the route is not reached; and
what the receiver refuses for what it says is given up, since it will be refused again."""
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 900.0  # seconds
_STALE = timedelta(days=1)
"""What was over for so long before anybody could be told is history."""

Send = Callable[[Route, QueuedAlert], str]


class _Outcome(NamedTuple):
    product: str
    route: str
    alert: str
    delivered: bool
    answer: str
    refused: bool
    left: tuple[str, ...]


class Alerting:
    """Nothing here waits: each message is sent in a thread of its own, one at a time for each route.

    Delivered at least once: what was sent and not yet recorded when this process died is sent again by the next, and a
    route that is not reached is tried until it is.
    """

    def __init__(
        self,
        *,
        context: LoopContext,
        incidents: Incidents,
        send: Send | None = None,
        start: Callable[..., object] | None = None,
    ) -> None:
        """`send` raises NotDelivered; `start` runs a function aside. Both are replaced by tests alone."""
        self._context = context
        self._incidents = incidents
        self._send = send or _send
        self._start = start or _in_a_thread
        self._busy: dict[str, str] = {}
        """Route -> the alert that is being sent to it."""
        self._not_before: dict[str, float] = {}
        """Route -> real time of its next attempt, after one that failed."""
        self._left: dict[str, tuple[str, ...]] = {}
        """Alert -> the receivers of a mail that are yet to get it, the others having got it; while it is tried."""
        self._outcomes: SimpleQueue[_Outcome] = SimpleQueue()
        self._seen: dict[str, int] = {}
        """Product -> the last event of the state, when there was nothing new to tell."""

    def note(self) -> None:
        """Record what became of the messages that were sent."""
        while True:
            try:
                outcome = self._outcomes.get_nowait()
            except Empty:
                return
            self._busy.pop(outcome.route, None)
            crashpoint("alert:sent")
            self._record(outcome)

    def step(self, name: str) -> None:
        """Put what is new into the outbox, and send what is in it."""
        routes = self._context.settings.alerts
        product = self._context.product(name)
        if routes:
            self._queue(product, routes)
        waiting = self._context.product(name).alerts.pending.values()
        for pending in sorted(waiting, key=lambda each: each.attempts):  # one that is refused holds up no other
            self._dispatch(name, pending, routes.get(pending.queued.route))

    # -- into the outbox -------------------------------------------------------------------------------------------

    def _queue(self, product: ProductState, routes: Mapping[str, Route]) -> None:
        head, known = self._context.state.sequence, product.alerts.through
        if self._seen.get(product.name) == head:
            return
        new = self._context.ledger.events(TOLD_KINDS, product=product.name, after=known or 0)
        if not new:
            self._seen[product.name] = head
            return
        now = self._context.now
        if now < new[0].at + timedelta(seconds=self._context.settings.alert_group_seconds):
            return
        names = {event.body.subject for event in new}
        every = matters_of(self._context.ledger.events(TOLD_KINDS, product=product.name))
        matters = [matter for matter in every.values() if matter.name in names]
        withheld = [Withheld(matter=m.name, reason=why) for m in matters if (why := self._withheld(product, m, known))]
        silent = {each.matter for each in withheld}
        told = [matter for matter in matters if matter.name not in silent]
        queued = [
            QueuedAlert(alert=new_id("alert", now), route=route, message=message_of(product, these))
            for route, target in routes.items()
            if (these := [matter for matter in told if wanted(target, product.name, matter)])
        ]
        looked = AlertsQueued(through=new[-1].sequence, alerts=tuple(queued), withheld=tuple(withheld))
        self._context.record(looked, product=product.name)

    def _withheld(self, product: ProductState, matter: Matter, known: int | None) -> str:
        now = self._context.now
        if matter.over is not None and (known is None or now - matter.over > _STALE):
            return "it was over before anybody could be told"
        if matter.over is None and (who := product.alerts.acknowledged.get(matter.name)):
            return f"{who} has acknowledged it"
        for silence in product.alerts.silences.values():
            if silence.until > now and silence.signal in (None, matter.signal):
                return f"{silence.actor} wants silence until {silence.until:%Y-%m-%d %H:%M} UTC: {silence.reason}"
        return ""

    # -- out of it -------------------------------------------------------------------------------------------------

    def _dispatch(self, name: str, pending: PendingAlert, route: Route | None) -> None:
        queued = pending.queued
        if route is None:
            gone = AlertFailed(
                alert=queued.alert,
                route=queued.route,
                attempt=pending.attempts,
                error="there is no such route any more",
                given_up=True,
            )
            self._context.record(gone, product=name)
            self._left.pop(queued.alert, None)
            return
        early = self._context.real_time() < self._not_before.get(queued.route, float("-inf"))
        if queued.route in self._busy or early:
            return
        self._busy[queued.route] = queued.alert
        if left := self._left.get(queued.alert):
            route = replace(route, to=left)

        def attempt() -> None:
            from windlass.alerts.sending import Later, NotDelivered, Refused

            refused = False
            left: tuple[str, ...] = ()
            try:
                answer, delivered = self._send(route, queued), True
            except NotDelivered as error:
                answer, delivered, refused = str(error), False, isinstance(error, Refused)
                left = error.left if isinstance(error, Later) else ()
            except Exception as error:  # the thread ends here: without an answer the route would be busy for ever
                log.exception("a message to %s could not be made", queued.route)
                answer, delivered = type(error).__name__, False
            self._outcomes.put(_Outcome(name, queued.route, queued.alert, delivered, answer, refused, left))

        self._start(attempt)

    def _record(self, outcome: _Outcome) -> None:
        pending = self._context.product(outcome.product).alerts.pending.get(outcome.alert)
        title = f"the route {outcome.route} is not reached"
        if outcome.left:
            self._left[outcome.alert] = outcome.left
        if outcome.delivered:
            self._left.pop(outcome.alert, None)
            self._not_before.pop(outcome.route, None)
            delivered = AlertDelivered(alert=outcome.alert, route=outcome.route, answer=outcome.answer)
            self._context.record(delivered, product=outcome.product)
            self._incidents.close(outcome.product, title=title, resolution="it took a message")
            return
        attempt = 1 + (0 if pending is None else pending.attempts)
        self._not_before[outcome.route] = self._context.real_time() + pause_after(attempt)
        failed = AlertFailed(
            alert=outcome.alert,
            route=outcome.route,
            attempt=attempt,
            error=outcome.answer,
            given_up=outcome.refused and attempt >= TOLD_ATTEMPTS,
        )
        if failed.given_up:
            self._left.pop(outcome.alert, None)
        if attempt < TOLD_ATTEMPTS:
            self._context.record(failed, product=outcome.product)
            return
        self._incidents.open(
            outcome.product,
            title=title,
            cause=f"a message was not taken in {attempt} attempts; the last one: {outcome.answer}",
            remedy=f"mend it, and see with `windlass alerts test {outcome.route}`; "
            "`windlass alerts` lists what was not told, and what waits to be sent again",
            also=(failed,),
        )


def pause_after(attempt: int) -> float:
    """Seconds until the next attempt: twice as long each time, at most a quarter of an hour."""
    return min(_FIRST_PAUSE * float(2 ** (attempt - 1)), _LONGEST_PAUSE)


def wanted(route: Route, product: str, matter: Matter) -> bool:
    """Whether the route is to be told."""
    of_product = not route.products or product in route.products
    return of_product and SEVERITIES.index(matter.severity) >= SEVERITIES.index(route.severity)


def _send(route: Route, queued: QueuedAlert) -> str:
    from windlass.alerts.sending import send  # mail and HTTP: loaded by whoever has something to tell

    return send(route, queued, environment=os.environ)


def _in_a_thread(attempt: Callable[[], None]) -> None:
    threading.Thread(target=attempt, name="alert", daemon=True).start()
