"""Training a challenger in a backtest: on which rows, judged on which, and by what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

import numpy as np
import polars as pl

from windlass.backtest.stream import Array, Stream
from windlass.backtest.trainer import Trainer
from windlass.decisions.baseline import constant_answer
from windlass.decisions.gate import MINIMUM_ROWS, GateEvidence, decide_gate
from windlass.decisions.metrics import main_metric
from windlass.decisions.paired import compare
from windlass.monitoring.reference import Reference, make_reference
from windlass.product.policy import Gate
from windlass.records.decision import Decision

HOLDOUT = 0.2
"""The part of the labelled rows, the latest ones, that judges; at most half of what is new to the champion."""
LEAST_HOLDOUT = 200
"""Rows that judge at least, up to half of all: fewer say too little of a model for it to be watched by. The champion
may have learned from some of them, and is compared on the others."""
_LATENCY_ROWS = 50


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A way to choose training rows among the labelled ones."""

    name: str
    rows: int | None = None
    """The latest ones, this many; None: all."""

    def choose(self, labelled: Array) -> Array:
        return labelled if self.rows is None else labelled[-self.rows :]


@dataclass(frozen=True, kw_only=True, eq=False)
class Challenger:
    """A model that passed or failed the gate."""

    decision: Decision
    recipe: Recipe
    model: Any
    """Trained on all rows of the recipe, the holdout included; None when the gate rejected it."""
    learned: Array
    """(n,) bool: the rows of the stream that it learned from."""
    reference: Reference | None


