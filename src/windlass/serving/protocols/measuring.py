"""`POST /{product}/measurements`: figures of the caller's own, by which A/B tests are judged."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import msgspec

from windlass.clock import Clock
from windlass.product.contract import InvalidRows, MalformedBody, Problem, path_of, reason_of
from windlass.records.capture import Measurement, MeasurementBatch
from windlass.records.ids import new_id
from windlass.serving.answers.capture import Capture
from windlass.serving.limits import MOST_ROWS
from windlass.serving.transport.http import Call, Reply
from windlass.serving.versions.lineup import Board

METRIC = r"[A-Za-z0-9_.-]{1,100}"


class _Measured(msgspec.Struct):
    metric: Annotated[str, msgspec.Meta(pattern=f"^{METRIC}$")]
    value: float
    prediction_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)] | int | None = None


class _Body(msgspec.Struct):
    measurements: Annotated[list[_Measured], msgspec.Meta(min_length=1, max_length=MOST_ROWS)]


_DECODER = msgspec.json.Decoder(_Body)


class Measurements:
    """Written down as they come; which of them count is for whoever judges."""

    def __init__(
        self,
        *,
        board: Board,
        capture: Capture,
        clock: Clock,
        pool: ThreadPoolExecutor,
        actor: Callable[[str], str | None],
    ) -> None:
        """`actor` names the token behind a header `Authorization`."""
        self._actor = actor
        self._board = board
        self._capture = capture
        self._clock = clock
        self._pool = pool

    async def __call__(self, call: Call) -> Reply:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._take, call)

    def _take(self, call: Call) -> Reply:
        lineup = self._board.of(call.path.get("product"))
        keyed = lineup.leader().task.key is not None
        taken = tuple(_checked(place, each, keyed=keyed) for place, each in enumerate(_read(call.body)))
        now = self._clock.now()
        batch = MeasurementBatch(
            request_id=call.request_id or new_id("r", now),
            received_at=now,
            measurements=taken,
            actor=self._actor(call.authorization),
        )
        self._capture.write(lineup.product, batch)
        return Reply.json({"product": lineup.product, "accepted": len(taken)}, status=202)


def _read(body: bytes) -> list[_Measured]:
    try:
        return _DECODER.decode(body).measurements
    except msgspec.ValidationError as error:
        raise InvalidRows.of([Problem(field=path_of(error) or "body", row=None, reason=reason_of(error))]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBody.json(body, error) from error


def _checked(place: int, measured: _Measured, *, keyed: bool) -> Measurement:
    wrong = _wrong(measured, keyed=keyed)
    if wrong is not None:
        raise InvalidRows.of([Problem(field=wrong[0], row=place, reason=wrong[1])])
    return Measurement(
        prediction_id=measured.prediction_id,
        key=None if measured.key is None else str(measured.key),
        metric=measured.metric,
        value=measured.value,
    )


def _wrong(measured: _Measured, *, keyed: bool) -> tuple[str, str] | None:
    if (measured.prediction_id is None) == (measured.key is None):
        return "prediction_id", "give either prediction_id or key"
    if measured.key is not None and not keyed:
        return "key", "this product's task names no key; give prediction_id"
    if not math.isfinite(measured.value):
        return "value", "must be a finite number"
    return None
