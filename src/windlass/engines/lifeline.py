"""How the worker process ends with its parent, whatever either of them is doing.

The worker holds the reading end of a pipe whose writing end only the parent has. Nothing is ever written to it; when
the parent ends, even by SIGKILL, the kernel closes the writing end. Linux is asked to answer that by killing the
worker's process group by itself, which works even while user code holds the interpreter lock; elsewhere a thread that
waits on the pipe does the same as soon as it gets to run.

PR_SET_PDEATHSIG is no substitute: it fires when the parent's *thread* that started the worker ends.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import NoReturn


def die_with_parent(lifeline: int) -> None:
    """Tie this process group to the writer of `lifeline`."""
    threading.Thread(target=_wait_for_end, args=(lifeline,), name="lifeline", daemon=True).start()
    if sys.platform == "linux":
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def be_first_to_go(score: Path = Path("/proc/self/oom_score_adj")) -> None:
    """Ask Linux to end this process, and not what serves, should memory run out faster than anybody looks."""
    with suppress(OSError):  # another system, or a container that does not allow it; the limits hold all the same
        score.write_text("800")


def end_group() -> NoReturn:
    """Kill this process and every process that it started."""
    os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def kill_group(leader: int) -> None:
    """Kill a process that leads its group, and every process that it started; nothing if none of them is left.

    The leader's end must not have been waited for, or its number may be somebody else's by now.
    """
    with suppress(ProcessLookupError, PermissionError):  # nobody is left in it; macOS says so with the latter
        os.killpg(leader, signal.SIGKILL)


def _wait_for_end(lifeline: int) -> NoReturn:
    os.read(lifeline, 1)
    end_group()
