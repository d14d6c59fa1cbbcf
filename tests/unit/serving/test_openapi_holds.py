"""What `/openapi.json` says is what the server does: requests made from it by Schemathesis, fitting and not fitting."""

from __future__ import annotations

from typing import Any

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

CHECKS = [
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
]
WHOLE = "/flights/predict"
"""The one path whose schema says all there is to say: elsewhere shapes, lengths and moments depend on each other."""
UNSAID = {"at", "explain"}
"""But for these: that a moment is one is only a `format`, and that `v1` of the fixture cannot be explained."""
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


@pytest.mark.parametrize("path", READ)
def test_what_is_read_looks_as_the_document_says(flights: Any, schema: Any, path: str) -> None:
    case = schema[path]["GET"].Case()
    case.validate_response(flights.client.get(path), checks=CHECKS)
