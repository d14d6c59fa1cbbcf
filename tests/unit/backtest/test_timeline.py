from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.backtest.stream import NEVER
from windlass.backtest.timeline import early_labels, known_moments, moments_in, moments_of, read_time
from windlass.errors import DataError, UsageError

DAY = 86_400_000_000


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


def test_times_of_day_and_spans_are_times_too():
    assert read_time(pl.Series("t", [time(8), time(9, 30)]))[1] == datetime(1970, 1, 1, 9, 30, tzinfo=UTC)
    assert read_time(pl.Series("t", [timedelta(0), timedelta(days=2)]))[1] == datetime(1970, 1, 3, tzinfo=UTC)


def test_zones_are_one_clock():
    aware = pl.Series("t", [datetime(2024, 7, 1, 12)]).dt.replace_time_zone("Europe/Berlin")  # noqa: DTZ001
    assert read_time(aware)[0] == datetime(2024, 7, 1, 10, tzinfo=UTC)
    mixed = pl.Series("t", ["2024-07-01T12:00:00+02:00", "2024-07-01T11:00:00Z"])
    assert read_time(mixed).to_list() == [
        datetime(2024, 7, 1, 10, tzinfo=UTC),
        datetime(2024, 7, 1, 11, tzinfo=UTC),
    ]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["31.12.2023", None, "01.02.2024"], [date(2023, 12, 31), None, date(2024, 2, 1)]),
        (["2024-01-05 10:00"], [datetime(2024, 1, 5, 10, tzinfo=UTC)]),
        (["20240131", "20240201"], None),
        (["31.12.2023", "soon"], None),
        (["a", "b"], None),
        ([None, ""], None),
    ],
)
def test_texts_that_are_all_dates_are_dates(texts, expected):
    found = moments_in(pl.Series("due", texts, dtype=pl.String))
    assert (None if found is None else found.to_list()) == expected


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


@pytest.mark.parametrize("delay", ["7d", "", "nan", "inf", "x"])
def test_a_delay_among_numbers_is_a_number(delay):
    order = pl.Series("t", [1.0, 2.0])
    with pytest.raises(UsageError, match="time is one of numbers"):
        known_moments(order, moments_of(order, windows=5), delay=delay, label_times=None)


@pytest.mark.parametrize(
    ("order", "delay"), [([1.0, 2.0], "-1"), ([date(2024, 1, 1)], "-7d"), ([date(2024, 1, 1)], "-0.5d")]
)
def test_a_negative_delay_is_called_that(order, delay):
    times = pl.Series("t", order)
    with pytest.raises(UsageError, match="negative"):
        known_moments(times, moments_of(times, windows=5), delay=delay, label_times=None)


@pytest.mark.parametrize("delay", ["99999999d", "999999999d"])
def test_a_delay_of_ages_is_a_label_that_does_not_come(delay):
    order = pl.Series("t", [date(2024, 1, 1), date(2024, 1, 2)])
    known = known_moments(order, moments_of(order, windows=5), delay=delay, label_times=None)
    assert (known > 100 * 365 * DAY).all()
    with pytest.raises(UsageError, match="too long"):
        known_moments(order, moments_of(order, windows=5), delay="999999999999d", label_times=None)


def test_a_mere_date_is_over_before_its_labels_are_known():
    order = pl.Series("t", [datetime(2024, 1, 1, 9, tzinfo=UTC), datetime(2024, 1, 1, 17, tzinfo=UTC)])
    told = pl.Series("told", [date(2024, 1, 1), None])
    at = moments_of(order, windows=5)
    assert known_moments(order, at, delay=None, label_times=told).tolist() == [at[0] + 15 * DAY // 24, NEVER]
    assert early_labels(order, told).tolist() == [False, False]
    assert early_labels(order, pl.Series("told", [date(2023, 12, 1), None])).tolist() == [True, False]
    numbers = pl.Series("t", [1.0, 2.0])
    assert early_labels(numbers, pl.Series("told", [0.5, None])).tolist() == [True, False]
