"""The numbers of a Decision: plain, finite and readable as JSON."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from windlass.records.decision import Decision, Judgement

_MANY = 10
_LARGE, _TOO_LARGE = 9999.5, 1e15
_NOTHING = sys.float_info.min
"""Below it lies what no figure is: the number next to 0, as which a bin may begin."""
Number = float | int | str | bool | None


def decision(
    judgement: Judgement, verdict: str, reasons: Sequence[str], numbers: Mapping[str, Any], now: datetime
) -> Decision:
    """A Decision whose numbers are plain; what is not finite becomes None, since JSON knows no NaN."""
    return Decision(
        judgement=judgement,
        verdict=verdict,
        reasons=tuple(reasons),
        numbers={name: plain(value) for name, value in numbers.items()},
        at=now,
    )


def plain(value: Any) -> Number:
    """`value` as JSON can hold it: numpy scalars unwrapped, NaN and infinities as None, times in ISO 8601."""
    if isinstance(value, datetime):
        return value.isoformat()
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def show(value: float | None) -> str:
    """A figure as a sentence shows it: four significant digits, large ones in full, `undefined` if it is not finite."""
    if value is None or not math.isfinite(value):
        return "undefined"
    if abs(value) < _NOTHING:
        value = 0.0
    return f"{value:,.0f}" if _LARGE <= abs(value) < _TOO_LARGE else f"{value:.4g}"


def show_rise(now: float, before: float) -> str:
    """How much more than before, in brackets: a share of it, or how many times as much; nothing where it was 0."""
    if before <= 0:
        return ""
    times = now / before
    return f" ({times - 1:+.0%})" if times < _MANY else f" ({times:,.0f} times as much)"


def show_moment(moment: datetime) -> str:
    """A moment as a sentence shows it: to the minute, in UTC, as all of Windlass tells times."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
