"""Calls of a champion that hang: an incident, and what is held against a version in probation."""

from __future__ import annotations

import msgspec
import pytest

from windlass.controller.hangs import Hangs
from windlass.controller.incidents import Incidents
from windlass.records.event import IncidentClosed, IncidentOpened
from windlass.records.state import ReleaseState
from windlass.release import director
from windlass.serving.supervisor import ServingEvent

from .conftest import NOON, POLICIES, PRODUCT, Desk  # type: ignore[import-not-found]


@pytest.fixture
def hangs(desk: Desk) -> Hangs:
    """v2 is in probation, after v1."""
    for name in ("v1", "v2"):
        promote(desk, name)
    return Hangs(context=desk.context, incidents=Incidents(context=desk.context))


def promote(desk: Desk, name: str) -> None:
    if name not in desk.state.versions:
        desk.register(name)
    bodies = director.install(
        desk.state,
        desk.state.versions[name],
        policies=POLICIES,
        release=f"release of {name}",
        now=NOON,
        reason="test",
        probation=True,
    )
    desk.write(*bodies)


def hang(hangs: Hangs, version: str, worker: str = "w0") -> None:
    told = f"version {version}: no answer in 30 s for 1 row, at line 7 of lateness.py (features)"
    hangs.take(ServingEvent(kind="hangs", worker=worker, product=PRODUCT, detail=told))


def release_of(desk: Desk) -> ReleaseState:
    found = desk.state.release
    assert (found.version, found.previous, found.stage) == ("v2", "v1", "probation")
    return found  # type: ignore[no-any-return]


def test_it_is_one_incident_until_none_has_hung_for_a_while(desk: Desk, hangs: Hangs) -> None:
    for worker in ("w0", "w1"):
        hang(hangs, "v2", worker)
    (opened,) = desk.bodies(IncidentOpened)
    assert opened.title == "v2 does not answer"
    assert opened.cause.endswith("for 1 row, at line 7 of lateness.py (features), in worker w0")
    assert "`answer_seconds`" in opened.remedy
    desk.wait(minutes=8)
    hang(hangs, "v2")
    desk.wait(minutes=8)
    hangs.look(PRODUCT)
    assert desk.bodies(IncidentClosed) == []
    desk.wait(minutes=3)
    hangs.look(PRODUCT)
    (closed,) = desk.bodies(IncidentClosed)
    assert closed.resolution == "no call of v2 has hung since"


def test_another_controller_closes_what_it_has_not_opened(desk: Desk, hangs: Hangs) -> None:
    hang(hangs, "v2")
    later = Hangs(context=desk.context, incidents=Incidents(context=desk.context))
    later.look(PRODUCT)
    assert desk.state.incidents
    desk.wait(minutes=11)
    later.look(PRODUCT)
    assert desk.state.incidents == {}


def test_two_calls_withdraw_a_version_in_probation_and_one_does_not(desk: Desk, hangs: Hangs) -> None:
    hang(hangs, "v2")
    assert hangs.against(PRODUCT, release_of(desk)) is None, "once may be chance"
    hang(hangs, "v2", "w1")
    assert str(hangs.against(PRODUCT, release_of(desk))).startswith("2 calls of it have hung; the last: version v2: no")
    another = msgspec.structs.replace(release_of(desk), version="v3")
    assert hangs.against(PRODUCT, another) is None


def test_what_the_version_before_hung_on_as_often_is_held_against_none(desk: Desk) -> None:
    promote(desk, "v1")
    hangs = Hangs(context=desk.context, incidents=Incidents(context=desk.context))
    for _ in range(2):
        hang(hangs, "v1")
    promote(desk, "v2")
    for _ in range(2):
        hang(hangs, "v2")
    assert hangs.against(PRODUCT, release_of(desk)) is None
    hang(hangs, "v2")
    assert hangs.against(PRODUCT, release_of(desk)) is not None


def test_what_is_no_champion_any_more_is_told_of_no_more(desk: Desk, hangs: Hangs) -> None:
    hang(hangs, "v2")
    promote(desk, "v1")
    hang(hangs, "v2")
    hangs.look(PRODUCT)
    assert len(desk.bodies(IncidentOpened)) == 1
    assert desk.bodies(IncidentClosed)[0].resolution == "v2 does not answer everybody any more"
