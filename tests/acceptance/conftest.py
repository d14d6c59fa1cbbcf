"""Pages as a newcomer follows them: their fences, and a shell that runs them in a folder of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..commands import run_here
from ..ports import free_port

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(?P<tag>\w*)[ ]*\n(?P<body>.*?)^```[ ]*$", re.DOTALL | re.MULTILINE)
_PORT_OF_THE_PAGES = "8080"


@dataclass(frozen=True, kw_only=True)
class Fence:
    """A block of code in a page."""

    tag: str
    body: str
    line: int
    """Of the first line of the body, from 1."""


def fences_of(page: Path) -> list[Fence]:
    text = page.read_text(encoding="utf-8")
    return [
        Fence(tag=found["tag"], body=found["body"], line=text.count("\n", 0, found.start("body")) + 1)
        for found in _FENCE.finditer(text)
    ]


Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def windlass() -> Command:
    """The command, run by somebody called ada, in the process of the tests."""

    def run(*words: str, at: Path, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        return run_here(*words, at=at, environment={"WINDLASS_ACTOR": "ada"}, expect=expect)

    return run


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def fences() -> Callable[[Path], list[Fence]]:
    return fences_of


@pytest.fixture(scope="module")
def port() -> int:
    """For the place of the 8080 of the pages."""
    return free_port()


Shell = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def shell(port: int) -> Iterator[Shell]:
    """Runs a script in one bash that stops at the first failure; whatever it leaves running ends with the test."""
    groups: list[int] = []

    def run(script: str, *, at: Path, patience: float = 900, check: bool = True) -> subprocess.CompletedProcess[str]:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script.replace(_PORT_OF_THE_PAGES, str(port))],
            cwd=at,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        groups.append(process.pid)
        try:
            out, err = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            _end(process.pid)
            out, err = process.communicate()
            raise AssertionError(f"not done within {patience:.0f} s\n{script}\n{out}\n{err}") from None
        assert "Traceback" not in err, err
        assert not check or process.returncode == 0, f"exit code {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(script, process.returncode, out, err)

    yield run
    for group in groups:
        _end(group)


def _environment() -> dict[str, str]:
    """The virtual environment first, as after `source .venv/bin/activate`, and no setting from outside."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WINDLASS_", "PYTHONPATH"))}
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "200"}


def _end(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
