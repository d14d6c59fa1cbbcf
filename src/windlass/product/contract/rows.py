"""Request rows: from JSON to a frame of the very types that training saw, or a list of what is wrong with them.

The same rows come in three shapes: the bytes of a request (`RowDecoder.read`), records or columns of another protocol
(`from_records`, `from_columns`), and served rows kept in the lake (`decode_rows`). All three give the same frame.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from windlass.errors import DataError
from windlass.product.contract.types import dtype_of, from_text, needs_restoring, restore, wire_type
from windlass.records.bundle import Column

if TYPE_CHECKING:
    import numpy as np

_encode = msgspec.json.Encoder().encode
MOST_PROBLEMS = 100
"""Problems that one refusal lists; a request of ten thousand bad rows is not answered with ten thousand sentences."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a request."""

    field: str
    row: int | None
    """Position in the request, from 0; None when it is not about one row."""
    reason: str


class InvalidRows(DataError):
    """Request rows that do not fit the product's columns and contract."""

    problems: tuple[Problem, ...] = ()

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> InvalidRows:
        first = problems[0]
        place = first.field if first.row is None else f"{first.field} of row {first.row}"
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        error = cls(f"{place}: {first.reason}{more}", remedy="see the product's /openapi.json")
        error.problems = tuple(problems[:MOST_PROBLEMS])
        return error

    def __reduce__(self) -> tuple[object, ...]:
        return (InvalidRows.of, (self.problems,))


class MalformedBody(DataError):
    """A request body that is not JSON at all."""

    @classmethod
    def json(cls, body: bytes, error: Exception) -> MalformedBody:
        """What `error`, which decoding `body` raised, means to whoever sent it, with the text before the place."""
        if isinstance(error, RecursionError):
            return cls("the body is not valid JSON: it is nested too deeply", remedy="send flat rows")
        if not body.strip() or body.startswith(codecs.BOM_UTF8):
            what = "begins with a byte order mark (BOM)" if body.strip() else "is empty"
            return cls(f"the body {what}", remedy="send UTF-8 encoded JSON")
        place = _PLACE.search(str(error))
        if place is None:
            half = _HALF_AT_END.search(body)
            if half is not None:
                what = f"{half[1].decode()} is half of a character (byte {half.start(1)})"
                return cls(f"the body is not valid JSON: {what}", remedy="send the character itself, UTF-8 encoded")
            return cls(f"the body is not valid JSON: {error}", remedy="send UTF-8 encoded JSON")
        at = int(place[1])
        before = body[max(0, at - 40) : at].decode(errors="replace")
        word = _NO_NUMBER.match(body, at)
        if word is None:
            return cls(f"the body is not valid JSON: {error}, after {before!r}", remedy="send UTF-8 encoded JSON")
        what = f"JSON has no {word[0].decode()} (byte {at}, after {before!r})"
        return cls(f"the body is not valid JSON: {what}", remedy="send null where a value is missing")


_PLACE = re.compile(r"\(byte (\d+)\)")
_HALF_AT_END = re.compile(rb"(?<!\\)(?:\\\\)*(\\u[dD][89abAB][0-9a-fA-F]{2})(?!\\u|\\?\Z).{1,5}\Z", re.DOTALL)
"""A lone surrogate with less behind it than its other half would take, for which msgspec takes the body as cut off."""
_NO_NUMBER = re.compile(rb"NaN|Infinity")
_SHAPES = {
    "Invalid RFC3339 encoded datetime": "write it as 2013-03-01T10:00:00Z",
    "Invalid RFC3339 encoded date": "write it as 2013-03-01",
}


def reason_of(error: Exception) -> str:
    """What the decoder has against a value, with an example where its own words give none; without the path."""
    reason = str(error).partition(" - at ")[0]
    return f"{reason}; {_SHAPES[reason]}" if reason in _SHAPES else reason


def path_of(error: Exception) -> str:
    """The field that the decoder stumbled on, such as `inputs[0].shape`; empty for the whole."""
    path = str(error).partition(" - at ")[2].strip("`").removeprefix("$")
    return path.removeprefix("[...]").removeprefix(".")


