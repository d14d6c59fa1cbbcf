"""Work that makes room for those who are answered: behind everything else of a machine, as long as that gets it on.

A thread of low priority may finish its turn while others wait, which is seen in the tail of those who are answered; one
of SCHED_IDLE makes room at once. But of a processor that others want all the time it gets a 300th, and would starve.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")
NICE = 10
"""Of a process that lets the others go first: on processors that all of them want it gets about a tenth of one."""
_TASKS = Path("/proc/self/task")
_LOOK_SECONDS, _STARVED = 1.0, 0.5
"""Between two looks at whether a call starves, and what it has waited for a processor meanwhile if it does."""


def stand_back() -> None:
    """Let others go first, with all threads of this process, from now on."""
    if sys.platform != "linux":
        os.nice(max(0, NICE - os.nice(0)))
        return
    for task in _TASKS.iterdir():  # what a library has started by now; threads to come inherit it
        with contextlib.suppress(ProcessLookupError):
            thread = int(task.name)
            os.setpriority(os.PRIO_PROCESS, thread, max(NICE, os.getpriority(os.PRIO_PROCESS, thread)))


class ProcessorTime(NamedTuple):
    """Seconds that a thread had a processor, and that it was ready to run and had none."""

    worked: float
    waited: float


class Behind:
    """Where calls are made: in a thread that takes what nobody else wants, on a machine that has room.

    Where calls have to wait for a processor, or nobody can tell, they are made in a thread of the process's own rank.
    Two threads, since only root may take the rank of SCHED_IDLE back.
    """

    def __init__(self, *, enough: float, crowded: float) -> None:
        """In seconds that a call waits for a processor for each that it has one: there is room if a call of the
        process's own rank waited for no more than `enough`, and none any more if one behind all others waited for more
        than `crowded`."""
        self._own = ThreadPoolExecutor(max_workers=1, thread_name_prefix="own-rank")
        self._last = ThreadPoolExecutor(max_workers=1, thread_name_prefix="last", initializer=_let_all_go_first)
        self._enough, self._most = enough, crowded
        self._crowded = True
        """Until a call has shown that it is not: the first one takes the longest."""

    def work(self, call: Callable[[], T], *, starving: Callable[[], None] = lambda: None) -> T:
        """What `call` gives; raises what it raises. `starving` is called every second that it mostly waits for a
        processor, and not while it waits for anything else."""
        began: Future[tuple[int, ProcessorTime | None]] = Future()
        ended = (self._own if self._crowded else self._last).submit(_watched, call, began)
        thread, first = began.result()
        before = first
        while not wait([ended], _LOOK_SECONDS).done:
            now = processor_time_of(thread)
            if before is not None and now is not None and now.waited - before.waited > _STARVED:
                starving()
            before = now
        last = processor_time_of(thread)
        if first is not None and last is not None:
            self.took(worked=last.worked - first.worked, waited=last.waited - first.waited)
        return ended.result()

    def took(self, *, worked: float, waited: float) -> None:
        """Take in for how long a call had a processor, and for how long it waited for one."""
        self._crowded = waited > (self._enough if self._crowded else self._most) * worked


def processor_time_of(thread: int) -> ProcessorTime | None:
    """Of a thread of this process, since it began; None where the system does not tell (Linux does, in schedstat)."""
    try:
        worked, waited, _ = (_TASKS / str(thread) / "schedstat").read_text().split()
    except OSError:
        return None
    return ProcessorTime(int(worked) / 1e9, int(waited) / 1e9)


def _watched(call: Callable[[], T], began: Future[tuple[int, ProcessorTime | None]]) -> T:
    thread = threading.get_native_id()
    began.set_result((thread, processor_time_of(thread)))
    return call()


def _let_all_go_first() -> None:
    """For this thread, and those that it starts."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a system without that rank: its own has to do
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
