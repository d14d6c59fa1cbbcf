from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .world import Nursery, World  # type: ignore[import-not-found]


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("points")) as nursery:
        yield nursery


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """On the database that the test names."""
    ledger = "" if request.param == "sqlite" else request.getfixturevalue("postgres").new_url()
    world = World(tmp_path / "project", ledger=ledger)
    yield world
    world.retire()
