"""Holds what comes in to what is usual: how many rows an hour, and how old they are when they come."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from windlass.controller.context import LoopContext, policies_of
from windlass.controller.incidents import Incidents
from windlass.decisions.arrivals import MOST_HOURS, ArrivalEvidence, decide_arrivals
from windlass.records.decision import Decision
from windlass.records.event import AlarmRaised
from windlass.records.ids import new_id
from windlass.records.routing import ANSWERED

COLUMNS = ("at", "event_time", "stage")
_TITLE = "what comes in is out of the usual"
_REMEDY = "look at what sends the rows; what is usual from now on becomes so by itself within two weeks"
_GRACE = timedelta(minutes=5)
"""After an hour's end, until its answers are all in the lake."""


@dataclass(kw_only=True)
class _Hours:
    """Rows of each hour, and their ages added up, of as many of them as tell theirs."""

    rows: dict[int, tuple[int, int, float]] = field(default_factory=dict)
    judged: int | None = None
    """The last hour that was."""

    def take(self, captured: pl.DataFrame) -> None:
        age = (pl.col("at") - pl.col("event_time")).dt.total_microseconds() / 1e6
        hours = (
            captured.filter(pl.col("stage").is_in(ANSWERED))
            .group_by(hour=pl.col("at").dt.epoch("s") // 3600)
            .agg(pl.len(), aged=age.count(), age=age.clip(lower_bound=0).sum())
        )
        for hour, count, aged, age_sum in hours.iter_rows():
            known = self.rows.get(hour, (0, 0, 0.0))
            self.rows[hour] = (known[0] + count, known[1] + aged, known[2] + age_sum)

    def evidence(self, last: int) -> ArrivalEvidence | None:
        """Up to the hour `last`, from the first one that was seen whole; None when there is none."""
        self.rows = {hour: sums for hour, sums in self.rows.items() if hour >= last - MOST_HOURS - 1}
        first = min(self.rows, default=last) + 1
        if first > last:
            return None
        sums = np.array([self.rows.get(hour, (0, 0, 0.0)) for hour in range(first, last + 1)])
        ages = np.divide(sums[:, 2], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0)
        return ArrivalEvidence(first=first, rows=sums[:, 0].astype(np.int64), ages=ages)


class Arrivals:
    """An alarm, and an incident, while an hour is out of the usual; judged once an hour, of answers to everybody."""

    def __init__(self, *, context: LoopContext, incidents: Incidents) -> None:
        self._context = context
        self._incidents = incidents
        self._hours: dict[str, _Hours] = {}

    def take(self, name: str, predictions: pl.DataFrame, _outcomes: pl.DataFrame) -> None:
        """Answers that have just reached the lake."""
        if name in self._hours and predictions.height:
            self._hours[name].take(predictions.select(COLUMNS))

    def forget(self, name: str) -> None:
        """Count anew at the next look."""
        self._hours.pop(name, None)

    def step(self, name: str) -> None:
        product = self._context.product(name)
        objectives = None if product.declared is None else policies_of(product).objectives
        if objectives is None or objectives.arrivals is None:
            self.forget(name)
            self._clear(name, reason="how much comes is not watched any more")
            return
        last = _hour(self._context.now - _GRACE) - 1
        hours = self._counted(name)
        if hours.judged == last:
            return
        hours.judged = last
        evidence = hours.evidence(last)
        if evidence is not None:
            self._act(name, decide_arrivals(evidence, objectives.arrivals, self._context.now))

    def _counted(self, name: str) -> _Hours:
        hours = self._hours.get(name)
        if hours is None:
            hours = self._hours[name] = _Hours()
            since = self._context.now - timedelta(hours=MOST_HOURS + 2)
            hours.take(self._context.lake.predictions(name, since=since, stages=ANSWERED, columns=COLUMNS))
        return hours

    def _act(self, name: str, judged: Decision) -> None:
        if judged.verdict == "alarm" and not self._incidents.is_open(name, _TITLE):
            alarm = new_id("alarm", self._context.now)
            raised = AlarmRaised(alarm=alarm, signal="quality", version=None, decision=judged)
            cause = " ".join(judged.reasons)
            self._incidents.open(name, title=_TITLE, cause=cause, remedy=_REMEDY, alarm=alarm, also=(raised,))
        elif judged.verdict != "alarm":
            self._clear(name, reason=judged.reasons[0])

    def _clear(self, name: str, *, reason: str) -> None:
        for alarm, opened in self._context.product(name).alarms.items():
            if opened.raised.decision.judgement == "arrivals":
                self._incidents.clear(name, alarm, reason=reason)


def _hour(moment: datetime) -> int:
    return int(moment.timestamp() // 3600)
