"""Attributions: they add up, are exact where they can be, and are right on average where they are sampled."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.decisions.statistics.shapley import Attributed, attribute, orders_of, stations

Array = np.ndarray[Any, Any]
Model = Callable[[Array], Array]


def explained(model: Model, row: Array, reference: Array, *, seed: int = 0) -> Attributed:
    """`row` (d,) walked to from each row of `reference` (m, d), forth and back."""
    orders = orders_of(len(reference), len(row), seed=seed)
    mine = stations(orders)
    begins = np.repeat(reference, 2, axis=0)[:, None, :]
    return attribute(orders, model(np.where(mine, row, begins).reshape(-1, len(row))).reshape(mine.shape[:2]))


def exact(model: Model, row: Array, reference: Array) -> Array:
    """Shapley values by their definition, over all coalitions."""
    width = len(row)

    def worth(known: tuple[int, ...]) -> float:
        mixed = reference.copy()
        mixed[:, list(known)] = row[list(known)]
        return float(model(mixed).mean())

    values = np.zeros(width)
    for feature in range(width):
        others = [each for each in range(width) if each != feature]
        for size in range(width):
            weight = math.factorial(size) * math.factorial(width - size - 1) / math.factorial(width)
            for known in combinations(others, size):
                values[feature] += weight * (worth((*known, feature)) - worth(known))
    return values


def bent(rows: Array) -> Array:
    """No sum of functions of one feature."""
    return 1 / (1 + np.exp(-rows[:, 0] * rows[:, 1] - np.maximum(rows[:, 2], rows[:, 3])))


@given(st.integers(1, 6), st.integers(1, 20), st.integers(0, 1000))
def test_credits_add_up_to_the_prediction_minus_the_mean(width: int, rows: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    reference, row = chance.normal(size=(rows, width)), chance.normal(size=width)
    model = lambda given: np.sin(given.sum(axis=1)) + given.prod(axis=1)  # noqa: E731
    found = explained(model, row, reference)
    assert found.base == pytest.approx(model(reference).mean())
    assert found.base + found.credits.sum() == pytest.approx(model(row[None])[0])


def test_a_linear_model_is_explained_exactly() -> None:
    chance = np.random.default_rng(1)
    reference, row, weights = chance.normal(size=(5, 4)), chance.normal(size=4), np.array([2.0, -1.0, 0.5, 0.0])
    found = explained(lambda rows: rows @ weights + 3, row, reference)
    assert found.credits == pytest.approx(weights * (row - reference.mean(axis=0)))


def test_estimates_of_any_model_are_right_on_average_and_their_error_is_told() -> None:
    """300 estimates: the mean of each credit lies within four of its standard errors of the definition's value."""
    chance = np.random.default_rng(2)
    reference, row = chance.normal(size=(64, 4)), np.array([1.5, 1.0, -0.5, 2.0])
    found = [explained(bent, row, reference, seed=seed) for seed in range(300)]
    estimates = np.array([each.credits for each in found])
    off = (estimates.mean(axis=0) - exact(bent, row, reference)) / (estimates.std(axis=0, ddof=1) / np.sqrt(len(found)))
    assert np.abs(off).max() < 4
    # Rows of the reference are all walked once here, so the true spread is no more than what is told.
    assert estimates.std(axis=0, ddof=1).max() < 1.2 * np.mean([each.error for each in found])


def test_walking_back_as_well_is_steadier() -> None:
    chance = np.random.default_rng(3)
    reference, row = chance.normal(size=(32, 4)), np.array([1.5, 1.0, -0.5, 2.0])

    def without_return(seed: int) -> Array:
        orders = np.array([np.random.default_rng((seed, place)).permutation(4) for place in range(64)])
        mine, begins = stations(orders), np.repeat(reference, 2, axis=0)[:, None, :]
        said = bent(np.where(mine, row, begins).reshape(-1, 4)).reshape(64, 5)
        return attribute(orders, said).credits

    back = np.array([explained(bent, row, reference, seed=seed).credits for seed in range(200)]).var(axis=0).sum()
    forth = np.array([without_return(seed) for seed in range(200)]).var(axis=0).sum()
    assert back < forth


def test_the_same_seed_walks_the_same_and_one_pair_has_no_error() -> None:
    assert (orders_of(3, 5, seed=1) == orders_of(3, 5, seed=1)).all()
    assert (orders_of(3, 5, seed=1) != orders_of(3, 5, seed=2)).any()
    assert math.isnan(explained(bent, np.ones(4), np.zeros((1, 4))).error)
