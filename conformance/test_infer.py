"""Inference with tensors as JSON."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest


def outputs_of(answer: Any) -> dict[str, Any]:
    assert answer.status == 200, answer.content
    return {output["name"]: output for output in answer.json["outputs"]}


def test_the_response(server: Any, metadata: Any, valid: Any) -> None:
    """$inference_response and $response_output: every output of the metadata, with as many values as its shape says."""
    answer = server.infer(valid)
    found = outputs_of(answer)
    assert answer.json["model_name"] == server.model
    assert isinstance(answer.json.get("model_version", ""), str)
    declared = {tensor["name"]: tensor for tensor in metadata["outputs"]}
    assert found.keys() == declared.keys()
    for name, output in found.items():
        assert output["datatype"] == declared[name]["datatype"]
        assert len(output["shape"]) == len(declared[name]["shape"])
        flat = output["data"]
        while flat and isinstance(flat[0], list):
            flat = [value for part in flat for value in part]
        assert len(flat) == math.prod(output["shape"])


def test_the_id_comes_back(server: Any, valid: Any) -> None:
    """id: an identifier that is given comes back."""
    assert server.infer({**valid, "id": "mine-17"}).json["id"] == "mine-17"


def test_only_the_outputs_that_are_asked_for(server: Any, metadata: Any, valid: Any) -> None:
    """outputs: those that are named are returned; without it, all are."""
    for tensor in metadata["outputs"]:
        assert list(outputs_of(server.infer({**valid, "outputs": [{"name": tensor["name"]}]}))) == [tensor["name"]]


def test_data_may_be_nested(server: Any, valid: Any) -> None:
    """$tensor_data: row-major, nested or flat."""
    nested = copy.deepcopy(valid)
    for tensor in nested["inputs"]:
        for size in reversed(tensor["shape"][1:]):
            data = tensor["data"]
            tensor["data"] = [data[start : start + size] for start in range(0, len(data), size)]
    assert server.infer(nested).status == 200


def test_parameters_may_come(server: Any, valid: Any) -> None:
    """$parameters may stand in the request and in each tensor; none is obligatory."""
    more = copy.deepcopy(valid)
    more["parameters"] = {"unknown_parameter": 1}
    more["inputs"][0]["parameters"] = {"unknown_parameter": "x"}
    assert server.infer(more).status == 200


def test_a_version_can_be_named(server: Any, metadata: Any, valid: Any) -> None:
    """The version may stand in the path, and then answers."""
    for version in metadata.get("versions", []):
        answer = server.infer(valid, model=f"{server.model}/versions/{version}")
        assert answer.json.get("model_version", version) == version


def _without_inputs(request: Any) -> None:
    del request["inputs"]


def _with_a_value_less(request: Any) -> None:
    request["inputs"][0]["data"] = request["inputs"][0]["data"][:-1]


def _without_a_shape(request: Any) -> None:
    del request["inputs"][0]["shape"]


def _without_a_name(request: Any) -> None:
    del request["inputs"][0]["name"]


def _with_a_negative_shape(request: Any) -> None:
    request["inputs"][0]["shape"] = [-1]


def _with_a_datatype_that_is_none(request: Any) -> None:
    request["inputs"][0]["datatype"] = "COMPLEX128"


def _with_an_output_that_is_none(request: Any) -> None:
    request["outputs"] = [{"name": "there-is-no-such-output"}]


def _with_text_for_a_shape(request: Any) -> None:
    request["inputs"][0]["shape"] = "two"


WRONG = [
    _without_inputs,
    _with_a_value_less,
    _without_a_shape,
    _without_a_name,
    _with_a_negative_shape,
    _with_a_datatype_that_is_none,
    _with_an_output_that_is_none,
    _with_text_for_a_shape,
]


@pytest.mark.parametrize("spoil", WRONG, ids=lambda spoil: spoil.__name__.strip("_"))
def test_a_request_that_is_wrong(server: Any, valid: Any, spoil: Any) -> None:
    """$inference_error_response: an error status, and why."""
    wrong = copy.deepcopy(valid)
    spoil(wrong)
    answer = server.infer(wrong)
    assert 400 <= answer.status < 500
    assert isinstance(answer.json["error"], str)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_request(server: Any, body: bytes) -> None:
    answer = server.post(f"/v2/models/{server.model}/infer", body)
    assert 400 <= answer.status < 500
    assert isinstance(answer.json["error"], str)


def test_a_model_that_is_not_there(server: Any, valid: Any) -> None:
    answer = server.infer(valid, model="there-is-no-such-model")
    assert 400 <= answer.status < 500
    assert isinstance(answer.json["error"], str)
