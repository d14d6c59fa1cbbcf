"""What the lake's tests are made of: a moment, rows, batches, a lake."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from windlass.lake.lake import Lake
from windlass.lake.served import outcome_rows
from windlass.records.capture import OutcomeBatch, OutcomeRow, PredictionBatch
from windlass.records.lease import Fence
from windlass.records.routing import Stage
from windlass.staging import Staging

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


class Make:
    """Records with sensible fields, so that a test says only what it is about."""

    noon = NOON

    @staticmethod
    def lake(root: Path, token: int = 1) -> Lake:
        """A lake under the lease with this token, as whoever took it over begins it."""
        fence = Fence(holder="test", token=token)
        Staging(root, fence).begin()
        return Lake(root, fence)

    @staticmethod
    def predictions(
        *ids: str,
        keys: Sequence[str | None] | None = None,
        at: datetime = NOON,
        stage: Stage = "champion",
        version: str = "v1",
        error: str | None = None,
        request: str = "r",
        event_time: datetime | None = None,
        named: bool = False,
    ) -> PredictionBatch:
        return PredictionBatch(
            request_id=request,
            named=named,
            at=at,
            version=version,
            stage=stage,
            latency_ms=1.5,
            ids=ids,
            keys=tuple(keys) if keys is not None else (None,) * len(ids),
            event_times=(event_time,) * len(ids),
            scores=(None if error else 0.25,) * len(ids),
            rows=tuple(b'{"id":"%s"}' % name.encode() for name in ids),
            error=error,
        )

    @staticmethod
    def outcome(
        value: bool | int | float | str,
        *,
        prediction_id: str | None = None,
        key: str | None = None,
        at: datetime = NOON + timedelta(hours=1),
    ) -> OutcomeRow:
        return OutcomeRow(prediction_id=prediction_id, key=key, value=value, observed_at=at)

    @staticmethod
    def outcomes(*rows: OutcomeRow, request: str = "o", at: datetime = NOON) -> OutcomeBatch:
        return OutcomeBatch(request_id=request, received_at=at, outcomes=rows)

    @classmethod
    def told(cls, *rows: OutcomeRow) -> pl.DataFrame:
        """The same as an extract brings them."""
        return outcome_rows([cls.outcomes(*rows)]).select("prediction_id", "key", "value", "observed_at")

    @staticmethod
    def flights(*rows: tuple[int, datetime, float | None]) -> pl.DataFrame:
        """Examples with the columns `flight`, `scheduled` and `delay`."""
        return pl.DataFrame(
            list(rows),
            schema={"flight": pl.Int64, "scheduled": pl.Datetime("us", "UTC"), "delay": pl.Float64},
            orient="row",
        )


@pytest.fixture(scope="session")
def make() -> type[Make]:
    return Make


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Make.lake(tmp_path / "lake")


@pytest.fixture
def segments(tmp_path: Path) -> Path:
    return tmp_path / "segments" / "flights"
