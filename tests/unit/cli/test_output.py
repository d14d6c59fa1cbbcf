"""Values as a person reads them."""

from __future__ import annotations

from typing import Any

import pytest

from windlass.cli.output import say


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
