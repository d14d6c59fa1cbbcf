"""One contract, three places: where data comes in, before training, and at the request.

The contract is the user's pandera (polars) model. Frames are checked with pandera itself; at the request the same
contract is compiled (`RowDecoder`). pandera is imported only when there is a contract.
"""

from __future__ import annotations

import polars as pl

from windlass.product.contract.decoder import RowDecoder
from windlass.product.contract.frame import Sifted, check_frame, sift_frame
from windlass.product.contract.rows import (
    Decoded,
    InvalidRows,
    MalformedBody,
    Problem,
    decode_rows,
    empty_frame,
    path_of,
    reason_of,
)
from windlass.product.contract.schema import declared_column, schema_of
from windlass.product.contract.types import describe, is_number
from windlass.product.product import Product
from windlass.records.bundle import Column

__all__ = [
    "Decoded",
    "InvalidRows",
    "MalformedBody",
    "Problem",
    "RowDecoder",
    "Sifted",
    "check_frame",
    "columns_of",
    "decode_rows",
    "empty_frame",
    "is_number",
    "path_of",
    "reason_of",
    "schema_of",
    "sift_frame",
]


def columns_of(product: type[Product] | Product, rows: pl.DataFrame) -> tuple[Column, ...]:
    """What a request row holds, from `rows` without the target, as `check_frame` returned them.

    The types are the frame's own. With a contract, it says what may be null or absent, and a `strict` one leaves
    nothing else in; without one every column may be null, and all but the key must be there. Raises DataError for a
    type that JSON cannot carry.
    """
    schema, task = schema_of(product.contract), product.task
    columns = []
    for name, dtype in rows.schema.items():
        if name == task.target:
            continue
        kind, exact = describe(name, dtype)
        declared = declared_column(schema, name)
        columns.append(
            Column(
                name=name,
                dtype=kind,
                nullable=True if declared is None else bool(declared.nullable),
                required=name != task.key if declared is None else bool(declared.required),
                exact=exact,
            )
        )
    known = {column.name for column in columns}
    optional = () if schema is None else (c for name, c in schema.columns.items() if name not in known and not c.regex)
    for declared in optional:
        if declared.name != task.target and not declared.required and declared.dtype is not None:
            kind, exact = describe(declared.name, declared.dtype.type)
            columns.append(
                Column(name=declared.name, dtype=kind, nullable=bool(declared.nullable), required=False, exact=exact)
            )
    return tuple(columns)
