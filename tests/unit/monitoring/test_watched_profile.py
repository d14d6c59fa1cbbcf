from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import permutations

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from windlass.errors import DataError
from windlass.monitoring.column import ColumnProfile
from windlass.monitoring.effects import effect_of
from windlass.monitoring.profiles import Profile, merge, profile, profile_like


def frame(rng: np.random.Generator, rows: int, shift: float = 0.0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "normal": rng.normal(shift, 1, rows),
            "skewed": np.where(rng.random(rows) < 0.6, 0, rng.exponential(5, rows)),
            "count": rng.poisson(3, rows),
            "flag": rng.random(rows) < 0.3,
            "carrier": rng.choice(["UA", "AA", "DL", "9E"], rows, p=[0.4, 0.3, 0.2, 0.1]),
            "zip": rng.integers(0, 150, rows).astype(str),
        }
    )


def named(found: Profile) -> dict[str, ColumnProfile]:
    return {column.name: column for column in found.columns}


def counts_and_sums(found: Profile) -> list[object]:
    """What tests and exact figures rest on; sketches are only shown."""
    return [
        (c.name, c.counts, c.total, c.squares, c.minimum, c.maximum, c.infinite, c.below, c.above, c.sketches.registers)
        for c in found.columns
    ]


def test_counts_add_up_and_bins_are_even(rng: np.random.Generator) -> None:
    found = profile(frame(rng, 5000))
    assert found.rows == 5000
    for column in found.columns:
        assert column.rows == 5000
        assert column.missing == 0
    normal = named(found)["normal"]
    assert normal.counts[0] == normal.counts[-2] == 0  # nothing lies outside the range
    assert all(abs(count - 250) <= 1 for count in normal.counts[1:-2])
    assert (normal.minimum, normal.maximum) == (np.nextafter(normal.edges[0], np.inf), normal.edges[-1])


def test_what_is_shown_is_right_within_its_error(rng: np.random.Generator) -> None:
    rows = frame(rng, 60_000)
    found = named(profile(rows))
    assert found["normal"].mean == pytest.approx(rows["normal"].mean())
    assert found["normal"].deviation == pytest.approx(rows["normal"].std(ddof=0))
    assert found["zip"].distinct == 150
    assert found["flag"].distinct == 2
    many = profile(pl.DataFrame({"x": rng.normal(size=250_000)})).columns[0]
    assert many.distinct == pytest.approx(250_000, rel=0.15)
    assert (many.minimum, many.maximum) == (np.nextafter(many.edges[0], np.inf), many.edges[-1])


def test_it_is_plain_data_of_at_most_ten_kilobytes_a_column(rng: np.random.Generator) -> None:
    wide = frame(rng, 60_000).with_columns(long=pl.lit("x" * 300) + pl.col("zip"), tiny=pl.col("normal") * 1e-300)
    found = profile(wide)
    assert {column.name: size for column in found.columns if (size := len(msgspec.json.encode(column))) > 10_000} == {}
    assert msgspec.json.decode(msgspec.json.encode(found), type=Profile) == found


def test_a_profile_of_an_earlier_release_still_opens() -> None:
    old = (
        b'{"rows":4,"columns":[{"name":"x","kind":"number","edges":[0.9,1.0,2.0],"counts":[0,2,2,0,0],"distinct":2,'
        b'"usual_psi":0.1,"minimum":1.0,"maximum":2.0,"mean":1.5},{"name":"s","kind":"category","categories":["a"],'
        b'"counts":[3,0,1],"distinct":1,"usual_psi":0.0}],"unwatched":{"id":"why"}}'
    )
    found = msgspec.json.decode(old, type=Profile)
    window = profile_like(found, pl.DataFrame({"x": [1.0, 5.0], "s": ["a", None]}))
    assert [column.counts for column in window.columns] == [(0, 1, 0, 1, 0), (1, 0, 1)]
    assert effect_of(found.columns[0], np.array(window.columns[0].counts)).unseen == 0.5


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
    assert found.unwatched["id"] == "every value is its own: identifiers"
    assert found.unwatched["when"] == found.unwatched["day"] == "it is a date or a time"
    assert found.unwatched["counter"] == found.unwatched["year"] == "it only rises with time"
    assert found.unwatched["empty"] == found.unwatched["empty_number"] == "it is always missing"
    assert "not judged" in found.unwatched["nested"]


