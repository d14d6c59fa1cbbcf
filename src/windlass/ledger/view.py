"""The present state, kept up to date by reading only what is new."""

from __future__ import annotations

from windlass.ledger.ledger import Ledger
from windlass.ledger.projection import EMPTY, STATE_KINDS, fold
from windlass.records.state import WorkspaceState


class StateView:
    """What the ledger's events come to by now; for one thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._read_to = 0
        self._state = EMPTY

    def refresh(self) -> WorkspaceState:
        """The state after everything that has been written; costs one small read when nothing has."""
        head = self._ledger.head()
        if head > self._read_to:
            new = self._ledger.events(STATE_KINDS, after=self._read_to)
            self._state = fold(self._state, new)
            self._read_to = head  # what came in since is read again next time, and passed over by the fold
        return self._state
