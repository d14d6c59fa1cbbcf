"""Starts training runs when they pay, and follows them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from windlass.controller.commands import Answer
from windlass.controller.context import LoopContext, policies_of
from windlass.controller.declarations import Declarations
from windlass.controller.incidents import Incidents
from windlass.decisions.precedent import precedent_of
from windlass.decisions.recourse import to_be_asked
from windlass.decisions.retrain import LOOKS, RetrainEvidence, Signal, decide_retrain, must_gain, sparing
from windlass.engines.job import Job
from windlass.engines.local import LocalEngine
from windlass.errors import EngineError, UsageError, WindlassError
from windlass.pipeline.steps.progress import Emit, ProgressMessage, silent
from windlass.pipeline.steps.request import TrainingRequest
from windlass.pipeline.steps.resume import beginning
from windlass.records.decision import Decision
from windlass.records.event import Body, RetrainDecided, RunFailed, Trigger
from windlass.records.ids import new_id
from windlass.records.state import PendingCommand, ProductState, RunState

log = logging.getLogger(__name__)

FAILED = "training failed"
_TRAIN = "windlass.pipeline.training:run_training"
_SIGNALS: tuple[Signal, ...] = ("first", "schedule", "volume", "growth", "change", "drift", "decay")


@dataclass(frozen=True, kw_only=True)
class Signals:
    """What watching says of the champion."""

    drift: Decision | None = None
    decay: Decision | None = None
    warning: Decision | None = None
    new_labelled: int = 0


class Training:
    """One run at a time, in the engine's process."""

    def __init__(
        self,
        *,
        context: LoopContext,
        engine: LocalEngine,
        incidents: Incidents,
        declarations: Declarations,
        entries: dict[str, str],
        waits_for: Callable[[str], str] = lambda _product: "",
        show: Emit = silent,
    ) -> None:
        """`waits_for` says what has to end before a release may begin."""
        self._context = context
        self._engine = engine
        self._incidents = incidents
        self._declarations = declarations
        self._entries = entries
        self._waits_for = waits_for
        self._show = show
        self._job: Job | None = None
        self._request: TrainingRequest | None = None
        self._trigger: Trigger = "manual"
        """What the run under way is for."""
        self._force = False
        """Whether it does everything again."""
        self._began = 0
        """The ledger's last event when it was decided on."""

    @property
    def idle(self) -> bool:
        """Whether no run is under way here."""
        return self._job is None

    @property
    def jobs(self) -> tuple[Job, ...]:
        """What the engine does for it now."""
        return () if self._job is None else (self._job,)

    # -- when to train ---------------------------------------------------------------------------------------------

    def decide(self, name: str, signals: Signals) -> None:
        """Ask whether to train now, keep the answer if it is a new one, and start the run."""
        product = self._context.product(name)
        if product.declared is None or self._declarations.awaits(name) or name not in self._entries or not self.idle:
            return
        if product.run is not None and product.paused is not None:
            return  # it is taken up when the product goes on
        now = self._context.now
        evidence = self._evidence(product, signals)
        decision = decide_retrain(evidence, policies_of(product).retrain, now)
        if decision.verdict in ("retrain", "recourse"):
            run = new_id("run", now)
            trigger, reason = _occasion(decision, product.run)
            began = self._beginning(product, run=run, trigger=trigger, reason=reason, force=False)
            self._context.record(RetrainDecided(decision=decision, run=run), *began, product=name)
            self._start(self._context.product(name), run=run, trigger=trigger)
        elif _differs(decision, product.last_retrain):
            self._context.record(RetrainDecided(decision=decision), product=name)

    def _evidence(self, product: ProductState, signals: Signals) -> RetrainEvidence:
        release, last = product.release, product.last_run
        interrupted = product.run is not None  # by the ledger, though nobody works on it: it counts among the failures
        # A signal whose run failed is owed an answer; a person may ask again himself.
        failed_for = last.trigger if last is not None and last.outcome in ("failed", "lost") else None
        return RetrainEvidence(
            has_champion=any(one is not None for one in (product.champion, product.candidate, product.release)),
            trainable=product.declared is not None and product.declared.trains,
            paused=product.paused is not None,
            running=not self.idle,
            release_active=release is not None and release.stage != "probation",
            candidate=None if product.candidate is None else product.candidate.version,
            candidate_waits_for=self._waits_for(product.name),
            last_run_at=product.last_start(self._context.now),
            run_starts=product.run_starts,
            earlier=bool(_earlier(product)),
            asked_at=product.asked_at,
            versions=_versions(product, self._context.now),
            new_labelled=signals.new_labelled,
            labelled=product.labelled,
            released=product.released,
            changed=product.changed,
            failures=product.failures + interrupted,
            rejections=product.rejections,
            interrupted=interrupted,
            owed=next((signal for signal in _SIGNALS if signal == failed_for), None),
            drift=signals.drift,
            decay=signals.decay,
            warning=signals.warning,
            probation=product.probation,
        )

    def start_by_hand(self, pending: PendingCommand) -> Answer:
        """A run that a person asked for; refused while one is under way that had begun before it was asked for."""
        product = self._context.product(pending.product or "")
        if product.name not in self._entries:
            known = ", ".join(sorted(self._entries)) or "none"
            raise UsageError(f"there is no product {product.name!r} in this project", remedy=f"choose one of: {known}")
        if self._request is not None and self._answers(self._request, pending):
            return Answer(message=f"run {self._request.run} started")
        if not self.idle:
            raise UsageError("a run is under way already", remedy="ask again when it is done: `windlass runs`")
        if product.declared is not None and not product.declared.trains:
            raise UsageError(
                f"{product.name} has no `extract`, so it cannot train", remedy="define extract(self, since)"
            )
        run, reason = new_id("run", self._context.now), f"{pending.actor}: {pending.request.reason}"
        began = self._beginning(product, run=run, trigger="manual", reason=reason, force=pending.request.force)
        return Answer(
            bodies=began,
            message=f"run {run} started",
            then=lambda: self._start(self._context.product(product.name), run=run, trigger="manual"),
        )

    # -- the run under way -----------------------------------------------------------------------------------------

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
        for job in self.jobs:
            job.cancel()
        self._job = self._request = None

    def _beginning(self, product: ProductState, *, run: str, trigger: Trigger, reason: str, force: bool) -> list[Body]:
        """That a run begins, in one write with why: killed right after it, the run is there to be taken up.

        A run that is under way by the ledger, and that nobody works on, has failed. If it was to do everything again,
        so is this one.
        """
        died: list[Body] = []
        if product.run is not None:
            force = force or product.run.force
            remedy = "its finished steps are kept: the next run takes them up"
            died = [_death(product.run.run, EngineError("its process ended before the run did", remedy=remedy))]
        now = self._context.now
        return [
            *died,
            beginning(
                self._context.ledger, product.name, run=run, trigger=trigger, reason=reason, now=now, force=force
            ),
        ]

    def _start(self, product: ProductState, *, run: str, trigger: Trigger) -> None:
        """Have the run worked on, which the ledger knows of."""
        retrain = policies_of(product).retrain if product.declared is not None else None
        self._request = TrainingRequest(
            settings=self._context.settings,
            product=product.name,
            entry=self._entries[product.name],
            run=run,
            fence=self._context.held(),
            window=None if retrain is None else retrain.since,
            must_gain=must_gain(trigger, product.changed),
            sparing=sparing(trigger, product.last_retrain),
            growth=trigger == "growth",
            precedent=precedent_of(product.last_retrain) if trigger == "growth" else None,
            changed=_changed(product, trigger),
            champion=None if product.champion is None else product.champion.version,
            champion_digest=None if product.champion is None else product.champion.digest,
            earlier=_earlier(product) if trigger in ("decay", "recourse") else (),
            only_earlier=trigger == "recourse",
        )
        self._trigger, self._began = trigger, self._context.state.sequence
        self._force = product.run is not None and product.run.force
        self._job = self._engine.submit(_TRAIN, self._request)

    def _answers(self, under_way: TrainingRequest, pending: PendingCommand) -> bool:
        """Whether the run under way is what was asked for: it began afterwards, so it sees all that the person saw."""
        asked = pending.request
        same = under_way.product == pending.product and self._trigger == "manual"
        return same and pending.sequence <= self._began and (self._force or not asked.force)

    def _failed(self, request: TrainingRequest, error: WindlassError) -> None:
        log.error("%s: %s failed: %s", request.product, request.run, error)
        product = self._context.product(request.product)
        if product.run is not None and product.run.run == request.run:  # it has not told of it itself
            self._context.record(_death(request.run, error), product=request.product)
        remedy = error.remedy or "mend what the log names; finished steps are not repeated"
        cause = error.discreet_fault
        if self._incidents.cause_of(request.product, FAILED) not in (None, cause):  # its remedy helps no more
            self._incidents.close(request.product, title=FAILED, resolution=f"{request.run} failed of something else")
        self._incidents.open(request.product, title=FAILED, cause=cause, remedy=remedy)


