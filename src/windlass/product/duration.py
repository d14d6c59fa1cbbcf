"""Durations as people write them: `15m`, `7d`, `1d12h`."""

from __future__ import annotations

import re
from datetime import timedelta

from windlass.errors import ProductError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def parse_duration(text: str | timedelta, *, where: str = "") -> timedelta:
    """`text` as a timedelta; raises ProductError naming `where` when it is not a duration."""
    if isinstance(text, timedelta):
        if text < timedelta():
            raise ProductError(f"{text} is a negative duration", where=where, remedy="give 0 or more")
        return text
    compact = text.replace(" ", "") if isinstance(text, str) else ""
    if not compact or _PART.sub("", compact):
        raise ProductError(
            f"{text!r} is not a duration",
            where=where,
            remedy="write a number and s, m, h, d or w, such as '15m' or '7d'",
        )
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(compact)))
    except OverflowError as error:
        raise ProductError(f"{text!r} is too long", where=where, remedy="write a shorter duration") from error


def format_duration(duration: timedelta) -> str:
    """The shortest text that `parse_duration` reads back: `7d`, `1d12h`, `0s`."""
    left = duration.total_seconds()
    parts = []
    for unit in ("d", "h", "m"):
        count, left = divmod(left, _UNITS[unit])
        if count:
            parts.append(f"{int(count)}{unit}")
    if left or not parts:
        parts.append(f"{left:g}s")
    return "".join(parts)
