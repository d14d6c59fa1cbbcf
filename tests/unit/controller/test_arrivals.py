"""How much comes in is held to what is usual."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from windlass.controller.arrivals import Arrivals
from windlass.controller.incidents import Incidents
from windlass.controller.releases import Releases
from windlass.controller.watching import Watching
from windlass.decisions.arrivals import LEAST_HOURS
from windlass.product.policy import Objectives, Release
from windlass.records.event import AlarmCleared, AlarmRaised, IncidentOpened

from .conftest import NOON, POLICIES, PRODUCT, Desk  # type: ignore[import-not-found]

WATCHED = replace(POLICIES, release=Release(probation="0s"), objectives=Objectives(arrivals="day"))
USUAL = 30


@pytest.fixture
def fed(desk: Desk) -> Desk:
    """v1 answers about thirty rows an hour, for a bit more than two weeks."""
    desk.declare(WATCHED)
    desk.register("v1")
    Releases(context=desk.context).step(PRODUCT)
    for hour in range(LEAST_HOURS + 2):
        desk.clock.move_to(NOON + timedelta(hours=hour))
        desk.answer(USUAL + hour % 5)
    return desk


def arrivals(desk: Desk) -> Arrivals:
    return Arrivals(context=desk.context, incidents=Incidents(context=desk.context))


def test_silence_is_told_once_and_its_end_clears_it(fed: Desk) -> None:
    fed.commit()
    watching = arrivals(fed)
    fed.clock.move_to(fed.clock.now() + timedelta(minutes=50))
    watching.step(PRODUCT)
    assert fed.bodies(AlarmRaised) == []
    fed.clock.move_to(fed.clock.now() + timedelta(minutes=76))  # past the end of an hour without any row
    watching.step(PRODUCT)
    watching.step(PRODUCT)
    (raised,) = fed.bodies(AlarmRaised)
    assert (raised.signal, raised.version, raised.decision.numbers["departure"]) == ("quality", None, "fewer")
    assert raised.decision.reasons == ("In the last hour 0 rows came; 32 are usual then.",)
    (opened,) = fed.bodies(IncidentOpened)
    assert (opened.cause, opened.alarm) == (raised.decision.reasons[0], raised.alarm)
    Watching(context=fed.context, incidents=Incidents(context=fed.context)).judge(PRODUCT)
    assert raised.alarm in fed.state.alarms  # it is about no version
    fed.answer(USUAL)
    fed.commit(watching)
    fed.clock.move_to(fed.clock.now() + timedelta(hours=1))
    watching.step(PRODUCT)
    assert [body.alarm for body in fed.bodies(AlarmCleared)] == [raised.alarm]


def test_a_restart_judges_the_same_from_the_lake(fed: Desk) -> None:
    fed.commit()
    watching = arrivals(fed)
    watching.step(PRODUCT)
    fed.clock.move_to(fed.clock.now() + timedelta(hours=2, minutes=6))
    for each in (watching, arrivals(fed)):
        each.step(PRODUCT)
    assert len(fed.bodies(AlarmRaised)) == 1


def test_who_declares_nothing_is_told_nothing(fed: Desk) -> None:
    fed.commit()
    watching = arrivals(fed)
    fed.clock.move_to(fed.clock.now() + timedelta(hours=2, minutes=6))
    watching.step(PRODUCT)
    assert len(fed.state.alarms) == 1
    fed.declare(replace(WATCHED, objectives=Objectives()))
    watching.step(PRODUCT)
    assert fed.state.alarms == {}
    assert fed.bodies(AlarmCleared)[0].reason == "how much comes is not watched any more"
