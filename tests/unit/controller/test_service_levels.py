from __future__ import annotations

from dataclasses import replace

import pytest

from windlass.controller.incidents import Incidents
from windlass.controller.releases import Releases
from windlass.controller.service import Service
from windlass.controller.watching import Watching
from windlass.product.policy import Objectives, Release
from windlass.records.event import AlarmCleared, AlarmRaised, ReleaseStarted

from .conftest import POLICIES, PRODUCT, Desk  # type: ignore[import-not-found]

PROMISED = Objectives(availability=0.99, latency_ms=5, quick=0.9, window="7d")


@pytest.fixture
def served(desk: Desk) -> Desk:
    """v1 answers, and the product promises something."""
    desk.declare(replace(POLICIES, release=Release(probation="0s"), objectives=PROMISED))
    desk.register("v1")
    Releases(context=desk.context).step(PRODUCT)
    return desk


def service(desk: Desk) -> Service:
    return Service(context=desk.context, incidents=Incidents(context=desk.context))


def test_failures_raise_an_alarm_once_and_their_end_clears_it(served: Desk) -> None:
    looking = service(served)
    looking.step(PRODUCT)
    for number in range(100):
        served.answer(1, ids=[f"good{number}-0"])
    for number in range(30):
        served.answer(1, ids=[f"bad{number}-0"], error="it raised")
    served.commit(looking)
    looking.step(PRODUCT)
    looking.step(PRODUCT)
    (raised,) = served.bodies(AlarmRaised)
    assert (raised.signal, raised.version) == ("service", None)
    assert "30 of 130 requests missed the availability objective" in raised.decision.reasons[0]
    assert raised.decision.numbers["bad"] == 30
    Watching(context=served.context, incidents=Incidents(context=served.context)).judge(PRODUCT)
    assert raised.alarm in served.state.alarms  # it is about no version
    served.wait(hours=7)
    looking.step(PRODUCT)
    assert [body.alarm for body in served.bodies(AlarmCleared)] == [raised.alarm]
    assert raised.alarm not in served.state.alarms


def test_requests_that_were_turned_away_count_though_they_are_not_captured(served: Desk) -> None:
    looking = service(served)
    for number in range(100):
        served.answer(1, ids=[f"good{number}-0"])
    served.commit(looking)
    looking.step(PRODUCT)
    looking.turned_away(PRODUCT, 25)
    looking.turned_away(PRODUCT, 5)
    looking.step(PRODUCT)
    (raised,) = served.bodies(AlarmRaised)
    assert "30 of 130 requests missed the availability objective" in raised.decision.reasons[0]
    looking.forget(PRODUCT)
    assert looking.spent(PRODUCT)
    served.wait(days=8)
    looking.step(PRODUCT)
    assert not looking.spent(PRODUCT)
    assert [body.alarm for body in served.bodies(AlarmCleared)] == [raised.alarm]


def test_a_spent_budget_holds_releases_until_there_is_some_left(served: Desk) -> None:
    looking = service(served)
    for number in range(40):
        served.answer(1, ids=[f"bad{number}-0"], error="it raised")
    served.commit()
    looking.step(PRODUCT)
    assert looking.spent(PRODUCT)
    served.register("v2")
    leading = Releases(context=served.context, spent=looking.spent)
    assert leading.waits_for(PRODUCT) == "an error budget that is not spent"
    leading.step(PRODUCT)
    assert [body.version for body in served.bodies(ReleaseStarted)] == ["v1"]
    served.wait(days=8)
    looking.step(PRODUCT)
    assert not looking.spent(PRODUCT)
    assert leading.waits_for(PRODUCT) == ""
    leading.step(PRODUCT)
    assert [body.version for body in served.bodies(ReleaseStarted)] == ["v1", "v2"]


def test_a_release_under_way_goes_no_further_meanwhile(served: Desk) -> None:
    served.declare(replace(POLICIES, objectives=PROMISED))
    served.register("v2")
    leading = Releases(context=served.context, spent=lambda _product: True)
    Releases(context=served.context).step(PRODUCT)
    served.wait(hours=1)
    ids = served.answer(40, version="v1")
    served.answer(40, version="v2", stage="shadow", ids=ids)
    served.commit(leading)
    leading.step(PRODUCT)
    assert served.state.release is not None
    assert served.state.release.stage == "shadow"
    Releases(context=served.context).step(PRODUCT)
    assert served.state.release.stage == "canary"


def test_slow_answers_miss_the_other_objective_and_a_canary_that_fails_misses_none(served: Desk) -> None:
    served.declare(replace(POLICIES, objectives=Objectives(availability=0.99, latency_ms=0.5, window="7d")))
    looking = service(served)
    for number in range(40):  # each takes 1 ms
        served.answer(1, ids=[f"r{number}-0"], stage="canary", error="it raised")
        served.answer(1, ids=[f"r{number}-0"])
    served.commit()
    looking.step(PRODUCT)
    (raised,) = served.bodies(AlarmRaised)
    assert raised.decision.numbers["objective"] == "latency"
    again = service(served)  # after a restart, from the lake
    assert [judged.numbers for judged in again._judged(served.state)] == [
        judged.numbers for judged in looking._judged(served.state)
    ]


def test_without_objectives_nothing_is_missed(served: Desk) -> None:
    looking = service(served)
    for number in range(40):
        served.answer(1, ids=[f"bad{number}-0"], error="it raised")
    served.commit()
    looking.step(PRODUCT)
    served.declare(POLICIES)
    looking.step(PRODUCT)
    assert (served.state.alarms, looking.spent(PRODUCT)) == ({}, False)
