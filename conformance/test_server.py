"""Health and metadata."""

from __future__ import annotations

from typing import Any

import pytest


def test_live(server: Any) -> None:
    """$live_server_response: live."""
    answer = server.get("/v2/health/live")
    assert answer.status == 200
    assert answer.json["live"] is True


def test_ready(server: Any) -> None:
    """$ready_server_response: the protocol's text calls its field live, and it is that which is asked for here."""
    answer = server.get("/v2/health/ready")
    assert answer.status == 200
    assert answer.json["live"] is True


def test_model_ready(server: Any) -> None:
    """$ready_model_response: name, ready."""
    answer = server.get(f"/v2/models/{server.model}/ready")
    assert (answer.status, answer.json) == (200, {"name": server.model, "ready": True})


def test_a_model_that_is_not_there_is_not_ready(server: Any) -> None:
    answer = server.get("/v2/models/there-is-no-such-model/ready")
    assert answer.status >= 400 or answer.json["ready"] is False


def test_server_metadata(server: Any) -> None:
    """$metadata_server_response: name, version, extensions."""
    told = server.get("/v2").json
    assert isinstance(told["name"], str)
    assert isinstance(told["version"], str)
    assert all(isinstance(extension, str) for extension in told["extensions"])


def test_model_metadata(server: Any, metadata: dict[str, Any]) -> None:
    """$metadata_model_response: name, versions (optional), platform, inputs, outputs."""
    assert metadata["name"] == server.model
    assert all(isinstance(version, str) for version in metadata.get("versions", []))
    assert isinstance(metadata["platform"], str)


@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_tensor_metadata(metadata: dict[str, Any], side: str) -> None:
    """$metadata_tensor: name, datatype, shape; a dimension of any size is -1."""
    datatypes = {"BOOL", "BYTES", "FP16", "FP32", "FP64", "BF16"}
    datatypes |= {f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)}
    assert metadata[side]
    for tensor in metadata[side]:
        assert isinstance(tensor["name"], str)
        assert tensor["datatype"] in datatypes
        assert all(isinstance(size, int) and size >= -1 for size in tensor["shape"])
    assert len({tensor["name"] for tensor in metadata[side]}) == len(metadata[side])


def test_each_version_has_its_own_paths(server: Any, metadata: dict[str, Any]) -> None:
    """Versions that can be asked for are listed, and have paths of their own."""
    for version in metadata.get("versions", []):
        assert server.get(f"/v2/models/{server.model}/versions/{version}").json["name"] == server.model
        assert server.get(f"/v2/models/{server.model}/versions/{version}/ready").status == 200


def test_metadata_of_a_model_that_is_not_there(server: Any) -> None:
    """$metadata_model_error_response: an error status, and why."""
    answer = server.get("/v2/models/there-is-no-such-model")
    assert 400 <= answer.status < 500
    assert isinstance(answer.json["error"], str)
