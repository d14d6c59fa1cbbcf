"""From rows to answers: who is asked, what is written down, and in which order.

One request keeps the lineup it began with, and shares a call of the model only with requests of the same one. Nothing
is answered before it is captured; nothing that happens to a challenger is felt by the caller.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from windlass.clock import Clock
from windlass.product.contract import Decoded, InvalidRows, Problem, RowDecoder
from windlass.records.capture import PredictionBatch
from windlass.records.ids import place_of, prediction_ids, repeatable_ids, request_of
from windlass.records.routing import Target
from windlass.serving.answers.capture import Capture
from windlass.serving.metrics import Metrics
from windlass.serving.refusal import CaptureFailed, Overloaded, PredictionFailed, TimedOut
from windlass.serving.versions.asking import Question, Verdict, ask_together, keys_of, problems_of, unanswered
from windlass.serving.versions.explaining import Explanation
from windlass.serving.versions.lineup import Lineup, Loaded
from windlass.serving.versions.patience import NoAnswer
from windlass.serving.versions.turn import Turn

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
    explanation: Explanation | None = None
    """If it was asked for."""


class Inquiry(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The rows of one request and who is to answer."""

    lineup: Lineup
    decoded: Decoded
    """For the version that leads."""
    read: Reader
    request_id: str | None = None
    only: Loaded | None = None
    """The version that was asked for by name; None: by the lineup's split."""

    @property
    def leader(self) -> Loaded:
        return self.only or self.lineup.leader()

    @property
    def is_mirrored(self) -> bool:
        """Whether a challenger in shadow is to be asked as well."""
        return self.only is None and self.lineup.in_shadow is not None


