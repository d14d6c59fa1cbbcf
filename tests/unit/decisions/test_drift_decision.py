from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

from windlass.decisions.drift import ColumnDrift, DriftEvidence, Effect, decide_drift, drifted_columns
from windlass.decisions.statistics.divergence import holm, jensen_shannon, ks_distance, psi


def column(name: str = "age", *, evidence: float = 1.0, kind: str = "number", **effect: float) -> ColumnDrift:
    return ColumnDrift(
        name=name,
        kind=kind,  # type: ignore[arg-type]
        evidence=evidence,
        effect=Effect(**{"psi": 0.01, "jensen_shannon": 0.05, **effect}),
        least_shift=0.02,
    )


def evidence(*columns: ColumnDrift, **values: object) -> DriftEvidence:
    mean = sum(each.evidence for each in columns) / max(len(columns), 1)
    known = {"columns": columns, "mean": mean, "windows": 3, "rows_reference": 5000, "rows_window": 2000}
    return DriftEvidence(**{**known, **values})


def test_the_alarm_names_what_is_certain_the_largest_first(now: datetime) -> None:
    worst = column("fare", evidence=1e9, psi=0.9, missing_change=0.3, unseen=0.2)
    decision = decide_drift(evidence(column(), column("dep", evidence=9000, psi=0.3, shift=0.4), worst), now)
    assert (decision.judgement, decision.verdict) == ("drift", "alarm")
    assert decision.reasons == (
        "The column fare has shifted: PSI 0.90, 30% more values missing, 20% of the values new to the reference.",
        "The column dep has shifted: PSI 0.30, mean +0.40 standard deviations.",
    )
    assert decision.numbers["drifted_columns"] == "fare, dep"
    assert decision.numbers["largest_psi_column"] == "fare"
    assert decision.numbers["least_shift"] == 0.02
    score = column("prediction", kind="score", evidence=1e9, psi=0.004)
    assert decide_drift(evidence(score), now).reasons[0] == "The prediction has shifted: PSI 0.004."


def test_many_columns_share_one_chance_of_a_false_alarm(now: datetime) -> None:
    """Evidence that would do alone does not do as one of a thousand."""
    suspect = column(evidence=20_000.0)
    assert decide_drift(evidence(suspect), now).verdict == "alarm"
    assert decide_drift(evidence(suspect, *[column()] * 999), now).verdict == "quiet"


def test_a_column_is_only_named_for_what_it_has_shown_itself(now: datetime) -> None:
    sure, other = column("fare", evidence=1e6), column("dep", evidence=8759.0)
    assert [each.name for each in drifted_columns(evidence(sure, other))] == ["fare"]
    assert drifted_columns(evidence(other, other)) == []
    assert drifted_columns(evidence(sure, mean=8759.0)) == []  # no alarm, no names


def test_a_vanished_column_alarms_whatever_the_rest(now: datetime) -> None:
    decision = decide_drift(evidence(vanished=("fare",), rows_window=3), now)
    assert decision.verdict == "alarm"
    assert "fare" in decision.reasons[0]


def test_a_reference_that_is_too_small_waits_and_an_empty_window_is_quiet(now: datetime) -> None:
    assert decide_drift(evidence(column(evidence=1e9), rows_reference=99), now).verdict == "wait"
    assert decide_drift(evidence(column(), rows_window=0), now).verdict == "quiet"


def test_jensen_shannon_is_scipys(rng: np.random.Generator) -> None:
    first, second = rng.multinomial(1000, [0.2, 0.3, 0.5]), rng.multinomial(400, [0.25, 0.75, 0.0])
    assert jensen_shannon(first, second) == pytest.approx(jensenshannon(first, second, base=2))
    assert jensen_shannon(first, first) == 0
    assert jensen_shannon(np.array([5, 0]), np.array([0, 7])) == 1
    assert np.isnan(jensen_shannon(first, np.zeros(3)))


def test_psi_by_hand() -> None:
    first, second = np.array([50, 50]), np.array([80, 20])
    p, q = np.array([50.65, 50.35]) / 101, np.array([80.65, 20.35]) / 101  # one row more, spread as 130 and 70 are
    assert psi(first, second) == pytest.approx(((p - q) * np.log(p / q)).sum(), rel=1e-5)
    assert psi(first, first) == 0
    assert psi(np.array([1000, 0, 0]), np.array([20, 0, 0])) == pytest.approx(0, abs=1e-4)  # alike, whatever their size
    assert np.isnan(psi(first, np.zeros(2)))


def test_ks_is_scipys(rng: np.random.Generator) -> None:
    first, second = rng.normal(size=300).round(1), rng.normal(0.3, 1, 200).round(1)
    assert ks_distance(first, second) == pytest.approx(ks_2samp(first, second).statistic)
    assert np.isnan(ks_distance(first, first[:0]))
    near = np.repeat([1.0, 2.0], 50)
    assert ks_distance(near, near + 0.25) == 0.5
    assert ks_distance(near, near + 0.25, slack=0.25) == 0
    assert ks_distance(near, near + 0.25, slack=0.125) == 0.5
    assert ks_distance(near, np.where(np.arange(100) < 30, 5.0, near), slack=0.125) == pytest.approx(0.3)


def test_holm_step_by_step() -> None:
    assert holm(np.array([0.04, 0.01, 0.03]), 0.05).tolist() == [False, True, False]
    assert holm(np.array([0.02, 0.01, 0.03]), 0.06).tolist() == [True, True, True]
    assert holm(np.array([np.nan, 0.02]), 0.05).tolist() == [False, True]
    assert holm(np.array([]), 0.05).tolist() == []


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=12))
def test_any_counts_have_distances(rows: list[tuple[int, int]]) -> None:
    first, second = np.array(rows).T
    index, distance = psi(first, second), jensen_shannon(first, second)
    assert np.isnan(index) or index >= 0
    assert np.isnan(distance) or 0 <= distance <= 1 + 1e-12
    assert jensen_shannon(second, first) == pytest.approx(distance, nan_ok=True)
