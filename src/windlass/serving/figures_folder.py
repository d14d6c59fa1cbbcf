"""Where the workers of one server put their figures, and how those of servers that were killed are cleared away.

A server holds an flock on its folder for as long as it lives. The kernel drops it with the process, so a folder without
one has no server any more, however that ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from windlass.errors import EngineError

KINDS = ("counter", "histogram", "gauge_livesum", "gauge_livemin")
"""Of the figures there are, as prometheus_client has them in the names of their files."""
_FILE_BYTES = 2**17
"""Some five hundred figures; for more prometheus_client makes the file longer."""


class NoPlace(EngineError):
    """There is no room for the figures of a process at the moment."""


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


def make_files(directory: Path, pid: int) -> None:
    """The files of a process's figures, with room on the disk for what they will hold.

    prometheus_client would make them of holes, and maps them: whoever counts where the disk has no room for it is ended
    by the system (SIGBUS), and all that he is asked at the moment ends with him. Raises NoPlace.
    """
    files = [directory / f"{kind}_{pid}.db" for kind in KINDS]
    hidden = [file.with_suffix(".new") for file in files]
    try:
        for file in hidden:
            file.write_bytes(bytes(_FILE_BYTES))
    except OSError as error:
        for file in hidden:
            with contextlib.suppress(OSError):
                file.unlink()
        raise NoPlace(
            f"the figures of a serving process have no place: {error.strerror}",
            where=str(directory),
            remedy="free space on this disk; the process is started again meanwhile",
        ) from error
    for new, file in zip(hidden, files, strict=True):
        new.rename(file)


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
