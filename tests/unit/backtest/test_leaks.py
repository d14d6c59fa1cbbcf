from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from windlass.backtest.leaks import telling_columns

ROWS = 200
LABELS = np.random.default_rng(0).integers(0, 2, ROWS).astype(float)
VALUES = np.random.default_rng(1).normal(size=ROWS)


@pytest.mark.parametrize(
    ("column", "tells"),
    [
        (pl.Series(LABELS), True),
        (pl.Series(1 - LABELS).cast(pl.Int8), True),
        (pl.Series(["late" if label else "on time" for label in LABELS]), True),
        (pl.Series([f"{n % 2} {label}" for n, label in enumerate(LABELS)]), True),
        (pl.Series([None if label else "told" for label in LABELS]), True),
        (pl.Series([f"id {n}" for n in range(ROWS)]), False),
        (pl.Series(np.where(np.arange(ROWS) == 7, 1 - LABELS, LABELS)), False),
        (pl.Series(VALUES), False),
        (pl.Series([3] * ROWS), False),
        (pl.Series([[label] for label in LABELS]), False),
        (pl.Series([None] * ROWS), False),
    ],
)
def test_a_column_that_alone_tells_the_class_is_found(column, tells):
    frame = pl.DataFrame({"other": VALUES, "suspect": column})
    assert telling_columns(frame, LABELS, "binary") == (["suspect"] if tells else [])


@pytest.mark.parametrize(
    ("column", "tells"),
    [
        (VALUES, True),
        (VALUES * -2.5 + 7, True),
        (VALUES + np.random.default_rng(2).normal(scale=0.1, size=ROWS), False),
        (np.zeros(ROWS), False),
        ([date(2024, 1, 1)] * ROWS, False),
        ([None] * ROWS, False),
    ],
)
def test_a_number_that_is_the_target_in_other_units_is_found(column, tells):
    assert telling_columns(pl.DataFrame({"suspect": column}), VALUES, "regression") == (["suspect"] if tells else [])


def test_only_labelled_rows_count_and_a_few_agree_by_chance():
    known = np.where(np.arange(ROWS) % 2 == 0, LABELS, np.nan)
    copy = pl.DataFrame({"copy": np.where(np.arange(ROWS) % 2 == 0, LABELS, 5.0)})
    assert telling_columns(copy, known, "binary") == ["copy"]
    assert telling_columns(copy.head(20), known[:20], "binary") == []
