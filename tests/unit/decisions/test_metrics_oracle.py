"""Each metric against scikit-learn, and what is true of it whatever the data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from windlass.decisions.statistics import losses as per_row
from windlass.decisions.statistics.metrics import NAMES, is_ranked, metric_for
from windlass.errors import ProductError
from windlass.product.policy import Gate
from windlass.product.task import DEFAULT_METRICS, TaskKind

BINARY = {
    "roc_auc": oracle.roc_auc_score,
    "average_precision": oracle.average_precision_score,
    "accuracy": lambda y, p: oracle.accuracy_score(y, p >= 0.5),
    "balanced_accuracy": lambda y, p: oracle.balanced_accuracy_score(y, p >= 0.5),
    "mcc": lambda y, p: oracle.matthews_corrcoef(y, p >= 0.5),
    "log_loss": oracle.log_loss,
    "brier": oracle.brier_score_loss,
    "f1": lambda y, p: oracle.f1_score(y, p >= 0.5),
    "precision": lambda y, p: oracle.precision_score(y, p >= 0.5),
    "recall": lambda y, p: oracle.recall_score(y, p >= 0.5),
    "cost": lambda y, p: float(np.mean((p >= 1 / 6) * (y == 0) * 1.0 + (p < 1 / 6) * (y == 1) * 5.0)),
}
MULTI = {
    "accuracy": lambda y, p: oracle.accuracy_score(y, p.argmax(1)),
    "balanced_accuracy": lambda y, p: oracle.balanced_accuracy_score(y, p.argmax(1)),
    "mcc": lambda y, p: oracle.matthews_corrcoef(y, p.argmax(1)),
    "log_loss": lambda y, p: oracle.log_loss(y, p, labels=[0, 1, 2, 3]),
    "brier": lambda y, p: float(((np.eye(4)[y] - p) ** 2).sum(1).mean() / 2),
    "macro_f1": lambda y, p: oracle.f1_score(y, p.argmax(1), average="macro"),
    "roc_auc": lambda y, p: oracle.roc_auc_score(y, p, multi_class="ovr", labels=[0, 1, 2, 3]),
}
REGRESSION = {
    "mae": oracle.mean_absolute_error,
    "mse": oracle.mean_squared_error,
    "rmse": oracle.root_mean_squared_error,
    "mape": oracle.mean_absolute_percentage_error,
    "r2": oracle.r2_score,
    "median_ae": oracle.median_absolute_error,
}
COST = ((0.0, 1.0), (5.0, 0.0))


def binary(rng: np.random.Generator, rows: int = 500) -> tuple[np.ndarray, np.ndarray]:
    score = rng.beta(2, 3, rows).round(2)  # rounded: ties must count half
    return (rng.random(rows) < score).astype(int), score


def test_the_tables_here_cover_every_name() -> None:
    for kind, table in (("binary", BINARY), ("multiclass", MULTI), ("regression", REGRESSION)):
        assert set(table) == set(NAMES[kind])


@pytest.mark.parametrize("name", BINARY)
def test_binary(name: str, rng: np.random.Generator) -> None:
    truth, score = binary(rng)
    assert metric_for(name, "binary", cost=COST).score(truth, score) == pytest.approx(BINARY[name](truth, score))


@pytest.mark.parametrize("name", MULTI)
def test_multiclass(name: str, rng: np.random.Generator) -> None:
    scores = rng.dirichlet([1, 2, 1, 0.5], 600)
    truth = np.array([rng.choice(4, p=row) for row in scores])
    assert metric_for(name, "multiclass").score(truth, scores) == pytest.approx(MULTI[name](truth, scores))


@pytest.mark.parametrize("name", REGRESSION)
def test_regression(name: str, rng: np.random.Generator) -> None:
    truth = rng.gamma(2, 5, 400) + 1
    values = truth + rng.normal(0, 2, 400)
    assert metric_for(name, "regression").score(truth, values) == pytest.approx(REGRESSION[name](truth, values))


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in NAMES.items() for name in names])
def test_a_better_model_gains(kind: str, name: str, rng: np.random.Generator) -> None:
    """The direction of each metric is right: nearly perfect predictions beat noisy ones."""
    metric = metric_for(name, kind, cost=COST)
    if kind == "regression":
        truth = rng.gamma(2, 5, 400) + 1
        good, bad = truth + rng.normal(0, 0.1, 400), truth + rng.normal(0, 5, 400)
    elif kind == "binary":
        truth = rng.integers(0, 2, 400)
        good, bad = np.where(truth == 1, 0.9, 0.1), rng.random(400)
    else:
        truth = rng.integers(0, 3, 400)
        good, bad = 0.7 * np.eye(3)[truth] + 0.1, rng.dirichlet([1, 1, 1], 400)
    assert metric.gain(metric.score(truth, good), metric.score(truth, bad)) > 0


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_default_names_are_known(kind: str) -> None:
    assert metric_for("default", kind).name == DEFAULT_METRICS[kind]


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ProductError, match="roc_auc") as caught:
        metric_for("auc", "binary")
    assert "median_ae" not in caught.value.remedy
    with pytest.raises(ProductError, match="for a regression task"):
        metric_for("roc_auc", "regression")


def test_cost_needs_a_matrix_and_two_classes() -> None:
    with pytest.raises(ProductError, match="needs a cost matrix"):
        metric_for("cost", "binary")
    with pytest.raises(ProductError, match="no metric 'cost'"):
        metric_for("cost", "regression", cost=COST)


def test_a_metric_of_ones_own_is_larger_is_better() -> None:
    own = metric_for("money", "binary", own=lambda truth, score: float((truth * score).sum()))
    assert own.larger_is_better
    assert own.score(np.array([0, 1]), np.array([0.5, 0.25])) == 0.25


@pytest.mark.parametrize(
    ("matrix", "threshold"),
    [
        (((0, 1), (1, 0)), 0.5),
        (((0, 1), (4, 0)), 0.2),
        (((0, 5), (5, -10)), 0.25),
        (((0, -1), (5, 0)), 0.0),  # an alarm never costs: always act
        (((0, 1), (-5, 0)), float(np.nextafter(1.0, 2.0))),  # a miss is a gain: never act
    ],
)
def test_the_threshold_follows_from_the_costs(matrix: tuple, threshold: float) -> None:
    assert per_row.cost_threshold(matrix) == pytest.approx(threshold)


def test_no_threshold_is_cheaper_than_the_implied_one_for_calibrated_scores(rng: np.random.Generator) -> None:
    score = rng.random(200_000)
    truth = (rng.random(200_000) < score).astype(int)
    implied = per_row.cost(truth, score, COST).mean()
    for threshold in (0.05, 0.1, 0.3, 0.5):
        other = np.where(score >= threshold, (truth == 0) * 1.0, (truth == 1) * 5.0).mean()
        assert other > implied


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_classification_losses_stay_between_0_and_1(kind: str, rng: np.random.Generator) -> None:
    scores = rng.random(1000) if kind == "binary" else rng.dirichlet([0.1, 0.1, 0.1], 1000)
    found = per_row.losses(rng.integers(0, 2, 1000), scores, kind)
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_the_least_loss_is_the_least_over_all_truths(kind: str, rng: np.random.Generator) -> None:
    predictions = rng.dirichlet([1, 1, 1], 200) if kind == "multiclass" else rng.random(200)
    truths = [predictions] if kind == "regression" else [np.full(200, code) for code in range(3 - (kind == "binary"))]
    every = np.min([per_row.losses(truth, predictions, kind) for truth in truths], axis=0)
    assert per_row.least_losses(predictions, kind) == pytest.approx(every)


def test_a_class_that_the_model_does_not_know_is_a_full_surprise() -> None:
    scores = np.array([[0.5, 0.5]])
    assert per_row.log_loss(np.array([2]), scores)[0] == pytest.approx(36.04, abs=0.01)
    assert per_row.brier(np.array([2]), scores)[0] == pytest.approx(0.75)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in NAMES.items() for name in names])
def test_nothing_to_score_is_undefined(kind: str, name: str) -> None:
    metric = metric_for(name, kind, cost=COST)
    width = (0, 3) if kind == "multiclass" else (0,)
    assert np.isnan(metric.score(np.empty(0, dtype=int), np.empty(width)))
    rows = np.full((5, 3) if kind == "multiclass" else (5,), np.nan)
    assert np.isnan(metric.score(np.array([0, 1, 0, 1, 1]), rows))


@pytest.mark.parametrize("name", ["roc_auc", "balanced_accuracy", "mcc"])
def test_one_class_is_undefined(name: str) -> None:
    assert np.isnan(metric_for(name, "binary").score(np.ones(10, dtype=int), np.linspace(0, 1, 10)))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=2, max_size=40))
def test_ranking_sees_order_alone(rows: list[tuple[bool, int]]) -> None:
    """A strictly rising transformation changes nothing, and swapping the classes mirrors the area."""
    truth = np.array([int(label) for label, _ in rows])
    score = np.array([value / 20 for _, value in rows])
    area = metric_for("roc_auc", "binary").score(truth, score)
    if truth.min() == truth.max():
        assert np.isnan(area)
        return
    assert metric_for("roc_auc", "binary").score(truth, np.exp(3 * score)) == pytest.approx(area)
    assert metric_for("roc_auc", "binary").score(1 - truth, score) == pytest.approx(1 - area)


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, score = binary(rng, 60)
    order = rng.permutation(60)
    for name in NAMES["binary"]:
        metric = metric_for(name, "binary", cost=COST)
        assert metric.score(truth, score) == pytest.approx(metric.score(truth[order], score[order]), nan_ok=True)


@pytest.mark.parametrize(
    ("gate", "kind", "ranked"),
    [
        (None, "binary", True),
        (Gate("average_precision"), "binary", True),
        (Gate("brier"), "binary", False),
        (Gate(lambda truth, score: float((truth * score).mean())), "binary", False),
        (Gate("roc_auc"), "multiclass", False),
        (None, "regression", False),
    ],
)
def test_which_products_are_judged_by_a_ranking_alone(gate: Gate | None, kind: TaskKind, *, ranked: bool) -> None:
    assert is_ranked(gate, kind) is ranked
