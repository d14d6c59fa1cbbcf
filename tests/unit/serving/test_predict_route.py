from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from windlass.product.contract import decode_rows
from windlass.records.bundle import Column
from windlass.records.routing import Routing
from windlass.serving.versions.lineup import Lineup


def panic(_rows: pl.DataFrame) -> Any:
    raise pl.exceptions.PanicException("polars gave up")  # no Exception, as polars has it


def test_rows_are_answered_in_their_order_with_ids_version_and_stage(flights: Any) -> None:
    reply = flights.predict(flights.row, {**flights.row, "distance": 0.75, "flight": None})
    assert reply.status_code == 200
    body = reply.json()
    assert body["product"] == "flights"
    assert body["version"] == "v1"
    first, second = body["predictions"]
    assert first == {"id": first["id"], "score": 0.25, "label": False, "version": "v1", "stage": "champion"}
    assert (second["score"], second["label"]) == (0.75, True)
    assert first["id"] != second["id"]


def test_what_was_answered_is_what_was_captured(flights: Any) -> None:
    reply = flights.predict(flights.row, {**flights.row, "flight": None}, request_id="mine").json()
    (batch,) = flights.captured
    assert batch.request_id == "mine"
    assert batch.ids == tuple(answer["id"] for answer in reply["predictions"])
    assert batch.keys == ("f1", None)
    assert batch.event_times == (datetime(2013, 3, 1, 10, tzinfo=UTC),) * 2
    assert batch.scores == (0.25, 0.25)
    assert batch.at == flights.now
    assert (batch.version, batch.stage, batch.error) == ("v1", "champion", None)
    assert batch.features is None, "the features are columns of the row"
    assert batch.latency_ms > 0
    columns = flights.manifest().columns
    assert decode_rows(list(batch.rows), columns)["distance"].to_list() == [0.25, 0.25]


def test_features_that_are_not_in_the_row_are_captured(stage: Any) -> None:
    stage.add("v1", features=lambda rows: rows.select(double=pl.col("distance") * 2))
    stage.route("v1")
    stage.predict()
    assert [json.loads(row) for row in stage.captured[0].features] == [{"double": 0.5}]


def test_the_request_id_comes_from_the_header_or_is_made_up(flights: Any) -> None:
    flights.client.post("/flights/predict", json={"rows": [flights.row]}, headers={"X-Request-Id": "h" * 300})
    flights.predict()
    assert flights.captured[0].request_id == "h" * 200
    assert flights.captured[1].request_id.startswith("r-")


def test_an_empty_request_id_names_nothing(flights: Any) -> None:
    answers = [flights.predict(request_id="").json()["predictions"][0]["id"] for _ in range(2)]
    first, second = flights.captured
    assert answers[0] != answers[1]
    assert not first.named
    assert first.request_id.startswith("r-")
    assert first.request_id != second.request_id


def test_multiclass_tells_the_likeliest_class_and_all_probabilities(stage: Any) -> None:
    task = {"task": "multiclass", "target": "kind"}
    classes = ("setosa", "virginica", "other")
    stage.add(
        "v1",
        stage.fake(
            stage.manifest(task, classes=classes), model=lambda rows: np.tile([0.2, 0.7, 0.1], (rows.height, 1))
        ),
    )
    stage.route("v1")
    (answer,) = stage.predict().json()["predictions"]
    assert answer["label"] == "virginica"
    assert answer["score"] == 0.7
    assert answer["probabilities"] == {"setosa": 0.2, "virginica": 0.7, "other": 0.1}
    assert stage.captured[0].probabilities == ((0.2, 0.7, 0.1),)


def test_a_regression_has_no_label(stage: Any) -> None:
    stage.add("v1", stage.fake(stage.manifest({"task": "regression", "target": "delay"}, classes=())))
    stage.route("v1")
    (answer,) = stage.predict().json()["predictions"]
    assert set(answer) == {"id", "score", "version", "stage"}


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (lambda rows: 1 / 0, "division by zero"),
        (lambda rows: np.full(rows.height, np.nan), "not a finite number"),
        (lambda rows: np.full(rows.height, np.inf), "not a finite number"),
        (lambda rows: np.zeros(rows.height + 1), "shape"),
        (lambda rows: np.zeros((rows.height, 2)), "shape"),
        (panic, "polars gave up"),
        (lambda rows: ["x"] * rows.height, "ValueError"),
    ],
)
def test_a_model_that_fails_is_a_500_with_its_reason_and_the_failure_is_captured(
    stage: Any, model: Any, says: str
) -> None:
    stage.add("v1", model=model)
    stage.route("v1")
    reply = stage.predict()
    assert reply.status_code == 500
    assert says in reply.json()["error"]
    (batch,) = stage.captured
    assert says in batch.error
    assert batch.scores == (None,)
    assert stage.metric('windlass_prediction_failures_total{product="flights",stage="champion",version="v1"}') == 1


