"""What is told of a figure when some of it is not known."""

from __future__ import annotations

import pytest

from windlass.app.performance import Span
from windlass.cli.performance import told


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (Span(value=0.7, lower=0.65, upper=0.75), "0.700 (0.650 to 0.750)"),
        (Span(value=0.7, lower=None, upper=None), "0.7"),
        (Span(value=None, lower=0.65, upper=0.75), "0.650 to 0.750"),
        (Span(value=None, lower=4.6, upper=None), "4.600 to any"),
        (Span(value=None, lower=None, upper=None), "-"),
    ],
)
def test_a_figure_is_told_as_far_as_it_is_known(span: Span, words: str) -> None:
    assert told(span) == words
