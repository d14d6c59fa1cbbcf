"""A version that crashes its workers is told from a machine on which they crash by themselves."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from windlass.decisions.budget import CRASHING
from windlass.decisions.crashing import crashing

BEGAN = datetime(2024, 3, 1, tzinfo=UTC)
WEEK = timedelta(weeks=1)


def after(*gaps: timedelta) -> list[datetime]:
    at, found = BEGAN, []
    for gap in gaps:
        at += gap
        found.append(at)
    return found


def test_what_a_machine_does_in_a_week_is_held_against_nobody() -> None:
    assert crashing([]) is None
    assert crashing(after(timedelta(days=1))) is None
    assert crashing(after(timedelta(hours=1), timedelta(hours=1))) is None, "two may be chance"
    assert crashing(after(*[timedelta(hours=20)] * 3)) is None


@pytest.mark.parametrize("gap", [timedelta(seconds=3), timedelta(seconds=100), timedelta(minutes=20)])
def test_a_version_that_crashes_on_one_row_in_a_thousand_is_found_by_the_third_crash(gap: timedelta) -> None:
    quiet = after(timedelta(days=5))
    crashes = after(timedelta(days=5), *[gap] * 3)
    assert crashing(quiet) is None
    told = crashing(crashes[:3])
    assert "as machines do by themselves" in str(told)


def test_what_crashed_as_often_before_it_does_not_count() -> None:
    crashes = after(*[timedelta(minutes=20)] * 20)
    assert crashing(crashes) is not None
    assert crashing(crashes, before=30, watched=timedelta(hours=10)) is None
    assert crashing(after(*[timedelta(seconds=30)] * 8), before=30, watched=timedelta(hours=10)) is not None
    assert crashing(crashes, before=1, watched=4 * WEEK) is not None, "and seldom crashes do not make it stricter"


@pytest.mark.parametrize("a_week", [1.0, 50.0])
def test_of_weeks_with_crashes_by_chance_fewer_than_promised_withdraw_a_version(a_week: float) -> None:
    dice, withdrawn, weeks = random.Random(5), 0, 20_000
    known = {} if a_week == 1 else {"before": 50, "watched": WEEK}
    for _ in range(weeks):
        at, crashes = BEGAN, []
        while (at := at + WEEK * dice.expovariate(a_week)) < BEGAN + WEEK:
            crashes.append(at)
        withdrawn += crashing(crashes, **known) is not None
    assert withdrawn <= 3 + 2 * CRASHING * weeks