class Decoded(msgspec.Struct, frozen=True, kw_only=True, eq=False, dict=True):
    """The rows of one request, or of several together."""

    rows: tuple[bytes, ...]
    """The n rows as JSON, each with every known field; what `decode_rows` reads."""
    structs: tuple[Any, ...]
    """The same rows as msgspec structs; `values` reads them."""
    fields: Mapping[str, str]
    make_frame: Callable[[Sequence[Any]], pl.DataFrame]
    request_id: str | None = None

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The n rows in the columns' order and exact types. Made when it is asked for, since a frame of one row costs
        as much as one of fifty."""
        return self.make_frame(self.structs)

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, places: Sequence[int]) -> Decoded:
        """Only the rows at `places`, in that order."""
        return Decoded(
            rows=tuple(self.rows[place] for place in places),
            structs=tuple(self.structs[place] for place in places),
            fields=self.fields,
            make_frame=self.make_frame,
            request_id=self.request_id,
        )

    def rows_without(self, names: Sequence[str]) -> tuple[bytes, ...]:
        """The n rows as JSON, with null for the columns `names`."""
        gone = dict.fromkeys((self.fields[name] for name in names if name in self.fields), None)
        return tuple(map(_encode, (msgspec.structs.replace(row, **gone) for row in self.structs)))

    @classmethod
    def together(cls, parts: Sequence[Decoded]) -> Decoded:
        """The rows of several requests, all decoded for one version, one after the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            rows=tuple(row for part in parts for row in part.rows),
            structs=tuple(row for part in parts for row in part.structs),
            fields=parts[0].fields,
            make_frame=parts[0].make_frame,
        )

    def matrix(self, read: Callable[[Any], Any]) -> np.ndarray[Any, Any]:
        """(n, d) float64 of what `read` (`RowDecoder.reader`) gives of each row: d columns of numbers, null being NaN.
        For few rows a frame costs as much as a model."""
        import numpy as np  # who only reads contracts does without

        return np.array([read(row) for row in self.structs], dtype=np.float64).reshape(len(self.structs), -1)

    def values(self, column: str) -> list[Any]:
        """The n values of one column as Python objects; all None for a column that requests do not have."""
        name = self.fields.get(column)
        return [None] * len(self.structs) if name is None else [getattr(row, name) for row in self.structs]


def decode_rows(rows: Sequence[bytes] | Sequence[str] | pl.Series, columns: Sequence[Column]) -> pl.DataFrame:
    """Served rows, as they were captured, as the frame that was predicted on.

    `rows` are n JSON objects (a series of text or bytes, or a list); fields that `columns` do not name are left out,
    and missing ones are null. Raises DataError when they cannot be read in the columns' types.
    """
    text = _lines(rows)
    try:
        frame = pl.read_ndjson(text, schema={column.name: wire_type(column) for column in columns})
        frame = frame.select([from_text(column) for column in columns])
        frame = frame.with_columns([restore(column) for column in columns if needs_restoring(column)])
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"captured rows cannot be read with the columns of this version: {error}",
            plain="captured rows cannot be read with the columns of this version",
            remedy="a column's type changed since they were served; give it another name, or train without served rows",
        ) from error
    if frame.height != len(rows):
        raise DataError(f"{len(rows)} captured rows came out as {frame.height}", remedy="each must be one JSON object")
    return frame


def _lines(rows: Sequence[bytes] | Sequence[str] | pl.Series) -> bytes:
    """One row a line. Of a series this is done in one go: a run reads back hundreds of thousands."""
    if isinstance(rows, pl.Series) and rows.dtype == pl.String:
        joined: str = rows.str.join("\n", ignore_nulls=False).item() if len(rows) else ""
        return joined.encode()
    lines = rows.to_list() if isinstance(rows, pl.Series) else rows
    return b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)


def empty_frame(columns: Sequence[Column]) -> pl.DataFrame:
    """No rows, in the columns' exact types."""
    return pl.DataFrame(schema={column.name: dtype_of(column) for column in columns})