def test_parts_merge_to_the_whole_in_any_order_to_the_bit(rng: np.random.Generator) -> None:
    reference, window = profile(frame(rng, 3000)), frame(rng, 1000, shift=0.4)
    whole = profile_like(reference, window)
    parts = [profile_like(reference, part) for part in (window[:1], window[1:300], window[300:300], window[300:])]
    merged = [counts_and_sums(merge(order)) for order in permutations(parts)]
    assert all(each == merged[0] for each in merged)
    assert merge(parts).rows == 1000
    for joined, straight in zip(merge(parts).columns, whole.columns, strict=True):
        assert joined.counts == straight.counts
        assert joined.mean == (straight.mean if straight.mean is None else pytest.approx(straight.mean))
        assert joined.deviation == (straight.deviation if straight.mean is None else pytest.approx(straight.deviation))


def test_profiles_with_other_bins_do_not_merge(rng: np.random.Generator) -> None:
    first, second = profile(frame(rng, 500)), profile(frame(rng, 500))
    with pytest.raises(DataError, match="different bins"):
        merge([first, second])
    wider = msgspec.structs.replace(first, columns=(*first.columns, *profile(pl.DataFrame({"x": [1, 2]})).columns))
    with pytest.raises(DataError, match="different columns: x"):
        merge([first, wider])


def test_constants_and_point_masses(rng: np.random.Generator) -> None:
    values = pl.DataFrame({"one": [1.0] * 500, "mass": [0.0] * 400 + rng.random(100).tolist()})
    reference = profile(values.sample(500, shuffle=True, seed=1))
    for moved in (0.0, 2.0):
        lost = profile_like(reference, pl.DataFrame({"one": [moved] * 200, "mass": [0.0] * 200}))
        assert effect_of(reference.columns[0], np.array(lost.columns[0].counts)).unseen == 1.0
    kept = profile_like(reference, pl.DataFrame({"one": [1.0] * 200, "mass": [0.0] * 200}))
    assert kept.columns[0].counts == (0, 200, 0, 0)


def test_missing_infinite_and_not_a_number() -> None:
    values = [1.0, None, float("nan"), float("inf"), float("-inf"), 2.0, 1.5] * 50
    column = profile(pl.DataFrame({"x": values})).columns[0]
    assert column.missing == 100
    assert (column.counts[0], column.counts[-2]) == (50, 50)
    assert (column.minimum, column.maximum, column.mean, column.infinite) == (1.0, 2.0, 1.5, 100)


def test_new_and_rare_categories(rng: np.random.Generator) -> None:
    reference = profile(pl.DataFrame({"s": rng.choice(["a", "b"], 500), "many": rng.integers(0, 100, 500).astype(str)}))
    window = profile_like(reference, pl.DataFrame({"s": ["a"] * 50 + ["new"] * 50, "many": ["7"] * 100}))
    effects = [
        effect_of(own, np.array(each.counts)) for own, each in zip(reference.columns, window.columns, strict=True)
    ]
    assert effects[0].unseen == 0.5
    assert effects[1].unseen == 0.0  # among so many, nobody remembers which there were
    assert effects[1].psi is not None
    assert effects[1].psi > 1
    assert reference.columns[1].hashed


def test_many_categories_are_binned_without_choosing_the_lucky_ones(rng: np.random.Generator) -> None:
    """The most frequent of a thousand equal categories were lucky, and a fresh sample would show fewer of them.

    So the bins follow an order that no data has chosen, and their shares in a fresh sample are what they were.
    """
    change = []
    for _ in range(40):
        reference = profile(pl.DataFrame({"s": rng.integers(0, 1000, 5000).astype(str)}))
        window = profile_like(reference, pl.DataFrame({"s": rng.integers(0, 1000, 5000).astype(str)}))
        change.append(np.subtract(window.columns[0].counts, reference.columns[0].counts)[:19])
    assert np.abs(np.mean(change)) < 4 * np.sqrt(2 * 250 / 40 / 19)


