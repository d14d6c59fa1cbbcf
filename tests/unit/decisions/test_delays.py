from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from windlass.decisions.statistics.delays import learn_delays

AGES = np.array([0.5, 1.0, 2.0, 4.0, 8.0])


def test_delays_are_learned_without_bias_of_labels_that_have_come() -> None:
    """Rows of many ages, most of them young: what their labels took is shorter than what labels take."""
    random = np.random.default_rng(3)
    age = 40 * random.beta(1, 4, 60_000)
    delay = random.exponential(3.0, len(age))
    come = delay <= age
    learned = learn_delays(delay[come], age[come])
    truth = (1 - np.exp(-AGES / 3)) / (1 - np.exp(-age.max() / 3))
    naive = np.array([(delay[come] <= day).mean() for day in AGES])
    assert learned.known_by(AGES) == pytest.approx(truth, abs=0.02)
    assert np.abs(naive - truth).max() > 0.05


def test_steps_stand_where_delays_were_seen() -> None:
    learned = learn_delays(np.array([1.0, 1.0, 1.0, 5.0]), np.array([9.0, 9.0, 9.0, 9.0]))
    assert learned.known_by(np.array([0.9, 1.0, 4.9, 5.0, 99.0])).tolist() == [0.0, 0.75, 0.75, 1.0, 1.0]
    assert learn_delays(np.empty(0), np.empty(0)).known_by(AGES).tolist() == [0.0] * 5


@given(
    arrays(np.int64, st.integers(1, 40), elements=st.integers(0, 9)),
    st.integers(0, 2**32 - 1),
)
def test_it_is_a_distribution(delay: np.ndarray, seed: int) -> None:
    age = delay + np.random.default_rng(seed).integers(0, 9, len(delay))
    learned = learn_delays(delay, age)
    assert np.all(np.diff(learned.at) > 0)
    assert np.all(np.diff(learned.share) >= 0)
    assert learned.share[-1] == 1.0
    assert np.all((learned.share >= 0) & (learned.share <= 1))
    if np.all(age == age.max()):  # nothing is hidden: the plain distribution
        expected = [(delay <= each).mean() for each in learned.at]
        assert learned.share == pytest.approx(expected)
