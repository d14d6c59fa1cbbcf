# ruff: noqa: DTZ001  (naive times are what files hold)
from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.backtest.file import FileRequest, infer_task, stream_from_file
from windlass.backtest.stream import NEVER
from windlass.backtest.timeline import known_moments, moments_of, read_time
from windlass.errors import DataError, UsageError

ROWS = 40
DAY = 86_400_000_000


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
    assert infer_task(pl.Series(values), "label") == kind


def test_a_target_that_says_nothing_is_an_error():
    with pytest.raises(DataError, match="always 3"):
        infer_task(pl.Series([3, 3, None]), "label")
    with pytest.raises(DataError, match="empty"):
        infer_task(pl.Series([None, None]), "label")
    with pytest.raises(DataError, match="type List"):
        infer_task(pl.Series([[1], [2]]), "label")
    with pytest.raises(DataError, match="200 different values of type String"):
        infer_task(pl.Series([f"id {n}" for n in range(200)]), "label")


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
        ({"drop": ("size", "kind"), "time": "day"}, None),
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


def test_unreadable_files_are_one_clear_error(tmp_path):
    for name, content, message in [
        ("gone.parquet", None, "no such file"),
        ("data.xlsx", b"PK", "files ending in .xlsx are not read"),
        ("broken.parquet", b"not parquet at all", "cannot be read"),
        ("ragged.csv", b"a,b\n1,2\n1,2,3,4\n", "cannot be read"),
        ("empty.csv", b"", "cannot be read"),
    ]:
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises((UsageError, DataError), match=message):
            stream_from_file(FileRequest(path=path, target="a", time="b"))


@pytest.mark.parametrize(
    "texts",
    [
        ["2024-03-01", "2024-03-02"],
        ["2024-03-01 10:20", "2024-03-02 00:00"],
        ["2024-03-01T10:20:30.5Z", "2024-03-02T00:00:00Z"],
        ["2024-03-01T10:20:30+02:00", "2024-03-02T00:00:00+02:00"],
        ["01.03.2024", "02.03.2024"],
        ["03/01/2024", "03/02/2024"],
        ["31/01/2024", "01/02/2024"],
        ["1709251200", "1709337600"],
    ],
)
def test_times_are_read_as_files_write_them(texts):
    found = read_time(pl.Series("t", [*texts, None, ""]))
    assert found.null_count() == 2
    assert found[0] < found[1]


def test_a_time_that_is_none_is_refused():
    with pytest.raises(DataError, match="has the type Boolean"):
        read_time(pl.Series("t", [True, False]))


def test_a_delay_counts_from_the_row():
    order = pl.Series("t", [date(2024, 1, 1), date(2024, 1, 3)])
    at = moments_of(order, windows=5)
    assert np.diff(at).tolist() == [2 * DAY]
    assert (known_moments(order, at, delay="36h", label_times=None) - at).tolist() == [1.5 * DAY] * 2
    assert (known_moments(order, at, delay="0", label_times=None) == at).all()


def test_a_label_is_never_known_before_its_row_and_may_never_come():
    order = pl.Series("t", [date(2024, 1, 5), date(2024, 1, 6), date(2024, 1, 7)])
    at = moments_of(order, windows=5)
    told = pl.Series("told", [date(2024, 1, 1), date(2024, 2, 6), None])
    known = known_moments(order, at, delay=None, label_times=told)
    assert known.tolist() == [at[0], at[1] + 31 * DAY, NEVER]


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=40).map(sorted),
    st.integers(0, 40),
    st.data(),
)
def test_with_numbers_a_label_is_known_when_a_row_has_come_so_far(numbers, delay, data):
    order = pl.Series("t", numbers, dtype=pl.Float64)
    at = moments_of(order, windows=5)
    known = known_moments(order, at, delay=str(delay), label_times=None)
    row = data.draw(st.integers(0, len(numbers) - 1))
    now = data.draw(st.integers(row, len(numbers) - 1))
    assert (known[row] <= at[now]) == (numbers[now] >= numbers[row] + delay)


@pytest.mark.parametrize("delay", ["7d", "-1", "nan", "inf", "x"])
def test_a_delay_among_numbers_is_a_number(delay):
    order = pl.Series("t", [1.0, 2.0])
    with pytest.raises(UsageError, match="time is one of numbers"):
        known_moments(order, moments_of(order, windows=5), delay=delay, label_times=None)
