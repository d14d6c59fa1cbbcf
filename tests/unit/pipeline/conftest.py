from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from windlass.clock import SimulatedClock
from windlass.ledger.ledger import Ledger
from windlass.pipeline.progress import ProgressMessage
from windlass.pipeline.step import StepRunner
from windlass.records.lease import Fence
from windlass.records.paths import Paths

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PRODUCT = "flights"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "workspace")


@pytest.fixture
def ledger(paths: Paths) -> Iterator[Ledger]:
    with Ledger(f"sqlite:///{paths.ledger}") as ledger:
        yield ledger


@pytest.fixture
def fence(ledger: Ledger) -> Fence:
    fence = ledger.acquire("test", 3600)
    assert fence is not None
    return fence


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(NOW)


@pytest.fixture
def messages() -> list[ProgressMessage]:
    return []


@pytest.fixture
def runner(  # noqa: PLR0917 (fixtures)
    tmp_path: Path,
    ledger: Ledger,
    paths: Paths,
    fence: Fence,
    clock: SimulatedClock,
    messages: list[ProgressMessage],
) -> Callable[..., StepRunner]:
    def make(run: str = "run-1", *, force: bool = False, fence: Fence | None = fence) -> StepRunner:
        return StepRunner(
            ledger=ledger,
            paths=paths,
            clock=clock,
            product=PRODUCT,
            run=run,
            fence=fence,
            emit=messages.append,
            project=tmp_path / "project",
            force=force,
        )

    return make
