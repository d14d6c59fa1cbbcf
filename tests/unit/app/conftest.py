from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from windlass.app.workspace import Workspace
from windlass.ledger.ledger import Ledger
from windlass.product.policy import Outcome, Policies, Release, to_plain
from windlass.records.event import Body, ProductDeclared, WorkspaceCreated
from windlass.records.lease import Fence
from windlass.settings import Settings
from windlass.staging import Staging

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PRODUCT = "p"
POLICIES = Policies(outcome=Outcome(within="2d"), gate=None, release=Release(), retrain=None)


class Office:
    """A workspace with a product, whose real time passes only when somebody rests."""

    def __init__(self, folder: Path) -> None:
        self.seconds = 0.0
        self.fence: Fence | None = None
        """Of whoever a test lets hold the lease for long."""
        self.meanwhile: Callable[[], None] = lambda: None
        """What others do while somebody rests."""
        self.said: list[str] = []
        self.workspace = Workspace(Settings(project=folder, workspace=folder / ".windlass", actor="ada"))
        self.workspace.paths.root.mkdir()
        self.ledger = Ledger(self.workspace.paths.ledger_url(""), now=lambda: NOON + timedelta(seconds=self.seconds))
        self.workspace.__dict__["ledger"] = self.ledger  # in the place of the one that reads the machine's clock
        self.write(WorkspaceCreated(workspace="w", windlass="0"), product=None)
        fence = self.hold("setup")
        declared = ProductDeclared(
            entry="m:P", source="s", task={"task": "binary", "target": "late"}, policies=to_plain(POLICIES), trains=True
        )
        self.write(declared, fence=fence)
        self.ledger.release(fence)

    def rest(self, seconds: float) -> None:
        self.seconds += seconds
        self.meanwhile()

    def real_time(self) -> float:
        return self.seconds

    def hold(self, holder: str, seconds: float = 10.0) -> Fence:
        fence = self.ledger.acquire(holder, seconds)
        assert fence is not None
        for store in self.workspace.paths.stores:
            Staging(store, fence).begin()
        return fence

    def write(self, *bodies: Body, product: str | None = PRODUCT, fence: Fence | None = None) -> None:
        at = NOON + timedelta(seconds=self.seconds)
        self.ledger.append(*bodies, at=at, actor="test", product=product, fence=fence)

    def bodies(self, *kinds: type[Body]) -> list[Body]:
        return [event.body for event in self.ledger.events(kinds)]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    office.workspace.close()
