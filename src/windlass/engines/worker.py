"""The process that runs user code: `python -m windlass.engines.worker SOCKET LIFELINE MODULE...`.

It imports the heavy libraries once, then runs one task after the other until the parent goes away. User code is never
imported under its own name here (see `product.code.loading`), so a warm worker sees an edited file.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import inspect
import os
import pickle
import queue
import sys
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from windlass.engines import wire
from windlass.engines.behind import stand_back
from windlass.engines.forks import one_comes_out
from windlass.engines.lifeline import be_first_to_go, die_with_parent, end_group
from windlass.errors import EngineError, UsageError


class _Outlet:
    """The worker's sending side; threads of user code may report too."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: object) -> None:
        data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        with self._lock:
            self._connection.send_bytes(data)


def main(arguments: Sequence[str]) -> None:
    """Serve until the parent is gone."""
    socket, lifeline, *modules = arguments
    faulthandler.enable()
    connection = Connection(int(socket))
    die_with_parent(int(lifeline))
    be_first_to_go()
    stand_back()  # whoever is answered on this machine goes first
    tasks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    # Tasks are received beside the imports, so that the parent never waits to hand one over.
    threading.Thread(target=_receive, args=(connection, tasks), name="tasks", daemon=True).start()
    preload(modules)
    outlet = _Outlet(connection)
    while True:
        outlet.send(run_task(pickle.loads(tasks.get()), outlet.send))  # noqa: S301 (from the parent alone)
        sys.stdout.flush()
        sys.stderr.flush()


def preload(modules: Sequence[str]) -> None:
    """Import what jobs are going to need; what is missing shows again, and better, in the job that needs it.

    Imports leave no garbage, and what they make stays: the collector looks through none of it, now or later.
    """
    gc.disable()
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            os.write(2, f"not preloaded: {module}: {error}\n".encode())
    gc.freeze()
    gc.enable()


def run_task(task: wire.Task, send: Callable[[object], None]) -> wire.Done | wire.Raised:
    """The outcome of one task; everything that user code can raise ends here."""
    try:
        function = _resolve(task.function)
        argument = pickle.loads(task.argument)  # noqa: S301 (from the parent alone)
        keywords = {"emit": _emitter(task.number, send)} if "emit" in inspect.signature(function).parameters else {}
        with one_comes_out():
            result = function(argument, **keywords)
        return wire.Done(number=task.number, result=_pickled(result, task.function))
    except BaseException as error:  # noqa: BLE001 (SystemExit of user code too must end the job, not the worker)
        return wire.describe(task.number, error, where=task.function)


def _emitter(number: int, send: Callable[[object], None]) -> Callable[[object], None]:
    return lambda content: send(wire.Message(number=number, content=pickle.dumps(content)))


def _pickled(result: object, function: str) -> bytes:
    try:
        return pickle.dumps(result, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise EngineError(
            f"the result cannot be sent back: {error}",
            where=function,
            remedy="return plain data, and leave large or bound objects in files",
        ) from error


def _resolve(name: str) -> Callable[..., Any]:
    module, _, attribute = name.partition(":")
    found = getattr(importlib.import_module(module), attribute, None) if module and attribute else None
    if not callable(found):
        raise UsageError(f"there is no function {name!r}", remedy="give it as 'module:function'")
    return found  # type: ignore[no-any-return]


def _receive(connection: Connection, tasks: queue.SimpleQueue[bytes]) -> None:
    while True:
        try:
            tasks.put(connection.recv_bytes())
        except (EOFError, OSError):
            end_group()


if __name__ == "__main__":
    main(sys.argv[1:])
