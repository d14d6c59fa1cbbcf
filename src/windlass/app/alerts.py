"""What people do about alerts: silence, acknowledge, try a route, and see what was told."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from windlass.alerts.formats import TRIAL
from windlass.alerts.message import severity_of, subject_of
from windlass.alerts.sending import NotDelivered, send
from windlass.app.queries import the_product
from windlass.app.workspace import Workspace
from windlass.errors import UsageError
from windlass.records import event as events
from windlass.records.alert import Matter, Message, QueuedAlert
from windlass.records.event import Body
from windlass.records.ids import new_id

Row = dict[str, Any]


def alerts(workspace: Workspace, product: str | None, *, limit: int) -> list[Row]:
    """The messages that were put into the outbox, newest last, and how far they got."""
    if product is not None:
        the_product(workspace, product)
    found: dict[str, Row] = {}
    for event in workspace.ledger.events(
        (events.AlertsQueued, events.AlertDelivered, events.AlertFailed), product=product
    ):
        body = event.body
        if isinstance(body, events.AlertsQueued):
            for queued in body.alerts:
                found[queued.alert] = {
                    "alert": queued.alert,
                    "product": event.product,
                    "queued": event.at,
                    "route": queued.route,
                    "severity": severity_of(queued.message),
                    "subject": subject_of(queued.message),
                    "state": "waiting",
                    "attempts": 0,
                    "answer": None,
                }
        elif isinstance(body, events.AlertDelivered) and body.alert in found:
            row = found[body.alert]
            found[body.alert] = row | {"state": "delivered", "attempts": row["attempts"] + 1, "answer": body.answer}
        elif isinstance(body, events.AlertFailed) and body.alert in found:
            state = "given up" if body.given_up else "waiting"
            found[body.alert] |= {"state": state, "attempts": body.attempt, "answer": body.error}
    return list(found.values())[-limit:]


def silences(workspace: Workspace, product: str | None) -> list[Row]:
    """Those that are in force."""
    now = workspace.clock.now()
    known = workspace.state().products.values() if product is None else [the_product(workspace, product)]
    return [
        {
            "silence": silence.silence,
            "product": each.name,
            "of": silence.signal or "anything",
            "until": silence.until,
            "by": silence.actor,
            "reason": silence.reason,
        }
        for each in known
        for silence in each.alerts.silences.values()
        if silence.until > now
    ]


def silence(workspace: Workspace, product: str | None, *, signal: str | None, lasts: timedelta, reason: str) -> str:
    """No messages of a product for a while; answers with the name of the silence."""
    if lasts <= timedelta():
        raise UsageError("a silence lasts for some time", where="--for", remedy="write it as 2h or 1d")
    name, now = the_product(workspace, product).name, workspace.clock.now()
    try:
        until = now + lasts
    except OverflowError as error:
        raise UsageError(f"{lasts} is too long", where="--for", remedy="write a shorter one") from error
    made = new_id("silence", now)
    _write(workspace, events.AlertsSilenced(silence=made, until=until, signal=signal, reason=reason), name)
    return f"{name}: no messages of {signal or 'anything'} until {until:%Y-%m-%d %H:%M} UTC ({made})"


def unsilence(workspace: Workspace, made: str, *, reason: str) -> str:
    """End a silence before its time."""
    for product in workspace.state().products.values():
        if made in product.alerts.silences:
            _write(workspace, events.AlertsUnsilenced(silence=made, reason=reason), product.name)
            return f"{product.name}: the silence is over; what begins from now on is told"
    raise UsageError(f"there is no silence {made!r}", remedy="see `windlass alerts silences`")


def acknowledge(workspace: Workspace, matter: str, *, reason: str) -> str:
    """Say that somebody has seen an alarm or an incident; it is not told any more until it is over."""
    for product in workspace.state().products.values():
        if matter in product.alarms or matter in product.incidents:
            _write(workspace, events.AlertAcknowledged(matter=matter, reason=reason), product.name)
            return f"{product.name}: {matter} is acknowledged by {workspace.actor}"
    raise UsageError(
        f"no alarm or incident {matter!r} is open", remedy="see `windlass alarms` and `windlass incidents --json`"
    )


def try_route(workspace: Workspace, name: str) -> str:
    """Send a message of no consequence. Raises UsageError when it does not arrive."""
    route = workspace.settings.alerts.get(name)
    if route is None:
        known = ", ".join(sorted(workspace.settings.alerts)) or "none"
        raise UsageError(f"there is no route {name!r}", where="setting `alerts`", remedy=f"known: {known}")
    now = workspace.clock.now()
    matter = Matter(
        name="test",
        signal=TRIAL,
        severity="info",
        title="a test of this route",
        since=now,
        sure="It was asked for.",
        cause=f"{workspace.actor} ran `windlass alerts test`.",
        remedy="There is nothing to do.",
    )
    message = Message(product="windlass", matters=(matter,), done=("Sent this.",), look=("windlass alerts",))
    queued = QueuedAlert(alert=new_id("alert", now), route=name, message=message)
    try:
        answer = send(route, queued, environment=os.environ)
    except NotDelivered as error:
        _write(workspace, events.AlertTested(route=name, delivered=False, answer=str(error)), None)
        raise UsageError(
            f"the message did not arrive: {error}", where=f"route `{name}`", remedy="mend the route or its server"
        ) from error
    _write(workspace, events.AlertTested(route=name, delivered=True, answer=answer), None)
    return f"delivered to {name}: {answer}"


def _write(workspace: Workspace, body: Body, product: str | None) -> None:
    workspace.ledger.append(body, at=workspace.clock.now(), actor=workspace.actor, product=product)
