"""Whoever holds the lease while somebody else waits for it."""

from __future__ import annotations

from windlass.records.lease import Lease


class Holder:
    """What has been seen of the holder. That a process is alive shows in its renewing the lease, and in nothing else:
    a dead one's lease stands as it was until it runs out."""

    def __init__(self) -> None:
        self._first: Lease | None = None
        self._last: Lease | None = None

    def see(self, lease: Lease | None) -> bool:
        """Take in the lease as it is now; whether there is something new to tell."""
        told = self._known()
        self._last = lease
        if lease is not None and (self._first is None or self._first.token != lease.token):
            self._first = lease  # another holder: how the one before fared says nothing of this one
        return lease is not None and self._known() != told

    @property
    def alive(self) -> bool:
        """Whether it has renewed the lease since it was first seen."""
        return self._first is not None and self._last is not None and self._last.expires_at > self._first.expires_at

    def __str__(self) -> str:
        if self._first is None:
            return "nobody holds the lease"
        if self.alive:
            return f"{self._first.holder} holds the lease and is alive"
        until = f"{self._first.expires_at:%H:%M:%S} UTC"
        return f"{self._first.holder} holds the lease until {until}, when it runs out if that process is dead"

    def _known(self) -> tuple[int, bool]:
        return (0 if self._first is None else self._first.token, self.alive)
