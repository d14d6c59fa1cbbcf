"""What one extracted frame says more than once: equal rows, and several rows of one key."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

_ROW = "_row"


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """How many rows of a frame do not count, and where to look."""

    equal: int = 0
    """Rows left out because a later row of the frame equals them in every column."""
    superseded: int = 0
    """Rows whose key has another row in the frame, which counts in their place."""
    keys: int = 0
    """Keys with superseded rows."""
    first: tuple[int, int] | None = None
    """The first superseded row and the one that counts in its place, by their numbers in the frame."""


def settle(rows: pl.DataFrame, *, key: str | None, time: str) -> tuple[pl.DataFrame, Repeats]:
    """`rows` with equal ones kept once, and those of one key put into the order of the column `time`.

    The last row of a key counts. Which one that is must not hang on the order in which a source happens to answer, so
    it is the latest; rows of the same moment stay in the frame's order. Rows without a key stand for themselves.
    """
    distinct = rows.with_row_index(_ROW).unique(rows.columns, keep="last", maintain_order=True)
    equal = rows.height - distinct.height
    several = _several(distinct, key, time)
    if several.is_empty():
        return distinct.drop(_ROW), Repeats(equal=equal)
    order = pl.int_range(distinct.height, eager=True).scatter(several["place"], several["takes"])
    superseded = several.filter(pl.col("row") != pl.col("latest"))
    repeats = Repeats(
        equal=equal,
        superseded=superseded.height,
        keys=superseded["key"].n_unique(),
        first=superseded.select("row", "latest").row(0),
    )
    return distinct[order].drop(_ROW), repeats


def _several(distinct: pl.DataFrame, key: str | None, time: str) -> pl.DataFrame:
    """The rows of keys that have more than one: where each stands, which row comes there, and which one counts."""
    if key is None or key not in distinct.columns:
        return pl.DataFrame()
    return (
        distinct.select(
            pl.int_range(pl.len()).alias("place"),
            pl.col(_ROW).alias("row"),
            pl.col(key).alias("key"),
            pl.col(time).alias("time"),
        )
        .filter(pl.col("key").is_not_null() & pl.col("key").is_duplicated())
        .with_columns(
            pl.col("place").sort_by("time", maintain_order=True).over("key").alias("takes"),
            pl.col("row").sort_by("time", maintain_order=True).last().over("key").alias("latest"),
        )
    )
