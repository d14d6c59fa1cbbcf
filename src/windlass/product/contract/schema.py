"""Reading a user's contract, which is a pandera (polars) model or schema, without importing pandera."""

from __future__ import annotations

import re
from typing import Any

from windlass.errors import ProductError


def schema_of(contract: Any | None) -> Any | None:
    """The pandera DataFrameSchema behind a contract; None without one.

    Raises ProductError for anything that is not a pandera model or schema.
    """
    if contract is None:
        return None
    make = getattr(contract, "to_schema", None)
    schema = make() if callable(make) else contract
    if not (hasattr(schema, "columns") and hasattr(schema, "checks") and callable(getattr(schema, "validate", None))):
        raise ProductError(
            f"a contract must be a pandera model or schema, not {type(contract).__name__}",
            where="`contract`",
            remedy="subclass pandera.polars.DataFrameModel, or build a pandera.polars.DataFrameSchema",
        )
    return schema


def declared_column(schema: Any | None, name: str) -> Any | None:
    """What the contract says of a column, by its name or by a pattern; None when it says nothing."""
    if schema is None:
        return None
    if name in schema.columns:
        return schema.columns[name]
    patterns = (column for column in schema.columns.values() if getattr(column, "regex", False))
    return next((column for column in patterns if re.search(column.name, name)), None)


def name_of(check: Any) -> str:
    """How a check is called in a message: its own words, its built-in form, or its function's name."""
    return str(check.error or check.name or "check")
