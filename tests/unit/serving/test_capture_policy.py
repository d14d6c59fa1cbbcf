"""What of an answer is written down: repeats under the same ids, a sample that sticks to keys, no redacted value."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pytest

from windlass.records.capture import PredictionBatch


def with_policy(stage: Any, *, version: str = "v1", **policy: Any) -> Any:
    """`version` under this capture policy is the champion."""
    made = msgspec.structs.replace(stage.manifest(), policies={"capture": policy})
    model = lambda rows: rows["distance"].to_numpy()  # noqa: E731
    stage.add(version, stage.fake(made, model=model))
    stage.route(version)
    return stage


def ids(reply: Any) -> list[str]:
    return [answer["id"] for answer in reply.json()["predictions"]]


def asked(stage: Any, *rows: dict[str, Any], name: str) -> Any:
    return stage.client.post("/flights/predict", json={"rows": rows or [stage.row]}, headers={"X-Request-Id": name})


def test_the_same_request_sent_again_is_answered_under_the_same_ids(flights: Any) -> None:
    rows = [flights.row, {**flights.row, "flight": "f2"}]
    first, second = asked(flights, *rows, name="r-1"), asked(flights, *rows, name="r-1")
    assert ids(first) == ids(second)
    assert len(set(ids(first))) == 2
    assert all(batch.named for batch in flights.captured)
    in_body = flights.predict(*rows, request_id="r-1")
    assert ids(in_body) == ids(first)


def test_other_rows_another_name_or_none_are_another_request(flights: Any) -> None:
    told = [
        *(asked(flights, name=name) for name in ("r-1", "r-2")),
        asked(flights, {**flights.row, "flight": "f2"}, name="r-1"),
        *(flights.predict() for _ in range(2)),
    ]
    assert len({each for reply in told for each in ids(reply)}) == len(told)
    assert [batch.named for batch in flights.captured] == [True, True, True, False, False]


def test_a_redacted_value_reaches_the_model_and_no_segment(stage: Any) -> None:
    with_policy(stage, redact=["carrier", "distance"])
    reply = stage.predict({**stage.row, "distance": 0.75, "carrier": "SECRET"})
    assert reply.json()["predictions"][0]["score"] == 0.75
    (batch,) = stage.captured
    assert json.loads(batch.rows[0]) == {**stage.row, "distance": None, "carrier": None}
    assert batch.features is None
    assert b"SECRET" not in msgspec.msgpack.encode(batch)


def test_features_made_of_a_redacted_value_can_be_redacted_too(stage: Any) -> None:
    made = msgspec.structs.replace(stage.manifest(), policies={"capture": {"redact": ["carrier", "letters"]}})
    features = lambda rows: rows.select("seats", letters=rows["carrier"].str.len_chars())  # noqa: E731
    stage.add("v1", stage.fake(made, features=features))
    stage.route("v1")
    stage.predict()
    assert json.loads(stage.captured[0].features[0]) == {"seats": 3, "letters": None}


def test_what_a_failing_version_says_of_a_redacted_value_is_not_kept(stage: Any) -> None:
    made = msgspec.structs.replace(stage.manifest(), policies={"capture": {"redact": ["carrier"]}})

    def model(rows: Any) -> Any:
        raise ValueError(f"cannot take {rows['carrier'][0]}")

    stage.add("v1", stage.fake(made, model=model))
    stage.route("v1")
    assert stage.predict({**stage.row, "carrier": "SECRET"}).status_code == 500
    (batch,) = stage.captured
    assert batch.error == "ValueError"
    assert b"SECRET" not in msgspec.msgpack.encode(batch)


@pytest.mark.parametrize("keyed", [True, False])
def test_a_sample_is_of_its_size_and_sticks_to_the_key(stage: Any, keyed: bool) -> None:
    with_policy(stage, sample=0.2)
    rows = [{**stage.row, "flight": f"f{place}"} if keyed else stage.row | {"flight": None} for place in range(2000)]
    requests = [rows] if keyed else [[row] for row in rows[:600]]
    for request in requests:
        assert len(ids(stage.predict(*request))) == len(request)
    kept = sum(len(batch.ids) for batch in stage.captured)
    count = sum(map(len, requests))
    assert abs(kept - 0.2 * count) < 4 * np.sqrt(count * 0.2 * 0.8)  # passes 9999 of 10000 times if the share is 0.2
    if keyed:
        before = {key for batch in stage.captured for key in batch.keys}
        stage.sink.batches.clear()
        stage.predict(*rows[::-1])
        assert {key for batch in stage.captured for key in batch.keys} == before


def test_nothing_is_written_when_nothing_is_in_the_sample(stage: Any) -> None:
    with_policy(stage, sample=1e-12)
    assert stage.predict().status_code == 200
    assert stage.sink.batches == []


def test_taking_rows_takes_them_from_every_column() -> None:
    batch = PredictionBatch(
        request_id="r",
        at=np.datetime64("2013-03-01").astype(object),
        version="v1",
        stage="champion",
        latency_ms=1.0,
        ids=("a", "b", "c"),
        keys=("1", "2", "3"),
        event_times=(None,) * 3,
        scores=(0.1, 0.2, 0.3),
        probabilities=((0.1, 0.9), (0.2, 0.8), (0.3, 0.7)),
        rows=(b"1", b"2", b"3"),
    )
    taken = batch.take([2, 0])
    assert (taken.ids, taken.keys, taken.scores, taken.rows) == (("c", "a"), ("3", "1"), (0.3, 0.1), (b"3", b"1"))
    assert (taken.probabilities, taken.features) == (((0.3, 0.7), (0.1, 0.9)), None)
