# ruff: noqa: T201
"""Functions that the engine's tests run in the worker; the folder is on the worker's path, not on pytest's."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from windlass.errors import ContractViolated


class Stubborn(Exception):
    """Pickles neither way, and cannot even be printed."""

    def __init__(self, one, two):
        super().__init__(one)
        self.lock = threading.Lock()

    def __str__(self):
        raise ValueError("no text for you")


class OwnContract(ContractViolated):
    """A subclass that the parent cannot import."""


def double(number):
    return 2 * number


def hang(argument):
    threading.Event().wait()


def hoard(megabytes):
    """Hold memory for ever, half of it in a child."""
    half = megabytes // 2 * 1_000_000
    hold = f"import threading; held = b'x' * {half}; threading.Event().wait()"
    child = subprocess.Popen([sys.executable, "-c", hold])
    held = b"x" * half
    child.wait()
    return len(held)


def pid(argument):
    return os.getpid()


def collector(argument):
    """Whether it works, and whether it passes over what was there before any job."""
    return gc.isenabled(), gc.get_freeze_count() > 0


def leave_a_file(argument):
    handle, name = tempfile.mkstemp()
    os.close(handle)
    return name


def chatter(count, emit):
    for number in range(count):
        emit({"number": number})
    return count


def big(size):
    return b"x" * size


def stubborn(argument):
    raise Stubborn(1, 2)


def contract(argument):
    raise OwnContract("rows break it", where="column `a`", remedy="mend it")


def leave(argument):
    sys.exit(7)


def vanish(code):
    os._exit(code)


def kill_self(number):
    os.kill(os.getpid(), number)
    signal.pause()


def segfault(argument):
    print("about to read at zero", flush=True)
    ctypes.string_at(0)


def own_class(argument):
    return Stubborn


def lambda_result(argument):
    return lambda: None


def wait_for_ever(path):
    Path(path).write_text(str(os.getpid()))
    threading.Event().wait()


def hold_the_lock(path):
    """Native code that never lets another Python thread run."""
    Path(path).write_text(str(os.getpid()))
    ctypes.PyDLL(None).pause()


def fork_and_vanish(path):
    """A forked child keeps every descriptor open, the engine's socket among them."""
    context = multiprocessing.get_context("fork")
    child = context.Process(target=threading.Event().wait)
    child.start()
    Path(path).write_text(str(child.pid))
    os._exit(3)


def emit_then_die(argument, emit):
    emit("last words")
    os.kill(os.getpid(), signal.SIGKILL)


def shout(argument):
    print("to stdout")
    os.system("echo from a shell; echo and an error >&2")
    print("to stderr", file=sys.stderr)
