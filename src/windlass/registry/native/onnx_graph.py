"""ONNX graphs, run by onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from windlass.errors import MissingExtra, RegistryError
from windlass.product.model.transformers import Known
from windlass.registry.native.model import Array, NativeModel, read_with
from windlass.registry.native.protobuf import BYTES, VARINT, fields, signed, varints

_TYPES: dict[str, Any] = {
    "float": np.float32,
    "double": np.float64,
    "float16": np.float16,
    "int64": np.int64,
    "int32": np.int32,
    "bool": np.bool_,
    "string": np.object_,
}
_KNOWN = {
    "string": Known(dtype="str", example=""),
    "bool": Known(dtype="bool", example=False),
    "int64": Known(dtype="int", example=0),
    "int32": Known(dtype="int", example=0),
}
_LABELS = {b"classlabels_strings", b"classlabels_int64s", b"classlabels_ints"}
_TRIED = 200
"""Rows of noise on which the labels that a graph lists are compared with those that it gives."""


class OnnxModel(NativeModel):
    """An ONNX graph with one matrix as input, or one input for each column."""

    format = "onnx"
    suffix = ".onnx"

    def __init__(self, session: Any, content: bytes, *, where: str) -> None:
        self._session = session
        self._inputs = session.get_inputs()
        outputs = session.get_outputs()
        labelled = len(outputs) > 1  # scikit-learn's converters give the label first, then the probabilities
        self._label, self._output = outputs[0].name, outputs[-1 if labelled else 0].name
        self.feature_names_in_ = np.array(self._names(where), dtype=object)
        self.kind = "regression"
        self.classes_ = np.arange(0)
        if labelled:
            self.classes_ = self._classes(content, where)
            self.kind = "binary" if len(self.classes_) == 2 else "multiclass"

    @classmethod
    def read(cls, path: Path) -> Self:
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            raise MissingExtra.named("onnxruntime", "onnx") from error
        session = read_with(path, lambda: onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]))
        found = cls(session, path.read_bytes(), where=str(path))
        found.path = path
        return found

    @property
    def known_columns(self) -> dict[str, Known]:
        types = [_type(each) for each in self._inputs]
        if len(self._inputs) == 1:
            types *= len(self.feature_names_in_)
        return {
            str(name): _KNOWN[kind] for name, kind in zip(self.feature_names_in_, types, strict=True) if kind in _KNOWN
        }

    def _names(self, where: str) -> list[str]:
        if len(self._inputs) > 1:
            return [each.name for each in self._inputs]
        width = self._inputs[0].shape[-1]
        if not isinstance(width, int):
            raise RegistryError(
                "the graph does not say how many columns it takes",
                where=where,
                remedy="export it with a fixed number of columns",
            )
        return [f"x{place}" for place in range(width)]

    def _classes(self, content: bytes, where: str) -> Array:
        """The labels that fit what the graph answers: of those that its nodes list the last ones, codes, or what it
        was seen to answer where each probability is the greatest."""
        feed = self._noise()
        probabilities = self._probabilities(feed)
        given = np.asarray(self._session.run([self._label], feed)[0]).reshape(-1).tolist()
        likeliest = probabilities.argmax(axis=1).tolist()
        count = probabilities.shape[1]
        listed = [labels for labels in reversed(labels_of(content)) if len(labels) == count]
        seen = dict(zip(likeliest, given, strict=True))
        if len(seen) == count:
            listed.append([seen[place] for place in range(count)])
        codes: list[str | int] = list(range(count))
        for labels in (*listed, codes):
            if given == [labels[place] for place in likeliest]:
                return np.array(labels)
        raise RegistryError(
            "the graph does not say what its classes are",
            where=where,
            remedy="export it with its class labels (ZipMap, say): of two outputs the first is the label, the second "
            "has one probability for each class",
        )

    def _scores(self, features: pl.DataFrame) -> Array:
        feed = self._feed(features)
        if self.kind == "regression":
            answer = np.asarray(self._session.run([self._output], feed)[0], dtype=np.float64)
            return answer.reshape(features.height) if answer.size == features.height else answer
        return self._probabilities(feed)

    def _probabilities(self, feed: dict[str, Array]) -> Array:
        answer = self._session.run([self._output], feed)[0]
        if isinstance(answer, list):  # ZipMap: a dictionary for each row
            return np.array([list(row.values()) for row in answer], dtype=np.float64)
        return np.asarray(answer, dtype=np.float64)

    def _feed(self, features: pl.DataFrame) -> dict[str, Array]:
        for series in features.iter_columns():
            if series.has_nulls() and series.name in self.known_columns:
                raise ValueError(f"the graph takes no missing value in {series.name!r}")
        if len(self._inputs) == 1:
            each = self._inputs[0]
            return {each.name: features.to_numpy().astype(_TYPES[_type(each)])}
        return {
            each.name: features[each.name].to_numpy().astype(_TYPES[_type(each)]).reshape(-1, 1)
            for each in self._inputs
        }

    def _noise(self) -> dict[str, Array]:
        """Rows of numbers on either side of 0, so that several classes come up; texts are empty."""
        chance = np.random.default_rng(0)
        made = {}
        for each in self._inputs:
            shape = (_TRIED, each.shape[-1] if isinstance(each.shape[-1], int) else 1)
            kind = _TYPES[_type(each)]
            numbers = chance.normal(scale=3.0, size=shape)
            made[each.name] = np.full(shape, "", dtype=object) if kind is np.object_ else numbers.astype(kind)
        return made


def labels_of(model: bytes) -> list[list[str | int]]:
    """The class labels that nodes of an ONNX model list, in their order.

    Source: onnx/onnx.proto: ModelProto 7 graph, GraphProto 1 node, NodeProto 5 attribute, AttributeProto 1 name,
    8 ints, 9 strings.
    """
    found = []
    for node in (node for graph in _messages(model, 7) for node in _messages(graph, 1)):
        for attribute in _messages(node, 5):
            if next(_messages(attribute, 1), b"") in _LABELS:
                labels: Sequence[str | int] = [text.decode() for text in _messages(attribute, 9)] or _ints(attribute)
                found.append(list(labels))
    return found


def _messages(data: bytes, number: int) -> Iterator[bytes]:
    for field, wire, value in fields(data):
        if field == number and wire == BYTES and isinstance(value, bytes):
            yield value


def _ints(attribute: bytes) -> list[int]:
    found: list[int] = []
    for field, wire, value in fields(attribute):
        if field == 8 and wire == BYTES and isinstance(value, bytes):
            found += varints(value)
        elif field == 8 and wire == VARINT and isinstance(value, int):
            found.append(signed(value))
    return found


def _type(tensor: Any) -> str:
    name: str = tensor.type.removeprefix("tensor(").rstrip(")")
    if name not in _TYPES:
        raise RegistryError(
            f"the input {tensor.name!r} is of the type {tensor.type}, which no column has",
            where="the graph",
            remedy=f"export it with inputs of {', '.join(_TYPES)}",
        )
    return name
