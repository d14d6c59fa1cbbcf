"""The driver of the loop in production: looks, judges, acts, again and again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from threading import Event

from windlass.controller.alerting import Alerting
from windlass.controller.arrivals import Arrivals
from windlass.controller.cleaning import Cleaning
from windlass.controller.commands import Commands
from windlass.controller.context import LoopContext
from windlass.controller.declarations import Declarations
from windlass.controller.experiments import Experiments
from windlass.controller.forms import Forms
from windlass.controller.hangs import Hangs
from windlass.controller.incidents import Incidents
from windlass.controller.intake import Intake
from windlass.controller.releases import Releases
from windlass.controller.rescue import Rescue
from windlass.controller.service import Service
from windlass.controller.signing import Signing
from windlass.controller.training import Training
from windlass.controller.watching import Watching
from windlass.controller.workers import Workers
from windlass.engines.behind import Behind
from windlass.engines.local import LocalEngine
from windlass.errors import LeaseLost, LedgerError, WindlassError, discreet_fault_of
from windlass.records.event import ControllerStarted, ControllerStopped
from windlass.serving.supervisor import ServingEvent

log = logging.getLogger(__name__)

_ENOUGH, _CROWDED = 0.5, 5.0
"""Seconds that a part of a look waits for a processor for each that it works: with less of a wait there is room for it
behind the workers, with more there is none any more. A loop that starves withdraws nobody."""
_BLINK = 0.02  # seconds between two looks at whether the engine has come to an end with something


class Controller:
    """One look at everything is a `tick`; whoever owns the process calls it in a loop, and `rest` between.

    It imports no user code: products are known by what the ledger says of them, and user code runs in the engine's
    process and in the serving workers.
    """

    def __init__(self, *, context: LoopContext, engine: LocalEngine, entries: dict[str, str]) -> None:
        """`entries`: product name -> `module:Class`, of what can be trained here."""
        self._context = context
        self._entries = entries
        self._incidents = Incidents(context=context)
        self._service = Service(context=context, incidents=self._incidents)
        self._hangs = Hangs(context=context, incidents=self._incidents)
        self._workers = Workers(
            context=context, incidents=self._incidents, hangs=self._hangs, turned_away=self._service.turned_away
        )
        self._arrivals = Arrivals(context=context, incidents=self._incidents)
        self._releases = Releases(context=context, refused=self._workers.refused, spent=self._service.spent)
        self._rescue = Rescue(
            context=context,
            incidents=self._incidents,
            refused=self._workers.refused,
            serves=self._workers.serves,
            engine=engine,
        )
        self._experiments = Experiments(context=context)
        self._declarations = Declarations(context=context, engine=engine, incidents=self._incidents, entries=entries)
        self._forms = Forms(context=context, declarations=self._declarations)
        self._training = Training(
            context=context,
            engine=engine,
            incidents=self._incidents,
            declarations=self._declarations,
            entries=entries,
            waits_for=self._releases.waits_for,
        )
        self._watching = Watching(context=context, incidents=self._incidents)
        listeners = (self._releases, self._watching, self._service, self._arrivals)
        self._intake = Intake(context=context, incidents=self._incidents, listeners=listeners)
        self._alerting = Alerting(context=context, incidents=self._incidents)
        self._cleaning = Cleaning(context=context)
        self._commands = Commands(
            context=context, train=self._training.start_by_hand, busy=self._busy, cleaning=self._cleaning
        )
        self._signing = Signing(context=context, incidents=self._incidents)
        self._behind = Behind(enough=_ENOUGH, crowded=_CROWDED)
        self._parts: dict[str, Callable[[str], object]] = {
            "taking in what was captured": self._behind_all(self._intake.take),
            "holding to the objectives": self._behind_all(self._service.step),
            "holding to what is usual": self._behind_all(self._arrivals.step),
            "seeing that the champion can be loaded": self._rescue.step,
            "releasing": self._behind_all(self._release),
            "comparing a compiled form": self._forms.step,
            "testing": self._behind_all(self._experiments.step),
            "routing": self._route,
            "watching": self._behind_all(self._watch),
            "training": self._train,
            "telling": self._alerting.step,
        }
        """In their order: what came in is judged before anything is decided on it, and whose files are damaged is put
        aside for that, not withdrawn from probation as one that a worker would not have. What reads and
        calculates makes room for the workers; what starts processes does not, since they would inherit its rank."""
        self.unwritable = ""
        """Why the ledger cannot be used, as the last look found; empty: it can."""

    def hear(self, event: ServingEvent) -> None:
        """Something about a serving worker; called from the server's threads, looked at in the next tick."""
        self._workers.hear(event)

    def start(self) -> None:
        """Say that this process acts from now on, set the routing right, and have the products read."""
        fence = self._context.held()
        self._context.record(ControllerStarted(holder=fence.holder, token=fence.token), product=None)
        for product in self._products():
            self._context.route(product)
        self._declarations.read_all()

    def tick(self) -> None:
        """Look once at everything. Raises LeaseLost when another controller has taken over."""
        try:
            self._look()
        except LeaseLost:
            raise
        except LedgerError as error:
            # What cannot be written down must not happen. The champions go on serving, and the next look tries again.
            if str(error) != self.unwritable:
                log.exception("the ledger cannot be used, so the loop stands still")
            self.unwritable = str(error)
        else:
            self.unwritable = ""

    def rest(self, stopping: Event, seconds: float) -> None:
        """Wait until `seconds` are over, `stopping` is set, or the engine has come to an end with something."""
        deadline = self._context.real_time() + seconds
        while (left := deadline - self._context.real_time()) > 0:
            jobs = (*self._declarations.jobs, *self._training.jobs, *self._rescue.jobs)
            if any(job.done for job in jobs) or stopping.wait(min(left, _BLINK) if jobs else left):
                return

    def stop(self, reason: str) -> None:
        """Bring what was captured into the lake and give the lease back; a run under way is taken up next time."""
        self.abandon()
        for product in self._products():
            self._guard(product, "taking in what was captured", self._intake.drain)
        fence = self._context.held()
        self._context.record(ControllerStopped(holder=fence.holder, reason=reason), product=None)
        self._signing.sign()
        self._context.ledger.release(fence)

    def abandon(self) -> None:
        """End what the engine does for this controller; all there is to do once another one has taken over."""
        self._training.cancel()
        self._declarations.cancel()
        self._rescue.cancel()

    def _look(self) -> None:
        self._context.keep()
        self._workers.note()
        self._declarations.follow()
        self._training.follow()
        self._commands.handle()
        self._alerting.note()
        for product in self._products():
            for part, look in self._parts.items():
                self._context.keep()
                self._guard(product, part, look)
        self._signing.step()
        if not self._busy():
            self._cleaning.step()

    def _busy(self) -> bool:
        """Whether user code is at work, whose files are in use."""
        return bool(self._declarations.jobs) or not self._training.idle

    def _products(self) -> list[str]:
        """Those of the project, and those that are served though their code is gone."""
        served = [name for name, product in self._context.state.products.items() if product.champion is not None]
        return list(dict.fromkeys([*self._entries, *served]))

    def _behind_all(self, look: Callable[[str], object]) -> Callable[[str], object]:
        return lambda product: self._behind.work(partial(look, product), starving=self._context.keep)

    def _guard(self, product: str, part: str, look: Callable[[str], object]) -> None:
        """Whatever is wrong with one part of one product, its champion goes on serving and the rest goes on turning."""
        title = f"{part} cannot go on"
        try:
            look(product)
        except LedgerError:
            raise
        except Exception as error:
            ours = isinstance(error, WindlassError)
            told = self._incidents.open(
                product,
                title=title,
                cause=(f"{type(error).__name__}: " if ours else "") + discreet_fault_of(error),
                remedy=(error.remedy if isinstance(error, WindlassError) else "") or "windlass.log has the whole story",
            )
            if told:
                log.exception("%s: %s cannot go on", product, part)
            # What is in memory may be half of what happened; the lake has all of it.
            self._releases.forget(product)
            self._watching.forget(product)
            self._service.forget(product)
            self._arrivals.forget(product)
        else:
            self._incidents.close(product, title=title, resolution="the next look succeeded")

    def _release(self, name: str) -> None:
        self._workers.forgive(name)
        self._hangs.look(name)
        if self._context.product(name).declared is not None:
            self._releases.step(name)

    def _route(self, name: str) -> None:
        title = "who answers was changed by somebody else"
        if self._context.route(name):
            log.warning("%s: the routing record was changed by somebody else, and is as it was", name)
            self._incidents.open(
                name,
                title=title,
                cause=f"{self._context.paths.routing(name)} was another record than this loop had written",
                remedy="it is as it was: workers follow what is signed; see who else may write to the workspace",
            )
        else:
            self._incidents.close(name, title=title, resolution="the record is as it was written")

    def _watch(self, name: str) -> None:
        if self._context.product(name).declared is not None:
            self._watching.judge(name)

    def _train(self, name: str) -> None:
        self._training.decide(name, self._watching.signals(name))
