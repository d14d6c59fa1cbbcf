"""Watches the champions: feeds what was captured to the statistics, raises alarms and clears them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from windlass.controller.context import LoopContext, policies_of
from windlass.controller.incidents import Incidents
from windlass.controller.training import Signals
from windlass.monitoring import reference as references
from windlass.monitoring.profile import ColumnProfile
from windlass.monitoring.reference import Reference
from windlass.monitoring.watch import Watch
from windlass.product.labels import LabelCodec
from windlass.records.decision import Decision
from windlass.records.event import AlarmCleared, AlarmRaised
from windlass.records.ids import new_id
from windlass.records.state import ProductState
from windlass.release.evidence import predictions_of

_ANSWERED = ["champion", "canary"]
_BATCH = "1h"
_DTYPES = {"number": pl.Float64(), "category": pl.String(), "boolean": pl.Boolean()}
_REMEDIES = {
    "decay": "the loop retrains if the policy says so; otherwise run `windlass train`, or `windlass rollback`",
    "drift": "see which columns moved; if the source is at fault mend it, if the world changed retrain",
}


@dataclass(kw_only=True)
class _Eyes:
    """What is kept in memory of one champion."""

    version: str
    watch: Watch
    reference: Reference
    codec: LabelCodec
    waiting_since: datetime | None = None
    """The oldest answer whose outcome may still come."""
    stale: bool = True
    """Outcomes have come that were not looked at."""
    looked: float = 0.0
    labelled: int = 0
    """Outcomes that matured since the last run started."""
    counted_from: datetime | None = None


class Watching:
    """One champion for each product; rebuilt from the lake after a restart or a change of champion."""

    def __init__(
        self, *, context: LoopContext, incidents: Incidents, real_time: Callable[[], float] = time.monotonic
    ) -> None:
        self._context = context
        self._incidents = incidents
        self._real_time = real_time
        self._eyes: dict[str, _Eyes] = {}

    def take(self, name: str, predictions: pl.DataFrame, outcomes: pl.DataFrame) -> None:
        """Answers and outcomes that have just reached the lake."""
        eyes = self._eyes.get(name)
        if eyes is None:
            return
        if predictions.height:
            self._observe(eyes, predictions)
        eyes.stale = eyes.stale or outcomes.height > 0

    def judge(self, name: str) -> None:
        """Raise an alarm for what is wrong, clear those that are over."""
        product = self._context.product(name)
        eyes = self._current(product)
        if eyes is None:
            return
        self._mature(product, eyes)
        now = self._context.now
        for decision in (eyes.watch.drift(now), eyes.watch.decay(now)):
            self._alarm(product, eyes.version, decision)

    def signals(self, name: str) -> Signals:
        """What a retraining decision wants to know."""
        product = self._context.product(name)
        eyes = self._current(product)
        if eyes is None:
            return Signals(drift=None, decay=None, new_labelled=0)
        now = self._context.now
        return Signals(drift=eyes.watch.drift(now), decay=eyes.watch.decay(now), new_labelled=eyes.labelled)

    def _current(self, product: ProductState) -> _Eyes | None:
        """The eyes on the present champion; None when it has no reference to be watched against."""
        champion = product.champion
        if champion is None:
            return None
        eyes = self._eyes.get(product.name)
        if eyes is not None and eyes.version == champion.version:
            return eyes
        self._clear_all(product, reason=f"{champion.version} answers now")
        self._eyes.pop(product.name, None)
        bundle = self._context.registry.open(product.name, champion.digest)
        reference = references.load(bundle.folder)
        if reference is None:
            return None
        manifest = bundle.manifest
        eyes = _Eyes(
            version=champion.version,
            watch=Watch(
                reference, window=self._context.settings.watch_rows, within=policies_of(product).outcome.within
            ),
            reference=reference,
            codec=LabelCodec.from_manifest(reference.kind, manifest.classes, column=str(manifest.task["target"])),
        )
        answered = self._context.lake.predictions(product.name, versions=[champion.version], stages=_ANSWERED)
        self._observe(eyes, answered)
        self._eyes[product.name] = eyes
        return eyes

    def _observe(self, eyes: _Eyes, predictions: pl.DataFrame) -> None:
        answered = predictions.filter(
            pl.col("version") == eyes.version, pl.col("stage").is_in(_ANSWERED), pl.col("error").is_null()
        )
        if not answered.height:
            return
        # A batch has one moment; after a restart the lake gives months at once, so they are cut into batches again.
        for batch in answered.with_columns(_batch=pl.col("at").dt.truncate(_BATCH)).partition_by("_batch"):
            eyes.watch.observe(
                features_of(batch, eyes.reference),
                predictions_of(batch["score"], batch["probabilities"], eyes.codec),
                batch["prediction_id"],
                at=_latest(batch),
            )
        if eyes.waiting_since is None:
            eyes.waiting_since = _earliest(answered)

    def _mature(self, product: ProductState, eyes: _Eyes) -> None:
        """Settle predictions whose outcome has become known; at most once a second, since it reads the lake."""
        absent = policies_of(product).outcome.absent is not None
        if eyes.waiting_since is None or not (eyes.stale or absent) or self._real_time() - eyes.looked < 1:
            return
        eyes.stale = False
        eyes.looked = self._real_time()
        outcome = policies_of(product).outcome
        now = self._context.now
        labelled = self._context.lake.labelled(
            product.name, outcome=outcome, as_of=now, since=eyes.waiting_since, versions=[eyes.version], stages=_ANSWERED
        )
        known = labelled.filter(pl.col("value").is_not_null(), pl.col("error").is_null()).sort("observed_at")
        truth = eyes.codec.encode_values([json.loads(value) for value in known["value"]])
        settled = eyes.watch.mature(known["prediction_id"], truth)
        started = product.run_starts[-1] if product.run_starts else None
        eyes.labelled = settled + (eyes.labelled if eyes.counted_from == started else 0)
        eyes.counted_from = started
        waiting = labelled.filter(pl.col("value").is_null(), pl.col("at") >= now - outcome.within)
        eyes.waiting_since = _earliest(waiting) if waiting.height else _latest(labelled)

    def _alarm(self, product: ProductState, version: str, decision: Decision) -> None:
        signal: Any = decision.judgement
        open_alarms = {name: alarm for name, alarm in product.alarms.items() if alarm.raised.signal == signal}
        if decision.verdict == "alarm" and not open_alarms:
            alarm = new_id("alarm", self._context.now)
            raised = AlarmRaised(alarm=alarm, signal=signal, version=version, decision=decision)
            self._context.record(raised, product=product.name)
            self._incidents.open(
                product.name,
                title=f"{signal} of {version}",
                cause=decision.reasons[0],
                remedy=_REMEDIES[signal],
                alarm=alarm,
            )
        elif decision.verdict == "quiet":
            for name in open_alarms:
                self._clear(product.name, name, reason=decision.reasons[0])

    def _clear_all(self, product: ProductState, *, reason: str) -> None:
        for name in product.alarms:
            self._clear(product.name, name, reason=reason)

    def _clear(self, product: str, alarm: str, *, reason: str) -> None:
        self._context.record(AlarmCleared(alarm=alarm, reason=reason), product=product)
        self._incidents.close_for_alarm(product, alarm, resolution=reason)


def features_of(captured: pl.DataFrame, reference: Reference) -> pl.DataFrame:
    """The features that the model saw, as far as the reference watches them.

    They were captured as JSON, which has no types of its own; the reference knows which are numbers.
    """
    wanted = pl.Struct([pl.Field(column.name, _dtype(column)) for column in reference.features.columns])
    texts = captured.select(pl.coalesce("features", "request"))[:, 0]
    return texts.str.json_decode(wanted).struct.unnest()


def _dtype(column: ColumnProfile) -> pl.DataType:
    return _DTYPES[column.kind]


def _latest(frame: pl.DataFrame) -> datetime:
    latest: datetime = frame["at"].max()  # type: ignore[assignment]
    return latest


def _earliest(frame: pl.DataFrame) -> datetime:
    earliest: datetime = frame["at"].min()  # type: ignore[assignment]
    return earliest
