"""One serving process: `python -m windlass.serving.worker OPTIONS`, started by `supervisor.Server`.

It inherits a listening socket and a pipe whose other end only the parent holds: when that closes, the parent is gone
and the worker ends too. Its standard output is a pipe to the parent, for reports alone; what user code prints goes to
standard error.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

import msgspec
import psutil
import uvicorn

from windlass.clock import clock_from
from windlass.records.paths import Paths
from windlass.serving.limits import HANGS_SECONDS, LAST_SECONDS, MEMORY_SECONDS, ROUTING_SECONDS
from windlass.serving.options import TELL_WHERE, TRY_LATER, WorkerOptions
from windlass.serving.transport.tls import Certificate
from windlass.serving.versions.patience import holds_up_the_end, left_behind

if TYPE_CHECKING:
    from windlass.serving.app import Parts
    from windlass.serving.protocols.grpc_server import GrpcServer
    from windlass.serving.shadows.process import ShadowProcesses
    from windlass.serving.transport.guard import Keyring
    from windlass.serving.transport.protocol import LastAnswers
    from windlass.serving.versions.turn import Asked
    from windlass.serving.versions.watching import Open, Watcher

_log = logging.getLogger("windlass.serving")
_MAKING_SECONDS = 0.02
"""In which a connection that was accepted just now has come to be known."""


class Reporter:
    """Tells the parent, on what was standard output, as JSON lines."""

    def __init__(self) -> None:
        self._fd = os.dup(1)
        os.dup2(2, 1)  # from here on, what anybody prints goes to standard error

    def forget(self) -> None:
        """For a process that was forked: the parent hears from the worker until nobody holds the pipe any more."""
        os.close(self._fd)

    def __call__(self, kind: str, product: str = "", detail: str = "") -> None:
        line = msgspec.json.encode({"kind": kind, "product": product, "detail": detail[:1000]}) + b"\n"
        with contextlib.suppress(OSError):  # a parent that is gone is told of by the other pipe
            os.write(self._fd, line)


class WorkerServer(uvicorn.Server):
    """uvicorn, with the routing watched while it runs and everything written down when it ends."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        parts: Parts,
        watcher: Watcher,
        shadows: ShadowProcesses,
        report: Reporter,
        stop_seconds: float,
        keyring: Keyring | None,
        certificate: Certificate | None,
        grpc: str,
        place: int,
        last: LastAnswers,
    ) -> None:
        """`place` is its place among the workers, which are not to end all at once."""
        super().__init__(config)
        self._patience = HANGS_SECONDS * (1 + place)
        if certificate is not None:
            config.load()
            config.ssl = certificate.context
        self._grpc_address = grpc
        self._grpc = None if not grpc else _grpc_server(parts, keyring, certificate)
        self._keyring = keyring
        self._certificate = certificate
        self._last = last
        self._parts = parts
        self._watcher = watcher
        self._shadows = shadows
        self._process = psutil.Process()
        self._report = report
        self._stop_seconds = stop_seconds
        self.ended = True
        """Whether `finish` has left no call behind that hangs."""
        self._watching: asyncio.Task[None] | None = None
        self._telling: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._keyring is not None:
            self._keyring.look()
        await asyncio.to_thread(self._watcher.refresh, challengers=False)
        await super().startup(sockets=sockets)
        gc.freeze()  # what is loaded by now stays; looking through it again and again would cost every request
        gc.set_threshold(50_000, 20, 100)
        gc.enable()
        self._parts.shadow.start()
        self._watching = asyncio.create_task(self._watch())
        self._telling = asyncio.create_task(self._tell())
        for task in (self._watching, self._telling):
            task.add_done_callback(self._stopped_watching)
        if self._grpc is not None:
            await self._grpc.start(self._grpc_address)
        self._report("ready")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._watching is not None:
            self._watching.cancel()
        if self._grpc is not None:
            await self._grpc.stop(self._stop_seconds / 2)
        await self._answer_once_more()
        await super().shutdown(sockets=sockets)
        if self._telling is not None:
            self._telling.cancel()

    async def _answer_once_more(self) -> None:
        """Let in nobody else, and let whoever is connected ask: what has just been sent, or is about to be, would
        otherwise meet a connection that is closed."""
        self._last.begun = True
        for server in self.servers:
            server.close()
        until = time.monotonic() + LAST_SECONDS
        await asyncio.sleep(_MAKING_SECONDS)
        while self.server_state.connections and time.monotonic() < until:
            await asyncio.sleep(_MAKING_SECONDS)

    def finish(self) -> None:
        """After the last answer: let the shadow catch up for a moment, then close the segments."""
        self._tell_of_the_turned_away()
        self.ended = self._parts.batcher.close(self._stop_seconds / 4)
        if self._watching is not None:
            self._parts.shadow.close(self._stop_seconds / 4)
        self._shadows.close(self._stop_seconds / 4)
        self._parts.capture.close()
        self._parts.metrics.publish()

    def _tell_of_the_turned_away(self) -> None:
        turned_away = self._parts.batcher.turned_away
        for product in list(turned_away):
            count = turned_away.pop(product)
            self._parts.metrics.turned_away.labels(product).inc(count)
            self._report("turned_away", product, str(count))

    def _stopped_watching(self, task: asyncio.Task[None]) -> None:
        """A worker that no longer follows the routing, or tells of itself, must not go on: it ends, and is replaced."""
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("the routing cannot be followed any more, or nothing be told", exc_info=error)
            self.should_exit = True

    async def _tell(self) -> None:
        """The parent takes it for a sign of life, so it must not wait for a version that is loaded."""
        while True:
            self._report("memory", "", f"{self._process.memory_info().rss / 2**20:.1f}")
            self._tell_of_the_turned_away()
            self._shadows.measure()
            await asyncio.sleep(MEMORY_SECONDS)

    async def _watch(self) -> None:
        from windlass.serving.transport.protocol import end_late

        while True:
            if self._watcher.changed():
                await asyncio.to_thread(self._watcher.refresh)
            self._parts.capture.look()
            self._shadows.look()
            self._parts.shadow.tell()
            self._parts.metrics.publish()
            if self._keyring is not None:
                self._keyring.look()
            if self._certificate is not None:
                self._certificate.look()
            end_late(self.server_state.connections)
            if left_behind([loaded.calls for loaded in self._parts.board.challengers]) > self._patience:
                _log.warning("a call does not end that nobody waits for any more; this worker ends, another begins")
                self._parts.batcher.end()
                self.should_exit = True
                return
            await asyncio.sleep(ROUTING_SECONDS)


