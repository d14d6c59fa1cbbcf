from __future__ import annotations

import pytest

from windlass.decisions.figures import show, show_rise


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"),
        (-5e-324, "0"),
        (0.00001234, "1.234e-05"),
        (1234.56, "1235"),
        (9999.6, "10,000"),
        (-1234567.8, "-1,234,568"),
        (1e15, "1e+15"),
        (None, "undefined"),
        (float("nan"), "undefined"),
        (float("inf"), "undefined"),
    ],
)
def test_a_figure_in_a_sentence(value, text):
    assert show(value) == text


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [(0.3, 0.2, " (+50%)"), (0.1, 0.2, " (-50%)"), (0.3, 1.5e-5, " (20,000 times as much)"), (0.3, 0.0, "")],
)
def test_a_rise_is_told_as_a_share_or_as_how_many_times(now: float, before: float, said: str) -> None:
    assert show_rise(now, before) == said
