"""Watches the champions: feeds what was captured to the statistics, raises alarms and clears them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import polars as pl

from windlass.controller.causes import causes_of_decay
from windlass.controller.context import LoopContext, policies_of
from windlass.controller.eyes import Eyes
from windlass.controller.incidents import Incidents
from windlass.controller.references import References
from windlass.controller.training import Signals
from windlass.controller.windows import keep_windows, kept_windows
from windlass.lake.layout import SEQUENCE
from windlass.monitoring.watch import Watch
from windlass.product.labels import LabelCodec
from windlass.records.alert import likely_cause
from windlass.records.decision import Decision
from windlass.records.event import AlarmRaised
from windlass.records.ids import new_id
from windlass.records.routing import ANSWERED
from windlass.records.state import ProductState, VersionState

log = logging.getLogger(__name__)

_RECALLED = 500_000
"""The newest answers, read again after a restart: ten times what decay looks back on, since labels come late."""
_AT_ONCE = 50_000
_LIGHT = [SEQUENCE, "prediction_id", "at", "version", "stage", "score", "probabilities", "error"]
_REMEDIES = {
    "decay": "the loop retrains if the policy says so; otherwise run `windlass train`, or `windlass rollback`",
    "drift": "look at the columns that are named; if their source is at fault mend it, if the world changed retrain; "
    "where the prediction alone has shifted the version may be at fault: `windlass rollback`",
}
_STRANGE = " does not know some labels that came"


@dataclass(kw_only=True)
class _Watched:
    """One champion, and what is known of its labels."""

    version: str
    eyes: Eyes | None
    """None: it came without a reference, and has not answered enough to be watched against its first answers."""
    answered: bool = False
    """Answers have come since it was last looked for that reference."""
    stale: bool = True
    """Outcomes have come that were not looked at."""
    judged: Signals = field(default_factory=Signals)
    """What was found at the last look."""
    new_labelled: int = 0
    counted_from: datetime | None = None
    """The start of the run since which they are counted."""


class Watching:
    """One champion for each product; rebuilt from the lake after a restart or a change of champion."""

    def __init__(self, *, context: LoopContext, incidents: Incidents) -> None:
        self._context = context
        self._incidents = incidents
        self._references = References(context=context)
        self._watched: dict[str, _Watched] = {}
        self._openings = context.pace()
        self._looks = context.pace()

    def take(self, name: str, predictions: pl.DataFrame, outcomes: pl.DataFrame) -> None:
        """Answers and outcomes that have just reached the lake."""
        watched = self._watched.get(name)
        if watched is None:
            return
        watched.stale = watched.stale or outcomes.height > 0
        watched.answered = watched.answered or predictions.height > 0
        if watched.eyes is not None and predictions.height:
            watched.eyes.observe(predictions)
            keep_windows(self._context.lake.windows(name), watched.eyes)

    def forget(self, name: str) -> None:
        """Read everything anew at the next look."""
        self._watched.pop(name, None)

    def judge(self, name: str) -> None:
        """Raise an alarm for what is wrong, clear those that are over."""
        product = self._context.product(name)
        watched = self._current(product)
        if watched is None:
            return
        self._look_at_labels(product, watched)
        if watched.eyes is not None:
            now, watch = self._context.now, watched.eyes.watch
            drift, decay = watch.drift(now), watch.decay(now)
            watched.judged = Signals(drift=drift, decay=decay, warning=watch.warning(now))
            for decision in (drift, decay):
                self._alarm(name, watched, decision)

    def signals(self, name: str) -> Signals:
        """What a retraining decision wants to know, as of the last `judge`."""
        product = self._context.product(name)
        watched = self._watched.get(name)
        if watched is None or product.champion is None or watched.version != product.champion.version:
            return Signals()
        counted = watched.counted_from == product.last_start(self._context.now)
        return replace(watched.judged, new_labelled=watched.new_labelled if counted else 0)

    # -- the champion ----------------------------------------------------------------------------------------------

    def _current(self, product: ProductState) -> _Watched | None:
        """The present champion; None when there is none, or it is not yet time to try again to open it."""
        champion = product.champion
        if champion is None:
            return None
        watched = self._watched.get(product.name)
        if watched is None or watched.version != champion.version:
            self.forget(product.name)
            self._clear_others(product, champion)
            if not self._openings.due(product.name):
                return None
            with self._openings.spend(product.name):
                watched = _Watched(version=champion.version, eyes=self._open(product, champion))
            self._watched[product.name] = watched
        elif watched.eyes is None and watched.answered and self._openings.due(product.name):
            watched.answered = False
            with self._openings.spend(product.name):
                watched.eyes = self._open(product, champion)
            watched.stale = True
        return watched

    def _open(self, product: ProductState, champion: VersionState) -> Eyes | None:
        manifest = self._context.registry.verify(product.name, champion.digest)
        codec = LabelCodec.from_manifest(manifest.task["task"], manifest.classes, column=str(manifest.task["target"]))
        held = self._references.of(product, champion, manifest, codec)
        if held is None:
            return None
        window, within = self._context.settings.watch_rows, policies_of(product).outcome.within
        eyes = Eyes(
            version=champion.version,
            reference=held.reference,
            codec=codec,
            watch=Watch(held.reference, window=window, within=within),
            window=window,
            within=within,
        )
        self._recall(product.name, eyes, after=held.through)
        return eyes

    def _recall(self, name: str, eyes: Eyes, *, after: int) -> None:
        """What it answered after the sequence `after`: the features, which are the most of it, only since the last
        window that was judged and kept."""
        lake, version = self._context.lake, [eyes.version]
        windows = kept_windows(lake.windows(name), eyes.version)
        eyes.watch.recall([each.window for each in windows], windows[-1].at if windows else self._context.now)
        every = lake.predictions(
            name, versions=version, stages=ANSWERED, columns=[SEQUENCE, "error"], after_sequence=after
        )
        sequences = every.filter(pl.col("error").is_null())[SEQUENCE]
        count = len(sequences)
        if count == 0:
            return
        recalled = max(0, count - _RECALLED)
        through = windows[-1].through if windows else after
        watched = max(recalled, int(sequences.search_sorted(through, side="right")))
        light = lake.predictions(
            name,
            versions=version,
            stages=ANSWERED,
            columns=[*_LIGHT, "request"] if eyes.reference.slices else _LIGHT,
            after_sequence=sequences[recalled] - 1,
        )
        given_up = self._context.now - eyes.within
        for part in light.filter(pl.col(SEQUENCE) <= through).iter_slices(_AT_ONCE):
            self._context.keep()
            eyes.observe(part, features=False, given_up=given_up)
        eyes.seen = windows[-1].upto if windows else recalled
        for start in range(watched, count, _AT_ONCE):
            self._context.keep()
            part = lake.predictions(
                name,
                versions=version,
                stages=ANSWERED,
                after_sequence=sequences[start] - 1,
                upto_sequence=sequences[min(start + _AT_ONCE, count) - 1],
            )
            eyes.observe(part, given_up=given_up)
            keep_windows(lake.windows(name), eyes)

    # -- its labels ------------------------------------------------------------------------------------------------

    def _look_at_labels(self, product: ProductState, watched: _Watched) -> None:
        """Settle predictions whose outcome has become known, and count what was labelled since the last run."""
        outcome, started = policies_of(product).outcome, product.last_start(self._context.now)
        due = watched.stale or outcome.absent is not None or watched.counted_from != started
        if not due or not self._looks.due(product.name):
            return
        eyes, now = watched.eyes, self._context.now
        moments = [None if eyes is None else eyes.waiting_since, None if started is None else started - outcome.within]
        since = min((moment for moment in moments if moment is not None), default=None)
        watched.stale = False
        watched.counted_from = started
        if since is None:
            return
        with self._looks.spend(product.name):
            labelled = self._context.lake.labelled(
                product.name,
                outcome=outcome,
                as_of=now,
                since=since,
                stages=ANSWERED,
                columns=["prediction_id", "version", "at"],
            )
            if eyes is not None and eyes.waiting_since is not None:
                own = pl.col("version") == eyes.version, pl.col("at") >= eyes.waiting_since
                eyes.mature(labelled.filter(*own), now)
                self._tell_strange(product.name, eyes)
        new = pl.col("value").is_not_null() & (pl.col("known_at") > started if started else pl.lit(value=True))
        watched.new_labelled = labelled.filter(new).height

    def _tell_strange(self, name: str, eyes: Eyes) -> None:
        if eyes.unknown:
            told = self._incidents.open(
                name,
                title=f"{eyes.version}{_STRANGE}",
                cause=f"it knows {', '.join(map(repr, eyes.codec.classes)) or 'finite numbers'}; "
                "others came, which windlass.log names, "
                + ("about which it was wrong" if eyes.codec.kind == "multiclass" else "which were left out"),
                remedy="correct them at their source and send them again; if they are a new class, train again",
            )
            if told:
                log.warning("%s%s: there came %s", eyes.version, _STRANGE, ", ".join(eyes.unknown))

    # -- alarms ----------------------------------------------------------------------------------------------------

    def _alarm(self, name: str, watched: _Watched, decision: Decision) -> None:
        signal: Any = decision.judgement
        version = watched.version
        alarms = self._context.product(name).alarms.items()
        open_alarms = [alarm for alarm, opened in alarms if opened.raised.signal == signal]
        if decision.verdict == "alarm" and not open_alarms:
            alarm = new_id("alarm", self._context.now)
            eyes = watched.eyes if signal == "decay" else None
            causes = () if eyes is None else causes_of_decay(self._context, name, eyes, decision)
            raised = AlarmRaised(alarm=alarm, signal=signal, version=version, decision=decision, causes=causes)
            self._incidents.open(
                name,
                title=f"{signal} of {version}",
                cause=" ".join([decision.reasons[0], *filter(None, [likely_cause(causes)])]),
                remedy=_REMEDIES[signal],
                alarm=alarm,
                also=(raised,),
            )
        elif decision.verdict == "quiet":
            for alarm in open_alarms:
                self._incidents.clear(name, alarm, reason=decision.reasons[0])

    def _clear_others(self, product: ProductState, champion: VersionState) -> None:
        """Alarms about a version that does not answer any more are over."""
        reason = f"{champion.version} answers now"
        for name, alarm in product.alarms.items():
            if alarm.raised.version not in (champion.version, None):  # None: of the service, whoever answers
                self._incidents.clear(product.name, name, reason=reason)
        for title in self._incidents.titles(product.name):
            if title.endswith(_STRANGE) and title != f"{champion.version}{_STRANGE}":
                self._incidents.close(product.name, title=title, resolution=reason)
