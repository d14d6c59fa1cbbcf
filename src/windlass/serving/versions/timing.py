"""How long a call of a version takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

Timing = Callable[[], Callable[[], float]]
"""Begins a call; what it gives tells the seconds since."""
_TASKS = Path("/proc/self/task")


def wall_time() -> Callable[[], float]:
    """All that passes, as a caller feels it."""
    started = time.perf_counter()
    return lambda: time.perf_counter() - started


def undisturbed_time() -> Callable[[], float]:
    """What passes, less what threads of this process wait for a processor that others have: of a process that is to
    stand back. Where the system does not tell that, all that passes.

    Threads that wait at the same time are counted each, so it is held to what the process has worked at least.
    """
    started, before, worked = time.perf_counter(), _waited(), time.process_time()

    def undisturbed() -> float:
        passed = time.perf_counter() - started
        # Thread by thread: what one that has ended since then had waited before would be missing from a sum.
        waited = sum(now - before.get(thread, 0) for thread, now in _waited().items()) / 1e9
        return max(time.process_time() - worked, passed - waited)

    return undisturbed


def _waited() -> dict[str, int]:
    """Nanoseconds that each thread of this process has been ready to run and had no processor (Linux, schedstat)."""
    found = {}
    for file in _TASKS.glob("*/schedstat"):
        try:
            found[file.parent.name] = int(file.read_text().split()[1])
        except OSError:  # the thread has just ended
            continue
    return found
