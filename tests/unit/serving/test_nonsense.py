"""Whatever is sent to whichever route, the server answers, and never with a fault of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from windlass.lake.segments import SegmentWriter
from windlass.serving.answers.capture import Capture
from windlass.serving.transport import http

ROUTES = [
    "/flights/predict",
    "/flights/outcomes",
    "/flights/measurements",
    "/flights/invocations",
    "/v2/models/flights/infer",
    "/v2/models/flights/versions/v1/infer",
]
WORDS = [
    *("rows", "request_id", "outcomes", "key", "prediction_id", "value", "observed_at", "measurements", "metric"),
    *("dataframe_split", "dataframe_records", "instances", "inputs", "columns", "data"),
    *("name", "shape", "datatype", "id", "outputs", "parameters", "FP64", "BYTES", "score"),
    *("flight", "at", "distance", "seats", "carrier", "2013-03-01T10:00:00Z"),
]
TEXT = st.sampled_from(WORDS) | st.text(max_size=6)
LEAF = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | TEXT
ANYTHING = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=6), max_leaves=25
)
FITTING = settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@FITTING
@given(route=st.sampled_from(ROUTES), value=ANYTHING)
def test_any_json_is_answered_or_refused(flights: Any, route: str, value: Any) -> None:
    reply = flights.client.post(route, content=json.dumps(value), headers={"Content-Type": "application/json"})
    assert reply.status_code in {200, 202, 400, 422}, reply.text
    assert json.loads(reply.content)


@FITTING
@given(
    route=st.sampled_from(ROUTES), rows=st.lists(st.dictionaries(TEXT, LEAF, max_size=6), max_size=3), data=st.data()
)
def test_almost_right_json_is_answered_or_refused(flights: Any, route: str, rows: Any, data: Any) -> None:
    shapes = [
        {"rows": rows},
        {"outcomes": rows},
        {"measurements": rows},
        {"dataframe_records": rows},
        {"instances": rows},
        {"dataframe_split": {"columns": list(flights.row), "data": [list(row.values()) for row in rows]}},
        {"inputs": {name: [row.get(name) for row in rows] for name in flights.row}},
        {"inputs": rows},
    ]
    body = data.draw(st.sampled_from(shapes))
    reply = flights.client.post(route, content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert reply.status_code in {200, 202, 400, 422}, reply.text


@FITTING
@given(
    route=st.sampled_from(ROUTES), body=st.binary(max_size=60), media=st.sampled_from(["application/json", "text/csv"])
)
def test_any_bytes_are_refused(flights: Any, route: str, body: bytes, media: str) -> None:
    reply = flights.client.post(route, content=body, headers={"Content-Type": media})
    assert reply.status_code in {400, 415, 422}, reply.text


DEEP = "[" * 50_000 + "]" * 50_000
LARGE = {
    "deep": '{"rows": %s, "outcomes": %s, "dataframe_split": {"columns": ["a"], "data": %s}, "inputs": %s}',
    "deep in a tensor": '{"inputs": [{"name": "distance", "shape": [1], "datatype": "FP64", "data": %s}]}',
    "deep columns": '{"inputs": {"distance": %s, "seats": %s}}',
    "deep in a row": '{"instances": [{"distance": %s}]}',
    "deep in an outcome": '{"outcomes": [{"value": %s}]}',
    "many numbers": '{"inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [' + "1," * 900_000 + "1]}]}",
    "many rows": '{"instances": [' + "[]," * 300_000 + "[]]}",
    "many fields": "{" + ",".join(f'"f{place}": 0' for place in range(200_000)) + "}",
    "a long number": '{"rows": [{"distance": ' + "9" * 300_000 + "}]}",
    "a long text": '{"rows": [{"carrier": "' + "x" * 3_000_000 + '"}]}',
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", LARGE)
def test_deep_and_large_json_is_refused(flights: Any, route: str, name: str) -> None:
    body = LARGE[name].replace("%s", DEEP)
    reply = flights.client.post(route, content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code in {400, 422}
    assert reply.json().get("error") or reply.json()["message"]  # as MLflow calls it
    assert len(reply.content) < 20_000


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("part", ["{}", "[]", '{"a":[]}'])
def test_more_objects_and_lists_than_any_request_needs_are_refused_before_they_are_read(
    flights: Any, route: str, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MOST_PARTS", 30_000)
    body = '{"rows": [' + f"{part}," * 40_000 + part + "]}"
    reply = flights.client.post(route, content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 413
    assert "objects and lists, more than 30000" in (reply.json().get("error") or reply.json()["message"])


@pytest.mark.parametrize("route", [route for route in ROUTES if "infer" not in route])
def test_where_no_tensors_follow_all_of_a_body_is_looked_at(
    flights: Any, route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MOST_PARTS", 30_000)
    headers = {"Content-Type": "application/json", "Inference-Header-Content-Length": "0"}
    reply = flights.client.post(route, content='{"rows": [' + "{}," * 40_000 + "{}]}", headers=headers)
    assert reply.status_code == 413


def test_bytes_of_a_tensor_are_no_braces(flights: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_PARTS", 30_000)
    inputs = [
        {"name": "seats", "shape": [80_000], "datatype": "INT8", "parameters": {"binary_data_size": 80_000}},
    ]
    head = json.dumps({"inputs": inputs}).encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    reply = flights.client.post("/v2/models/flights/infer", content=head + b"{" * 80_000, headers=headers)
    assert (reply.status_code, "too many" in reply.text) == (422, True), "which is said of its rows"
    reply = flights.client.post(
        "/v2/models/flights/infer",
        content=b"{" * 80_000,
        headers={**headers, "Inference-Header-Content-Length": "9" * 5000},
    )
    assert reply.status_code == 413


@FITTING
@given(
    tensor=st.fixed_dictionaries(
        {
            "name": st.just("distance"),
            "shape": st.lists(st.integers(-1, 2**40), max_size=3),
            "datatype": st.sampled_from(["INT8", "INT64", "FP16", "FP64", "BOOL", "BYTES", "XX"]),
            "parameters": st.fixed_dictionaries({"binary_data_size": st.integers(-5, 60) | st.just(2**70)}),
        }
    ),
    length=st.integers(-5, 400) | st.sampled_from(["x", "9" * 40, "", "right"]),
    body=st.binary(max_size=60),
)
def test_any_tensor_of_bytes_is_answered_or_refused(flights: Any, tensor: Any, length: Any, body: bytes) -> None:
    text = json.dumps({"inputs": [tensor]}).encode()
    told = str(len(text)) if length == "right" else str(length)
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": told}
    reply = flights.client.post("/v2/models/flights/infer", content=text + body, headers=headers)
    assert reply.status_code in {400, 422}, reply.text


@pytest.fixture
def no_folder(flights: Any, tmp_path: Path) -> Iterator[Any]:
    """The real segment writer, where a file stands in the place of its folder."""
    (tmp_path / "segments").write_text("in the way")
    writer = SegmentWriter(tmp_path / "segments" / "w0")
    broken = Capture(open_sink=lambda _product: writer, metrics=flights.metrics)
    flights.parts.answering._capture = broken
    yield flights
    broken.close()


def test_a_real_writer_that_cannot_write_is_a_503(no_folder: Any) -> None:
    reply = no_folder.predict()
    assert reply.status_code == 503
    assert "could not be recorded" in reply.json()["error"]


def test_who_asks_whether_it_is_ready_hears_that_nothing_can_be_recorded(flights: Any, tmp_path: Path) -> None:
    capture = flights.parts.capture
    sinks, capture._sinks = capture._sinks, {}
    opens, capture._open = capture._open, lambda _product: SegmentWriter(tmp_path / "segments" / "w0")
    (tmp_path / "segments").write_text("in the way")
    assert flights.predict().status_code == 503
    told = flights.client.get("/readyz")
    assert told.status_code == 200, "only a request can show that it is over"
    assert "answers cannot be recorded" in told.json()["products"]["flights"]["problems"][0]
    capture._sinks, capture._open = sinks, opens
    assert flights.predict().status_code == 200
    assert flights.client.get("/readyz").json()["products"]["flights"]["problems"] == []
