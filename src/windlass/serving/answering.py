"""From rows to answers: who is asked, what is written down, and in which order.

One request keeps the lineup it began with. Nothing is answered before it is captured; nothing that happens to a
challenger is felt by the caller.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from windlass.clock import Clock
from windlass.product.contract import Decoded, InvalidRows, RowDecoder
from windlass.records.capture import PredictionBatch
from windlass.records.ids import new_id, prediction_ids
from windlass.serving.asking import Question, Verdict, ask, keys_of, problems_of
from windlass.serving.capture import Capture
from windlass.serving.lineup import Lineup, Loaded
from windlass.serving.metrics import Metrics
from windlass.serving.refusal import PredictionFailed

_log = logging.getLogger(__name__)

Reader = Callable[[RowDecoder], Decoded]
"""Decodes the request for a version; a challenger with other columns reads the same request in its own way."""


class Answer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the caller is told about one row."""

    id: str
    score: float
    label: bool | int | float | str | None = None
    """The likeliest class; left out for regression."""
    version: str
    stage: str
    probabilities: dict[str, float] | None = None
    """Multiclass: of each class."""


@dataclass(frozen=True, kw_only=True)
class ShadowWork:
    """A request that was answered, to be asked again of a challenger that nobody hears."""

    product: str
    challenger: Loaded
    question: Question
    read: Reader
    same_rows: bool

    def __len__(self) -> int:
        return len(self.question.ids)


@dataclass(frozen=True, kw_only=True)
class Answered:
    """Everything a protocol may want to say, in the caller's order."""

    product: str
    version: str
    """The version that leads: the champion, or the one that was asked for by name."""
    answers: tuple[Answer, ...]
    shadow: ShadowWork | None = None


class Answering:
    """Answers requests of any protocol."""

    def __init__(self, *, clock: Clock, capture: Capture, metrics: Metrics) -> None:
        self._clock = clock
        self._capture = capture
        self._metrics = metrics

    def answer(
        self, lineup: Lineup, read: Reader, *, request_id: str | None = None, only: Loaded | None = None
    ) -> Answered:
        """Answers for the rows that `read` finds, by the lineup's champion and challenger, or by `only`.

        Raises InvalidRows, NoChampion, PredictionFailed, CaptureFailed.
        """
        leader = only or lineup.leader()
        decoded = read(leader.decoder)
        at = self._clock.now()
        question = Question(
            request_id=request_id or decoded.request_id or new_id("r", at),
            at=at,
            stage="champion" if leader is lineup.champion else "direct",
            ids=prediction_ids(at, len(decoded)),
            decoded=decoded,
        )
        if only is None and lineup.mode == "canary":
            return self._split(lineup, question, read)
        verdict = ask(leader, question)
        if verdict.error is not None:
            self._refuse(leader, question, verdict)
            self._keep(lineup.product, verdict)
            raise _failed(verdict)
        self._keep(lineup.product, verdict)
        shadow = self._shadow(lineup, question, read) if only is None else None
        return Answered(
            product=lineup.product,
            version=leader.version,
            answers=tuple(answers_of(leader, verdict)),
            shadow=shadow,
        )

    def repeat(self, work: ShadowWork) -> None:
        """Ask the challenger in shadow about an answered request and write down what it says."""
        question = dataclasses.replace(work.question, stage="shadow")
        verdict = _ask_challenger(work.challenger, question, work.read, same_rows=work.same_rows)
        self._keep(work.product, verdict)

    def _split(self, lineup: Lineup, question: Question, read: Reader) -> Answered:
        champion, challenger = lineup.leader(), lineup.challenger
        if challenger is None:
            raise ValueError("a canary needs a challenger")
        keys = keys_of(question.decoded, champion.task.key)
        together = question.ids[0] if question.ids else ""  # rows without a key stay with their request
        chosen = [place for place, key in enumerate(keys) if lineup.goes_to_challenger(key or together)]
        found: dict[int, Answer] = {}
        verdicts = []
        if chosen:
            mine = dataclasses.replace(question, stage="canary").take(chosen)
            verdict = _ask_challenger(challenger, mine, read, same_rows=lineup.same_rows, chosen=chosen)
            verdicts.append(verdict)
            if verdict.error is None:
                found.update(zip(chosen, answers_of(challenger, verdict), strict=True))
        rest = [place for place in range(len(keys)) if place not in found]
        if rest:
            asked = question if len(rest) == len(keys) else question.take(rest)
            verdict = ask(champion, asked)
            if verdict.error is not None:  # nothing of this request is answered, so only the failures are kept
                self._refuse(champion, asked, verdict, places=rest)
                self._keep(lineup.product, *(kept for kept in (*verdicts, verdict) if kept.error is not None))
                raise _failed(verdict)
            verdicts.append(verdict)
            found.update(zip(rest, answers_of(champion, verdict), strict=True))
        self._keep(lineup.product, *verdicts)
        answers = tuple(found[place] for place in range(len(keys)))
        return Answered(product=lineup.product, version=champion.version, answers=answers)

    def _shadow(self, lineup: Lineup, question: Question, read: Reader) -> ShadowWork | None:
        if lineup.mode != "shadow" or lineup.challenger is None:
            return None
        return ShadowWork(
            product=lineup.product,
            challenger=lineup.challenger,
            question=question,
            read=read,
            same_rows=lineup.same_rows,
        )

    def _refuse(
        self, loaded: Loaded, question: Question, verdict: Verdict, *, places: Sequence[int] | None = None
    ) -> None:
        """Raise InvalidRows if the rows are why `loaded` failed; `places` are theirs in the request.

        Such a failure is the caller's: it is neither captured nor counted, so that it tells nothing against a version.
        """
        problems = problems_of(loaded, question, verdict)
        if not problems:
            return
        if places is not None:
            problems = [
                problem if problem.row is None else msgspec.structs.replace(problem, row=places[problem.row])
                for problem in problems
            ]
        _log.info("version %s cannot take rows of request %s: %s", loaded.version, question.request_id, verdict.error)
        raise InvalidRows.of(problems) from verdict.cause

    def _keep(self, product: str, *verdicts: Verdict) -> None:
        self._capture.write(product, *(verdict.batch for verdict in verdicts))
        for verdict in verdicts:
            batch = verdict.batch
            if verdict.cause is not None:
                told = "version %s failed on %d rows of request %s"
                _log.error(told, batch.version, len(batch.ids), batch.request_id, exc_info=verdict.cause)
            labels = (product, batch.version, batch.stage)
            if batch.error is None:
                self._metrics.predictions.labels(*labels).inc(len(batch.ids))
            else:
                self._metrics.failures.labels(*labels).inc()


