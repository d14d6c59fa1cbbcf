"""Holds what is answered to the objectives of the product."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import polars as pl

from windlass.controller.context import LoopContext, policies_of
from windlass.controller.incidents import Incidents
from windlass.decisions.service import ServiceEvidence, decide_service, is_spent
from windlass.product.policy import Objectives
from windlass.records.decision import Decision
from windlass.records.event import AlarmRaised
from windlass.records.ids import new_id
from windlass.records.state import ProductState
from windlass.release.evidence import REQUEST

COLUMNS = ("prediction_id", "at", "stage", "latency_ms", "error")
_SPENT = "error budget spent: "
_STAGES = ["champion", "canary", "direct"]
_REMEDY = "look at the newest release (`windlass releases`) and at `windlass incidents`; `windlass rollback` goes back"


@dataclass(kw_only=True)
class _Count:
    """Requests of each minute: asked, failed, and slow among those that were answered."""

    objectives: Objectives
    minutes: dict[int, list[int]] = field(default_factory=dict)

    def take(self, captured: pl.DataFrame) -> None:
        """Answers in the order in which they came; a canary that fails is answered for by the champion."""
        failed = pl.col("error").is_not_null() & (pl.col("stage") != "canary")
        slow = pl.col("error").is_null() & (pl.col("latency_ms") > (self.objectives.latency_ms or float("inf")))
        requests = (
            captured.filter(pl.col("stage").is_in(_STAGES))
            .group_by(REQUEST)
            .agg(pl.col("at").min(), failed=failed.any(), slow=slow.any())
            .group_by(minute=pl.col("at").dt.epoch("s") // 60)
            .agg(pl.len(), pl.col("failed").sum(), (pl.col("slow") & ~pl.col("failed")).sum().alias("slow"))
        )
        for minute, *counts in requests.iter_rows():
            known = self.minutes.setdefault(minute, [0, 0, 0])
            self.minutes[minute] = [one + other for one, other in zip(known, counts, strict=True)]

    def forget_before(self, minute: int) -> None:
        self.minutes = {each: counts for each, counts in self.minutes.items() if each >= minute}


class Service:
    """Alarms while a budget is spent too fast, and an incident while it is gone: then releases wait."""

    def __init__(self, *, context: LoopContext, incidents: Incidents) -> None:
        self._context = context
        self._incidents = incidents
        self._counts: dict[str, _Count] = {}
        self._turned_away: dict[str, Counter[int]] = {}
        """Product -> requests of each minute that workers had no room for, of which nothing is captured."""
        self._pace = context.pace()

    def take(self, name: str, predictions: pl.DataFrame, _outcomes: pl.DataFrame) -> None:
        """Answers that have just reached the lake."""
        if name in self._counts and predictions.height:
            self._counts[name].take(predictions.select(COLUMNS))

    def turned_away(self, name: str, count: int) -> None:
        """Requests that were more than a worker could answer. It tells of them once: a controller that takes over knows
        of those alone that came since."""
        self._turned_away.setdefault(name, Counter())[int(self._context.now.timestamp() // 60)] += count

    def forget(self, name: str) -> None:
        """Count anew at the next look."""
        self._counts.pop(name, None)

    def step(self, name: str) -> None:
        product = self._context.product(name)
        if product.declared is None or not self._pace.due(name):
            return
        with self._pace.spend(name):
            judged = list(self._judged(product))
            for decision in judged:
                self._act(product, decision)
            self._close_others(product, {str(decision.numbers["objective"]) for decision in judged})

    def spent(self, name: str) -> bool:
        """Whether an error budget is gone, so that nothing may be risked."""
        return any(title.startswith(_SPENT) for title in self._incidents.titles(name))

    def _judged(self, product: ProductState) -> Iterator[Decision]:
        objectives, now = policies_of(product).objectives, self._context.now
        if objectives is None:
            self._counts.pop(product.name, None)
            return
        count = self._counted(product.name, objectives)
        first = int((now - objectives.window).timestamp() // 60)
        count.forget_before(first)
        away = self._turned_away.get(product.name, Counter())
        for minute in [minute for minute in away if minute < first]:
            del away[minute]
        minutes = np.array(sorted(count.minutes.keys() | away.keys()), dtype=np.int64)
        counts = [count.minutes.get(each, [0, 0, 0]) for each in minutes]
        asked, failed, slow = np.array(counts, dtype=np.int64).reshape(-1, 3).T
        turned_away = np.array([away[each] for each in minutes], dtype=np.int64)
        asked, failed = asked + turned_away, failed + turned_away
        promised = [
            ("availability", objectives.availability, asked, failed),
            ("latency", None if objectives.latency_ms is None else objectives.quick, asked - failed, slow),
        ]
        for name, target, of, bad in promised:
            if target is not None:
                evidence = ServiceEvidence(minutes=minutes, asked=of, bad=bad)
                yield decide_service(evidence, name=name, target=target, window=objectives.window, now=now)

    def _counted(self, name: str, objectives: Objectives) -> _Count:
        count = self._counts.get(name)
        if count is None or count.objectives != objectives:
            count = self._counts[name] = _Count(objectives=objectives)
            since = self._context.now - objectives.window - timedelta(minutes=1)
            count.take(self._context.lake.predictions(name, since=since, stages=_STAGES, columns=COLUMNS))
        return count

    def _act(self, product: ProductState, judged: Decision) -> None:
        name, promised = product.name, str(judged.numbers["objective"])
        if is_spent(judged):
            self._incidents.open(
                name,
                title=f"{_SPENT}{promised}",
                cause=f"{judged.count('bad'):,} of {judged.count('requests'):,} requests missed the objective of "
                f"{judged.numbers['target']:.4g}",
                remedy="releases wait until there is some left again; `windlass promote` and `rollback` do not",
            )
        else:
            self._incidents.close(name, title=f"{_SPENT}{promised}", resolution="there is some left again")
        title = f"{promised} objective missed"
        if judged.verdict == "alarm" and not self._incidents.is_open(name, title):
            alarm = new_id("alarm", self._context.now)
            raised = AlarmRaised(alarm=alarm, signal="service", version=None, decision=judged)
            self._incidents.open(
                name, title=title, cause=judged.reasons[0], remedy=_REMEDY, alarm=alarm, also=(raised,)
            )
        elif judged.verdict == "quiet":
            self._clear(product, promised, reason=judged.reasons[0])

    def _clear(self, product: ProductState, promised: str, *, reason: str) -> None:
        for alarm, open_alarm in product.alarms.items():
            raised = open_alarm.raised
            if raised.signal == "service" and raised.decision.numbers.get("objective") == promised:
                self._incidents.clear(product.name, alarm, reason=reason)

    def _close_others(self, product: ProductState, promised: set[str]) -> None:
        """What is no objective any more is neither missed nor spent."""
        for name in {"availability", "latency"} - promised:
            self._incidents.close(product.name, title=f"{_SPENT}{name}", resolution="it is no objective any more")
            self._clear(product, name, reason="it is no objective any more")
