"""The ledgers that the contract is held against, and a controllable real time for leases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from windlass.clock import SimulatedClock
from windlass.ledger.ledger import Ledger

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)

# Another database joins the contract by one line here.
URLS: dict[str, Callable[[Path], str]] = {
    "sqlite-file": lambda folder: f"sqlite:///{folder / 'ledger.db'}",
    "sqlite-memory": lambda _: "sqlite://",
}


@pytest.fixture
def real_time() -> SimulatedClock:
    """The time that leases run by."""
    return SimulatedClock(NOON)


@pytest.fixture(params=list(URLS))
def ledger(request: pytest.FixtureRequest, tmp_path: Path, real_time: SimulatedClock) -> Iterator[Ledger]:
    """An empty ledger of each sort."""
    with Ledger(URLS[request.param](tmp_path), now=real_time.now) as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the ledger of `on_file` lies."""
    return tmp_path / "ledger.db"


@pytest.fixture
def on_file(file: Path, real_time: SimulatedClock) -> Iterator[Ledger]:
    """An empty ledger in a file, for tests that reach around it."""
    with Ledger(f"sqlite:///{file}", now=real_time.now) as opened:
        yield opened
