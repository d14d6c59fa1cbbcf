# ruff: noqa: DTZ001  (naive times are what files hold)
from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from windlass.backtest.file import FileRequest, stream_from_file
from windlass.backtest.stream import NEVER
from windlass.errors import DataError, UsageError
from windlass.product.policy import Retrain

ROWS = 40


def table(**columns) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "day": [date(2024, 1, 1) + timedelta(days=n) for n in range(ROWS)],
            "size": [float(n % 9) for n in range(ROWS)],
            "kind": ["abc"[n % 3] for n in range(ROWS)],
            "label": [n % 2 for n in range(ROWS)],
        }
        | columns
    )


def stream(tmp_path, frame, *, suffix="parquet", **request):
    path = tmp_path / f"data.{suffix}"
    frame.write_parquet(path) if suffix == "parquet" else frame.write_csv(path)
    return stream_from_file(FileRequest(path=path, **({"target": "label", "time": "day"} | request)))


def test_roles_are_kept_apart(tmp_path):
    frame = table(told=[datetime(2024, 3, 1)] * ROWS, leak=list(range(ROWS)))
    found = stream(tmp_path, frame, label_time="told", drop=("leak",))
    assert found.features.columns == ["day", "size", "kind"]
    assert found.watched == ("size", "kind")
    assert "label" not in found.rows.columns
    assert "told" not in found.features.columns


def test_a_csv_with_text_dates_and_gaps_is_read(tmp_path):
    frame = table(size=[None if n % 4 == 0 else n / 2 for n in range(ROWS)]).with_columns(
        day=pl.col("day").dt.strftime("%d.%m.%Y"), due=pl.lit("2024-05-01")
    )
    found = stream(tmp_path, frame, suffix="csv")
    assert found.order.to_list() == table()["day"].to_list()
    assert found.features.schema["due"] == pl.Date
    assert found.features["size"].null_count() == 10


def test_rows_are_put_in_order_and_ties_stay_as_in_the_file(tmp_path):
    years = [2020 + (n * 7 % 4) for n in range(ROWS)]
    found = stream(tmp_path, table(year=years, place=list(range(ROWS))), time="year")
    expected = sorted(range(ROWS), key=lambda n: years[n])
    assert found.rows["place"].to_list() == expected
    assert "year" not in found.features.columns
    assert (np.diff(found.at) > 0).all()


def test_columns_of_lists_are_no_features_and_told(tmp_path):
    found = stream(tmp_path, table(tags=[["a", "b"]] * ROWS))
    assert found.features.columns == ["day", "size", "kind"]
    assert any("tags (List(String))" in note for note in found.notes)


def test_rows_without_a_time_are_left_out_and_told(tmp_path):
    days = [None if n < 5 else date(2024, 1, 1) + timedelta(days=n) for n in range(ROWS)]
    found = stream(tmp_path, table(day=days))
    assert len(found) == 35
    assert any("5 rows without a day" in note for note in found.notes)
    with pytest.raises(DataError, match="no row has a time"):
        stream(tmp_path, table(day=pl.Series([None] * ROWS, dtype=pl.Date)))


def test_a_null_or_not_a_number_is_no_label(tmp_path):
    labels = [
        float("nan") if n % 10 == 0 else float("inf") if n % 5 == 0 else None if n % 5 == 1 else float(n % 2)
        for n in range(ROWS)
    ]
    found = stream(tmp_path, table(label=labels))
    assert found.product.task.kind == "binary"
    assert np.isnan(found.target).sum() == 16
    assert (found.known_at[np.isnan(found.target)] == NEVER).all()


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"target": "lable"}, "did you mean 'label'"),
        ({"time": "nope"}, "no column 'nope'"),
        ({"drop": ("knid",)}, "did you mean 'kind'"),
        ({"target": "day"}, "given as --target and as --time"),
        ({"drop": ("label",)}, "given as --target and as --drop"),
        ({"label_delay": "1d", "label_time": "day"}, "exclude each other"),
        ({"label_delay": "soon"}, "not a duration"),
        ({"label_delay": "5"}, "not a duration"),
        ({"label_delay": "-1d"}, "negative"),
        ({"drop": ("size", "kind"), "time": "day"}, None),
        ({"target": "LABEL"}, "did you mean 'label'"),
        ({"label_time": "label"}, "given as --target and as --label-time"),
        ({"drop": ("day", "size", "kind")}, "no column is left"),
        ({"metric": "auc"}, "no metric 'auc' for a binary task"),
        ({"metric": "cost"}, "needs a cost matrix"),
        ({"label_time": "size"}, "label time has the type"),
        ({"label_time": "kind"}, "not read as a time"),
        ({"time": "kind"}, "'a' is not read as a time"),
        ({"task": "multiclass"}, "just two labels"),
        ({"task": "regression", "target": "kind"}, "a regression learns numbers"),
    ],
)
def test_wrong_roles_say_which_and_what_to_do(tmp_path, request_, message):
    if message is None:
        assert stream(tmp_path, table(), **request_).features.columns == ["day"]
        return
    with pytest.raises((UsageError, DataError), match=message) as caught:
        stream(tmp_path, table(), **request_)
    assert caught.value.remedy


