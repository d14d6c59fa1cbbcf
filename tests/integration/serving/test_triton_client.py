"""Triton's own client, unchanged, against a real worker."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tritonclient import http


@pytest.mark.parametrize("binary", [True, False])
def test_triton_client_reads_the_metadata_and_infers(world: Any, binary: bool) -> None:
    with world.server() as server:
        client = http.InferenceServerClient(f"127.0.0.1:{server.port}")
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("flights")
        assert not client.is_model_ready("flights", "v9")
        assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
        described = client.get_model_metadata("flights", "v1")
        columns = {
            "flight": np.array(["f1", "f2"], dtype=np.object_),
            "at": np.array(["2013-03-01T10:00:00Z"] * 2, dtype=np.object_),
            "distance": np.array([0.25, 4.0]),
            "seats": np.array([3, 30]),
        }
        inputs = []
        for tensor in described["inputs"]:
            made = http.InferInput(tensor["name"], [2], tensor["datatype"])
            made.set_data_from_numpy(columns[tensor["name"]], binary_data=binary)
            inputs.append(made)
        outputs = [http.InferRequestedOutput(each["name"], binary_data=binary) for each in described["outputs"]]
        found = client.infer("flights", inputs, outputs=outputs, request_id="r1")
        assert found.get_response()["id"] == "r1"
        assert found.as_numpy("score").shape == (2,)
        assert found.as_numpy("label").tolist() == (found.as_numpy("score") >= 0.5).tolist()
        assert len(set(found.as_numpy("prediction_id"))) == 2
        by_default = client.infer("flights", inputs)
        np.testing.assert_array_equal(by_default.as_numpy("score"), found.as_numpy("score"))
        for way in ("gzip", "deflate"):
            sent = client.infer(
                "flights", inputs, request_compression_algorithm=way, response_compression_algorithm=way
            )
            np.testing.assert_array_equal(sent.as_numpy("score"), found.as_numpy("score"))
        with pytest.raises(Exception, match="there is no product 'trains'"):
            client.infer("trains", inputs)
