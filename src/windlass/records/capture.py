"""What a serving worker writes down before it answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from windlass.records.routing import Stage


class PredictionBatch(msgspec.Struct, frozen=True, kw_only=True, tag="predictions"):
    """The rows of one request that one version answered; all sequences have the same length."""

    request_id: str
    at: datetime
    """When it was answered, under the injected clock."""
    version: str
    stage: Stage
    latency_ms: float
    """Features and model together, for the whole batch."""
    ids: tuple[str, ...]
    """Prediction ids. A shadow answer carries the ids of the answers it stands beside."""
    named: bool = False
    """The caller has named the request: sent again, it has the same ids, and counts once."""
    keys: tuple[str | None, ...]
    event_times: tuple[datetime | None, ...]
    scores: tuple[float | None, ...]
    """Binary: probability of the positive class; regression: the value; multiclass: probability of the likeliest."""
    probabilities: tuple[tuple[float, ...], ...] | None = None
    """Multiclass: all classes, in the order of the manifest's `classes`."""
    rows: tuple[bytes, ...]
    """Each request row as JSON: the fields the product knows, after validation, so that it decodes the same later."""
    features: tuple[bytes, ...] | None = None
    """Each row of features as JSON; None when every feature is a column of the request row, unchanged."""
    error: str | None = None
    """Why there are no scores, when the version failed (the caller got an error or, in shadow, nothing)."""

    def take(self, places: Sequence[int]) -> PredictionBatch:
        """Only the rows at `places`, in that order."""

        def chosen(values: Any) -> Any:
            return None if values is None else tuple(values[place] for place in places)

        columns = ("ids", "keys", "event_times", "scores", "probabilities", "rows", "features")
        return msgspec.structs.replace(self, **{name: chosen(getattr(self, name)) for name in columns})


class OutcomeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One label, for a prediction named by its id or for all predictions of a key."""

    prediction_id: str | None = None
    key: str | None = None
    value: bool | int | float | str
    observed_at: datetime
    """When it became known; the clock's now if the caller does not say."""


class OutcomeBatch(msgspec.Struct, frozen=True, kw_only=True, tag="outcomes"):
    """The labels of one request."""

    request_id: str
    received_at: datetime
    outcomes: tuple[OutcomeRow, ...]
    actor: str | None = None
    """The token that sent them; None: the server asks for none."""


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of the caller's own about a prediction named by its id, or about a key: what an order was worth, say."""

    prediction_id: str | None = None
    key: str | None = None
    metric: str
    value: float


class MeasurementBatch(msgspec.Struct, frozen=True, kw_only=True, tag="measurements"):
    """The measurements of one request."""

    request_id: str
    received_at: datetime
    measurements: tuple[Measurement, ...]
    actor: str | None = None
    """As of outcomes."""


Captured = PredictionBatch | OutcomeBatch | MeasurementBatch
