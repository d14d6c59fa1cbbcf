from __future__ import annotations

from windlass.app.timeline import Timeline
from windlass.records.event import CommandFinished, IncidentOpened, ProductPaused, RunStarted, StepStarted

from .conftest import Office  # type: ignore[import-not-found]


def test_what_happens_is_said_once_with_its_moment_and_product(office: Office) -> None:
    fence = office.hold("controller")
    office.write(ProductPaused(reason="before"), fence=fence)
    timeline = Timeline(office.ledger, say=office.said.append)
    office.write(
        RunStarted(run="r1", trigger="first", reason="There is no champion yet."),
        StepStarted(run="r1", step="extract", key="k"),
        CommandFinished(command="c1", done=True, message="p is paused"),
        CommandFinished(
            command="c2", done=False, message="v1 is the champion already\n  remedy: see `windlass versions`"
        ),
        fence=fence,
    )
    timeline.tell()
    timeline.tell()
    assert office.said == [
        "2026-03-01 12:00:00 p: run started (first): There is no champion yet.",
        "2026-03-01 12:00:00 p: refused: v1 is the champion already",
    ]


def test_an_incident_comes_with_its_cause_and_remedy(office: Office) -> None:
    timeline = Timeline(office.ledger, say=office.said.append)
    office.write(
        IncidentOpened(incident="i", alarm=None, title="training failed", cause="no rows", remedy="send some"),
        fence=office.hold("controller"),
    )
    timeline.tell()
    assert office.said == ["2026-03-01 12:00:00 p: incident: training failed: no rows\n  remedy: send some"]
