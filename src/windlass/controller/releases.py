"""Leads releases through their stages."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from windlass.controller.context import LoopContext, policies_of
from windlass.decisions.release import decide_release
from windlass.decisions.paired_losses import PairedLosses
from windlass.decisions.rollback import decide_rollback
from windlass.product.labels import LabelCodec
from windlass.product.policy import Release
from windlass.records.event import GateDecided
from windlass.records.ids import new_id
from windlass.records.state import ProductState, ReleaseState
from windlass.release import director
from windlass.release.evidence import COLUMNS, paired_losses, release_evidence, rollback_evidence


@dataclass(kw_only=True)
class _Stage:
    """What was captured in the present stage of a release."""

    identity: tuple[str, str, float]
    frames: list[pl.DataFrame] = field(default_factory=list)
    expected_shift: float | None = None
    codec: LabelCodec
    paired: PairedLosses | None = None
    """None: outcomes have come since they were last compared."""


class Releases:
    """One stage in memory for each product; it is read again from the lake after a restart."""

    def __init__(self, *, context: LoopContext) -> None:
        self._context = context
        self._stages: dict[str, _Stage] = {}

    def take(self, name: str, predictions: pl.DataFrame) -> None:
        """Answers that have just reached the lake."""
        stage = self._stages.get(name)
        if stage is not None and predictions.height:
            stage.frames.append(predictions.select(COLUMNS))

    def outcomes_came(self, name: str) -> None:
        """Labels that have just reached the lake: losses are to be compared anew."""
        stage = self._stages.get(name)
        if stage is not None:
            stage.paired = None

    def step(self, name: str) -> None:
        """Begin what waits to be released; judge what is under way; act on the verdict."""
        product = self._context.product(name)
        release = product.release
        if product.candidate is not None and (release is None or release.stage == "probation"):
            self._begin(product)
        elif release is not None:
            self._judge(product, release)

    def _begin(self, product: ProductState) -> None:
        candidate = product.candidate
        if candidate is None:
            return
        now = self._context.now
        bodies = director.begin(
            product,
            candidate,
            policies=policies_of(product),
            release=new_id("release", now),
            now=now,
            reason=f"{candidate.version} passed the gate" if candidate.run else f"{candidate.version} was imported",
        )
        self._context.record(*bodies, product=product.name, run=candidate.run)

    def _judge(self, product: ProductState, release: ReleaseState) -> None:
        stage = self._stage(product, release)
        policy = Release(**release.plan)
        champion = "" if product.champion is None else product.champion.version
        captured = pl.concat(stage.frames) if len(stage.frames) != 1 else stage.frames[0]
        stage.frames = [captured]
        now = self._context.now
        if release.stage == "probation":
            paired = self._paired(product, release, stage, new=champion, old=release.previous or "")
            decision = decide_rollback(
                rollback_evidence(release, captured, champion=champion, paired=paired), policy, now
            )
            bodies = {
                "keep": lambda: director.settle(product, decision=decision),
                "roll_back": lambda: director.withdraw(product, decision=decision),
            }.get(decision.verdict, list)()
        else:
            paired = self._paired(product, release, stage, new=release.version, old=champion)
            shown = paired if release.stage == "shadow" and paired.rows else None
            evidence = release_evidence(
                release, captured, champion=champion, expected_shift=stage.expected_shift, paired=shown
            )
            decision = decide_release(evidence, policy, now)
            bodies = {
                "advance": lambda: director.advance(product, policy=policy, decision=decision),
                "roll_back": lambda: director.withdraw(product, decision=decision),
            }.get(decision.verdict, list)()
        if bodies:
            self._context.record(*bodies, product=product.name, run=release.run)
            self._stages.pop(product.name, None)

    def _stage(self, product: ProductState, release: ReleaseState) -> _Stage:
        identity = (release.release, release.stage, release.share)
        stage = self._stages.get(product.name)
        if stage is None or stage.identity != identity:
            version = product.versions[release.version]
            manifest = self._context.registry.manifest(product.name, version.digest)
            captured = self._context.lake.predictions(
                product.name, since=release.stage_started_at, columns=list(COLUMNS)
            ).select(COLUMNS)
            stage = _Stage(
                identity=identity,
                frames=[captured],
                expected_shift=self._expected_shift(product, release),
                codec=LabelCodec.from_manifest(manifest.task["task"], manifest.classes),
            )
            self._stages[product.name] = stage
        return stage

    def _paired(
        self, product: ProductState, release: ReleaseState, stage: _Stage, *, new: str, old: str
    ) -> PairedLosses:
        if stage.paired is None:
            labelled = self._context.lake.labelled(
                product.name,
                outcome=policies_of(product).outcome,
                as_of=self._context.now,
                since=release.stage_started_at,
                versions=[new, old],
                stages=["champion", "canary", "shadow"],
            )
            stage.paired = paired_losses(labelled, new=new, old=old, codec=stage.codec)
        return stage.paired

    def _expected_shift(self, product: ProductState, release: ReleaseState) -> float | None:
        """How differently the two scored the holdout, which the gate wrote down."""
        if release.run is None:
            return None
        gates = self._context.ledger.events((GateDecided,), product=product.name, subject=release.run)
        if not gates or not isinstance(gates[-1].body, GateDecided):
            return None
        shift = gates[-1].body.decision.numbers.get("score_shift")
        return float(shift) if isinstance(shift, (int, float)) else None
