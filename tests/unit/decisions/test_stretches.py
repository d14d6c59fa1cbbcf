"""Stretches of rows that hold both classes, and how often a negative stands above a positive in each."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from windlass.decisions.statistics.stretches import LEAST_ROWS, misordered


def drawn(rng: np.random.Generator, rates: np.ndarray, lift: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes, and scores that are higher by `lift` standard deviations for positives."""
    truth = (rng.random(len(rates)) < rates).astype(float)
    return truth, rng.normal(size=len(rates)) + lift * truth


def disorder(truth: np.ndarray, scores: np.ndarray) -> float:
    """The part of all pairs in which the negative scores higher, pair by pair."""
    apart = scores[truth == 0][:, None] - scores[truth == 1]
    return float(((np.sign(apart) + 1) / 2).mean())


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.97])
def test_stretches_are_as_short_as_they_can_be_and_tell_their_own_area(rng: np.random.Generator, rate: float) -> None:
    truth, scores = drawn(rng, np.full(3000, rate))
    scores = scores.round(1)  # ties
    found = misordered(truth, scores)
    assert found.first[0] == 0
    assert list(found.first[1:]) == list(found.last[:-1] + 1)
    for first, last, least, most in zip(*found, strict=True):
        own = truth[first : last + 1]
        assert len(own) >= LEAST_ROWS
        assert len(own) == LEAST_ROWS or len(set(own[:-1])) == 1  # one row fewer would not do
        assert least == most == pytest.approx(disorder(own, scores[first : last + 1]))
    assert len(set(truth[found.last[-1] + 1 :])) < 2 or len(truth) - found.last[-1] <= LEAST_ROWS


def test_the_mean_is_of_the_ranking_whatever_the_shares_of_the_classes_are(rng: np.random.Generator) -> None:
    rates = np.concatenate([np.full(20_000, 0.02), np.linspace(0.02, 0.6, 20_000), np.full(20_000, 0.9)])
    truth, scores = drawn(rng, rates)
    values = misordered(truth, scores + 5 * rates).least  # the level of all scores moves with the rate, too
    again, level = drawn(rng, np.full(60_000, 0.5))
    area = 1 - roc_auc_score(again, level)
    for part in np.array_split(values, 3):
        assert abs(part.mean() - area) < 4 * part.std(ddof=1) / np.sqrt(len(part)) + 0.005


def test_what_is_unknown_can_only_come_to_what_lies_between(rng: np.random.Generator) -> None:
    truth, scores = drawn(rng, np.full(2000, 0.15))
    told = np.where(rng.random(2000) < 0.2, np.nan, truth)
    found = misordered(told, scores)
    assert (found.most - found.least).max() > 0.3
    for _ in range(20):
        come = np.where(np.isnan(told), rng.random(2000) < rng.random(), told)
        for first, last, least, most in zip(*found, strict=True):
            own = slice(first, last + 1)
            value = disorder(come[own], scores[own])
            assert least - 1e-12 <= value <= most + 1e-12


@pytest.mark.parametrize("truth", [[], [0.0] * 40, [1.0] * 40, [float("nan")] * 40, [0.0] * 5 + [1.0]])
def test_where_there_is_no_pair_there_is_no_stretch(truth: list[float]) -> None:
    found = misordered(np.array(truth), np.zeros(len(truth)))
    assert [len(each) for each in found] == [0, 0, 0, 0]
