"""What every part of the controller works with."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import msgspec

from windlass.clock import Clock
from windlass.controller.pace import Pace
from windlass.errors import LeaseLost, SigningError
from windlass.lake.lake import Lake
from windlass.ledger.ledger import Ledger
from windlass.ledger.notary import Notary
from windlass.ledger.view import StateView
from windlass.product.policy import Policies, from_plain
from windlass.records.event import Body
from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.records.routing import Routing
from windlass.records.state import ProductState, WorkspaceState
from windlass.registry.registry import Registry
from windlass.release.routing import publish_routing, read_routing, routing_for
from windlass.settings import Settings

log = logging.getLogger(__name__)


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
    real_time: Callable[[], float] = time.monotonic
    """Seconds, for what is about processes: the lease, and how much time a look may take."""
    processor_time: Callable[[], float] = time.process_time
    """Seconds that processors have worked for this process."""
    _renewed: float = field(init=False)
    _routed: dict[str, Routing] = field(init=False, default_factory=dict)
    """Product -> the record that is known to be right."""

    def __post_init__(self) -> None:
        self._renewed = self.real_time()

    @cached_property
    def notary(self) -> Notary:
        """Who signs what is in the ledger."""
        return Notary(self.ledger, self.paths, signing_key=self.settings.signing_key_file)

    def pace(self) -> Pace:
        """For one kind of work."""
        return Pace(self.real_time, self.clock.now, self.processor_time)

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

    def keep(self) -> None:
        """Hold the lease longer once a quarter of it has passed; to be called between any two pieces of work.

        It is not renewed by a thread beside the work: a controller that hangs is to lose it. Raises LeaseLost when
        another one has taken over, before anything was done that would be his to do.
        """
        seconds = self.settings.lease_seconds
        if self.real_time() - self._renewed > seconds / 4:
            began = self.real_time()
            self.ledger.renew(self.held(), seconds)
            self._renewed = began

    def record(self, *bodies: Body, product: str | None, run: str | None = None) -> None:
        """Write to the ledger, under the fence; all bodies or none."""
        if bodies:
            self.ledger.append(*bodies, at=self.now, actor=self.actor, product=product, run=run, fence=self.held())

    def route(self, name: str) -> bool:
        """Set the routing record right, if it is not: what the ledger says is copied for the serving workers.

        A product without a champion is routed too, so that its callers hear that it is to come. True when the record
        was another one than this process had written or found right: somebody else has changed it.
        """
        state = self.state
        product = state.products.get(name)
        if product is None:
            return False
        there, known = read_routing(self.paths.routing(name)), self._routed.get(name)
        right = self._signed(routing_for(product, sequence=state.sequence), there)
        if right != there:
            publish_routing(right, self.paths, self.held())
        self._routed[name] = right
        return known is not None and there is not None and there != known

    def _signed(self, wanted: Routing, there: Routing | None) -> Routing:
        """`wanted` with a signature, which workers ask for; `there`, if that says the same and is signed.

        Without a key that can be used, of which `Signing` tells, nothing is changed: workers would follow no other
        record, and those that begin could not follow this one any more.
        """
        same = there if there is not None and there.says(wanted) else None
        if same is not None and same.signature and self._is_right(same):
            return same
        try:
            vouched = self.notary.vouch(wanted.signed_text())
        except SigningError as error:
            log.warning("%s: who is to answer cannot be signed: %s", wanted.product, error.fault)
            return there or wanted
        if vouched is None:
            return same or wanted
        key, signature = vouched
        return msgspec.structs.replace(wanted, key=key, signature=signature)

    def _is_right(self, routing: Routing) -> bool:
        if routing == self._routed.get(routing.product):
            return True
        try:
            return self.notary.keys.holds(routing.key, routing.signed_text(), routing.signature)
        except SigningError:  # a file among the keys that is none
            return False


def policies_of(product: ProductState) -> Policies:
    """The policies in force, from the ledger; whoever asks has seen that the product was declared."""
    if product.declared is None:
        raise AssertionError(f"{product.name} was never declared")
    return from_plain(product.declared.policies)
