from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windlass.monitoring.comparison import compare
from windlass.monitoring.profile import Profile, profile


def frame(rng: np.random.Generator, rows: int, shift: float = 0.0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "normal": rng.normal(shift, 1, rows),
            "skewed": np.where(rng.random(rows) < 0.6, 0, rng.exponential(5, rows)),
            "count": rng.poisson(3, rows),
            "flag": rng.random(rows) < 0.3,
            "carrier": rng.choice(["UA", "AA", "DL", "9E"], rows, p=[0.4, 0.3, 0.2, 0.1]),
        }
    )


def test_counts_add_up_and_bins_are_even(rng: np.random.Generator) -> None:
    found = profile(frame(rng, 5000))
    assert found.rows == 5000
    for column in found.columns:
        assert sum(column.counts) == 5000
        assert column.counts[-1] == 0  # none missing
    normal = found.columns[0]
    assert normal.counts[0] == normal.counts[-2] == 0  # nothing lies outside the range
    assert all(abs(count - 500) <= 1 for count in normal.counts[1:-2])
    assert (normal.minimum, normal.maximum) == (
        normal.edges[1:-1] and np.nextafter(normal.edges[0], np.inf),
        normal.edges[-1],
    )


def test_it_is_plain_data_of_a_few_kilobytes(rng: np.random.Generator) -> None:
    found = profile(frame(rng, 2000))
    written = msgspec.json.encode(found)
    assert msgspec.json.decode(written, type=Profile) == found
    assert len(written) < 1000 * len(found.columns)


