"""Training a challenger in a backtest: on which rows, judged on which, and by what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

import numpy as np
import polars as pl

from windlass.backtest.stream import Array, Known, Stream
from windlass.backtest.trainer import Trainer
from windlass.decisions.baseline import constant_answer
from windlass.decisions.gate import MINIMUM_ROWS, GateEvidence, decide_gate
from windlass.decisions.metrics import main_metric
from windlass.decisions.paired import compare
from windlass.monitoring.reference import Reference, make_reference
from windlass.pipeline.split import MINIMUM, holdout_place
from windlass.product.policy import Gate
from windlass.records.decision import Decision

_LATENCY_ROWS = 50


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A way to choose training rows among the labelled ones."""

    name: str
    rows: int | None = None
    """The latest ones, this many; None: all."""

    def choose(self, labelled: Known) -> Known:
        return labelled if self.rows is None else labelled[-self.rows :]


@dataclass(frozen=True, kw_only=True, eq=False)
class Challenger:
    """A model that passed or failed the gate."""

    decision: Decision
    recipe: Recipe
    model: Any
    """Trained on all rows of the recipe, the holdout included; None when the gate rejected it."""
    learned: Known
    """What it learned from."""
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

    def recipes(self, known: Known, now: datetime) -> list[Recipe]:
        """The ways to train that compete, the usual one first. As in production there is one: the policy's window, or
        all labelled rows."""
        policy = self._stream.product.retrain
        if policy is None or policy.window is None:
            return [Recipe(name="all")]
        start = _microseconds(now - policy.window)
        return [Recipe(name="window", rows=max(int((self._stream.at[known.positions] >= start).sum()), 1))]

    def challenge(self, known: Known, champion: Any, *, learned: int, now: datetime) -> Challenger | None:
        """Train by each recipe, and let the gate judge the best against the champion.

        `known` are the labelled rows up to where labels are complete; `learned` is the last row that the champion has
        learned from. None when there are too few rows to train on, or to compare with the champion.
        """
        rest, holdout = self._parted(known, learned)
        unseen = holdout.positions > learned
        if unseen.sum() < MINIMUM_ROWS:
            return None
        best: tuple[Recipe, Any, Array] | None = None
        for recipe in self.recipes(known, now):
            if not self._trainer.can_fit(recipe.choose(rest)):
                continue
            judged = self._trainer.fit(recipe.choose(rest))
            answers = self._trainer.predict_at(judged, holdout.positions)
            if best is None or self._clearly_better(holdout, answers, best[2]):
                best = (recipe, judged, answers)
        if best is None:
            return None
        recipe, judged, answers = best
        others = self._trainer.predict_at(champion, holdout.positions[unseen])
        trained, chosen = recipe.choose(rest), recipe.choose(known)
        decision = self._gate(judged, trained, holdout, answers=answers, champion=others, unseen=unseen, now=now)
        if decision.verdict != "pass":
            return Challenger(decision=decision, recipe=recipe, model=None, learned=known[:0], reference=None)
        model = self._trainer.fit(chosen)
        reference = self._reference(chosen, holdout, answers)
        return Challenger(decision=decision, recipe=recipe, model=model, learned=chosen, reference=reference)

    def _clearly_better(self, holdout: Known, answers: Array, others: Array) -> bool:
        """Whether the first model is better beyond noise (95 %); ties go to the recipe that is named first."""
        metric = main_metric(self._stream.product.gate, self._kind)
        return compare(metric, self._stream.truth(holdout), answers, others).lower > 0

    def first_reference(self, known: Known) -> Reference:
        """What the first champion is watched against: how its recipe did on the last part of the history."""
        rest, holdout = self._parted(known, None)
        if not self._trainer.can_fit(rest):
            return make_reference(self._watched(known), kind=self._kind)
        return self._reference(known, holdout, self._trainer.predict_at(self._trainer.fit(rest), holdout.positions))

    def _parted(self, known: Known, learned: int | None) -> tuple[Known, Known]:
        """Those that train and those that judge, parted as in production; too few all train.

        Places in the stream stand for moments: a file may give one moment to many rows, and its order goes on in them.
        """
        place = holdout_place(known.positions, until=learned) if len(known) >= MINIMUM else None
        return (known, known[:0]) if place is None else (known[:place], known[place:])

    def _reference(self, learned: Known, holdout: Known, answers: Array) -> Reference:
        truth = self._stream.truth(holdout)
        return make_reference(self._watched(learned), kind=self._kind, predictions=answers, truth=truth)

    def _watched(self, known: Known) -> pl.DataFrame:
        return self._stream.take(known.positions).select(self._stream.watched)

    def _gate(
        self,
        judged: Any,
        trained: Known,
        holdout: Known,
        *,
        answers: Array,
        champion: Array,
        unseen: Array,
        now: datetime,
    ) -> Decision:
        policy = self._stream.product.gate
        constant = constant_answer(
            self._stream.truth(trained), rows=len(holdout), classes=len(self._stream.classes), kind=self._kind
        )
        evidence = GateEvidence(
            kind=self._kind,
            truth=self._stream.truth(holdout),
            candidate=answers,
            constant=constant,
            champion=champion,
            unseen=unseen,
            slices=self._slices(policy, holdout.positions),
            latency_ms=self._latency(judged, holdout.positions) if policy is not None and policy.latency_ms else None,
        )
        return decide_gate(evidence, policy, now)

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


def _microseconds(moment: datetime) -> int:
    epoch = datetime(1970, 1, 1, tzinfo=moment.tzinfo)
    return (moment - epoch) // timedelta(microseconds=1)
