from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from windlass.decisions.earliness import ALPHA, early_labels_help, worth_asking
from windlass.decisions.statistics.metrics import metric_for


def scores(random: np.random.Generator, truth: np.ndarray, noise: float) -> np.ndarray:
    """Probabilities that rank the better, the less noise there is."""
    return 1 / (1 + np.exp(-(2.0 * truth - 1 + random.normal(0, noise, len(truth)))))


def asked(seed: int, *, early: float, standing: float, rows: int = 1000, metric: str = "roc_auc") -> bool:
    random = np.random.default_rng(seed)
    truth = (random.random(rows) < 0.3).astype(np.int64)
    said = {"early": scores(random, truth, early), "standing": scores(random, truth, standing)}
    return early_labels_help(metric_for(metric, "binary"), truth, **said)


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss", "accuracy"])
def test_what_is_clearly_better_helps_and_what_is_worse_does_not(metric: str) -> None:
    assert all(asked(seed, early=1.0, standing=4.0, metric=metric) for seed in range(5))
    assert not any(asked(seed, early=4.0, standing=1.0, metric=metric) for seed in range(5))


def test_labels_that_are_of_no_use_are_seldom_learned_from(plausible: Callable[[int, int, float], bool]) -> None:
    assert plausible(sum(asked(seed, early=2.0, standing=2.0) for seed in range(400)), 400, ALPHA)


def test_where_nothing_can_be_told_they_do_not_help() -> None:
    one_class, none = np.zeros(50, dtype=np.int64), np.zeros(0, dtype=np.int64)
    for truth in (one_class, none):
        same = np.full(len(truth), 0.5)
        assert not early_labels_help(metric_for("roc_auc", "binary"), truth, early=same, standing=same)


def test_a_tenth_more_rows_is_worth_asking_about() -> None:
    assert worth_asking(known=1100, standing=1000)
    assert worth_asking(known=1, standing=0)
    assert not worth_asking(known=1099, standing=1000)
