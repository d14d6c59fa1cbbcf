"""The state as it was at one event, kept in a file so that a start need not fold a million events again.

It is no second truth: it names the event it stands at by sequence and hash, and counts only while the ledger holds that
very event. It is made anew from the ledger when it is missing, damaged, or of code that folds otherwise.
"""

from __future__ import annotations

import logging
import os
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec

from windlass.ledger import projection
from windlass.ledger.chain import Link
from windlass.records import alert, decision, event, state
from windlass.records.state import WorkspaceState

log = logging.getLogger(__name__)


class Snapshot(NamedTuple):
    """What all events up to and with `link` come to."""

    link: Link
    state: WorkspaceState


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of the file; the state is the second."""

    code: str
    """sha256 over the code that folded."""
    sequence: int
    hash: str
    digest: str
    """sha256 over the second line."""


class SnapshotFile:
    """Keeps one snapshot. What goes wrong with the file costs time, never the answer; so it is logged, not raised."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Snapshot | None:
        """What was kept; None when that cannot be used here. The caller compares it with the ledger."""
        try:
            first, _, second = self._path.read_bytes().partition(b"\n")
            head = msgspec.json.decode(first, type=_Head)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            log.warning("%s cannot be read, and is made anew: %s", self._path, error)
            return None
        if head.code != _code() or head.digest != sha256(second).hexdigest():
            log.info("%s is of another release or damaged, and is made anew", self._path)
            return None
        return Snapshot(Link(head.sequence, head.hash), msgspec.json.decode(second, type=WorkspaceState))

    def write(self, snapshot: Snapshot) -> None:
        """Put `snapshot` in the place of the last one. Not synced: half a file is noticed by its digest."""
        second = msgspec.json.encode(snapshot.state)
        link = snapshot.link
        head = _Head(code=_code(), sequence=link.sequence, hash=link.hash, digest=sha256(second).hexdigest())
        aside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            aside.write_bytes(msgspec.json.encode(head) + b"\n" + second)
            aside.replace(self._path)
        except OSError as error:
            log.warning("%s cannot be written, so that starts take longer: %s", self._path, error)


@cache
def _code() -> str:
    """Which code folds, by its very text: a state that another one made may mean something else."""
    files = (Path(module.__file__ or "") for module in (projection, state, event, decision, alert))
    return sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
