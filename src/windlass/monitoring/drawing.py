"""Rows made up after a profile: each column as it was in the reference, and independent of the others.

No row of anybody is kept with a version, since it could not be erased from there; what its columns look like is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from windlass.monitoring.column import ColumnProfile
from windlass.monitoring.profiles import Profile
from windlass.monitoring.sketches import frequent_values, quantiles_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


def draw(profile: Profile, rows: int, *, seed: int) -> pl.DataFrame:
    """`rows` rows of the profile's columns: numbers as Float64, categories and truth values as texts, gaps as null.

    Of a category with very many values only the frequent ones are drawn. Columns that the profile does not watch
    (moments, identifiers) are not among them. The same `seed` gives the same rows.
    """
    chance = np.random.default_rng(seed)
    return pl.DataFrame([_drawn(column, rows, chance) for column in profile.columns])


def _drawn(column: ColumnProfile, rows: int, chance: np.random.Generator) -> pl.Series:
    there = chance.random(rows) >= column.missing / max(column.rows, 1)
    if column.kind == "number":
        # One from each of as many equal parts, in a random order: steadier than as many draws.
        ranks = (chance.permutation(rows) + chance.random(rows)) / rows
        values: list[Any] = quantiles_at(column.sketches.quantiles, ranks)
        dtype: pl.DataType = pl.Float64()
    else:
        values, dtype = _texts(column, rows, chance), pl.String()
    known = pl.Series(column.name, values or [None] * rows, dtype)
    return known.set(pl.Series(~there), None)


def _texts(column: ColumnProfile, rows: int, chance: np.random.Generator) -> list[str]:
    if column.categories:
        texts, counts = list(column.categories), list(column.counts[: len(column.categories)])
    else:
        frequent = frequent_values(column.sketches.frequent)
        texts, counts = [text for text, _, _ in frequent], [most for _, _, most in frequent]
    if not sum(counts):
        return []
    shares = np.asarray(counts, dtype=np.float64)
    return [texts[place] for place in chance.choice(len(texts), rows, p=shares / shares.sum())]
