from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from windlass.records.bundle import Column

NUMBERS = (Column(name="a", dtype="float", exact="Float64"), Column(name="b", dtype="int"))
TASK = {"task": "binary", "target": "y"}
AB = {"columns": ["a", "b"], "data": [[0.25, 1], [0.75, 2]]}


@pytest.fixture
def numbers(stage: Any) -> Any:
    """A product of two numbers, whose score is `a`."""
    manifest = stage.manifest(TASK, columns=NUMBERS, classes=("no", "yes"))
    stage.add("v1", stage.fake(manifest, model=lambda rows: rows["a"].fill_null(0.9).to_numpy(), features=lambda r: r))
    stage.route("v1")
    return stage


def invoke(stage: Any, body: Any, **more: Any) -> Any:
    return stage.client.post("/flights/invocations", json=body, **more)


def infer(stage: Any, *inputs: dict[str, Any], path: str = "/v2/models/flights/infer", **more: Any) -> Any:
    return stage.client.post(path, json={"inputs": list(inputs), **more})


def tensor(name: str, data: Any, shape: list[int] | None = None, datatype: str = "FP64") -> dict[str, Any]:
    return {"name": name, "shape": [len(data)] if shape is None else shape, "datatype": datatype, "data": data}


# -- MLflow ------------------------------------------------------------------------------------------------------

