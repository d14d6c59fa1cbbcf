"""A process of its own for each challenger in shadow, beside the worker that mirrors its requests to it.

Whatever the challenger does there, the champion neither shares an interpreter with it nor ends with it. On processors
that others want it stands back; what it does not keep up with is dropped before it gets there.

    message = length u32 | msgpack array of Mirrored
"""

from __future__ import annotations

import logging
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO

import msgspec
import psutil

from windlass.errors import EngineError
from windlass.records.capture import PredictionBatch
from windlass.records.routing import Target
from windlass.serving.answers.answering import ShadowWork
from windlass.serving.options import TRY_LATER, ShadowOptions, WorkerOptions
from windlass.serving.versions.asking import Question

_log = logging.getLogger(__name__)
LENGTH = struct.Struct("<I")
_AGAIN_SECONDS = 1.0
"""A process that has ended is not started again sooner than this after it was started."""
_ORDERLY = (0, TRY_LATER, -signal.SIGTERM, -signal.SIGINT)
"""Ends that say nothing against the challenger: it was told to, or the disk had no room. SIGKILL is what Linux sends
when memory runs out."""
COMMAND = (sys.executable, "-m", "windlass.serving.shadows.worker")
_encode = msgspec.msgpack.Encoder().encode


class Mirrored(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A request, its rows as the challenger reads them."""

    request_id: str
    named: bool
    at: datetime
    ids: tuple[str, ...]
    rows: tuple[bytes, ...]
    failed: PredictionBatch | None = None
    """See `Question.failed`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Process:
    """The process of one challenger."""

    target: Target
    child: subprocess.Popen[bytes]
    started: float

    @property
    def ended(self) -> bool:
        return self.child.poll() is not None

    @property
    def feed(self) -> IO[bytes]:
        if self.child.stdin is None:
            raise ValueError("a shadow process is fed through its standard input")
        return self.child.stdin

    def send(self, message: bytes) -> None:
        """Raises EngineError when it has ended."""
        left = memoryview(message)
        try:
            while left:
                left = left[self.feed.write(left) :]
        except OSError as error:
            raise EngineError(
                f"the process of version {self.target.version} has ended",
                where=f"process {self.child.pid}",
                remedy="its last words are in windlass.log; it is started again for requests that come later",
            ) from error

    def megabytes(self) -> float | None:
        """What it holds; None when it has ended."""
        try:
            return float(psutil.Process(self.child.pid).memory_info().rss / 2**20)
        except psutil.NoSuchProcess:
            return None

    def close(self, timeout: float) -> None:
        """Let it finish what it was given, for `timeout` seconds at most."""
        self.feed.close()
        try:
            self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class ShadowProcesses:
    """One for each product whose challenger is in shadow, from its first request on. It ends by itself when the routing
    names its challenger no more, and with this process."""

    def __init__(
        self, options: WorkerOptions, *, report: Callable[[str, str, str], object], command: tuple[str, ...] = COMMAND
    ) -> None:
        self._options = options
        self._report = report
        self._command = command
        self._running: dict[str, _Process] = {}
        self._leaving: list[_Process] = []
        """Processes whose challenger was replaced by another, until they have finished."""
        self._seen: set[int] = set()
        """Processes whose end was seen."""

    def repeat(self, work: ShadowWork, questions: Sequence[Question]) -> None:
        """Hand `questions` to the process of the challenger of `work`; called from one thread alone.

        Waits while the process has enough to do. Raises EngineError when it has ended.
        """
        mirrored = [
            Mirrored(
                request_id=question.request_id,
                named=question.named,
                at=question.at,
                ids=question.ids,
                rows=question.decoded.rows,
                failed=question.failed,
            )
            for question in questions
        ]
        content = _encode(mirrored)
        self._process(work.product, work.target).send(LENGTH.pack(len(content)) + content)

    def look(self) -> None:
        """Tell of those that have ended by their own doing. To be called a few times a second."""
        for product, process in list(self._running.items()):
            code = process.child.poll()
            if code is None or process.child.pid in self._seen:
                continue
            self._seen.add(process.child.pid)
            if code not in _ORDERLY:
                ended = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
                told = f"version {process.target.version} in shadow: its process {ended}"
                _log.error("%s: %s", product, told)
                self._report("crashed", product, told)

    def measure(self) -> None:
        """Tell how much memory each of them holds."""
        for product, process in list(self._running.items()):
            if not process.ended and (megabytes := process.megabytes()) is not None:
                self._report("memory", product, f"{megabytes:.1f}")

    def close(self, timeout: float) -> None:
        """End all, after what they were given."""
        until = time.monotonic() + timeout
        processes = [*self._running.values(), *self._leaving]
        for process in processes:
            process.feed.close()
        for process in processes:
            process.close(max(0.0, until - time.monotonic()))

    def forget(self) -> None:
        """For a process that was forked: hold no pipe, so that they end with this one."""
        for process in self._running.values():
            os.close(process.feed.fileno())

    def _process(self, product: str, target: Target) -> _Process:
        """The process of `target`; begun if there is none, or if the end of the one that there was has been seen."""
        found = self._running.get(product)
        if found is not None and found.target.digest == target.digest:
            if found.child.pid not in self._seen or time.monotonic() - found.started < _AGAIN_SECONDS:
                return found
        elif found is not None:
            found.feed.close()  # it finishes what it was given
            self._leaving = [*(each for each in self._leaving if not each.ended), found]
        options = ShadowOptions(worker=self._options, parent=os.getpid(), product=product, target=target)
        child = subprocess.Popen(  # noqa: S603 (our own interpreter, our own module)
            [*self._command, options.to_json()], stdin=subprocess.PIPE, bufsize=0
        )
        self._running[product] = _Process(target=target, child=child, started=time.monotonic())
        return self._running[product]
