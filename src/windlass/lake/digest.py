"""What a frame holds, as one hash.

The digest depends on column names, types, order and values, and on nothing else: not on chunks, files, compaction or
how polars lays out memory. For each column, all integers little-endian:

    name, type (`dtypes.name_of`), number of rows
    one bit a row, set where there is a value (`numpy.packbits`)
    the values: fixed width as their bytes with 0 where there is none; booleans as bits;
    texts and bytes as their lengths (int64), then all their bytes; decimals as their text;
    lists and structs as the JSON text of each value
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Protocol

import polars as pl

from windlass.lake.dtypes import name_of

_SLICE = 65_536


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...


def digest_frame(frame: pl.DataFrame) -> str:
    """sha256, in hex, over the content of a frame of stored types (`dtypes.stored`)."""
    import numpy as np  # a tenth of a second, and whoever only reads the lake needs no digest

    digest = hashlib.sha256(b"windlass frame 1")
    _put(digest, str(frame.width).encode())
    for series in frame.iter_columns():
        _put(digest, series.name.encode())
        _put(digest, name_of(series.dtype).encode())
        _put(digest, str(len(series)).encode())
        digest.update(np.packbits(series.is_not_null().to_numpy()).tobytes())
        _values(digest, series)
    return digest.hexdigest()


def digest_parts(parts: Mapping[str, str]) -> str:
    """One digest over the digests of several frames, in the order of their names."""
    digest = hashlib.sha256(b"windlass parts 1")
    for name in sorted(parts):
        _put(digest, name.encode())
        _put(digest, parts[name].encode())
    return digest.hexdigest()


def _put(digest: _Hash, data: bytes) -> None:
    """With its length, so that no two sequences of texts look alike."""
    digest.update(len(data).to_bytes(8, "little"))
    digest.update(data)


def _values(digest: _Hash, series: pl.Series) -> None:
    import numpy as np

    dtype = series.dtype
    if dtype.is_nested():
        _texts(digest, pl.Series([json.dumps(value, default=_as_json) for value in series.to_list()], dtype=pl.String))
    elif dtype.is_decimal():
        _texts(digest, series.cast(pl.String))
    elif dtype in (pl.String, pl.Binary):
        _texts(digest, series)
    elif dtype == pl.Boolean:
        digest.update(np.packbits(series.fill_null(value=False).to_numpy()).tobytes())
    else:
        values = series.to_physical().fill_null(0).to_numpy()
        digest.update(np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes())


def _texts(digest: _Hash, series: pl.Series) -> None:
    """Lengths first, then the bytes, a slice at a time, so that a gigabyte of texts is never one string."""
    text = series.dtype == pl.String
    lengths = series.str.len_bytes() if text else series.bin.size()
    digest.update(lengths.fill_null(0).cast(pl.Int64).to_numpy().astype("<i8").tobytes())
    for start in range(0, len(series), _SLICE):
        values = series[start : start + _SLICE].drop_nulls().to_list()
        digest.update("".join(values).encode() if text else b"".join(values))


def _as_json(value: Any) -> Any:
    """Values inside lists and structs that JSON has no word for."""
    if isinstance(value, datetime):
        return ["timestamp", str(value.astimezone(UTC))]
    if isinstance(value, date):
        return ["date", value.isoformat()]
    if isinstance(value, Decimal):
        return ["decimal", str(value)]
    if isinstance(value, bytes):
        return ["binary", base64.b64encode(value).decode()]
    if isinstance(value, pl.Series):
        return value.to_list()
    raise TypeError(f"no digest for a {type(value).__name__}")
