"""MLflow's scoring protocol, so that what calls an MLflow model server can call this one.

`POST /{product}/invocations` takes a JSON object with exactly one of `dataframe_split`, `dataframe_records`,
`instances` and `inputs`, or CSV with a header, and answers `{"predictions": [...]}`: the labels of a classifier, the
values of a regression, as `predict` gives them there. Errors are `{"error_code", "message"}`. Source: MLflow,
"Deploy MLflow Model as a Local Inference Server", and mlflow/pyfunc/scoring_server.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any

import msgspec

from windlass.product.contract import Decoded, InvalidRows, MalformedBody, Problem, RowDecoder, path_of, reason_of
from windlass.product.contract.cells import value_of_cell
from windlass.serving.answers.batching import Batcher
from windlass.serving.limits import MOST_ROWS
from windlass.serving.refusal import Refusal, details_of
from windlass.serving.transport.http import CSV, Call, Reply
from windlass.serving.versions.lineup import Board

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_CODES = {404: "RESOURCE_DOES_NOT_EXIST", 503: "TEMPORARILY_UNAVAILABLE"}


def explain(refusal: Refusal) -> dict[str, Any]:
    """MLflow's error object, with ours beside it where there is more to tell."""
    otherwise = "BAD_REQUEST" if refusal.status < 500 else "INTERNAL_ERROR"
    told: dict[str, Any] = {"error_code": _CODES.get(refusal.status, otherwise), "message": refusal.message}
    details = details_of(refusal)
    return {**told, "error": refusal.message, **details} if details else told


class Invocations:
    """The scoring route."""

    def __init__(self, *, board: Board, batcher: Batcher) -> None:
        self._board = board
        self._batcher = batcher

    async def __call__(self, call: Call) -> Reply:
        lineup, size = self._board.of(call.path.get("product")), len(call.body)
        parse = _csv_reader if call.media == CSV else _json_reader
        reader = await self._batcher.off_loop(lambda: parse(call.body), size=size)
        answered = await self._batcher.answer(lineup, reader, size=size, request_id=call.request_id)
        predictions = [answer.score if answer.label is None else answer.label for answer in answered.answers]
        return Reply.json({"predictions": predictions})


def _json_reader(body: bytes) -> Any:
    try:
        request = msgspec.json.decode(body)
    except msgspec.ValidationError as error:  # JSON, but a number that no float64 and no 64 bits can hold
        raise _wrong(path_of(error) or "body", reason_of(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBody.json(body, error) from error
    if not isinstance(request, dict):
        raise _wrong("body", f"must be an object with exactly one of {', '.join(FORMS)}")
    given = [form for form in FORMS if form in request]
    if len(given) != 1:
        raise _wrong("body", f"must have exactly one of {', '.join(FORMS)}; it has {', '.join(given) or 'none'}")
    form, value = given[0], request[given[0]]
    return lambda decoder: _FORMS[form](value, decoder)


def _split(value: Any, decoder: RowDecoder) -> Decoded:
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise _wrong("dataframe_split", "must be an object with `columns` and `data`")
    names = value.get("columns", _names_of(value["data"], decoder))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _wrong("dataframe_split.columns", "must be a list of names")
    _check_names(names, "dataframe_split.columns")
    decoder.check_count(len(value["data"]))
    return decoder.from_records([_named(row, names, place, "data") for place, row in enumerate(value["data"])])


def _records(value: Any, decoder: RowDecoder) -> Decoded:
    if not isinstance(value, list):
        raise _wrong("dataframe_records", "must be a list of objects")
    decoder.check_count(len(value))
    for place, record in enumerate(value):
        if not isinstance(record, dict):
            raise _wrong("dataframe_records", "must be an object", row=place)
    return decoder.from_records(value)


def _instances(value: Any, decoder: RowDecoder) -> Decoded:
    """Row by row: objects, or lists of values in the order of the columns."""
    if not isinstance(value, list):
        raise _wrong("instances", "must be a list with one entry for each row")
    decoder.check_count(len(value))
    if all(isinstance(row, dict) for row in value):
        return decoder.from_records(value)
    return _matrix(value, decoder, "instances")


def _inputs(value: Any, decoder: RowDecoder) -> Decoded:
    """Column by column (an object of lists), or a matrix like `instances`."""
    if isinstance(value, dict):
        columns = {name: _flat(cells) for name, cells in value.items()}
        return decoder.from_columns(columns)
    if not isinstance(value, list):
        raise _wrong("inputs", "must be an object of columns or a list of rows")
    decoder.check_count(len(value))
    if value and all(isinstance(row, dict) for row in value):
        return decoder.from_records(value)
    return _matrix(value, decoder, "inputs")


_FORMS = {"dataframe_split": _split, "dataframe_records": _records, "instances": _instances, "inputs": _inputs}


def _matrix(value: Sequence[Any], decoder: RowDecoder, field: str) -> Decoded:
    rows = [row if isinstance(row, list | dict) else [row] for row in value]
    names = _names_of(rows, decoder)
    return decoder.from_records([_named(row, names, place, field) for place, row in enumerate(rows)])


def _names_of(rows: Sequence[Any], decoder: RowDecoder) -> list[str]:
    width = len(rows[0]) if rows and isinstance(rows[0], list) else 0
    return [column.name for column in decoder.unnamed(width)]


def _named(row: Any, names: Sequence[str], place: int, field: str) -> dict[str, Any]:
    if not isinstance(row, list) or len(row) != len(names):
        found = (
            f"{len(row)} values" if isinstance(row, list) else "an object" if isinstance(row, dict) else repr(row)[:100]
        )
        raise _wrong(field, f"must be a list of {len(names)} values ({', '.join(names)[:200]}), is {found}", row=place)
    return dict(zip(names, row, strict=True))


def _check_names(names: Sequence[str], field: str) -> None:
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise _wrong(field, f"names the column {twice[:100]!r} twice")


def _flat(cells: Any) -> list[Any]:
    """One column: a list of values, or of lists with one value each; a single value is a column of one."""
    if not isinstance(cells, list):
        return [cells]
    return [cell[0] if isinstance(cell, list) and len(cell) == 1 else cell for cell in cells]


def _csv_reader(body: bytes) -> Any:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedBody(f"the body is not UTF-8: {error}", remedy="send UTF-8 encoded CSV") from error
    try:
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = next(lines, [])
        # One more than may come is enough to refuse them. All of 16 MB, as lists, would be fifty times as large.
        rows = list(islice((line for line in lines if line), MOST_ROWS + 1))
    except csv.Error as error:
        raise MalformedBody(f"the body is not valid CSV: {error}", remedy="send CSV with a header line") from error
    return lambda decoder: _table(header, rows, decoder)


def _table(names: list[str], rows: list[list[str]], decoder: RowDecoder) -> Decoded:
    if not names:
        raise _wrong("header", "is missing: the first line must name the columns")
    kinds = {column.name: column for column in decoder.columns}
    records = []
    _check_names(names, "header")
    decoder.check_count(len(rows))
    for place, row in enumerate(rows):
        cells = _named(row, names, place, "row")
        records.append({name: value_of_cell(text, kinds.get(name)) for name, text in cells.items()})
    return decoder.from_records(records)


def _wrong(field: str, reason: str, *, row: int | None = None) -> InvalidRows:
    return InvalidRows.of([Problem(field=field, row=row, reason=reason)])
