"""Values as a person reads them."""

from __future__ import annotations

from typing import Any

import pytest

from windlass.cli.output import say
from windlass.cli.trace import render


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (True, "yes"),
        (0.123456, "0.1235"),
        (4.4092e-05, "4.409e-05"),
        (999.96, "1000"),
        (604800.0, "604800"),
        (-1234567.891, "-1234567.89"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
        (1234567, "1234567"),
        ([0.5, None], "0.5, -"),
        ({"a": 0.25}, "a 0.25"),
    ],
)
def test_a_value_is_shown_as_it_is_read(value: Any, shown: str) -> None:
    assert say(value) == shown


def test_a_trace_shows_what_was_sent_to_the_last_digit_and_waits_in_days(capsys: pytest.CaptureFixture[str]) -> None:
    nothing: dict[str, Any] = {name: {} for name in ("features", "version", "release", "champion", "run", "code")}
    trace = {
        "prediction": {"prediction_id": "p-1", "score": 0.123456789},
        "request": {"amount": 1234567.891011, "count": 7, "word": "a", "gap": None},
        "outcomes": [],
        "data": {"within": 604800.0},
        **nothing,
    }
    render(trace)
    shown = capsys.readouterr().out
    assert "amount  1234567.891011" in shown
    assert "gap  -" in shown
    assert "score  0.1235" in shown
    assert "within  7d" in shown