FORMS: dict[str, Any] = {
    "split": {"dataframe_split": AB},
    "split with an index": {"dataframe_split": {"index": [0, 1], **AB}},
    "split, other order": {"dataframe_split": {"columns": ["b", "a"], "data": [[1, 0.25], [2, 0.75]]}},
    "records": {"dataframe_records": [{"a": 0.25, "b": 1}, {"a": 0.75, "b": 2}]},
    "instances, rows": {"instances": [{"a": 0.25, "b": 1}, {"a": 0.75, "b": 2}]},
    "instances, matrix": {"instances": [[0.25, 1], [0.75, 2]]},
    "inputs, columns": {"inputs": {"a": [0.25, 0.75], "b": [1, 2]}},
    "inputs, columns of one": {"inputs": {"a": [[0.25], [0.75]], "b": [[1], [2]]}},
    "inputs, matrix": {"inputs": [[0.25, 1], [0.75, 2]]},
    "parameters are left aside": {"dataframe_split": AB, "params": {"x": 1}},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_input_form_gives_the_labels(numbers: Any, form: str) -> None:
    reply = invoke(numbers, FORMS[form])
    assert (reply.status_code, reply.json()) == (200, {"predictions": ["no", "yes"]})
    assert [json.loads(row) for row in numbers.captured[0].rows] == [{"a": 0.25, "b": 1}, {"a": 0.75, "b": 2}]


def test_values_without_names_may_leave_out_what_need_not_come(stage: Any) -> None:
    columns = (Column(name="id", dtype="int", required=False), *NUMBERS)
    manifest = stage.manifest(TASK | {"key": "id"}, columns=columns, classes=("no", "yes"))
    stage.add("v1", stage.fake(manifest, model=lambda rows: rows["a"].to_numpy(), features=lambda r: r))
    stage.route("v1")
    for without, of_all in (([[0.25, 1]], [[7, 0.25, 1]]), ([[0.75, 1], [0.25, 1]], [[7, 0.75, 1], [8, 0.25, 1]])):
        for form in ("instances", "inputs", "dataframe_split"):
            bodies = [{form: {"data": rows} if form == "dataframe_split" else rows} for rows in (without, of_all)]
            assert [invoke(stage, body).status_code for body in bodies] == [200, 200]
            assert [batch.keys[0] for batch in stage.captured[-2:]] == [None, "7"]
        for rows, key in ((without, None), (of_all, "7")):
            assert infer(stage, tensor("all", rows, [len(rows), len(rows[0])])).status_code == 200
            assert stage.captured[-1].keys[0] == key
    reply = invoke(stage, {"instances": [[0.25]]})
    assert (reply.status_code, "list of 3 values (id, a, b)" in reply.json()["message"]) == (422, True)


@pytest.mark.parametrize(
    "text",
    ["a,b\n0.25,1\n0.75,2\n", "b,a\r\n1,0.25\r\n2,0.75", '"a","b"\n"0.25","1"\n0.75,2\n\n', "\ufeffa,b\n0.25,1\n.75,2"],
)
def test_csv_with_a_header_is_read(numbers: Any, text: str) -> None:
    reply = numbers.client.post(
        "/flights/invocations", content=text.encode(), headers={"Content-Type": "text/csv; charset=UTF-8"}
    )
    assert reply.json() == {"predictions": ["no", "yes"]}


def test_csv_is_read_no_further_than_it_takes_to_refuse_it(numbers: Any) -> None:
    blank = "\n" * 20_000
    endless = "a,b\n" + blank + "1,2\n" * 10_001 + '"not even CSV'
    reply = numbers.client.post("/flights/invocations", content=endless, headers={"Content-Type": "text/csv"})
    assert reply.json()["message"].startswith("rows: 10001 rows are too many")


def test_csv_has_nulls_booleans_and_text(flights: Any) -> None:
    text = 'flight,at,distance,seats,carrier\n,2013-03-01T10:00:00Z,0.5,,"A, B"\n'
    reply = flights.client.post("/flights/invocations", content=text, headers={"Content-Type": "text/csv"})
    assert reply.json() == {"predictions": [True]}
    row = json.loads(flights.captured[0].rows[0])
    assert (row["flight"], row["seats"], row["carrier"]) == (None, None, "A, B")


def test_a_regression_gives_values(stage: Any) -> None:
    stage.add("v1", stage.fake(stage.manifest({"task": "regression", "target": "y"}, classes=())))
    stage.route("v1")
    assert invoke(stage, {"dataframe_records": [stage.row]}).json() == {"predictions": [0.25]}


def test_csv_numbers_are_read_as_tables_write_them(numbers: Any) -> None:
    text = "a,b\n.25,1.0\n+7.5e-1,0002\n,\n"
    reply = numbers.client.post("/flights/invocations", content=text, headers={"Content-Type": "text/csv"})
    assert reply.json() == {"predictions": ["no", "yes", "yes"]}
    assert [json.loads(row) for row in numbers.captured[0].rows] == [
        {"a": 0.25, "b": 1},
        {"a": 0.75, "b": 2},
        {"a": None, "b": None},
    ]


def test_truth_values_in_csv_are_numbers_where_no_more_is_known_than_that_a_number_is_wanted(stage: Any) -> None:
    columns = (Column(name="a", dtype="float"), Column(name="b", dtype="float", exact="Float64"))
    manifest = stage.manifest(TASK, columns=columns, classes=("no", "yes"))
    stage.add("v1", stage.fake(manifest, model=lambda rows: rows["a"].to_numpy(), features=lambda r: r))
    stage.route("v1")
    told = {"headers": {"Content-Type": "text/csv"}}
    reply = stage.client.post("/flights/invocations", content="a,b\nTrue,1\nfalse,2\n", **told)
    assert reply.json() == {"predictions": ["yes", "no"]}
    assert stage.client.post("/flights/invocations", content="a,b\n1,true\n", **told).status_code == 422


@pytest.mark.parametrize("cell", ["nan", "inf", "-Infinity", "1e400", "1_0", "0x1", "9" * 400, "٣", " 1"])
@pytest.mark.parametrize("column", ["a", "b"])
def test_a_cell_that_is_no_finite_number_is_refused(numbers: Any, column: str, cell: str) -> None:
    text = f"a,b\n{cell},1\n" if column == "a" else f"a,b\n1,{cell}\n"
    reply = numbers.client.post("/flights/invocations", content=text.encode(), headers={"Content-Type": "text/csv"})
    assert reply.status_code == 422
    assert [(problem["field"], problem["row"]) for problem in reply.json()["fields"]] == [(column, 0)]


def test_a_header_that_names_a_column_twice_is_refused(numbers: Any) -> None:
    reply = numbers.client.post("/flights/invocations", content="a,a,b\n1,2,3\n", headers={"Content-Type": "text/csv"})
    assert reply.json()["message"] == "header: names the column 'a' twice"


TOO_MANY: dict[str, Any] = {
    "dataframe_split": {"columns": ["a"], "data": [1] * 10_001},
    "dataframe_records": [{}] * 10_001,
    "instances": [1] * 10_001,
    "inputs": {"a": [1] * 10_001, "b": ["x"] * 10_001},
}


@pytest.mark.parametrize("form", TOO_MANY)
def test_too_many_rows_are_refused_before_they_are_unfolded(numbers: Any, form: str) -> None:
    assert invoke(numbers, {form: TOO_MANY[form]}).json()["message"].startswith("rows: 10001 rows are too many")


def test_too_many_tensor_rows_are_refused_before_they_are_unfolded(numbers: Any) -> None:
    reply = infer(numbers, tensor("a", [1] * 10_001), tensor("b", [[1]], [2**31, 1]))
    assert reply.json()["error"] == "rows: 2147483648 rows are too many; send at most 10000 at a time"


BAD_INVOCATIONS: list[tuple[Any, int]] = [
    ([], 422),
    (1, 422),
    ({}, 422),
    ({"columns": ["a"], "data": [[1]]}, 422),
    ({"dataframe_split": AB, "inputs": {}}, 422),
    ({"dataframe_split": []}, 422),
    ({"dataframe_split": {"columns": ["a", "b"]}}, 422),
    ({"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}, 422),
    ({"dataframe_split": {"columns": "ab", "data": [[1, 2]]}}, 422),
    ({"dataframe_split": {"columns": ["a", "b"], "data": [[1]]}}, 422),
    ({"dataframe_split": {"columns": ["a", "b"], "data": [1]}}, 422),
    ({"dataframe_split": {"columns": ["a", "b"], "data": []}}, 422),
    ({"dataframe_records": {}}, 422),
    ({"dataframe_records": [1]}, 422),
    ({"dataframe_records": [{"a": "x", "b": 1}]}, 422),
    ({"dataframe_records": [{"a": 1}]}, 422),
    ({"instances": [[1, 2, 3]]}, 422),
    ({"instances": [1]}, 422),
    ({"instances": 1}, 422),
    ({"instances": [{"a": 1, "b": 1}, [1, 2]]}, 422),
    ({"inputs": {"a": [1, 2], "b": [1]}}, 422),
    ({"inputs": {}}, 422),
    ({"inputs": []}, 422),
    ({"inputs": "text"}, 422),
    ({"inputs": [[[1, 2], [3, 4]]]}, 422),
]


@pytest.mark.parametrize(("body", "status"), BAD_INVOCATIONS, ids=[json.dumps(body) for body, _ in BAD_INVOCATIONS])
def test_a_bad_invocation_has_the_error_object_of_mlflow_and_our_fields(numbers: Any, body: Any, status: int) -> None:
    reply = invoke(numbers, body)
    assert reply.status_code == status
    told = reply.json()
    assert told["error_code"] == "BAD_REQUEST"
    assert told["message"]
    assert told["fields"]


@pytest.mark.parametrize(
    ("content", "media", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "text/csv", 400),
        (b'a,b\n"1,2', "text/csv", 400),
        (b"", "text/csv", 422),
        (b"a,b\n", "text/csv", 422),
        (b"a,b\n1", "text/csv", 422),
        (b"a,b\nx,1", "text/csv", 422),
        (b"a,b\n1,1", "text/plain", 415),
        (b'{"instances": [[1e400, 1]]}', "application/json", 422),
        (b'{"instances": [[' + b"9" * 5000 + b", 1]]}", "application/json", 422),
    ],
)
def test_bad_bytes_to_invocations(numbers: Any, content: bytes, media: str, status: int) -> None:
    reply = numbers.client.post("/flights/invocations", content=content, headers={"Content-Type": media})
    assert reply.status_code == status
    assert reply.json()["message"]
    assert reply.json()["error_code"] == "BAD_REQUEST"


def test_ping_health_and_version(numbers: Any) -> None:
    for path in ("/ping", "/health", "/flights/ping", "/flights/health"):
        assert numbers.client.get(path).status_code == 200
    assert numbers.client.get("/flights/version").text == "v1"
    assert numbers.client.get("/version").text[0].isdigit()
    numbers.route(None)
    numbers.bundles.clear()
    numbers.route(None, product="empty")
    assert numbers.client.get("/ping").status_code == 404
    assert numbers.client.get("/empty/ping").status_code == 404


# -- Open Inference Protocol -------------------------------------------------------------------------------------


def test_one_tensor_for_each_column(flights: Any) -> None:
    flights.add("v2")
    flights.route("v1", "v2", mode="shadow")
    reply = infer(
        flights,
        tensor("flight", ["f1", "f2"], datatype="BYTES"),
        tensor("at", ["2013-03-01T10:00:00Z"] * 2, [2, 1], "BYTES"),
        tensor("distance", [[0.25], [0.75]], [2, 1], "FP32"),
        tensor("seats", [1, 2], datatype="INT32"),
        tensor("carrier", ["AA", "UA"], datatype="BYTES"),
        id="42",
    )
    assert reply.status_code == 200
    body = reply.json()
    assert (body["model_name"], body["model_version"], body["id"]) == ("flights", "v1", "42")
    score, label, chances, identity = body["outputs"]
    assert score == {"name": "score", "shape": [2], "datatype": "FP64", "data": [0.25, 0.75]}
    assert label == {"name": "label", "shape": [2], "datatype": "BOOL", "data": [False, True]}
    assert chances == {
        "name": "probabilities",
        "shape": [2, 2],
        "datatype": "FP64",
        "data": [0.75, 0.25, 0.25, 0.75],
        "parameters": {"classes": "[false,true]"},
    }
    assert identity["name"] == "prediction_id"
    assert identity["data"] == list(flights.captured[0].ids)
    assert flights.captured[0].request_id == "42"


def test_probabilities_are_a_matrix_by_the_classes_of_the_version_that_leads(stage: Any) -> None:
    task = {"task": "multiclass", "target": "kind"}
    for version, classes, chances in (("v1", ("a", "b", "c"), [0.2, 0.7, 0.1]), ("v2", ("c", "a"), [0.4, 0.6])):
        manifest = stage.manifest(task, columns=NUMBERS, classes=classes)
        model = lambda rows, chances=chances: np.tile(chances, (rows.height, 1))  # noqa: E731
        stage.add(version, stage.fake(manifest, model=model, features=lambda r: r))
    stage.route("v1")
    described = stage.client.get("/v2/models/flights").json()["outputs"]
    assert {each["name"]: each["shape"] for each in described}["probabilities"] == [-1, 3]
    asked = {"outputs": [{"name": "probabilities"}]}
    rows = tensor("all", [[0.25, 1], [0.75, 2]], [2, 2])
    (found,) = infer(stage, rows, **asked).json()["outputs"]
    assert found["parameters"] == {"classes": '["a","b","c"]'}
    assert (found["shape"], found["data"]) == ([2, 3], [0.2, 0.7, 0.1, 0.2, 0.7, 0.1])
    stage.route("v1", "v2", mode="canary", share=1.0)
    (found,) = infer(stage, rows, **asked).json()["outputs"]
    assert (found["shape"], found["data"]) == ([2, 3], [0.6, 0.0, 0.4, 0.6, 0.0, 0.4])


def test_a_regression_has_neither_label_nor_probabilities(stage: Any) -> None:
    stage.add("v1", stage.fake(stage.manifest({"task": "regression", "target": "y"}, classes=())))
    stage.route("v1")
    outputs = stage.client.get("/v2/models/flights").json()["outputs"]
    assert [each["name"] for each in outputs] == ["score", "prediction_id"]


def test_one_matrix_for_a_product_of_numbers(numbers: Any) -> None:
    for data in ([0.25, 1, 0.75, 2], [[0.25, 1], [0.75, 2]]):
        reply = infer(numbers, tensor("anything", data, [2, 2]), outputs=[{"name": "label"}])
        assert reply.json()["outputs"] == [{"name": "label", "shape": [2], "datatype": "BYTES", "data": ["no", "yes"]}]
    assert "id" not in reply.json()


def test_whole_numbers_sent_as_floats_and_nulls_are_taken(numbers: Any) -> None:
    reply = infer(numbers, tensor("a", [None, 0.5]), tensor("b", [1.0, 2.0]), outputs=[{"name": "score"}])
    assert reply.json()["outputs"][0]["data"] == [0.9, 0.5]


BAD_INFERENCES: list[tuple[Any, int]] = [
    ({"inputs": [tensor("a", [300], datatype="UINT8"), tensor("b", [1])]}, 422),
    ({"inputs": [tensor("a", [40.5], datatype="INT64"), tensor("b", [1])]}, 422),
    ({"inputs": [tensor("a", [1.0]), tensor("b", [-1], datatype="UINT64")]}, 422),
    ({"inputs": [tensor("all", [[1, -129]], [1, 2], datatype="INT8")]}, 422),
    ([], 422),
    ({}, 422),
    ({"inputs": []}, 422),
    ({"inputs": [1]}, 422),
    ({"inputs": [{"name": "a"}]}, 422),
    ({"inputs": [tensor("a", [1.0])]}, 422),
    ({"inputs": [tensor("a", [1.0]), tensor("b", [1, 2])]}, 422),
    ({"inputs": [tensor("a", [1.0]), tensor("b", [1.5])]}, 422),
    ({"inputs": [tensor("a", [1.0], [2]), tensor("b", [1])]}, 422),
    ({"inputs": [tensor("a", [1.0]), tensor("a", [1.0])]}, 422),
    ({"inputs": [tensor("a", ["x"], datatype="BYTES"), tensor("b", [1])]}, 422),
    ({"inputs": [tensor("a", [1.0], datatype="FP128"), tensor("b", [1])]}, 422),
    ({"inputs": [tensor("a", [1.0], [1, 1, 1]), tensor("b", [1])]}, 422),
    ({"inputs": [tensor("a", [1.0], [-1]), tensor("b", [1])]}, 422),
    ({"inputs": [tensor("a", [1.0], [1.5]), tensor("b", [1])]}, 422),
    ({"inputs": [tensor("a", [1.0], []), tensor("b", [1])]}, 422),
    ({"inputs": [tensor("m", [1, 2, 3], [1, 3])]}, 422),
    ({"inputs": [tensor("m", [], [0, 2])]}, 422),
    ({"inputs": [tensor("m", [1, 2], [10**9, 2])]}, 422),
    ({"inputs": [tensor("m", ["1", "2"], [1, 2], "BYTES")]}, 422),
    ({"inputs": [tensor("a", [1.0]), tensor("b", [1])], "outputs": [{"name": "shap"}]}, 422),
    ({"inputs": [tensor("a", [1.0]), tensor("b", [1])], "id": 7}, 422),
    ({"inputs": [tensor("a", [[1.0], 2.0], [2]), tensor("b", [1, 2])]}, 422),
    ({"inputs": [tensor("a", [True]), tensor("b", [1])]}, 422),
    ({"inputs": [tensor("a", [{}]), tensor("b", [1])]}, 422),
]


@pytest.mark.parametrize(("body", "status"), BAD_INFERENCES, ids=[json.dumps(body) for body, _ in BAD_INFERENCES])
def test_a_bad_inference_has_the_error_object_of_the_protocol(numbers: Any, body: Any, status: int) -> None:
    reply = numbers.client.post("/v2/models/flights/infer", json=body)
    assert reply.status_code == status
    assert isinstance(reply.json()["error"], str)
    assert numbers.captured == []


def test_the_shape_must_be_told_for_a_matrix_even_with_one_tensor(flights: Any) -> None:
    reply = infer(flights, tensor("m", [1, 2, 3, 4, 5], [1, 5]))
    assert reply.status_code == 422
    assert "numbers" in reply.json()["error"]


def test_metadata_tells_tensors_and_served_versions(flights: Any) -> None:
    flights.add("v2")
    flights.route("v1", "v2", mode="canary", share=0.5)
    told = flights.client.get("/v2/models/flights").json()
    assert told["name"] == "flights"
    assert told["versions"] == ["v1", "v2"]
    assert told["inputs"][1] == {"name": "at", "datatype": "BYTES", "shape": [-1]}
    assert [(tensor["name"], tensor["datatype"]) for tensor in told["outputs"]] == [
        ("score", "FP64"),
        ("label", "BOOL"),
        ("probabilities", "FP64"),
        ("prediction_id", "BYTES"),
    ]
    client = flights.client
    assert client.get("/v2/models/flights/versions/v2").status_code == 200
    assert client.get("/v2/models/flights/versions/v9").status_code == 404
    assert client.get("/v2/models/flights/versions/v2/ready").json() == {"name": "flights", "ready": True}
    assert client.get("/v2/models/flights/versions/v9/ready").status_code == 404
    assert client.get("/v2/models/other").status_code == 404
    assert "error" in client.get("/v2/models/other").json()


def test_the_server_says_what_it_is_and_how_it_is(flights: Any) -> None:
    client = flights.client
    assert client.get("/v2").json()["name"] == "windlass"
    assert client.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    assert client.get("/v2/health/live").json()["live"] is True
    assert client.get("/v2/health/ready").status_code == 200
    assert client.get("/v2/models/flights/ready").json() == {"name": "flights", "ready": True}
    flights.route(None, product="empty")
    assert client.get("/v2/health/ready").json() == {"live": True, "ready": True}
    assert client.get("/v2/models/empty/ready").status_code == 503
    assert client.get("/v2/models/empty").status_code == 503


def test_a_version_asked_for_by_name_answers_everything(flights: Any) -> None:
    flights.add("v2", model=lambda rows: np.full(rows.height, 0.9))
    flights.route("v1", "v2", mode="canary", share=0.0)
    inputs = [
        tensor(name, [value], datatype=datatype)
        for (name, value), datatype in zip(
            flights.row.items(), ("BYTES", "BYTES", "FP64", "INT64", "BYTES"), strict=True
        )
    ]
    reply = infer(flights, *inputs, path="/v2/models/flights/versions/v2/infer")
    assert reply.json()["outputs"][0]["data"] == [0.9]
    assert infer(flights, *inputs, path="/v2/models/flights/versions/v9/infer").status_code == 404
    assert infer(flights, *inputs, path="/v2/models/flights/versions/v1/infer").json()["model_version"] == "v1"
    assert [batch.stage for batch in flights.captured] == ["direct", "champion"]


# -- descriptions ------------------------------------------------------------------------------------------------


def test_openapi_describes_each_product_by_its_own_columns(numbers: Any) -> None:
    document = numbers.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    schema = document["paths"]["/flights/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    row = schema["properties"]["rows"]["items"]
    assert row["required"] == ["a", "b"]
    assert row["properties"]["a"]["anyOf"] == [{"type": "number"}, {"type": "null"}]
    told = document["paths"]["/flights/outcomes"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    outcome = told["properties"]["outcomes"]["items"]
    assert outcome["properties"]["value"] == {"enum": ["no", "yes"]}
    assert "key" not in outcome["properties"], "the task of this product names none"
    assert {"type": "null"} in outcome["properties"]["observed_at"]["anyOf"]
    for path, item in document["paths"].items():
        method = next(iter(item))
        reply = getattr(numbers.client, method)(path)
        assert reply.status_code not in (404, 405, 500), path
        assert str(reply.status_code) in item[method]["responses"], path


def test_the_index_is_for_people_and_for_programs(flights: Any) -> None:
    flights.bundles["d-v9"] = RuntimeError("<script>alert(1)</script>")
    flights.route("v1", "v9", mode="shadow")
    told = flights.client.get("/").json()
    assert told["products"]["flights"]["routes"]["predict"] == "/flights/predict"
    page = flights.client.get("/", headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert "curl http://testserver/flights/predict" in page.text
    assert "<script>" not in page.text
    assert "http" not in page.text.replace("http://testserver", ""), "nothing is fetched from elsewhere"
    assert "<link rel=icon href='data:,'>" in page.text, "nor an icon that is not there"


def test_the_metrics_tell_routes_states_and_times(flights: Any) -> None:
    flights.predict()
    flights.predict({})
    flights.client.get("/nowhere")
    flights.client.get("/flights/predict")
    value = flights.metric
    assert value('windlass_http_requests_total{route="/{product}/predict",status="200"}') == 1
    assert value('windlass_http_requests_total{route="/{product}/predict",status="422"}') == 1
    assert value('windlass_http_requests_total{route="/{product}/predict",status="405"}') == 1
    assert value('windlass_http_requests_total{route="unmatched",status="404"}') == 1
    assert value('windlass_http_request_seconds_count{route="/{product}/predict"}') == 3
    assert value('windlass_predictions_total{product="flights",stage="champion",version="v1"}') == 1
    assert value('windlass_loaded_version{product="flights",role="champion",version="v1"}') == 1
