"""How many connections a worker may hold: as many as leave it the files that it needs itself."""

from __future__ import annotations

import contextlib
import resource

_MOST_FILES = 65_536
"""Asked for where the system sets no end."""


def most_connections() -> int:
    """Three quarters of the files that this process may open, once it may open as many as the system lets it.

    The soft limit that it begins with is often 1,024 or 256. Callers who open connections and send little would use it
    up, and a worker that can open no file more can neither follow the routing nor write down what it answers.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and wanted > soft:
        with contextlib.suppress(ValueError, OSError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return (_MOST_FILES if soft == resource.RLIM_INFINITY else soft) * 3 // 4
