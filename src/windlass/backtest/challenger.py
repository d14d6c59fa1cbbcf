"""Training a challenger in a backtest: on which rows, judged on which, and by what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from time import perf_counter
from typing import Any

import msgspec
import numpy as np
import polars as pl

from windlass.backtest.stream import Array, Known, Stream
from windlass.backtest.trainer import Trainer
from windlass.decisions.baseline import constant_answer
from windlass.decisions.curve import Curve, can_tell
from windlass.decisions.earliness import early_labels_help, worth_asking
from windlass.decisions.gate import MINIMUM_ROWS, GateEvidence, decide_gate
from windlass.decisions.precedent import Precedent
from windlass.decisions.recourse import RecourseEvidence, decide_recourse
from windlass.decisions.statistics.completeness import groups_of, unseen_rows
from windlass.decisions.statistics.metrics import is_ranked, main_metric
from windlass.monitoring.reference import Reference, make_reference
from windlass.pipeline.fitting.candidates import Mix, choose, climb, follow
from windlass.pipeline.rows.labelled import microseconds
from windlass.pipeline.rows.split import MINIMUM, choosing_place, holdout_place
from windlass.product.policy import Gate, competing
from windlass.records.decision import Decision

_LATENCY_ROWS = 50


@dataclass(frozen=True, kw_only=True, eq=False)
class Challenger:
    """A model that passed or failed the gate."""

    decision: Decision
    mix: Mix
    model: Any
    """Trained on all rows, the holdout included; None when the gate rejected it."""
    learned: Known
    """What it learned from."""
    reference: Reference | None
    recourse: Decision | None = None
    """Whether a version that answered before is gone back to; None: none was asked."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Answerer:
    """A model that answers, or did."""

    model: Any
    learned: int
    """The last row that it learned from, by its place in the stream."""
    early: int | None = None
    """The moment as of which it learned from all labels known; None: from rows that stand for all of their time."""


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

    def challenge(
        self,
        asked: int,
        champion: Answerer,
        *,
        now: datetime,
        must_gain: bool = False,
        sparing: bool = False,
        growth: bool = False,
        precedent: Precedent | None = None,
        changed: int = 0,
        earlier: Mapping[str, Answerer] | None = None,
    ) -> Challenger | None:
        """Train as the policy says, and let the gate judge the result against the champion.

        It is asked `now`, before the row at `asked`. Rows that stand for all of their time train the judged model and
        judge it; `must_gain` and `sparing` are as the gate takes them, and with `growth` what more rows have brought so
        far may speak for it. The newest `changed` rows came since the champion's losses rose. `earlier` versions are
        asked whether one of them does better; where one does, there is no model. None when there are too few rows to
        train on, or to compare with the champion.
        """
        known = self._within_window(self._stream.representative(int(self._stream.at[asked]), stop=asked), now)
        changed = min(changed, len(known))
        fresh = self._unseen(known, champion, asked)
        rest, choosing, holdout = self._parted(known, fresh=int(fresh.sum()), changed=changed)
        unseen = fresh[len(rest) :]
        if unseen.sum() < MINIMUM_ROWS or not self._trainer.can_fit(rest):
            return None
        early = max(0, changed - len(holdout))
        mix = self._chosen(rest[:choosing], rest[choosing:], changed=max(0, early - (len(rest) - choosing)))
        judged = self._made(mix, rest, changed=early)
        answers = self._trainer.predict_at(judged, holdout.positions)
        others = self._trainer.predict_at(champion.model, holdout.positions[unseen])
        evidence = self._evidence(judged, rest, holdout, answers=answers, champion=others, unseen=unseen)
        curve = self._curve(known, fresh, train=len(rest)) if growth else None
        evidence = replace(evidence, must_gain=must_gain, sparing=sparing, curve=curve, precedent=precedent)
        decision = decide_gate(evidence, self._stream.product.gate, now)
        passed = decision.verdict == "pass"
        recourse = self._recourse(champion, answers if passed else None, earlier, holdout, now) if earlier else None
        if not passed or (recourse is not None and recourse.verdict == "back"):
            return Challenger(
                decision=decision, mix=mix, model=None, learned=known[:0], reference=None, recourse=recourse
            )
        since = int(known.positions[len(known) - changed]) if changed else asked
        learned = self._learned(mix, known, known[choosing:], since=since, asked=asked, now=now)
        model = self._made(mix, learned, changed=_newer(learned, since))
        reference = self._reference(known, holdout, answers)
        return Challenger(
            decision=decision,
            mix=msgspec.structs.replace(mix, early=learned is not known),
            model=model,
            learned=learned,
            reference=reference,
            recourse=recourse,
        )

    def ask_earlier(
        self, asked: int, champion: Answerer, *, now: datetime, changed: int, earlier: Mapping[str, Answerer]
    ) -> Decision:
        """Whether one of the `earlier` versions is gone back to, where no challenger may be made: by the rows that
        would judge one."""
        known = self._within_window(self._stream.representative(int(self._stream.at[asked]), stop=asked), now)
        fresh = self._unseen(known, champion, asked)
        _, _, holdout = self._parted(known, fresh=int(fresh.sum()), changed=min(changed, len(known)))
        return self._recourse(champion, None, earlier, holdout, now)

    def _learned(self, mix: Mix, known: Known, later: Known, *, since: int, asked: int, now: datetime) -> Known:
        """What answers learns from: the rows `known`, which stand for all of their time, or all labels known, where
        they are many more and would have helped before.

        `later` are the newest of the former. They judge models that are made in the same way of what was known before
        the first of them. Rows from `since` on came since a change.
        """
        everything = self._within_window(self._known_before(asked), now)
        if not worth_asking(known=len(everything), standing=len(known)):
            return known
        first = int(later.positions[0])
        early = self._within_window(self._known_before(first), now)
        standing = self._within_window(self._stream.representative(int(self._stream.at[first]), stop=first), now)
        if not (self._trainer.can_fit(early) and self._trainer.can_fit(standing)):
            return known
        alone = mix.without_committee()  # what is asked is which rows to learn from
        made = [self._made(alone, rows, changed=_newer(rows, since)) for rows in (early, standing)]
        said = [self._trainer.predict_at(model, later.positions) for model in made]
        metric = main_metric(self._stream.product.gate, self._kind)
        helps = early_labels_help(metric, self._stream.truth(later), early=said[0], standing=said[1])
        return everything if helps else known

    def _curve(self, known: Known, fresh: Array, *, train: int) -> Curve | None:
        """What more rows have brought; the first `train` of them train what is judged. None where nothing tells."""
        policy = self._stream.product.retrain
        if not can_tell(train) or (policy is not None and policy.since is not None):
            return None
        steps = climb(
            lambda places: self._trainer.fit(known[places]),
            lambda model, places: self._trainer.predict_at(model, known.positions[places]),
            truth=self._stream.truth(known),
            train=train,
            metric=main_metric(self._stream.product.gate, self._kind),
        )
        return Curve(steps=steps, champion=len(known) - int(fresh.sum()), candidate=train, released=len(known))

    def _known_before(self, position: int) -> Known:
        """The rows before this one whose label was known when it came."""
        return self._stream.known(int(self._stream.at[position]), start=0, stop=position)

    def _unseen(self, known: Known, champion: Answerer, asked: int) -> Array:
        """Which of these rows the champion has not learned from; where it learned from labels that came early, such as
        stand for all of their time."""
        if champion.early is None:
            return known.positions > champion.learned
        return unseen_rows(
            self._stream.at[known.positions],
            self._stream.known_at[known.positions],
            groups_of(known.labels, classes=self._kind != "regression"),
            then=champion.early,
            now=int(self._stream.at[asked]),
            within=self._stream.within,
        )

    def _recourse(
        self,
        champion: Answerer,
        candidate: Array | None,
        earlier: Mapping[str, Answerer],
        holdout: Known,
        now: datetime,
    ) -> Decision:
        """Judged on the rows of the holdout that none of them has learned from."""
        unseen = holdout.positions > max(each.learned for each in (champion, *earlier.values()))
        rows = holdout[unseen]
        said = {
            name: self._trainer.predict_at(each.model, rows.positions) if len(rows) else np.empty(0)
            for name, each in {"": champion, **earlier}.items()
        }
        evidence = RecourseEvidence(
            kind=self._kind,
            truth=self._stream.truth(rows),
            champion=said.pop(""),
            candidate=None if candidate is None else candidate[unseen],
            earlier=said,
        )
        return decide_recourse(evidence, self._stream.product.gate, now)

    def _chosen(self, competing: Known, choice: Known, *, changed: int) -> Mix:
        if not len(choice):
            return Mix()
        return choose(
            lambda places: self._trainer.fit(competing[places]),
            lambda model: self._trainer.predict_at(model, choice.positions),
            labels=self._stream.truth(competing),
            truth=self._stream.truth(choice),
            kind=self._kind,
            changed=changed,
        )

    def _made(self, mix: Mix, known: Known, *, changed: int) -> Any:
        return follow(
            lambda places: self._trainer.fit(known[places]),
            mix,
            labels=self._stream.truth(known),
            kind=self._kind,
            classes=len(self._stream.classes),
            changed=changed,
        )

    def _within_window(self, known: Known, now: datetime) -> Known:
        """Those of the last stretch of time that the policy trains on."""
        policy = self._stream.product.retrain
        if policy is None or policy.since is None:
            return known
        start = microseconds(now - policy.since)
        return known[self._stream.at[known.positions] >= start]

    def first_reference(self, known: Known) -> Reference:
        """What the first champion is watched against: how its recipe did on the last part of the history."""
        rest, _, holdout = self._parted(known, fresh=len(known))
        if not self._trainer.can_fit(rest):
            return make_reference(self._watched(known), kind=self._kind)
        return self._reference(known, holdout, self._trainer.predict_at(self._trainer.fit(rest), holdout.positions))

    def _parted(self, known: Known, *, fresh: int, changed: int = 0) -> tuple[Known, int, Known]:
        """Those that train, from which of them on they choose first, and those that judge; too few all train.

        Places in the stream stand for moments: a file may give one moment to many rows, and its order goes on in them.
        """
        at = known.positions
        place = holdout_place(at, fresh=fresh, changed=changed) if len(known) >= MINIMUM else None
        if place is None:
            return known, len(known), known[:0]
        competes = competing(self._stream.product.retrain)
        choosing = choosing_place(at, place, changed=changed) if competes else place
        return known[:place], choosing, known[place:]

    def _reference(self, learned: Known, holdout: Known, answers: Array) -> Reference:
        truth = self._stream.truth(holdout)
        ranked = is_ranked(self._stream.product.gate, self._kind)
        return make_reference(self._watched(learned), kind=self._kind, predictions=answers, truth=truth, ranked=ranked)

    def _watched(self, known: Known) -> pl.DataFrame:
        return self._stream.take(known.positions).select(self._stream.watched)

    def _evidence(
        self,
        judged: Any,
        trained: Known,
        holdout: Known,
        *,
        answers: Array,
        champion: Array,
        unseen: Array,
    ) -> GateEvidence:
        policy = self._stream.product.gate
        constant = constant_answer(
            self._stream.truth(trained), rows=len(holdout), classes=len(self._stream.classes), kind=self._kind
        )
        return GateEvidence(
            kind=self._kind,
            truth=self._stream.truth(holdout),
            candidate=answers,
            constant=constant,
            champion=champion,
            unseen=unseen,
            slices=self._slices(policy, holdout.positions),
            latency_ms=self._latency(judged, holdout.positions) if policy is not None and policy.latency_ms else None,
        )

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


def _newer(known: Known, since: int) -> int:
    """How many of these rows came from this one on."""
    return int(np.count_nonzero(known.positions >= since))
