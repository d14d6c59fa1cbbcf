"""The Open Inference Protocol over gRPC: Triton's own client, unchanged, against a real worker, and nonsense."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import grpc
import msgspec
import numpy as np
import pytest
from tritonclient import grpc as triton
from tritonclient import http
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from windlass.errors import UsageError
from windlass.records.token import Token, Tokens

from ...ports import free_port  # type: ignore[import-not-found]

COLUMNS = {
    "flight": np.array(["f1", "f2"], dtype=np.object_),
    "at": np.array(["2013-03-01T10:00:00Z"] * 2, dtype=np.object_),
    "distance": np.array([0.25, 4.0]),
    "seats": np.array([3, 30]),
}


def tensors(module: Any, described: Any) -> list[Any]:
    made = []
    for name, datatype in described:
        made.append(module.InferInput(name, [2], datatype))
        made[-1].set_data_from_numpy(COLUMNS[name])
    return made


TYPES = [("flight", "BYTES"), ("at", "BYTES"), ("distance", "FP64"), ("seats", "INT64")]


@pytest.fixture
def served(world: Any) -> Iterator[tuple[Any, int]]:
    port = free_port()
    with world.server(grpc_port=port) as server:
        yield server, port


def test_calls_are_counted_by_method_and_code(served: tuple[Any, int], caller: Any) -> None:
    server, port = served
    client = triton.InferenceServerClient(f"127.0.0.1:{port}")
    for _ in range(2):
        client.infer("flights", tensors(triton, TYPES))
    with pytest.raises(InferenceServerException, match="there is no product 'ships'"):
        client.infer("ships", tensors(triton, TYPES))
    told = caller(server.port)("/metrics")[1].decode()
    assert 'windlass_grpc_calls_total{code="OK",method="ModelInfer"} 2.0' in told
    assert 'windlass_grpc_calls_total{code="NOT_FOUND",method="ModelInfer"} 1.0' in told
    assert 'windlass_grpc_call_seconds_count{method="ModelInfer"} 3.0' in told


def test_triton_client_reads_the_metadata_and_infers(world: Any, served: tuple[Any, int]) -> None:
    server, port = served
    client = triton.InferenceServerClient(f"127.0.0.1:{port}")
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("flights")
    assert client.is_model_ready("flights", "v1")
    with pytest.raises(InferenceServerException, match="does not serve version 'v9'"):
        client.is_model_ready("flights", "v9")
    assert client.get_server_metadata().name == "windlass"
    described = client.get_model_metadata("flights")
    assert [(each.name, each.datatype) for each in described.inputs] == TYPES
    assert [list(each.shape) for each in described.inputs] == [[-1]] * 4
    found = client.infer("flights", tensors(triton, TYPES), request_id="r1")
    assert found.get_response().id == "r1"
    assert found.get_response().model_version == "v1"
    over_http = http.InferenceServerClient(f"127.0.0.1:{server.port}").infer("flights", tensors(http, TYPES))
    np.testing.assert_array_equal(found.as_numpy("score"), over_http.as_numpy("score"))
    assert found.as_numpy("label").dtype == np.bool_
    chances = found.as_numpy("probabilities")
    np.testing.assert_array_equal(chances[:, 1], found.as_numpy("score"))
    np.testing.assert_array_equal(chances, over_http.as_numpy("probabilities"))
    assert found.get_output("probabilities").parameters["classes"].string_param == "[false,true]"
    ids = [name.decode() for name in found.as_numpy("prediction_id")]
    assert ids[0] in {name for batch in world.captured() for name in batch.ids}
    again = client.infer("flights", tensors(triton, TYPES), request_id="r1")
    assert [name.decode() for name in again.as_numpy("prediction_id")] == ids
    asked = client.infer("flights", tensors(triton, TYPES), outputs=[triton.InferRequestedOutput("score")])
    assert [output.name for output in asked.get_response().outputs] == ["score"]


def infer_request(**more: Any) -> Any:
    request = service_pb2.ModelInferRequest(model_name="flights", **more)
    contents = {
        "flight": {"bytes_contents": [b"f1", b"f2"]},
        "at": {"bytes_contents": [b"2013-03-01T10:00:00Z"] * 2},
        "distance": {"fp64_contents": [0.25, 4.0]},
        "seats": {"int64_contents": [3, 30]},
    }
    for name, datatype in TYPES:
        request.inputs.add(name=name, datatype=datatype, shape=[2], contents=contents[name])
    return request


def test_typed_contents_are_answered_by_typed_contents_and_nonsense_is_told_what_is_wrong(
    served: tuple[Any, int],
) -> None:
    code = grpc.StatusCode
    both, few, shaped, odd, infinite = (infer_request() for _ in range(5))
    both.raw_input_contents.extend([b""] * 4)
    few.raw_input_contents.append(b"")
    shaped.inputs[2].shape[:] = [-3]
    odd.inputs[2].datatype = "FP16"
    infinite.inputs[2].contents.fp64_contents[0] = float("inf")
    empty = service_pb2.ModelInferRequest(model_name="flights")
    bad_text = infer_request()
    bad_text.inputs[0].contents.bytes_contents[0] = b"\xff"
    huge = infer_request(id="x" * 300)
    with grpc.insecure_channel(f"127.0.0.1:{served[1]}") as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for request in (both, few, shaped, odd, infinite, empty, bad_text, huge):
            with pytest.raises(grpc.RpcError) as caught:
                stub.ModelInfer(request)
            assert caught.value.code() is code.INVALID_ARGUMENT, caught.value
            assert caught.value.details()
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(service_pb2.ModelInferRequest(model_name="trains"))
        assert (caught.value.code(), "no product 'trains'" in caught.value.details()) == (code.NOT_FOUND, True)
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(infer_request(parameters={"a": {"string_param": "x" * 5_000_000}}))
        assert caught.value.code() is code.RESOURCE_EXHAUSTED
        reply = stub.ModelInfer(infer_request())
        outputs = {output.name: output.contents for output in reply.outputs}
        assert len(outputs["score"].fp64_contents) == len(outputs["label"].bool_contents) == 2
        assert outputs["prediction_id"].bytes_contents[0].startswith(b"p-")
        assert not reply.raw_output_contents


def test_a_port_that_another_server_has_is_not_shared_with_it(world: Any, served: tuple[Any, int]) -> None:
    server, port = served
    for taken in (port, server.port):
        second = world.server(grpc_port=taken)
        with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{taken}.*in use.*`grpc_port`"):
            second.start()
        assert not second.pids
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert service_pb2_grpc.GRPCInferenceServiceStub(channel).ServerLive(service_pb2.ServerLiveRequest()).live


def test_a_port_stays_taken_while_no_worker_listens_and_is_free_afterwards(world: Any) -> None:
    port = free_port()
    first, second = (world.server(grpc_port=port) for _ in range(2))
    first.bind()
    with pytest.raises(UsageError, match="in use"):
        second.bind()
    first.stop()
    second.bind()
    second.stop()


def asked_raw(channel: grpc.Channel, message: bytes) -> grpc.RpcError:
    """How the server refuses bytes that are sent as they are."""
    method = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    with pytest.raises(grpc.RpcError) as caught:
        method(message, timeout=120)
    return caught.value


def test_bytes_that_are_no_message_are_refused_like_any_other_nonsense(served: tuple[Any, int], caller: Any) -> None:
    server, port = served
    whole = infer_request().SerializeToString()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for sent in (b"\xff" * 100, whole[:-3], whole.replace(b"distance", b"\xff\xfestance")):
            refused = asked_raw(channel, sent)
            assert (refused.code().name, "is no ModelInferRequest" in refused.details()) == ("INVALID_ARGUMENT", True)
    told = caller(server.port)("/metrics")[1].decode()
    assert 'windlass_grpc_calls_total{code="INVALID_ARGUMENT",method="ModelInfer"} 3.0' in told


def test_a_token_is_asked_for_here_too(world: Any) -> None:
    tokens = {secret: (scope,) for secret, scope in (("one", "predict"), ("two", "operate"))}
    made = tuple(
        Token(token=secret, holder="ada", scopes=scopes, digest=hashlib.sha256(secret.encode()).hexdigest())  # type: ignore[arg-type]
        for secret, scopes in tokens.items()
    )
    world.paths.tokens.write_bytes(msgspec.json.encode(Tokens(tokens=made)))
    port = free_port()
    with (
        world.server(grpc_port=port, guarded=True),
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        assert stub.ServerLive(service_pb2.ServerLiveRequest()).live
        for secret, code in ((None, "UNAUTHENTICATED"), ("none", "UNAUTHENTICATED"), ("two", "PERMISSION_DENIED")):
            metadata = [] if secret is None else [("authorization", f"Bearer {secret}")]
            with pytest.raises(grpc.RpcError) as caught:
                stub.ModelInfer(infer_request(), metadata=metadata)
            assert caught.value.code().name == code
        assert asked_raw(channel, b"\xff").code().name == "UNAUTHENTICATED", "before anything is read"
        assert stub.ModelInfer(infer_request(), metadata=[("authorization", "Bearer one")]).model_version == "v1"


def test_a_call_that_hangs_is_a_deadline_that_has_passed(world: Any, caller: Any) -> None:
    hangs = "import sys, time; sys.argv[0].endswith('serving/worker.py') and rows['seats'].max() > 50"
    world.publish("v2", extra=f"{hangs} and time.sleep(1e6)")
    world.route("v2")
    port = free_port()
    with world.server(grpc_port=port, answer_seconds=1.0) as server:
        client = triton.InferenceServerClient(f"127.0.0.1:{port}")
        asked = tensors(triton, TYPES)
        client.infer("flights", asked)
        asked[-1].set_data_from_numpy(np.array([3, 99]))
        with pytest.raises(InferenceServerException, match="version v2 gave no answer in 1 s") as refused:
            client.infer("flights", asked)
        assert "DEADLINE_EXCEEDED" in refused.value.status()
        assert not client.is_server_ready()
        client.infer("flights", tensors(triton, TYPES))
        assert (
            'windlass_calls_given_up_total{product="flights",version="v2"} 1.0'
            in caller(server.port)("/metrics")[1].decode()
        )
