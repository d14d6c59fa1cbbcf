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
    started, waited, worked = time.perf_counter(), _waited(), time.process_time()
    return lambda: max(time.process_time() - worked, time.perf_counter() - started - (_waited() - waited))


def _waited() -> float:
    """Seconds that the threads of this process have been ready to run and had no processor (Linux, schedstat)."""
    nanoseconds = 0
    for file in _TASKS.glob("*/schedstat"):
        try:
            nanoseconds += int(file.read_text().split()[1])
        except OSError:  # the thread has just ended
            continue
    return nanoseconds / 1e9
