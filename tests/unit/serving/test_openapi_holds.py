"""What `/openapi.json` says is what the server does: requests made from it by Schemathesis, fitting and not fitting."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import (
    content_type_conformance,
    negative_data_rejection,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.generation import GenerationMode
from tests.unit.serving.conftest import Stage

CHECKS = [
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
]
WHOLE = "/flights/predict"
"""The one path whose schema says all there is to say: elsewhere shapes, lengths and moments depend on each other."""
UNSAID = {"explain"}
"""But for this: that `v1` of the fixture cannot be explained."""
FITTING = settings(
    max_examples=25,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
PATHS = [
    "/flights/predict",
    "/flights/outcomes",
    "/flights/measurements",
    "/flights/invocations",
    "/v2/models/flights/infer",
]
READ = ["/livez", "/readyz", "/metrics", "/v2/models/flights"]


ROW = Stage.row
LISTED = list(ROW.values())
OUTCOME = {"prediction_id": "p-1-0", "value": True}
MEASURED = {"prediction_id": "p-1-0", "metric": "clicks", "value": 1.5}
TENSORS = [
    {"name": name, "shape": [1], "datatype": datatype, "data": [ROW[name]]}
    for name, datatype in (("at", "BYTES"), ("distance", "FP64"), ("seats", "INT64"), ("carrier", "BYTES"))
]
BODIES: list[tuple[str, Any, bool]] = [
    ("predict", {"rows": [ROW]}, True),
    ("predict", {"rows": [{**ROW, "at": ""}]}, False),
    ("predict", {"rows": [{**ROW, "at": None}]}, True),
    ("predict", {"rows": [{**ROW, "at": "2013-03-01T10:00:00"}]}, True),
    ("outcomes", {"outcomes": [OUTCOME]}, True),
    ("outcomes", {"outcomes": [{**OUTCOME, "value": 0}]}, True),
    ("outcomes", {"outcomes": [{**OUTCOME, "value": 2}]}, False),
    ("outcomes", {"outcomes": [{**OUTCOME, "observed_at": ""}]}, False),
    ("outcomes", {"outcomes": [{**OUTCOME, "observed_at": None}]}, True),
    ("outcomes", {"outcomes": [{**OUTCOME, "observed_at": "2013-03-01 10:00:00.5+01:00"}]}, True),
    ("outcomes", {"outcomes": [{**OUTCOME, "key": None}]}, True),
    ("outcomes", {"outcomes": [{**OUTCOME, "key": 7}]}, False),
    ("measurements", {"measurements": [MEASURED]}, True),
    ("measurements", {"measurements": [{**MEASURED, "prediction_id": None}]}, False),
    ("measurements", {"measurements": [{**MEASURED, "prediction_id": None, "key": 7}]}, True),
    ("invocations", {"inputs": {}}, False),
    ("invocations", {"inputs": ROW}, True),
    ("invocations", {"inputs": {name: [[value]] for name, value in ROW.items()}}, True),
    ("invocations", {"inputs": {name: [] for name in ROW}}, False),
    ("invocations", {"inputs": {name: [value] for name, value in ROW.items() if name != "at"}}, False),
    ("invocations", {"instances": [LISTED]}, True),
    ("invocations", {"instances": [LISTED[1:]]}, True),  # without `flight`, which need not come
    ("invocations", {"instances": [LISTED[2:]]}, False),
    ("invocations", {"inputs": [LISTED]}, True),
    ("invocations", {"dataframe_split": {"data": [LISTED]}}, True),
    ("infer", {"inputs": TENSORS}, True),
    ("infer", {"inputs": TENSORS, "outputs": [{"name": "label"}]}, True),
    ("infer", {"inputs": TENSORS, "outputs": [{"name": "other"}]}, False),
    ("infer", {"inputs": [{**TENSORS[0], "datatype": ""}, *TENSORS[1:]]}, False),
    ("infer", {"inputs": [{**tensor, "shape": [0], "data": []} for tensor in TENSORS]}, False),
]


@pytest.fixture
def schema(flights: Any) -> Any:
    return schemathesis.openapi.from_dict(flights.client.get("/openapi.json").json())


def test_every_path_of_the_document_is_asked(schema: Any) -> None:
    assert sorted(schema.raw_schema["paths"]) == sorted([*PATHS, *READ])


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("path", PATHS)
def test_requests_made_from_the_document_are_answered_as_it_says(
    flights: Any, schema: Any, path: str, mode: GenerationMode
) -> None:
    operation = schema[path]["POST"]

    @FITTING
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        sent = case.as_transport_kwargs(base_url="http://testserver")
        sent.pop("cookies")
        also = [negative_data_rejection] if mode is GenerationMode.NEGATIVE else []
        reply = flights.client.request(**sent)
        case.validate_response(reply, checks=[*CHECKS, *also])
        if path == WHOLE and mode is GenerationMode.POSITIVE and reply.status_code != 200:
            assert {problem["field"] for problem in reply.json()["fields"]} <= UNSAID

    ask()


@pytest.mark.parametrize(("route", "body", "fits"), BODIES)
def test_a_body_fits_the_document_just_if_it_is_taken(
    flights: Any, schema: Any, route: str, body: Any, fits: bool
) -> None:
    path = next(path for path in PATHS if path.endswith(route))
    said = schema.raw_schema["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert jsonschema_rs.is_valid(said, body) is fits
    assert flights.client.post(path, json=body).status_code in ((200, 202) if fits else (422,))


@pytest.mark.parametrize(
    ("classes", "taken", "refused"),
    [
        (("bad", "good", "old"), ["bad", "new"], ["", " ", 1, True]),
        ((0, 1, 2), [0, True, 2, 7, 7.0], ["0", 2.5]),
    ],
)
def test_labels_of_several_classes_are_said_to_be_of_their_type(
    stage: Any, classes: tuple[Any, ...], taken: list[Any], refused: list[Any]
) -> None:
    several = stage.manifest({"task": "multiclass", "target": "late"}, classes=classes)
    stage.add("v1", stage.fake(several, model=lambda rows: [[0.2, 0.3, 0.5]] * len(rows)))
    stage.route("v1")
    document = stage.client.get("/openapi.json").json()
    said = document["paths"]["/flights/outcomes"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    for value in [*taken, *refused]:
        body = {"outcomes": [{"prediction_id": "p-1-0", "value": value}]}
        answered = stage.client.post("/flights/outcomes", json=body).status_code
        assert (jsonschema_rs.is_valid(said, body), answered) == ((True, 202) if value in taken else (False, 422)), (
            value
        )


@pytest.mark.parametrize("path", READ)
def test_what_is_read_looks_as_the_document_says(flights: Any, schema: Any, path: str) -> None:
    case = schema[path]["GET"].Case()
    case.validate_response(flights.client.get(path), checks=CHECKS)
