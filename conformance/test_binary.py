"""The binary tensor data extension, on a server that says it has it."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest

FORMATS = {"BOOL": "?", "FP16": "e", "FP32": "f", "FP64": "d"}
FORMATS |= {"INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q", "UINT8": "B", "UINT16": "H", "UINT32": "I"}
FORMATS |= {"UINT64": "Q"}
HEADER = "Inference-Header-Content-Length"


@pytest.fixture(autouse=True)
def _has_extension(server: Any) -> None:
    if "binary_tensor_data" not in server.get("/v2").json["extensions"]:
        pytest.skip("the server does not list the extension binary_tensor_data")


def packed(tensor: Any) -> bytes:
    if tensor["datatype"] == "BYTES":
        texts = [str(value).encode() for value in tensor["data"]]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return struct.pack(f"<{len(tensor['data'])}{FORMATS[tensor['datatype']]}", *tensor["data"])


def unpacked(output: Any, content: bytes) -> list[Any]:
    count = math.prod(output["shape"])
    if output["datatype"] != "BYTES":
        return list(struct.unpack(f"<{count}{FORMATS[output['datatype']]}", content))
    found = []
    while content:
        (length,) = struct.unpack("<I", content[:4])
        found.append(content[4 : 4 + length].decode())
        content = content[4 + length :]
    assert len(found) == count
    return found


def ask(server: Any, valid: Any, *, binary: list[int], header: str | None = None, **more: Any) -> Any:
    """The answer to `valid` with the inputs at the places `binary` as bytes."""
    inputs, rest = [], b""
    for place, tensor in enumerate(valid["inputs"]):
        if place in binary:
            content = packed(tensor)
            kept = {name: value for name, value in tensor.items() if name != "data"}
            inputs.append({**kept, "parameters": {"binary_data_size": len(content)}})
            rest += content
        else:
            inputs.append(tensor)
    head = json.dumps({"inputs": inputs, **more}).encode()
    headers = {HEADER: header or str(len(head)), "Content-Type": "application/octet-stream"}
    return server.post(f"/v2/models/{server.model}/infer", head + rest, headers)


def comparable(server: Any, metadata: Any) -> list[str]:
    """Outputs that two answers to one request share: not texts, which may be ids."""
    return [tensor["name"] for tensor in metadata["outputs"] if tensor["datatype"] != "BYTES"]


def as_json(server: Any, valid: Any) -> dict[str, Any]:
    return {output["name"]: output["data"] for output in server.infer(valid).json["outputs"]}


@pytest.mark.parametrize("which", ["all", "first", "last"])
def test_inputs_as_bytes(server: Any, metadata: Any, valid: Any, which: str) -> None:
    """binary_data_size of an input: its data stands behind the JSON, in the order of the inputs."""
    places = list(range(len(valid["inputs"])))
    chosen = {"all": places, "first": places[:1], "last": places[-1:]}[which]
    answer = ask(server, valid, binary=chosen)
    assert answer.status == 200, answer.content
    found, same = {output["name"]: output["data"] for output in answer.json["outputs"]}, as_json(server, valid)
    for name in comparable(server, metadata):
        assert found[name] == pytest.approx(same[name])


@pytest.mark.parametrize("how", ["binary_data_output", "binary_data"])
def test_outputs_as_bytes(server: Any, metadata: Any, valid: Any, how: str) -> None:
    """binary_data_output of the request, or binary_data of an output: the data follows the JSON."""
    names = [tensor["name"] for tensor in metadata["outputs"]]
    if how == "binary_data_output":
        more: dict[str, Any] = {"parameters": {"binary_data_output": True}}
    else:
        more = {"outputs": [{"name": name, "parameters": {"binary_data": True}} for name in names]}
    answer = server.infer({**valid, **more})
    assert answer.status == 200
    length = int(answer.headers[HEADER.lower()])
    told, rest = json.loads(answer.content[:length]), answer.content[length:]
    assert [output["name"] for output in told["outputs"]] == names
    same = as_json(server, valid)
    for output in told["outputs"]:
        assert "data" not in output
        size = output["parameters"]["binary_data_size"]
        values, rest = unpacked(output, rest[:size]), rest[size:]
        if output["name"] in comparable(server, metadata):
            assert values == pytest.approx(same[output["name"]])
    assert rest == b""


def test_a_size_that_is_wrong(server: Any, valid: Any) -> None:
    spoilt = json.loads(json.dumps(valid))
    spoilt["inputs"][0]["shape"] = [size + 1 for size in spoilt["inputs"][0]["shape"]]
    answer = ask(server, spoilt, binary=[0])
    assert 400 <= answer.status < 500
    assert isinstance(answer.json["error"], str)


@pytest.mark.parametrize("header", ["0", "99999999", "-1", "x"])
def test_a_header_length_that_is_wrong(server: Any, valid: Any, header: str) -> None:
    answer = ask(server, valid, binary=[0], header=header)
    assert 400 <= answer.status < 500
