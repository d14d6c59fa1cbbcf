"""Tensors as bytes: the binary tensor data extension of the Open Inference Protocol.

Behind the JSON of a request, whose length `Inference-Header-Content-Length` tells, stand the tensors in the order of
the inputs: little-endian, row-major, a byte for each truth value, and before each text its length in four bytes.
Source: triton-inference-server/server, docs/protocol/extension_binary_data.md.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

MEDIA = "application/octet-stream"
_LENGTH = struct.Struct("<I")
_TYPES = {
    "BOOL": "?",
    **{f"INT{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
}


def split(body: bytes, told: str | None) -> tuple[bytes, bytes]:
    """The JSON of a body and the bytes behind it; `told` is the header. Raises ValueError for an impossible length."""
    if told is None:
        return body, b""
    if not (told.isascii() and told.isdigit()) or int(told) > len(body):
        raise ValueError(f"must be a length within the body of {len(body)} bytes, is {told[:50]!r}")
    return body[: int(told)], body[int(told) :]


def read(datatype: str, count: int, content: bytes) -> list[Any]:
    """The `count` values of a tensor; NaN, which JSON does not have, is a missing value. Raises ValueError."""
    if datatype == "BYTES":
        return _texts(count, content)
    kind = _TYPES.get(datatype)
    if kind is None:
        raise ValueError(f"datatype {datatype[:50]!r} has no binary form here")
    size = count * np.dtype(kind).itemsize
    if len(content) != size:
        raise ValueError(f"takes {size} bytes for its shape, has {len(content)}")
    values: list[Any] = np.frombuffer(content, dtype=kind).tolist()
    if not datatype.startswith("FP"):
        return values
    if any(map(math.isinf, values)):
        raise ValueError("holds an infinite number")
    return [None if math.isnan(value) else value for value in values]


def write(datatype: str, values: Sequence[Any]) -> bytes:
    """The n values of an output."""
    if datatype == "BYTES":
        texts = [str(value).encode() for value in values]
        return b"".join(part for text in texts for part in (_LENGTH.pack(len(text)), text))
    return np.array(values, dtype=_TYPES[datatype]).tobytes()


def _texts(count: int, content: bytes) -> list[Any]:
    found: list[Any] = []
    at = 0
    while at < len(content) and len(found) <= count:
        if at + _LENGTH.size > len(content):
            raise ValueError("ends within the length of an element")
        (length,) = _LENGTH.unpack_from(content, at)
        at += _LENGTH.size
        if at + length > len(content):
            raise ValueError("ends within an element")
        found.append(content[at : at + length].decode())
        at += length
    if len(found) != count:
        raise ValueError(f"needs {count} elements for its shape, has {'more' if at < len(content) else len(found)}")
    return found
