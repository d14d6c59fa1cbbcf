"""Where the output of user code goes while a step runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path


@contextmanager
def captured(log: Path) -> Iterator[None]:
    """Append all that this process, its native code and its children write to stdout and stderr to `log`.

    The whole process is redirected, so it is for one that runs a single step at a time.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("a", buffering=1, encoding="utf-8", errors="backslashreplace") as file,
        _descriptors(file.fileno()),
        # Python's own streams too: a test runner or a notebook may have put others in their place.
        redirect_stdout(file),
        redirect_stderr(file),
    ):
        yield


@contextmanager
def _descriptors(target: int) -> Iterator[None]:
    _flush()
    saved = [(number, os.dup(number)) for number in (1, 2)]
    try:
        for number, _ in saved:
            os.dup2(target, number)
        yield
    finally:
        _flush()
        for number, copy in saved:
            os.dup2(copy, number)
            os.close(copy)


def _flush() -> None:
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and not stream.closed:
            stream.flush()
