"""Code read by two processes at once, where there is so much of it that this pays."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from windlass.assessment.reading.code import Module
from windlass.assessment.reading.notebook import read_notebook
from windlass.assessment.reading.python import NotPython, read_python
from windlass.errors import UsageError

Text = tuple[str, str]
"""Path and what the file says."""
Read = tuple[str, Module | str]
"""Path and its module, or why it is none."""

_READERS = 2
_WORTH = 3_000_000
"""Bytes of code from which on the start of the readers and the way of the modules between them is worth it."""
_BATCH = 400_000
"""Bytes of code that a reader gets at once."""


def read_code(texts: Iterable[Text], *, size: int) -> Iterator[Read]:
    """Every file as a module, in order; `size` is about how many bytes there are.

    The readers are forks: nothing is imported anew, so nothing of the scanned tree can be either. A process that has
    threads cannot be forked safely, and reads by itself. Raises UsageError if the system ends a reader.
    """
    if size < _WORTH or not _can_fork():
        for path, text in texts:
            yield _read(path, text)
        return
    waiting: deque[Future[list[Read]]] = deque()
    with ProcessPoolExecutor(_READERS, mp_context=get_context("fork"), initializer=gc.disable) as pool:
        try:
            for batch in _batches(texts):
                waiting.append(pool.submit(_read_batch, batch))
                if len(waiting) > _READERS:  # no more texts in memory than are read
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        except BrokenProcessPool as error:
            raise UsageError(
                "a process that read code was ended from outside, for want of memory perhaps",
                remedy="assess a smaller folder, or free memory and try again",
            ) from error


def _can_fork() -> bool:
    return sys.platform == "linux" and threading.active_count() == 1 and len(os.sched_getaffinity(0)) > 1


def _batches(texts: Iterable[Text]) -> Iterator[list[Text]]:
    batch: list[Text] = []
    size = 0
    for each in texts:
        batch.append(each)
        size += len(each[1])
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    yield batch


def _read_batch(batch: list[Text]) -> list[Read]:
    return [_read(path, text) for path, text in batch]


def _read(path: str, text: str) -> Read:
    try:
        return path, read_notebook(path, text) if path.endswith(".ipynb") else read_python(path, text)
    except NotPython as error:
        return path, str(error)
