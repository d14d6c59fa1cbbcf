"""Where the holder of the lease prepares files, and the one way by which they get into their places.

A holder has a folder of its own in every store, made when it got the lease and never made again. Whatever is to appear
is put together in there and appears by one rename. Whoever takes over moves the folder away first, so a rename that its
predecessor had in mind finds nothing to rename: the rename itself is the fence (docs/explanation/crashes.md).
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from windlass.crashpoints import crashpoint
from windlass.errors import LeaseLost
from windlass.records.lease import Fence
from windlass.records.paths import STAGING

log = logging.getLogger(__name__)

_TOKEN = re.compile(r"token-(\d+)")


def newest_token(stores: Iterable[Path]) -> int:
    """The highest token that ever began in one of the stores and was not succeeded; 0 when there was none.

    The folder of the last holder stays, so a ledger that was put back or begun anew beside them shows by it.
    """
    names = (path.name for store in stores for path in (store / STAGING).glob("token-*"))
    return max((int(found[1]) for name in names if (found := _TOKEN.fullmatch(name)) is not None), default=0)


class Staging:
    """The holder's folder in one store. It lies in the store, so that a rename never leaves its filesystem.

    Everything but `begin` and `retire_predecessors` may be done by any process that works under the same fence.
    """

    def __init__(self, store: Path, fence: Fence | None) -> None:
        """`fence` None: for a process that only reads; whatever else it asks for is refused with LeaseLost."""
        self._all = store / STAGING
        self._fence = fence

    @property
    def token(self) -> int:
        """The holder's token; raises LeaseLost when this process works under no fence."""
        if self._fence is None:
            raise LeaseLost(
                "this process does not hold the lease",
                where=str(self._all.parent),
                remedy="only its holder may write here: acquire the lease, or let the holder act",
            )
        return self._fence.token

    @property
    def folder(self) -> Path:
        return self._all / f"token-{self.token}"

    # -- at a take-over ----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Make the folder, right after the lease was acquired; nobody else has this token."""
        self._all.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir()

    def retire_predecessors(self) -> None:
        """Move every predecessor's folder away, so that nothing of theirs can be put in place any more.

        Raises LeaseLost when there is a successor: then it is this process that has been retired.
        """
        for folder in list(self._all.iterdir()):
            if folder == self.folder or folder.name.startswith("retired-"):
                continue
            token = _TOKEN.fullmatch(folder.name)
            if token is not None and int(token[1]) > self.token:
                raise self._lost()
            try:
                folder.rename(self._all / f"retired-{uuid4().hex}")
            except FileNotFoundError:
                continue  # a successor did it: what comes next here tells this process so

    def clear_retired(self) -> None:
        """Delete what was moved away, now or by a take-over that did not come to its end."""
        for folder in self._all.glob("retired-*"):
            _delete(folder)

    # -- for the holder ----------------------------------------------------------------------------------------------

    def make(self, group: str, name: str) -> Path:
        """A new empty folder in the folder of `group`; what a killed process left under the name is deleted."""
        folder = self.folder / group / name
        try:
            folder.parent.mkdir(exist_ok=True)
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir()
        except FileNotFoundError as error:
            raise self._lost() from error
        return folder

    def foreign(self) -> Path:
        """A new empty folder for a library that makes whatever folder it misses.

        Woken up after a take-over it would make the holder's folder anew, which must never come back. So this one lies
        beside it, and enters it when it is written (`adopt`).
        """
        folder = self._all / f"foreign-{self.token}-{uuid4().hex}"
        folder.mkdir()
        return folder

    def adopt(self, foreign: Path, group: str) -> Path:
        """Move what a library wrote into the folder of `group`; where it lies then. Raises LeaseLost as `put` does."""
        staged = self.folder / group / foreign.name
        try:
            staged.parent.mkdir(exist_ok=True)
            foreign.rename(staged)
        except FileNotFoundError as error:
            raise self._lost() from error
        return staged

    @contextmanager
    def writing(self, target: Path) -> Iterator[BinaryIO]:
        """A file to write; when all went well it is synced and takes the place of `target`. Raises as `put` does."""
        staged = self.folder / uuid4().hex
        try:
            file = staged.open("wb")
        except FileNotFoundError as error:
            raise self._lost() from error
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        self._rename(staged, target)

    def put(self, staged: Path, target: Path) -> None:
        """Move a staged folder to its place in one step.

        Raises LeaseLost, with nothing changed, when somebody else has taken over. It does not replace a folder that
        holds anything: that is an OSError of the system's.
        """
        self._rename(staged, target)

    def exchange(self, staged: Path, target: Path) -> None:
        """Put a staged folder in the place of what is there. A crash leaves the old one, none, or the new one.

        Raises as `put` does.
        """
        if target.exists():
            self.remove(target, before=staged)
        else:
            self._rename(staged, target)

    def remove(self, target: Path, *, before: Path | None = None) -> None:
        """Take a file or a folder out of its place and delete it; put the folder `before` there ere that is done.

        Raises LeaseLost, with nothing changed, when somebody else has taken over.
        """
        removed = self.folder / f"removed-{uuid4().hex}"
        self._rename(target, removed)
        if before is not None:
            self._rename(before, target)
        _delete(removed)

    def clear(self, group: str) -> None:
        """Delete what processes that were killed left in the folder of `group`."""
        if (self.folder / group).exists():
            _delete(self.folder / group)

    def leftovers(self) -> list[Path]:
        """What lies here: of processes that were killed, for as long as nobody is at work under the fence."""
        own = [] if self._fence is None else [*self.folder.iterdir()]
        return sorted([*own, *self._all.glob("retired-*"), *self._all.glob("foreign-*")])

    def clear_leftovers(self) -> None:
        """Delete the `leftovers`; only while nobody is at work. Raises LeaseLost when somebody else has taken over."""
        try:
            found = self.leftovers()
        except FileNotFoundError as error:
            raise self._lost() from error
        for path in found:
            _delete(path)

    def _rename(self, source: Path, target: Path) -> None:
        store = self._all.parent.name
        crashpoint(f"{store}.staged")
        try:
            source.rename(target)
            crashpoint(f"{store}.placed")
        except FileNotFoundError as error:
            if self.folder.is_dir():
                raise
            raise self._lost() from error

    def _lost(self) -> LeaseLost:
        return LeaseLost(
            f"another process has taken the lease over (the token {self.token} counts no more)",
            where=str(self._all),
            remedy="nothing was put in place: stop acting, and acquire the lease anew",
        )


def _delete(path: Path) -> None:
    """Nobody looks for it where it lies, so what cannot be deleted now costs space alone and is tried again later."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError as error:
        log.warning("%s could not be deleted, which is tried again by the next to hold the lease: %s", path, error)
