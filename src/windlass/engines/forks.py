"""A process that user code forks must not come out of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_TOLD = b"a process that was forked here came out of user code, and was ended\n"


@contextmanager
def one_comes_out() -> Iterator[None]:
    """Around user code. A child that it forked and that returns, or raises, as its parent does is ended here.

    It would go on as a second copy of whoever called, under the same fence, on the same connections, and do everything
    after this twice. (A child of `multiprocessing` ends by itself and never gets here.)
    """
    caller = os.getpid()
    try:
        yield
    finally:
        if os.getpid() != caller:
            os.write(2, _TOLD)
            os._exit(1)
