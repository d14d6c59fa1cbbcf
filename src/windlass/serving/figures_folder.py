"""Where the workers of one server put their figures, and how those of servers that were killed are cleared away.

A server holds an flock on its folder for as long as it lives. The kernel drops it with the process, so a folder without
one has no server any more, however that ended.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from windlass.errors import EngineError


class FiguresFolder:
    """A folder of this process's own, until `close`."""

    def __init__(self, parent: Path) -> None:
        """Make it below `parent`, and delete what dead servers left there. Raises EngineError when that cannot be."""
        try:
            parent.mkdir(parents=True, exist_ok=True)
            _clear(parent)
            self.path, self._lock = _claim(parent)
        except OSError as error:
            raise EngineError(
                f"the folder for the figures of the serving workers cannot be made: {error.strerror}",
                where=str(parent),
                remedy="this user must be able to write to the workspace, and its disk must have space",
            ) from error

    def close(self) -> None:
        """Delete it."""
        shutil.rmtree(self.path, ignore_errors=True)  # what stays is deleted by the next server
        os.close(self._lock)


def forget_worker(directory: Path, pid: int) -> None:
    """Take the gauges of a dead worker out of the sums; its counters stay counted."""
    for file in directory.glob(f"gauge_live*_{pid}.db"):
        file.unlink(missing_ok=True)


def _claim(parent: Path) -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(dir=parent))
        lock = os.open(path, os.O_RDONLY)
        if _locked(lock) and path.exists():
            return path, lock
        os.close(lock)  # somebody who clears away was quicker than the lock, and took it for left behind


def _clear(parent: Path) -> None:
    for path in parent.iterdir():
        try:
            lock = os.open(path, os.O_RDONLY)
        except FileNotFoundError:  # another one clears away too
            continue
        if _locked(lock):
            shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
