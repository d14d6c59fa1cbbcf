from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from windlass.backtest.result import BacktestEvent, BacktestResult, PolicyResult, Timing, WindowSpan
from windlass.records.decision import Decision
from windlass.web.backtest import backtest_page


def result(
    *, events=(), metric: float | None = 0.75, start: str | float = "2024-01-01T00:00:00+00:00"
) -> BacktestResult:
    def policy(name: str, retrains: int) -> PolicyResult:
        score = None if metric is None else metric + retrains / 100
        return PolicyResult(
            metric=score,
            per_window=(score, None),
            retrains=retrains,
            fits=retrains,
            fit_seconds=1.5,
            overhead_seconds=0.25,
            log_loss=0.5,
        )

    return BacktestResult(
        rows=1000,
        task="binary",
        metric="roc_auc",
        larger_is_better=True,
        windows=(WindowSpan(start=start, end=start, rows=400), WindowSpan(start=start, end=start, rows=400)),
        policies={
            name: policy(name, n) for name, n in {"frozen": 0, "every-window": 4, "recent": 2, "windlass": 3}.items()
        },
        events=tuple(events),
        timings={
            name: Timing(fit=1, predict=1, overhead=0.1) for name in ("frozen", "every-window", "recent", "windlass")
        },
        notes=("rows without a <b>time</b> are left out",),
    )


def event(kind: str, reason: str = "", detail: str = "") -> BacktestEvent:
    decision = None
    if reason:
        decision = Decision(
            judgement="decay",
            verdict="alarm",
            reasons=(reason, "second"),
            numbers={},
            at=datetime(2024, 1, 1, tzinfo=UTC),
        )
    return BacktestEvent(
        window=1, at="2024-01-02T00:00:00+00:00", kind=kind, version="v2", decision=decision, detail=detail
    )


def test_curves_events_and_reasons_are_there():
    html = backtest_page(
        result(events=[event("alarm.raised", "the <i>loss</i> rose"), event("champion.changed", detail="rolled back")]),
        title="Backtest of <data>",
    )
    assert "Backtest of &lt;data&gt;" in html
    assert "the &lt;i&gt;loss&lt;/i&gt; rose" in html
    assert "alarm: decay" in html
    assert "rolled back" in html
    assert 'class="marker rollback"' in html
    assert 'class="marker alarm"' in html
    assert html.count('class="curve') == 4
    assert "75% of that gain" in html
    assert "Rows without a &lt;b&gt;time&lt;/b&gt; are left out." in html


def test_a_quiet_backtest_says_so():
    assert "Nothing: no alarm was raised" in backtest_page(result(), title="t")


@pytest.mark.parametrize("start", [3, 2016, 1709251200, 3.0, 0.25])
def test_numbers_serve_as_times(start):
    html = backtest_page(result(start=start), title="t")
    assert f"from {start:.10g} to {start:.10g}" in html


def test_windows_of_one_day_are_told_apart_by_their_time():
    found = result(start="2024-01-01T10:00:00+00:00")
    later = msgspec.structs.replace(found.windows[1], start="2024-01-01T15:30:00+00:00")
    html = backtest_page(msgspec.structs.replace(found, windows=(found.windows[0], later)), title="t")
    assert ">2024-01-01 10:00</text>" in html
    assert ">2024-01-01 15:30</text>" in html
    next_day = msgspec.structs.replace(later, start="2024-01-02T15:30:00+00:00")
    html = backtest_page(msgspec.structs.replace(found, windows=(found.windows[0], next_day)), title="t")
    assert ">2024-01-02</text>" in html


def test_no_metric_at_all_is_a_page_too():
    html = backtest_page(result(metric=None), title="t")
    assert "<dd>-<small>0 retrains</small></dd>" in html
    assert "2 windows have no roc_auc" in html
