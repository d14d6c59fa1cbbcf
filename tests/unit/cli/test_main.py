from __future__ import annotations

import os

import pytest
from typer.testing import CliRunner

from windlass.cli.main import app, main


@pytest.mark.parametrize(
    ("name", "given", "found"),
    [
        ("OMP_WAIT_POLICY", None, "PASSIVE"),
        ("OMP_WAIT_POLICY", "ACTIVE", "ACTIVE"),
        ("OPENBLAS_THREAD_TIMEOUT", None, "4"),
        ("OPENBLAS_THREAD_TIMEOUT", "20", "20"),
    ],
)
def test_waiting_threads_sleep_unless_told_otherwise(monkeypatch, name, given, found):
    monkeypatch.setattr("sys.argv", ["windlass", "--version"])
    others = {other: value for other, value in os.environ.items() if other != name}
    monkeypatch.setattr(os, "environ", others if given is None else {**others, name: given})
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    assert os.environ[name] == found


@pytest.mark.parametrize("group", [[], ["runs"], ["data"], ["ledger"]])
def test_every_command_is_told_in_one_whole_line(group: list[str]) -> None:
    """`...` in a list of commands tells a newcomer half of what there is."""
    shown = CliRunner().invoke(app, [*group, "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}).output
    listed = shown.partition("Commands:\n")[2].splitlines()
    assert listed
    assert [line for line in listed if line.endswith("...")] == []
