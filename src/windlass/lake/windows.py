"""The windows that drift was judged on, one row each: what a restart goes on from, and what can be looked up later."""

from __future__ import annotations

import threading

import polars as pl

from windlass.lake.dtypes import TIMESTAMP
from windlass.lake.layout import SEQUENCE
from windlass.lake.table import Table

NAME = "windows"
COLUMNS: dict[str, pl.DataType] = {
    "version": pl.String(),
    "through": pl.Int64(),  # sequence of its last answer in the table of predictions
    "upto": pl.Int64(),  # watched answers of the version so far
    "at": TIMESTAMP,
    "rows": pl.Int64(),
    "counts": pl.String(),  # JSON: rows in each bin of the reference, column by column
}


class Windows:
    """The table of one product. Counts name nobody, so erasing a person's rows leaves them."""

    def __init__(self, table: Table, lock: threading.RLock) -> None:
        self._table = table
        self._lock = lock

    def append(self, rows: pl.DataFrame) -> None:
        """Add windows (`COLUMNS`), the earlier ones first; those that are there already are left out.

        Raises LeaseLost as `Table` does.
        """
        if rows.is_empty():
            return
        typed = rows.select(pl.col(name).cast(dtype) for name, dtype in COLUMNS.items())
        same = ["version", "through"]

        def append() -> pl.DataFrame:
            if not self._table.exists:
                return self._table.append(typed)
            held = self._table.read(lambda every: every.select(same))
            return self._table.append(typed.join(held, on=same, how="anti", maintain_order="left"))

        with self._lock:
            self._table.retrying(append)
            self._table.settle()
            self._table.tidy()

    def of(self, version: str) -> pl.DataFrame:
        """The windows of a version in the order in which they were judged."""
        with self._lock:
            if not self._table.refresh():
                return pl.DataFrame(schema=COLUMNS)
            own = self._table.read(lambda rows: rows.filter(pl.col("version") == version))
        return own.sort(SEQUENCE).select(list(COLUMNS))
