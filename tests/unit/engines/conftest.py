from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from windlass.engines.local import LocalEngine

HERE = Path(__file__).parent


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    with LocalEngine(preload=(), log=tmp_path / "engine.log", environment={"PYTHONPATH": str(HERE)}) as engine:
        yield engine
