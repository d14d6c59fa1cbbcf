"""The Open Inference Protocol, version 2, over REST (kserve/open-inference-protocol, inference_rest.md).

Inputs: one tensor for each column, of shape [n] or [n, 1]; or, for a product of numbers only, one tensor of shape
[n, k] with the columns in their order. Outputs: `score`, `label` and `probabilities` (classification),
`prediction_id`. Tensors may come and go as bytes behind the JSON (`binary_tensors`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Annotated, Any

import msgspec

from windlass.product.classes import Label
from windlass.product.contract import InvalidRows, MalformedBody, Problem, RowDecoder, path_of, reason_of
from windlass.records.bundle import Column
from windlass.serving.answers.answering import Answer, Answered
from windlass.serving.answers.batching import Batcher
from windlass.serving.protocols import binary_tensors
from windlass.serving.transport.http import JSON_LENGTH, Call, Reply, encode
from windlass.serving.versions.lineup import Board, Loaded

DATATYPES = {"bool": "BOOL", "int": "INT64", "float": "FP64", "str": "BYTES", "datetime": "BYTES", "date": "BYTES"}
_RANGES = {
    name: ((0, 2**bits - 1) if name.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
    for bits in (8, 16, 32, 64)
    for name in (f"INT{bits}", f"UINT{bits}")
}
"""Of whole numbers, from the least to the greatest."""
_INTEGERS = set(_RANGES)
_FLOATS = {"FP16", "FP32", "FP64"}
_FITS = {
    "bool": {"BOOL"},
    "int": _INTEGERS | _FLOATS,
    "float": _INTEGERS | _FLOATS | {"BOOL"},
    "str": {"BYTES"},
    "datetime": {"BYTES"},
    "date": {"BYTES"},
}
DATATYPES_READ = frozenset[str]().union(*_FITS.values())
_NUMERIC = ("bool", "int", "float")

_Name = Annotated[str, msgspec.Meta(max_length=1000)]


class _Input(msgspec.Struct):
    name: _Name
    shape: Annotated[list[Annotated[int, msgspec.Meta(ge=0, le=2**31)]], msgspec.Meta(min_length=1, max_length=2)]
    datatype: str
    data: list[Any] | None = None
    parameters: dict[str, Any] | None = None


class _Output(msgspec.Struct):
    name: _Name
    parameters: dict[str, Any] | None = None


class InferRequest(msgspec.Struct):
    inputs: Annotated[list[_Input], msgspec.Meta(min_length=1)]
    id: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[_Output] | None = None


_DECODER = msgspec.json.Decoder(InferRequest)


@dataclass(frozen=True, kw_only=True)
class Output:
    """One tensor of a reply."""

    datatype: str
    read: Callable[[Answer], Any]
    """What of an answer is in it; a list, with one value for each class, where there are `classes`."""
    classes: tuple[Label, ...] = ()

    @property
    def shape(self) -> list[int]:
        return [-1, len(self.classes)] if self.classes else [-1]

    @property
    def parameters(self) -> dict[str, Any]:
        """What its columns stand for, as JSON: a parameter of the protocol is a text, a number or a boolean."""
        return {"classes": encode(self.classes).decode()} if self.classes else {}

    def tensor(self, answers: Sequence[Answer]) -> tuple[list[int], list[Any]]:
        """The shape for n answers, and the values in row-major order."""
        values = [self.read(answer) for answer in answers]
        return [len(answers), *self.shape[1:]], list(chain.from_iterable(values)) if self.classes else values


@dataclass(frozen=True, kw_only=True)
class Inferred:
    """What a transport needs for its reply."""

    request: InferRequest
    answered: Answered
    outputs: dict[str, Output]
    """Those that are wanted."""


def request_from(plain: dict[str, Any]) -> InferRequest:
    """The request in plain data of another transport. Raises InvalidRows for what is none."""
    try:
        return msgspec.convert(plain, InferRequest)
    except msgspec.ValidationError as error:
        problem = Problem(field=path_of(error) or "request", row=None, reason=reason_of(error))
        raise InvalidRows.of([problem]) from error


class Infer:
    """`/v2/models/{name}[/versions/{version}]/infer`."""

    def __init__(self, *, board: Board, batcher: Batcher) -> None:
        self._board = board
        self._batcher = batcher

    async def __call__(self, call: Call) -> Reply:
        inferred = await self.infer(
            call.path["name"],
            call.path.get("version"),
            lambda: _decode(call),
            size=len(call.body),
            request_id=call.request_id,
        )
        return _reply(inferred)

    async def infer(
        self,
        name: str,
        version: str | None,
        read: Callable[[], InferRequest],
        *,
        size: int,
        request_id: str | None = None,
    ) -> Inferred:
        """The answers to the request that `read` makes of a message of `size` bytes; raises as `Batcher.answer`."""
        lineup = self._board.of(name)
        only = None if version is None else lineup.version(version)
        request = await self._batcher.off_loop(read, size=size)
        outputs = _wanted(request, only or lineup.leader())
        answered = await self._batcher.answer(
            lineup,
            lambda decoder: decoder.from_columns(_columns(request.inputs, decoder)),
            size=size,
            request_id=request.id or request_id,
            only=only,
        )
        return Inferred(request=request, answered=answered, outputs=outputs)


def metadata(board: Board, name: str, version: str | None) -> dict[str, Any]:
    """`$metadata_model_response`: what the model takes and gives."""
    lineup = board.of(name)
    loaded = lineup.leader() if version is None else lineup.version(version)
    return {
        "name": name,
        "versions": [each.version for each in lineup.served],
        "platform": f"windlass_{_form(loaded)}",
        "inputs": [
            {"name": column.name, "datatype": DATATYPES[column.dtype], "shape": [-1]}
            for column in loaded.decoder.columns
        ],
        "outputs": [
            {"name": name, "datatype": output.datatype, "shape": output.shape}
            for name, output in outputs_of(loaded).items()
        ],
    }


def _form(loaded: Loaded) -> str:
    """What answers: the library of the model's compiled form, or the format of the model itself."""
    compiled = loaded.manifest.compiled
    if compiled is None or not compiled.answers:
        return loaded.manifest.model.format
    return "lightgbm" if compiled.boosters else "onnxruntime"


