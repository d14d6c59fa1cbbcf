"""Names for things: sortable by the moment they were made, unique without asking anybody."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b

OF_REQUEST = r"-\d+$"
"""What to cut off a prediction id (a regular expression) to have what all answers of its request share."""
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_MOMENT, _RANDOM = 9, 10
_FROM_BYTE = bytes(ord(_ALPHABET[byte % 32]) for byte in range(256))
"""What a random byte becomes; each character is as likely as any other, since 32 divides 256."""
_SCALE = float(2**64)


def new_id(prefix: str, at: datetime) -> str:
    """`prefix-` + 9 characters of the moment (milliseconds) + 10 random ones (50 bits)."""
    return f"{prefix}-{_stamp(at)}{os.urandom(_RANDOM).translate(_FROM_BYTE).decode()}"


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


def request_of(prediction: str) -> str:
    """The id of the request that is answered by a prediction, where its caller gave none."""
    return "r" + prediction[1:].rpartition("-")[0]


def repeatable_ids(product: str, request_id: str, rows: Sequence[bytes]) -> tuple[str, ...]:
    """As `prediction_ids`, for a request that its caller has named: the same name and the same rows, the same ids."""
    content = blake2b(digest_size=16)
    for part in (product.encode(), request_id.encode(), *rows):
        content.update(len(part).to_bytes(8) + part)
    number = int.from_bytes(content.digest())
    base = f"p-{_encode(number >> 64, _MOMENT)}{_encode(number, _RANDOM)}"
    return tuple(f"{base}-{place}" for place in range(len(rows)))


def place_of(text: str) -> float:
    """A place in [0, 1) that hangs on `text` alone, the same in every process: for shares that stick to a key."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) / _SCALE


@lru_cache(maxsize=1)
def _stamp(at: datetime) -> str:
    """Kept for the next, since requests that are answered together have their moment in common."""
    return _encode(int(at.timestamp() * 1000), _MOMENT)


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
