from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from windlass import crashpoints
from windlass.crashpoints import VARIABLE, crashpoint

REACH = """
import atexit
from windlass.crashpoints import crashpoint
atexit.register(print, "left in order")
for name in ("one", "two"):
    crashpoint(name)
    print(name, flush=True)
"""


def run(folder: Path) -> tuple[int, list[str]]:
    environment = {**os.environ, VARIABLE: str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", REACH], capture_output=True, text=True, check=False, env=environment, timeout=300
    )
    return done.returncode, done.stdout.splitlines()


def test_a_point_that_is_armed_kills_once_and_nothing_is_done_after_it(tmp_path: Path) -> None:
    (tmp_path / "two").touch()
    assert run(tmp_path) == (-signal.SIGKILL, ["one"])
    assert run(tmp_path) == (0, ["one", "two", "left in order"])


def test_outside_of_tests_nothing_is_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    crashpoints._folder.cache_clear()
    (tmp_path / "one").touch()
    crashpoint("one")
    crashpoint("one")
    assert (tmp_path / "one").exists()
    assert crashpoints._folder.cache_info().misses == 1  # the environment is asked once in the life of a process
    crashpoints._folder.cache_clear()
