"""What happens, said while it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windlass.app.describe import describe
from windlass.ledger.ledger import Ledger
from windlass.records import event as events
from windlass.records.event import Body, Event

if TYPE_CHECKING:
    from windlass.app.act import Say

_TOLD: tuple[type[Body], ...] = (
    events.CommandFinished,
    events.ProductPaused,
    events.ProductResumed,
    events.RunStarted,
    events.RunFinished,
    events.RunFailed,
    events.GateDecided,
    events.RecourseDecided,
    events.ReleaseAdvanced,
    events.ReleaseDelayed,
    events.ReleaseApproved,
    events.ExperimentStarted,
    events.ExperimentFinished,
    events.ReleaseFinished,
    events.ChampionChanged,
    events.ReferenceFixed,
    events.AlarmRaised,
    events.AlarmCleared,
    events.IncidentOpened,
    events.IncidentClosed,
)
"""What somebody who looks at the terminal of `windlass up` wants to know; `windlass events` has the rest."""


class Timeline:
    """One line for each event since it was made."""

    def __init__(self, ledger: Ledger, *, say: Say) -> None:
        self._ledger = ledger
        self._say = say
        self._seen = ledger.head()

    def tell(self) -> None:
        """Say what is new."""
        for event in self._ledger.events(_TOLD, after=self._seen):
            self._seen = event.sequence
            if not (isinstance(event.body, events.CommandFinished) and event.body.done):  # what was done says so itself
                self._say(_line(event))


def _line(event: Event) -> str:
    line = f"{event.at:%Y-%m-%d %H:%M:%S} {event.product or 'windlass'}: {describe(event)}"
    if isinstance(event.body, events.IncidentOpened):
        return f"{line}: {event.body.cause}\n  remedy: {event.body.remedy}"
    return line
