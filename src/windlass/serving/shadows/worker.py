"""The process of a challenger in shadow: `python -m windlass.serving.shadows.worker OPTIONS`, started by the worker.

It reads mirrored requests from its standard input, asks the challenger, and writes down what it says as a worker does.
It ends when the input ends, which it does with the worker, however that ends; and when it has nothing to do and the
routing names its challenger no more.
"""

from __future__ import annotations

import gc
import logging
import math
import os
import select
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial

import msgspec

from windlass.clock import clock_from
from windlass.engines.behind import Behind, stand_back
from windlass.engines.forks import one_comes_out
from windlass.engines.lifeline import be_first_to_go
from windlass.errors import WindlassError
from windlass.records.paths import Paths
from windlass.records.routing import Routing
from windlass.serving.figures_folder import NoPlace
from windlass.serving.limits import ROWS_TOGETHER
from windlass.serving.options import TRY_LATER, ShadowOptions
from windlass.serving.shadows.process import LENGTH, Mirrored

_log = logging.getLogger("windlass.serving.shadows.worker")
_LOOK_SECONDS = 0.5
"""Between two looks at whether it is still needed, and at whether its segment is asked for."""
CROWDED = 10.0
"""A call that waits for a processor for so many times what it takes of one would starve behind all others."""
SHARE = 0.25
"""Of one processor, at most. Where traffic asks for more, the rest is dropped: a release needs some hundred rows."""
_LONGEST_REST = 5.0
_HARDLY_LONGER, _MUCH_LONGER = 0.0025, 0.01
"""Seconds of a processor by which a call of more rows may exceed the quickest before more still are asked about at
once, and fewer again. A release takes a version for slow whose calls take 20 milliseconds more (`decisions.harms`)."""
_decoder = msgspec.msgpack.Decoder(list[Mirrored])


