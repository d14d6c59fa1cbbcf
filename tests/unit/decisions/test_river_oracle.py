"""Held against River: what others find in the same rows, and what their running statistics say."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from river import metrics, stats
from river.drift import ADWIN

from windlass.decisions.decay import RUN_LENGTH
from windlass.decisions.loss_reference import summarise_losses, upper_mean
from windlass.decisions.statistics.metrics import metric_for
from windlass.decisions.statistics.sequential import change_evidence
from windlass.monitoring import merge, profile, profile_like

BEFORE, AFTER, STREAMS = 5_000, 3_000, 40


def first_of_adwin(losses: np.ndarray, begin: int = 0) -> int | None:
    """The first row from `begin` on at which ADWIN, as it comes, says that the mean has changed."""
    detector = ADWIN()
    for row, loss in enumerate(losses.tolist()):
        detector.update(loss)
        if detector.drift_detected and row >= begin:
            return row
    return None


@pytest.mark.parametrize("rate", [0.15, 0.20])
def test_decay_is_found_before_adwin_finds_it_and_not_more_often_without_cause(rate: float) -> None:
    """On the same errors, one in ten before the change; ADWIN as it comes, which needs no holdout."""
    random = np.random.default_rng(1)
    held = summarise_losses((random.random(50_000) < 0.1).astype(float), bounded=True)
    assert held is not None
    ours, theirs, false_ours, false_theirs = list[int](), list[int](), 0, 0
    for _ in range(STREAMS):
        losses = np.concatenate([random.random(BEFORE) < 0.1, random.random(AFTER) < rate]).astype(float)
        raised = np.flatnonzero(change_evidence(losses, upper_mean(held)) >= RUN_LENGTH)
        false_ours += bool(len(raised)) and bool(raised[0] < BEFORE)
        false_theirs += first_of_adwin(losses[:BEFORE]) is not None
        ours.append(next((int(row) for row in raised if row >= BEFORE), len(losses)) - BEFORE)
        found = first_of_adwin(losses, BEFORE)
        theirs.append((len(losses) if found is None else found) - BEFORE)
    assert np.mean(ours) < np.mean(theirs)
    assert false_ours <= false_theirs


def test_moments_of_merged_profiles_are_those_of_a_stream() -> None:
    random = np.random.default_rng(2)
    values = random.lognormal(size=3_000)
    reference = profile(pl.DataFrame({"x": random.normal(size=500)}))
    whole = merge(profile_like(reference, pl.DataFrame({"x": part})) for part in np.split(values, 6))
    mean, variance = stats.Mean(), stats.Var(ddof=0)
    for value in values.tolist():
        mean.update(value)
        variance.update(value)
    (column,) = whole.columns
    assert column.mean == pytest.approx(mean.get(), rel=1e-9)
    assert column.deviation == pytest.approx(variance.get() ** 0.5, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("accuracy", metrics.Accuracy()), ("log_loss", metrics.LogLoss()), ("f1", metrics.F1())],
)
def test_a_measure_of_a_window_is_that_of_its_rows_one_by_one(name: str, theirs: metrics.base.Metric) -> None:
    random = np.random.default_rng(3)
    scores = random.uniform(0.01, 0.99, 2_000)
    truth = random.random(2_000) < scores
    for came, score in zip(truth.tolist(), scores.tolist(), strict=True):
        theirs.update(came, score if name == "log_loss" else score >= 0.5)
    found = metric_for(name, "binary").score(truth.astype(int), scores)
    assert found == pytest.approx(theirs.get(), rel=1e-9)