def answers_of(loaded: Loaded, verdict: Verdict) -> list[Answer]:
    """One answer for each row of a verdict without error."""
    batch = verdict.batch
    labels = verdict.labels or (None,) * len(batch.ids)
    names = tuple(map(str, loaded.manifest.classes))
    chances: tuple[Any, ...] = batch.probabilities or (None,) * len(batch.ids)
    return [
        Answer(
            id=prediction,
            score=score if score is not None else 0.0,
            label=label,
            version=batch.version,
            stage=batch.stage,
            probabilities=None
            if chance is None
            else dict(zip(names or map(str, range(len(chance))), chance, strict=True)),
        )
        for prediction, score, label, chance in zip(batch.ids, batch.scores, labels, chances, strict=True)
    ]


def _ask_challenger(
    challenger: Loaded, question: Question, read: Reader, *, same_rows: bool, chosen: Sequence[int] | None = None
) -> Verdict:
    """What the challenger says of a question that was decoded for the champion; `chosen`: only of these rows of the
    request, which are the rows of the question."""
    if same_rows:
        return ask(challenger, question)
    try:
        decoded = read(challenger.decoder)
    except InvalidRows as error:  # rows that the champion accepts and the challenger would refuse: its failure
        return _unreadable(question, challenger, error)
    if chosen is not None:
        decoded = decoded.take(chosen)
    return ask(challenger, dataclasses.replace(question, decoded=decoded))


def _unreadable(question: Question, challenger: Loaded, error: InvalidRows) -> Verdict:
    empty = PredictionBatch(
        request_id=question.request_id,
        at=question.at,
        version=challenger.version,
        stage=question.stage,
        latency_ms=0.0,
        ids=question.ids,
        keys=keys_of(question.decoded, challenger.task.key),
        event_times=(None,) * len(question.ids),
        scores=(None,) * len(question.ids),
        rows=question.decoded.rows,
        error=f"this version refuses rows that the champion accepts: {error.what}",
    )
    return Verdict(batch=empty, labels=())


def _failed(verdict: Verdict) -> PredictionFailed:
    batch = verdict.batch
    return PredictionFailed.of(f"version {batch.version} could not predict: {batch.error}", error_id=batch.request_id)
