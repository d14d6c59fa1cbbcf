"""Erases a person's rows for good: from the lake, from what waits for it, and from what was made of it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from secrets import token_hex

import msgspec

from windlass.controller.context import LoopContext
from windlass.controller.erasure_file import hashed, read_erasure, write_erasure
from windlass.controller.incidents import Incidents
from windlass.errors import LedgerError, PinBroken, RegistryError, UsageError, WindlassError, fault_of
from windlass.lake.reader import list_segments
from windlass.lake.table import Held
from windlass.ledger.erasures import read_since
from windlass.records.data import DataPin
from windlass.records.erasure import Erasure
from windlass.records.event import BackupMade, CommandFinished, CommandRequested, CommandWithdrawn, DataErased
from windlass.records.ids import moment_of
from windlass.records.state import PendingCommand, ProductState
from windlass.staging import Staging

log = logging.getLogger(__name__)


_UNASKED = timedelta(hours=1)
"""The file is written a moment before the request; after this, none comes any more."""
TITLE = "an erasure cannot be finished"


@dataclass(frozen=True, kw_only=True)
class Erased:
    """What came of it."""

    body: DataErased
    message: str
    then: Callable[[], None]
    """To be done once that is written."""


class Erasing:
    """Works from the file that whoever asks has written; nobody may train meanwhile, since a run holds rows.

    Once the training sets as they will read are written down there is no way back, whoever takes his request back or is
    killed: whoever holds the lease then goes on. Every part may be repeated, and leaves out what is done.
    """

    def __init__(self, *, context: LoopContext) -> None:
        self._context = context
        self._incidents = Incidents(context=context)

    def erase(self, pending: PendingCommand, *, busy: bool) -> Erased | None:
        """What was erased; None while serving workers, a run or a backup still hold files with such rows.

        Raises UsageError when it is not begun at all.
        """
        erasure = read_erasure(self._context.paths, pending.request.command)
        if erasure is None:
            raise UsageError("what is to be erased is not told any more", remedy="ask again: `windlass data erase`")
        if busy and erasure.segments is None:
            raise UsageError("a run is under way, which holds rows", remedy="ask again when it is done")
        return None if busy else self._carried_on(erasure, by=f"{pending.actor}: {pending.request.reason}")

    def go_on(self) -> None:
        """Bring to an end what nobody waits for any more, and remove the files of requests that are over."""
        files = sorted(self._context.paths.erasure("any").parent.glob("*.json"))
        pending = {each.request.command for each in self._context.state.pending} if files else set()
        for path in files:
            erasure = read_erasure(self._context.paths, path.stem)
            if erasure is None or erasure.command in pending:
                continue
            if self._context.ledger.events((CommandFinished,), subject=erasure.command):
                path.unlink(missing_ok=True)
                continue
            withdrawn = self._context.ledger.events((CommandWithdrawn,), subject=erasure.command)
            if self._never_asked(erasure) or (withdrawn and erasure.repinned is None):
                path.unlink(missing_ok=True)
            elif withdrawn:
                asked = self._context.ledger.events((CommandRequested,), subject=erasure.command)[0]
                done = self._carried_on(erasure, by=f"{asked.actor}: {getattr(asked.body, 'reason', '')}")
                if done is not None:
                    self._finish(erasure, done)

    def _never_asked(self, erasure: Erasure) -> bool:
        """Whether who wrote the file was killed before he could ask."""
        if self._context.ledger.events((CommandRequested,), subject=erasure.command):
            return False
        began = moment_of(erasure.command)
        return began is not None and began < self._context.now - _UNASKED

    def _finish(self, erasure: Erasure, done: Erased) -> None:
        finished = CommandFinished(command=erasure.command, done=True, message=done.message)
        self._context.record(done.body, finished, product=erasure.product)
        done.then()

    def _carried_on(self, erasure: Erasure, *, by: str) -> Erased | None:
        """As `erase`. What goes wrong after the point of no return is an incident, and is tried again."""
        try:
            done = self._erased(erasure, by=by)
        except LedgerError:
            raise
        except (WindlassError, OSError) as error:
            begun = read_erasure(self._context.paths, erasure.command)
            if begun is None or begun.repinned is None:
                raise
            told = self._incidents.open(
                erasure.product,
                title=TITLE,
                cause=fault_of(error),
                remedy="it is tried again at every look; some of the rows may be gone already",
            )
            if told:
                log.exception("%s", TITLE)
            return None
        if done is not None:
            self._incidents.close(erasure.product, title=TITLE, resolution="it is done")
        return done

    def _erased(self, erasure: Erasure, *, by: str) -> Erased | None:
        context, product = self._context, self._context.product(erasure.product)
        freed = self._freed(erasure)
        if freed is None:
            return None
        column = None if product.declared is None else product.declared.task.get("key")
        begun = freed if freed.repinned is not None else self._repinned(product, freed, column)
        repinned = begun.repinned or {}
        try:
            mark = f"windlass.erased.{begun.command}"
            rows = context.lake.erase(product.name, column=column, key=begun.key, mark=mark)
        except Held as error:
            log.info("%s", error.fault)
            return None
        context.keep()
        self._forget(product.name)
        for pin in repinned.values():
            context.lake.read(pin)
        body = DataErased(
            key=hashed(context.paths, begun.key), reason=by, rows=rows, repinned=repinned, broken=begun.broken
        )
        path = context.paths.erasure(begun.command)
        return Erased(body=body, message=self._told(product, body), then=lambda: path.unlink(missing_ok=True))

    # -- what is not in the lake yet ---------------------------------------------------------------------------------

    def _freed(self, erasure: Erasure) -> Erasure | None:
        """Have the segments of now brought into the lake; None until the workers have let go of all of them."""
        context, folder = self._context, self._context.paths.segments(erasure.product)
        if erasure.segments is None:
            found = [segment.path for segments in list_segments(folder).values() for segment in segments]
            erasure = msgspec.structs.replace(
                erasure, segments=tuple(path.relative_to(context.paths.root).as_posix() for path in found)
            )
            write_erasure(context.paths, erasure)
            if found:
                context.paths.let_go(erasure.product).write_text(token_hex(8))
        while context.lake.commit_segments(erasure.product, folder, context.now).more:
            context.keep()
        left = [name for name in erasure.segments or () if (context.paths.root / name).exists()]
        return None if left else erasure

    # -- the lake ----------------------------------------------------------------------------------------------------

    def _repinned(self, product: ProductState, erasure: Erasure, column: str | None) -> Erasure:
        """Fix how each kept training set will read, and write it down before the first row goes."""
        repinned: dict[str, DataPin] = {}
        broken = []
        for version in product.versions.values():
            if version.retired:
                continue
            try:
                pinned = self._context.registry.manifest(product.name, version.digest).pin
                if pinned is None:
                    continue
                pin, _ = read_since(self._context.ledger, product.name, version.version, pinned)
                left = self._context.lake.repin(pin, column=column, key=erasure.key)
            except (PinBroken, RegistryError) as error:
                log.warning("%s: %s", version.version, error.fault)
                broken.append(version.version)
                continue
            if left != pin:
                repinned[version.version] = left
            self._context.keep()
        erasure = msgspec.structs.replace(erasure, repinned=repinned, broken=tuple(broken))
        write_erasure(self._context.paths, erasure)
        return erasure

    # -- what was made of it -----------------------------------------------------------------------------------------

    def _forget(self, product: str) -> None:
        """Outputs of steps, what killed processes left, and logs in which user code may have printed rows."""
        paths, fence = self._context.paths, self._context.held()
        staging = Staging(paths.artifacts, fence)
        runs = paths.run(product, "any").parent
        going = [*_entries(paths.step(product, "any").parent), *_entries(paths.reproduction(product, "any").parent)]
        for path in [*going, *runs.glob("*/*.log")]:
            staging.remove(path)
            self._context.keep()
        for store in paths.stores:
            Staging(store, fence).clear_leftovers()
        for path in paths.log.parent.glob(f"{paths.log.name}*"):
            os.truncate(path, 0)  # a log shows values where something was wrong with them; others go on writing to it

    def _told(self, product: ProductState, erased: DataErased) -> str:
        counts = ", ".join(f"{rows:,} of {table}" for table, rows in sorted(erased.rows.items()) if rows)
        parts = [f"erased {counts}" if counts else "there was no row of this key"]
        if erased.repinned:
            names = ", ".join(erased.repinned)
            parts.append(f"the training sets of {names} are recorded anew; the models keep what they learned")
        if erased.broken:
            parts.append(f"the training sets of {', '.join(erased.broken)} did not read as pinned, and are left so")
        copies = [event for event in self._context.ledger.events((BackupMade,)) if isinstance(event.body, BackupMade)]
        if copies:
            places = sorted({event.body.place for event in copies if isinstance(event.body, BackupMade)})
            parts.append(f"backups made before hold the rows still: {', '.join(places)}")
        damaged = sorted(self._context.paths.segments(product.name).rglob("*.corrupt"))
        if damaged:
            parts.append(f"damaged segments that were set aside may hold some: {', '.join(map(str, damaged))}")
        return "; ".join(parts)


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
