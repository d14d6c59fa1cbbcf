"""Columns that give the answer away: copies of the target, or what was filled in together with it."""

from __future__ import annotations

import numpy as np
import polars as pl

from windlass.backtest.stream import Array
from windlass.product.model.encoder_columns import kind_of, numbers_of
from windlass.product.task import TaskKind

_SAMPLE = 500
_LEAST_ROWS = 50
"""Labelled rows below which a column may agree with the target by chance."""
_REPEATS = 10
"""Rows for each value, on average, of a column that could tell a class: an id tells every row apart."""
_SAME = 1 - 1e-9
"""Correlation from which on a number is the target in other units."""


def telling_columns(features: pl.DataFrame, target: Array, kind: TaskKind) -> list[str]:
    """The features each of which tells the target of all labelled rows.

    `target` is (n,) float64, NaN where there is no label. For classes: each value of the column goes with one class
    alone, and values repeat. For numbers: the column is the target up to scale and offset.
    """
    labelled = np.flatnonzero(np.isfinite(target))
    if len(labelled) < _LEAST_ROWS:
        return []
    known = target[labelled]
    sample = np.linspace(0, len(labelled) - 1, min(_SAMPLE, len(labelled))).astype(np.int64)
    found = []
    for column in features.get_columns():
        tells = _tells_number if kind == "regression" else _tells_class
        if tells(column[labelled[sample]], known[sample]) and tells(column[labelled], known):
            found.append(column.name)
    return found


def _tells_class(column: pl.Series, codes: Array) -> bool:
    if column.dtype.is_nested():
        return False
    pairs = pl.DataFrame({"value": column, "code": codes})
    values = pairs["value"].n_unique()
    return values * _REPEATS <= len(codes) and values > 1 and pairs.n_unique() == values and len(np.unique(codes)) > 1


def _tells_number(column: pl.Series, target: Array) -> bool:
    if kind_of(column.dtype) != "number":
        return False
    values = numbers_of(column)
    if not np.isfinite(values).all() or not np.ptp(values) or not np.ptp(target):
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(abs(np.corrcoef(values, target)[0, 1]) >= _SAME)