class ShadowWork(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A request that the champion was asked, to be asked again of a challenger that nobody hears."""

    product: str
    challenger: Loaded
    target: Target
    """The challenger, as the routing names it."""
    question: Question
    read: Reader
    same_rows: bool

    @classmethod
    def of(cls, inquiry: Inquiry, question: Question) -> ShadowWork:
        lineup = inquiry.lineup
        if lineup.in_shadow is None:
            raise ValueError("nobody is in shadow")
        challenger, target = lineup.in_shadow
        return cls(
            product=lineup.product,
            challenger=challenger,
            target=target,
            question=question,
            read=inquiry.read,
            same_rows=lineup.same_rows,
        )

    def __len__(self) -> int:
        return len(self.question.ids)


class Answered(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Everything a protocol may want to say, in the caller's order."""

    product: str
    version: str
    """The version that leads: the champion, or the one that was asked for by name."""
    answers: tuple[Answer, ...]
    question: Question
    """What was answered."""


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A request on which the version that leads has failed; `Answering.blame` finds out whose fault it was."""

    lineup: Lineup
    loaded: Loaded
    question: Question
    verdict: Verdict
    places: Sequence[int]
    """Of the question's rows in the request."""
    others: tuple[Verdict, ...] = ()
    """What the challenger said of its rows before."""


Result = Answered | Failed | InvalidRows | CaptureFailed | TimedOut | Overloaded


class Answering:
    """Answers requests of any protocol, many at a time."""

    def __init__(self, *, clock: Clock, capture: Capture, metrics: Metrics) -> None:
        self._clock = clock
        self._capture = capture
        self._metrics = metrics

    def answer(self, inquiries: Sequence[Inquiry], *, patiently: bool = False) -> list[Result]:
        """What becomes of each inquiry; nothing if this turn of the thread has been given up meanwhile. All have the
        same lineup, so that no batch is ever of two champions.

        A version on trial that does not answer in time is given up (`Calls`), which takes another thread; `patiently`:
        it is waited for, as may be where its answers are known to be short.
        """
        lineup, only = inquiries[0].lineup, inquiries[0].only
        results: dict[int, Result] = {}
        try:
            refusals = _refusals(inquiries, patiently=patiently)
        except NoAnswer as error:
            return self._kept(lineup.product, _unheard(inquiries, self._clock.now(), error))
        results.update((place, refusal) for place, refusal in enumerate(refusals) if refusal is not None)
        fit = [place for place in range(len(inquiries)) if place not in results]
        if fit:
            asked = [inquiries[place] for place in fit]
            how = _canary if only is None and lineup.mode == "canary" else _plain
            drafts = how(asked, self._clock.now(), patiently=patiently)
            kept = self._kept(lineup.product, drafts)
            if not kept:
                return []
            results.update(zip(fit, kept, strict=True))
        return [results[place] for place in range(len(inquiries))]

    def ask_control(
        self, control: Loaded, inquiries: Sequence[Inquiry], questions: Sequence[Question], *, patiently: bool
    ) -> None:
        """Ask the champion before what the one on probation was asked in one call, and write down how long it takes.

        One row tells it: what it answers is known of the shadow. Raises NoAnswer, CaptureFailed.
        """
        again = [msgspec.structs.replace(question, stage="control") for question in questions]
        lineup, reads = inquiries[0].lineup, [inquiry.read for inquiry in inquiries]
        ask = partial(_ask_challenger, control, again, reads, same_rows=lineup.same_rows)
        for verdict in _heard(lineup, control, again, ask, patiently=patiently):
            kept = sampled_of(verdict) if verdict.error is None else None
            if kept is not None:
                self._capture.write(lineup.product, kept.take([0]))
                return

    def blame(self, failed: Failed) -> InvalidRows | PredictionFailed | CaptureFailed:
        """What the caller of a failed request is told.

        InvalidRows if his rows are why the version failed. Such a failure is neither captured nor counted, so that it
        tells nothing against the version, unless who is in shadow answers these rows (`repeat`).
        """
        verdict = failed.verdict
        problems = _problems(failed)
        if problems:
            told = "version %s cannot take rows of request %s: %s"
            _log.info(told, failed.loaded.version, failed.question.request_id, verdict.error)
            invalid = InvalidRows.of([_moved(problem, failed.places) for problem in problems])
            invalid.__cause__ = verdict.cause
            return invalid
        return self.failed(failed)

    def failed(self, failed: Failed) -> PredictionFailed | CaptureFailed:
        """The same, where it was not the rows, or that cannot be found out."""
        verdict = failed.verdict
        # Nothing of this request is answered, but each version is judged by all that it was asked: a challenger whose
        # failures alone counted where the champion fails would look worse than one that is its equal.
        turn, batch = Turn.here(), verdict.batch
        try:
            if turn is None or turn.claim():
                self._keep(failed.lineup.product, *failed.others, verdict)
        except CaptureFailed as error:
            return error
        return PredictionFailed.of(
            f"version {batch.version} could not predict: {batch.error}", error_id=batch.request_id
        )

    def given_up(self, inquiries: Sequence[Inquiry], why: NoAnswer) -> list[Result]:
        """What those are told whose version has not answered; it is its failure on each of them."""
        drafts, lineup = _unheard(inquiries, self._clock.now(), why), inquiries[0].lineup
        verdicts = [draft.failed.verdict for draft in drafts if draft.failed is not None]
        with contextlib.suppress(CaptureFailed):  # it has told of that, and nobody is answered either way
            self._keep(lineup.product, *verdicts)
        return [_told_of_silence(verdict.batch, why) for verdict in verdicts]

    def questions(self, works: Sequence[ShadowWork]) -> list[Question]:
        """What the challenger in shadow is to be asked, of requests of one lineup. That it cannot read one of them is
        written down as its failure."""
        first = works[0]
        questions = [msgspec.structs.replace(work.question, stage="shadow") for work in works]
        if first.same_rows:
            return questions
        refused, again = _read_again(first.challenger, questions, [work.read for work in works])
        self._keep(first.product, *(refused[place] for place in refused if questions[place].failed is None))
        return list(again.values())

    def repeat(self, product: str, challenger: Loaded, questions: Sequence[Question]) -> None:
        """Ask the challenger in shadow and write down what it says.

        Where it is asked as a witness, that is written down if it answers, and with it the failure of the version that
        leads: what the one before answers on probation is no fault of the rows.
        """
        verdicts = []
        for question, said in zip(questions, _ask_checked(challenger, questions), strict=True):
            if question.failed is None:
                verdicts.append(said)
            elif said.error is None:
                verdicts += [said, Verdict(batch=question.failed, labels=(), sample=said.sample)]
        self._keep(product, *verdicts)

    def _kept(self, product: str, drafts: Sequence[_Draft]) -> list[Result]:
        """The drafts as results, once what they say has been written down: all at once, or, if that fails, each."""
        turn = Turn.here()
        if turn is not None and not turn.claim():  # nobody waits any more, or they have been asked about anew
            return []
        good = [draft for draft in drafts if draft.failed is None]
        try:
            self._keep(product, *(verdict for draft in good for verdict in draft.verdicts))
        except CaptureFailed as error:
            if len(good) > 1:  # one request that cannot be written down must not take the others along
                return [result for draft in drafts for result in self._kept(product, [draft])]
            return [draft.failed or error for draft in drafts]
        return [draft.failed or draft.answered() for draft in drafts]

    def _keep(self, product: str, *verdicts: Verdict) -> None:
        if not verdicts:
            return
        sampled = [kept for verdict in verdicts if (kept := sampled_of(verdict)) is not None]
        if sampled:
            self._capture.write(product, *sampled)
        answered: dict[tuple[str, str], int] = {}
        for verdict in verdicts:
            batch = verdict.batch
            if verdict.cause is not None:
                told = "version %s failed on %d rows of request %s"
                _log.error(told, batch.version, len(batch.ids), batch.request_id, exc_info=verdict.cause)
            if batch.error is None:
                role = batch.version, batch.stage
                answered[role] = answered.get(role, 0) + len(batch.ids)
            else:
                self._metrics.failures.labels(product, batch.version, batch.stage).inc()
        for (version, stage), rows in answered.items():
            self._metrics.predicted(product, version, stage, rows)


class _Draft(msgspec.Struct, kw_only=True, eq=False):
    """One request on its way to an answer."""

    inquiry: Inquiry
    question: Question
    verdicts: list[Verdict] = []
    found: dict[int, Answer] = {}
    """The answers so far, by row of the request."""
    failed: Failed | None = None

    @property
    def rest(self) -> Sequence[int]:
        """The rows without an answer."""
        rows = range(len(self.question.ids))
        return [place for place in rows if place not in self.found] if self.found else rows

    def answered(self) -> Answered:
        return Answered(
            product=self.inquiry.lineup.product,
            version=self.inquiry.leader.version,
            answers=tuple(self.found[place] for place in range(len(self.question.ids))),
            question=self.question,
        )


def sampled_of(verdict: Verdict) -> PredictionBatch | None:
    """What of a verdict is captured: the rows of keys in the sample, or, without a key, of requests in it."""
    batch, sample = verdict.batch, verdict.sample
    if sample >= 1:
        return batch
    together = batch.ids[0].rpartition("-")[0]
    kept = [place for place, key in enumerate(batch.keys) if place_of(f"sample\0{key or together}") < sample]
    return batch.take(kept) if kept else None


def _drafts(inquiries: Sequence[Inquiry], at: datetime) -> list[_Draft]:
    drafts = []
    for inquiry in inquiries:
        decoded, leader = inquiry.decoded, inquiry.leader
        named = inquiry.request_id or decoded.request_id or None  # an empty name is none
        product = inquiry.lineup.product
        ids = prediction_ids(at, len(decoded)) if named is None else repeatable_ids(product, named, decoded.rows)
        question = Question(
            request_id=request_of(ids[0]) if named is None else named,
            named=named is not None,
            at=at,
            stage="champion" if leader is inquiry.lineup.champion else "direct",
            ids=ids,
            decoded=decoded,
        )
        drafts.append(_Draft(inquiry=inquiry, question=question))
    return drafts


def _refusals(inquiries: Sequence[Inquiry], *, patiently: bool) -> list[InvalidRows | None]:
    """Which inquiries the contract of the version that leads refuses. Raises NoAnswer where its check hangs."""
    leader, lineup = inquiries[0].leader, inquiries[0].lineup
    check = partial(leader.decoder.check, [inquiry.decoded for inquiry in inquiries])
    if not leader.decoder.asks_pandera:  # then no code of its user is run
        return check()
    return lineup.hear(leader, sum(len(inquiry.decoded) for inquiry in inquiries), check, patiently=patiently)


def _unheard(inquiries: Sequence[Inquiry], at: datetime, error: NoAnswer) -> list[_Draft]:
    """That the version that leads has not come to be asked."""
    drafts = _drafts(inquiries, at)
    questions = [draft.question for draft in drafts]
    _take_in(drafts, questions, _silence(inquiries[0].leader, questions, error))
    return drafts


def _plain(inquiries: Sequence[Inquiry], at: datetime, *, patiently: bool) -> list[_Draft]:
    """Everything to the version that leads."""
    drafts = _drafts(inquiries, at)
    _ask_leader(drafts, patiently=patiently)
    return drafts


def _canary(inquiries: Sequence[Inquiry], at: datetime, *, patiently: bool) -> list[_Draft]:
    """The challenger's part of the keys to the challenger; the rest, and what it fails on, to the champion."""
    drafts, lineup = _drafts(inquiries, at), inquiries[0].lineup
    challenger, key = lineup.challenger, lineup.leader().task.key
    if challenger is None:
        raise ValueError("a canary needs a challenger")
    parts = []
    for draft in drafts:
        together = draft.question.ids[0]  # rows without a key stay with their request
        keys = keys_of(draft.question.decoded, key)
        chosen = [place for place, key in enumerate(keys) if lineup.goes_to_challenger(key or together)]
        if chosen:
            parts.append((draft, chosen))
    questions = [msgspec.structs.replace(draft.question, stage="canary").take(chosen) for draft, chosen in parts]

    def ask() -> list[Verdict]:
        return _ask_challenger(
            challenger,
            questions,
            [draft.inquiry.read for draft, _ in parts],
            same_rows=lineup.same_rows,
            chosen=[chosen for _, chosen in parts],
        )

    try:
        verdicts = _heard(lineup, challenger, questions, ask, patiently=patiently) if parts else []
    except NoAnswer as error:
        parts = parts if error.counts else []
        verdicts = _silence(challenger, questions, error) if error.counts else []
    for (draft, chosen), verdict in zip(parts, verdicts, strict=True):
        draft.verdicts.append(verdict)
        if verdict.error is None:
            draft.found.update(zip(chosen, answers_of(challenger, verdict), strict=True))
    _ask_leader([draft for draft in drafts if draft.rest], patiently=patiently)
    return drafts


def _ask_leader(drafts: Sequence[_Draft], *, patiently: bool) -> None:
    """Ask the version that leads about all rows that have no answer yet."""
    if not drafts:
        return
    lineup, leader, questions = drafts[0].inquiry.lineup, drafts[0].inquiry.leader, []
    for draft in drafts:
        rest = draft.rest
        questions.append(draft.question if len(rest) == len(draft.question.ids) else draft.question.take(rest))
    try:
        verdicts = _heard(lineup, leader, questions, partial(ask_together, leader, questions), patiently=patiently)
    except NoAnswer as error:
        verdicts = _silence(leader, questions, error)
    _take_in(drafts, questions, verdicts)


def _heard(
    lineup: Lineup,
    loaded: Loaded,
    questions: Sequence[Question],
    ask: Callable[[], list[Verdict]],
    *,
    patiently: bool,
) -> list[Verdict]:
    return lineup.hear(loaded, sum(len(question.ids) for question in questions), ask, patiently=patiently)


def _silence(loaded: Loaded, questions: Sequence[Question], error: NoAnswer) -> list[Verdict]:
    return [unanswered(loaded, question, error=str(error)) for question in questions]


def _told_of_silence(batch: PredictionBatch, why: NoAnswer) -> TimedOut | Overloaded:
    if not why.counts:
        return Overloaded(f"{why}, and this request with it", remedy="send it again, and another worker answers")
    remedy = "other rows may be answered, or fewer; how long a call may take is the server's setting `answer_seconds`"
    return TimedOut.of(f"version {batch.version} gave {why}", error_id=batch.request_id, remedy=remedy)


def _take_in(drafts: Sequence[_Draft], questions: Sequence[Question], verdicts: Sequence[Verdict]) -> None:
    """Note what the version that leads has said of the rows of each draft that had no answer yet."""
    for draft, question, verdict in zip(drafts, questions, verdicts, strict=True):
        leader = draft.inquiry.leader
        if verdict.error is not None:
            draft.failed = Failed(
                lineup=draft.inquiry.lineup,
                loaded=leader,
                question=question,
                verdict=verdict,
                places=draft.rest,
                others=tuple(draft.verdicts),
            )
        else:
            draft.verdicts.append(verdict)
            draft.found.update(zip(draft.rest, answers_of(leader, verdict), strict=True))


def _problems(failed: Failed) -> list[Problem]:
    """What is wrong with the rows; nothing, as far as is known, where the version does not answer when it is asked."""
    question, verdict = failed.question, failed.verdict
    if verdict.cause is None:
        return []
    try:
        return failed.lineup.hear(
            failed.loaded, len(question.ids), partial(problems_of, failed.loaded, question, verdict)
        )
    except NoAnswer:
        return []


def _moved(problem: Problem, places: Sequence[int]) -> Problem:
    """`problem` with the row's place in the request."""
    return problem if problem.row is None else msgspec.structs.replace(problem, row=places[problem.row])


def answers_of(loaded: Loaded, verdict: Verdict) -> list[Answer]:
    """One answer for each row of a verdict without error."""
    batch = verdict.batch
    labels = verdict.labels or (None,) * len(batch.ids)
    names = None if batch.probabilities is None else tuple(map(str, loaded.manifest.classes))
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
    challenger: Loaded,
    questions: Sequence[Question],
    reads: Sequence[Reader],
    *,
    same_rows: bool,
    chosen: Sequence[Sequence[int]] | None = None,
) -> list[Verdict]:
    """What the challenger says of questions that were decoded for the champion; `chosen`: only of these rows of each
    request, which are the rows of its question."""
    again = dict(enumerate(questions))
    verdicts: dict[int, Verdict] = {}
    if not same_rows:
        verdicts, again = _read_again(challenger, questions, reads, chosen)
    verdicts.update(zip(again, _ask_checked(challenger, list(again.values())), strict=True))
    return [verdicts[place] for place in range(len(questions))]


