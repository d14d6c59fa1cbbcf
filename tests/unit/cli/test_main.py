from __future__ import annotations

import os

import pytest

from windlass.cli.main import main


@pytest.mark.parametrize(("given", "found"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_waiting_threads_sleep_unless_told_otherwise(monkeypatch, given, found):
    monkeypatch.setattr("sys.argv", ["windlass", "--version"])
    monkeypatch.setattr(os, "environ", {**os.environ, **({} if given is None else {"OMP_WAIT_POLICY": given})})
    if given is None:
        os.environ.pop("OMP_WAIT_POLICY", None)
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    assert os.environ["OMP_WAIT_POLICY"] == found
