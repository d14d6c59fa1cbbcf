"""By which losses versions are compared."""

from __future__ import annotations

import numpy as np
import pytest

from windlass.decisions.statistics.losses import compared_losses, least_losses, losses, misranked, most_losses
from windlass.decisions.statistics.metrics import metric_for


def test_misranked_pairs_estimate_one_minus_the_auc() -> None:
    rng = np.random.default_rng(7)
    truth = (rng.random(20_000) < 0.2).astype(np.int64)
    scores = truth + rng.normal(scale=1.5, size=len(truth))
    found = misranked(truth, scores)
    assert len(found) == pytest.approx(truth.sum(), abs=5)
    auc = metric_for("roc_auc", "binary").score(truth, scores)
    # The standard deviation of the mean of m pairs is at most 1 / (2 sqrt(m)); five of them.
    assert found.mean() == pytest.approx(1 - auc, abs=5 / (2 * np.sqrt(len(found))))


def test_misranked_does_not_care_about_the_level_of_the_scores() -> None:
    truth = np.array([0, 1, 1, 0, 0, 1, 0])
    scores = np.array([0.1, 0.4, 0.2, 0.3, 0.2, 0.2, 0.9])
    assert misranked(truth, scores).tolist() == misranked(truth, scores / 10 - 3).tolist()
    assert misranked(truth, scores).tolist() == [0.0, 1.0, 0.5]
    assert misranked(1 - truth, -scores).tolist() == [0.0, 1.0, 0.5]
    assert misranked(np.array([1, 1]), np.array([0.1, 0.2])).tolist() == []


def test_versions_are_compared_by_what_their_gate_asks_for() -> None:
    truth, scores = np.array([0, 1]), np.array([0.2, 0.6])
    assert compared_losses(truth, scores, "binary", metric="roc_auc").tolist() == [0.0]
    assert compared_losses(truth, scores, "binary", metric="log_loss") == pytest.approx([0.04, 0.16])
    assert compared_losses(truth, scores, "regression", metric="mae") == pytest.approx([0.2, 0.4])


def test_no_loss_is_beyond_the_least_and_the_most() -> None:
    rng = np.random.default_rng(3)
    binary, several = rng.random(500), rng.dirichlet(np.ones(3), 500)
    for predictions, kind, codes in ((binary, "binary", (0, 1)), (several, "multiclass", (0, 1, 2, 7))):
        every = [losses(np.full(500, code), predictions, kind) for code in codes]  # type: ignore[arg-type]
        assert np.min(every, axis=0) == pytest.approx(least_losses(predictions, kind))  # type: ignore[arg-type]
        assert np.max(every, axis=0) == pytest.approx(most_losses(predictions, kind))  # type: ignore[arg-type]
    assert not least_losses(binary, "regression").any()
    assert np.isinf(most_losses(binary, "regression")).all()