class Workshop:
    """Makes challengers. What the gate judges was trained without the holdout; what answers, with it.

    The judged model and the one that answers are made by the same recipe, and the newest rows are the most telling
    where the world changes: to leave a fifth of all labels out of the model that answers would cost more than the
    certainty is worth that it is the very model that was judged. Shadow, probation and decay watch over that.
    """

    def __init__(self, *, stream: Stream, trainer: Trainer) -> None:
        self._stream = stream
        self._trainer = trainer
        self._kind = stream.product.task.kind

    def recipes(self, known: Array, now: datetime) -> list[Recipe]:
        """The ways to train that compete, the usual one first. As in production there is one: the policy's window, or
        all labelled rows."""
        policy = self._stream.product.retrain
        if policy is None or policy.window is None:
            return [Recipe(name="all")]
        start = _microseconds(now - policy.window)
        return [Recipe(name="window", rows=max(int((self._stream.at[known] >= start).sum()), 1))]

    def challenge(
        self, known: Array, champion: Any, *, learned: Array, complete: int, now: datetime
    ) -> Challenger | None:
        """Train by each recipe, and let the gate judge the best against the champion, which learned from `learned`.

        Rows from `complete` on do not judge, since their labels are not all there. None when there are too few rows to
        train on, or to compare with the champion.
        """
        holdout = self._holdout(known[known < complete], learned)
        if (~learned[holdout]).sum() < MINIMUM_ROWS:
            return None
        rest = known[known < holdout[0]]
        best: tuple[Recipe, Any, Array] | None = None
        for recipe in self.recipes(known, now):
            if not self._trainer.can_fit(recipe.choose(rest)):
                continue
            judged = self._trainer.fit(recipe.choose(rest))
            answers = self._trainer.predict_at(judged, holdout)
            if best is None or self._clearly_better(holdout, answers, best[2]):
                best = (recipe, judged, answers)
        if best is None:
            return None
        recipe, judged, answers = best
        unseen = ~learned[holdout]
        others = self._trainer.predict_at(champion, holdout[unseen])
        decision = self._gate(
            judged, recipe.choose(rest), holdout, answers=answers, champion=others, unseen=unseen, now=now
        )
        mask = np.zeros(len(self._stream), dtype=bool)
        if decision.verdict != "pass":
            return Challenger(decision=decision, recipe=recipe, model=None, learned=mask, reference=None)
        chosen = recipe.choose(known)
        mask[chosen] = True
        model = self._trainer.fit(chosen)
        reference = self._reference(chosen, holdout, answers)
        return Challenger(decision=decision, recipe=recipe, model=model, learned=mask, reference=reference)

    def _clearly_better(self, holdout: Array, answers: Array, others: Array) -> bool:
        """Whether the first model is better beyond noise (95 %); ties go to the recipe that is named first."""
        metric = main_metric(self._stream.product.gate, self._kind)
        return compare(metric, self._truth(holdout), answers, others).lower > 0

    def first_reference(self, known: Array) -> Reference:
        """What the first champion is watched against: how its recipe did on the last part of the history."""
        holdout = known[len(known) - _holdout_of(len(known)) :]
        rest = known[: len(known) - len(holdout)]
        if not self._trainer.can_fit(rest):
            return make_reference(self._watched(known), kind=self._kind)
        return self._reference(known, holdout, self._trainer.predict_at(self._trainer.fit(rest), holdout))

    def _holdout(self, positions: Array, learned: Array) -> Array:
        """The latest labelled rows: those that the champion has not learned from, and more where these are few."""
        old = np.flatnonzero(learned[positions])
        fresh = len(positions) - (int(old[-1]) + 1 if len(old) else 0)
        return positions[len(positions) - _holdout_of(len(positions), most=fresh // 2) :]

    def _reference(self, learned: Array, holdout: Array, answers: Array) -> Reference:
        return make_reference(
            self._watched(learned), kind=self._kind, predictions=answers, truth=self._stream.target[holdout]
        )

    def _watched(self, positions: Array) -> pl.DataFrame:
        return self._stream.take(positions).select(self._stream.watched)

    def _gate(
        self,
        judged: Any,
        trained: Array,
        holdout: Array,
        *,
        answers: Array,
        champion: Array,
        unseen: Array,
        now: datetime,
    ) -> Decision:
        policy = self._stream.product.gate
        constant = constant_answer(
            self._truth(trained), rows=len(holdout), classes=len(self._stream.classes), kind=self._kind
        )
        evidence = GateEvidence(
            kind=self._kind,
            truth=self._truth(holdout),
            candidate=answers,
            constant=constant,
            champion=champion,
            unseen=unseen,
            slices=self._slices(policy, holdout),
            latency_ms=self._latency(judged, holdout) if policy is not None and policy.latency_ms else None,
        )
        return decide_gate(evidence, policy, now)

    def _truth(self, positions: Array) -> Array:
        truth = self._stream.target[positions]
        return truth if self._kind == "regression" else truth.astype(np.int64)

    def _slices(self, policy: Gate | None, holdout: Array) -> dict[str, Array]:
        rows = self._stream.rows
        names = [name for name in (policy.slices if policy else ()) if name in rows.columns]
        return {name: rows[name][holdout].cast(pl.String).fill_null("missing").to_numpy() for name in names}

    def _latency(self, model: Any, holdout: Array) -> float:
        """Milliseconds, 99th percentile, of the prediction of one row."""
        taken = []
        for position in holdout[:_LATENCY_ROWS]:
            started = perf_counter()
            self._trainer.predict(model, int(position), int(position) + 1)
            taken.append(perf_counter() - started)
        return float(np.quantile(taken, 0.99)) * 1000


def _holdout_of(rows: int, *, most: int | None = None) -> int:
    """How many of so many labelled rows judge: their fifth, or `most`, but `LEAST_HOLDOUT` in any case, up to half."""
    wanted = round(rows * HOLDOUT) if most is None else min(round(rows * HOLDOUT), most)
    return max(wanted, min(LEAST_HOLDOUT, rows // 2), min(rows, 1))


def _microseconds(moment: datetime) -> int:
    epoch = datetime(1970, 1, 1, tzinfo=moment.tzinfo)
    return (moment - epoch) // timedelta(microseconds=1)
