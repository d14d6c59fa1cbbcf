"""Windlass's own routes: `POST /{product}/predict` and `POST /{product}/outcomes`."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from windlass.clock import Clock
from windlass.product.contract import InvalidRows, MalformedBody, Problem
from windlass.product.labels import LabelCodec
from windlass.records.capture import OutcomeBatch, OutcomeRow
from windlass.records.ids import new_id
from windlass.serving.answering import Answering
from windlass.serving.capture import Capture
from windlass.serving.http import Call, Reply
from windlass.serving.limits import MOST_ROWS
from windlass.serving.lineup import Board, Loaded
from windlass.serving.metrics import Metrics
from windlass.serving.shadow import Shadow

Label = bool | int | float | str


class Predict:
    """Rows in, answers out."""

    def __init__(self, *, board: Board, answering: Answering, shadow: Shadow) -> None:
        self._board = board
        self._answering = answering
        self._shadow = shadow

    def __call__(self, call: Call) -> Reply:
        lineup = self._board.of(call.path["product"])
        answered = self._answering.answer(lineup, lambda decoder: decoder.read(call.body), request_id=call.request_id)
        body = {"product": answered.product, "version": answered.version, "predictions": answered.answers}
        return Reply.json(body, after=after(answered.shadow, self._shadow))


def after(work: Any, shadow: Shadow) -> Any:
    """What is left to do once the answer has gone: nothing, or the challenger's turn."""
    return None if work is None else lambda: shadow.offer(work)


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

    def __init__(self, *, board: Board, capture: Capture, clock: Clock, metrics: Metrics) -> None:
        self._board = board
        self._capture = capture
        self._clock = clock
        self._metrics = metrics

    def __call__(self, call: Call) -> Reply:
        lineup = self._board.of(call.path["product"])
        now = self._clock.now()
        rows = _rows(call.body, lineup.leader(), now)
        batch = OutcomeBatch(request_id=call.request_id or new_id("r", now), received_at=now, outcomes=tuple(rows))
        self._capture.write(lineup.product, batch)
        self._metrics.outcomes.labels(lineup.product).inc(len(rows))
        return Reply.json({"product": lineup.product, "accepted": len(rows)}, status=202)


def _rows(body: bytes, leader: Loaded, now: datetime) -> list[OutcomeRow]:
    rows, problems = [], []
    for place, raw in enumerate(_parts(body)):
        try:
            rows.append(_row(_ONE.decode(raw), leader, now))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, OverflowError) as error:
            problems.append(_problem(place, error))
    if problems:
        raise InvalidRows.of(problems)
    return rows


def _parts(body: bytes) -> list[msgspec.Raw]:
    try:
        return _ENVELOPE.decode(body).outcomes
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        field = "outcomes" if "outcomes" in path or "outcomes" in reason else "body"
        if "length >= 1" in reason:
            reason = "there are no outcomes"
        raise InvalidRows.of([Problem(field=field, row=None, reason=reason)]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBody(f"the body is not valid JSON: {error}", remedy="send UTF-8 encoded JSON") from error


class _Wrong(ValueError):
    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


def _row(outcome: _Outcome, leader: Loaded, now: datetime) -> OutcomeRow:
    if (outcome.prediction_id is None) == (outcome.key is None):
        raise _Wrong("prediction_id", "give either prediction_id or key")
    seen = outcome.observed_at
    if seen is not None:
        seen = seen.replace(tzinfo=UTC) if seen.tzinfo is None else seen.astimezone(UTC)
    return OutcomeRow(
        prediction_id=outcome.prediction_id,
        key=None if outcome.key is None else str(outcome.key),
        value=_value(outcome.value, leader),
        observed_at=now if seen is None else seen,
    )


def _value(value: Label, leader: Loaded) -> Label:
    """The label as the product knows it: 1, 1.0 and true are the same class. Of several classes a new one may come."""
    if leader.task.kind == "regression":
        if isinstance(value, bool | str) or not math.isfinite(value):
            raise _Wrong("value", f"must be a finite number, not {value!r}")
        return float(value)
    classes = leader.manifest.classes
    if not classes:
        return value
    for known in classes:
        if known == value and isinstance(known, str) == isinstance(value, str):
            return known
    new = LabelCodec.from_manifest(leader.task.kind, classes).newcomer(value)
    if new is not None:
        return new
    choices = ", ".join(map(repr, classes[:20]))
    raise _Wrong("value", f"{value!r} is not a label of this product; labels: {choices}"[:400])


def _problem(place: int, error: Exception) -> Problem:
    if isinstance(error, _Wrong):
        return Problem(field=error.field, row=place, reason=str(error))
    reason, _, path = str(error).partition(" - at ")
    field = path.strip("`").removeprefix("$").removeprefix(".") or "outcome"
    return Problem(
        field=field,
        row=place,
        reason="is too far in the past or the future" if isinstance(error, OverflowError) else reason[:300],
    )
