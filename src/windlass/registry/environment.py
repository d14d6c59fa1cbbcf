"""Where a version was made: Python, installed distributions, and the state of the project's repository."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from importlib.metadata import distributions
from pathlib import Path

from threadpoolctl import threadpool_info

from windlass.records.bundle import Environment

MOST_DIFF = 200_000
"""Bytes of a diff that are kept; the whole source is in the bundle anyway."""
_PATIENCE = 10.0
"""Seconds that git may take before its answer is done without."""


def capture(project: Path) -> Environment:
    """The environment of this process and the repository that `project` lies in, if any.

    Distributions are read once for each process, since what was imported does not change by a later install. Without
    git, outside a repository and before its first commit there is no commit, which is no error.
    """
    installed = _installed()
    commit = _git(project, "rev-parse", "--verify", "-q", "HEAD")
    status = None if commit is None else _git(project, "status", "--porcelain", "--", ".")
    diff = _git(project, "diff", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD", "--", ".") if status else None
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        windlass=installed.get("windlass", ""),
        distributions=dict(installed),
        threads=_threads(),
        git_commit=None if commit is None else commit.decode().strip(),
        git_dirty=bool(status),
        git_diff=(diff or b"")[:MOST_DIFF].decode(errors="replace"),
    )


def _threads() -> dict[str, str]:
    """How the numerical libraries that this process has loaded calculate."""
    found = {}
    for library in threadpool_info():
        name = " ".join(part for part in (library["internal_api"], library.get("version")) if part)
        kernel = library.get("architecture")
        found[name] = f"{library['num_threads']} threads" + (f", {kernel}" if kernel else "")
    return found


@functools.cache
def _installed() -> dict[str, str]:
    """Distribution -> version; of two with the same name the one that Python imports."""
    found: dict[str, str] = {}
    for distribution in distributions():
        name = distribution.metadata["Name"]
        if name:
            found.setdefault(name, distribution.version)
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def _git(project: Path, *arguments: str) -> bytes | None:
    """What git says; None when it cannot say anything."""
    # no optional locks: nothing is written into the user's repository; no prompt: nobody would see it
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603 (a fixed command)
            ["git", "-c", "core.fsmonitor=false", *arguments],  # noqa: S607 (the user's own git, wherever it is)
            cwd=project,
            env=environment,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
