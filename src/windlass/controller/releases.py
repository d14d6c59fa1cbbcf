"""Leads releases through their stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from windlass.controller.context import LoopContext, policies_of
from windlass.decisions.release import decide_approval, decide_release
from windlass.decisions.rollback import decide_rollback
from windlass.decisions.statistics.completeness import Usual
from windlass.decisions.statistics.paired_losses import PairedLosses
from windlass.monitoring import reference as references
from windlass.product.labels import LabelCodec
from windlass.product.policy import Release
from windlass.records.decision import Decision
from windlass.records.event import GateDecided, RecourseDecided
from windlass.records.ids import new_id
from windlass.records.state import ProductState, ReleaseState, VersionState
from windlass.release import director
from windlass.release.evidence import COLUMNS, Expected, release_evidence
from windlass.release.losses import gaps_of, paired_losses
from windlass.release.probation import Seen, rollback_evidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_DAY, _PART = timedelta(days=1), timedelta(hours=6)
Refused = Callable[[str, str], str | None]


@dataclass(kw_only=True)
class _Stage:
    """What was captured in the present stage of a release, and what stays the same in it."""

    identity: tuple[str, str, float]
    new: VersionState
    """The version that is released."""
    old: VersionState
    """The one it is compared with: the champion, or in probation the champion before."""
    codec: LabelCodec
    old_codec: LabelCodec
    bound: float | None
    """The largest loss, where it was fixed beforehand."""
    expected: Expected
    asks: float
    """How many times as many models the new one asks for an answer, at least 1."""
    captured: list[pl.DataFrame] = field(default_factory=list)
    """Since the stage began; in probation, which lasts, only what `seen` has not taken in yet."""
    seen: Seen | None
    """In probation what was answered since it began."""
    before: Seen | None
    """And by the champion before, while that one answered."""
    usual: Usual
    """How many outcomes never come, as answers of before the stage tell."""
    labelled: pl.DataFrame | None = None
    """Both versions' answers with their labels; None: outcomes have come since they were read."""
    losses: PairedLosses | None = None
    """By the outcomes that were known when they were read last; None: they have not been read yet."""

    @property
    def scale(self) -> float | None:
        """What scores are measured by; None: not known."""
        return 1.0 if self.codec.kind != "regression" else self.expected.scale


