"""A disk that loses, when the power is cut, all that nobody synced."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

Tail = Literal["lost", "zeros", "half"]
"""What becomes of bytes beyond those synced: gone, a hole, or the first half of them got to the disk by chance."""


class DroppingDisk:
    """Everything happens in `root` as ever; what is on the disk is what was synced, and `cut` shows just that.

    A sync of a file keeps its content, not its name; a sync of a folder keeps the names in it, not what they hold.
    That is all that POSIX promises.
    """

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = root
        self._contents: dict[int, bytes] = {}
        """Inode -> bytes on the disk."""
        self._names: dict[int, dict[str, int]] = {}
        """Inode of a folder -> names on the disk, and the inodes behind them."""
        self._lock = threading.Lock()
        self._keep(root)
        for name in ("fsync", "fdatasync"):
            patch.setattr(os, name, self._syncing(getattr(os, name)))

    def cut(self, into: Path, tail: Tail = "lost") -> Path:
        """What is found after a power cut now, as a folder of its own."""
        with self._lock:
            self._rebuild(self.root.stat().st_ino, into, self._living(), tail)
        return into

    def _syncing(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def sync(fd: int) -> None:
            real(fd)
            with self._lock:
                self._keep(Path(f"/proc/self/fd/{fd}").readlink())

        return sync

    def _keep(self, path: Path) -> None:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            self._names[found.st_ino] = {entry.name: entry.inode() for entry in os.scandir(path)}
        else:
            self._contents[found.st_ino] = path.read_bytes()

    def _living(self) -> dict[int, Path]:
        return {path.stat().st_ino: path for path in self.root.rglob("*")} | {self.root.stat().st_ino: self.root}

    def _rebuild(self, inode: int, into: Path, living: dict[int, Path], tail: Tail) -> None:
        into.mkdir()
        for name, child in self._names.get(inode, {}).items():
            path = living.get(child)
            if child in self._names or (path is not None and path.is_dir()):
                self._rebuild(child, into / name, living, tail)
            else:
                (into / name).write_bytes(self._found(child, path, tail))

    def _found(self, inode: int, path: Path | None, tail: Tail) -> bytes:
        synced = self._contents.get(inode, b"")
        rest = path.read_bytes()[len(synced) :] if path is not None else b""
        if tail == "zeros":
            return synced + bytes(len(rest))
        return synced + rest[: len(rest) // 2] if tail == "half" else synced
