"""Incidents: opened once for each cause, closed when the cause is gone."""

from __future__ import annotations

from windlass.controller.context import LoopContext
from windlass.records.event import IncidentClosed, IncidentOpened
from windlass.records.ids import new_id


class Incidents:
    """Opens and closes; an incident is found again by its title, so a cause that stays is told once."""

    def __init__(self, *, context: LoopContext) -> None:
        self._context = context

    def open(self, product: str, *, title: str, cause: str, remedy: str, alarm: str | None = None) -> None:
        known = self._context.product(product).incidents.values()
        if any(incident.opened.title == title for incident in known):
            return
        incident = new_id("incident", self._context.now)
        opened = IncidentOpened(incident=incident, alarm=alarm, title=title, cause=cause, remedy=remedy)
        self._context.record(opened, product=product)

    def close(self, product: str, *, title: str, resolution: str) -> None:
        for name, incident in self._context.product(product).incidents.items():
            if incident.opened.title == title:
                self._context.record(IncidentClosed(incident=name, resolution=resolution), product=product)

    def close_for_alarm(self, product: str, alarm: str, *, resolution: str) -> None:
        for name, incident in self._context.product(product).incidents.items():
            if incident.opened.alarm == alarm:
                self._context.record(IncidentClosed(incident=name, resolution=resolution), product=product)
