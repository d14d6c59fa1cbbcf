"""How the holder of the lease shows that it lives, to others on its machine: by a lock, which the system drops with it.

A lease says for how long its holder has to be waited for. There is nothing to wait for of one that was killed, and the
lock says so at once. It says no more than that: one that is stopped keeps it, and of another machine nothing is known.
Then the lease has to run out.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from windlass.records.lease import Lease

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Presence:
    """A file for each token in one folder, locked by the process that holds it."""

    def __init__(self, folder: Path, *, boot: Path = _BOOT) -> None:
        """`boot`: a file that says which start of which machine this is; without one nobody shows himself."""
        self._folder = folder
        try:
            self._machine = boot.read_bytes()
        except OSError:
            self._machine = b""
        self._fd: int | None = None

    def show(self, token: int) -> None:
        """Let the holder of `token` be known to live from now on, until this process ends, or shows another token."""
        self.close()
        if not self._machine:
            return
        with suppress(OSError):  # then others wait for the lease to run out
            self._folder.mkdir(exist_ok=True)
            path, hidden = self._path(token), self._folder / f"{token}.{os.getpid()}.new"
            self._fd = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(self._fd, self._machine)
            hidden.rename(path)  # it gets its name when it is locked, or it would seem to be of one that has ended
            for old in self._folder.iterdir():
                if old != path:
                    old.unlink(missing_ok=True)

    def ended(self, lease: Lease) -> bool:
        """Whether whoever holds it was a process on this machine, and is none any more."""
        with suppress(OSError), self._path(lease.token).open("rb") as file:
            if not self._machine or file.read() != self._machine:
                return False
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return True
        return False

    def close(self) -> None:
        """Show nothing any more; for who has given the lease back, or lost it."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _path(self, token: int) -> Path:
        return self._folder / str(token)