def _grpc_server(parts: Parts, keyring: Keyring | None, certificate: Certificate | None) -> GrpcServer:
    from windlass.serving.protocols.grpc_server import GrpcServer

    return GrpcServer(
        board=parts.board,
        infer=parts.infer,
        metrics=parts.metrics,
        keyring=keyring,
        certificate=certificate,
    )


def build(
    options: WorkerOptions, report: Reporter, open_bundle: Open | None = None
) -> tuple[Parts, Watcher, ShadowProcesses]:
    """The parts of a worker, wired to the real registry (or `open_bundle`), segments and clock."""
    from windlass.lake.segments import SegmentWriter
    from windlass.registry.registry import Registry
    from windlass.serving.answers.capture import Capture
    from windlass.serving.app import Parts
    from windlass.serving.metrics import Metrics
    from windlass.serving.shadows.process import ShadowProcesses
    from windlass.serving.versions.lineup import Board
    from windlass.serving.versions.watching import Watcher

    paths, metrics, board = Paths(options.root), Metrics(options.metrics), Board()
    capture = Capture(
        open_sink=lambda product: SegmentWriter(paths.segments(product) / options.name, durability=options.durability),
        metrics=metrics,
        let_go=paths.let_go,
        report=report,
    )
    shadows = ShadowProcesses(options, report=report)
    clock = clock_from(options.clock)

    def hung(asked: Asked, told: str) -> None:
        metrics.given_up.labels(asked.product, asked.version).inc()
        report("hangs", asked.product, told)

    parts = Parts.of(
        board=board,
        clock=clock,
        capture=capture,
        metrics=metrics,
        repeat=shadows.repeat,
        answer_seconds=options.answer_seconds,
        latency_budget=options.latency_budget_seconds,
        hung=hung,
    )
    watcher = Watcher(
        paths=paths, board=board, open_bundle=open_bundle or Registry(paths).open, metrics=metrics, report=report
    )
    return parts, watcher, shadows


