"""Work that makes room for those who are answered: behind everything else of a machine, as long as that gets it on.

A thread of low priority may finish its turn while others wait, which is seen in the tail of those who are answered; one
of SCHED_IDLE makes room at once. But of a processor that others want all the time it gets a 300th, and would starve.

Half of what a call takes is taken by threads of libraries, which have the rank of whoever happened to start them. So
they go behind with the calls, where the system lets them come back.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")
NICE = 10
"""Of a process that lets the others go first: on processors that all of them want it gets about a tenth of one."""
_TASKS = Path("/proc/self/task")
_SOON = 0.05
"""Seconds after which a call is looked at first. Most have ended by then, and need no look at all threads."""
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


class Helpers:
    """Threads of this process that libraries have started and that work for whoever calls: of Polars, of Delta Lake, of
    a BLAS."""

    def __init__(self) -> None:
        self._own = os.sched_getscheduler(0) if sys.platform == "linux" else None
        self._movable = sys.platform == "linux" and _may_come_back()

    def stand(self, *, behind: bool) -> None:
        """Behind all others, or in the process's own rank; nowhere else than now if they could not come back."""
        if sys.platform == "linux" and self._movable and self._own is not None:
            rank = os.SCHED_IDLE if behind else self._own
            for thread in self._threads():
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setscheduler(thread, rank, os.sched_param(0))

    def time(self) -> ProcessorTime:
        """Of those that there are now, since each of them began."""
        found = [time for thread in self._threads() if (time := processor_time_of(thread)) is not None]
        return ProcessorTime(sum(each.worked for each in found), sum(each.waited for each in found))

    def _threads(self) -> Iterator[int]:
        ours = {thread.native_id for thread in threading.enumerate()}
        return (thread for task in _TASKS.iterdir() if (thread := int(task.name)) not in ours)


class Behind:
    """Where calls are made: in a thread that takes what nobody else wants, on a machine that has room.

    Where calls have to wait for a processor, or nobody can tell, they are made in a thread of the process's own rank.
    Two threads, since only who may raise ranks, as root may, can take that of SCHED_IDLE back.
    """

    def __init__(self, *, enough: float, crowded: float) -> None:
        """In seconds that a call waits for a processor for each that it has one: there is room if a call of the
        process's own rank waited for no more than `enough`, and none any more if one behind all others waited for more
        than `crowded`."""
        self._own = ThreadPoolExecutor(max_workers=1, thread_name_prefix="own-rank")
        self._last = ThreadPoolExecutor(max_workers=1, thread_name_prefix="last", initializer=_let_all_go_first)
        self._helpers = Helpers()
        self._enough, self._most = enough, crowded
        self._crowded = True
        """Until a call has shown that it is not: the first one takes the longest."""

    def work(self, call: Callable[[], T], *, starving: Callable[[], None] = lambda: None) -> T:
        """What `call` gives; raises what it raises. `starving` is called every second that it mostly waits for a
        processor, and not while it waits for anything else."""
        began: Future[tuple[int, ProcessorTime | None]] = Future()
        self._helpers.stand(behind=not self._crowded)
        ended = (self._own if self._crowded else self._last).submit(_watched, call, began)
        thread, first = began.result()
        before, helped, starved, pause = first, None, False, _SOON
        while not wait([ended], pause).done:
            now, helps, pause = processor_time_of(thread), self._helpers.time(), _LOOK_SECONDS
            if before is not None and now is not None and now.waited - before.waited > _STARVED:
                starving()
            elif helped is not None and helps.waited - helped.waited > _STARVED:
                self._helpers.stand(behind=False)
                starved = True
                starving()
            before, helped = now, helps
        last = processor_time_of(thread)
        if first is not None and last is not None:
            self.took(worked=last.worked - first.worked, waited=last.waited - first.waited)
        self._crowded |= starved
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


def _may_come_back() -> bool:
    """Whether a thread that went behind all others would be let back."""
    try:
        with ThreadPoolExecutor(max_workers=1) as one:
            one.submit(_go_and_come_back).result()
    except OSError:
        return False
    return True


def _go_and_come_back() -> None:
    if sys.platform == "linux":
        own = os.sched_getscheduler(0)
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        os.sched_setscheduler(0, own, os.sched_param(0))


def _watched(call: Callable[[], T], began: Future[tuple[int, ProcessorTime | None]]) -> T:
    thread = threading.get_native_id()
    began.set_result((thread, processor_time_of(thread)))
    return call()


def _let_all_go_first() -> None:
    """For this thread, and those that it starts."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a system without that rank: its own has to do
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
