"""Incidents: opened once for each cause, closed when the cause is gone."""

from __future__ import annotations

from windlass.controller.context import LoopContext
from windlass.records.event import AlarmCleared, Body, IncidentClosed, IncidentOpened
from windlass.records.ids import new_id


class Incidents:
    """Opens and closes; an incident is found again by its title, so a cause that stays is told once."""

    def __init__(self, *, context: LoopContext) -> None:
        self._context = context

    def open(
        self,
        product: str,
        *,
        title: str,
        cause: str,
        remedy: str,
        alarm: str | None = None,
        also: tuple[Body, ...] = (),
    ) -> bool:
        """Tell of something that needs a person, in one write with `also`; False when it has been told."""
        if self.is_open(product, title):
            self._context.record(*also, product=product)
            return False
        incident = new_id("incident", self._context.now)
        opened = IncidentOpened(incident=incident, alarm=alarm, title=title, cause=cause, remedy=remedy)
        self._context.record(*also, opened, product=product)
        return True

    def is_open(self, product: str, title: str) -> bool:
        return title in self.titles(product)

    def cause_of(self, product: str, title: str) -> str | None:
        """What was told of the one that is open; None: none is."""
        known = self._context.product(product).incidents.values()
        return next((incident.opened.cause for incident in known if incident.opened.title == title), None)

    def remedy_of(self, product: str, title: str) -> str:
        """What was advised of the one that is open; empty: none is."""
        known = self._context.product(product).incidents.values()
        return next((incident.opened.remedy for incident in known if incident.opened.title == title), "")

    def titles(self, product: str) -> list[str]:
        """Of those that are open."""
        return [incident.opened.title for incident in self._context.product(product).incidents.values()]

    def close(self, product: str, *, title: str, resolution: str) -> None:
        """The cause is gone; nothing happens when no such incident is open."""
        for name, incident in self._context.product(product).incidents.items():
            if incident.opened.title == title:
                self._context.record(IncidentClosed(incident=name, resolution=resolution), product=product)

    def clear(self, product: str, alarm: str, *, reason: str) -> None:
        """An alarm is over, and with it what it had opened."""
        closed = [
            IncidentClosed(incident=name, resolution=reason)
            for name, incident in self._context.product(product).incidents.items()
            if incident.opened.alarm == alarm
        ]
        self._context.record(AlarmCleared(alarm=alarm, reason=reason), *closed, product=product)
