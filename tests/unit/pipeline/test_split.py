"""Which rows judge: by time without a tie across the border, else settled for good by the key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.errors import DataError
from windlass.pipeline.rows.split import (
    HOLDOUT,
    LEAST,
    MINIMUM,
    MINIMUM_PART,
    MOST,
    WATCHED,
    Split,
    choosing_place,
    holdout_place,
    split_rows,
)

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


@pytest.mark.parametrize(
    ("rows", "fresh", "judge"),
    [
        (1000, None, 200),  # nobody has seen any: a fifth
        (100_000, None, MOST),
        (10_000, 10_000, 2000),
        (10_000, 3000, 1500),  # half of what is new
        (10_000, 300, LEAST),  # of 200 rows that judge, all are new
        (10_000, 50, LEAST),  # 50 are, and a bound is still judged on 200
        (500, 50, 100),
        (300, None, WATCHED),  # a third, or nobody would watch for decay
        (120, None, 60),
    ],
)
def test_half_of_what_is_new_judges_at_the_most(rows: int, fresh: int | None, judge: int) -> None:
    at = np.arange(rows)
    assert holdout_place(at, fresh=rows if fresh is None else fresh) == rows - judge


@given(st.lists(st.integers(0, 300), min_size=MINIMUM, max_size=400), st.integers(0, 400))
def test_never_more_than_about_a_fifth_or_a_hundred_judges(hours: list[int], fresh: int) -> None:
    at = np.sort(np.array(hours))
    place = holdout_place(at, fresh=min(fresh, len(at)))
    widest = np.unique(at, return_counts=True)[1].max()
    if place is not None:
        assert MINIMUM_PART <= place <= len(at) - MINIMUM_PART
        assert len(at) - place <= max(round(HOLDOUT * len(at)), min(WATCHED, len(at) // 2)) + widest
        assert at[place - 1] < at[place]


@pytest.mark.parametrize(
    ("rows", "place", "changed", "choosing"),
    [
        (5000, 4000, 0, 2667),  # the newest third of those that train
        (2500, 2000, 0, 2000),  # what is left is too few for a stretch of its own
        (5000, 4000, 1600, 3700),  # of 600 that train since a change, half
        (5000, 4000, 1198, 2667),  # half of these is too few
        (5000, 4000, 5000, 2667),  # nearly all rows came since: the third is enough
        (2500, 2000, 900, 1800),  # few rows in all, but the changed ones compete
    ],
)
def test_the_newer_rows_that_train_choose_first(rows: int, place: int, changed: int, choosing: int) -> None:
    assert choosing_place(np.arange(rows), place, changed=changed) == choosing


def test_those_that_choose_share_no_moment_with_the_older_ones() -> None:
    at = np.sort(np.random.default_rng(0).integers(0, 40, 5000))
    place = int(np.searchsorted(at, 32))
    choosing = choosing_place(at, place)
    assert 0 < choosing < place
    assert at[choosing - 1] < at[choosing]


def test_where_nothing_is_new_the_rows_judge_that_judged_the_champion() -> None:
    times = moments(list(range(5000)))
    frame = pl.DataFrame({"t": times})
    first, _ = split_rows(frame, moments=times, key=None)
    assert split_rows(frame, moments=times, key=None, learned=first)[0] == first
    grown = moments(list(range(5600)))
    second, _ = split_rows(pl.DataFrame({"t": grown}), moments=grown, key=None, learned=first)
    assert (second.train, second.holdout) == (5300, 300)
    assert split_rows(pl.DataFrame({"t": grown}), moments=grown, key=None, learned=second)[0] == second
    by_key = Split(by="key", train=4000, holdout=1000)
    assert split_rows(frame, moments=times, key=None, learned=by_key)[0] == first


def test_one_moment_for_all_falls_back_to_the_key() -> None:
    times = moments([0] * 100)
    rows = pl.DataFrame({"k": range(100)})
    split, order = split_rows(rows, moments=times, key="k")
    assert (split.by, split.holdout, split.boundary) == ("key", 50, None)
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
