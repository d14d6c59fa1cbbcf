"""How long a version takes, and waiting for one that is still on trial no longer than its callers can bear.

A champion is waited for (`answers.crew` says how long): nobody else could answer. A challenger is not. What it has not
answered in several times the champion's time the champion answers, and it counts as a failure; and while a call of it
is overdue it is asked nothing more, so that one that hangs holds callers up once and not again and again. What it is
not asked counts once the call has stayed away for long: a pause, which the champion may have as well, is not the
failure of all who come meanwhile. Nor is a first call that takes long a failure, since much may be loaded in it.

A request may take several calls of the model: the halves of a batch are asked about where it fails, and each request
where it answers them differently together. So what is waited for is the next call that comes back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import TypeVar
from weakref import WeakSet

from windlass.serving.limits import (
    FIRST_PATIENCE_SECONDS,
    HANGS_SECONDS,
    LEAST_PATIENCE_SECONDS,
    MOST_PATIENCE_SECONDS,
    THREADS,
    TIMES_A_PAUSE,
    TIMES_AS_LONG,
)

T = TypeVar("T")
_FORGETTING = 0.99
"""What a call leaves of the time of the slowest before it: after some hundred calls an outlier is forgotten."""
_FORGETTING_PAUSES = 0.9999
"""As long as it takes for a version that pauses as seldom to be proven worse, or it would be for what both do."""
_GLANCES = 10
"""In so many parts the time is waited out: of a machine that stands still, with all who wait, only one passes."""
_AT_ONCE = 2 * THREADS
"""Calls of one version that may be waited for: from as many threads callers are answered, so that none stands in line
here and is held against the version."""


class NoAnswer(Exception):
    """A version on trial has not answered in time, or not come back from an earlier call."""

    def __init__(self, why: str, *, counts: bool) -> None:
        super().__init__(why)
        self.counts = counts
        """Whether it is held against the version, where somebody else answers."""


class _Wait:
    """Somebody's wait for a version."""

    def __init__(self) -> None:
        self.returned = 0
        """Calls of the model that have come back since."""


class Calls:
    """The calls of one version."""

    def __init__(self) -> None:
        self._slowest: float | None = None
        self._pause = 0.0
        """Seconds, of the slowest of many calls."""
        self._most_rows = 0
        self._row_of_most = 0.0
        """Seconds a row, of the calls of about as many rows as the largest."""
        self._overdue: dict[object, float] = {}
        """What was given up and has not come back, and since when."""
        self._changing = threading.Lock()
        self._here = threading.local()
        """The wait for what this thread does."""
        self._begun = False

    def took(self, seconds: float, rows: int) -> None:
        """Take in a call that answered n rows."""
        if self._slowest is not None:  # the first call takes long where much is loaded in it
            self._pause = max(seconds, _FORGETTING_PAUSES * self._pause)
        self._slowest = max(seconds, _FORGETTING * (self._slowest or 0.0))
        if rows > self._most_rows:
            self._most_rows, self._row_of_most = rows, seconds / rows
        elif 2 * rows > self._most_rows:
            self._row_of_most = max(seconds / rows, _FORGETTING * self._row_of_most)

    def returned(self) -> None:
        """A call of the model has come back, whatever it said."""
        self._begun = True
        wait = getattr(self._here, "wait", None)
        if wait is not None:
            wait.returned += 1

    def patience(self, rows: int) -> float:
        """Seconds that a call of another version may take for n rows, by what those of this one take.

        What many rows take is held to be in proportion to its calls of the most rows. By those of few it would be far
        too much, since a call of one row may take no less than one of a hundred.
        """
        if self._slowest is None:
            return FIRST_PATIENCE_SECONDS
        bearable = max(TIMES_AS_LONG * max(self._slowest, self._row_of_most * rows), TIMES_A_PAUSE * self._pause)
        return min(max(bearable, LEAST_PATIENCE_SECONDS), MOST_PATIENCE_SECONDS)

    @property
    def begun(self) -> bool:
        """Whether a call has come back yet."""
        return self._begun

    @property
    def overdue(self) -> bool:
        """Whether a call that was given up has not come back yet."""
        return bool(self._overdue)

    @property
    def away(self) -> float:
        """Seconds since the first call was given up that has not come back yet; 0 if there is none."""
        with self._changing:
            since = min(self._overdue.values(), default=None)
        return 0.0 if since is None else time.monotonic() - since

    def check(self) -> None:
        """Raises NoAnswer while a call is overdue."""
        if away := self.away:
            raise NoAnswer(
                "not asked, since this version has not answered an earlier call yet", counts=away > HANGS_SECONDS
            )

    def within(self, seconds: float, work: Callable[[], T]) -> T:
        """What `work`, one call of this version or several, returns or raises.

        Raises NoAnswer if one of them takes longer, or all together longer than is borne. It cannot be ended then, only
        left alone: what it returns later nobody hears.
        """
        wait = _Wait()

        def watched() -> T:
            self._here.wait = wait
            return work()

        call: Future[T] = self._threads.submit(watched)
        left, returned, borne = _GLANCES, 0, MOST_PATIENCE_SECONDS
        while left and borne > 0:
            try:
                return call.result(seconds / _GLANCES)
            except TimeoutError:
                if call.done():  # just now, or this is what the work has raised
                    return call.result()
            borne -= seconds / _GLANCES
            left, returned = (left - 1, returned) if wait.returned == returned else (_GLANCES, wait.returned)
        self.give_up(call)
        call.add_done_callback(self.came_back)
        raise NoAnswer(f"no answer in {seconds:.1f} s", counts=self._begun)

    def give_up(self, call: object) -> None:
        """Nobody waits for `call` any more; `came_back` is to be told when it comes back after all."""
        _given_up.add(self)
        with self._changing:
            self._overdue[call] = time.monotonic()

    def came_back(self, call: object) -> None:
        with self._changing:
            self._overdue.pop(call, None)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="on-trial")


_given_up: WeakSet[Calls] = WeakSet()
"""Of all versions of which a call ever was."""


def holds_up_the_end() -> bool:
    """Whether there is a call here that Python would wait for at its end, and that may never come back."""
    return any(calls.overdue for calls in list(_given_up))


def left_behind(spared: Collection[Calls]) -> float:
    """Seconds for which a call has been overdue, of versions that are not among the `spared`; 0 if none is."""
    return max((calls.away for calls in list(_given_up) if calls not in spared), default=0.0)
