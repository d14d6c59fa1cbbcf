"""Starts training runs when they pay, and follows them."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from windlass.controller.context import LoopContext, policies_of
from windlass.controller.incidents import Incidents
from windlass.decisions.retrain import RetrainEvidence, decide_retrain
from windlass.engines.job import Job
from windlass.engines.local import LocalEngine
from windlass.errors import UsageError, WindlassError
from windlass.pipeline.declaring import DeclareRequest
from windlass.pipeline.progress import Emit, ProgressMessage, silent
from windlass.pipeline.request import TrainingRequest
from windlass.records.decision import Decision
from windlass.records.event import RetrainDecided, RunFailed, Trigger
from windlass.records.ids import new_id
from windlass.records.state import PendingCommand, ProductState

log = logging.getLogger(__name__)

FAILED = "training failed"
UNDECLARED = "the product cannot be read"


@dataclass(frozen=True, kw_only=True)
class Signals:
    """What watching says of the champion."""

    drift: Decision | None
    decay: Decision | None
    new_labelled: int


class Training:
    """One run at a time, in the engine's process."""

    def __init__(
        self,
        *,
        context: LoopContext,
        engine: LocalEngine,
        incidents: Incidents,
        entries: dict[str, str],
        show: Emit = silent,
    ) -> None:
        self._context = context
        self._engine = engine
        self._incidents = incidents
        self._entries = entries
        self._show = show
        self._job: Job | None = None
        self._request: TrainingRequest | None = None

    @property
    def idle(self) -> bool:
        return self._job is None

    def declare(self, product: str) -> None:
        """Read the product in the engine's process and write down what differs from the settings in force."""
        request = DeclareRequest(
            settings=self._context.settings, product=product, entry=self._entries[product], fence=self._context.held()
        )
        self._engine.submit("windlass.pipeline.declaring:declare", request).result()

    def declare_all(self) -> None:
        """Read every product; one that cannot be read is an incident, and its champion goes on serving."""
        for product in self._entries:
            try:
                self.declare(product)
            except WindlassError as error:
                log.error("%s cannot be read: %s", product, error)
                self._incidents.open(
                    product, title=UNDECLARED, cause=str(error), remedy=error.remedy or "mend the product and restart"
                )
            else:
                self._incidents.close(product, title=UNDECLARED, resolution="it was read")

    def decide(self, name: str, signals: Signals) -> None:
        """Ask whether to train now, keep the answer if it is a new one, and start the run."""
        product = self._context.product(name)
        if product.run is not None:
            self._take_up(product)
            return
        now = self._context.now
        release = product.release
        evidence = RetrainEvidence(
            has_champion=product.champion is not None or product.candidate is not None,
            trainable=product.declared is not None and product.declared.trains,
            paused=product.paused is not None,
            running=not self.idle,
            release_active=product.candidate is not None or (release is not None and release.stage != "probation"),
            last_run_at=product.run_starts[-1] if product.run_starts else None,
            run_starts=product.run_starts,
            new_labelled=signals.new_labelled,
            failures=product.failures,
            rejections=product.rejections,
            drift=signals.drift,
            decay=signals.decay,
        )
        decision = decide_retrain(evidence, policies_of(product).retrain, now)
        if decision.verdict == "retrain":
            run = new_id("run", now)
            self._context.record(RetrainDecided(decision=decision, run=run), product=name)
            self._start(product, run=run, trigger=_trigger(decision), reason=decision.reasons[0])
        elif _differs(decision, product.last_retrain):
            self._context.record(RetrainDecided(decision=decision), product=name)

    def start_by_hand(self, pending: PendingCommand) -> str:
        """A run that a person asked for; refused while another one is under way."""
        product = self._context.product(pending.product or "")
        if not self.idle:
            raise UsageError("a run is under way already", remedy="ask again when it is done: `windlass runs`")
        if product.declared is not None and not product.declared.trains:
            raise UsageError(f"{product.name} has no `extract`, so it cannot train", remedy="define extract(self, since)")
        run = new_id("run", self._context.now)
        self._start(
            product,
            run=run,
            trigger="manual",
            reason=f"{pending.actor}: {pending.request.reason}",
            force=pending.request.force,
        )
        return f"run {run} started"

    def follow(self) -> None:
        """Pass on what the run says; when it is over, note a death and open or close the incident."""
        if self._job is None or self._request is None:
            return
        for message in self._job.messages():
            if isinstance(message, ProgressMessage):
                self._show(message)
        if not self._job.done:
            return
        job, request = self._job, self._request
        self._job = self._request = None
        try:
            job.result()
        except WindlassError as error:
            self._failed(request, error)
        else:
            self._incidents.close(request.product, title=FAILED, resolution=f"{request.run} came to its end")

    def cancel(self) -> None:
        """End the process of a run under way; the next controller takes the run up."""
        if self._job is not None:
            self._job.cancel()
            self._job = self._request = None

    def _start(
        self, product: ProductState, *, run: str, trigger: Trigger, reason: str, force: bool = False
    ) -> None:
        retrain = policies_of(product).retrain if product.declared is not None else None
        self._request = TrainingRequest(
            settings=self._context.settings,
            product=product.name,
            entry=self._entries[product.name],
            run=run,
            trigger=trigger,
            reason=reason,
            fence=self._context.held(),
            force=force,
            window=None if retrain is None else retrain.window,
            champion=None if product.champion is None else product.champion.version,
            champion_digest=None if product.champion is None else product.champion.digest,
        )
        self._job = self._engine.submit("windlass.pipeline.training:run_training", self._request)

    def _take_up(self, product: ProductState) -> None:
        """The ledger says that a run is under way, but nobody works on it: its process or its controller died."""
        run = product.run
        if run is None:
            return
        self._note_death(product.name, run.run, "its process ended before the run did")
        self._start(
            product,
            run=new_id("run", self._context.now),
            trigger=run.trigger,
            reason=f"takes up {run.run}, which was interrupted",
        )

    def _failed(self, request: TrainingRequest, error: WindlassError) -> None:
        log.error("%s: %s failed: %s", request.product, request.run, error)
        running = self._context.product(request.product).run
        if running is not None and running.run == request.run:
            self._note_death(request.product, request.run, str(error))
        self._incidents.open(
            request.product,
            title=FAILED,
            cause=str(error),
            remedy=error.remedy or "mend what the log names; finished steps are not repeated",
        )

    def _note_death(self, product: str, run: str, message: str) -> None:
        died = RunFailed(run=run, step=None, error="EngineError", message=message)
        self._context.record(died, product=product, run=run)


def _trigger(decision: Decision) -> Trigger:
    triggers: dict[object, Trigger] = {
        "first": "first",
        "schedule": "schedule",
        "volume": "volume",
        "drift": "drift",
        "decay": "decay",
    }
    return triggers[decision.numbers["trigger"]]


def _differs(decision: Decision, last: Decision | None) -> bool:
    """A waiting verdict is worth an event when its first reason is new."""
    return last is None or (decision.verdict, decision.reasons[0]) != (last.verdict, last.reasons[0])