def test_categories_may_come_as_any_text_type(rng: np.random.Generator) -> None:
    text = frame(rng, 500).select("carrier")
    reference = profile(text)
    for dtype in (pl.Categorical, pl.Enum(["9E", "AA", "DL", "UA"])):
        assert profile(text.cast({"carrier": dtype})) == reference
        assert profile_like(reference, text.cast({"carrier": dtype})).columns[0].counts == reference.columns[0].counts


def test_a_column_that_vanished_or_changed_its_type(rng: np.random.Generator) -> None:
    reference, window = profile(frame(rng, 500)), frame(rng, 200)
    changed = window.drop("flag").with_columns(pl.col("count").cast(pl.String), pl.col("normal").cast(pl.Float32))
    found = profile_like(reference, changed.with_columns(pl.lit(1).alias("extra"), pl.lit(None).alias("carrier")))
    assert found.vanished == ("count", "flag")
    assert found.unknown == ("extra",)
    assert named(found)["carrier"].missing == 200  # nothing of a type is no other type


def test_how_uneven_the_reference_is_in_itself(rng: np.random.Generator) -> None:
    days = np.arange(7300)
    season = 10 * np.sin(days / 365 * 6.28)
    weather = pl.DataFrame(
        {
            "heat": season + rng.normal(size=7300),
            "warm": np.where(season + rng.normal(size=7300) > 0, "yes", "no"),
            "flat": rng.normal(size=7300),
            "coin": rng.random(7300) < 0.5,
        }
    )
    heat, warm, flat, coin = profile(weather).columns
    assert (flat.uneven, coin.uneven) == (0, 0)
    assert 100 <= heat.stretch <= 500  # what a year does shows in a part of it, not in years
    assert heat.stretch * heat.uneven > 3
    assert warm.stretch * warm.uneven > 3
    assert [column.uneven for column in profile(weather[:300]).columns] == [0] * 4  # too short to tell
    assert (flat.stretches, coin.stretches) == ((), ())
    assert [rows for rows, _ in heat.stretches] == [16, 32, 64, 128, 256, 512, 1024]
    for column in (heat, warm):
        assert column.stretches[0][1] > 0.3  # within weeks all of the season
        assert column.stretches[-1][1] < 0.1  # within three years hardly any


def test_what_only_hours_show_is_known_of_hours(rng: np.random.Generator) -> None:
    """A hundred days of 480 rows: no stretch of a 160th shows what single hours do, and those of a day none of it."""
    hours = np.repeat(np.arange(2400), 20)
    gaps = rng.random(48_000) < np.where(hours % 24 == 3, 0.3, 0.0)
    (column, gone) = profile(
        {"load": np.sin(hours * np.pi / 12) + rng.normal(size=48_000), "gaps": np.where(gaps, np.nan, 1.0)}
    ).columns
    for found in (column, gone):
        known = dict(found.stretches)
        assert known[16] > 0.15
        assert known[16] > 20 * known[4096]


def test_empty_and_tiny_frames(rng: np.random.Generator) -> None:
    reference = profile(frame(rng, 500))
    nothing = profile_like(reference, frame(rng, 0))
    assert nothing.rows == 0
    assert [sum(column.counts) for column in nothing.columns] == [0] * 6
    assert nothing.vanished == ()
    assert effect_of(reference.columns[0], np.array(nothing.columns[0].counts)).psi is None
    assert profile(frame(rng, 0)).columns == ()
    assert len(profile(frame(rng, 1)).columns) == 6


