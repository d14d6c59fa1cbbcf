"""The rows of one key, in every table of a product."""

from __future__ import annotations

import polars as pl

from windlass.lake.table import Query, Readable


def rows_of_key(table: Readable, name: str, *, column: str | None, key: str, answers: frozenset[str]) -> pl.Expr | None:
    """Which rows of the table called `name` belong to `key`; None when none can.

    `column` identifies an example. `answers` are ids of the key's predictions, whose outcomes may name no key.
    """
    if name == "predictions":
        return pl.col("key") == key
    if name in ("outcomes", "measurements"):
        return (pl.col("key") == key) | pl.col("prediction_id").is_in(list(answers))
    if column is None or column not in table.schema():
        return None
    return pl.col(column).cast(pl.String) == key


class Without:
    """A table as it reads without some rows."""

    def __init__(self, table: Readable, wanted: pl.Expr | None) -> None:
        self._table = table
        self._left = pl.lit(value=True) if wanted is None else ~wanted.fill_null(value=False)

    @property
    def exists(self) -> bool:
        return self._table.exists

    def schema(self) -> dict[str, pl.DataType]:
        return self._table.schema()

    def read(self, query: Query) -> pl.DataFrame:
        return self._table.read(lambda rows: query(rows.filter(self._left)))
