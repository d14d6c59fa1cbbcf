"""Error budgets and burn rates, by the rule of the Site Reliability Workbook."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from windlass.decisions.service import LEAST, ServiceEvidence, decide_service, is_spent
from windlass.records.decision import Decision

MONTH = timedelta(days=28)


def served(
    now: datetime, *, share: float, lasts: timedelta, ago: timedelta = timedelta(), a_minute: int = 100
) -> Decision:
    """28 days in which `share` of the requests of one stretch were bad, which ended `ago`; the objective is 99.9 %."""
    minutes = int(now.timestamp() // 60) - np.arange(28 * 24 * 60)[::-1]
    asked = np.full(len(minutes), a_minute)
    ended = len(minutes) - int(ago.total_seconds() // 60)
    began = ended - int(lasts.total_seconds() // 60)
    bad = np.zeros(len(minutes), dtype=np.int64)
    bad[began:ended] = round(share * a_minute)
    evidence = ServiceEvidence(minutes=minutes, asked=asked, bad=bad)
    return decide_service(evidence, name="availability", target=0.999, window=MONTH, now=now)


@pytest.mark.parametrize(
    ("share", "lasts", "verdict"),
    [
        (0.05, timedelta(hours=1), "alarm"),  # 50 times too fast
        (0.01, timedelta(hours=1), "quiet"),  # 10 times: within an hour that is allowed
        (0.01, timedelta(hours=6), "alarm"),  # and within six it is not
        (0.05, timedelta(minutes=10), "quiet"),  # over before an hour's part of the budget is spent
        (0.0, timedelta(hours=1), "quiet"),
    ],
)
def test_an_alarm_is_a_matter_of_rate_and_duration(share: float, lasts: timedelta, verdict: str, now: datetime) -> None:
    judged = served(now, share=share, lasts=lasts)
    assert (judged.judgement, judged.verdict) == ("service", verdict)


def test_what_is_over_is_no_alarm(now: datetime) -> None:
    assert served(now, share=0.05, lasts=timedelta(hours=1)).verdict == "alarm"
    over = served(now, share=0.05, lasts=timedelta(hours=1), ago=timedelta(minutes=31))
    assert over.verdict == "quiet"
    assert "of its error budget is left" in over.reasons[0]


def test_a_slow_burn_is_found_by_the_long_window(now: datetime) -> None:
    """0.3 % for three days: three times as fast as the budget allows, and as little as a tenth of it in three days."""
    assert served(now, share=0.003, lasts=timedelta(days=3), a_minute=1000).verdict == "alarm"


def test_the_budget_that_is_left(now: datetime) -> None:
    judged = served(now, share=0.1, lasts=timedelta(hours=2))
    assert judged.numbers["budget_left"] == pytest.approx(1 - 120 * 10 / (28 * 24 * 60 * 100 * 0.001))
    assert not is_spent(judged)
    spent = served(now, share=0.5, lasts=timedelta(hours=2))
    assert is_spent(spent)


def test_few_failures_of_few_requests_are_no_alarm(now: datetime) -> None:
    minutes = np.array([int(now.timestamp() // 60)])
    for bad, verdict in ((LEAST - 1, "quiet"), (LEAST, "alarm")):
        evidence = ServiceEvidence(minutes=minutes, asked=np.array([20]), bad=np.array([bad]))
        judged = decide_service(evidence, name="latency", target=0.99, window=MONTH, now=now)
        assert (judged.verdict, is_spent(judged)) == (verdict, verdict == "alarm")


def test_nothing_asked_is_nothing_missed(now: datetime) -> None:
    nothing = np.zeros(0, dtype=np.int64)
    evidence = ServiceEvidence(minutes=nothing, asked=nothing, bad=nothing)
    judged = decide_service(evidence, name="availability", target=0.999, window=MONTH, now=now)
    assert (judged.verdict, judged.numbers["budget_left"]) == ("quiet", 1.0)