class Portion:
    """How many rows the challenger is asked about at once: as many as take hardly longer than few do.

    A call is timed as one however many rows it has. The champion is asked about those that come while it is busy, the
    shadow about what has gathered meanwhile, which are more. Where each row takes its time, calls of all of them would
    look slow beside the champion's, however quick the challenger is.
    """

    def __init__(self) -> None:
        self.rows = 1
        self._quickest = math.inf

    def took(self, rows: int, seconds: float) -> None:
        """Take in what a call of `rows` took."""
        self._quickest = min(self._quickest, seconds)
        longer = seconds - self._quickest
        if longer > _MUCH_LONGER:
            self.rows = max(1, self.rows // 2)
        elif longer < _HARDLY_LONGER and rows >= self.rows:
            self.rows = min(2 * self.rows, ROWS_TOGETHER)

    def of(self, mirrored: Sequence[Mirrored]) -> Iterator[Sequence[Mirrored]]:
        """The requests, as many at a time as may be asked about at that moment; none is divided."""
        part, rows = list[Mirrored](), 0
        for each in mirrored:
            part.append(each)
            rows += len(each.ids)
            if rows >= self.rows:
                yield part
                part, rows = [], 0
        if part:
            yield part


class ShadowWorker:
    """One challenger, loaded, and what was mirrored to it."""

    def __init__(self, options: ShadowOptions) -> None:
        """Raises RegistryError and whatever else keeps a version from being loaded."""
        from windlass.lake.segments import SegmentWriter
        from windlass.registry.registry import Registry
        from windlass.serving.answers.answering import Answering
        from windlass.serving.answers.capture import Capture
        from windlass.serving.metrics import Metrics
        from windlass.serving.versions.lineup import Loaded
        from windlass.serving.versions.timing import undisturbed_time

        worker, product, target = options.worker, options.product, options.target
        self._paths, self.metrics = Paths(worker.root), Metrics(worker.metrics)
        self._options = options
        self._portion = Portion()
        self._behind = Behind(enough=CROWDED, crowded=CROWDED)
        self.capture = Capture(
            open_sink=lambda product: SegmentWriter(
                self._paths.segments(product) / worker.name, durability=worker.durability
            ),
            metrics=self.metrics,
            let_go=self._paths.let_go,
        )
        self._answering = Answering(clock=clock_from(worker.clock), capture=self.capture, metrics=self.metrics)
        with one_comes_out():  # opening it imports the user's modules
            bundle = Registry(self._paths).open(product, target.digest)
            self._loaded = Loaded.of(target.version, target.digest, bundle, timing=undisturbed_time)

    def run(self, fd: int) -> None:
        """Ask about what comes from `fd`, until it ends or nobody needs the challenger any more."""
        messages = self._messages(fd)
        while self._behind.work(partial(self._turn, messages)):
            pass
        self.capture.close()
        self.metrics.publish()

    def _turn(self, messages: Iterator[Sequence[Mirrored]]) -> bool:
        """Ask about the next message; False when no more come."""
        message = next(messages, None)
        if message is None:
            return False
        for mirrored in self._portion.of(message):
            began = time.process_time()
            self._try(mirrored)
            worked = time.process_time() - began
            self._portion.took(sum(len(each.ids) for each in mirrored), worked)
            time.sleep(rest_after(worked))
        return True

    def needed(self) -> bool:
        """Whether the worker lives, and the challenger is in shadow; a record that cannot be read says nothing new."""
        if os.getppid() != self._options.parent:
            return False
        try:
            text = self._paths.routing(self._options.product).read_bytes()
            routing = msgspec.json.decode(text, type=Routing)
        except (OSError, msgspec.DecodeError):
            return True
        challenger = routing.challenger
        return routing.mode == "shadow" and challenger is not None and challenger.digest == self._loaded.digest

    def _messages(self, fd: int) -> Iterator[Sequence[Mirrored]]:
        while True:
            ready, _, _ = select.select([fd], [], [], _LOOK_SECONDS)
            if ready:
                head = _read(fd, LENGTH.size)
                if head is None or (content := _read(fd, LENGTH.unpack(head)[0])) is None:
                    return
                yield _decoder.decode(content)
            elif not self.needed():
                return

    def _try(self, mirrored: Sequence[Mirrored]) -> None:
        try:
            self._ask(mirrored)
        except WindlassError as error:  # the disk is full
            self._lost(mirrored)
            _log.warning("shadow answers of %s were lost: %s", self._loaded.version, error)
        except Exception:  # noqa: BLE001 (whatever happens to one batch, the next ones get their turn)
            self._lost(mirrored)
            _log.exception("shadow work of %s failed", self._loaded.version)

    def _ask(self, mirrored: Sequence[Mirrored]) -> None:
        from windlass.serving.versions.asking import Question

        questions = [
            Question(
                request_id=each.request_id,
                named=each.named,
                at=each.at,
                stage="shadow",
                ids=each.ids,
                decoded=self._loaded.decoder.read(b'{"rows":[' + b",".join(each.rows) + b"]}"),
                failed=each.failed,
            )
            for each in mirrored
        ]
        self._answering.repeat(self._options.product, self._loaded, questions)

    def _lost(self, mirrored: Sequence[Mirrored]) -> None:
        self.metrics.dropped.labels(self._options.product).inc(sum(len(each.ids) for each in mirrored))


def _read(fd: int, size: int) -> bytes | None:
    """The next `size` bytes; None when they do not come any more."""
    parts: list[bytes] = []
    while size:
        part = os.read(fd, size)
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def rest_after(worked: float) -> float:
    """How many seconds to do nothing after `worked` seconds of a processor, so that the others find one free."""
    return min(_LONGEST_REST, worked * (1 / SHARE - 1))


def _watch(shadow: ShadowWorker, stop_seconds: float) -> None:
    """Let the segment go when it is asked for; and end a process that nobody needs, if user code holds it."""
    pause, left = threading.Event(), stop_seconds
    while left > 0:
        pause.wait(_LOOK_SECONDS)
        shadow.capture.look()
        shadow.metrics.publish()
        left = stop_seconds if shadow.needed() else left - _LOOK_SECONDS
    os._exit(1)


def main(text: str) -> None:
    """Answer in the shadow until nothing more comes."""
    gc.disable()  # as in the worker
    options = ShadowOptions.from_json(text)
    be_first_to_go()
    name = f"{options.worker.name}'s shadow"
    logging.basicConfig(
        level=options.worker.log_level.upper(), format=f"%(asctime)s {name} %(levelname)s %(name)s: %(message)s"
    )
    try:
        shadow = ShadowWorker(options)
    except NoPlace as error:
        _log.error("%s", error)
        sys.exit(TRY_LATER)
    gc.freeze()
    gc.enable()
    stand_back()  # from here on: it is soon ready, and no slower than a challenger that the worker loads
    os.register_at_fork(after_in_child=shadow.capture.forget)
    stop_seconds = options.worker.stop_seconds
    threading.Thread(target=_watch, args=(shadow, stop_seconds), name="watch", daemon=True).start()
    shadow.run(sys.stdin.fileno())


if __name__ == "__main__":
    main(sys.argv[1])
