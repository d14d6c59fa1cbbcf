"""Named places at which a test has the process killed; outside of tests nothing happens there.

A test names a folder in the environment. A process that reaches a point of which the folder holds a file takes the file
away and kills itself with SIGKILL, as somebody else would: nothing is closed, flushed, caught or told. Without the
variable a point costs a call and a comparison.
"""

from __future__ import annotations

import os
import signal
from functools import cache
from pathlib import Path

VARIABLE = "CRASHPOINTS_OF_WINDLASS"
"""Not one of the settings, all of which begin with WINDLASS_: nobody is to come upon it there."""


def crashpoint(name: str) -> None:
    """Die here if a test asks for it."""
    folder = _folder()
    if folder is not None:
        try:
            (folder / name).unlink()
        except FileNotFoundError:
            return
        _die()


@cache
def _folder() -> Path | None:
    named = os.environ.get(VARIABLE)
    return None if named is None else Path(named)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
