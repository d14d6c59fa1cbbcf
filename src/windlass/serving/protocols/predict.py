"""Windlass's own routes: `POST /{product}/predict` and `POST /{product}/outcomes`."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec

from windlass.clock import Clock
from windlass.product.contract import InvalidRows, MalformedBody, Problem, path_of, reason_of
from windlass.product.labels import LabelCodec
from windlass.records.capture import OutcomeBatch, OutcomeRow
from windlass.records.ids import new_id
from windlass.serving.answers.batching import Batcher
from windlass.serving.answers.capture import Capture
from windlass.serving.answers.explainer import Explainer, wants_explanation
from windlass.serving.limits import MOST_ROWS
from windlass.serving.metrics import Metrics
from windlass.serving.transport.http import Call, Reply
from windlass.serving.versions.lineup import Board, Loaded

Label = bool | int | float | str
_AHEAD = timedelta(days=1)
"""How far the clock of whoever reports an outcome may run ahead: a day forgives a wrong time zone too."""


class Predict:
    """Rows in, answers out; with `?explain=true` each with its reasons."""

    def __init__(self, *, board: Board, batcher: Batcher, explainer: Explainer) -> None:
        self._board = board
        self._batcher = batcher
        self._explainer = explainer

    async def __call__(self, call: Call) -> Reply:
        lineup = self._board.of(call.path.get("product"))
        explains = bool(call.query) and wants_explanation(call.query)
        answered = await self._batcher.answer(
            lineup,
            self._explainer.reader(call.body, lineup) if explains else lambda decoder: decoder.read(call.body),
            size=len(call.body),
            request_id=call.request_id,
        )
        answers = await self._explainer.explained(answered.answers, call.body, lineup) if explains else answered.answers
        return Reply.json({"product": answered.product, "version": answered.version, "predictions": answers})


class _Outcome(msgspec.Struct):
    value: Label
    prediction_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)] | int | None = None
    observed_at: datetime | None = None


class _Outcomes(msgspec.Struct):
    outcomes: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=MOST_ROWS)]


_ENVELOPE = msgspec.json.Decoder(_Outcomes)
_ONE = msgspec.json.Decoder(_Outcome)


class Outcomes:
    """Labels for predictions that were answered earlier, by prediction id or by key."""

    def __init__(
        self,
        *,
        board: Board,
        capture: Capture,
        clock: Clock,
        metrics: Metrics,
        pool: ThreadPoolExecutor,
        actor: Callable[[str], str | None],
    ) -> None:
        """`actor` names the token behind a header `Authorization`."""
        self._actor = actor
        self._board = board
        self._capture = capture
        self._clock = clock
        self._metrics = metrics
        self._pool = pool

    async def __call__(self, call: Call) -> Reply:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._take, call)

    def _take(self, call: Call) -> Reply:
        lineup = self._board.of(call.path.get("product"))
        now = self._clock.now()
        rows = _rows(call.body, lineup.leader(), now)
        batch = OutcomeBatch(
            request_id=call.request_id or new_id("r", now),
            received_at=now,
            outcomes=tuple(rows),
            actor=self._actor(call.authorization),
        )
        self._capture.write(lineup.product, batch)
        self._metrics.outcomes.labels(lineup.product).inc(len(rows))
        return Reply.json({"product": lineup.product, "accepted": len(rows)}, status=202)


def _rows(body: bytes, leader: Loaded, now: datetime) -> list[OutcomeRow]:
    rows, problems = [], []
    for place, raw in enumerate(_parts(body)):
        try:
            rows.append(_row(_ONE.decode(raw), leader, now))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            problems.append(_problem(place, error))
    if problems:
        raise InvalidRows.of(problems)
    return rows


def _parts(body: bytes) -> list[msgspec.Raw]:
    try:
        return _ENVELOPE.decode(body).outcomes
    except msgspec.ValidationError as error:
        reason = reason_of(error)
        field = "outcomes" if "outcomes" in path_of(error) or "outcomes" in reason else "body"
        if "length >= 1" in reason:
            reason = "there are no outcomes"
        raise InvalidRows.of([Problem(field=field, row=None, reason=reason)]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBody.json(body, error) from error


class _Wrong(ValueError):
    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


def _row(outcome: _Outcome, leader: Loaded, now: datetime) -> OutcomeRow:
    if (outcome.prediction_id is None) == (outcome.key is None):
        raise _Wrong("prediction_id", "give either prediction_id or key")
    if outcome.key is not None and leader.task.key is None:
        raise _Wrong("key", "this product's task names no key; give prediction_id")
    return OutcomeRow(
        prediction_id=outcome.prediction_id,
        key=None if outcome.key is None else str(outcome.key),
        value=_value(outcome.value, leader),
        observed_at=now if outcome.observed_at is None else _moment(outcome.observed_at, now),
    )


def _moment(seen: datetime, now: datetime) -> datetime:
    """In UTC, and not in the future: an outcome counts from its moment on, so a slip of the pen would hide it."""
    try:
        moment = seen.replace(tzinfo=UTC) if seen.tzinfo is None else seen.astimezone(UTC)
    except OverflowError:
        raise _Wrong("observed_at", "is too far in the past or the future") from None
    if moment - now > _AHEAD:
        raise _Wrong("observed_at", f"is in the future: it is {now:%Y-%m-%dT%H:%M:%SZ} here")
    return moment


def _value(value: Label, leader: Loaded) -> Label:
    """The label as the product knows it: 1, 1.0 and true are the same class. Of several classes a new one may come."""
    if leader.task.kind == "regression":
        number = _number(value)
        if number is None:
            raise _Wrong("value", f"must be a finite number, not {_spelt(value)}")
        return number
    classes = leader.manifest.classes
    if not classes:
        return value
    for known in classes:
        if known == value and isinstance(known, str) == isinstance(value, str):
            return known
    new = LabelCodec.from_manifest(leader.task.kind, classes).newcomer(value)
    if new is not None and not _is_slip(new, classes):
        return new
    choices = ", ".join(map(_spelt, classes[:20]))
    raise _Wrong("value", f"{_spelt(value)} is not a label of this product; labels: {choices}"[:400])


def _is_slip(new: Label, classes: Sequence[Label]) -> bool:
    """Whether a new class is more likely one of the known ones, spelt otherwise, or nothing at all."""
    text = str(new).strip().casefold()
    return not text or any(text == str(known).strip().casefold() for known in classes)


def _number(value: Label) -> float | None:
    """A finite float64; None for anything else, text and whole numbers beyond its range included."""
    if isinstance(value, bool | str):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _spelt(value: Label) -> str:
    """As it stands in JSON, for whoever sent it; shortened."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 100 else f"{text[:100]}..."


def _problem(place: int, error: Exception) -> Problem:
    if isinstance(error, _Wrong):
        return Problem(field=error.field, row=place, reason=str(error))
    reason = reason_of(error)
    if reason == "Object missing required field `value`":
        return Problem(field="value", row=place, reason="is missing")
    return Problem(field=path_of(error) or "outcome", row=place, reason=reason[:300])
