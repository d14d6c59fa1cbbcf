"""How much comes, and how soon: what is out of the usual, and how often chance is taken for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from windlass.decisions.arrivals import LEAST_HOURS, MOST_HOURS, ArrivalEvidence, decide_arrivals, is_out, judged_hours
from windlass.records.decision import Decision

NOW = datetime(2026, 1, 5, tzinfo=UTC)
WEEK = 168


def weekly(weeks: int, seed: int, *, mean: float = 400, spread: float = 50, days: float = 0.0) -> np.ndarray[Any, Any]:
    """Rows of hours: nights and weekends have few; each hour varies by more than chance (gamma, then Poisson), and so
    do days as a whole, by a factor of about 1 + `days`."""
    random = np.random.default_rng(seed)
    hour = np.arange(weeks * WEEK)
    level = mean * np.repeat(np.exp(np.random.default_rng(seed + 10_000).normal(0, days, weeks * 7)), 24)
    usual = level * (1.05 - np.cos(2 * np.pi * hour / 24)) * np.where(hour % WEEK < 120, 1.0, 0.4)
    return random.poisson(random.gamma(spread, usual / spread))


def judge(rows: Any, *, ages: Any = None, season: Any = "week") -> Decision:
    rows = np.asarray(rows)
    old = np.full(len(rows), np.nan) if ages is None else np.asarray(ages)
    return decide_arrivals(ArrivalEvidence(first=96, rows=rows, ages=old), season, NOW)


def test_what_is_usual_takes_two_weeks() -> None:
    assert judge(weekly(3, 0)[:LEAST_HOURS]).verdict == "wait"
    assert judge(weekly(3, 0)[: LEAST_HOURS + 1]).verdict == "quiet"
    assert judge([]).verdict == "wait"


@pytest.mark.parametrize(("factor", "departure"), [(0.0, "fewer"), (0.2, "fewer"), (4.0, "more")])
def test_an_hour_of_far_fewer_or_more_rows_is_told(factor: float, departure: str) -> None:
    rows = weekly(4, 1)[: 3 * WEEK + 37]  # ends on Tuesday noon
    usual = rows[-1]
    rows[-1] = round(usual * factor)
    judged = judge(rows)
    assert (judged.verdict, judged.numbers["departure"]) == ("alarm", departure)
    assert judged.reasons[0].startswith(f"In the last hour {round(usual * factor):,} rows came;")
    assert judged.numbers["usual_rows"] == pytest.approx(usual, rel=0.5)


def test_a_night_is_no_outage_where_the_season_is_told_and_hides_one_where_it_is_not() -> None:
    rows = weekly(4, 2)
    night, noon = 3 * WEEK + 24, 3 * WEEK + 36
    assert judge(rows[: night + 1]).verdict == "quiet"
    stopped = rows[: noon + 1].copy()
    stopped[-1] = 0
    assert judge(stopped, season="week").verdict == "alarm"
    assert judge(stopped, season="hour").verdict == "quiet"


def test_an_outage_is_told_in_each_of_its_hours_and_does_not_become_usual() -> None:
    rows = weekly(6, 3)
    for outage in (3 * WEEK + 34, 4 * WEEK + 34):
        rows[outage : outage + 5] = 0
    verdicts = {hour: judge(rows[: hour + 1]).verdict for hour in (537, 538, 542, 543, 706, 710, 711)}
    assert verdicts == {
        537: "quiet", 538: "alarm", 542: "alarm", 543: "quiet", 706: "alarm", 710: "alarm", 711: "quiet"
    }  # fmt: skip


def test_rows_that_come_late_are_told() -> None:
    random = np.random.default_rng(4)
    ages = random.gamma(20, 3, 3 * WEEK)
    ages[-1] = 7200
    judged = judge(weekly(3, 4), ages=ages)
    assert (judged.verdict, judged.numbers["departure"]) == ("alarm", "late")
    usual = judged.numbers["usual_age"]
    assert judged.reasons == (f"Rows of the last hour came 7200 s late on average; {usual:.4g} s are usual.",)
    ages[-1] = 90
    assert judge(weekly(3, 4), ages=ages).verdict == "quiet"


def test_small_counts_and_empty_hours_say_nothing() -> None:
    random = np.random.default_rng(5)
    few = random.poisson(2.0, 4 * WEEK)
    few[-1] = 0
    assert judge(few).verdict == "quiet"
    assert judge(np.zeros(3 * WEEK, dtype=int)).verdict == "quiet"


def test_a_quiet_history_with_a_first_burst_is_told() -> None:
    assert judge([*[0] * (3 * WEEK), 500]).numbers["departure"] == "more"


def test_the_last_eight_weeks_count() -> None:
    rows = weekly(30, 6)
    judged = judge(rows)
    assert judged.numbers["hours"] == MOST_HOURS
    assert judged == decide_arrivals(
        ArrivalEvidence(
            first=96 + len(rows) - MOST_HOURS - 1, rows=rows[-MOST_HOURS - 1 :], ages=np.full(MOST_HOURS + 1, np.nan)
        ),
        "week",
        NOW,
    )


def test_twice_the_furthest_is_as_rare_as_derived(monkeypatch: pytest.MonkeyPatch) -> None:
    """For exponential tails the bound is met exactly: with 8 hours 4 / (9 * 10)."""
    monkeypatch.setattr("windlass.decisions.arrivals.LEAST_HOURS", 8)
    random = np.random.default_rng(7)
    trials = 20_000
    departures = random.laplace(size=(trials, 9))
    rate = float(np.mean([is_out(row[8], row[:8]) for row in departures]))
    assert rate == pytest.approx(4 / 90, abs=4 * np.sqrt(4 / 90 / trials))
    normal = random.normal(size=(trials, 9))
    assert float(np.mean([is_out(row[8], row[:8]) for row in normal])) < 4 / 90


@pytest.mark.parametrize("days", [0.0, 0.3])
def test_chance_alone_is_told_no_more_than_once_a_year(days: float) -> None:
    """12 streams of eight weeks hold 12,108 judged hours: 1.4 false alarms at most on average, 6 once in 300."""
    hours = []
    for seed in range(12):
        rows = weekly(9, 100 + seed, days=days)
        ages = np.random.default_rng(seed).gamma(10, 6, len(rows))
        hours += judged_hours(ArrivalEvidence(first=96, rows=rows, ages=ages), "week")
    assert len(hours) == 12 * (MOST_HOURS + 1 - LEAST_HOURS)
    assert sum(bool(hour.out) for hour in hours) <= 5
