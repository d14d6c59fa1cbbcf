"""What people ask of the loop: each request is done or refused once, by the holder of the lease."""

from __future__ import annotations

from collections.abc import Callable

from windlass.controller.context import LoopContext, policies_of
from windlass.errors import UsageError, WindlassError
from windlass.records.event import Body, CommandFinished, ProductPaused, ProductResumed
from windlass.records.ids import new_id
from windlass.records.state import PendingCommand, ProductState, VersionState
from windlass.release import director
from windlass.release.routing import publish_routing, routing_for

Train = Callable[[PendingCommand], str]


class Commands:
    """Carries out what is pending; `train` starts a run and is given by whoever has an engine."""

    def __init__(self, *, context: LoopContext, train: Train) -> None:
        self._context = context
        self._train = train

    def handle(self) -> None:
        for pending in self._context.state.pending:
            try:
                bodies, message = self._answer(pending)
            except WindlassError as error:
                self._finish(pending, done=False, message=str(error))
            else:
                self._finish(pending, *bodies, done=True, message=message)
                self._route(pending)

    def _answer(self, pending: PendingCommand) -> tuple[list[Body], str]:
        request = pending.request
        product = self._context.product(pending.product or "")
        if request.name == "train":
            return [], self._train(pending)
        if request.name == "pause":
            return [ProductPaused(reason=request.reason)], f"{product.name} is paused; it goes on serving"
        if request.name == "resume":
            if product.paused is None:
                raise UsageError(f"{product.name} is not paused", remedy="nothing is to be done")
            return [ProductResumed(reason=request.reason)], f"{product.name} goes on"
        version = self._chosen(product, pending)
        reason = f"{pending.actor} asked to {request.name}: {request.reason}"
        bodies = director.install(
            product,
            version,
            policies=policies_of(product),
            release=new_id("release", self._context.now),
            now=self._context.now,
            reason=reason,
            probation=request.name == "promote",
        )
        return bodies, f"{version.version} answers now"

    def _chosen(self, product: ProductState, pending: PendingCommand) -> VersionState:
        name = pending.request.version
        if name is None:
            name = _before(product)
        version = product.versions.get(name)
        if version is None:
            known = ", ".join(product.versions) or "none"
            raise UsageError(f"{product.name} has no version {name!r}", remedy=f"choose one of: {known}")
        if product.champion is not None and product.champion.version == name:
            raise UsageError(f"{name} is the champion already", remedy="see `windlass versions`")
        self._context.registry.open(product.name, version.digest)  # a version that fails its digests must not be chosen
        return version

    def _finish(self, pending: PendingCommand, *bodies: Body, done: bool, message: str) -> None:
        finished = CommandFinished(command=pending.request.command, done=done, message=message)
        self._context.record(*bodies, finished, product=pending.product)

    def _route(self, pending: PendingCommand) -> None:
        """Let the serving workers know at once, rather than at the next look."""
        state = self._context.state
        product = state.products.get(pending.product or "")
        if product is not None and product.champion is not None:
            publish_routing(routing_for(product, sequence=state.sequence), self._context.paths)


def _before(product: ProductState) -> str:
    current = None if product.champion is None else product.champion.version
    earlier = [past.version.version for past in product.previous_champions if past.version.version != current]
    if not earlier:
        raise UsageError(f"{product.name} has no earlier champion to go back to", remedy="see `windlass versions`")
    return earlier[-1]
