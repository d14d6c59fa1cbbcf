"""Which stretches compete, and how much each of them counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windlass.decisions.horizons import LEAST, LEAST_CHANGED, LEAST_WEIGHT, SHARES, horizons, weigh
from windlass.decisions.statistics.metrics import metric_for
from windlass.product.model.blend import combined


@pytest.mark.parametrize(
    ("rows", "shares"),
    [(10, (1.0,)), (2 * LEAST - 1, (1.0,)), (2 * LEAST, (1.0, 0.5)), (16 * LEAST, SHARES), (10**7, SHARES)],
)
def test_a_stretch_competes_when_it_has_rows_enough(rows: int, shares: tuple[float, ...]) -> None:
    assert horizons(rows) == tuple(rows * share for share in shares)


@pytest.mark.parametrize(
    ("rows", "changed", "stretches"),
    [
        (900, LEAST_CHANGED, (900, LEAST_CHANGED)),
        (900, LEAST_CHANGED - 1, (900,)),
        (900, 900, (900,)),
        (900, 5000, (900,)),
        (2 * LEAST, LEAST, (2 * LEAST, LEAST)),
        (2 * LEAST, 300, (2 * LEAST, LEAST, 300)),
    ],
)
def test_the_rows_since_a_change_compete_even_if_they_are_few(
    rows: int, changed: int, stretches: tuple[int, ...]
) -> None:
    assert horizons(rows, changed=changed) == stretches


def test_one_answer_counts_in_full() -> None:
    assert weigh(np.array([0, 1]), [np.array([0.9, 0.1])], "binary").tolist() == [1.0]


def test_who_knows_nothing_hardly_counts_and_without_all_rows_not_at_all() -> None:
    random = np.random.default_rng(0)
    chance = random.uniform(0.05, 0.95, 3000)
    truth = (random.random(3000) < chance).astype(int)
    weights = weigh(truth, [random.uniform(0.05, 0.95, 3000), chance, random.uniform(0.05, 0.95, 3000)], "binary")
    assert weights[1] > 0.8
    assert weights[2] == 0


def test_two_who_err_apart_are_better_together() -> None:
    random = np.random.default_rng(1)
    truth = random.normal(size=4000)
    answers = [truth + random.normal(size=4000), truth + random.normal(size=4000)]
    weights = weigh(truth, answers, "regression")
    assert 0.3 < weights[1] <= weights[0]  # in doubt for all rows
    score = metric_for("mae", "regression").score
    alone = min(score(truth, answer) for answer in answers)
    assert score(truth, combined(answers, weights, "regression")) < 0.8 * alone


def test_weights_of_three_classes_find_the_one_that_knows() -> None:
    random = np.random.default_rng(2)
    truth = random.integers(0, 3, 2000)
    knows = np.full((2000, 3), 0.1)
    knows[np.arange(2000), truth] = 0.8
    guesses = np.full((2000, 3), 1 / 3)
    assert weigh(truth, [guesses, knows], "multiclass")[1] >= 1 - LEAST_WEIGHT


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(2, 5), st.sampled_from(["binary", "regression"]), st.integers(30, 300))
def test_weights_are_shares_and_the_blend_errs_no_more_than_the_first_alone(
    seed: int, members: int, kind: str, rows: int
) -> None:
    random = np.random.default_rng(seed)
    if kind == "binary":
        truth = random.integers(0, 2, rows)
        answers = [random.uniform(0.01, 0.99, rows) for _ in range(members)]
        metric = metric_for("log_loss", "binary")
    else:
        truth = random.normal(size=rows)
        answers = [truth * random.uniform(-1, 1) + random.normal(size=rows) for _ in range(members)]
        metric = metric_for("mae", "regression")
    weights = weigh(truth, answers, kind)
    assert weights.sum() == pytest.approx(1)
    assert all(weight == 0 or weight >= LEAST_WEIGHT for weight in weights)
    together = metric.score(truth, combined(answers, weights, kind))
    alone = metric.score(truth, answers[0])
    assert together <= alone * 1.02 + 1e-3  # what was left out below 0.05 may cost a little


def test_all_rows_stay_where_shorter_stretches_are_better_for_a_while_only() -> None:
    """Seasons that suit the one or the other, each as long as a block: 5 of 100 may mislead, however many rows they
    have."""
    random, left, trials = np.random.default_rng(3), 0, 400
    for _ in range(trials):
        truth = np.zeros(2000)
        seasons = [np.repeat(1 + random.random(5), 400) for _ in range(2)]  # the errors of a season are all alike
        left += weigh(truth, seasons, "regression").tolist() != [1.0, 0.0]
    assert 0 < left <= 36  # of 400 draws at 5 %, more come once in 1,000


def test_shorter_stretches_count_where_they_are_better_throughout() -> None:
    random = np.random.default_rng(5)
    seasons = np.repeat(random.random(5), 400)
    answers = [1.5 + seasons, 1 + seasons]
    assert weigh(np.zeros(2000), answers, "regression").tolist() == [0.0, 1.0]


def test_many_rows_prove_a_small_difference() -> None:
    random = np.random.default_rng(4)
    truth = random.normal(size=20_000)
    answers = [truth + 1.3 * random.normal(size=20_000), truth + random.normal(size=20_000)]
    assert weigh(truth, answers, "regression")[1] > 0.55


def test_an_answer_that_is_infinitely_sure_and_wrong_does_not_break_it() -> None:
    truth = np.array([0, 1] * 50)
    weights = weigh(truth, [np.where(truth == 1, 0.0, 1.0), np.full(100, 0.5)], "binary")
    assert weights.tolist() == [0.0, 1.0]


def test_a_constant_truth_that_all_hit_leaves_all_rows_alone() -> None:
    assert weigh(np.zeros(50), [np.zeros(50), np.zeros(50)], "regression").tolist() == [1.0, 0.0]


def test_too_few_rows_to_part_leave_all_rows_alone() -> None:
    assert weigh(np.zeros(9), [np.ones(9), np.zeros(9)], "regression").tolist() == [1.0, 0.0]
