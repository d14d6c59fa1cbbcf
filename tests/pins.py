"""Training sets as the ledger knows them."""

from __future__ import annotations

from datetime import datetime

from windlass.records.data import DataPin


def pin_of(rows: int, *, product: str, as_of: datetime) -> DataPin:
    """A training set of so many rows, and nothing else about it."""
    return DataPin(
        product=product,
        upto={},
        as_of=as_of,
        start=None,
        time=None,
        key=None,
        within=0,
        absent=None,
        rows=rows,
        digest="d",
    )