def _earlier(product: ProductState) -> tuple[tuple[str, str], ...]:
    """Versions that answered before the champion, whose bundles are still there: those that may be asked."""
    past = [past.version for past in product.previous_champions]
    there = [one for one in past if one.version in product.versions and not product.versions[one.version].retired]
    digests = {one.version: one.digest for one in there}
    now = None if product.champion is None else product.champion.version
    return tuple((name, digests[name]) for name in to_be_asked([one.version for one in there], champion=now))


def _changed(product: ProductState, trigger: Trigger) -> int:
    """Rows since the change; for a run that learns nothing they are kept with the decision alone."""
    decided = product.last_retrain
    return decided.count("changed") if trigger == "recourse" and decided is not None else product.changed


def _versions(product: ProductState, now: datetime) -> tuple[float, ...]:
    """How many cooldowns ago each version was made that a run made in the last twenty."""
    policy = policies_of(product).retrain
    if policy is None or not policy.cooldown:
        return ()
    made = [version.registered_at for version in product.versions.values() if version.run is not None]
    return tuple((now - at) / policy.cooldown for at in made if at > now - LOOKS * policy.cooldown)


def _death(run: str, error: WindlassError) -> RunFailed:
    """The end of a run that could not tell of it itself."""
    return RunFailed(
        run=run, step=None, error="EngineError", message=error.discreet, where=error.where, remedy=error.remedy
    )


def _occasion(decision: Decision, interrupted: RunState | None) -> tuple[Trigger, str]:
    """What the run is for, and why, in the words of the ledger."""
    signal = decision.numbers["trigger"]
    if signal == "interrupted" and interrupted is not None:
        return interrupted.trigger, f"takes up {interrupted.run}, which was interrupted"
    return signal, decision.reasons[0]  # type: ignore[return-value]


def _differs(decision: Decision, last: Decision | None) -> bool:
    """A waiting verdict is worth an event when its first reason is new."""
    return last is None or (decision.verdict, decision.reasons[0]) != (last.verdict, last.reasons[0])
