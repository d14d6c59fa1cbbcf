"""Which rows judge: by time without a tie across the border, else settled for good by the key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.errors import DataError
from windlass.pipeline.split import MINIMUM, MINIMUM_PART, split_rows

START = datetime(2026, 1, 1, tzinfo=UTC)


def moments(hours: list[int]) -> pl.Series:
    return pl.Series([START + timedelta(hours=hour) for hour in sorted(hours)], dtype=pl.Datetime("us", "UTC"))


@given(st.lists(st.integers(0, 40), min_size=MINIMUM, max_size=200))
def test_by_time_the_later_rows_judge_and_no_moment_is_torn(hours: list[int]) -> None:
    times = moments(hours)
    split, order = split_rows(pl.DataFrame({"t": times}), moments=times, key=None)
    assert split.train + split.holdout == len(hours)
    assert min(split.train, split.holdout) >= MINIMUM_PART
    if split.by == "time":
        assert order is None
        assert split.boundary == times[split.train]
        assert (times[: split.train] < split.boundary).all()
        assert (times[split.train :] >= split.boundary).all()
    else:
        assert order is not None
        assert sorted(order) == list(range(len(hours)))


def test_a_fifth_judges() -> None:
    times = moments(list(range(1000)))
    split, _ = split_rows(pl.DataFrame({"t": times}), moments=times, key=None)
    assert (split.by, split.train, split.holdout) == ("time", 800, 200)


def test_one_moment_for_all_falls_back_to_the_key() -> None:
    times = moments([0] * 100)
    rows = pl.DataFrame({"k": range(100)})
    split, order = split_rows(rows, moments=times, key="k")
    assert (split.by, split.holdout, split.boundary) == ("key", 20, None)
    assert order is not None


def sides(rows: pl.DataFrame, key: str | None) -> tuple[set[object], set[object]]:
    split, order = split_rows(rows, moments=None, key=key)
    assert order is not None
    ordered = rows[order].get_column("k")
    return set(ordered[: split.train]), set(ordered[split.train :])


@pytest.mark.parametrize("key", ["k", None])
def test_rows_keep_their_side_as_others_come(key: str | None) -> None:
    rows = pl.DataFrame({"k": range(4000), "x": [number * 0.5 for number in range(4000)]})
    trained_before, judged_before = sides(rows.head(3000), key)
    trained, judged = sides(rows, key)
    # The threshold is where the hashes of 80 % lie; it moves by the noise of a sample, so a few rows may change sides.
    assert len(judged & trained_before) < 0.03 * len(judged)
    assert len(trained & judged_before) < 0.03 * len(trained)
    assert len(judged) == 800


def test_order_of_the_rows_does_not_matter_for_their_side() -> None:
    rows = pl.DataFrame({"k": [f"id-{number}" for number in range(500)]})
    assert sides(rows, "k") == sides(rows.sample(fraction=1, shuffle=True, seed=3), "k")


def test_each_part_keeps_the_order_it_had() -> None:
    split, order = split_rows(pl.DataFrame({"k": range(100)}), moments=None, key="k")
    assert order is not None
    assert (np.diff(order[: split.train]) > 0).all()
    assert (np.diff(order[split.train :]) > 0).all()


def test_too_few_rows_say_how_many_are_needed() -> None:
    with pytest.raises(DataError, match=r"19 labelled rows.*at least 20"):
        split_rows(pl.DataFrame({"k": range(19)}), moments=None, key="k")
