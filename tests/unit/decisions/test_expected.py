"""Figures without labels, against what the labels that are drawn come to."""

from __future__ import annotations

import numpy as np
import pytest

from windlass.decisions.statistics.expected import expected_score
from windlass.decisions.statistics.metrics import metric_for


@pytest.mark.parametrize("name", ["roc_auc", "accuracy", "log_loss", "brier", "f1", "average_precision", "mcc"])
def test_the_expectation_and_the_noise_are_those_of_labels_drawn_from_the_probabilities(name: str) -> None:
    random = np.random.default_rng(0)
    likely = random.beta(0.6, 0.9, 1500)
    answers = np.clip(likely + random.normal(0, 0.1, 1500), 0.01, 0.99)
    metric = metric_for(name, "binary")
    drawn = np.array([metric.score(random.random(1500) < likely, answers) for _ in range(2000)])
    found = expected_score(metric, np.column_stack([1 - likely, likely]), answers)
    assert found.value == pytest.approx(drawn.mean(), abs=0.2 * drawn.std())
    assert found.noise == pytest.approx(drawn.std(), rel=0.35)  # of 60 draws: 4 standard errors


def test_several_classes() -> None:
    random = np.random.default_rng(1)
    likely = random.dirichlet([1, 2, 3], 1000)
    metric = metric_for("accuracy", "multiclass")
    found = expected_score(metric, likely, likely)
    assert found.value == pytest.approx(likely.max(axis=1).mean(), abs=0.002)


def test_one_class_alone_has_no_ranking() -> None:
    certain = np.column_stack([np.zeros(50), np.ones(50)])
    assert np.isnan(expected_score(metric_for("roc_auc", "binary"), certain, np.linspace(0, 1, 50)).value)
