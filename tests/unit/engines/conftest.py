from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from windlass.engines.local import LocalEngine

PATH = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    with LocalEngine(preload=(), log=tmp_path / "engine.log", environment={"PYTHONPATH": PATH}) as engine:
        yield engine
