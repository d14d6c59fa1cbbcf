"""The ledgers that the contract is held against, a controllable real time for leases, and a way around."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, make_url, text

from windlass.clock import SimulatedClock
from windlass.ledger.ledger import Ledger

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)


class Backdoor:
    """Reaches the tables of a ledger without it, by SQL that both databases understand."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        schema = parsed.query.get("schema")
        if schema is not None:
            parsed = parsed.difference_update_query(["schema"]).set(drivername="postgresql+psycopg")
            parsed = parsed.update_query_dict({"options": f"-csearch_path={schema}"})
        self._engine = create_engine(parsed, poolclass=NullPool)

    def run(self, script: str, **parameters: Any) -> None:
        """One statement after the other; a parameter is written as `:name`."""
        with self._engine.begin() as connection:
            for statement in script.split(";"):
                connection.execute(text(statement), parameters)

    def rows(self, question: str) -> list[tuple[Any, ...]]:
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(question))]


@pytest.fixture
def real_time() -> SimulatedClock:
    """The time that leases run by."""
    return SimulatedClock(NOON)


@pytest.fixture(params=["sqlite-file", "sqlite-memory", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path, real_time: SimulatedClock) -> Iterator[Ledger]:
    """An empty ledger of each sort."""
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").new_url()
    else:
        url = "sqlite://" if request.param == "sqlite-memory" else f"sqlite:///{tmp_path / 'ledger.db'}"
    with Ledger(url, now=real_time.now) as opened:
        yield opened


@pytest.fixture
def stored(ledger_url: str, real_time: SimulatedClock) -> Iterator[Ledger]:
    """An empty ledger on each database, for tests that open it again or reach around it."""
    with Ledger(ledger_url, now=real_time.now) as opened:
        yield opened


@pytest.fixture
def backdoor(ledger_url: str) -> Backdoor:
    """The way around `stored`."""
    return Backdoor(ledger_url)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the ledger of `on_file` lies."""
    return tmp_path / "ledger.db"


@pytest.fixture
def on_file(file: Path, real_time: SimulatedClock) -> Iterator[Ledger]:
    """An empty ledger in a file, for what is particular to files."""
    with Ledger(f"sqlite:///{file}", now=real_time.now) as opened:
        yield opened
