from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from windlass.decisions.statistics.delays import Deliveries, learn_delays

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


# -- labels that come many at a time ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known_at", "are"),
    [
        (lambda at: at + 0.3, False),
        (lambda at: np.ceil(at + 0.3), True),
        (lambda at: np.ceil(at + 0.3) + 0.002 * (at % 1), True),  # a delivery takes three minutes
        (lambda at: np.where(np.arange(len(at)) % 20, np.ceil(at + 0.3), at + 0.3), True),  # some come on their own
        (lambda at: np.where(np.arange(len(at)) % 2, np.ceil(at + 0.3), at + 0.3), False),
        (lambda at: np.floor(at) + 0.3 + 0.4 * (at % 1) + 0.5, False),  # at work, and not at night
    ],
)
def test_labels_come_in_deliveries_or_at_any_time(known_at: Any, are: bool) -> None:
    at = np.sort(np.random.default_rng(0).uniform(-40, 0, 4000))
    found = Deliveries.of(at, known_at(at), within=10.0).began
    assert (len(found) > 0) is are
    assert not are or 38 <= len(found) <= 42


@pytest.mark.parametrize("apart", [(1,), (7,), (1, 2, 3, 5)])
def test_between_deliveries_labels_are_ready_as_they_were(apart: tuple[int, ...]) -> None:
    """Half of them within 1.4 days, also where they are told once a week."""
    random = np.random.default_rng(3)
    at = np.sort(random.uniform(-60, 0, 20_000))
    moments = np.cumsum(random.choice(apart, 200)) - 61
    known_at = moments[np.searchsorted(moments, at + random.exponential(2.0, len(at)))]
    seen = known_at <= 0.5
    deliveries = Deliveries.of(at, np.where(seen, known_at, np.nan), within=100.0)
    learned = deliveries.learn(at[seen], known_at[seen], now=0.5)
    assert learned.known_by(AGES) == pytest.approx(1 - np.exp(-AGES / 2), abs=0.04)
    counted = learn_delays(known_at[seen] - at[seen], 0.5 - at[seen]).known_by(AGES)
    assert np.abs(counted - (1 - np.exp(-AGES / 2))).max() > 0.1


def test_rows_do_not_grow_older_while_no_delivery_comes() -> None:
    at = np.arange(1000) / 100
    deliveries = Deliveries.of(at, np.ceil(at + 0.5), within=10.0)
    assert deliveries.age(at[[0, 850]], 9.2) == pytest.approx([9.0, 0.5])
    assert deliveries.age(at[[0, 850]], 30.0) == pytest.approx([11.0, 2.5])
    assert deliveries.age(at[[950]], 9.9) == pytest.approx([-0.5])
    assert deliveries.learn(at, np.ceil(at + 0.5), now=30.0).known_by(np.array([-1.0, -np.inf])).tolist() == [0, 0]
