"""Tensors as bytes behind the JSON."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from windlass.serving.protocols.binary_tensors import MEDIA, read, write
from windlass.serving.transport.http import JSON_LENGTH

PATH = "/v2/models/flights/infer"
TIMES = ["2013-03-01T10:00:00Z", "2013-03-01T11:00:00Z"]


def packed(texts: list[bytes]) -> bytes:
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def tensors() -> list[tuple[str, str, bytes]]:
    return [
        ("at", "BYTES", packed([text.encode() for text in TIMES])),
        ("distance", "FP64", np.array([0.25, 0.75]).tobytes()),
        ("seats", "INT64", np.array([3, 4]).tobytes()),
        ("carrier", "BYTES", packed([b"AA", "Ü".encode()])),
    ]


def ask(stage: Any, sent: list[tuple[str, str, bytes]], *, length: str | None = None, **more: Any) -> Any:
    inputs = [
        {"name": name, "shape": [2], "datatype": kind, "parameters": {"binary_data_size": len(content)}}
        for name, kind, content in sent
    ]
    head = json.dumps({"inputs": inputs, **more}).encode()
    headers = {JSON_LENGTH: str(len(head)) if length is None else length, "Content-Type": MEDIA}
    return stage.client.post(PATH, content=head + b"".join(content for _, _, content in sent), headers=headers)


def test_bytes_in_json_out(flights: Any) -> None:
    reply = ask(flights, tensors(), outputs=[{"name": "score"}])
    assert reply.json()["outputs"] == [{"name": "score", "shape": [2], "datatype": "FP64", "data": [0.25, 0.75]}]
    assert json.loads(flights.captured[0].rows[1])["carrier"] == "Ü"


@pytest.mark.parametrize(
    ("more", "binary"),
    [
        ({"parameters": {"binary_data_output": True}}, ["score", "label", "probabilities", "prediction_id"]),
        ({"outputs": [{"name": "label", "parameters": {"binary_data": True}}, {"name": "score"}]}, ["label"]),
        (
            {
                "parameters": {"binary_data_output": True},
                "outputs": [{"name": "score"}, {"name": "label", "parameters": {"binary_data": False}}],
            },
            ["score"],
        ),
    ],
)
def test_bytes_out_for_the_outputs_that_want_them(flights: Any, more: dict[str, Any], binary: list[str]) -> None:
    reply = ask(flights, tensors(), **more)
    assert reply.headers["Content-Type"] == MEDIA
    length = int(reply.headers[JSON_LENGTH])
    told, rest = json.loads(reply.content[:length]), reply.content[length:]
    found = {}
    for output in told["outputs"]:
        if output["name"] in binary:
            size = output["parameters"]["binary_data_size"]
            assert "data" not in output
            count = math.prod(output["shape"])
            found[output["name"]], rest = read(output["datatype"], count, rest[:size]), rest[size:]
        else:
            found[output["name"]] = output["data"]
    assert rest == b""
    assert found.get("score", [0.25, 0.75]) == [0.25, 0.75]
    assert found.get("label", [False, True]) == [False, True]
    assert found.get("probabilities", [0.75, 0.25, 0.25, 0.75]) == [0.75, 0.25, 0.25, 0.75]


def test_nan_is_a_missing_value_and_infinity_is_refused(flights: Any) -> None:
    sent = tensors()
    sent[1] = ("distance", "FP64", np.array([0.25, np.nan]).tobytes())
    refused = ask(flights, sent)
    assert (refused.status_code, refused.json()["fields"][0]["field"]) == (422, "distance")
    sent[1] = ("distance", "FP64", np.array([0.25, np.inf]).tobytes())
    assert "infinite" in ask(flights, sent).json()["error"]


@pytest.mark.parametrize(
    ("place", "tensor", "reason"),
    [
        (1, ("distance", "FP64", b"\0" * 15), "takes 16 bytes for its shape, has 15"),
        (1, ("distance", "COMPLEX", b"\0" * 16), "has no binary form"),
        (3, ("carrier", "BYTES", packed([b"AA"])), "needs 2 elements for its shape, has 1"),
        (3, ("carrier", "BYTES", packed([b"AA"] * 3)), "needs 2 elements for its shape, has 3"),
        (3, ("carrier", "BYTES", packed([b"AA"] * 9)), "needs 2 elements for its shape, has more"),
        (3, ("carrier", "BYTES", packed([b"AA"]) + b"\xff\xff\xff\xffAA"), "ends within an element"),
        (3, ("carrier", "BYTES", packed([b"AA"]) + b"\x01"), "ends within the length"),
        (3, ("carrier", "BYTES", packed([b"AA", b"\xff"])), "not UTF-8"),
    ],
)
def test_bytes_that_do_not_fit_are_refused_with_the_tensor_named(
    flights: Any, place: int, tensor: Any, reason: str
) -> None:
    sent = tensors()
    sent[place] = tensor
    reply = ask(flights, sent)
    assert reply.status_code == 422
    assert reason in reply.json()["error"]
    assert reply.json()["fields"][0]["field"] == tensor[0]


@pytest.mark.parametrize("length", ["-1", "x", "99999999", "²"])
def test_a_length_that_cannot_be_is_refused(flights: Any, length: str) -> None:
    reply = ask(flights, tensors(), length=length.encode("latin-1") if length == "²" else length)  # type: ignore[arg-type]
    assert reply.status_code == 422
    assert JSON_LENGTH in reply.json()["error"]


def test_bytes_behind_the_last_tensor_are_refused(flights: Any) -> None:
    head = json.dumps({"inputs": [{"name": "distance", "shape": [1], "datatype": "FP64", "data": [0.5]}]}).encode()
    reply = flights.client.post(
        PATH, content=head + b"more", headers={JSON_LENGTH: str(len(head)), "Content-Type": MEDIA}
    )
    assert (reply.status_code, "4 bytes behind" in reply.json()["error"]) == (422, True)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    content=st.binary(max_size=60),
    length=st.integers(0, 80),
    size=st.integers(-5, 80),
    kind=st.sampled_from(["BYTES", "FP32", "BOOL", "X"]),
)
def test_any_bytes_are_answered_or_refused(flights: Any, content: bytes, length: int, size: int, kind: str) -> None:
    tensor = {"name": "distance", "shape": [1], "datatype": kind, "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [tensor]}).encode()
    told = str(len(head) + length - 40)
    reply = flights.client.post(PATH, content=head + content, headers={JSON_LENGTH: told, "Content-Type": MEDIA})
    assert reply.status_code in {400, 422}


@given(values=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_texts_come_back(values: list[str]) -> None:
    assert read("BYTES", len(values), write("BYTES", values)) == values
