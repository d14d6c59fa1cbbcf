"""Names for things: sortable by the moment they were made, unique without asking anybody."""

from __future__ import annotations

import os
from datetime import datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u


def new_id(prefix: str, at: datetime) -> str:
    """`prefix-` + 9 characters of the moment (milliseconds) + 10 random ones (50 bits)."""
    stamp = int(at.timestamp() * 1000)
    return f"{prefix}-{_encode(stamp, 9)}{_encode(int.from_bytes(os.urandom(7)) >> 6, 10)}"


def _encode(number: int, width: int) -> str:
    return "".join(_ALPHABET[(number >> (5 * place)) & 31] for place in reversed(range(width)))
