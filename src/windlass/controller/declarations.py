"""Has the products read, so that the ledger says what each of them declares."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from windlass.controller.context import LoopContext
from windlass.controller.incidents import Incidents
from windlass.engines.job import Job
from windlass.engines.local import LocalEngine
from windlass.errors import LeaseLost, LedgerError, WindlassError
from windlass.pipeline.steps.request import DeclareRequest

log = logging.getLogger(__name__)

UNDECLARED = "the product cannot be read"
_DECLARE = "windlass.pipeline.declaring:declare"
_PATIENCE = 1.0  # seconds between two looks at the lease while one waits for the engine
_SOON = 5.0  # seconds until a product that could not be read is read again
_SELDOM = 300.0


@dataclass(kw_only=True)
class _Retry:
    """When a product that could not be read is read again."""

    due: float
    """In the context's real time."""
    after: float
    """Seconds that were waited for this time."""


class Declarations:
    """The controller imports no user code, so the engine's process reads it and writes down what differs.

    A product that cannot be read is an incident, its champion goes on serving, and it is read again by itself, soon at
    first and more seldom later.
    """

    def __init__(
        self, *, context: LoopContext, engine: LocalEngine, incidents: Incidents, entries: dict[str, str]
    ) -> None:
        self._context = context
        self._engine = engine
        self._incidents = incidents
        self._entries = entries
        self._reading: dict[str, Job] = {}
        self._retries: dict[str, _Retry] = {}

    @property
    def jobs(self) -> tuple[Job, ...]:
        """What the engine reads now, or will read."""
        return tuple(self._reading.values())

    def awaits(self, product: str) -> bool:
        """Whether the product is being read: what the ledger says of it may be old."""
        return product in self._reading

    def read(self, product: str) -> None:
        """Read it and wait until that is done; raises what is wrong with it."""
        job = self._submit(product)
        while not job.wait(_PATIENCE):
            self._context.keep()
        job.result()

    def read_all(self) -> None:
        """Have every product read; `follow` hears what came of it. Nobody waits: importing user code may take long."""
        for product in self._entries:
            self._reading[product] = self._submit(product)

    def again(self, product: str) -> None:
        """Have one read again, if its code is here; `follow` hears what came of it."""
        if product in self._entries and product not in self._reading:
            self._reading[product] = self._submit(product)

    def follow(self) -> None:
        """Hear what came of those that were read, and read again those that could not be."""
        for product in [name for name, job in self._reading.items() if job.done]:
            self._hear(product, self._reading.pop(product))
        for product, retry in self._retries.items():
            if product not in self._reading and self._context.real_time() >= retry.due:
                self._reading[product] = self._submit(product)

    def cancel(self) -> None:
        """Read nothing more."""
        for job in self.jobs:
            job.cancel()
        self._reading.clear()
        self._retries.clear()

    def _submit(self, product: str) -> Job:
        request = DeclareRequest(
            settings=self._context.settings, product=product, entry=self._entries[product], fence=self._context.held()
        )
        return self._engine.submit(_DECLARE, request)

    def _hear(self, product: str, job: Job) -> None:
        try:
            job.result()
        except LeaseLost:
            raise
        except LedgerError:  # it was read, and could not be written down
            self._reading[product] = self._submit(product)
            raise
        except WindlassError as error:
            self._put_off(product)
            remedy = f"{error.remedy or 'mend the product'}; it is read again by itself"
            if self._incidents.open(product, title=UNDECLARED, cause=error.discreet_fault, remedy=remedy):
                log.exception("%s cannot be read", product)
        else:
            self._retries.pop(product, None)
            self._incidents.close(product, title=UNDECLARED, resolution="it was read")

    def _put_off(self, product: str) -> None:
        before = self._retries.get(product)
        after = _SOON if before is None else min(2 * before.after, _SELDOM)
        self._retries[product] = _Retry(due=self._context.real_time() + after, after=after)
