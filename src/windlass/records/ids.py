"""Names for things: sortable by the moment they were made, unique without asking anybody."""

from __future__ import annotations

import os
from datetime import UTC, datetime

OF_REQUEST = r"-\d+$"
"""What to cut off a prediction id (a regular expression) to have what all answers of its request share."""
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_MOMENT, _RANDOM = 9, 10


def new_id(prefix: str, at: datetime) -> str:
    """`prefix-` + 9 characters of the moment (milliseconds) + 10 random ones (50 bits)."""
    stamp = int(at.timestamp() * 1000)
    return f"{prefix}-{_encode(stamp, _MOMENT)}{_encode(int.from_bytes(os.urandom(7)) >> 6, _RANDOM)}"


def moment_of(name: str) -> datetime | None:
    """When `new_id` made the name; None for one that it did not make."""
    stamp, digits = 0, name.rpartition("-")[2]
    if len(digits) != _MOMENT + _RANDOM or not set(digits) <= set(_ALPHABET):
        return None
    for digit in digits[:_MOMENT]:
        stamp = stamp * 32 + _ALPHABET.index(digit)
    return datetime.fromtimestamp(stamp / 1000, UTC)


def prediction_ids(at: datetime, count: int) -> tuple[str, ...]:
    """The ids of the answers to one request: `request-0`, `request-1`, ..."""
    base = new_id("p", at)
    return tuple(f"{base}-{place}" for place in range(count))


def _encode(number: int, width: int) -> str:
    """The last `width` digits of `number`, at most ten; two at a time, since every answer needs a few of these."""
    pairs = _PAIRS
    text = (
        pairs[(number >> 40) & 1023]
        + pairs[(number >> 30) & 1023]
        + pairs[(number >> 20) & 1023]
        + pairs[(number >> 10) & 1023]
        + pairs[number & 1023]
    )
    return text[-width:]
