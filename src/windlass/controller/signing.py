"""Has what happened signed, often enough and at the end."""

from __future__ import annotations

import logging

from windlass.controller.context import LoopContext
from windlass.controller.incidents import Incidents
from windlass.errors import LedgerCorrupt, SigningError, WindlassError

log = logging.getLogger(__name__)

TITLE = "the ledger cannot be signed"
_EVENTS = 1000
"""So many that are not signed are signed at once: what is newer than the last checkpoint can be rewritten unnoticed."""
_SECONDS = 300.0
"""Whatever has happened is signed after this real time."""


class Signing:
    """Without a signature the loop goes on, and there is an incident."""

    def __init__(self, *, context: LoopContext, incidents: Incidents) -> None:
        self._context = context
        self._incidents = incidents
        self._signed = 0
        self._tried = float("-inf")
        self._failed = False

    def step(self) -> None:
        """Sign when it is time; right after a start, since the last controller may have had none left to do so."""
        waited = self._context.real_time() - self._tried
        if waited < _SECONDS and (self._failed or self._context.ledger.head() - self._signed < _EVENTS):
            return
        self.sign()

    def sign(self) -> None:
        """Sign everything up to now, if anything has happened."""
        self._tried = self._context.real_time()
        try:
            checkpoint = self._context.notary.sign(
                at=self._context.now, actor=self._context.actor, fence=self._context.held()
            )
        except (SigningError, LedgerCorrupt) as error:
            self._failed = True
            self._tell(error)
        else:
            self._failed = False
            self._signed = checkpoint.sequence
            for product in self._context.state.products:
                self._incidents.close(product, title=TITLE, resolution="it was signed")
                self._context.route(product)  # the first signature has made the key that versions are signed with

    def _tell(self, error: WindlassError) -> None:
        """Every product is concerned: what is told of it rests on the ledger."""
        for product in self._context.state.products:
            if self._incidents.open(product, title=TITLE, cause=error.fault, remedy=error.remedy):
                log.error("%s: %s", TITLE, error)
