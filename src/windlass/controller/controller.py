"""The driver of the loop in production: looks, judges, acts, again and again."""

from __future__ import annotations

import logging
import time
from queue import SimpleQueue

from windlass.controller.commands import Commands
from windlass.controller.context import LoopContext
from windlass.controller.incidents import Incidents
from windlass.controller.releases import Releases
from windlass.controller.training import Training
from windlass.controller.watching import Watching
from windlass.engines.local import LocalEngine
from windlass.errors import LeaseLost, WindlassError
from windlass.records.event import ControllerStarted, ControllerStopped
from windlass.records.state import PendingCommand
from windlass.release.routing import publish_routing, routing_for
from windlass.serving.supervisor import ServingEvent

log = logging.getLogger(__name__)


class Controller:
    """One look at everything is a `tick`; whoever owns the process calls it in a loop.

    It imports no user code: products are known by what the ledger says of them, and user code runs in the engine's
    process and in the serving workers.
    """

    def __init__(self, *, context: LoopContext, engine: LocalEngine, entries: dict[str, str]) -> None:
        self._context = context
        self._entries = entries
        self._incidents = Incidents(context=context)
        self._releases = Releases(context=context)
        self._training = Training(context=context, engine=engine, incidents=self._incidents, entries=entries)
        self._watching = Watching(context=context, incidents=self._incidents)
        self._commands = Commands(context=context, train=self._train)
        self._renewed = time.monotonic()
        self._heard: SimpleQueue[ServingEvent] = SimpleQueue()

    def hear(self, event: ServingEvent) -> None:
        """Something about a serving worker; called from the server's threads, looked at in the next tick."""
        self._heard.put(event)

    def start(self) -> None:
        """Say that this process acts from now on, read what the products declare, and set the routing right."""
        fence = self._context.held()
        self._context.record(ControllerStarted(holder=fence.holder, token=fence.token), product=None)
        self._training.declare_all()
        for product in self._entries:
            self._route(product)

    def tick(self) -> None:
        """Look once at everything. Raises LeaseLost when another controller has taken over."""
        self._renew()
        self._note_serving()
        self._training.follow()
        self._commands.handle()
        for product in self._entries:
            try:
                self._look_after(product)
            except LeaseLost:
                raise
            except Exception as error:
                # Whatever is wrong with one product, the champions go on serving and the other loops go on turning.
                log.exception("%s: the look failed", product)
                remedy = error.remedy if isinstance(error, WindlassError) else ""
                self._incidents.open(
                    product,
                    title="the loop cannot go on",
                    cause=f"{type(error).__name__}: {error}",
                    remedy=remedy or "windlass.log has the whole story",
                )
            else:
                self._incidents.close(product, title="the loop cannot go on", resolution="the next look succeeded")

    def stop(self, reason: str) -> None:
        """Bring what was captured into the lake and give the lease back; a run under way is taken up next time."""
        self._training.cancel()
        for product in self._entries:
            self._commit(product)
        fence = self._context.held()
        self._context.record(ControllerStopped(holder=fence.holder, reason=reason), product=None)
        self._context.ledger.release(fence)

    def _look_after(self, name: str) -> None:
        self._commit(name)
        if self._context.product(name).declared is None:
            return
        paused = self._context.product(name).paused is not None
        if not paused:
            self._releases.step(name)
        self._route(name)
        self._watching.judge(name)
        if not paused and self._training.idle:
            self._training.decide(name, self._watching.signals(name))

    def _commit(self, name: str) -> None:
        committed = self._context.lake.commit_segments(name, self._context.paths.segments(name), self._context.now)
        for problem in committed.problems:
            self._incidents.open(
                name,
                title=f"captured answers could not be read: {problem}",
                cause="a segment is damaged; the part before the damage is in the lake, the file was set aside",
                remedy="look at the disk; the file lies beside the segments, named *.corrupt",
            )
        self._releases.take(name, committed.predictions)
        self._watching.take(name, committed.predictions, committed.outcomes)
        if committed.outcomes.height:
            self._releases.outcomes_came(name)

    def _route(self, name: str) -> None:
        state = self._context.state
        product = state.products.get(name)
        if product is not None and product.champion is not None:
            publish_routing(routing_for(product, sequence=state.sequence), self._context.paths)

    def _note_serving(self) -> None:
        while not self._heard.empty():
            event = self._heard.get()
            log.info("worker %s: %s %s %s", event.worker, event.kind, event.product, event.detail)
            if event.kind == "refused":
                self._incidents.open(
                    event.product,
                    title=f"a version cannot be loaded: {event.detail.splitlines()[0]}",
                    cause=event.detail,
                    remedy="the version before goes on answering; roll back, or train a new one",
                )
            elif event.kind == "died":
                for product in self._entries:
                    self._incidents.open(
                        product,
                        title=f"serving worker {event.worker} died",
                        cause=event.detail,
                        remedy="it was started again; see windlass.log",
                    )
            elif event.kind == "ready":
                for product in self._entries:
                    self._incidents.close(
                        product, title=f"serving worker {event.worker} died", resolution="it answers again"
                    )

    def _train(self, pending: PendingCommand) -> str:
        return self._training.start_by_hand(pending)

    def _renew(self, *, force: bool = False) -> None:
        """Well before it runs out; a real clock, since leases are about processes."""
        if force or time.monotonic() - self._renewed > self._context.settings.lease_seconds / 4:
            self._context.ledger.renew(self._context.held(), self._context.settings.lease_seconds)
            self._renewed = time.monotonic()
