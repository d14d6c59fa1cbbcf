"""The parent of the serving workers: binds the address, starts them, starts them again, and stops them in good order.

No user code runs here. The parent holds the listening socket, so that callers wait in its queue, and are not refused,
while a worker that died is replaced.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Literal

import msgspec

from windlass.engines.lifeline import kill_group
from windlass.errors import EngineError, MissingExtra, UsageError
from windlass.records.paths import Paths
from windlass.serving.figures_folder import FiguresFolder, forget_worker
from windlass.serving.options import TELL_WHERE, TRY_LATER, Report, WorkerOptions
from windlass.serving.pulse import Pulse
from windlass.serving.transport.tls import certificate_of
from windlass.settings import Settings

FIRST_DELAY = 0.1
LONGEST_DELAY = 10.0
HEALTHY_SECONDS = 10.0
"""A worker that lived this long is replaced at once; one that did not, after twice the delay of the time before."""
_STOP_SECONDS = 10.0
_BY_OTHERS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
"""Signals that say nothing of the worker that they end."""
_BLINK = 0.02  # seconds between two looks at whether the workers have ended
_LOOK = 1.0  # seconds between two looks at whether they get on
_WRITES = 0.2  # seconds in which one that does not tells where its threads are
_ASIDE = 0.25  # seconds after which whoever waits for the workers gets to do something else
# A request is a few rows: spreading them over cores costs more than it gives (half of the time of a request, measured),
# and workers would fight for the same cores. What the environment says already wins.
_ONE_THREAD_EACH = dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


Meanwhile = Callable[[], None]


def _nothing() -> None:
    """There is nothing else to do while the workers start or stop."""


class ServingEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something about a worker that whoever runs the server may want to record."""

    kind: Literal[
        "ready",
        "serving",
        "refused",
        "uncaptured",
        "captured",
        "died",
        "crashed",
        "heard",
        "unheard",
        "memory",
        "hangs",
        "turned_away",
    ]
    """`refused`: a version that was routed could not be loaded, and does not serve. `uncaptured`: an answer could not
    be written down and was not given; `captured`: one could again. `memory`: how many megabytes the worker holds,
    or, with a product, the process of its challenger in shadow; `crashed`: that process has ended by its own doing.
    `unheard`: nobody answers at the address that the server waits for; `heard`: somebody of this workspace does.
    `hangs`: a call of the champion has not come back; `turned_away`: so many requests more than it could answer."""
    worker: str
    product: str = ""
    detail: str = ""
    crashed: bool = False
    """`died`: by its own doing, such as a fault in native code, and not because somebody killed it; or it had to be
    ended, since it did not get on."""