def test_nothing_is_answered_that_was_not_written_down(flights: Any) -> None:
    flights.sink.broken = True
    reply = flights.predict()
    assert reply.status_code == 503
    assert "No space left on device" in reply.json()["error"]
    assert reply.json()["error"].count("remedy") == 0, "the way out is the server's, and told once"
    assert reply.headers["retry-after"] == "1"
    assert flights.metric('windlass_capture_failures_total{product="flights"}') == 1
    flights.sink.broken = False
    assert flights.predict().status_code == 200


def test_without_a_champion_the_caller_is_told_to_come_back(stage: Any) -> None:
    stage.route(None)
    reply = stage.predict()
    assert reply.status_code == 503
    assert reply.headers["retry-after"] == "1"
    assert "no version has been released" in reply.json()["error"]
    assert stage.client.get("/readyz").status_code == 503


def test_a_product_that_was_never_released_does_not_take_the_others_out_of_service(flights: Any) -> None:
    flights.route(None, product="trains")
    ready = flights.client.get("/readyz")
    assert (ready.status_code, ready.json()["products"]["trains"]["champion"]) == (200, None)
    assert flights.client.get("/v2/health/ready").status_code == 200
    assert flights.client.get("/v2/models/trains/ready").status_code == 503
    assert flights.client.post("/trains/predict", json={"rows": [flights.row]}).status_code == 503


@pytest.mark.parametrize(
    ("cost", "labels"),
    [(None, [False, False, True]), (((0, 1), (3, 0)), [False, True, True]), (((0, 3), (1, 0)), [False, False, False])],
)
def test_the_label_follows_the_costs_that_the_gate_judged_by(stage: Any, cost: Any, labels: list[bool]) -> None:
    judged = msgspec.structs.replace(stage.manifest(), policies={"gate": {"cost": cost}})
    stage.add("v1", stage.fake(judged))
    stage.route("v1")
    rows = [{**stage.row, "distance": chance} for chance in (0.2, 0.3, 0.7)]
    answers = stage.client.post("/flights/predict", json={"rows": rows}).json()["predictions"]
    assert [answer["label"] for answer in answers] == labels


# -- outcomes ----------------------------------------------------------------------------------------------------


def test_outcomes_are_captured_as_the_product_knows_its_labels(flights: Any) -> None:
    reply = flights.client.post(
        "/flights/outcomes",
        json={
            "outcomes": [
                {"prediction_id": "p-1", "value": 1},
                {"key": "f2", "value": False, "observed_at": "2013-03-02T00:00:00+01:00"},
                {"key": 7, "value": 0.0, "observed_at": "2013-03-02T00:00:00"},
            ]
        },
    )
    assert (reply.status_code, reply.json()) == (202, {"product": "flights", "accepted": 3})
    (batch,) = flights.outcomes
    first, second, third = batch.outcomes
    assert (first.prediction_id, first.key, first.value, first.observed_at) == ("p-1", None, True, flights.now)
    assert first.value is True
    assert second.observed_at == datetime(2013, 3, 1, 23, tzinfo=UTC)
    assert (third.key, third.value, third.observed_at) == ("7", False, datetime(2013, 3, 2, tzinfo=UTC))


BAD_OUTCOMES: list[tuple[Any, str, int | None]] = [
    ({"outcomes": []}, "outcomes", None),
    ({}, "outcomes", None),
    ([], "body", None),
    ({"outcomes": [1]}, "outcome", 0),
    ({"outcomes": [{"value": 1}]}, "prediction_id", 0),
    ({"outcomes": [{"value": 1, "key": "a", "prediction_id": "b"}]}, "prediction_id", 0),
    ({"outcomes": [{"key": "a", "value": 1}, {"key": "a"}]}, "value", 1),
    ({"outcomes": [{"key": "a", "value": None}]}, "value", 0),
    ({"outcomes": [{"key": "a", "value": 2}]}, "value", 0),
    ({"outcomes": [{"key": "a", "value": "true"}]}, "value", 0),
    ({"outcomes": [{"key": "a", "value": [1]}]}, "value", 0),
    ({"outcomes": [{"key": "", "value": 1}]}, "key", 0),
    ({"outcomes": [{"key": 1.5, "value": 1}]}, "key", 0),
    ({"outcomes": [{"key": "a", "value": 1, "observed_at": "later"}]}, "observed_at", 0),
    ({"outcomes": [{"key": "a", "value": 1, "observed_at": "0001-01-01T00:00:00+09:00"}]}, "observed_at", 0),
    ({"outcomes": [{"key": "a", "value": 1, "observed_at": "2013-03-02T12:00:01Z"}]}, "observed_at", 0),
]


