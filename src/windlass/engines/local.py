"""Run user code on this machine, in one warm process of its own.

The process is a plain subprocess with a socket, not a `multiprocessing` child. It is spawned, never forked (Polars has
threads by then), and unlike `multiprocessing`'s spawn it does not import the parent's `__main__` again, so that a
script or a notebook without a guard can use it, and it needs no tracker process beside it.
"""

from __future__ import annotations

import itertools
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from windlass.engines import wire
from windlass.engines.job import Job
from windlass.engines.lifeline import kill_group
from windlass.engines.limits import Guard, Limits
from windlass.errors import EngineError

_LOOK = 0.2  # seconds between two looks at whether a job keeps within its limits
PRELOAD = ("numpy", "sklearn.ensemble", "sklearn.pipeline", "skops.io", "polars", "sqlalchemy", "deltalake")
"""skops looks for the home of each function of numpy and scipy in all that is loaded by then, so it comes early."""


class LocalEngine:
    """One worker process, started with the first job, kept for the next ones, replaced when it dies."""

    def __init__(
        self,
        *,
        preload: Sequence[str] = PRELOAD,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
        limits: Limits = Limits(),  # noqa: B008 (frozen)
    ) -> None:
        """`log` receives what the worker prints outside of any step; `environment` is added to this process's own; a
        job that goes beyond `limits` fails, and its process is ended."""
        self._preload = tuple(preload)
        self._log = log
        self._environment = dict(environment or {})
        self._limits = limits
        self._guard = Guard(limits)
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._waiting: deque[tuple[Job, wire.Task]] = deque()
        self._worker: _Worker | None = None

    def another(self, *, seconds: float) -> LocalEngine:
        """An engine with a process of its own, into which nothing is preloaded, and `seconds` for each job; the rest is
        as here."""
        limits = msgspec.structs.replace(self._limits, seconds=seconds)
        return LocalEngine(preload=(), log=self._log, environment=self._environment, limits=limits)

    def start(self) -> None:
        """Start the process ahead of the first job, so that its imports are done by then."""
        with self._lock:
            self._living_worker()

    def submit(self, function: str, argument: Any = None) -> Job:
        """Run `module:function(argument)`; jobs run one after the other, in the order they came.

        A function that has a parameter `emit` gets a callable whose arguments arrive at `Job.messages`. Raises
        EngineError when the argument does not pickle or no process can be started.
        """
        task = wire.Task(number=next(self._numbers), function=function, argument=_pickled(argument, function))
        job = Job(number=task.number, function=function, cancel=self._cancel)
        with self._lock:
            self._waiting.append((job, task))
            self._dispatch()
        return job

    @property
    def pid(self) -> int | None:
        """The worker's process id; None before the first start and after its end."""
        worker = self._worker
        return None if worker is None or worker.ended else worker.process.pid

    def close(self) -> None:
        """End the worker; jobs that are not done fail with EngineError."""
        with self._lock:
            waiting, self._waiting = list(self._waiting), deque()
            worker, self._worker = self._worker, None
        for job, _ in waiting:
            job.fail(_cancelled(job.function))
        if worker is not None:
            worker.kill(_cancelled(""))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _dispatch(self) -> None:
        """Hand the next waiting job to an idle worker."""
        with self._lock:
            if not self._waiting or (self._worker is not None and self._worker.busy):
                return
            job, task = self._waiting.popleft()
            try:
                self._living_worker().run(job, task)
            except EngineError as error:
                job.fail(error)

    def _living_worker(self) -> _Worker:
        if self._worker is None or self._worker.ended:
            self._worker = _Worker(
                preload=self._preload,
                log=self._log,
                environment=self._environment,
                guard=self._guard,
                lock=self._lock,
                idle=self._dispatch,
            )
        return self._worker

    def _cancel(self, job: Job) -> None:
        with self._lock:
            self._waiting = deque(entry for entry in self._waiting if entry[0] is not job)
            worker = self._worker
            running = worker is not None and worker.job is job
        if running and worker is not None:
            worker.kill(_cancelled(job.function))
        job.fail(_cancelled(job.function))


