"""Removes what nothing kept needs: from ledger, lake, registry and artifacts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from windlass.controller.context import LoopContext
from windlass.controller.incidents import Incidents
from windlass.controller.keeping import kept_versions
from windlass.controller.leftovers import Leftover, leftovers, retirable
from windlass.errors import LedgerCorrupt, LedgerError, SigningError, WindlassError, fault_of
from windlass.ledger.retention import Kept, kept_for
from windlass.records.cleaning import Freed
from windlass.records.event import VersionRetired, WorkspaceCleaned
from windlass.staging import Staging

log = logging.getLogger(__name__)

Show = Callable[[str], None]
"""Told what is being done."""
TITLE = "the workspace cannot be cleaned"
_UNFINISHED = "unfinished files"
_HOURS = 1
"""Real hours for which files of a table are left after they were replaced: a reader may be at work on them."""
_FIRST, _AGAIN = 900.0, 86_400.0
"""Real seconds after a start, and between two times."""


@dataclass(kw_only=True)
class _Tally:
    """What went, by its sort."""

    counts: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)

    def add(self, what: str, count: int, size: int | None) -> None:
        if count:
            self.counts[what] = self.counts.get(what, 0) + count
            if size is not None:
                self.bytes[what] = self.bytes.get(what, 0) + size

    @property
    def freed(self) -> tuple[Freed, ...]:
        return tuple(Freed(what=what, count=count, bytes=self.bytes.get(what)) for what, count in self.counts.items())


class Cleaning:
    """Keeps a workspace bounded. Whoever calls it sees to it that no run is under way, whose files are in use."""

    def __init__(self, *, context: LoopContext, show: Show = lambda _: None) -> None:
        self._context = context
        self._incidents = Incidents(context=context)
        self._show = show
        self._due = context.real_time() + _FIRST

    def step(self) -> None:
        """Clean when it is time: a quarter of an hour after the start, and then once a day."""
        if self._context.real_time() >= self._due:
            self._due = self._context.real_time() + _AGAIN
            try:
                self._context.record(self.clean(), product=None)
            except LedgerError:
                raise
            except (WindlassError, OSError) as error:
                self._tell(error)

    def clean(self) -> WorkspaceCleaned:
        """Remove it all; what was freed is to be recorded by the caller.

        Killed at any point, what is left goes the next time. Raises LeaseLost when somebody else has taken over.
        """
        context, began, before = self._context, self._context.real_time(), self._before
        tally, remarks = _Tally(), []
        versions = self._versions(before)
        kept = kept_for(context.state, versions, before=before)
        self._retire(versions)
        for leftover in self._leftovers(versions, kept):
            self._show(leftover.what)
            tally.add(leftover.what, 1, leftover.bytes)
            Staging(leftover.store, context.held()).remove(leftover.path)
            context.keep()
        for store in context.paths.stores:
            staging = Staging(store, context.held())
            for path in staging.leftovers():
                size = Leftover(what=_UNFINISHED, path=path, store=store).bytes
                tally.add(_UNFINISHED, 1 if size else 0, size)
            staging.clear_leftovers()
        for product, table in self._tables():
            self._show(f"{product}: {table}")
            swept = context.lake.sweep(product, table, hours=_HOURS)
            tally.add("files of tables", swept.files, swept.bytes)
            tally.add("small files put together", swept.merged, None)
            remarks += [swept.remark] if swept.remark else []
            context.keep()
        self._show("ledger")
        try:
            pruned = context.notary.prune(
                kept, at=context.now, actor=context.actor, fence=context.held(), between=context.keep
            )
        except (SigningError, LedgerCorrupt) as error:
            remarks.append(f"no event was removed: {error.fault}")
        else:
            tally.add("events", pruned.removed, None)
        for name in context.state.products:
            self._incidents.close(name, title=TITLE, resolution="it was cleaned")
        seconds = context.real_time() - began
        return WorkspaceCleaned(before=before, seconds=seconds, freed=tally.freed, remarks=tuple(remarks))

    def foresee(self) -> WorkspaceCleaned:
        """What `clean` would remove now. Needs no lease; nothing is changed."""
        context, before, tally = self._context, self._before, _Tally()
        versions = self._versions(before)
        kept = kept_for(context.state, versions, before=before)
        for leftover in self._leftovers(versions, kept):
            tally.add(leftover.what, 1, leftover.bytes)
        for product, table in self._tables():
            swept = context.lake.sweepable(product, table, hours=_HOURS)
            tally.add("files of tables", swept.files, swept.bytes)
            tally.add("small files put together", swept.merged, None)
        tally.add("events", context.ledger.prunable(kept), None)
        return WorkspaceCleaned(before=before, seconds=0.0, freed=tally.freed)

    def _tell(self, error: WindlassError | OSError) -> None:
        """Of every product: the room is every product's."""
        for name in self._context.state.products:
            told = self._incidents.open(
                name,
                title=TITLE,
                cause=fault_of(error),
                remedy="all goes on, and takes more room each day: see to it, then run `windlass clean`",
            )
            if told:
                log.error("%s: %s", TITLE, error)

    @property
    def _before(self) -> datetime:
        return self._context.now - timedelta(days=self._context.settings.keep_days)

    def _versions(self, before: datetime) -> dict[str, frozenset[str]]:
        """Product -> the versions that stay."""
        return {
            name: kept_versions(
                product,
                newest=self._context.settings.keep_versions,
                answering=self._context.lake.answering(name, since=before),
            )
            for name, product in self._context.state.products.items()
        }

    def _retire(self, versions: dict[str, frozenset[str]]) -> None:
        """Say which bundles are about to go, so that none is missed afterwards."""
        for name, product in self._context.state.products.items():
            gone = [product.versions[version] for version in retirable(product, versions[name])]
            reason = f"older than {self._context.settings.keep_days:g} days and not needed any more"
            bodies = [VersionRetired(version=each.version, digest=each.digest, reason=reason) for each in gone]
            self._context.record(*bodies, product=name)

    def _leftovers(self, versions: dict[str, frozenset[str]], kept: Kept) -> list[Leftover]:
        context = self._context
        return [
            leftover
            for name, product in context.state.products.items()
            for leftover in leftovers(
                context.paths,
                context.ledger,
                product,
                kept=versions[name],
                runs=kept.runs,
                before=kept.before,
                now=context.now,
            )
        ]

    def _tables(self) -> list[tuple[str, str]]:
        lake = self._context.lake
        return [(product, table) for product in lake.products() for table in lake.names(product)]
