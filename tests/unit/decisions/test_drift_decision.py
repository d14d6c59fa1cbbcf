from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, ks_2samp

from windlass.decisions.divergence import holm, homogeneity, ks_distance, psi
from windlass.decisions.drift import ColumnDrift, DriftEvidence, decide_drift


def column(name: str = "age", **values: object) -> ColumnDrift:
    return ColumnDrift(**{"name": name, "kind": "number", "psi": 0.01, "statistic": 9.0, "p_value": 0.5, **values})


def evidence(*columns: ColumnDrift, **values: object) -> DriftEvidence:
    return DriftEvidence(**{"columns": columns, "rows_reference": 5000, "rows_window": 2000, **values})


def test_certain_and_material_alarms(now: datetime) -> None:
    worst = column("fare", psi=0.9, p_value=1e-12, missing_change=0.3, unseen=0.2)
    decision = decide_drift(evidence(column(), column("dep", psi=0.3, p_value=1e-9), worst), now)
    assert (decision.judgement, decision.verdict) == ("drift", "alarm")
    assert decision.reasons[0] == (
        "The column fare has shifted: PSI 0.90, 30% more values missing, 20% of the values new to the reference."
    )
    assert decision.numbers["drifted_columns"] == "fare, dep"
    score = column("prediction", kind="score", psi=0.5, p_value=1e-9)
    assert decide_drift(evidence(score), now).reasons[0] == "The prediction has shifted: PSI 0.50."
    assert decision.numbers["largest_psi_column"] == "fare"


@pytest.mark.parametrize(
    "quiet",
    [
        column(psi=0.15, p_value=1e-30),  # certain, not material
        column(psi=0.9, p_value=0.01),  # material, not certain
        column(psi=3.0, usual_psi=3.5, p_value=1e-30),  # no more than the seasons within the reference
        column(psi=float("nan"), p_value=float("nan")),
    ],
)
def test_one_of_the_two_is_not_enough(quiet: ColumnDrift, now: datetime) -> None:
    assert decide_drift(evidence(quiet), now).verdict == "quiet"


def test_missing_values_are_material_by_themselves(now: datetime) -> None:
    assert decide_drift(evidence(column(psi=0.1, p_value=1e-9, missing_change=-0.2)), now).verdict == "alarm"


def test_a_vanished_column_alarms_whatever_the_rest(now: datetime) -> None:
    decision = decide_drift(evidence(vanished=("fare",), rows_window=3), now)
    assert decision.verdict == "alarm"
    assert "fare" in decision.reasons[0]


def test_too_few_rows_wait(now: datetime) -> None:
    for short in ({"rows_window": 99}, {"rows_reference": 99}, {"rows_window": 0}):
        assert decide_drift(evidence(column(psi=9.0, p_value=0.0), **short), now).verdict == "wait"


def test_many_columns_share_one_chance_of_a_false_alarm(now: datetime) -> None:
    """A p-value that would do alone does not do as one of a thousand."""
    suspect = column(psi=0.5, p_value=1e-5)
    assert decide_drift(evidence(suspect), now).verdict == "alarm"
    assert decide_drift(evidence(suspect, *[column()] * 999), now).verdict == "quiet"


def test_the_chi_square_is_scipys(rng: np.random.Generator) -> None:
    first, second = rng.multinomial(1000, [0.2, 0.3, 0.5]), rng.multinomial(400, [0.25, 0.3, 0.45])
    expected = chi2_contingency(np.array([first, second]), correction=False)
    assert homogeneity(first, second) == pytest.approx((expected.statistic, expected.pvalue))


def test_the_test_is_honest_far_out_and_with_sparse_bins(
    rng: np.random.Generator, plausible: Callable[[int, int, float], bool]
) -> None:
    """Both sides are samples: p-values of 1 in 100 and 1 in 1,000 come that often, no more."""
    shares = np.array([0.3, 0.3, 0.2, 0.1, 0.05, 0.02, 0.02, 0.005, 0.004, 0.001])
    found = np.array([homogeneity(rng.multinomial(800, shares), rng.multinomial(2000, shares))[1] for _ in range(8000)])
    for rate in (0.05, 0.01, 0.001):
        assert plausible(int((found < rate).sum()), 8000, rate * 1.2)


def test_all_columns_together_keep_one_rate(
    rng: np.random.Generator, plausible: Callable[[int, int, float], bool]
) -> None:
    """Windows of 30 columns from where the references came from: any column certain in at most alpha of them."""
    alpha, shares, wrong = 0.05, np.full(12, 1 / 12), 0
    for _ in range(400):
        pairs = (rng.multinomial(3000, shares, 30), rng.multinomial(2000, shares, 30))
        wrong += bool(holm(np.array([homogeneity(*pair)[1] for pair in zip(*pairs, strict=True)]), alpha).any())
    assert plausible(wrong, 400, alpha)


def test_a_reference_taken_for_the_truth_would_cry_wolf(
    rng: np.random.Generator, plausible: Callable[[int, int, float], bool]
) -> None:
    """Why both sides count as samples: against the reference's own shares the same windows alarm far too often."""
    from scipy.stats import chisquare

    shares, wrong = np.full(10, 0.1), 0
    for _ in range(1000):
        reference, window = rng.multinomial(1000, shares), rng.multinomial(2000, shares)
        wrong += chisquare(window, reference * 2.0).pvalue < 0.01
    assert not plausible(wrong, 1000, 0.01)


def test_psi_by_hand() -> None:
    first, second = np.array([50, 50]), np.array([80, 20])
    p, q = np.array([50.5, 50.5]) / 101, np.array([80.5, 20.5]) / 101
    assert psi(first, second) == pytest.approx(((p - q) * np.log(p / q)).sum())
    assert psi(first, first) == 0
    assert np.isnan(psi(first, np.zeros(2)))


def test_ks_is_scipys(rng: np.random.Generator) -> None:
    first, second = rng.normal(size=300).round(1), rng.normal(0.3, 1, 200).round(1)
    assert ks_distance(first, second) == pytest.approx(ks_2samp(first, second).statistic)
    assert np.isnan(ks_distance(first, first[:0]))


def test_holm_step_by_step() -> None:
    assert holm(np.array([0.04, 0.01, 0.03]), 0.05).tolist() == [False, True, False]
    assert holm(np.array([0.02, 0.01, 0.03]), 0.06).tolist() == [True, True, True]
    assert holm(np.array([np.nan, 0.02]), 0.05).tolist() == [False, True]
    assert holm(np.array([]), 0.05).tolist() == []


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=12))
def test_any_counts_give_a_p_value(rows: list[tuple[int, int]]) -> None:
    first, second = np.array(rows).T
    statistic, p_value = homogeneity(first, second)
    assert statistic >= 0
    assert 0 <= p_value <= 1
    swapped = homogeneity(second, first)
    assert swapped == pytest.approx((statistic, p_value))
    index = psi(first, second)
    assert np.isnan(index) or index >= 0