@pytest.mark.parametrize(("body", "field", "row"), BAD_OUTCOMES)
def test_a_bad_outcome_is_named_and_none_is_kept(flights: Any, body: Any, field: str, row: int | None) -> None:
    reply = flights.client.post("/flights/outcomes", json=body)
    assert reply.status_code == 422
    problem = reply.json()["fields"][0]
    assert (problem["field"], problem["row"]) == (field, row)
    assert flights.outcomes == []


def test_a_path_that_is_almost_one_is_no_redirect_to_the_host_that_the_caller_named(flights: Any) -> None:
    reply = flights.client.post("/flights/predict/", headers={"Host": "evil"}, follow_redirects=False)
    assert reply.status_code == 404
    assert "there is nothing at /flights/predict/" in reply.json()["error"]


def test_a_wrong_label_is_told_as_it_was_sent(flights: Any) -> None:
    reply = flights.client.post("/flights/outcomes", json={"outcomes": [{"key": "a", "value": "true"}]})
    assert reply.json()["error"] == 'value of row 0: "true" is not a label of this product; labels: false, true'


def test_an_outcome_may_be_told_a_little_ahead_of_the_clock_here(flights: Any) -> None:
    body = {"outcomes": [{"key": "a", "value": 1, "observed_at": "2013-03-02T12:00:00Z"}]}
    assert flights.client.post("/flights/outcomes", json=body).status_code == 202


def test_where_no_row_has_a_key_no_outcome_has_one(stage: Any) -> None:
    stage.add("v1", stage.fake(stage.manifest({"task": "binary", "target": "late"})))
    stage.route("v1")
    refused = stage.client.post("/flights/outcomes", json={"outcomes": [{"key": "a", "value": 1}]})
    assert (refused.status_code, refused.json()["fields"][0]["field"]) == (422, "key")
    taken = stage.client.post("/flights/outcomes", json={"outcomes": [{"prediction_id": "p-1", "value": 1}]})
    assert taken.status_code == 202


def test_a_regression_takes_numbers_only(stage: Any) -> None:
    task = {"task": "regression", "target": "delay", "key": "flight"}
    stage.add("v1", stage.fake(stage.manifest(task, classes=())))
    stage.route("v1")
    post = lambda value: stage.client.post("/flights/outcomes", json={"outcomes": [{"key": "a", "value": value}]})  # noqa: E731
    assert post(3).status_code == 202
    assert [post(bad).status_code for bad in (True, "3", None, 10**400)] == [422, 422, 422, 422]
    assert post(10**400).json()["fields"][0]["field"] == "value"
    assert stage.outcomes[0].outcomes[0].value == 3.0


def test_of_several_classes_a_new_one_is_kept_for_the_next_training(stage: Any) -> None:
    task = {"task": "multiclass", "target": "sky", "key": "flight"}
    stage.add("v1", stage.fake(stage.manifest(task, classes=("calm", "rain", "snow"))))
    stage.route("v1")
    post = lambda value: stage.client.post("/flights/outcomes", json={"outcomes": [{"key": "a", "value": value}]})  # noqa: E731
    assert post("storm").status_code == 202
    assert stage.outcomes[0].outcomes[0].value == "storm"
    assert [post(bad).status_code for bad in (True, 3, None, "", " ")] == [422] * 5
    assert [post(slip).status_code for slip in ("Snow", "RAIN", " calm")] == [422] * 3, (
        "one that is known, spelt otherwise"
    )
    assert "labels: " in post("Snow").json()["error"]


def test_an_empty_body_is_called_empty(flights: Any) -> None:
    for body in (b"", b" \n"):
        reply = flights.client.post("/flights/predict", content=body, headers={"Content-Type": "application/json"})
        assert (reply.status_code, reply.json()["error"]) == (400, "the body is empty; send UTF-8 encoded JSON")


# -- bad input ---------------------------------------------------------------------------------------------------

