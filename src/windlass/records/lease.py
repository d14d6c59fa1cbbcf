"""Who may act."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Fence(msgspec.Struct, frozen=True, kw_only=True):
    """Proof of holding the lease; checked in the same transaction as whatever is written with it."""

    holder: str
    token: int
    """Rises with every change of holder; a lower one is refused for ever."""


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the lease now."""

    holder: str
    token: int
    expires_at: datetime
    """By the clock of leases, which need not be that of the day: they are about processes, not about data."""
