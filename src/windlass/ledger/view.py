"""The present state, kept up to date by reading only what is new."""

from __future__ import annotations

from windlass.ledger.chain import BEGINNING
from windlass.ledger.ledger import Ledger
from windlass.ledger.projection import EMPTY, STATE_KINDS, fold
from windlass.ledger.snapshot import Snapshot, SnapshotFile
from windlass.records.state import WorkspaceState

_KEPT_EVERY = 10_000
"""Events from one snapshot to the next. To fold so many takes about a tenth of a second."""


class StateView:
    """What the ledger's events come to by now; for one thread."""

    def __init__(self, ledger: Ledger, *, snapshots: SnapshotFile | None = None) -> None:
        """`snapshots`: where the state of a long ledger is kept between processes."""
        self._ledger = ledger
        self._snapshots = snapshots
        self._present: Snapshot | None = None
        self._kept = 0
        """The sequence that the snapshot on disk stands at."""

    def refresh(self) -> WorkspaceState:
        """The state after everything that has been written; costs one small read when nothing has."""
        link, state = self._present or self._begin()
        end, new = self._ledger.news(STATE_KINDS, after=link.sequence)
        self._present = Snapshot(end, fold(state, new))
        if self._snapshots is not None and end.sequence - self._kept >= _KEPT_EVERY:
            self._snapshots.write(self._present)
            self._kept = end.sequence
        return self._present.state

    def _begin(self) -> Snapshot:
        """Where the last process left off, if this ledger holds what that one saw."""
        found = None if self._snapshots is None else self._snapshots.read()
        if found is None or not self._ledger.holds(found.link):
            return Snapshot(BEGINNING, EMPTY)
        self._kept = found.link.sequence
        return found