@given(
    st.lists(st.none() | st.floats() | st.integers(-5, 5).map(float), max_size=60),
    st.lists(st.none() | st.floats(), max_size=20),
)
def test_any_numbers_are_counted_once(reference: list[float | None], window: list[float | None]) -> None:
    known = profile(pl.DataFrame({"x": pl.Series(reference, dtype=pl.Float64)}))
    found = profile_like(known, pl.DataFrame({"x": pl.Series(window, dtype=pl.Float64)}))
    for column, counted in zip(known.columns, found.columns, strict=True):
        assert sum(column.counts) == len(reference)
        assert list(column.edges) == sorted(set(column.edges))
        assert len(column.counts) == len(column.edges) + 2
        assert sum(counted.counts) == len(window)
        assert msgspec.json.decode(msgspec.json.encode(counted), type=ColumnProfile) == counted
        effect_of(column, np.array(counted.counts), window=counted)


@given(st.lists(st.none() | st.text(max_size=3), max_size=60), st.lists(st.none() | st.text(max_size=3), max_size=20))
def test_any_text_is_counted_once(reference: list[str | None], window: list[str | None]) -> None:
    known = profile(pl.DataFrame({"x": pl.Series(reference, dtype=pl.String)}))
    found = profile_like(known, pl.DataFrame({"x": pl.Series(window, dtype=pl.String)}))
    for column, counted in zip(known.columns, found.columns, strict=True):
        assert sum(column.counts) == len(reference)
        assert sum(counted.counts) == len(window)
        assert 0 <= effect_of(column, np.array(counted.counts)).unseen <= 1


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=8), min_size=1, max_size=5),
    st.randoms(),
)
def test_sums_are_the_same_in_any_order(parts: list[list[float]], random: object) -> None:
    reference = profile(pl.DataFrame({"x": [0.0, 1.0, 0.5]}))
    made = [profile_like(reference, pl.DataFrame({"x": pl.Series(part, dtype=pl.Float64)})) for part in parts]
    shuffled = list(made)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert counts_and_sums(merge(made)) == counts_and_sums(merge(shuffled))


@pytest.mark.parametrize(
    ("share", "values"),
    [
        (0.3, [1e6]),
        (0.3, [1e3, -1e3]),  # they cancel in the mean
        (0.01, [50.0, -50.0]),
        (0.001, [1e4, -1e4]),
        (1.0, [-8.0, 8.0]),
    ],
)
def test_rows_far_beyond_the_reference_are_as_far_as_they_are(
    rng: np.random.Generator, share: float, values: list[float]
) -> None:
    """Against the distance of SciPy."""
    usual, faulty = rng.normal(size=4000), rng.normal(size=4000)
    wrong = int(share * 4000)
    faulty[:wrong] = np.resize(values, wrong)
    reference = profile(pl.DataFrame({"x": usual}))
    window = profile_like(reference, pl.DataFrame({"x": faulty}))
    effect = effect_of(reference.columns[0], np.array(window.columns[0].counts), window=window.columns[0])
    assert effect.wasserstein == pytest.approx(wasserstein_distance(usual, faulty), rel=0.03, abs=0.02)


def test_infinite_rows_lie_at_the_ends_for_the_distance(rng: np.random.Generator) -> None:
    usual, finite = rng.normal(size=4000), rng.normal(size=4000)
    reference = profile(pl.DataFrame({"x": usual}))
    endless = finite.copy()
    finite[:400], endless[:400] = usual.max(), np.inf
    endless[400:800] = 1e3
    finite[400:800] = 1e3
    windows = [profile_like(reference, pl.DataFrame({"x": rows})).columns[0] for rows in (finite, endless)]
    found = [effect_of(reference.columns[0], np.array(each.counts), window=each).wasserstein for each in windows]
    assert found[0] == pytest.approx(wasserstein_distance(usual, finite), rel=0.02)
    assert found[1] == pytest.approx(found[0] / 0.9, rel=0.01)  # the shift of the finite ones, a tenth fewer, is larger


def test_one_value_is_at_no_distance_from_itself() -> None:
    reference = profile(pl.DataFrame({"x": [0.1]}))
    window = profile_like(reference, pl.DataFrame({"x": [0.1] * 9}))
    assert (
        effect_of(reference.columns[0], np.array(window.columns[0].counts), window=window.columns[0]).wasserstein == 0
    )