def _read_again(
    challenger: Loaded,
    questions: Sequence[Question],
    reads: Sequence[Reader],
    chosen: Sequence[Sequence[int]] | None = None,
) -> tuple[dict[int, Verdict], dict[int, Question]]:
    """By place, the questions as the challenger reads them, and the failures of those that it cannot read."""
    refused: dict[int, Verdict] = {}
    again: dict[int, Question] = {}
    for place, (question, read) in enumerate(zip(questions, reads, strict=True)):
        try:
            decoded = read(challenger.decoder)
        except InvalidRows as error:
            refused[place] = _refused(challenger, question, error)
        else:
            taken = decoded if chosen is None else decoded.take(chosen[place])
            again[place] = msgspec.structs.replace(question, decoded=taken)
    return refused, again


def _ask_checked(challenger: Loaded, questions: Sequence[Question]) -> list[Verdict]:
    """What the challenger says of rows that it has read, once its contract has been asked about them."""
    refusals = challenger.decoder.check([question.decoded for question in questions])
    fit = [question for question, refusal in zip(questions, refusals, strict=True) if refusal is None]
    said = iter(ask_together(challenger, fit) if fit else ())
    return [
        next(said) if refusal is None else _refused(challenger, question, refusal)
        for question, refusal in zip(questions, refusals, strict=True)
    ]


def _refused(challenger: Loaded, question: Question, error: InvalidRows) -> Verdict:
    """Rows that the champion accepts and the challenger would refuse: its failure."""
    why = "" if challenger.capture.redact else f": {error.what}"  # which may show a value
    return unanswered(challenger, question, error=f"this version refuses rows that the champion accepts{why}")
