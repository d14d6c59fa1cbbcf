"""What cleaning took away."""

from __future__ import annotations

import msgspec


class Freed(msgspec.Struct, frozen=True, kw_only=True):
    """Things of one sort that went, or would go."""

    what: str
    """In words, such as `bundles` or `logs of runs`."""
    count: int
    bytes: int | None = None
    """None where it is no matter of files: a database keeps the room for what comes."""
