"""How far a window is from its reference: held against divergences that are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from windlass.monitoring.distance import distance
from windlass.monitoring.profiles import profile, profile_like


def away(reference: dict[str, Any], window: dict[str, Any]) -> float:
    fixed = profile(pl.DataFrame(reference))
    return distance(fixed, profile_like(fixed, pl.DataFrame(window)))


def test_rows_like_the_reference_are_at_no_distance() -> None:
    random = np.random.default_rng(0)
    found = [
        away({"x": random.normal(size=2000), "g": random.choice(list("abc"), 2000)},
             {"x": random.normal(size=500), "g": random.choice(list("abc"), 500)})
        for _ in range(20)
    ]  # fmt: skip
    assert max(found) < 0.1  # chance: a standard deviation of sqrt(2 x 22) / 400
    assert np.mean(found) < 0.02


def test_a_part_of_the_reference_is_as_far_as_its_share_says() -> None:
    random = np.random.default_rng(1)
    group = random.choice(["a", "b"], 20_000, p=[0.25, 0.75])
    assert away({"g": group}, {"g": ["a"] * 5000}) == pytest.approx(1 / 0.25 - 1, rel=0.05)
    x = np.sort(random.normal(size=21_000))
    assert away({"x": x[random.permutation(21_000)]}, {"x": x[14_000:]}) == pytest.approx(2, rel=0.1)


def test_numbers_that_move_and_columns_that_do_so_together() -> None:
    random = np.random.default_rng(2)
    x, y = random.normal(size=(2, 20_000))
    moved = random.normal(1, 1, 20_000)
    one = away({"x": x, "y": y}, {"x": moved, "y": random.normal(size=20_000)})
    assert 1.0 < one < np.e - 1  # of the densities e - 1; bins see less of it
    both = away({"x": x, "y": y}, {"x": moved, "y": random.normal(1, 1, 20_000)})
    assert both == pytest.approx(2 * one, rel=0.1)


@pytest.mark.parametrize(
    "window",
    [
        {"g": ["new"] * 30 + ["a"] * 70},
        {"g": [None] * 30 + ["a"] * 70},
        {"g": ["a"] * 100, "x": [50.0] * 30 + [0.0] * 70},
        {"g": ["a"] * 100, "x": [None] * 30 + [0.0] * 70},
    ],
)
def test_what_the_reference_never_had_leaves_next_to_none_of_its_rows(window: dict[str, Any]) -> None:
    random = np.random.default_rng(3)
    reference = {"g": random.choice(["a", "b"], 2000), "x": random.normal(size=2000)}
    assert away(reference, {"x": random.normal(size=100)} | window) > 2000 * 0.3**2 * 0.9


def test_one_odd_row_is_no_distance() -> None:
    random = np.random.default_rng(5)
    x = random.normal(size=20_000)
    assert away({"x": x}, {"x": [*x[:99], 99.0]}) < 0.3


def test_what_rises_with_time_and_identifiers_are_where_they_always_are() -> None:
    reference = {"counter": np.arange(3000), "order": [f"order {place}" for place in range(3000)]}
    later = {"counter": np.arange(3000, 4000), "order": [f"order {place}" for place in range(3000, 4000)]}
    assert away(reference, later) < 0.1


def test_how_the_reference_moves_by_itself_is_no_distance() -> None:
    """Seasons that it has shown: a window of one of them."""
    random = np.random.default_rng(4)
    season = np.repeat(np.tile([-1.0, 1.0], 8), 500)
    swinging = away({"x": season + random.normal(size=8000)}, {"x": 1 + random.normal(size=500)})
    mixed = away({"x": random.permutation(season) + random.normal(size=8000)}, {"x": 1 + random.normal(size=500)})
    assert swinging < 0.2 * mixed


def test_a_window_without_rows_and_columns_that_are_gone() -> None:
    reference = {"x": np.arange(300) % 7, "y": np.arange(300) % 3}
    assert away(reference, {"x": [], "y": []}) == 0.0
    assert away(reference, {"y": np.arange(300) % 3}) < 0.01  # what is not there tells nothing either way