def test_what_cannot_be_judged_is_named_with_its_reason(rng: np.random.Generator) -> None:
    rows = 1000
    odd = pl.DataFrame(
        {
            "id": [f"row {place}" for place in range(rows)],
            "when": [datetime(2026, 1, 1, tzinfo=UTC)] * rows,
            "day": [date(2026, 1, 1)] * rows,
            "counter": np.arange(rows) * 3,
            "year": np.repeat([2013, 2014, 2015, 2016], rows // 4),
            "nested": [[1, 2]] * rows,
            "empty": pl.Series([None] * rows, dtype=pl.Null),
            "empty_number": pl.Series([None] * rows, dtype=pl.Float64),
            "hour": np.tile(np.arange(25) % 24, rows // 25),
        }
    )
    found = profile(odd)
    assert [column.name for column in found.columns] == ["hour"]
    assert found.unwatched["id"] == "nearly every value is its own: identifiers"
    assert found.unwatched["when"] == found.unwatched["day"] == "it is a moment"
    assert found.unwatched["counter"] == found.unwatched["year"] == "it only rises with time"
    assert found.unwatched["empty"] == found.unwatched["empty_number"] == "it is always missing"
    assert "not judged" in found.unwatched["nested"]
    assert "id: nearly every value is its own: identifiers" in compare(found, odd).unwatched


def test_a_frame_against_its_own_profile_has_not_shifted(rng: np.random.Generator) -> None:
    whole = frame(rng, 3000)
    for column in compare(profile(whole), whole).columns:
        assert column.psi == pytest.approx(0, abs=1e-12)
        assert column.p_value == pytest.approx(1)


def test_parts_count_like_the_whole_whatever_the_split(rng: np.random.Generator) -> None:
    reference, window = profile(frame(rng, 3000)), frame(rng, 1000, shift=0.4)
    whole = compare(reference, window)
    parts = compare(reference, [window[:1], window[1:300], window[300:300], window[300:]])
    assert parts == whole
    assert whole.columns[0].psi > 0.1


def test_constants_and_point_masses(rng: np.random.Generator) -> None:
    reference = profile(
        pl.DataFrame({"one": [1.0] * 500, "mass": [0.0] * 400 + rng.random(100).tolist()}).sample(
            500, shuffle=True, seed=1
        )
    )
    for moved in (0.0, 2.0):
        lost = compare(reference, pl.DataFrame({"one": [moved] * 200, "mass": [0.0] * 200}))
        assert lost.columns[0].unseen == 1.0
        assert lost.columns[0].p_value < 1e-20
    assert compare(reference, pl.DataFrame({"one": [1.0] * 200, "mass": [0.0] * 200})).columns[0].p_value == 1


def test_missing_infinite_and_not_a_number() -> None:
    values = [1.0, None, float("nan"), float("inf"), float("-inf"), 2.0, 1.5] * 50
    column = profile(pl.DataFrame({"x": values})).columns[0]
    assert column.counts[-1] == 100
    assert (column.counts[0], column.counts[-2]) == (50, 50)
    assert (column.minimum, column.maximum, column.mean) == (1.0, 2.0, 1.5)


def test_missing_values_are_told(rng: np.random.Generator) -> None:
    reference = profile(frame(rng, 1000))
    holes = frame(rng, 1000).with_columns(
        pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.col("normal")), pl.lit(None).alias("carrier")
    )
    found = {column.name: column for column in compare(reference, holes).columns}
    assert found["normal"].missing_change == 0.5
    assert found["carrier"].missing_change == 1.0
    assert found["count"].missing_change == 0.0


def test_new_and_rare_categories(rng: np.random.Generator) -> None:
    reference = profile(pl.DataFrame({"s": rng.choice(["a", "b"], 500), "many": rng.integers(0, 100, 500).astype(str)}))
    found = compare(reference, pl.DataFrame({"s": ["a"] * 50 + ["new"] * 50, "many": ["7"] * 100}))
    assert found.columns[0].unseen == 0.5
    assert found.columns[1].unseen == 0.0  # among so many, a rare one is not news
    assert len(reference.columns[1].categories) == 20


def test_categories_may_come_as_any_text_type(rng: np.random.Generator) -> None:
    text = frame(rng, 500).select("carrier")
    reference = profile(text)
    for dtype in (pl.Categorical, pl.Enum(["9E", "AA", "DL", "UA"])):
        assert profile(text.cast({"carrier": dtype})) == reference
        assert compare(reference, text.cast({"carrier": dtype})).columns[0].psi == pytest.approx(0, abs=1e-12)


def test_a_column_that_vanished_or_changed_its_type(rng: np.random.Generator) -> None:
    reference, window = profile(frame(rng, 500)), frame(rng, 200)
    changed = window.drop("flag").with_columns(pl.col("count").cast(pl.String), pl.col("normal").cast(pl.Float32))
    found = compare(reference, changed.with_columns(pl.lit(1).alias("extra")))
    assert found.vanished == ("count", "flag")
    assert [column.name for column in found.columns] == ["normal", "skewed", "carrier"]
    assert set(compare(reference, [window, changed]).vanished) == {"count", "flag"}


def test_what_the_seasons_do_within_the_reference_is_known(rng: np.random.Generator) -> None:
    days = np.arange(7300)
    seasonal = pl.DataFrame(
        {"heat": 10 * np.sin(days / 365 * 6.28) + rng.normal(size=7300), "flat": rng.normal(size=7300)}
    )
    heat, flat = profile(seasonal).columns
    assert heat.usual_psi < 0.2  # a tenth is two years here
    assert flat.usual_psi < 0.1
    assert profile(seasonal[:730]).columns[0].usual_psi == 0  # too short to tell
    assert profile(seasonal[:1825]).columns[0].usual_psi > 1  # half a year is not like the year


def test_an_empty_window(rng: np.random.Generator) -> None:
    reference = profile(frame(rng, 500))
    nothing = compare(reference, [])
    assert nothing.rows_window == 0
    assert all(np.isnan(column.psi) and column.p_value == 1 for column in nothing.columns)
    assert profile(frame(rng, 0)).columns == ()
    assert len(profile(frame(rng, 1)).columns) == 5


@settings(deadline=None)
@given(
    st.lists(st.none() | st.floats() | st.integers(-5, 5).map(float), max_size=60),
    st.lists(st.none() | st.floats(), max_size=20),
)
def test_any_numbers_are_counted_once(reference: list[float | None], window: list[float | None]) -> None:
    known = profile(pl.DataFrame({"x": pl.Series(reference, dtype=pl.Float64)}))
    for column in known.columns:
        assert sum(column.counts) == len(reference)
        assert list(column.edges) == sorted(set(column.edges))
        assert len(column.counts) == len(column.edges) + 2
    found = compare(known, pl.DataFrame({"x": pl.Series(window, dtype=pl.Float64)}))
    assert all(0 <= column.p_value <= 1 for column in found.columns)


@settings(deadline=None)
@given(st.lists(st.none() | st.text(max_size=3), max_size=60), st.lists(st.none() | st.text(max_size=3), max_size=20))
def test_any_text_is_counted_once(reference: list[str | None], window: list[str | None]) -> None:
    known = profile(pl.DataFrame({"x": pl.Series(reference, dtype=pl.String)}))
    for column in known.columns:
        assert sum(column.counts) == len(reference)
    found = compare(known, pl.DataFrame({"x": pl.Series(window, dtype=pl.String)}))
    assert all(0 <= column.unseen <= 1 for column in found.columns)