class Server:
    """The serving processes of one workspace. `start` returns when all of them answer.

    If `guarded`, whoever asks needs a token. `on_event` is called from a thread of the server, for every ServingEvent.
    `log` is the file that workers write to; None leaves them the parent's standard error. Raises SettingsError and
    UsageError for a certificate that cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        paths: Paths | None = None,
        *,
        on_event: Callable[[ServingEvent], None] | None = None,
        log: Path | None = None,
        ready_seconds: float = 60.0,
        command: tuple[str, ...] = (sys.executable, "-m", "windlass.serving.worker"),
        guarded: bool = False,
    ) -> None:
        self._settings = settings
        self._guarded = guarded
        certificate = certificate_of(settings)
        self._tls = None if certificate is None else certificate.files
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self._grpc = f"{host}:{settings.grpc_port}" if settings.grpc_port else ""
        self._paths = paths or Paths(settings.workspace)
        self._on_event = on_event or (lambda _event: None)
        self._log = log
        self._ready_seconds = ready_seconds
        self._command = command
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ready: set[str] = set()
        self._pulses: dict[str, tuple[subprocess.Popen[bytes], Pulse]] = {}
        self._silenced: dict[str, str] = {}
        """Why a worker was ended that did not get on."""
        self._forgiven: set[str] = set()
        """Workers that somebody else has ended before they were ready, and that were started once more."""
        self._failed: str | None = None
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self._grpc_place: socket.socket | None = None
        self._parent_end = -1
        self._worker_end = -1
        self._figures: FiguresFolder | None = None
        self._port = settings.port
        self._up = False

    # -- for the caller -----------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port that is bound; with the setting 0 it is known once the server has started."""
        return self._port

    @property
    def url(self) -> str:
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    @property
    def pids(self) -> tuple[int, ...]:
        """The workers that run now."""
        return tuple(process.pid for process in self._processes.values() if process.poll() is None)

    def bind(self) -> None:
        """Take the address, if this server has not taken it yet; raises UsageError when it cannot be had."""
        if self._grpc and find_spec("grpc") is None:
            raise MissingExtra.named("grpcio", "grpc")
        if self._listener is None:
            listener = _bind(self._settings.host, self._settings.port, "port")
            try:
                self._grpc_place = _share(self._settings.host, self._settings.grpc_port) if self._grpc else None
            except UsageError:
                listener.close()
                raise
            self._listener, self._port = listener, int(listener.getsockname()[1])

    def start(self, *, meanwhile: Meanwhile = _nothing) -> Server:
        """Bind and start the workers; returns when each has loaded what is routed and answers, or the server stops.

        `meanwhile` is called a few times a second until then. Raises UsageError when the address cannot be had and
        EngineError when a worker ends before it is ready.
        """
        with self._changed:
            if self._stopping.is_set():
                return self
            self.bind()
            self._worker_end, self._parent_end = os.pipe()
            self._figures = FiguresFolder(self._paths.figures)
        names = [f"w{number}" for number in range(self._settings.workers)]
        for place, name in enumerate(names):
            thread = threading.Thread(target=self._look_after, args=(name, place), name=f"serving-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._threads.append(threading.Thread(target=self._feel_pulses, name="serving-pulses", daemon=True))
        self._threads[-1].start()
        failure = self._wait_until_ready(set(names), meanwhile)
        if failure is not None:
            self.stop()
            raise EngineError(
                f"the serving workers did not start: {failure}",
                where=str(self._log or "standard error"),
                remedy="the worker's own message is in the place named above",
            )
        return self

    def stop(self, timeout: float = _STOP_SECONDS, *, meanwhile: Meanwhile = _nothing) -> None:
        """Stop accepting, let requests in flight finish and segments close; kill what is left after `timeout`.

        `meanwhile` is called a few times a second until then; it must not raise.
        """
        with self._changed:
            self._stopping.set()
            self._changed.notify_all()
            processes = list(self._processes.values())
        for place in (self._listener, self._grpc_place):
            if place is not None:
                place.close()
        deadline = time.monotonic() + timeout
        for process in processes:
            process.terminate()
        while any(process.poll() is None for process in processes) and time.monotonic() < deadline:
            meanwhile()
            time.sleep(_BLINK)
        for process in processes:
            if process.poll() is None:
                kill_group(process.pid)  # the process of a shadow, too, which would write on when all is thought ended
        for thread in self._threads:
            thread.join()
        for fd in (self._parent_end, self._worker_end):
            if fd >= 0:
                os.close(fd)
        self._parent_end = self._worker_end = -1
        if self._figures is not None:
            self._figures.close()
            self._figures = None

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_until_ready(self, names: set[str], meanwhile: Meanwhile) -> str | None:
        """Why the workers are not ready; None when they are. A machine that is slow, or stands still, is waited for."""
        pulses: dict[int, Pulse] = {}
        with self._changed:
            while (
                not (self._failed or self._ready >= names or self._stopping.is_set())
                and self._silence(pulses) <= self._ready_seconds
            ):
                self._changed.wait(_ASIDE)
                meanwhile()
            self._up = self._ready >= names
            return (
                None
                if self._up or self._stopping.is_set()
                else self._failed or f"not ready within {self._ready_seconds:g} s"
            )

    def _silence(self, pulses: dict[int, Pulse]) -> float:
        """Seconds for which a worker that is not ready has done nothing though it could have, at the most."""
        starting = [process.pid for name, process in self._processes.items() if name not in self._ready]
        return max((pulses.setdefault(pid, Pulse(pid)).silence() for pid in starting), default=0.0)

    # -- one thread for each worker -----------------------------------------------------------------------------

    def _look_after(self, name: str, place: int) -> None:
        """Start a worker, listen to it until it ends, and start it again unless the server stops."""
        delay = FIRST_DELAY
        while (process := self._spawn(name, place)) is not None:
            started = time.monotonic()
            self._listen(name, process)
            code = process.wait()
            if self._stopping.is_set() or not self._mourn(name, process.pid, code):
                return
            delay = FIRST_DELAY if time.monotonic() - started > HEALTHY_SECONDS else min(delay * 2, LONGEST_DELAY)
            self._stopping.wait(delay)

    def _spawn(self, name: str, place: int) -> subprocess.Popen[bytes] | None:
        """A new worker process, or None when the server stops."""
        with self._changed:
            if self._stopping.is_set() or self._listener is None or self._figures is None:
                return None
            options = WorkerOptions(
                root=self._paths.root.resolve(),
                name=name,
                clock=self._settings.clock,
                durability=self._settings.durability,
                log_level=self._settings.log_level,
                listen_fd=self._listener.fileno(),
                parent_fd=self._worker_end,
                metrics=self._figures.path,
                stop_seconds=_STOP_SECONDS,
                answer_seconds=self._settings.answer_seconds,
                latency_budget_seconds=self._settings.latency_budget_seconds,
                grpc=self._grpc,
                tls=self._tls,
                guarded=self._guarded,
                place=place,
            )
            with _opened(self._log) as log:
                process = subprocess.Popen(  # noqa: S603 (our own interpreter, our own module)
                    [*self._command, options.to_json()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env={**_ONE_THREAD_EACH, **os.environ},
                    pass_fds=(options.listen_fd, options.parent_fd),
                    start_new_session=True,  # Ctrl-C in a terminal reaches the parent, which stops the workers in order
                )
            self._processes[name] = process
            return process

    def _listen(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Hear what the worker reports, until its end of the pipe closes."""
        if process.stdout is None:
            return
        with process.stdout as lines:
            for line in lines:
                try:
                    report = msgspec.json.decode(line, type=Report)
                except msgspec.DecodeError:  # something printed by user code
                    continue
                if name in self._pulses:
                    self._pulses[name][1].beat()
                if report.kind == "ready":
                    self._pulses[name] = process, Pulse(process.pid)
                    with self._changed:
                        self._ready.add(name)
                        self._changed.notify_all()
                self._on_event(
                    ServingEvent(kind=report.kind, worker=name, product=report.product, detail=report.detail)
                )

    def _feel_pulses(self) -> None:
        """End the workers that show no sign of life any more; they are started again as any that died."""
        most = self._settings.answer_seconds + _STOP_SECONDS  # one that ends does not tell of itself in the end
        while not self._stopping.wait(_LOOK):
            for name, (process, pulse) in list(self._pulses.items()):
                if pulse.silence() > most and process.poll() is None:
                    self._silenced[name] = f"did not get on for {most:g} s, as if a call held its interpreter"
                    process.send_signal(TELL_WHERE)
                    self._stopping.wait(_WRITES)
                    kill_group(process.pid)

    def _mourn(self, name: str, pid: int, code: int) -> bool:
        """Tell of a worker that died by itself; whether it is to be replaced."""
        ended = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        self._pulses.pop(name, None)
        silenced = self._silenced.pop(name, None)
        if silenced is not None:
            ended = f"{silenced}, and was ended"
        if self._figures is not None:
            forget_worker(self._figures.path, pid)
        with self._changed:
            by_others = -code in _BY_OTHERS and name not in self._forgiven  # such as a system that is short of memory
            hopeless = not self._up and name not in self._ready and not by_others
            self._ready.discard(name)
            if not self._up and by_others:
                self._forgiven.add(name)
            if hopeless:
                self._failed = f"{name} {ended}"
                self._changed.notify_all()
        crashed = silenced is not None or not (code in (0, TRY_LATER) or -code in _BY_OTHERS)
        self._on_event(ServingEvent(kind="died", worker=name, detail=f"worker {name} {ended}", crashed=crashed))
        return not hopeless


def _bind(host: str, port: int, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {host}:{port}: {_told(error)}",
            where=f"settings `host` and `{setting}`",
            remedy=_remedy(error, setting),
        ) from error


def _share(host: str, port: int) -> socket.socket:
    """Hold the port that the workers listen on for gRPC, each with a socket of its own, so that nobody else gets it.

    What shares a port shares its callers. Another server that wanted the same would be given it, and half of them.
    """
    with _bind(host, port, "grpc_port") as free:
        address, family = free.getsockname(), free.family
    held = socket.socket(family)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind(address)
    return held


def _remedy(error: OSError, setting: str) -> str:
    """A port can be another one; a host that is none of this machine's has to be."""
    if error.errno in (errno.EADDRINUSE, errno.EACCES):
        return f"stop whatever listens there, or take another port{' (0 takes a free one)' * (setting == 'port')}"
    return "give an address of this machine: 127.0.0.1 for itself alone, 0.0.0.0 for all that it has"


def _told(error: OSError) -> str:
    """What the system says, without what `create_server` adds to it."""
    return os.strerror(error.errno) if error.errno is not None and error.errno > 0 else str(error)


@contextlib.contextmanager
def _opened(log: Path | None) -> Iterator[IO[bytes] | None]:
    if log is None:
        yield None
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        yield file
