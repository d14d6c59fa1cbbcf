"""What is told to people and to their systems: the message, where it goes, and how far it got."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

Severity = Literal["info", "warning", "critical"]
_LARGE = 0.1
"""Of the fall: the least part that is named as the likely cause."""


class Matter(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm or one incident, as a message tells of it."""

    name: str
    """Its id."""
    signal: str
    """`drift`, `decay`, `quality` or `service`; `incident` for one that no alarm stands behind."""
    severity: Severity
    title: str
    since: datetime
    sure: str
    """How sure it is, in words."""
    cause: str
    """The likely cause."""
    remedy: str
    over: datetime | None = None
    """When it ended; None: it lasts."""
    resolution: str = ""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What one alert says, whatever format it is sent in."""

    product: str
    matters: tuple[Matter, ...]
    """At least one."""
    done: tuple[str, ...]
    """What Windlass did about it: whole sentences."""
    look: tuple[str, ...]
    """Commands that show more."""


class QueuedAlert(msgspec.Struct, frozen=True, kw_only=True):
    """A message that one route has to be told."""

    alert: str
    """Its id, by which a receiver knows a repetition."""
    route: str
    message: Message


class Withheld(msgspec.Struct, frozen=True, kw_only=True):
    """Something that no route is told of, and why."""

    matter: str
    reason: str


class PendingAlert(msgspec.Struct, frozen=True, kw_only=True):
    """A message in the outbox."""

    queued: QueuedAlert
    at: datetime
    attempts: int = 0
    """That were made and failed."""


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which routes are not told."""

    silence: str
    until: datetime
    signal: str | None
    """None: of anything."""
    actor: str
    reason: str


class AlertsState(msgspec.Struct, frozen=True, kw_only=True):
    """What of a product was told, and what is to be told."""

    through: int | None = None
    """The last event that was looked at for the outbox; None: nothing ever was."""
    pending: dict[str, PendingAlert] = {}
    """By id, in the order they were queued."""
    silences: dict[str, Silence] = {}
    acknowledged: dict[str, str] = {}
    """Id of an alarm or incident -> who has seen it."""


class AlarmCause(msgspec.Struct, frozen=True, kw_only=True):
    """A part of why quality fell."""

    kind: Literal["shift", "values", "relation", "level", "rest", "slice"]
    """All but `slice` add up to the fall (`monitoring.explaining`); slices are another view of it."""
    name: str | None
    """The feature, or which rows a slice holds; there are fifty of them or more."""
    share: float
    """Of the fall."""
    told: str


def likely_cause(causes: Sequence[AlarmCause]) -> str:
    """The two largest parts above a tenth, and where most of it is; empty where nothing is known."""
    parts = [each.told for each in causes if each.kind not in ("slice", "rest") and each.share >= _LARGE]
    return " ".join([*parts[:2], *[each.told for each in causes if each.kind == "slice"][:1]])