class Releases:
    """One stage in memory for each product; it is read again from the lake after a restart."""

    def __init__(
        self,
        *,
        context: LoopContext,
        refused: Refused = lambda _product, _version: None,
        spent: Callable[[str], bool] = lambda _product: False,
    ) -> None:
        """`refused` says why serving workers could not load a version; `spent`, whether an error budget is gone."""
        self._spent = spent
        self._context = context
        self._refused = refused
        self._stages: dict[str, _Stage] = {}
        self._pace = context.pace()
        self._readings = context.pace()
        self._beginnings = context.pace()

    def take(self, name: str, predictions: pl.DataFrame, outcomes: pl.DataFrame) -> None:
        """Answers and labels that have just reached the lake."""
        stage = self._stages.get(name)
        if stage is None:
            return
        if predictions.height:
            stage.captured.append(predictions.select(COLUMNS))
        if outcomes.height:
            stage.labelled = None

    def forget(self, name: str) -> None:
        """Read the stage anew at the next look."""
        self._stages.pop(name, None)

    def step(self, name: str) -> None:
        """Judge what is under way and act on the verdict; begin what waits to be released.

        While the product is paused, or an error budget is spent, nothing begins and nothing advances, but what does
        harm is withdrawn all the same.
        """
        product = self._context.product(name)
        if product.release is not None:
            stage = _identity(product.release)
            if product.release.stage != "started" and self._readings.due(name, of=stage):
                self._read_outcomes(product, product.release)
            if self._pace.due(name, of=stage):
                with self._pace.spend(name, of=stage):
                    self._judge(product, product.release)
                product = self._context.product(name)
        if product.candidate is not None and not self.waits_for(name) and self._beginnings.due(name):
            with self._beginnings.spend(name):
                self._begin(product, product.candidate)

    def waits_for(self, name: str) -> str:
        """What has to end before another release of the product may begin; empty: nothing."""
        product = self._context.product(name)
        if product.release is not None and product.release.stage != "probation":
            return "the release under way"
        if product.experiment is not None:
            return "the A/B test under way"
        if product.paused is not None:
            return "`windlass resume`"
        return "an error budget that is not spent" if self._spent(name) else ""

    def _begin(self, product: ProductState, candidate: VersionState) -> None:
        self._context.registry.verify(product.name, candidate.digest)  # what is damaged must not even be routed
        now = self._context.now
        recalled = candidate.run != product.versions[candidate.version].run
        why = "does better now" if recalled else "passed the gate" if candidate.run else "was imported"
        bodies = director.begin(
            product,
            candidate,
            policies=policies_of(product),
            release=new_id("release", now),
            now=now,
            reason=f"{candidate.version} {why}",
        )
        self._context.record(*bodies, product=product.name, run=candidate.run)
        self.forget(product.name)

    def _judge(self, product: ProductState, release: ReleaseState) -> None:
        policy = Release(**release.plan)
        decision = self._decide(product, release, policy)
        if product.paused is not None and decision.verdict != "roll_back":
            return
        if decision.verdict == "advance" and self._spent(product.name):
            return
        if decision.verdict in ("advance", "keep") and release.stage != "started":
            self._read_outcomes(product, release)  # it must not pass by what came since they were read
            decision = self._decide(product, release, policy)
        bodies = director.act_on(product, decision=decision, policy=policy)
        if bodies:
            self._context.record(*bodies, product=product.name, run=release.run)
            if decision.verdict != "wait":
                self.forget(product.name)

    def _decide(self, product: ProductState, release: ReleaseState, policy: Release) -> Decision:
        if release.stage == "started":
            now = self._context.now
            return decide_approval(release, policy, now, paused=product.release_paused(now))
        stage = self._stage(product, release)
        refused = self._refused(product.name, release.version)
        now = self._context.now
        losses = stage.losses or self._read_outcomes(product, release)
        if stage.seen is not None:
            for part in stage.captured:
                stage.seen = stage.seen.after(part)
            stage.captured = []
            probation = rollback_evidence(
                stage.seen, paired=losses, before=stage.before, asks=stage.asks, refused=refused
            )
            return decide_rollback(probation, policy, now)
        captured = pl.concat(stage.captured).filter(pl.col("at") >= release.stage_started_at)
        stage.captured = [captured]
        evidence = release_evidence(
            release,
            captured,
            champion=stage.old.version,
            expected=stage.expected,
            scale=stage.scale,
            gaps=self._gaps(captured, stage) if release.stage == "shadow" else None,
            losses=losses,
            asks=stage.asks,
            doubted=_doubted(product, stage.old.version),
            refused=refused,
            paused=product.release_paused(now),
        )
        return decide_release(evidence, policy, now)

    def _stage(self, product: ProductState, release: ReleaseState) -> _Stage:
        identity = _identity(release)
        stage = self._stages.get(product.name)
        if stage is None or stage.identity != identity:
            stage = self._stages[product.name] = self._read(product, release, identity)
        return stage

    def _read(self, product: ProductState, release: ReleaseState, identity: tuple[str, str, float]) -> _Stage:
        new = product.versions[release.version]
        old = product.versions.get(release.previous or "", new)
        codec = self._codec(product, new)
        probation = release.stage == "probation"
        return _Stage(
            identity=identity,
            new=new,
            old=old,
            codec=codec,
            old_codec=self._codec(product, old),
            bound=1.0 if codec.kind != "regression" else self._bound(product, new),
            expected=self._expected(product, release),
            asks=max(1.0, self._models(product, new) / self._models(product, old)),
            captured=[] if probation else [self._answered(product, since=release.stage_started_at)],
            seen=self._seen(product, release) if probation else None,
            before=self._before(product, release, old) if probation else None,
            usual=self._usual(product, release),
        )

    def _answered(self, product: ProductState, **which: Any) -> pl.DataFrame:
        return self._context.lake.predictions(product.name, columns=list(COLUMNS), **which)

    def _seen(self, product: ProductState, release: ReleaseState) -> Seen:
        """What was answered since a probation began, a part of a day at a time."""
        since = release.stage_started_at
        seen = Seen(version=release.version, beside=release.previous or "", since=since)
        for begun, ended in _parts(since, self._context.now):
            seen = seen.after(self._answered(product, since=begun, until=ended))
            since = ended
        return seen.after(self._answered(product, since=since))

    def _before(self, product: ProductState, release: ReleaseState, old: VersionState) -> Seen:
        """What the champion before answered since the release began, and in its last day, which has all hours in it."""
        since = min(release.started_at, release.stage_started_at - _DAY)
        seen = Seen(version=old.version, since=since)
        for begun, ended in _parts(since, release.stage_started_at):
            part = {"since": begun, "until": ended, "versions": [old.version], "stages": ["champion"]}
            seen = seen.after(self._answered(product, **part))
        return seen

    def _usual(self, product: ProductState, release: ReleaseState) -> Usual:
        outcome = policies_of(product).outcome
        over = release.stage_started_at - outcome.within
        answered = self._context.lake.labelled(
            product.name,
            outcome=outcome,
            as_of=self._context.now,
            since=over - outcome.within,
            until=over,
            columns=["at"],
        )
        return Usual.of(answered["value"].is_not_null().to_numpy())

    def _codec(self, product: ProductState, version: VersionState) -> LabelCodec:
        manifest = self._context.registry.manifest(product.name, version.digest)
        return LabelCodec.from_manifest(manifest.task["task"], manifest.classes)

    def _models(self, product: ProductState, version: VersionState) -> int:
        return self._context.registry.manifest(product.name, version.digest).models

    def _bound(self, product: ProductState, version: VersionState) -> float | None:
        """The 99th percentile of its losses on the holdout, of which the reference keeps three times as much."""
        reference = references.load(self._context.paths.bundle(product.name, version.digest))
        return None if reference is None or reference.loss is None else reference.loss.bound / 3

    def _read_outcomes(self, product: ProductState, release: ReleaseState) -> PairedLosses:
        """At a pace of its own: it costs far more than a judgement, which must not wait for it."""
        with self._readings.spend(product.name, of=_identity(release)):
            stage = self._stage(product, release)
            stage.losses = self._paired(product, release, stage)
        return stage.losses

    def _paired(self, product: ProductState, release: ReleaseState, stage: _Stage) -> PairedLosses:
        """The losses of both versions on the same rows; read again when outcomes have come, or time alone may tell."""
        policies = policies_of(product)
        outcome = policies.outcome
        if stage.labelled is None or outcome.absent is not None:
            stage.labelled = self._context.lake.labelled(
                product.name,
                outcome=outcome,
                as_of=self._context.now,
                since=release.stage_started_at,
                versions=[stage.new.version, stage.old.version],
                stages=["champion", "canary", "shadow"],
            )
        return paired_losses(
            stage.labelled,
            new=stage.new.version,
            old=stage.old.version,
            codec=stage.codec,
            old_codec=stage.old_codec,
            bound=stage.bound,
            metric="default" if policies.gate is None else policies.gate.metric,
            now=self._context.now,
            within=outcome.within,
            usual=stage.usual,
            apart=release.stage == "canary",
        )

    def _gaps(self, captured: pl.DataFrame, stage: _Stage) -> Array | None:
        """On the rows that champion and challenger answered; None where nothing tells what a number is measured by."""
        if stage.scale is None:
            return None
        answered = captured.filter(pl.col("error").is_null()).sort("at", maintain_order=True)
        own = answered.filter(pl.col("version") == stage.new.version, pl.col("stage") == "shadow")
        others = answered.filter(pl.col("version") == stage.old.version, pl.col("stage") == "champion")
        return gaps_of(own, others, codec=stage.codec, old_codec=stage.old_codec, scale=stage.scale)

    def _expected(self, product: ProductState, release: ReleaseState) -> Expected:
        """How differently the two answered the holdout, by the judgement that let the version through."""
        if release.run is None:
            return Expected()
        judged = self._context.ledger.events((GateDecided, RecourseDecided), product=product.name, subject=release.run)
        let_through = [
            event.body.decision
            for event in judged
            if isinstance(event.body, GateDecided | RecourseDecided) and event.body.decision.verdict in ("pass", "back")
        ]
        if not let_through:
            return Expected()
        numbers = let_through[-1].numbers
        seen = {name: numbers.get(f"score_{name}") for name in ("shift", "gap", "scale")}
        return Expected(**{name: float(said) for name, said in seen.items() if isinstance(said, int | float)})


def _parts(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The time from `since` to `until`, cut so that what was answered in each part can be held in memory."""
    while since < until:
        yield since, min(since + _PART, until)
        since += _PART


def _doubted(product: ProductState, champion: str) -> str | None:
    """The signal of an alarm about the champion's answers; None: there is none."""
    signals = {opened.raised.signal for opened in product.alarms.values() if opened.raised.version == champion}
    return next((signal for signal in ("decay", "drift") if signal in signals), None)


def _identity(release: ReleaseState) -> tuple[str, str, float]:
    """Of the stage that it is in."""
    return release.release, release.stage, release.share
