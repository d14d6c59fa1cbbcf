"""Which predictions and outcomes are asked for, as one expression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from windlass.lake.dtypes import TIMESTAMP
from windlass.lake.layout import SEQUENCE


def conditions(
    among: Mapping[str, Sequence[str] | None],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    after_sequence: int | None = None,
    upto_sequence: int | None = None,
) -> pl.Expr:
    """Rows whose columns hold one of the values `among` (None: any), from `since` on and before `until`."""
    wanted = pl.lit(value=True)
    for column, values in among.items():
        if values is not None:
            wanted &= pl.col(column).is_in(list(values))
    if since is not None:
        wanted &= pl.col("at") >= pl.lit(since, dtype=TIMESTAMP)
    if until is not None:
        wanted &= pl.col("at") < pl.lit(until, dtype=TIMESTAMP)
    if after_sequence is not None:
        wanted &= pl.col(SEQUENCE) > after_sequence
    if upto_sequence is not None:
        wanted &= pl.col(SEQUENCE) <= upto_sequence
    return wanted
