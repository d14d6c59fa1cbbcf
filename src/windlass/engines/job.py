"""One call that runs in the worker process, seen from the parent."""

from __future__ import annotations

import pickle
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from windlass.engines import wire
from windlass.errors import EngineError, WindlassError


class Job:
    """What became of a submitted function. All methods may be called from any thread, and none blocks unasked."""

    def __init__(self, *, number: int, function: str, cancel: Callable[[Job], None]) -> None:
        self.number = number
        self.function = function
        self._cancel = cancel
        self._messages: deque[bytes] = deque()
        self._finished = threading.Event()
        self._ending = threading.Lock()
        self._result: bytes | None = None
        self._error: WindlassError | None = None

    @property
    def done(self) -> bool:
        """Whether it returned, raised, was cancelled or died."""
        return self._finished.is_set()

    def messages(self) -> list[Any]:
        """What the function has emitted since the last call, oldest first."""
        found = []
        while self._messages:
            found.append(_unpickled(self._messages.popleft(), self.function))
        return found

    def wait(self, timeout: float | None = None) -> bool:
        """Wait at most `timeout` seconds (None: as long as it takes) until it is done; whether it is."""
        return self._finished.wait(timeout)

    def result(self) -> Any:
        """What the function returned; waits for it.

        Raises the WindlassError that it raised, RunFailed with the traceback as a note for any other exception, and
        EngineError when the process died or the job was cancelled.
        """
        self._finished.wait()
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return _unpickled(self._result, self.function)

    def cancel(self) -> None:
        """Kill the process that runs it; a job that has not begun is dropped, one that is done stays as it is."""
        self._cancel(self)

    # -- for the engine ----------------------------------------------------------------------------------------------

    def take(self, message: wire.Message | wire.Done | wire.Raised) -> None:
        """Note what the worker said."""
        if isinstance(message, wire.Message):
            self._messages.append(message.content)
            return
        if isinstance(message, wire.Done):
            self._end(result=message.result)
        else:
            self._end(error=wire.rebuild(message))

    def fail(self, error: WindlassError) -> None:
        """End it with `error`, unless it has ended."""
        self._end(error=error)

    def _end(self, *, result: bytes | None = None, error: WindlassError | None = None) -> None:
        with self._ending:
            if not self.done:
                self._result, self._error = result, error
                self._finished.set()


def _unpickled(data: bytes, function: str) -> Any:
    try:
        return pickle.loads(data)  # noqa: S301 (from our own worker)
    except Exception as error:
        raise EngineError(
            f"what the function sent cannot be read here: {type(error).__name__}: {error}",
            where=function,
            remedy="send plain data, or classes that both processes can import",
        ) from error
