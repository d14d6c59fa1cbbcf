"""Whoever holds the lease while somebody else waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable

from windlass.records.lease import Lease


class Holder:
    """What has been seen of the holder. That it does its work shows in its renewing the lease, and in nothing else. A
    dead one's lease stands as it was until it runs out, unless it is known that its process has ended."""

    def __init__(
        self, *, seconds: float, ended: Callable[[Lease], bool], real_time: Callable[[], float] = time.monotonic
    ) -> None:
        """`seconds`: for which leases are given. `ended`: whether it is known that the process of a lease has ended
        (`windlass.app.presence`). `real_time`: seconds of a clock that nobody sets."""
        self._seconds = seconds
        self._ended = ended
        self._real_time = real_time
        self._first: Lease | None = None
        self._last: Lease | None = None
        self._changed = real_time()

    def see(self, lease: Lease | None) -> bool:
        """Take in the lease as it is now; whether there is something new to tell."""
        told = self._known()
        if lease != self._last:
            self._changed = self._real_time()
        self._last = lease
        if lease is not None and (self._first is None or self._first.token != lease.token):
            self._first = lease  # another holder: how the one before fared says nothing of this one
        return lease is not None and self._known() != told

    @property
    def alive(self) -> bool:
        """Whether it has renewed the lease since it was first seen."""
        return self._first is not None and self._last is not None and self._last.expires_at != self._first.expires_at

    @property
    def silent(self) -> Lease | None:
        """The lease, if its holder has ended, or it has been seen unchanged for longer than leases are given for.

        It has run out then, whatever its date says: the clock may have been set back since, or the machine restarted.
        """
        lease, unchanged = self._last, self._real_time() - self._changed
        return lease if lease is not None and (unchanged > self._seconds or self._ended(lease)) else None

    def __str__(self) -> str:
        if self._first is None:
            return "nobody holds the lease"
        if self.alive:
            return f"{self._first.holder} holds the lease and is alive"
        runs_out = f"it runs out within {self._seconds:g} s"
        return f"{self._first.holder} holds the lease; if that process is dead, {runs_out}"

    def _known(self) -> tuple[int, bool]:
        return (0 if self._first is None else self._first.token, self.alive)