class _Worker:
    """One life of the process, with the two threads that watch it: one reads, one waits for its end."""

    def __init__(
        self,
        *,
        preload: Sequence[str],
        log: Path | None,
        environment: Mapping[str, str],
        guard: Guard,
        lock: threading.RLock,
        idle: Callable[[], None],
    ) -> None:
        self.job: Job | None = None
        self.ended = False
        self._reason: EngineError | None = None
        self._lock = lock
        self._idle = idle
        self._guard = guard
        self._began = guard.begin()
        self._over = threading.Event()
        # Whatever it leaves there goes with it: a process that is killed removes nothing.
        self._temporary = _temporary_folder()
        environment = {"TMPDIR": self._temporary.name, **environment}
        self.process, self._connection, self._lifeline = _spawn(preload, log, environment)
        self._reader = threading.Thread(target=self._read, name="engine-reader", daemon=True)
        self._reader.start()
        threading.Thread(target=self._watch, name="engine-watch", daemon=True).start()
        threading.Thread(target=self._hold_to_limits, name="engine-limits", daemon=True).start()

    @property
    def busy(self) -> bool:
        return self.job is not None and not self.ended

    def run(self, job: Job, task: wire.Task) -> None:
        """Hand over a job; called with the engine's lock held, while it has not `ended`."""
        self.job, self._began = job, self._guard.begin()
        with suppress(OSError):  # it died this moment: the watching thread is waiting for the lock to tell the job how
            self._connection.send_bytes(pickle.dumps(task))

    def kill(self, reason: EngineError) -> None:
        """End the process and all it started; its job fails with `reason`."""
        with self._lock:
            self._reason = reason
            self.ended = True
            if self.process.returncode is None:
                kill_group(self.process.pid)

    def _read(self) -> None:
        while True:
            try:
                data = self._connection.recv_bytes()
            except (EOFError, OSError):
                return
            message = pickle.loads(data)  # noqa: S301 (from our own worker)
            job = self.job
            if job is None or message.number != job.number:
                continue  # a thread that outlived its job is still reporting
            if isinstance(message, wire.Message):
                job.take(message)
                continue
            with self._lock:
                self.job = None
            job.take(message)
            self._idle()

    def _hold_to_limits(self) -> None:
        while not self._over.wait(_LOOK):
            with self._lock:
                job, began = self.job, self._began
            if job is None:
                continue
            excess = self._guard.excess(pid=self.process.pid, began=began, function=job.function)
            with self._lock:
                if excess is not None and self.job is job and not self.ended:
                    self.kill(excess)

    def _watch(self) -> None:
        if hasattr(os, "waitid"):
            # The process is not reaped yet, so its group's number cannot be anyone else's when it is killed.
            os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
            kill_group(self.process.pid)  # what it forked may still hold the socket open
        code = self.process.wait()
        self._over.set()
        self._temporary.cleanup()
        self._reader.join()  # what it said before it died counts
        with self._lock:
            self.ended = True
            job, self.job = self.job, None
            self._connection.close()
            os.close(self._lifeline)
        if job is not None:
            job.fail(self._reason or _died(code, job.function))
        self._idle()


def _spawn(
    preload: Sequence[str], log: Path | None, environment: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], Connection, int]:
    ours, theirs = socket.socketpair()
    lifeline, held = os.pipe()
    command = [sys.executable, "-P", "-m", "windlass.engines.worker", str(theirs.fileno()), str(lifeline), *preload]
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
    output = os.open(os.devnull if log is None else log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(theirs.fileno(), lifeline),
            start_new_session=True,  # an interrupt at the terminal is the parent's to handle; and a group to kill
            env={**os.environ, **environment},
        )
    except OSError as error:
        ours.close()
        os.close(held)
        raise EngineError(
            f"no process can be started for user code: {error}", remedy="see whether memory or processes ran out"
        ) from error
    finally:
        theirs.close()
        os.close(lifeline)
        os.close(output)
    return process, Connection(ours.detach()), held


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="windlass-", ignore_cleanup_errors=True)
    except OSError as error:
        raise EngineError(
            f"user code can get no temporary folder: {error}",
            remedy="make room there, or name another place by the variable TMPDIR",
        ) from error


def _pickled(argument: Any, function: str) -> bytes:
    try:
        return pickle.dumps(argument)
    except Exception as error:
        raise EngineError(
            f"the argument cannot be sent: {error}", where=function, remedy="pass plain records"
        ) from error


def _cancelled(function: str) -> EngineError:
    return EngineError("cancelled", where=function)


def _died(code: int, function: str) -> EngineError:
    if code >= 0:
        return EngineError(
            f"the process that ran user code ended with exit code {code}",
            where=function,
            remedy="look in the step's log for a call of os._exit or a library that ends the process",
        )
    name = signal.Signals(-code).name
    remedy = {
        "SIGKILL": "memory may have run out (see the system's log); train on fewer rows or a bigger machine",
        "SIGSEGV": "native code crashed; the step's log shows where; try another version of that library",
    }.get(name, "look in the step's log for what led to it")
    return EngineError(f"the process that ran user code was ended by {name}", where=function, remedy=remedy)
