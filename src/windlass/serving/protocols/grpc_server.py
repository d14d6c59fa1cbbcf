"""The Open Inference Protocol over gRPC: the same answers, by the same way, as over HTTP."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from windlass.product.contract import InvalidRows, Problem
from windlass.records.token import Scope
from windlass.serving.metrics import Metrics
from windlass.serving.protocols import binary_tensors
from windlass.serving.protocols.grpc_messages import CONTENTS, MESSAGES, METHODS, SERVICE
from windlass.serving.protocols.inference import Infer, Inferred, InferRequest, metadata, request_from
from windlass.serving.protocols.probes import Probes
from windlass.serving.refusal import Refusal, refusal_for
from windlass.serving.transport.guard import Keyring
from windlass.serving.transport.tls import Certificate
from windlass.serving.versions.lineup import Board

MOST_BYTES = 4 * 1024 * 1024
"""Of a message; gRPC's own default."""
MOST_CALLS = 512
"""At a time; the next one is told that the resources are exhausted."""
_PREDICT: tuple[Scope, ...] = ("predict",)
_READ: tuple[Scope, ...] = ("predict", "observe")
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
Handle = Callable[[Any], Awaitable[Any]]


class GrpcServer:
    """One worker's gRPC server; workers share the port, and the kernel spreads connections over them."""

    def __init__(
        self,
        *,
        board: Board,
        infer: Infer,
        metrics: Metrics,
        keyring: Keyring | None,
        certificate: Certificate | None = None,
    ) -> None:
        self._board = board
        self._infer = infer
        self._metrics = metrics
        self._keyring = keyring
        self._certificate = certificate
        self._probes = Probes(board=board, metrics=metrics)
        self._server: Any = None

    async def start(self, address: str) -> None:
        """Listen on `address`, `HOST:PORT`. Raises RuntimeError when it cannot be had."""
        options = [("grpc.max_receive_message_length", MOST_BYTES), ("grpc.so_reuseport", 1)]
        self._server = grpc.aio.server(options=options, maximum_concurrent_rpcs=MOST_CALLS)
        handlers = {name: self._handler(name, getattr(self, f"_{_snake(name)}")) for name in METHODS}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        if self._certificate is None:
            self._server.add_insecure_port(address)
        else:
            self._server.add_secure_port(address, self._certificate.for_grpc())
        await self._server.start()

    async def stop(self, seconds: float) -> None:
        """Take no more calls, and let those under way end within `seconds`."""
        if self._server is not None:
            await self._server.stop(seconds)

    # -- the methods -----------------------------------------------------------------------------------------------

    async def _server_live(self, _: Any) -> Any:
        return MESSAGES["ServerLiveResponse"](live=True)

    async def _server_ready(self, _: Any) -> Any:
        return MESSAGES["ServerReadyResponse"](ready=self._probes.is_ready())

    async def _model_ready(self, asked: Any) -> Any:
        lineup = self._board.of(asked.name)
        ready = lineup.version(asked.version) is not None if asked.version else lineup.ready
        return MESSAGES["ModelReadyResponse"](ready=ready)

    async def _server_metadata(self, _: Any) -> Any:
        return MESSAGES["ServerMetadataResponse"](name="windlass", version=self._probes.release)

    async def _model_metadata(self, asked: Any) -> Any:
        return MESSAGES["ModelMetadataResponse"](**metadata(self._board, asked.name, asked.version or None))

    async def _model_infer(self, asked: Any) -> Any:
        inferred = await self._infer.infer(
            asked.model_name, asked.model_version or None, lambda: _request(asked), size=asked.ByteSize()
        )
        return _response(inferred, raw=bool(asked.raw_input_contents))

    # -- around them -----------------------------------------------------------------------------------------------

    def _handler(self, name: str, handle: Handle) -> Any:
        scopes = _PREDICT if name == "ModelInfer" else () if name == "ServerLive" else _READ
        message = MESSAGES[f"{name}Request"]

        async def call(sent: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            started, code = time.perf_counter(), grpc.StatusCode.UNKNOWN
            try:
                refusal = self._refused(context, scopes)
                if refusal is None:
                    try:
                        answer = await handle(_read(message, sent))
                    except Exception as error:
                        refusal = refusal_for(error)
                        if refusal is None:
                            raise
                    else:
                        code = grpc.StatusCode.OK
                        return answer
                code = _CODES.get(refusal.status, grpc.StatusCode.INTERNAL)
            finally:  # before the caller hears of it
                self._metrics.call_answered(name, code.name, time.perf_counter() - started)
            told = refusal.message if refusal.error_id is None else f"{refusal.message} ({refusal.error_id})"
            return await context.abort(code, told)  # which raises

        return grpc.unary_unary_rpc_method_handler(call, response_serializer=lambda answer: answer.SerializeToString())

    def _refused(self, context: Any, scopes: tuple[Scope, ...]) -> Refusal | None:
        if self._keyring is None or not scopes:
            return None
        given = dict(context.invocation_metadata() or ()).get("authorization", "")
        return self._keyring.refuse(str(given), scopes)


def _snake(name: str) -> str:
    return "".join(f"_{sign.lower()}" if sign.isupper() else sign for sign in name).removeprefix("_")


def _read(message: Any, sent: bytes) -> Any:
    """The message, once its caller is known. Raises InvalidRows; gRPC's own reading would log a traceback of it."""
    try:
        return message.FromString(sent)
    except DecodeError as error:
        raise _wrong("message", f"is no {message.DESCRIPTOR.name}: {error}") from error


def _request(asked: Any) -> InferRequest:
    """The request in the terms of the protocol over HTTP. Raises InvalidRows."""
    raw = list(asked.raw_input_contents)
    if raw and len(raw) != len(asked.inputs):
        raise _wrong("raw_input_contents", f"has {len(raw)} entries for {len(asked.inputs)} inputs")
    inputs = [
        {
            "name": tensor.name,
            "shape": list(tensor.shape),
            "datatype": tensor.datatype,
            "data": _values(tensor, raw[place] if raw else None),
        }
        for place, tensor in enumerate(asked.inputs)
    ]
    outputs = [{"name": output.name} for output in asked.outputs] or None
    return request_from({"id": asked.id or None, "inputs": inputs, "outputs": outputs})


def _values(tensor: Any, raw: bytes | None) -> list[Any]:
    try:
        return _of_contents(tensor) if raw is None else _of_bytes(tensor, raw)
    except UnicodeDecodeError as error:
        raise _wrong(tensor.name, "holds text that is not UTF-8") from error
    except ValueError as error:
        raise _wrong(tensor.name, str(error)) from error


def _of_bytes(tensor: Any, raw: bytes) -> list[Any]:
    if tensor.HasField("contents"):
        raise ValueError("has both contents and raw contents")
    if min(tensor.shape, default=0) < 0:
        raise ValueError(f"cannot have the shape {list(tensor.shape)}")
    return binary_tensors.read(tensor.datatype, math.prod(tensor.shape), raw)


def _of_contents(tensor: Any) -> list[Any]:
    field = CONTENTS.get(tensor.datatype)
    if field is None:
        raise ValueError(f"datatype {tensor.datatype[:50]!r} has no contents here")
    values = list(getattr(tensor.contents, field))
    if tensor.datatype == "BYTES":
        return [value.decode() for value in values]
    if any(isinstance(value, float) and math.isinf(value) for value in values):
        raise ValueError("holds an infinite number")
    return [None if isinstance(value, float) and math.isnan(value) else value for value in values]


def _response(inferred: Inferred, *, raw: bool) -> Any:
    """The answer, in the form that the request came in."""
    answered = inferred.answered
    reply = MESSAGES["ModelInferResponse"](
        model_name=answered.product, model_version=answered.version, id=inferred.request.id or ""
    )
    for name, output in inferred.outputs.items():
        shape, values = output.tensor(answered.answers)
        tensor = reply.outputs.add(name=name, datatype=output.datatype, shape=shape)
        for parameter, text in output.parameters.items():
            tensor.parameters[parameter].string_param = text
        if raw:
            reply.raw_output_contents.append(binary_tensors.write(output.datatype, values))
        else:
            plain = [value.encode() for value in values] if output.datatype == "BYTES" else values
            getattr(tensor.contents, CONTENTS[output.datatype]).extend(plain)
    return reply


def _wrong(field: str, reason: str) -> InvalidRows:
    return InvalidRows.of([Problem(field=field, row=None, reason=reason)])