def test_the_times_may_be_dropped_as_features_and_keep_their_roles(tmp_path):
    frame = table(told=[datetime(2024, 3, 1)] * ROWS)
    found = stream(tmp_path, frame, label_time="told", drop=("told", "day"))
    assert found.features.columns == ["size", "kind"]
    assert found.order.to_list() == frame["day"].to_list()
    assert found.known_at[0] == 1_709_251_200_000_000


def test_labels_without_a_time_or_before_their_row_are_told(tmp_path):
    told = [None if n < 3 else date(2023, 1, 1) if n < 5 else date(2024, 6, 1) for n in range(ROWS)]
    labels = [None if n == 0 else n % 2 for n in range(ROWS)]
    found = stream(tmp_path, table(told=told, label=labels), label_time="told")
    assert any("2 labels have no told" in note for note in found.notes)
    assert any("2 labels have a told before their row" in note for note in found.notes)
    assert (found.known_at[:3] == NEVER).all()
    assert (found.known_at[3:5] == found.at[3:5]).all()


def test_how_long_labels_take_is_known_to_the_loop(tmp_path):
    def within(frame, **request):
        return stream(tmp_path, frame, **request).product.outcome.within

    days = table()["day"]
    assert within(table()) == timedelta(0)
    assert within(table(), label_delay="36h") == timedelta(hours=36)
    # among numbers a label takes as many windows, each a week, as its delay spans; six rows of 40 in 20 windows
    numbers = table(step=list(range(ROWS)))
    assert within(numbers, time="step", label_delay="6") == timedelta(weeks=6 * 20 / 32)
    quick = table(told=days + timedelta(days=2))
    assert within(quick, label_time="told") == timedelta(days=30)
    # 3 rows a day, so that the history of 40 days sees labels that take 35 days
    slow = pl.concat([table(day=days + timedelta(days=40 * n)) for n in range(5)])
    slow = slow.with_columns(told=pl.col("day") + timedelta(days=35))
    assert within(slow, label_time="told") == timedelta(days=35)


def test_windows_of_hours_may_retrain_each(tmp_path):
    minutes = [datetime(2024, 1, 1) + timedelta(minutes=n) for n in range(ROWS)]
    found = stream(tmp_path, table(day=minutes), windows=4)
    assert found.product.retrain.cooldown == timedelta(minutes=31) / 4
    assert any("once a window" in note for note in found.notes)
    assert stream(tmp_path, table(), windows=4).product.retrain == Retrain()


def test_what_gives_the_answer_away_is_told(tmp_path):
    frame = pl.concat([table(copy=[n % 2 == 0 for n in range(ROWS)])] * 2)
    assert any("copy alone tells label" in note for note in stream(tmp_path, frame).notes)


def test_texts_that_are_dates_become_dates(tmp_path):
    frame = table(due=["31.12.2023", "01.02.2024"] * (ROWS // 2))
    assert stream(tmp_path, frame).features.schema["due"] == pl.Date


def test_the_seed_is_that_of_the_default_estimator_and_leaves_others_alone(tmp_path):
    assert stream(tmp_path, table(), seed=7).product.estimator.random_state == 7
    assert stream(tmp_path, table(), seed=7, estimator=LogisticRegression()).product.estimator.random_state is None


def test_times_are_shown_as_the_file_has_them(tmp_path):
    assert stream(tmp_path, table()).time_at(0) == "2024-01-01"
    assert stream(tmp_path, table(year=[2015] * ROWS), time="year").time_at(0) == 2015
    assert stream(tmp_path, table(step=[n / 4 for n in range(ROWS)]), time="step").time_at(1) == 0.25
