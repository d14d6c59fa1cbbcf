"""The `windlass` command in the process of the tests."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from windlass.cli.main import main


def run_here(
    *words: str, at: Path, environment: Mapping[str, str], expect: int | None = None
) -> subprocess.CompletedProcess[str]:
    """What the command would have said and left behind, without the second that the start of a process takes.

    Words, folder, standard output and error, exit code are a process's. `at`: the folder it runs in; `environment`:
    what is set beside what is set already; `expect`: the exit code that it must end with, None for any. The pages of
    the documentation are run in real processes.
    """
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        contextlib.chdir(at),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setattr(sys, "argv", ["windlass", *words])
        for name, value in environment.items():
            patched.setenv(name, value)
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    done = subprocess.CompletedProcess(list(words), code, out.getvalue(), err.getvalue())
    assert expect in (None, code), f"{words}: {done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr
    return done
