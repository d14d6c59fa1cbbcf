"""How many connections a worker may hold: as many as leave it the files that it needs itself."""

from __future__ import annotations

import contextlib
import resource

_MOST_FILES = 65_536
"""Asked for where the system sets no end."""


_FEWEST = 8
"""Connections that are let in where there is hardly room for any."""
_OWN_FILES = 48
"""What a worker holds without any connection, 28 with one product, and room to load a version."""


def most_connections() -> int:
    """How many of the files that this process may open connections may take, once it may open as many as the system
    lets it: three quarters, or what it can spare.

    The soft limit that it begins with is often 1,024 or 256. Callers who open connections and send little would use it
    up, and a worker that can open no file more can neither follow the routing nor write down what it answers.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and wanted > soft:
        with contextlib.suppress(ValueError, OSError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    files = _MOST_FILES if soft == resource.RLIM_INFINITY else soft
    return max(files - max(files // 4, _OWN_FILES), _FEWEST)