def main(text: str, *, open_bundle: Open | None = None) -> None:
    """Serve until told to stop, or until the parent is gone."""
    gc.disable()  # what is imported and loaded leaves no garbage: until the first request there is nothing to look for
    options = WorkerOptions.from_json(text)
    logging.basicConfig(
        level=options.log_level.upper(), format=f"%(asctime)s {options.name} %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(options.metrics)  # read when prometheus_client is first imported
    report = Reporter()
    from windlass.serving.figures_folder import NoPlace

    try:
        parts, watcher, shadows = build(options, report, open_bundle)
    except NoPlace as error:
        _log.error("%s", error)
        sys.exit(TRY_LATER)
    from windlass.serving.app import Application
    from windlass.serving.transport.connections import most_connections
    from windlass.serving.transport.guard import Keyring
    from windlass.serving.transport.protocol import LastAnswers, PatientProtocol

    last = LastAnswers()
    keyring = Keyring(Paths(options.root).tokens) if options.guarded else None
    application = Application(parts, keyring=keyring)
    config = uvicorn.Config(
        application,
        http=partial(  # type: ignore[arg-type]
            PatientProtocol, direct=application.direct, most=most_connections(), last=last
        ),
        lifespan="off",
        access_log=False,
        log_config=None,
        ws="none",
        server_header=False,
        timeout_keep_alive=75,  # longer than callers pause, so that it is they who close a connection
        timeout_graceful_shutdown=max(1, int(options.stop_seconds - LAST_SECONDS)),
    )
    server = WorkerServer(
        config,
        parts=parts,
        watcher=watcher,
        shadows=shadows,
        report=report,
        stop_seconds=options.stop_seconds,
        keyring=keyring,
        certificate=None if options.tls is None else Certificate(*options.tls),
        grpc=options.grpc,
        place=options.place,
        last=last,
    )

    def keep_nothing() -> None:
        """In a process that user code forks. It may never end, and would hold the callers' queue, the segments, and
        the pipe by whose end the parent hears that the worker has ended."""
        for fd in (options.listen_fd, options.parent_fd):
            with contextlib.suppress(OSError):
                os.close(fd)
        report.forget()
        parts.capture.forget()
        shadows.forget()

    os.register_at_fork(after_in_child=keep_nothing)

    def ask_to_stop(_: int, __: FrameType | None) -> None:
        server.should_exit = True  # uvicorn raises the signal once more when it has ended; then nothing is left to do

    faulthandler.register(TELL_WHERE, all_threads=True)
    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    threading.Thread(target=_outlive_nobody, args=(options, server), name="parent", daemon=True).start()
    server.run(sockets=[socket.socket(fileno=options.listen_fd)])
    server.finish()
    if not server.ended or holds_up_the_end():
        os._exit(0)


def _outlive_nobody(options: WorkerOptions, server: WorkerServer) -> None:
    """End with the parent: in good order if that works, at once if user code holds the process."""
    while os.read(options.parent_fd, 1):
        continue
    _log.warning("the parent is gone; ending")
    server.should_exit = True
    threading.Event().wait(options.stop_seconds)
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
