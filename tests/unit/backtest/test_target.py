from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from windlass.backtest.target import encode_of_file, infer_task, plain_target, task_of
from windlass.errors import DataError


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 1] * 20, "binary"),
        ([True, False] * 20, "binary"),
        (["no", "yes"] * 20, "binary"),
        ([0.0, 1.0] * 20, "binary"),
        ([7, 9] * 20, "binary"),
        (["a", "b", "c", "d"] * 10, "multiclass"),
        ([0, 1, 2, 3] * 10, "multiclass"),
        ([1.0, 2.0, 3.0, None] * 10, "multiclass"),
        ([0, 10, 20, 30] * 10, "regression"),
        ([0.5, 1.5] * 20, "regression"),
        (list(range(40)), "regression"),
        ([float(n) / 3 for n in range(40)], "regression"),
    ],
)
def test_the_task_is_told_by_the_target(values, kind):
    assert infer_task(pl.Series(values)) == kind


def test_a_target_that_says_nothing_is_an_error():
    with pytest.raises(DataError, match="always 3"):
        infer_task(pl.Series([3, 3, None]))
    with pytest.raises(DataError, match="empty"):
        infer_task(pl.Series([None, None]))
    with pytest.raises(DataError, match="always 3"):
        task_of(pl.Series("label", [3, 3]), "regression", [])
    with pytest.raises(DataError, match="200 different values of type String"):
        infer_task(pl.Series([f"id {n}" for n in range(200)]))


@pytest.mark.parametrize(
    "values",
    [
        pl.Series("label", [[1], [2]]),
        pl.Series("label", [{"a": 1}, {"a": 2}]),
        pl.Series("label", [b"x", b"y"]),
        pl.Series("label", [date(2024, 1, 1), date(2024, 1, 2)]),
    ],
)
def test_types_that_nothing_predicts_are_refused_by_name(values):
    with pytest.raises(DataError, match="cannot be a target") as caught:
        plain_target(values, kind=None)
    assert "--target" in caught.value.remedy


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([Decimal("0.00"), Decimal("1.00"), None], "binary", [0.0, 1.0, None]),
        ([Decimal("1.25"), Decimal("2.50"), Decimal("0.75")], "regression", [1.25, 2.5, 0.75]),
        (["1.5", " 2.25", "3"], "regression", [1.5, 2.25, 3.0]),
        (["0", "1", None], "binary", [0.0, 1.0, None]),
        ([float("inf"), float("nan"), 2.5, 3.5], "regression", [None, None, 2.5, 3.5]),
        (["yes", "no", None], "binary", [1.0, 0.0, None]),
        (["1", "nan", "2"], "multiclass", [0.0, 2.0, 1.0]),
        ([True, False, None], "binary", [1.0, 0.0, None]),
    ],
)
def test_labels_are_read_however_they_were_written(values, kind, expected):
    notes: list[str] = []
    target = plain_target(pl.Series("label", values), kind=None)
    task = task_of(target, None, notes)
    codes, _ = encode_of_file(target, task, notes)
    assert task.kind == kind
    np.testing.assert_array_equal(codes, np.array(expected, dtype=float))
    assert "--task says otherwise" in notes[0]


def test_truth_values_are_numbers_where_a_regression_is_asked_for():
    target = plain_target(pl.Series("label", [True, False]), kind="regression")
    assert encode_of_file(target, task_of(target, "regression", []), [])[0].tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        (["a", "b", "c"], "binary", "3 labels"),
        ([0.5, 1.5, 2.5], "multiclass", "0.5 is a fraction"),
        (["a", "b", "c"], "regression", "of type String"),
    ],
)
def test_a_task_that_does_not_fit_is_told_with_options_of_the_command(values, kind, message):
    target = plain_target(pl.Series("label", values), kind=kind)
    with pytest.raises(DataError, match=message) as caught:
        encode_of_file(target, task_of(target, kind, []), [])
    assert "--task" in caught.value.remedy
    assert "extract" not in caught.value.remedy
