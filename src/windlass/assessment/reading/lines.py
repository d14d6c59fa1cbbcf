"""Where in a text something stands."""

from __future__ import annotations


def line_at(text: str, place: int) -> int:
    """The line of a place, from 1 on; what was not found (-1) counts as the beginning."""
    return text.count("\n", 0, max(place, 0)) + 1
