"""Requests on their way to a challenger in shadow: never in a caller's way."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from windlass.errors import WindlassError
from windlass.serving.answers.answering import Inquiry, ShadowWork
from windlass.serving.limits import ROWS_TOGETHER, SHADOW_AT_ONCE, SHADOW_BATCHES, SHADOW_PER_SECOND
from windlass.serving.metrics import Metrics
from windlass.serving.versions.asking import Question

_log = logging.getLogger(__name__)
_GATHER = 0.5  # seconds in which requests gather before they are handed on: seldom, so that it costs the others little


class Allowance:
    """How many rows a challenger in shadow is given: as many as come, up to so many a second (a token bucket)."""

    def __init__(self, *, per_second: float, at_once: float) -> None:
        self._per_second = per_second
        self._at_once = at_once
        self._left = at_once
        self._since = 0.0

    def take(self, rows: int, now: float) -> bool:
        """Whether `rows` more may be given at `now`, in seconds that never go back. More rows than are left are still
        given, and the next have to wait for as long as that takes."""
        self._left = min(self._at_once, self._left + (now - self._since) * self._per_second)
        self._since = now
        if self._left < 1:
            return False
        self._left -= rows
        return True


class Shadow:
    """One thread and a bounded queue: what does not fit is dropped and counted, the champion never waits.

    The thread shares the interpreter with the requests, so all it does is to hand them on, many at a time.
    """

    def __init__(
        self, work: Callable[[Sequence[ShadowWork]], None], *, metrics: Metrics, most: int = SHADOW_BATCHES
    ) -> None:
        self._work = work
        self._metrics = metrics
        self._allowances: dict[str, Allowance] = defaultdict(
            lambda: Allowance(per_second=SHADOW_PER_SECOND, at_once=SHADOW_AT_ONCE)
        )
        self._left_out: Counter[str] = Counter()
        self._queue: queue.Queue[ShadowWork | None] = queue.Queue(maxsize=most)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def offer(self, inquiry: Inquiry, question: Question) -> bool:
        """Take what the champion was asked if there is room and the allowance is not used up; False and counted if not.
        Never blocks."""
        product, rows = inquiry.lineup.product, len(question.ids)
        if not self._allowances[product].take(rows, time.monotonic()):
            self._left_out[product] += rows  # of a busy product this is most of its requests: counted together
            return False
        try:
            self._queue.put_nowait(ShadowWork.of(inquiry, question))
        except queue.Full:
            self._left_out[product] += rows
            return False
        return True

    def tell(self) -> None:
        """Bring the count of what was left out up to date. To be called a few times a second, where `offer` is."""
        for product, rows in self._left_out.items():
            self._metrics.dropped.labels(product).inc(rows)
        self._left_out.clear()

    def close(self, timeout: float) -> bool:
        """Finish what is queued, for `timeout` seconds at most; what is left is dropped and counted."""
        self._closing.set()
        try:
            self._queue.put(None, timeout=timeout)
            self._thread.join(timeout)
        except queue.Full:
            _log.warning("the shadow queue is still full at the end")
        while not self._queue.empty():
            left = self._queue.get_nowait()
            if left is not None:
                self._left_out[left.product] += len(left)
        self.tell()
        return not self._thread.is_alive()

    def _run(self) -> None:
        ended = False
        while not ended and (first := self._queue.get()) is not None:
            self._closing.wait(_GATHER)
            batch, ended = self._with_company(first)
            for works in _of_one_challenger(batch):
                self._do(works)

    def _with_company(self, first: ShadowWork) -> tuple[list[ShadowWork], bool]:
        """`first` and what else waits, as much as is asked about at once; and whether the end is among it."""
        batch, rows = [first], len(first)
        while rows < ROWS_TOGETHER:
            try:
                work = self._queue.get_nowait()
            except queue.Empty:
                break
            if work is None:
                return batch, True
            batch.append(work)
            rows += len(work)
        return batch, False

    def _do(self, works: Sequence[ShadowWork]) -> None:
        first, rows = works[0], sum(map(len, works))
        try:
            self._work(works)
        except WindlassError as error:  # its process has ended, or the disk is full
            self._metrics.dropped.labels(first.product).inc(rows)
            _log.warning("shadow answers of %s were lost: %s", first.challenger.version, error)
        except Exception:  # noqa: BLE001 (whatever happens to one batch, the next ones get their turn)
            self._metrics.dropped.labels(first.product).inc(rows)
            _log.exception("shadow work of %s failed", first.challenger.version)


def _of_one_challenger(batch: Sequence[ShadowWork]) -> Iterator[Sequence[ShadowWork]]:
    """Parts that can be asked about together: of one challenger, beside one champion."""
    for _, works in groupby(batch, key=lambda work: (id(work.challenger), work.same_rows)):
        yield list(works)
