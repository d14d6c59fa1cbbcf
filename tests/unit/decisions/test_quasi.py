"""Quasi-likelihood with a prior: held against an unpenalised fit, and its covariance against repeated samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, PoissonRegressor

from windlass.decisions.statistics.quasi import Link, fit, mean_of

LOOSE = np.full(3, 1e-6)


def rows(random: np.random.Generator, size: int, link: Link) -> tuple[Any, Any]:
    columns = np.column_stack([np.ones(size), random.normal(size=(size, 2))])
    mean = mean_of(columns @ np.array([0.3, 0.8, -0.5]), link)
    return columns, (random.random(size) < mean).astype(float) if link == "logit" else random.poisson(mean) * 1.0


def test_without_a_prior_it_is_maximum_likelihood() -> None:
    random = np.random.default_rng(0)
    columns, target = rows(random, 2000, "logit")
    found = fit(columns, target, LOOSE, np.zeros(3), link="logit")
    other = LogisticRegression(C=1e9, fit_intercept=False, tol=1e-9, max_iter=1000).fit(columns, target)
    assert found.weights == pytest.approx(other.coef_[0], abs=1e-4)
    columns, target = rows(random, 2000, "log")
    found = fit(columns, target * 7, LOOSE, np.zeros(3), link="log")
    poisson = PoissonRegressor(alpha=0, fit_intercept=False, tol=1e-9, max_iter=1000).fit(columns, target)
    assert found.weights + np.log(found.scale / 7) * np.eye(3)[0] == pytest.approx(poisson.coef_, abs=1e-4)


@pytest.mark.parametrize("link", ["logit", "log"])
def test_residuals_sum_to_nothing_along_each_free_column(link: Link) -> None:
    columns, target = rows(np.random.default_rng(1), 1000, link)
    found = fit(columns, target, np.array([0.0, 0.0, 1e4]), np.zeros(3), link=link)
    left = target - found.scale * mean_of(columns @ found.weights, link)
    assert columns.T[:2] @ left == pytest.approx(np.zeros(2), abs=0.05)
    assert abs(columns[:, 2] @ left) > 10  # what the prior holds is not free


def test_a_stiff_prior_is_what_is_found_and_the_mean_of_sizes_is_no_part_of_it() -> None:
    columns, target = rows(np.random.default_rng(2), 500, "logit")
    found = fit(columns, target, np.full(3, 1e9), np.array([0.1, 2.0, -3.0]), link="logit")
    assert found.weights == pytest.approx([0.1, 2.0, -3.0], abs=1e-3)
    sizes = fit(columns, target * 1000 + 1000, np.full(3, 1e9), np.zeros(3), link="log")
    assert sizes.scale * np.exp(sizes.weights[0]) == pytest.approx((target * 1000 + 1000).mean(), rel=1e-6)


@pytest.mark.parametrize("link", ["logit", "log"])
def test_the_covariance_is_that_of_weights_among_samples(link: Link) -> None:
    random = np.random.default_rng(3)
    many = [fit(*rows(random, 400, link), LOOSE, np.zeros(3), link=link) for _ in range(300)]
    free = np.cov(np.array([each.weights for each in many])[:, 1:].T)
    told = np.mean([(each.root @ each.root.T)[1:, 1:] for each in many], axis=0)
    # 300 samples tell a variance to within 8 %, one standard error.
    assert np.diag(told) == pytest.approx(np.diag(free), rel=0.3)


def test_rows_that_pull_a_weight_to_themselves_do_not_make_it_surer() -> None:
    """Of six rows with a weight of their own each leaves less than it varies: 5 / 6 of the variance."""
    random = np.random.default_rng(4)
    columns = np.column_stack([np.ones(200), np.arange(200) < 6]) * 1.0
    precision = np.full(2, 1e-6)
    many = [fit(columns, random.poisson(20, 200) * 1.0, precision, np.zeros(2), link="log") for _ in range(1000)]
    free = np.var([each.weights[1] for each in many])
    told = np.mean([(each.root @ each.root.T)[1, 1] for each in many])
    assert 0.95 < told / free < 1.5  # 1000 samples tell a variance to within 4 %, one standard error


def test_targets_that_are_separated_have_finite_weights() -> None:
    x = np.linspace(-1, 1, 200)
    found = fit(np.column_stack([np.ones(200), x]), (x > 0) * 1.0, np.full(2, 0.1), np.zeros(2), link="logit")
    assert np.isfinite(found.weights).all()
    assert np.isfinite(found.root).all()
    assert found.weights[1] > 3


def test_a_linear_predictor_beyond_all_bounds_has_a_mean() -> None:
    assert mean_of(np.array([-1e9, 0.0, 1e9]), "logit") == pytest.approx([0, 0.5, 1], abs=1e-9)
    assert np.isfinite(mean_of(np.array([-1e9, 1e9]), "log")).all()
