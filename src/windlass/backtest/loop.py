"""The loop of the design under the simulated clock: watch, decide, retrain, gate, promote, roll back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from windlass.backtest.challenger import Answerer, Challenger, Workshop
from windlass.backtest.result import BacktestEvent
from windlass.backtest.stream import Array, Known, Stream, Window
from windlass.backtest.trainer import Trainer
from windlass.clock import SimulatedClock
from windlass.decisions.precedent import precedent_of
from windlass.decisions.recourse import to_be_asked
from windlass.decisions.retrain import LOOKS, RetrainEvidence, decide_retrain, must_gain, sparing
from windlass.decisions.rollback import RollbackEvidence, decide_rollback
from windlass.decisions.statistics.losses import compared_losses
from windlass.decisions.statistics.paired_losses import PairedLosses
from windlass.monitoring.reference import Reference
from windlass.monitoring.watch import Watch
from windlass.records.decision import Decision
from windlass.records.event import LOOKING

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WINDOW_ROWS = 2000


@dataclass(frozen=True, kw_only=True, eq=False)
class Version(Answerer):
    """A model with what it is watched by."""

    name: str
    reference: Reference
    watch: Watch


@dataclass(kw_only=True, eq=False)
class Probation:
    """A promotion that may still be taken back."""

    previous: Version
    started_at: datetime
    first: int
    """The first row that the new champion answered."""


class Loop:
    """The `windlass` policy. It looks at the start of each window, with what is known at that moment."""

    def __init__(self, *, stream: Stream, trainer: Trainer, first: Any, trained_to: int) -> None:
        self.trainer = trainer
        self.retrains = 0
        self.events: list[BacktestEvent] = []
        self._stream = stream
        self._workshop = Workshop(stream=stream, trainer=trainer)
        self._clock = SimulatedClock(moment(int(stream.at[trained_to])))
        self._matured_to = int(stream.at[trained_to])
        known = stream.known(self._matured_to, start=0, stop=trained_to)
        reference = self._workshop.first_reference(known)
        standing = self._stream.representative(self._matured_to, stop=trained_to)
        self._champion = self._version(first, known, reference, early=len(standing) < len(known))
        self._probation: Probation | None = None
        self._ended: Decision | None = None
        """How the last one ended."""
        self._past: list[Version] = []
        """Those that answered before, in the order in which they stopped to."""
        self._run_starts: list[datetime] = [self._clock.now()]
        self._labelled_at_run = len(known)
        self._released = [len(known)]
        """How many rows were labelled when each version was trained."""
        self._made_at = [0]
        """At which look each was."""
        self._asked_at: datetime | None = None
        """When earlier versions alone were asked last."""
        self._rejections = 0
        self._changed = 0
        self._alarmed: set[str] = set()
        self._at = (0, trained_to)
        self._handed_over = np.arange(len(stream)) < trained_to  # nobody is watched by the history

    def run(self, index: int, window: Window) -> Array:
        """Look, act, and answer the window's rows."""
        if index:
            self._look(index, window.start)
        predictions = self.trainer.predict(self._champion.model, window.start, window.stop)
        features = self._stream.features.slice(window.start, window.rows).select(self._stream.watched)
        self._champion.watch.observe(
            features,
            predictions,
            np.arange(window.start, window.stop),
            at=moment(int(self._stream.at[window.stop - 1])),
        )
        return predictions

    # -- looking -------------------------------------------------------------------------------------------------

    def _look(self, index: int, start: int) -> None:
        self._at = (index, start)
        now = int(self._stream.at[start])
        self._clock.move_to(moment(now))
        self._mature(now, start)
        self._judge_probation(start)
        decision = self._decide(start)
        if decision.verdict == "retrain":
            self._record("retrain.decided", decision=decision)
            self._changed = decision.count("changed")
            self._retrain(start, decision)
        elif decision.verdict == "recourse":
            self._record("retrain.decided", decision=decision)
            self._ask_earlier(start, decision)

    def _mature(self, now: int, start: int) -> None:
        """Hand over the labels that became known since the last look, in the order in which they did.

        A row that came after the last look, but at the same moment, may have had its label then already; so it is kept
        which rows were handed over, not until when.
        """
        self._matured_to = now
        known = self._stream.known(now, start=0, stop=start)
        fresh = known[~self._handed_over[known.positions]]
        self._handed_over[fresh.positions] = True
        fresh = fresh[np.argsort(self._stream.known_at[fresh.positions], kind="stable")]
        if len(fresh):
            self._champion.watch.mature(fresh.positions, fresh.labels)

    def _decide(self, start: int) -> Decision:
        now = self._clock.now()
        watch = self._champion.watch
        drift, decay = watch.drift(now), watch.decay(now)
        for signal, heard in (("drift", drift), ("decay", decay)):
            if heard.verdict == "alarm" and signal not in self._alarmed:
                self._alarmed.add(signal)
                self._record("alarm.raised", decision=heard)
            elif heard.verdict == "quiet":
                self._alarmed.discard(signal)
        labelled = len(self._stream.known(self._matured_to, start=0, stop=start))
        evidence = RetrainEvidence(
            has_champion=True,
            last_run_at=self._run_starts[-1],
            run_starts=tuple(self._run_starts),
            earlier=bool(self._earlier()),
            asked_at=self._asked_at,
            versions=tuple(self._at[0] - look for look in self._made_at if look > self._at[0] - LOOKS),
            new_labelled=labelled - self._labelled_at_run,
            labelled=self._labelled_at_run,
            released=tuple(self._released),
            changed=self._changed,
            rejections=self._rejections,
            drift=drift,
            decay=decay,
            warning=watch.warning(now),
            probation=self._ended,
        )
        return decide_retrain(evidence, self._stream.product.retrain, now)

    # -- acting --------------------------------------------------------------------------------------------------

    def _retrain(self, start: int, decision: Decision) -> None:
        trigger = decision.numbers["trigger"]
        looks = trigger in LOOKING
        now = self._clock.now()
        self._run_starts.append(now)
        self._labelled_at_run = len(self._stream.known(self._matured_to, start=0, stop=start))
        made = self._workshop.challenge(
            start,
            self._champion,
            now=now,
            must_gain=must_gain(trigger, self._changed),
            sparing=sparing(trigger, decision),
            growth=trigger == "growth",
            precedent=precedent_of(decision) if trigger == "growth" else None,
            changed=self._changed,
            earlier=self._earlier() if trigger == "decay" else None,
        )
        if made is None:
            self._rejections += not looks
            self._record("run.failed", detail="too few labelled rows that are new and stand for their time")
            return
        self._record("gate.decided", decision=made.decision, detail=f"trained on: {made.mix}")
        if made.recourse is not None:
            self._record("recourse.decided", decision=made.recourse)
        if made.recourse is not None and made.recourse.verdict == "back":
            self._go_back(str(made.recourse.numbers["version"]), start)
        elif made.model is None:
            self._rejections += not looks
        else:
            self._promote(made, start)

    def _ask_earlier(self, start: int, decision: Decision) -> None:
        now = self._asked_at = self._clock.now()
        changed = decision.count("changed")
        said = self._workshop.ask_earlier(start, self._champion, now=now, changed=changed, earlier=self._earlier())
        self._record("recourse.decided", decision=said)
        if said.verdict == "back":
            self._go_back(str(said.numbers["version"]), start)

    def _earlier(self) -> dict[str, Version]:
        """Those that answered before the champion and may be asked."""
        past = {past.name: past for past in self._past}
        asked = to_be_asked([past.name for past in self._past], champion=self._champion.name)
        return {name: past[name] for name in asked}

    def _go_back(self, name: str, start: int) -> None:
        self._rejections = 0
        self._begin_probation(self._again(self._earlier()[name]), start)
        self._record("champion.changed", detail=f"back to {name}")

    def _begin_probation(self, version: Version, start: int) -> None:
        """It answers from now on, and is held against the one that did."""
        previous = self._champion
        self._past.append(previous)
        self._champion = version
        self._probation = Probation(previous=previous, started_at=self._clock.now(), first=start)
        self._alarmed.clear()

    def _promote(self, made: Challenger, start: int) -> None:
        assert made.reference is not None
        self._rejections = 0
        self.retrains += 1
        self._released.append(self._labelled_at_run)
        self._made_at.append(self._at[0])
        self._begin_probation(self._version(made.model, made.learned, made.reference, early=made.mix.early), start)
        self._record("champion.changed", detail=f"retrained on {len(made.learned):,} labelled rows ({made.mix})")

    def _judge_probation(self, start: int) -> None:
        """Compare the new champion with the one before on the rows since the promotion whose labels are known."""
        probation = self._probation
        if probation is None:
            return
        known = self._stream.representative(self._matured_to, stop=start)
        known = known[known.positions >= probation.first]
        evidence = RollbackEvidence(
            started_at=probation.started_at, losses=self._paired(known, probation), requests=start - probation.first
        )
        decision = decide_rollback(evidence, self._stream.product.release, self._clock.now())
        if decision.verdict == "wait":
            return
        self._probation, self._ended = None, decision
        self._record("release.finished", decision=decision)
        if decision.verdict == "roll_back":
            self._past.append(self._champion)
            self._champion = self._again(probation.previous)
            self._alarmed.clear()
            self._rejections += 1
            self._record("champion.changed", detail="rolled back")

    def _paired(self, known: Known, probation: Probation) -> PairedLosses:
        kind = self._stream.product.task.kind
        gate = self._stream.product.gate
        metric = "default" if gate is None else gate.metric
        truth = self._stream.truth(known)
        new, previous = (
            compared_losses(truth, self.trainer.predict_at(version.model, known.positions), kind, metric=metric)
            if len(known)
            else np.empty(0)
            for version in (self._champion, probation.previous)
        )
        loss = self._champion.reference.loss
        bound = 1.0 if kind != "regression" else None if loss is None else loss.bound / 3  # the 99th percentile
        return PairedLosses(new=new, previous=previous, bound=bound)

    # -- keeping -------------------------------------------------------------------------------------------------

    def _version(self, model: Any, learned: Known, reference: Reference, *, early: bool) -> Version:
        return Version(
            name=f"v{self.retrains + 1}",
            model=model,
            learned=int(learned.positions[-1]),
            early=self._matured_to if early else None,
            reference=reference,
            watch=self._watch(reference),
        )

    def _again(self, version: Version) -> Version:
        """The same, watched anew."""
        return replace(version, watch=self._watch(version.reference))

    def _watch(self, reference: Reference) -> Watch:
        return Watch(reference, window=_WINDOW_ROWS, within=self._stream.product.outcome.within)

    def _record(self, kind: str, *, decision: Decision | None = None, detail: str = "") -> None:
        index, start = self._at
        self.events.append(
            BacktestEvent(
                window=index,
                at=self._stream.time_at(start),
                kind=kind,
                version=self._champion.name,
                decision=decision,
                detail=detail,
            )
        )


def moment(microseconds: int) -> datetime:
    """A moment of the stream as a datetime in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)
