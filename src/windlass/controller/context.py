"""What every part of the controller works with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from windlass.clock import Clock
from windlass.errors import LeaseLost
from windlass.lake.lake import Lake
from windlass.ledger.ledger import Ledger
from windlass.ledger.view import StateView
from windlass.product.policy import Policies, from_plain
from windlass.records.event import Body
from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.records.state import ProductState, WorkspaceState
from windlass.registry.registry import Registry
from windlass.settings import Settings


@dataclass(kw_only=True)
class LoopContext:
    """The stores, the clock and the right to act."""

    ledger: Ledger
    lake: Lake
    registry: Registry
    paths: Paths
    clock: Clock
    settings: Settings
    view: StateView
    fence: Fence | None = None
    """Held while this process may act."""
    actor: str = "controller"

    @property
    def now(self) -> datetime:
        return self.clock.now()

    @property
    def state(self) -> WorkspaceState:
        return self.view.refresh()

    def product(self, name: str) -> ProductState:
        """Where the product stands; one that nothing is known of yet is empty."""
        return self.state.products.get(name) or ProductState(name=name)

    def held(self) -> Fence:
        """The fence; raises LeaseLost when this process does not hold the lease."""
        if self.fence is None:
            raise LeaseLost("this process does not hold the lease", remedy="let the holder act")
        return self.fence

    def record(self, *bodies: Body, product: str | None, run: str | None = None) -> None:
        """Write to the ledger, under the fence; all bodies or none."""
        if bodies:
            self.ledger.append(
                *bodies, at=self.now, actor=self.actor, product=product, run=run, fence=self.held()
            )


def policies_of(product: ProductState) -> Policies:
    """The policies in force, from the ledger."""
    if product.declared is None:
        raise AssertionError(f"{product.name} was never declared")
    return from_plain(product.declared.policies)
