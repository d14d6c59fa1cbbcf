"""One contract, three places: where data comes in, before training, and at the request.

The contract is the user's pandera (polars) model. Frames are checked with pandera itself; at the request the same
contract is compiled (`RowDecoder`). pandera is imported only when there is a contract.
"""

from __future__ import annotations

import polars as pl

from windlass.product.contract.decoder import RowDecoder
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
from windlass.product.contract.schema import as_declared, declared_column, schema_of
from windlass.product.contract.types import describe
from windlass.product.contract.violations import validated
from windlass.product.product import Product
from windlass.records.bundle import Column

__all__ = [
    "Decoded",
    "InvalidRows",
    "MalformedBody",
    "Problem",
    "RowDecoder",
    "check_frame",
    "columns_of",
    "decode_rows",
    "empty_frame",
    "path_of",
    "reason_of",
    "schema_of",
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


def check_frame(product: type[Product] | Product, rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` as the contract leaves them (coerced, filled, filtered), NaN turned into null as it comes from JSON.

    Where the lake keeps a type that the contract declares as another one, they come in the declared one.

    The target is checked too when it is there and the contract names it; target, time and key may be missing in the
    contract even if it is strict. Raises one ContractViolated that lists every finding.
    """
    schema = schema_of(product.contract)
    plain = rows.with_columns(pl.col(name).fill_nan(None) for name, dtype in rows.schema.items() if dtype.is_float())
    if schema is None:
        return plain
    roles = [name for name in product.task.roles if name in rows.columns and declared_column(schema, name) is None]
    if product.task.target in schema.columns and product.task.target not in rows.columns:
        schema = schema.remove_columns([product.task.target])
    checked = validated(schema, as_declared(schema, plain.drop(roles)))
    merged = checked.with_columns(plain.get_column(name) for name in roles) if roles else checked
    order = [name for name in rows.columns if name in merged.columns]
    return merged.select([*order, *(name for name in merged.columns if name not in order)])
