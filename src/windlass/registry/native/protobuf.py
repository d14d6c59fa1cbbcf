"""As much of protocol buffers as telling an ONNX file and reading its class labels takes.

Source: protobuf.dev, "Encoding": a message is a row of fields, each a key (field number and wire type) and a value.
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_SIZES = {FIXED64: 8, FIXED32: 4}


def fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Number, wire type and value of each field of a message; raises ValueError when `data` is none."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value: int | bytes
            value, place = _varint(data, place)
        elif wire == BYTES:
            size, place = _varint(data, place)
            value, place = data[place : place + size], place + size
        elif wire in _SIZES:
            value, place = data[place : place + _SIZES[wire]], place + _SIZES[wire]
        else:
            raise ValueError(f"there is no wire type {wire}")
        if place > len(data):
            raise ValueError("the message ends within a field")
        yield number, wire, value


def varints(data: bytes) -> list[int]:
    """The numbers of a packed repeated field, signed."""
    found, place = [], 0
    while place < len(data):
        value, place = _varint(data, place)
        found.append(signed(value))
    return found


def signed(value: int) -> int:
    """An int64 as it was meant: negative numbers are written as their two's complement."""
    return value - 2**64 if value >= 2**63 else value


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            break
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number does not end")
