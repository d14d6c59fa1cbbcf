"""Calls of champions that hang, as the serving workers tell of them."""

from __future__ import annotations

from datetime import datetime, timedelta

from windlass.controller.context import LoopContext
from windlass.controller.incidents import Incidents
from windlass.records.state import ReleaseState
from windlass.serving.supervisor import ServingEvent

_TITLE = " does not answer"
_REMEDY = (
    "its callers got 504, others are answered beside it, and a worker in which it never comes back is replaced; "
    "windlass.log has all lines that lead to where it is: mend what it waits for, or `windlass rollback`; "
    "if it may take that long, raise the setting `answer_seconds`"
)
_QUIET = timedelta(minutes=10)
"""How long no call of a version must have hung until the incident is over."""
_MOST = 2
"""Calls of a version in probation that withdraw it, if the one before has no more of them."""


class Hangs:
    """An incident for each version, and what is held against one in probation."""

    def __init__(self, *, context: LoopContext, incidents: Incidents) -> None:
        self._context = context
        self._incidents = incidents
        self._told: dict[tuple[str, str], list[str]] = {}
        """Product and version -> what was told of each call."""
        self._last: dict[tuple[str, str], datetime] = {}

    def take(self, event: ServingEvent) -> None:
        """A call of the champion was given up."""
        name, champion = event.product, self._context.product(event.product).champion
        if champion is None or not event.detail.startswith(f"version {champion.version}: "):
            return  # it has been withdrawn meanwhile
        self._told.setdefault((name, champion.version), []).append(event.detail)
        self._last[name, champion.version] = self._context.now
        cause = f"{event.detail}, in worker {event.worker}"
        self._incidents.open(name, title=f"{champion.version}{_TITLE}", cause=cause, remedy=_REMEDY)

    def against(self, product: str, release: ReleaseState) -> str | None:
        """Why a version in probation is to be withdrawn for its hanging calls. Where they wait for a service that is
        away, those of the version before do as well."""
        told = self._told.get((product, release.version), [])
        before = self._told.get((product, release.previous or ""), [])
        if len(told) < _MOST or len(told) <= len(before):
            return None
        return f"{len(told)} calls of it have hung; the last: {told[-1]}"

    def look(self, product: str) -> None:
        """Close the incidents that are over."""
        champion, now = self._context.product(product).champion, self._context.now
        for title in self._incidents.titles(product):
            version = title.removesuffix(_TITLE)
            if not title.endswith(_TITLE):
                continue
            if champion is None or version != champion.version:
                self._incidents.close(product, title=title, resolution=f"{version} does not answer everybody any more")
            elif now - self._last.setdefault((product, version), now) > _QUIET:
                self._incidents.close(product, title=title, resolution=f"no call of {version} has hung since")
