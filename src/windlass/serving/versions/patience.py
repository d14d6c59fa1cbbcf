"""How long a version takes, and waiting for one that is still on trial no longer than its callers can bear.

A champion is waited for: nobody else could answer. A challenger is not. What it has not answered in several times the
champion's time the champion answers, and it counts as a failure; and while a call of it is overdue it is asked nothing
more, so that one that hangs holds callers up once and not again and again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import Any, TypeVar
from weakref import WeakSet

from windlass.serving.limits import (
    FIRST_PATIENCE_SECONDS,
    LEAST_PATIENCE_SECONDS,
    MOST_PATIENCE_SECONDS,
    THREADS,
    TIMES_AS_LONG,
)

T = TypeVar("T")
_FORGETTING = 0.99
"""What a call leaves of the time of the slowest before it: after some hundred calls an outlier is forgotten."""
_GLANCES = 10
"""In so many parts the time is waited out: of a machine that stands still, with all who wait, only one passes."""


class Calls:
    """The calls of one version."""

    def __init__(self) -> None:
        self._slowest: float | None = None
        self._slowest_row = 0.0
        self._overdue: set[Future[Any]] = set()
        self._changing = threading.Lock()

    def took(self, seconds: float, rows: int) -> None:
        """Take in a call that answered n rows."""
        self._slowest = max(seconds, _FORGETTING * (self._slowest or 0.0))
        self._slowest_row = max(seconds / max(rows, 1), _FORGETTING * self._slowest_row)

    def patience(self, rows: int) -> float:
        """Seconds that another version may take for n rows, by what this one takes."""
        if self._slowest is None:
            return FIRST_PATIENCE_SECONDS
        bearable = TIMES_AS_LONG * max(self._slowest, self._slowest_row * rows)
        return min(max(bearable, LEAST_PATIENCE_SECONDS), MOST_PATIENCE_SECONDS)

    @property
    def overdue(self) -> bool:
        """Whether a call that was given up has not come back yet."""
        return bool(self._overdue)

    def within(self, seconds: float, work: Callable[[], T]) -> T | None:
        """What `work`, a call of this version, returns or raises; None if it takes longer.

        It cannot be ended then, only left alone: what it returns later nobody hears.
        """
        call: Future[T] = self._threads.submit(work)
        for _ in range(_GLANCES):
            try:
                return call.result(seconds / _GLANCES)
            except TimeoutError:
                if call.done():  # just now, or this is what the work has raised
                    return call.result()
        self._give_up(call)
        return None

    def _give_up(self, call: Future[Any]) -> None:
        with self._changing:
            self._overdue.add(call)
        call.add_done_callback(self._came_back)

    def _came_back(self, call: Future[Any]) -> None:
        with self._changing:
            self._overdue.discard(call)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        _with_threads.add(self)
        return ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="on-trial")


_with_threads: WeakSet[Calls] = WeakSet()


def holds_up_the_end() -> bool:
    """Whether there is a call here that Python would wait for at its end, and that may never come back."""
    return any(calls.overdue for calls in _with_threads)