def _decode(call: Call) -> InferRequest:
    """The request, with the values of every tensor in `data`, in whichever form they came."""
    try:
        text, rest = binary_tensors.split(call.body, call.headers.get(JSON_LENGTH.lower()))
    except ValueError as error:
        raise _wrong(JSON_LENGTH, str(error)) from error
    try:
        request = _DECODER.decode(text)
    except msgspec.ValidationError as error:
        problem = Problem(field=path_of(error) or "body", row=None, reason=reason_of(error))
        raise InvalidRows.of([problem]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBody.json(text, error) from error
    for tensor in request.inputs:
        size = (tensor.parameters or {}).get("binary_data_size")
        if size is not None:
            rest = _attach(tensor, size, rest)
        elif tensor.data is None:
            raise _wrong(tensor.name, "has no data")
    if rest:
        raise _wrong("body", f"has {len(rest)} bytes behind its last tensor")
    return request


def _attach(tensor: _Input, size: Any, rest: bytes) -> bytes:
    """Read the tensor from the first `size` bytes of `rest`; what is left."""
    if tensor.data is not None:
        raise _wrong(tensor.name, "has both data and binary_data_size")
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= len(rest):
        raise _wrong(tensor.name, f"binary_data_size must be a size of bytes that are there ({len(rest)})")
    count = math.prod(tensor.shape)
    try:
        tensor.data = binary_tensors.read(tensor.datatype, count, rest[:size])
    except UnicodeDecodeError as error:
        raise _wrong(tensor.name, "holds text that is not UTF-8") from error
    except ValueError as error:
        raise _wrong(tensor.name, str(error)) from error
    return rest[size:]


# -- inputs ------------------------------------------------------------------------------------------------------


def _columns(inputs: Sequence[_Input], decoder: RowDecoder) -> dict[str, list[Any]]:
    """The tensors as columns of values."""
    decoder.check_count(max(tensor.shape[0] for tensor in inputs))
    if len(inputs) == 1 and len(inputs[0].shape) == 2 and inputs[0].shape[1] != 1:
        return _matrix(inputs[0], decoder.unnamed(inputs[0].shape[1]))
    known = {column.name: column for column in decoder.columns}
    columns: dict[str, list[Any]] = {}
    for tensor in inputs:
        column = known.get(tensor.name)
        if tensor.name in columns:
            raise _wrong(tensor.name, "comes twice")
        if len(tensor.shape) == 2 and tensor.shape[1] != 1:
            raise _wrong(tensor.name, f"must have shape [n] or [n, 1], has {tensor.shape}")
        if column is not None and tensor.datatype not in _FITS[column.dtype]:
            raise _wrong(tensor.name, f"must have datatype {DATATYPES[column.dtype]}, has {tensor.datatype!r}"[:200])
        columns[tensor.name] = _cells(tensor, math.prod(tensor.shape))
    return columns


def _matrix(tensor: _Input, columns: Sequence[Column]) -> dict[str, list[Any]]:
    if any(column.dtype not in _NUMERIC for column in columns):
        raise _wrong(tensor.name, "one tensor for all columns needs all of them to be numbers; send one for each")
    rows, width = tensor.shape
    if width != len(columns):
        names = ", ".join(column.name for column in columns)[:300]
        raise _wrong(tensor.name, f"must have shape [n, {len(columns)}] ({names}), has {tensor.shape}")
    if tensor.datatype not in _INTEGERS | _FLOATS | {"BOOL"}:
        raise _wrong(tensor.name, f"must have a numeric datatype, has {tensor.datatype!r}"[:200])
    cells = _cells(tensor, rows * width)
    return {column.name: cells[place::width] for place, column in enumerate(columns)}


def _cells(tensor: _Input, size: int) -> list[Any]:
    """The values in row-major order; the protocol allows them nested or flat."""
    cells = tensor.data or []
    while cells and all(isinstance(cell, list) for cell in cells):
        cells = [inner for cell in cells for inner in cell]
    if len(cells) != size:
        raise _wrong(tensor.name, f"has {len(cells)} values for shape {tensor.shape}")
    bounds = _RANGES.get(tensor.datatype)
    if bounds is not None and any(isinstance(cell, int | float) and not _is_within(cell, bounds) for cell in cells):
        raise _wrong(tensor.name, f"holds a number that is no {tensor.datatype}")
    return cells


def _is_within(cell: float, bounds: tuple[int, int]) -> bool:
    """Whether a number, which may be written as a float, is a whole one between the bounds."""
    return bounds[0] <= cell <= bounds[1] and cell == int(cell)


# -- outputs -----------------------------------------------------------------------------------------------------


def outputs_of(loaded: Loaded) -> dict[str, Output]:
    """What can be asked for, by name."""
    outputs = {"score": Output(datatype="FP64", read=lambda answer: answer.score)}
    if loaded.task.kind != "regression":
        classes = tuple(loaded.manifest.classes)
        if all(isinstance(label, bool) for label in classes) and classes:
            outputs["label"] = Output(datatype="BOOL", read=lambda answer: answer.label)
        elif all(isinstance(label, int) for label in classes):
            outputs["label"] = Output(datatype="INT64", read=lambda answer: answer.label)
        else:
            outputs["label"] = Output(datatype="BYTES", read=lambda answer: str(answer.label))
        if classes:
            outputs["probabilities"] = Output(datatype="FP64", read=partial(_chances, classes), classes=classes)
    outputs["prediction_id"] = Output(datatype="BYTES", read=lambda answer: answer.id)
    return outputs


def _chances(classes: Sequence[Label], answer: Answer) -> list[float]:
    """Of each class; a canary may have been trained on others, and what it does not know has none there."""
    if answer.probabilities is None:  # of two classes the second is the positive one
        return [1.0 - answer.score, answer.score]
    return [answer.probabilities.get(str(label), 0.0) for label in classes]


def _wanted(request: InferRequest, loaded: Loaded) -> dict[str, Output]:
    outputs = outputs_of(loaded)
    if not request.outputs:
        return outputs
    for output in request.outputs:
        if output.name not in outputs:
            raise _wrong(f"outputs.{output.name}"[:200], f"is not an output; outputs: {', '.join(outputs)}")
    return {output.name: outputs[output.name] for output in request.outputs}


def _reply(inferred: Inferred) -> Reply:
    request, answered = inferred.request, inferred.answered
    told: dict[str, Any] = {"model_name": answered.product, "model_version": answered.version}
    if request.id is not None:
        told["id"] = request.id
    tensors: list[dict[str, Any]] = []
    parts = []
    binary = _binary_outputs(request)
    for name, output in inferred.outputs.items():
        shape, values = output.tensor(answered.answers)
        tensor: dict[str, Any] = {"name": name, "shape": shape, "datatype": output.datatype}
        parameters = output.parameters
        if binary(name):
            parts.append(binary_tensors.write(output.datatype, values))
            parameters["binary_data_size"] = len(parts[-1])
        else:
            tensor["data"] = values
        if parameters:
            tensor["parameters"] = parameters
        tensors.append(tensor)
    told["outputs"] = tensors
    if not parts:
        return Reply.json(told)
    head = encode(told)
    headers = ((JSON_LENGTH, str(len(head))),)
    return Reply(body=b"".join([head, *parts]), media=binary_tensors.MEDIA, headers=headers)


def _binary_outputs(request: InferRequest) -> Callable[[str], bool]:
    """Whether an output is wanted as bytes: said of it, or else of all."""
    wanted = (request.parameters or {}).get("binary_data_output") is True
    said = {output.name: (output.parameters or {}).get("binary_data") for output in request.outputs or ()}
    return lambda name: wanted if said.get(name) is None else said[name] is True


def _wrong(field: str, reason: str) -> InvalidRows:
    return InvalidRows.of([Problem(field=field, row=None, reason=reason)])
