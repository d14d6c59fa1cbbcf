"""What holds at every look: claims of `statistics.sequential`, each with a simulation that would refute it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.decisions.statistics.sequential import (
    change_evidence,
    distribution_radius,
    evidence_above,
    proportion_bounds,
)

Plausible = Callable[[int, int, float], bool]


@pytest.mark.parametrize("spread", [0.02, 0.3])
def test_a_bet_on_a_true_null_seldom_wins_however_often_one_looks(
    spread: float, rng: np.random.Generator, plausible: Plausible
) -> None:
    """`evidence_above` takes the largest of all looks, so this counts a win at any of 2,000."""
    alpha = 0.05
    wins = sum(evidence_above(rng.uniform(0.5 - spread, 0.5 + spread, 2000), 0.5) >= 1 / alpha for _ in range(600))
    assert plausible(wins, 600, alpha)


def test_a_t_test_asked_after_every_row_would_not_do(rng: np.random.Generator, plausible: Plausible) -> None:
    """Why the bets are needed: the plain test at 5 %, asked again and again, is wrong far more often."""
    rows = np.arange(1, 2001)
    wrong = 0
    for _ in range(200):
        values = rng.uniform(-1, 1, 2000)
        z = np.cumsum(values) / np.sqrt(rows / 3)
        wrong += bool((z[30:] > 1.645).any())
    assert not plausible(wrong, 200, 0.05)


def test_a_false_null_is_found(rng: np.random.Generator) -> None:
    assert evidence_above(rng.binomial(1, 0.6, 1000).astype(float), 0.5) > 100
    assert evidence_above(rng.uniform(0.49, 0.53, 1000), 0.5) > 100


@pytest.mark.parametrize("null", [0.1, 0.5])
def test_false_alarms_within_n_rows_have_at_most_the_chance_n_over_c(
    null: float, rng: np.random.Generator, plausible: Plausible
) -> None:
    rows, needed = 2000, 10_000
    alarms = sum(
        bool(change_evidence(rng.binomial(1, null, rows).astype(float), null).max() >= needed) for _ in range(400)
    )
    assert plausible(alarms, 400, rows / needed)


def test_while_nothing_has_changed_the_evidence_is_n_on_average(rng: np.random.Generator) -> None:
    finals = [change_evidence(rng.binomial(1, 0.3, 200).astype(float), 0.3)[-1] for _ in range(4000)]
    assert np.mean(finals) == pytest.approx(200, rel=0.25)


def test_a_change_is_found_soon(rng: np.random.Generator) -> None:
    """10 % errors become 20 % after 5,000 rows; the alarm at 100,000 comes within 600 rows."""
    delays = []
    for _ in range(20):
        values = np.concatenate([rng.binomial(1, 0.1, 5000), rng.binomial(1, 0.2, 600)]).astype(float)
        raised = np.flatnonzero(change_evidence(values, 0.1) >= 100_000)
        assert len(raised) > 0
        delays.append(raised[0] - 5000)
    assert 0 < np.mean(delays) < 300


def test_the_detector_is_the_recursion_it_claims_to_be(rng: np.random.Generator) -> None:
    """One bet at a time, by hand: R <- (R + 1) * (1 + bet * (x - null))."""
    values, null = rng.random(300), 0.4
    expected = np.zeros(300)
    for bet, part in zip(0.5 ** np.arange(1, 8) / null, [0.04, *[0.16] * 6], strict=True):
        stake = 0.0
        for place, value in enumerate(values):
            stake = (stake + 1) * (1 + bet * (value - null))
            expected[place] += stake * part
    assert change_evidence(values, null) == pytest.approx(expected)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.3])
def test_proportion_bounds_cover_at_all_looks(rate: float, rng: np.random.Generator, plausible: Plausible) -> None:
    alpha, missed = 0.05, 0
    looks = np.unique(np.geomspace(1, 3000, 30).astype(int))
    for _ in range(80):
        hits = np.cumsum(rng.random(3000) < rate)
        bounds = [proportion_bounds(int(hits[look - 1]), int(look), alpha) for look in looks]
        missed += any(not low <= rate <= high for low, high in bounds)
    assert plausible(missed, 80, alpha)


def test_proportion_bounds_close_in() -> None:
    assert proportion_bounds(0, 0, 0.01) == (0, 1)
    low, high = proportion_bounds(500, 10_000, 0.01)
    assert 0.04 < low < 0.05 < high < 0.061
    assert proportion_bounds(100, 100, 0.01)[1] == 1
    assert proportion_bounds(100, 100, 0.01)[0] > 0.85


def test_the_distribution_radius_covers_at_all_looks(rng: np.random.Generator, plausible: Plausible) -> None:
    alpha, missed = 0.05, 0
    looks = np.unique(np.geomspace(10, 2000, 25).astype(int))
    for _ in range(200):
        values = rng.random(2000)
        for look in looks:
            ordered = np.sort(values[:look])
            gap = max((np.arange(1, look + 1) / look - ordered).max(), (ordered - np.arange(look) / look).max())
            if gap > distribution_radius(int(look), alpha):
                missed += 1
                break
    assert plausible(missed, 200, alpha)


@given(st.lists(st.floats(0, 1), max_size=50), st.floats(0, 1))
def test_any_values_give_evidence(values: list[float], null: float) -> None:
    found = np.array(values)
    assert evidence_above(found, null) >= 0
    path = change_evidence(found, null)
    assert path.shape == found.shape
    assert np.isfinite(path).all()


@given(st.integers(0, 500), st.integers(0, 500), st.floats(1e-6, 0.5))
def test_bounds_hold_the_observed_share(hits: int, misses: int, alpha: float) -> None:
    low, high = proportion_bounds(hits, hits + misses, alpha)
    share = hits / (hits + misses) if hits + misses else 0.5
    assert 0 <= low <= share <= high <= 1
