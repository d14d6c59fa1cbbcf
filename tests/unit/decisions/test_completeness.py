from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from windlass.decisions.completeness import Usual, complete_rows

HOUR, DAY = 1.0, 24.0
USUAL = Usual(share=0.1, rows=100)


def test_all_labels_there_is_complete_and_none_is_not() -> None:
    at = np.arange(100.0)
    assert complete_rows(at, np.ones(100, dtype=bool), now=100, within=1000) == 100
    assert complete_rows(at, np.zeros(100, dtype=bool), now=100, within=1000) <= 3
    assert complete_rows(at, at != 50, now=100, within=1000) == 100
    assert complete_rows(at[:0], np.ones(0, dtype=bool), now=100, within=1) == 0


def test_what_is_older_than_a_label_may_take_is_not_waited_for() -> None:
    at = np.arange(100.0)
    assert complete_rows(at, np.zeros(100, dtype=bool), now=100, within=0) == 100
    never = np.zeros(100, dtype=bool)
    assert complete_rows(at, never, now=130, within=31) == 100
    # Where nine in ten never come, a few more that are missing say nothing.
    assert complete_rows(at, never, now=120, within=31) > 95


@pytest.mark.parametrize("early_share", [0.02, 0.3, 0.5, 0.9, 0.98])
def test_an_early_class_is_never_alone(early_share: float) -> None:
    """Positives are known after an hour, negatives after five days: what counts has both as the world has them."""
    rng = np.random.default_rng(7)
    at = np.sort(rng.uniform(0, 60 * DAY, 6000))
    early = rng.random(6000) < early_share
    known = at + np.where(early, HOUR, 5 * DAY) <= 60 * DAY
    count = complete_rows(at, known, now=60 * DAY, within=7 * DAY)
    newest = early[:count][-1000:][known[:count][-1000:]]
    assert at[count - 1] > 52 * DAY
    assert newest.mean() == pytest.approx(early_share, abs=0.06)


@pytest.mark.parametrize("never", [0.03, 0.2, 0.5])
def test_labels_that_never_come_hold_nothing_up(never: float) -> None:
    rng = np.random.default_rng(7)
    at = np.sort(rng.uniform(0, 60 * DAY, 6000))
    comes = rng.random(6000) >= never
    known = comes & (at + DAY <= 60 * DAY)
    count = complete_rows(at, known, now=60 * DAY, within=20 * DAY)
    assert 58.5 * DAY < at[count - 1] < 59.1 * DAY


def test_what_is_usual_may_be_told() -> None:
    at, known = np.arange(200.0), np.arange(200) % 2 == 0
    assert complete_rows(at, known, now=200, within=1000, usual=Usual(share=0.01, rows=1000)) < 40
    assert complete_rows(at, known, now=200, within=1000, usual=Usual.of(known)) == 200
    assert Usual.of(known).share == pytest.approx(0.5, abs=0.03)
    assert Usual.of(known[:0]) == Usual(share=0.1, rows=10)


def test_labels_that_stay_away_by_chance_seldom_cost_rows(plausible: Callable[[int, int, float], bool]) -> None:
    """3 of 100 never come, whatever their class: a stretch is left out in few of many stationary histories."""
    left_out = []
    for seed in range(200):
        known = np.random.default_rng(seed).random(3000) >= 0.03
        left_out.append(3000 - complete_rows(np.arange(3000.0), known, now=3000, within=1500))
    assert plausible(int(np.count_nonzero(left_out)), 200, 0.05)
    assert np.mean(left_out) < 15


@given(known=arrays(np.bool_, st.integers(0, 60)), now=st.integers(-5, 70), within=st.integers(0, 80))
def test_it_is_a_count_of_rows_after_which_nothing_is_left_out(known: np.ndarray, now: int, within: int) -> None:
    at = np.arange(len(known), dtype=np.float64)
    count = complete_rows(at, known, now=now, within=within, usual=USUAL)
    assert np.count_nonzero(at <= now - within) <= count <= len(known)
    assert complete_rows(at[:count], known[:count], now=now, within=within, usual=USUAL) == count