GOOD = b'{"rows": [{"flight": "f1", "at": "2013-03-01T10:00:00Z", "distance": 0.25, "seats": 3, "carrier": "AA"}]}'
NEST = b"[" * 60_000 + b"]" * 60_000
JSON = "application/json"
BAD: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 400, JSON),
    "no json": (b"rows", 400, JSON),
    "cut off": (b'{"rows": [', 400, JSON),
    "two documents": (GOOD + b"{}", 400, JSON),
    "trailing comma": (GOOD[:-1] + b",}", 400, JSON),
    "NaN": (b'{"rows": [{"distance": NaN}]}', 400, JSON),
    "Infinity": (b'{"rows": [{"distance": Infinity}]}', 400, JSON),
    "single quotes": (b"{'rows': []}", 400, JSON),
    "latin-1": ('{"rows": [{"carrier": "é"}]}'.encode("latin-1"), 400, JSON),
    "utf-16": ('{"rows": []}'.encode("utf-16"), 400, JSON),
    "utf-32": ('{"rows": []}'.encode("utf-32"), 400, JSON),
    "byte order mark": (b"\xef\xbb\xbf{}", 400, JSON),
    "nul": (b'{"rows": [\x00]}', 400, JSON),
    "deep list": (NEST, 422, JSON),
    "deep rows": (b'{"rows": ' + NEST + b"}", 422, JSON),
    "deep field": (GOOD[:-3] + b', "more": ' + NEST + b"}]}", 400, JSON),
    "deep request": (GOOD[:-1] + b', "more": ' + NEST + b"}", 400, JSON),
    "cut in the middle of a character": ('{"rows": [{"carrier": "é'.encode()[:-1], 400, JSON),
    "a list": (b"[]", 422, JSON),
    "a number": (b"1", 422, JSON),
    "a string": (b'"rows"', 422, JSON),
    "null": (b"null", 422, JSON),
    "no rows": (b"{}", 422, JSON),
    "rows null": (b'{"rows": null}', 422, JSON),
    "rows a dict": (b'{"rows": {}}', 422, JSON),
    "no row": (b'{"rows": []}', 422, JSON),
    "row null": (b'{"rows": [null]}', 422, JSON),
    "row a list": (b'{"rows": [[1, 2]]}', 422, JSON),
    "row empty": (b'{"rows": [{}]}', 422, JSON),
    "request id": (b'{"rows": [{}], "request_id": {}}', 422, JSON),
    "csv": (b"a,b", 415, "text/csv"),
    "form": (b"a=1", 415, "application/x-www-form-urlencoded"),
    "nonsense type": (b"{}", 415, ";;;"),
    "charset": (b"{}", 415, "application/json; charset=latin-1"),
    "too large": (b" " * (16 * 1024 * 1024 + 1), 413, JSON),
    "too many rows": (b'{"rows": [' + b",".join([b"%s"] * 10_001) + b"]}", 422, JSON),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_body_is_refused_with_a_reason_and_never_a_500(flights: Any, name: str) -> None:
    body, status, media = BAD[name]
    if name == "too many rows":
        body = body.replace(b"%s", json.dumps(flights.row).encode())
    reply = flights.client.post("/flights/predict", content=body, headers={"Content-Type": media})
    assert reply.status_code == status
    assert reply.json()["error"]
    assert (status == 422) == bool(reply.json().get("fields"))
    assert flights.captured == []


@pytest.mark.parametrize("row", [b"{}", b'{"distance": "x"}', b'{"flight": "f1"}'])
def test_too_many_bad_rows_are_refused_by_their_number(flights: Any, row: bytes) -> None:
    """Listing what is wrong with each of a few million rows would take a worker down."""
    body = b'{"rows": [' + b",".join([row] * 10_001) + b"]}"
    reply = flights.client.post("/flights/predict", content=body, headers={"Content-Type": JSON})
    assert reply.json()["fields"] == [
        {"field": "rows", "row": None, "reason": "10001 rows are too many; send at most 10000 at a time"}
    ]


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_does_not_have_is_named_with_its_place(flights: Any, word: str) -> None:
    body = json.dumps({"rows": [{**flights.row, "distance": float(word)}]})
    reply = flights.client.post("/flights/predict", content=body, headers={"Content-Type": JSON})
    assert reply.status_code == 400
    assert f"JSON has no {word.removeprefix('-')}" in reply.json()["error"]
    assert '"distance": ' in reply.json()["error"]
    assert "send null where a value is missing" in reply.json()["error"]


