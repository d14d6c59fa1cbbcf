"""Each server has a folder for its workers' figures, and none of a server that was killed stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from windlass.errors import EngineError
from windlass.serving.figures_folder import FiguresFolder

HOLDER = """
import sys
from pathlib import Path
from windlass.serving.figures_folder import FiguresFolder
folder = FiguresFolder(Path(sys.argv[1]))
(folder.path / "counter_1.db").write_bytes(b"figures")
print(folder.path, flush=True)
sys.stdin.readline()
"""


def test_it_is_gone_when_it_is_closed(tmp_path: Path) -> None:
    folder = FiguresFolder(tmp_path / "figures")
    (folder.path / "counter_1.db").touch()
    folder.close()
    assert list((tmp_path / "figures").iterdir()) == []


def test_that_of_a_killed_server_goes_and_that_of_a_living_or_frozen_one_stays(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    theirs = Path(other.stdout.readline().strip())
    for ending in (signal.SIGSTOP, signal.SIGKILL):
        os.kill(other.pid, ending)
        if ending == signal.SIGKILL:
            other.wait()
        ours = FiguresFolder(tmp_path)
        assert (theirs / "counter_1.db").exists() == (ending == signal.SIGSTOP)
        ours.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "figures").write_text("a file where a folder should be")
    with pytest.raises(EngineError, match="cannot be made") as told:
        FiguresFolder(tmp_path / "figures")
    assert told.value.remedy
