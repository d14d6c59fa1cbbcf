"""The paired test: known variances, and the error rates it states."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from windlass.decisions.statistics.metrics import metric_for
from windlass.decisions.statistics.paired import compare, dependence, standard_error
from windlass.decisions.statistics.ranking import auc_influence, roc_auc


def two_models(rng: np.random.Generator, rows: int, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth and two models that are equally good on average."""
    signal = rng.normal(size=rows)
    truth = (rng.random(rows) < 1 / (1 + np.exp(-signal))).astype(int)
    first, second = (1 / (1 + np.exp(-(signal + noise * rng.normal(size=rows)))) for _ in range(2))
    return truth, first, second


def delong_by_definition(truth: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """DeLong's variance of the difference, straight from the paper's double sums."""

    def components(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        positive, negative = score[truth == 1], score[truth == 0]
        wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
        return wins.mean(axis=1), wins.mean(axis=0)

    (rows_a, columns_a), (rows_b, columns_b) = components(first), components(second)
    return float(np.var(rows_a - rows_b, ddof=1) / len(rows_a) + np.var(columns_a - columns_b, ddof=1) / len(columns_a))


def test_the_error_of_an_auc_difference_is_delongs(rng: np.random.Generator) -> None:
    truth, first, second = two_models(rng, 2000)
    found = compare(metric_for("roc_auc", "binary"), truth, first.round(2), second.round(2))
    assert found.error == pytest.approx(np.sqrt(delong_by_definition(truth, first.round(2), second.round(2))), rel=0.01)


def test_influences_have_mean_zero_and_predict_the_figure(rng: np.random.Generator) -> None:
    truth, score, _ = two_models(rng, 400)
    influence = auc_influence(truth, score)
    assert influence.mean() == pytest.approx(0, abs=1e-12)
    # dropping one row moves the area by its influence / n, to first order
    moved = np.array([roc_auc(np.delete(truth, row), np.delete(score, row)) for row in range(50)])
    assert np.corrcoef(roc_auc(truth, score) - moved, influence[:50])[0, 1] > 0.999


@pytest.mark.parametrize(
    ("name", "kind"), [("roc_auc", "binary"), ("accuracy", "binary"), ("rmse", "regression"), ("roc_auc", "multiclass")]
)
def test_the_error_by_influence_agrees_with_resampling(name: str, kind: str, rng: np.random.Generator) -> None:
    rows = 1500
    if kind == "binary":
        truth, first, second = two_models(rng, rows)
    elif kind == "regression":
        truth = rng.normal(size=rows)
        first, second = truth + rng.normal(size=rows), truth + rng.standard_t(5, size=rows)
    else:
        truth = rng.integers(0, 3, rows)
        first, second = (rng.dirichlet([1, 1, 1], rows) + np.eye(3)[truth] * 0.5 for _ in range(2))
    metric = metric_for(name, kind)
    picks = [rng.integers(rows, size=rows) for _ in range(300)]
    gains = [metric.gain(metric.score(truth[p], first[p]), metric.score(truth[p], second[p])) for p in picks]
    assert compare(metric, truth, first, second).error == pytest.approx(np.std(gains), rel=0.2)


@pytest.mark.parametrize("name", ["roc_auc", "accuracy", "log_loss"])
@pytest.mark.parametrize("rows", [60, 500])
def test_an_equally_good_candidate_is_seldom_called_worse(
    name: str, rows: int, rng: np.random.Generator, plausible: Callable[[int, int, float], bool]
) -> None:
    """The 5 % that the gate states."""
    metric = metric_for(name, "binary")
    wrong = sum(compare(metric, *two_models(rng, rows)).p_worse() < 0.05 for _ in range(400))
    assert plausible(wrong, 400, 0.05)
    assert wrong >= 4  # and the test is not so careful that it could never tell


def test_resampling_metrics_keep_the_rate_too(
    rng: np.random.Generator, plausible: Callable[[int, int, float], bool]
) -> None:
    metric = metric_for("f1", "binary")
    wrong = sum(compare(metric, *two_models(rng, 300), seed=run).p_worse() < 0.05 for run in range(40))
    assert plausible(wrong, 40, 0.06)


def test_intervals_cover_the_true_gain(rng: np.random.Generator, plausible: Callable[[int, int, float], bool]) -> None:
    metric = metric_for("mae", "regression")
    missed = 0
    for _ in range(400):
        truth = rng.normal(size=200)
        found = compare(metric, truth, truth + rng.normal(size=200), truth + 1.25 * rng.normal(size=200))
        missed += not found.lower <= 0.25 * np.sqrt(2 / np.pi) <= found.upper
    assert plausible(missed, 400, 0.05)


def test_a_clearly_worse_candidate_is_seen(rng: np.random.Generator) -> None:
    truth, good, bad = two_models(rng, 3000)
    worse = compare(metric_for("roc_auc", "binary"), truth, rng.permutation(bad), good)
    assert worse.gain < 0
    assert worse.upper < 0
    assert worse.p_worse() < 1e-6
    assert worse.p_worse(tolerance=1.0) > 0.99


def test_neighbours_that_err_alike_are_worth_fewer_rows(
    rng: np.random.Generator, plausible: Callable[[int, int, float], bool]
) -> None:
    """With autocorrelated differences the plain error is far too small; the one that is used is not."""
    plain = widened = 0
    for _ in range(400):
        steps = rng.normal(size=1000)
        values = np.convolve(steps, 0.8 ** np.arange(40))[:1000]
        plain += abs(values.mean()) > 1.96 * values.std() / np.sqrt(1000)
        widened += abs(values.mean()) > 1.96 * standard_error(values)
    assert not plausible(plain, 400, 0.05)
    assert plausible(widened, 400, 0.12)  # blocks of 33 rows still miss a little of a memory of 40
    assert plausible(sum(dependence(rng.normal(size=900)) > 1 for _ in range(400)), 400, 0.05)


@pytest.mark.parametrize("size", [1.0, 1.34e168, 1e300])
def test_values_that_are_all_the_same_depend_on_nothing_however_large_they_are(size: float) -> None:
    assert dependence(np.full(300, size)) == 1.0


def test_identical_models_are_equal_without_doubt() -> None:
    truth, score = np.array([0, 1, 0, 1]), np.array([0.2, 0.7, 0.4, 0.9])
    for name in ("roc_auc", "accuracy", "f1", "brier"):
        found = compare(metric_for(name, "binary"), truth, score, score)
        assert (found.gain, found.p_worse()) == (0, 1)


def test_one_class_cannot_be_compared() -> None:
    found = compare(metric_for("roc_auc", "binary"), np.ones(50), np.linspace(0, 1, 50), np.linspace(1, 0, 50))
    assert np.isnan(found.p_worse())
