"""Whether a worker still shows signs of life.

A call of native code that keeps the interpreter to itself stops all of a worker: nothing in it can find out, and no
thread of it can end it. So its parent does, when it has heard nothing for long, of a worker that could have spoken: not
of one that was stopped (a debugger, SIGSTOP), that gets no processor, or that stood still together with the parent.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

_LEAST_SHARE = 0.1
"""Of a processor's time that whoever is ready to run gets, unless others take all of it."""
_MOST_PASSES = 2.0
"""Seconds that pass between two looks at the most, whatever the clock says."""


class Pulse:
    """Of one process. `beat` may be called from another thread than `silence`."""

    def __init__(
        self,
        pid: int,
        *,
        now: Callable[[], float] = time.monotonic,
        could_speak: Callable[[float], bool] | None = None,
    ) -> None:
        """`could_speak`: whether the process could have done something in these last seconds."""
        self._now = now
        self._could_speak = could_speak or _Processor(pid)
        self._looked = now()
        self._silent = 0.0

    def beat(self) -> None:
        """It has told something."""
        self._silent = 0.0

    def silence(self) -> float:
        """Seconds for which it has told nothing though it could have. To be asked about once a second."""
        now = self._now()
        passed, self._looked = now - self._looked, now
        if self._could_speak(passed):
            self._silent += min(passed, _MOST_PASSES)
        return self._silent


class _Processor:
    """Whether a process waits for nothing but itself, after what the system tells of its threads."""

    def __init__(self, pid: int) -> None:
        import psutil  # not before the workers start

        self._tasks = Path(f"/proc/{pid}/task")
        self._gone = psutil.Error
        try:
            self._process = psutil.Process(pid)
        except self._gone:  # it has ended already
            self._process = None
        self._worked = 0.0

    def __call__(self, seconds: float) -> bool:
        if self._process is None:
            return False
        try:
            times = self._process.cpu_times()
            states = {_state(file) for file in self._tasks.glob("*/stat")} or {self._process.status()[:1].upper()}
        except (self._gone, OSError):  # it has ended, which others find out
            return False
        worked, self._worked = times.user + times.system - self._worked, times.user + times.system
        return not states & {"T", "t"} and ("R" not in states or worked >= _LEAST_SHARE * seconds)


def _state(file: Path) -> str:
    """Of a thread: `R` if it runs or would, `T` or `t` if it was stopped, others if it waits for something."""
    try:
        return file.read_text().rpartition(")")[2].split()[0]
    except OSError:  # it has just ended
        return ""
