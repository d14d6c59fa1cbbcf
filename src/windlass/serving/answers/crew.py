"""Threads that answer callers, and are watched while they ask a champion.

What takes longer than is usual keeps its callers waiting, and nobody else: another thread takes the place of its own,
and whoever has begun it is told to go on without it. What takes longer than a call may take at all is given up: its
callers are told, and the call is left alone, since a thread cannot be ended. The worker is replaced if it stays away.

Usual is what the champion's own calls have taken, several times over, and as much as those who wait for a version on
trial bear with (`versions.patience`). To be wrong about it costs a second call of the model and nobody's answer. Before
the first call has come back, in which much may be loaded, there is nothing to go by: one other call may then begin.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import sysconfig
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from windlass.serving.limits import FIRST_PATIENCE_SECONDS, GLANCE_SECONDS, MOST_LATE, THREADS
from windlass.serving.refusal import Overloaded
from windlass.serving.versions.patience import NoAnswer
from windlass.serving.versions.turn import Asked, Turn

_OURS = str(Path(__file__).parents[2])
_log = logging.getLogger(__name__)


Hung = Callable[[Asked, str], object]
"""Hears of a call that was given up, and what is to be told of it."""


class _Task:
    def __init__(self, work: Callable[[], Any], late: Callable[[Turn], object] | None) -> None:
        self.work = work
        self.turn = Turn()
        self.late = late
        self.loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[Any] = self.loop.create_future()
        self.away = 0.0
        """Seconds that the present call has been waited for."""
        self.asking = 0.0
        """And all calls of the champion together."""
        self.returned = 0
        self.is_late = False
        self.is_over = False
        self.given_up: Asked | None = None


class Crew:
    """Some threads; `begin` and all that follows from it happen on the event loop."""

    def __init__(
        self,
        *,
        name: str,
        seconds: float = float("inf"),
        hung: Hung = lambda _asked, _told: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`seconds`: how long a call of a champion may take."""
        self._name = name
        self._seconds = seconds
        self._hung = hung
        self._now = now
        self._queue: SimpleQueue[_Task | None] = SimpleQueue()
        self._threads: set[threading.Thread] = set()
        """Those that will come back for more, as far as is known."""
        self._members = threading.Lock()
        self._running: set[_Task] = set()
        self._watched: asyncio.AbstractEventLoop | None = None
        self._ends = False

    def begin(self, work: Callable[[], Any], *, late: Callable[[Turn], object] | None = None) -> asyncio.Future[Any]:
        """What `work` returns or raises; NoAnswer if it is given up, Overloaded where no thread can be had.

        `late` is told once it takes longer than is usual; it may give up the turn, and is to care for its callers then.
        """
        task = _Task(work, late)
        if len(self._threads) < THREADS and not self._join() and not self._threads:
            why = "this machine has no room for another thread"
            task.answer.set_exception(Overloaded(why, remedy="try again a little later"))
            return task.answer
        self._running.add(task)
        self._queue.put(task)
        if self._watched is not task.loop:
            self._watched = task.loop
            task.loop.call_later(GLANCE_SECONDS, self._glance, task.loop, self._now())
        return task.answer

    def end(self) -> None:
        """The worker is about to end: those who wait for what is late, or comes to be, are told that it is in vain."""
        self._ends = True

    def close(self, seconds: float) -> bool:
        """Wait for so long for what has been begun; whether all of it has ended."""
        with self._members:
            threads, until = tuple(self._threads), time.monotonic() + seconds
        for _ in threads:
            self._queue.put(None)
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in threads) and not any(task.is_late for task in self._running)

    # -- in the threads --------------------------------------------------------------------------------------------

    def _join(self) -> bool:
        """One more thread, none that Python would wait for at its end; whether the machine had room for it."""
        thread = threading.Thread(target=self._work, name=f"{self._name}_{len(self._threads)}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the one that has work to do next asks again
            _log.warning("no thread could be started: %s", error)
            return False
        with self._members:
            self._threads.add(thread)
        return True

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            told: tuple[Any, BaseException | None]
            try:
                told = task.turn.take(task.work), None
            except BaseException as error:  # noqa: BLE001 (told to whoever waits)
                told = None, error
            with self._members:
                task.is_over = True
            with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                task.loop.call_soon_threadsafe(self._ended, task, *told)
            if task.is_late:  # another one has its place
                return
            del task, told

    # -- on the event loop -----------------------------------------------------------------------------------------

    def _ended(self, task: _Task, result: Any, error: BaseException | None) -> None:
        self._running.discard(task)
        if task.given_up is not None:
            task.given_up.calls.came_back(task)
        if task.answer.done():
            return
        if error is None:
            task.answer.set_result(result)
        else:
            task.answer.set_exception(error)

    def _glance(self, loop: asyncio.AbstractEventLoop, before: float) -> None:
        if loop is not self._watched:
            return
        if not self._running:
            self._watched = None
            return
        now = self._now()
        passed = min(now - before, 2 * GLANCE_SECONDS)
        loop.call_later(GLANCE_SECONDS, self._glance, loop, now)  # before the looks, of which one may fail
        for task in tuple(self._running):
            asked = task.turn.asked
            if asked is not None and task.given_up is None:
                self._look(task, asked, passed)

    def _look(self, task: _Task, asked: Asked, passed: float) -> None:
        if task.turn.returned != task.returned:
            task.returned, task.away = task.turn.returned, 0.0
        task.away += passed
        task.asking += passed
        if max(task.away, task.asking) >= self._seconds:
            told = f"no answer in {self._seconds:g} s"
            self._give_up(task, asked, NoAnswer(told, counts=True))
        elif task.is_late and self._ends:
            self._give_up(task, asked, NoAnswer("a call hangs, for which this worker ends", counts=False))
        elif not task.is_late and task.away > self._patience(asked) and self._late < MOST_LATE:
            self._go_on_without(task)

    @property
    def _late(self) -> int:
        return sum(task.is_late for task in self._running)

    def _patience(self, asked: Asked) -> float:
        if asked.calls.begun:
            return asked.calls.patience(asked.rows)
        others = (task.turn.asked for task in self._running if task.is_late)
        first = all(other is None or other.calls is not asked.calls for other in others)
        return FIRST_PATIENCE_SECONDS if first else self._seconds

    def _go_on_without(self, task: _Task) -> None:
        with self._members:
            if task.is_over:
                return
            task.is_late = True
            self._threads = {thread for thread in self._threads if thread.ident != task.turn.thread}
        self._join()
        if task.late is not None:
            task.late(task.turn)

    def _give_up(self, task: _Task, asked: Asked, why: NoAnswer) -> None:
        if not task.is_late:
            self._go_on_without(task)
        if task.is_over:
            return
        task.given_up = asked
        asked.calls.give_up(task)
        if not task.turn.give_up():  # its callers have been asked about anew
            return
        if not task.answer.done():
            task.answer.set_exception(why)
        where = _where(task.turn.thread)
        what = f"version {asked.version}: {why} for {asked.rows} row{'s' * (asked.rows > 1)}"
        _log.warning("%s: %s; it is at\n%s", asked.product, what, "".join(where.format()))
        if (line := _own(where)) is not None:
            what += f", at line {line.lineno} of {Path(line.filename).name} ({line.name})"
        if why.counts:
            self._hung(asked, what)


def _own(where: traceback.StackSummary) -> traceback.FrameSummary | None:
    """The innermost line that is of no library, or of any if there is none."""
    libraries = tuple(str(Path(path)) for path in (*map(sysconfig.get_path, ("stdlib", "purelib", "platlib")), _OURS))
    own = [line for line in where if not line.filename.startswith(libraries)]
    return next(reversed(own or where), None)


def _where(thread: int) -> traceback.StackSummary:
    """Where a thread is."""
    frame = sys._current_frames().get(thread)
    return traceback.StackSummary() if frame is None else traceback.extract_stack(frame)
