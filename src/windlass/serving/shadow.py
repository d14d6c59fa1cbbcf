"""A challenger in shadow: asked after the caller has his answer, and never in his way."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from windlass.errors import WindlassError
from windlass.serving.answering import ShadowWork
from windlass.serving.limits import ROWS_TOGETHER, SHADOW_BATCHES
from windlass.serving.metrics import Metrics

_log = logging.getLogger(__name__)
_PATIENCE = 0.02  # seconds that shadow work lets requests in flight go first, before it takes its turn


class Shadow:
    """One thread and a bounded queue: what does not fit is dropped and counted, the champion never waits.

    The thread shares the interpreter with the requests. It begins a batch only while none is being answered, or after
    a short wait, so that a busy worker slows the shadow and not the other way round.
    """

    def __init__(
        self, work: Callable[[Sequence[ShadowWork]], None], *, metrics: Metrics, most: int = SHADOW_BATCHES
    ) -> None:
        self._work = work
        self._metrics = metrics
        self._queue: queue.Queue[ShadowWork | None] = queue.Queue(maxsize=most)
        self._idle = threading.Event()
        self._idle.set()
        self._busy = 0
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def offer(self, work: ShadowWork) -> bool:
        """Take `work` if there is room; False and counted if there is not. Never blocks."""
        try:
            self._queue.put_nowait(work)
        except queue.Full:
            self._metrics.dropped.labels(work.product).inc(len(work))
            return False
        return True

    def request_began(self) -> None:
        """Called from the event loop alone, as is `request_ended`."""
        self._busy += 1
        self._idle.clear()

    def request_ended(self) -> None:
        self._busy -= 1
        if not self._busy:
            self._idle.set()

    def close(self, timeout: float) -> bool:
        """Finish what is queued, for `timeout` seconds at most; what is left is dropped and counted."""
        try:
            self._queue.put(None, timeout=timeout)
            self._thread.join(timeout)
        except queue.Full:
            _log.warning("the shadow queue is still full at the end")
        while not self._queue.empty():
            left = self._queue.get_nowait()
            if left is not None:
                self._metrics.dropped.labels(left.product).inc(len(left))
        return not self._thread.is_alive()

    def _run(self) -> None:
        ended = False
        while not ended and (first := self._queue.get()) is not None:
            self._idle.wait(_PATIENCE)
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
        except WindlassError as error:  # the disk is full, or the challenger cannot read the rows
            self._metrics.dropped.labels(first.product).inc(rows)
            _log.warning("shadow answers of %s were lost: %s", first.challenger.version, error)
        except Exception:  # noqa: BLE001 (whatever happens to one batch, the next ones get their turn)
            self._metrics.dropped.labels(first.product).inc(rows)
            _log.exception("shadow work of %s failed", first.challenger.version)


def _of_one_challenger(batch: Sequence[ShadowWork]) -> Iterator[Sequence[ShadowWork]]:
    """Parts that can be asked about together: of one challenger, beside one champion."""
    for _, works in groupby(batch, key=lambda work: (id(work.challenger), work.same_rows)):
        yield list(works)
