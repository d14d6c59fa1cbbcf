from __future__ import annotations

from typing import Any

import pytest

from windlass.records.capture import Measurement, MeasurementBatch


def post(stage: Any, *measurements: Any) -> Any:
    return stage.client.post("/flights/measurements", json={"measurements": list(measurements)})


def test_measurements_are_captured_before_they_are_acknowledged(flights: Any) -> None:
    reply = post(
        flights,
        {"metric": "revenue", "value": 12.5, "key": 7},
        {"metric": "revenue", "value": 0, "prediction_id": "p-1"},
    )
    assert (reply.status_code, reply.json()) == (202, {"product": "flights", "accepted": 2})
    (batch,) = [each for each in flights.sink.batches if isinstance(each, MeasurementBatch)]
    assert batch.received_at == flights.now
    assert batch.measurements == (
        Measurement(metric="revenue", value=12.5, key="7"),
        Measurement(metric="revenue", value=0.0, prediction_id="p-1"),
    )


@pytest.mark.parametrize(
    ("measurement", "field"),
    [
        ({"metric": "m", "value": 1}, "prediction_id"),
        ({"metric": "m", "value": 1, "key": "a", "prediction_id": "p"}, "prediction_id"),
        ({"metric": "two words", "value": 1, "key": "a"}, "metric"),
        ({"metric": "m", "value": "much", "key": "a"}, "value"),
        ({"metric": "m", "key": "a"}, "value"),
        ({"value": 1, "key": "a"}, "metric"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_kept(flights: Any, measurement: Any, field: str) -> None:
    reply = post(flights, {"metric": "m", "value": 1, "key": "a"}, measurement)
    assert reply.status_code == 422
    assert field in reply.text
    assert flights.sink.batches == []


def test_none_at_all_are_refused(flights: Any) -> None:
    assert post(flights).status_code == 422
