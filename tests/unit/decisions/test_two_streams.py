"""Two versions side by side: what is claimed holds at every look, and a difference is found."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.decisions.statistics.two_streams import evidence_of_more, in_order, neighbours, stretch_means, stretches

Plausible = Callable[[int, int, float], bool]


@pytest.mark.parametrize("share", [0.05, 0.5])
@pytest.mark.parametrize("rate", [0.01, 0.3])
def test_equal_rates_seldom_seem_to_differ_however_often_one_looks(
    share: float, rate: float, rng: np.random.Generator, plausible: Plausible
) -> None:
    """Also where the rate itself moves, for both together: here it doubles half way."""
    alpha, wrong = 0.05, 0
    moving = np.where(np.arange(4000) < 2000, rate, 2 * rate)
    for _ in range(150):
        arms = rng.random(4000) < share
        wrong += evidence_of_more(arms, rng.random(4000) < moving).max() >= 1 / alpha
    assert plausible(wrong, 150, alpha)


def test_fewer_hits_are_no_evidence_of_more(rng: np.random.Generator) -> None:
    arms = rng.random(20_000) < 0.3
    assert evidence_of_more(arms, rng.random(20_000) < np.where(arms, 0.02, 0.06)).max() < 20


def test_a_doubled_rate_is_found(rng: np.random.Generator) -> None:
    arms = rng.random(60_000) < 0.25
    assert evidence_of_more(arms, rng.random(60_000) < np.where(arms, 0.02, 0.01))[-1] > 5000


def test_the_evidence_is_the_likelihood_ratio_it_claims_to_be() -> None:
    """By hand, for the first stretch: nothing is known, so p0 is 1 %."""
    arms = np.array([False, False, True, False])
    hits = np.array([False, False, True, False])
    expected = 0.0
    for odds in (1.5, 2, 4, 16, 256):
        old = 0.01
        new = odds * old / (1 - old) / (1 + odds * old / (1 - old))
        common = (2 * old + new) / 3
        expected += new * (1 - old) ** 2 / (common * (1 - common) ** 2) / 5
    assert evidence_of_more(arms, hits) == pytest.approx([expected])


def test_a_stretch_ends_where_the_old_version_is_asked_after_the_new() -> None:
    arms = np.array([False, False, True, True, False, True, False])
    assert stretches(arms).tolist() == [0, 0, 0, 0, 1, 1, 2]
    new, old = neighbours(arms, np.arange(7.0))
    assert (new.tolist(), old.tolist()) == ([2, 3, 5], [0, 1, 4])
    new, old = stretch_means(arms, np.arange(7.0))
    assert (new.tolist(), old.tolist()) == ([2.5, 5], [0.5, 4])


def test_trials_come_in_the_order_of_their_places() -> None:
    arms, values = in_order(np.array([1.0, 2.0]), np.array([7.0, 8.0]), np.array([1, 5]), np.array([0, 3]))
    assert (arms.tolist(), values.tolist()) == ([False, True, False, True], [7, 1, 8, 2])


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=80))
def test_any_trials_give_evidence(trials: list[tuple[bool, bool]]) -> None:
    arms, hits = (np.array([trial[side] for trial in trials], dtype=bool) for side in (0, 1))
    course = evidence_of_more(arms, hits)
    assert np.isfinite(course).all()
    assert (course >= 0).all()
    new, old = neighbours(arms, np.arange(len(arms)))
    assert len(set(new)) == len(new) == len(set(old)) == len(old)
    assert all(arms[new])
    assert not any(arms[old])
