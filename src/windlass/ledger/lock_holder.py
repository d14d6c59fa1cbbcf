"""Which process holds SQLite's write lock, so that an error can name it.

SQLite keeps its locks at fixed places of the file FILE-shm, the one for writing at byte 120
(https://sqlite.org/walformat.html, "WAL locks"), and Linux lists all locks with their processes in /proc/locks. They
are read there and not asked of the file, since a process that opens and closes a file loses its own locks on it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

_WRITE_LOCK_BYTE = 120
_PROC = Path("/proc")
_SHOWN = 80
"""Characters of a command; enough to know it by."""


class LockHolder(msgspec.Struct, frozen=True, kw_only=True):
    """A process that may write to the database now, and keeps all others from it."""

    pid: int
    command: str
    stopped: bool
    """By a signal (SIGSTOP, Ctrl-Z) or a debugger: it will hold the lock until somebody lets it go on."""


def find_lock_holder(database: Path) -> LockHolder | None:
    """The process that holds the write lock of `database`; None when it has just gone, or cannot be told here."""
    try:
        inode = database.with_name(f"{database.name}-shm").stat().st_ino
        lines = (_PROC / "locks").read_text().splitlines()
    except OSError:  # no lock file, or a system without /proc
        return None
    pid = next(filter(None, (_pid_of(line.split(), inode) for line in lines)), None)
    return None if pid is None else _describe(pid)


def _pid_of(fields: list[str], inode: int) -> int | None:
    """From a line like `1: POSIX  ADVISORY  WRITE 1921 fe:00:2147055 120 120`; None when it is about something else."""
    match fields:
        case [_, "POSIX", _, "WRITE", pid, file, first, last] if last != "EOF":
            # Devices are left out: what stands here differs from what `stat` says on some filesystems.
            same_file = file.rpartition(":")[2] == str(inode)
            return int(pid) if same_file and int(first) <= _WRITE_LOCK_BYTE <= int(last) else None
        case _:  # another sort of lock, or a waiting one, which has an arrow in its line
            return None


def _describe(pid: int) -> LockHolder | None:
    folder = _PROC / str(pid)
    try:
        command = " ".join((folder / "cmdline").read_text(errors="replace").replace("\0", " ").split())
        state = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except OSError:  # gone since
        return None
    return LockHolder(pid=pid, command=command[:_SHOWN], stopped=state in ("T", "t"))
