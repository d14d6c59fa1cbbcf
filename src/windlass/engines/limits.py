"""How much user code may take of the machine before its process is ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from windlass.errors import EngineError

if TYPE_CHECKING:
    import psutil

SHARE = 0.8
"""Of the machine's memory: what a run may take when nothing else is said, so that what serves keeps some."""
_CGROUP = Path("/sys/fs/cgroup/memory.max")
_MB = 1_000_000


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """For one job; the worker starts anew after one that went beyond."""

    seconds: float | None = None
    """Real time; None: as long as it takes."""
    memory: int | None = None
    """Bytes that the process and all it started hold together; None: `SHARE` of the machine's."""


class Guard:
    """Says why a job must end, as soon as it must."""

    def __init__(self, limits: Limits, *, now: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._now = now

    @cached_property
    def _memory(self) -> int:
        """Bytes that a job may take."""
        return self._limits.memory if self._limits.memory is not None else int(SHARE * machine_memory())

    def begin(self) -> float:
        """The moment a job begins at, to be handed back to `excess`."""
        return self._now()

    def excess(self, *, pid: int, began: float, function: str) -> EngineError | None:
        """What the job that began at `began` in the process `pid` has gone beyond; None: nothing."""
        seconds = self._limits.seconds
        if seconds is not None and self._now() - began > seconds:
            return EngineError(
                f"user code did not come to an end within {seconds:g} s, so its process was ended",
                where=function,
                remedy="see the step's log for what it waited for; give it longer with the setting `run_seconds`",
            )
        held = memory_of(pid)
        if held > self._memory:
            allowed = f"{self._memory / _MB:,.0f} MB"
            return EngineError(
                f"user code took {held / _MB:,.0f} MB of memory and may have {allowed}, so its process was ended",
                where=function,
                remedy="train on fewer rows or columns, or allow more with the setting `run_memory_mb`",
            )
        return None


def memory_of(pid: int) -> int:
    """Bytes that a process and all it started hold, by now; 0 when it is gone."""
    import psutil  # here and below, since a process that runs no job has no use for it

    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0
    return sum(_resident(member) for member in family)


def machine_memory() -> int:
    """Bytes that there are for this process: the machine's, or what its container may have."""
    import psutil

    total = int(psutil.virtual_memory().total)
    try:
        allowed = _CGROUP.read_text().strip()
    except OSError:
        return total
    return min(total, int(allowed)) if allowed.isdigit() else total


def _resident(process: psutil.Process) -> int:
    import psutil

    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it has just ended
        return 0
