"""What is measured of a candidate, on cases that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from windlass.decisions.baseline import constant_answer
from windlass.pipeline.verdicts.evaluation import calibration_of, residuals_of, score_all, slice_table
from windlass.pipeline.verdicts.explanation import measure_latency, permutation_importances
from windlass.product.policy import Gate

TRUTH = np.array([0, 0, 1, 1])
SCORES = np.array([0.1, 0.4, 0.35, 0.8])


def test_binary_figures_by_hand() -> None:
    scores = score_all(TRUTH, SCORES, gate=None, kind="binary")
    assert scores["roc_auc"] == 0.75
    assert scores["accuracy"] == 0.75
    assert scores["brier"] == pytest.approx((0.01 + 0.16 + 0.4225 + 0.04) / 4)
    assert "cost" not in scores


def test_the_gates_own_metric_is_among_them() -> None:
    def hits(truth: np.ndarray, scores: np.ndarray) -> float:
        return float((scores[truth == 1] > 0.5).sum())

    assert score_all(TRUTH, SCORES, gate=Gate(hits), kind="binary")["hits"] == 1.0
    cost = Gate(cost=[[0, 1], [5, 0]])
    assert score_all(TRUTH, SCORES, gate=cost, kind="binary")["cost"] == pytest.approx(0.25)


def test_undefined_figures_are_left_out() -> None:
    scores = score_all(np.zeros(4, dtype=int), SCORES, gate=None, kind="binary")
    assert "roc_auc" not in scores
    assert np.isfinite(list(scores.values())).all()


def test_constant_answers() -> None:
    assert (constant_answer(TRUTH, rows=3, classes=2, kind="binary") == 0.5).all()
    assert (constant_answer(np.array([1.0, 2.0, 9.0]), rows=2, classes=0, kind="regression") == 2.0).all()
    multi = constant_answer(np.array([0, 0, 1, 2]), rows=2, classes=3, kind="multiclass")
    assert multi.tolist() == [[0.5, 0.25, 0.25]] * 2


def test_slices_show_groups_that_are_large_enough() -> None:
    truth = np.tile([0, 1], 50)
    scores = np.where(truth == 1, 0.9, 0.1)
    scores[:40] = 1 - scores[:40]
    groups = np.array(["bad"] * 40 + ["good"] * 50 + ["few"] * 10)
    table = slice_table(truth, scores, {"carrier": groups}, gate=None, kind="binary")
    assert [(row.group, row.rows, row.metrics["accuracy"]) for row in table] == [("good", 50, 1.0), ("bad", 40, 0.0)]


def test_calibration_by_hand() -> None:
    truth = np.array([0, 1, 1, 1])
    scores = np.array([0.05, 0.05, 0.95, 1.0])
    found = calibration_of(truth, scores, "binary")
    assert found is not None
    assert [(each.lower, each.upper, each.rows) for each in found.bins] == [(0.0, 0.1, 2), (0.9, 1.0, 2)]
    assert [each.observed for each in found.bins] == [0.5, 1.0]
    assert found.ece == pytest.approx(0.5 * 0.45 + 0.5 * 0.025)


probabilities = hnp.arrays(float, st.integers(1, 60), elements=st.floats(0, 1))


@given(probabilities, st.randoms())
def test_calibration_counts_every_row_once(scores: np.ndarray, random: object) -> None:
    truth = np.array([random.randint(0, 1) for _ in scores])  # type: ignore[attr-defined]
    found = calibration_of(truth, scores, "binary")
    assert found is not None
    assert sum(each.rows for each in found.bins) == len(scores)
    assert 0 <= found.ece <= 1
    for each in found.bins:
        assert each.lower - 1e-9 <= each.predicted <= each.upper + 1e-9


def test_calibration_of_several_classes_is_about_the_chosen_one() -> None:
    scores = np.array([[0.75, 0.15, 0.1], [0.1, 0.75, 0.15], [0.75, 0.25, 0.0], [0.75, 0.0, 0.25]])
    found = calibration_of(np.array([0, 1, 2, 0]), scores, "multiclass")
    assert found is not None
    assert [(each.rows, each.observed) for each in found.bins] == [(4, 0.75)]
    assert found.ece == 0.0


def test_residuals() -> None:
    found = residuals_of(np.zeros(101), np.arange(-50.0, 51.0), "regression")
    assert found == {"0.05": -45.0, "0.25": -25.0, "0.5": 0.0, "0.75": 25.0, "0.95": 45.0}
    assert residuals_of(TRUTH, SCORES, "binary") == {}


def test_importances_name_the_feature_that_is_used() -> None:
    random = np.random.default_rng(1)
    features = pl.DataFrame({"noise": random.random(2000), "signal": random.integers(0, 2, 2000)})
    truth = features.get_column("signal").to_numpy()
    calls: list[int] = []

    def predict(frame: pl.DataFrame) -> np.ndarray:
        calls.append(frame.height)
        return frame.get_column("signal").to_numpy().astype(float)

    found = permutation_importances(features, truth, predict, "binary")
    assert [each.feature for each in found] == ["signal", "noise"]
    assert found[0].rise == pytest.approx(0.5, abs=0.05)
    assert found[1].rise == 0.0
    assert calls == [500, 2000]
    assert found == permutation_importances(features, truth, predict, "binary")


@pytest.mark.parametrize(("count", "rows"), [(45, 500), (600, 250)])
def test_importances_of_many_features_take_several_calls_and_of_very_many_rest_on_fewer_rows(
    count: int, rows: int
) -> None:
    features = pl.DataFrame({f"f{number}": np.arange(500.0) for number in range(count)})
    calls: list[int] = []

    def predict(frame: pl.DataFrame) -> np.ndarray:
        calls.append(frame.height)
        return frame.get_column("f7").to_numpy()

    found = permutation_importances(features, np.arange(500.0), predict, "regression")
    assert found[0].feature == "f7"
    assert len(found) == count
    assert sum(calls) == rows + count * 2 * rows  # as they are, and each feature shuffled twice
    assert max(calls) <= 20_000


def test_latency_is_of_single_rows_and_of_batches() -> None:
    seen: list[int] = []
    rows = pl.DataFrame({"x": range(7)})
    latency = measure_latency(rows, lambda frame: np.array(seen.append(frame.height)), limited=False)
    assert set(seen) == {1, 7}
    assert seen.count(1) == 31
    assert 0 <= latency.single_p50 <= latency.single_p99
    assert latency.batch_rows == 7
    seen.clear()
    measure_latency(rows, lambda frame: np.array(seen.append(frame.height)), limited=True)
    assert seen.count(1) == 301
