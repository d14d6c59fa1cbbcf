from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from windlass.monitoring import drift, load_state, profile, profile_like, save_state
from windlass.monitoring.comparison import bins_of, table_of
from windlass.monitoring.merging import merge_columns
from windlass.monitoring.report import compare_profiles


def kinds(rng: np.random.Generator, rows: int) -> pl.DataFrame:
    """Columns that tempt a test into false alarms: ties, tails, rare and ever new categories, gaps, constants."""
    rare = rng.integers(0, 3000, rows)
    return pl.DataFrame(
        {
            "normal": rng.normal(size=rows),
            "tied": rng.lognormal(size=rows).round(1),
            "tail": rng.standard_t(1, rows),
            "counts": rng.poisson(0.05, rows),
            "whole": rng.integers(0, 10_000, rows),
            "gaps": np.where(rng.random(rows) < 0.002, np.nan, rng.normal(size=rows)),
            "mostly_missing": pl.Series(rare.astype(str)).set(pl.Series(rng.random(rows) > 0.01), None),
            "many": rng.integers(0, 1000, rows).astype(str),
            "zipf": rng.zipf(1.5, rows).astype(str),
            "few": rng.choice(["a", "b", "c"], rows, p=[0.9, 0.0995, 0.0005]),
            "flag": rng.random(rows) < 0.001,
            "same": np.ones(rows),
        }
    )


@pytest.mark.parametrize(("reference", "window"), [(1500, 1500), (1500, 6000)])
def test_no_kind_of_column_brings_false_evidence(
    rng: np.random.Generator, plausible: Callable[[int, int, float], bool], reference: int, window: int
) -> None:
    """Evidence of c in at most 1 of c pairs from one place, for each kind of column by itself."""
    found: dict[str, list[float]] = {}
    for _ in range(25):
        report = drift(kinds(rng, reference), kinds(rng, window)).report
        assert not report.alert
        for column in report.columns:
            found.setdefault(column.name, []).append(column.evidence)
    assert len(found) >= 11
    for name, evidence in found.items():
        for bound in (4, 10, 40):
            hits = sum(each >= bound for each in evidence)
            assert plausible(hits, len(evidence), 1 / bound), f"{name}: {hits} of {len(evidence)} reach {bound}"


def test_the_space_beyond_the_reference_is_worth_one_row_on_either_side(rng: np.random.Generator) -> None:
    reference = profile({"x": rng.permutation(1000.0 * np.arange(1000))})
    weights = bins_of(reference.columns).weights[0]
    assert weights[0] == weights[-2] == 1
    assert weights.sum() == 1001.5
    assert weights[1] == reference.columns[0].counts[1] - 1


def test_categories_to_which_new_ones_are_coming_are_binned_by_their_hash() -> None:
    """Of some that came once, a fresh sample holds few again and others instead: own bins would call that drift."""
    closed = profile({"s": ["a"] * 50 + ["b"] * 50}).columns[0]
    still_coming = profile({"s": ["a"] * 50 + ["b"] * 50 + ["once", "single"]}).columns[0]
    assert (closed.hashed, still_coming.hashed) == (False, True)
    assert bins_of([closed]).weights[0].tolist() == [50, 50, 1, 0.5]


def test_columns_with_fewer_bins_are_padded_with_nothing(rng: np.random.Generator) -> None:
    reference = profile({"x": rng.normal(size=500), "b": rng.random(500) < 0.5})
    bins = bins_of(reference.columns)
    table = table_of(reference.columns, [column.counts for column in reference.columns])
    assert bins.weights.shape == table.shape == (2, 23)
    assert table.sum(axis=1).tolist() == [500, 500]
    assert (table[bins.weights == 0] == 0).all()
    assert table_of(reference.columns, [None, reference.columns[1].counts])[0].sum() == 0


def test_a_window_that_is_given_again_is_told_as_it_was(rng: np.random.Generator, tmp_path: Path) -> None:
    """Also where there is no alarm, and after the state was written and read."""
    reference = profile({"a": rng.normal(size=5000), "b": rng.normal(size=5000)})
    state = None
    for name in ("monday", "tuesday"):
        window = profile_like(reference, {"a": rng.normal(0.15, 1, 500), "b": rng.normal(size=500)})
        told = compare_profiles(reference, window, state=state, window=name)
        save_state(told.state, tmp_path / "state")
        state = load_state(tmp_path / "state")
        again = compare_profiles(reference, window, state=state, window=name)
        assert not told.report.alert
        assert told.report.evidence > 0
        assert again.report.again
        assert again.report.evidence == pytest.approx(told.report.evidence)
        assert [(each.evidence, each.since) for each in again.report.columns] == [
            (pytest.approx(each.evidence), each.since) for each in told.report.columns
        ]
        assert again.state == told.state


def heat(rng: np.random.Generator, first: int, last: int, *, moved: float = 0.0) -> dict[str, np.ndarray]:
    """Twenty temperatures an hour, of a daily cycle."""
    hours = np.repeat(np.arange(first, last), 20)
    return {"heat": 15 + moved + 8 * np.sin(hours * np.pi / 12) + rng.normal(0, 3, len(hours))}


def test_a_declared_season_brings_no_alarm_to_windows_of_an_hour_and_hides_no_shift(rng: np.random.Generator) -> None:
    """They are far shorter than a 160th of the reference, and differ as hours of the reference did."""
    reference, since = profile(heat(rng, 0, 60 * 24)), 60 * 24
    told = {}
    for moved in (0.0, 3.0):
        state, told[moved] = None, list[bool]()
        for hour in range(72):
            window = heat(rng, since + hour, since + hour + 1, moved=moved)
            found = drift(reference, window, state=state, seasons=True)
            state = found.state
            told[moved].append(found.report.alert)
    assert not any(told[0.0])
    assert any(told[3.0])


def test_a_profile_that_knows_one_length_counts_shorter_windows_for_one_row(rng: np.random.Generator) -> None:
    """As profiles do that were made before all lengths were kept."""
    (made,) = profile(heat(rng, 0, 60 * 24)).columns
    before = msgspec.structs.replace(made, uneven=0.1, stretch=270, stretches=())
    bins = bins_of([before], seasons=True)
    assert bins.counting(np.array([20.0]))[0] * 20 < 1
    assert bins.counting(np.array([270.0]))[0] == pytest.approx(1 / 28)
    assert bins_of([before]).counting(np.array([20.0]))[0] == 1


def test_merged_profiles_differ_by_as_much_as_either(rng: np.random.Generator) -> None:
    (made,) = profile(heat(rng, 0, 10 * 24)).columns
    first = msgspec.structs.replace(made, stretches=((16, 0.5), (32, 0.1)))
    second = msgspec.structs.replace(made, stretches=((32, 0.3), (64, 0.05)))
    even = msgspec.structs.replace(made, uneven=0.0, stretch=0, stretches=())
    assert merge_columns(first, second).stretches == ((16, 1.0), (32, 0.3), (64, 0.1))
    assert merge_columns(even, second).stretches == merge_columns(second, even).stretches == second.stretches
