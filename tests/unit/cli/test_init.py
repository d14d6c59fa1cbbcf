from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from windlass.cli.main import app


@pytest.mark.parametrize("name", ["tumours", "my tumours", "it's & more"])
def test_a_shell_can_follow_what_is_said_to_be_next(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(app, ["init", name], catch_exceptions=False)
    assert said.exit_code == 0
    enter = said.stdout.split("; next: ", 1)[1].split(" && windlass", 1)[0]
    there = subprocess.run(["sh", "-c", f"{enter} && ls"], capture_output=True, text=True, check=True)
    assert "product.py" in there.stdout.split()