BAD_FIELDS: list[tuple[str, Any]] = [
    ("distance", None),
    ("distance", "0.5"),
    ("distance", True),
    ("distance", [0.5]),
    ("distance", {}),
    ("seats", 1.5),
    ("seats", "3"),
    ("seats", False),
    ("seats", 2**63),
    ("seats", -(2**63) - 1),
    ("seats", 10**400),
    ("carrier", 1),
    ("carrier", ["AA"]),
    ("flight", 5),
    ("at", "10:00"),
    ("at", 1362132000),
    ("at", "2013-13-01T00:00:00Z"),
    ("at", "2013-03-01T25:00:00Z"),
    ("at", "9999-12-31T23:59:59-23:00"),
    ("at", ""),
]


@pytest.mark.parametrize(("field", "value"), BAD_FIELDS)
def test_a_bad_field_is_named_with_its_row(flights: Any, field: str, value: Any) -> None:
    reply = flights.predict(flights.row, {**flights.row, field: value})
    assert reply.status_code == 422
    (problem,) = reply.json()["fields"]
    assert (problem["field"], problem["row"]) == (field, 1)
    assert problem["reason"]
    assert field in reply.json()["error"]


def test_numbers_too_large_for_json_floats_are_refused(flights: Any) -> None:
    body = json.dumps({"rows": [{**flights.row, "distance": "HUGE"}]}).replace('"HUGE"', "1e999")
    reply = flights.client.post("/flights/predict", content=body, headers={"Content-Type": JSON})
    assert reply.status_code == 422
    assert reply.json()["fields"][0]["field"] == "distance"


def test_unknown_products_paths_and_methods(flights: Any) -> None:
    client = flights.client
    assert client.post("/other/predict", json={"rows": [{}]}).status_code == 404
    assert "flights" in client.post("/other/predict", json={"rows": [{}]}).json()["error"]
    assert client.get("/nowhere").status_code == 404
    wrong = client.get("/flights/predict")
    assert wrong.status_code == 405
    assert "POST" in wrong.headers["allow"]
    assert wrong.json()["error"]
    assert client.delete("/readyz").status_code == 405
    assert client.post("/%00%ff/predict", json={}).status_code == 404


def test_one_product_need_not_be_named_and_of_several_one_must_be(flights: Any) -> None:
    client = flights.client
    named = client.post("/flights/predict", json={"rows": [flights.row]}).json()
    assert client.post("/predict", json={"rows": [flights.row]}).json()["product"] == named["product"]
    assert client.post("/invocations", json={"dataframe_records": [flights.row]}).status_code == 200
    outcome = {"outcomes": [{"prediction_id": named["predictions"][0]["id"], "value": True}]}
    assert client.post("/outcomes", json=outcome).status_code == 202
    flights.parts.board.put(Lineup(product="trains", routing=Routing(product="trains", sequence=1, champion=None)))
    refused = client.post("/predict", json={"rows": [flights.row]})
    assert refused.status_code == 404
    assert refused.json()["error"] == "a path must begin with a product; products: flights, trains"


def test_a_body_in_pieces_is_read_and_held_to_the_limit(flights: Any) -> None:
    whole = json.dumps({"rows": [flights.row]}).encode()
    pieces = flights.client.post(
        "/flights/predict", content=iter([whole[:10], whole[10:]]), headers={"Content-Type": JSON}
    )
    assert pieces.status_code == 200
    endless = (b" " * 1_000_000 for _ in range(18))
    assert flights.client.post("/flights/predict", content=endless).status_code == 413


def test_extra_fields_are_left_out_of_what_is_captured(flights: Any) -> None:
    assert flights.predict({**flights.row, "secret": {"a": [1]}}).status_code == 200
    assert b"secret" not in flights.captured[0].rows[0]


def test_the_clock_is_the_injected_one(flights: Any) -> None:
    flights.clock.advance(timedelta(days=1))
    flights.predict()
    assert flights.captured[0].at == flights.now + timedelta(days=1)


def test_a_numeric_key_is_captured_as_text(stage: Any) -> None:
    columns = (Column(name="k", dtype="int"), Column(name="distance", dtype="float"))
    stage.add("v1", stage.fake(stage.manifest({"task": "binary", "target": "y", "key": "k"}, columns=columns)))
    stage.route("v1")
    stage.predict({"k": 12, "distance": 0.5})
    assert stage.captured[0].keys == ("12",)
    assert stage.captured[0].event_times == (None,)
