"""Decay for those who have predictions and outcomes, and no product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from windlass.errors import DataError, UsageError
from windlass.monitoring import decay, losses


def binary(rng: np.random.Generator, rows: int, *, knows: bool = True) -> np.ndarray:
    score = rng.uniform(0, 1, rows)
    return losses((rng.random(rows) < (score if knows else 0.5)).astype(int), score, kind="binary")


def test_a_model_that_knows_nothing_any_more_is_found_and_dated(rng: np.random.Generator) -> None:
    found = decay(binary(rng, 3000), np.append(binary(rng, 2000), binary(rng, 1000, knows=False)), kind="binary")
    assert (found.alert, found.judged, found.outcomes, found.block) == (True, True, 3000, 1)
    assert found.since is not None
    assert found.recent is not None
    assert 1900 < found.since < 2100
    assert found.holdout == pytest.approx(1 / 6, abs=0.01)
    assert found.recent == pytest.approx(1 / 3, abs=0.03)


def test_several_classes_and_numbers(rng: np.random.Generator) -> None:
    chances = rng.dirichlet([0.4, 0.4, 0.4], 6000)
    came = np.array([rng.choice(3, p=each) for each in chances])
    came[5000:] = rng.integers(0, 4, 1000)  # among them a class that the model does not know
    found = losses(came, chances, kind="multiclass")
    assert found.max() <= 1
    assert decay(found[:2000], found[2000:], kind="multiclass").alert
    assert not decay(found[:2000], found[2000:5000], kind="multiclass").alert
    error = rng.normal(0, 1, 6000) * np.where(np.arange(6000) < 5000, 1, 2)
    found = losses(100 + error, np.full(6000, 100), kind="regression")
    assert decay(found[:2000], found[2000:], kind="regression").alert
    assert not decay(found[:2000], found[2000:5000], kind="regression").alert


def test_outcomes_that_have_not_come_are_left_out(rng: np.random.Generator) -> None:
    held, given = binary(rng, 3000), np.append(binary(rng, 2000), binary(rng, 1000, knows=False))
    plain = decay(held, given, kind="binary")
    apart = np.full(2 * len(given), np.nan)
    apart[::2] = given
    found = decay(held, apart, kind="binary")
    assert plain.since is not None
    assert (found.evidence, found.outcomes, found.since) == (plain.evidence, 3000, 2 * plain.since)
    assert np.isnan(losses([1, np.nan, 0], [0.5, 0.5, 0.5], kind="binary")).tolist() == [False, True, False]
    none = decay(held, np.full(50, np.nan), kind="binary")
    assert (none.judged, none.alert, none.since, none.recent) == (False, False, None, None)


def test_while_nothing_changes_nothing_is_said(
    rng: np.random.Generator, plausible: Callable[[int, int, float], bool]
) -> None:
    """Within 2,000 outcomes an alarm comes in vain with a chance of at most 2 in 100."""
    hits = sum(decay(binary(rng, 500), binary(rng, 2000), kind="binary").alert for _ in range(100))
    assert plausible(hits, 100, 0.02)


class NAType:
    """Stands for a missing value as that of pandas does: it is equal to nothing, and no number."""

    def __eq__(self, other: object) -> bool:
        raise TypeError("boolean value of NA is ambiguous")

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    "truth",
    [
        np.ma.masked_array([1, 0, 1], mask=[False, True, False]),
        np.ma.masked_array([True, False, True], mask=[False, True, False]),
        np.array([True, None, True], dtype=object),
        np.array([1, NAType(), 1.0], dtype=object),
        pl.Series([True, None, True]),
        pl.Series([1, None, 1]),
    ],
)
def test_an_outcome_that_is_hidden_or_missing_has_not_come(truth: Any) -> None:
    assert losses(truth, [0.5, 0.5, 1.0], kind="binary") == pytest.approx([0.25, np.nan, 0.0], nan_ok=True)


def test_what_a_mask_hides_is_neither_judged_nor_a_prediction(rng: np.random.Generator) -> None:
    held, given = binary(rng, 2000), binary(rng, 2000)
    hidden = np.arange(2000) % 3 == 0
    given[hidden] = 5.0
    found = decay(held, np.ma.masked_array(given, mask=hidden), kind="binary")
    assert (found.outcomes, found.alert) == (1333, False)
    with pytest.raises(DataError, match="a prediction is not finite"):
        losses([1, 0], np.ma.masked_array([0.5, 0.5], mask=[False, True]), kind="binary")
    with pytest.raises(UsageError, match=r"labels have the shape \(n,\), not \(2, 1\)"):
        losses([[1], [0]], [0.5, 0.5], kind="binary")


def test_what_is_no_loss_is_named(rng: np.random.Generator) -> None:
    held = binary(rng, 500)
    with pytest.raises(DataError, match="99 losses to compare with"):
        decay(held[:99], held, kind="binary")
    with pytest.raises(DataError, match="500 losses to compare with"):
        decay(np.zeros(500), held, kind="regression")
    for wrong, said in ((held - 1, "between 0 and 1"), (held * 3, "between 0 and 1"), (held[:, None], r"shape \(n,\)")):
        with pytest.raises(UsageError, match=said):
            decay(held, wrong, kind="binary")
    with pytest.raises(UsageError, match="between 0 and inf"):
        decay(held, np.append(held, np.inf), kind="regression")
    with pytest.raises(UsageError, match="no kind"):
        decay(held, held, kind="classes")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="2 predictions and 1 labels"):
        losses([1], [0.5, 0.5], kind="binary")
    with pytest.raises(UsageError, match="labels are of type"):
        losses(["yes", "no"], [0.5, 0.5], kind="binary")
