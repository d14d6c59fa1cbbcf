from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from windlass.decisions.gate import GateEvidence, decide_gate, score_shift
from windlass.errors import ProductError
from windlass.product.policy import Gate


def evidence(
    rng: np.random.Generator, *, rows: int = 2000, champion: float | None = 1.0, **more: object
) -> GateEvidence:
    """A candidate with noise 1 and a champion with another; smaller is better."""
    signal = rng.normal(size=rows)
    truth = (rng.random(rows) < 1 / (1 + np.exp(-2 * signal))).astype(int)

    def scores(noise: float) -> np.ndarray:
        return 1 / (1 + np.exp(-(signal + noise * rng.normal(size=rows))))

    return GateEvidence(
        kind="binary",
        truth=truth,
        candidate=scores(1.0),
        constant=np.full(rows, 0.5),
        champion=None if champion is None else scores(champion),
        **more,
    )


def test_the_first_version_passes_on_its_floor_alone(rng: np.random.Generator, now: datetime) -> None:
    first = evidence(rng, champion=None)
    decision = decide_gate(first, Gate("roc_auc", at_least=0.6), now)
    assert (decision.judgement, decision.verdict, decision.at) == ("gate", "pass", now)
    assert decision.numbers["candidate"] > 0.6
    assert decision.numbers["baseline"] == 0.5
    assert any("no champion" in reason for reason in decision.reasons)
    assert decide_gate(first, None, now).verdict == "pass"
    low = decide_gate(first, Gate("roc_auc", at_least=0.95), now)
    assert low.verdict == "reject"
    assert "below the floor of 0.95" in low.reasons[0]


def test_a_ceiling_holds_where_smaller_is_better(rng: np.random.Generator, now: datetime) -> None:
    first = evidence(rng, champion=None)
    assert decide_gate(first, Gate("log_loss", at_most=0.7), now).verdict == "pass"
    assert "above the ceiling" in decide_gate(first, Gate("log_loss", at_most=0.1), now).reasons[0]


def test_clearly_worse_than_the_champion_is_rejected(rng: np.random.Generator, now: datetime) -> None:
    decision = decide_gate(evidence(rng, champion=0.3), None, now)
    assert decision.verdict == "reject"
    assert "clearly worse than the champion" in decision.reasons[0]
    assert decision.numbers["gain_high"] < 0
    assert decision.numbers["gain_low"] < decision.numbers["gain"] < decision.numbers["gain_high"]
    assert decision.numbers["p_worse"] < 0.01


def test_tolerance_is_how_much_worse_counts_as_the_same(rng: np.random.Generator, now: datetime) -> None:
    worse = evidence(rng, champion=0.3)
    assert decide_gate(worse, Gate(tolerance=0.2), now).verdict == "pass"
    assert decide_gate(worse, Gate(tolerance=0.001), now).verdict == "reject"


def test_better_than_the_champion_passes(rng: np.random.Generator, now: datetime) -> None:
    decision = decide_gate(evidence(rng, champion=3.0), None, now)
    assert decision.verdict == "pass"
    assert decision.numbers["gain"] > 0


def test_an_equal_candidate_is_seldom_rejected(
    rng: np.random.Generator, now: datetime, plausible: Callable[[int, int, float], bool]
) -> None:
    rejected = sum(decide_gate(evidence(rng, rows=200), None, now).verdict == "reject" for _ in range(300))
    assert plausible(rejected, 300, 0.05)


def test_an_equal_candidate_seldom_passes_where_it_must_gain(
    rng: np.random.Generator, now: datetime, plausible: Callable[[int, int, float], bool]
) -> None:
    """By noise in 5 %, of which the least gain that counts takes a part."""
    passed = sum(decide_gate(evidence(rng, rows=200, must_gain=True), None, now).verdict == "pass" for _ in range(300))
    assert plausible(passed, 300, 0.05) or passed < 15
    assert decide_gate(evidence(rng, champion=3.0, must_gain=True), None, now).verdict == "pass"


def test_a_loss_that_noise_may_explain_is_called_none_of_a_gain(rng: np.random.Generator, now: datetime) -> None:
    truth, error = rng.normal(size=500), rng.normal(size=500)
    made = GateEvidence(
        kind="regression", truth=truth, candidate=truth + 1.01 * error[::-1], champion=truth + error, must_gain=True
    )
    decision = decide_gate(made, Gate("mae"), now)
    assert decision.numbers["gain"] < 0
    assert decision.reasons[0].startswith("It is not worth a release, since it gains nothing: it is worse by 0.0")


@pytest.mark.parametrize(
    ("factor", "verdict", "said"),
    [(0.999, "pass", "better"), (1.0, "reject", "it differs by 0 mae"), (1.001, "reject", "it is worse by")],
)
def test_where_few_versions_are_left_what_seems_to_gain_nothing_is_worth_none(
    factor: float, verdict: str, said: str, rng: np.random.Generator, now: datetime
) -> None:
    truth, error = rng.normal(size=500), rng.normal(size=500)
    noisy = error + 0.0001 * rng.normal(size=500) * (factor != 1)
    made = GateEvidence(kind="regression", truth=truth, candidate=truth + factor * noisy, champion=truth + error)
    decision = decide_gate(replace(made, sparing=True), Gate("mae", tolerance=0.1), now)
    assert decision.verdict == verdict
    assert said in decision.reasons[0] + decision.reasons[-1]
    assert ("few versions may still be made" in decision.reasons[0]) == (verdict == "reject")
    assert decide_gate(made, Gate("mae", tolerance=0.1), now).verdict == "pass"


def test_a_gain_that_is_certain_and_small_is_not_worth_a_release(rng: np.random.Generator, now: datetime) -> None:
    truth = rng.normal(size=5000)
    error = rng.normal(size=5000)
    made = GateEvidence(
        kind="regression", truth=truth, candidate=truth + 0.995 * error, champion=truth + error, must_gain=True
    )
    decision = decide_gate(made, Gate("mae"), now)
    assert decision.verdict == "reject"
    assert "less than 1% of what the champion falls short" in decision.reasons[0]
    larger = replace(made, candidate=truth + 0.97 * error)
    assert decide_gate(larger, Gate("mae"), now).verdict == "pass"
    assert decide_gate(replace(made, must_gain=False), Gate("mae"), now).verdict == "pass"


def test_nobody_knows_what_is_perfect_by_a_metric_of_ones_own(rng: np.random.Generator, now: datetime) -> None:
    def closeness(truth: np.ndarray, scores: np.ndarray) -> float:
        return -float(np.abs(truth - scores).mean())

    truth, error = rng.normal(size=2000), rng.normal(size=2000)
    made = GateEvidence(
        kind="regression", truth=truth, candidate=truth + 0.99 * error, champion=truth + error, must_gain=True
    )
    assert decide_gate(made, Gate(closeness), now).verdict == "pass"


def test_slices_keep_their_rate_together(
    rng: np.random.Generator, now: datetime, plausible: Callable[[int, int, float], bool]
) -> None:
    """Twenty groups, equal models: overall and slices may each be wrong in 5 %."""
    rejected = 0
    for _ in range(60):
        groups = rng.integers(0, 20, 3000).astype(str)
        decision = decide_gate(evidence(rng, rows=3000, slices={"carrier": groups}), None, now)
        rejected += decision.verdict == "reject"
    assert decision.numbers["slices_judged"] == 20
    assert plausible(rejected, 60, 0.1)


def test_one_bad_slice_is_named(rng: np.random.Generator, now: datetime) -> None:
    whole = evidence(rng, rows=4000, champion=1.0)
    carrier = np.where(np.arange(4000) % 8 == 0, "9E", "UA")
    candidate = np.where(carrier == "9E", rng.random(4000), whole.candidate)
    champion = np.where(carrier == "9E", whole.candidate, whole.champion)
    bad = GateEvidence(
        kind="binary", truth=whole.truth, candidate=candidate, champion=champion, slices={"carrier": carrier}
    )
    decision = decide_gate(bad, Gate(slices=["carrier"], tolerance=0.05), now)
    assert decision.verdict == "reject"
    assert decision.numbers["slices_worse"] == "carrier=9E"
    assert "For carrier=9E" in decision.reasons[0]


def test_small_groups_are_not_judged(rng: np.random.Generator, now: datetime) -> None:
    groups = np.array(["rare"] * 99 + ["common"] * 1901)
    decision = decide_gate(evidence(rng, slices={"group": groups}), None, now)
    assert decision.numbers["slices_judged"] == 1


def test_latency_must_be_shown(rng: np.random.Generator, now: datetime) -> None:
    policy = Gate(latency_ms=5)
    assert decide_gate(evidence(rng, latency_ms=4.0), policy, now).verdict == "pass"
    assert "One row takes 6 ms" in decide_gate(evidence(rng, latency_ms=6.0), policy, now).reasons[0]
    assert "was not measured" in decide_gate(evidence(rng), policy, now).reasons[0]
    assert decide_gate(evidence(rng, latency_ms=60.0), None, now).verdict == "pass"


def test_too_few_rows_are_no_comparison(rng: np.random.Generator, now: datetime) -> None:
    decision = decide_gate(evidence(rng, rows=29), None, now)
    assert decision.verdict == "reject"
    assert "Only 29 rows" in decision.reasons[0]


def test_one_class_on_the_holdout_is_told(now: datetime) -> None:
    ones = GateEvidence(
        kind="binary", truth=np.ones(50, dtype=int), candidate=np.linspace(0, 1, 50), champion=np.linspace(1, 0, 50)
    )
    undefined, incomparable = decide_gate(ones, None, now).reasons
    assert "undefined on these 50 rows" in undefined
    assert "cannot be compared" in incomparable
    # Also without a floor, and with nobody to compare it with: no figure is no reason to release.
    first = decide_gate(replace(ones, champion=None), None, now)
    assert (first.verdict, first.reasons[0]) == ("reject", undefined)


def test_bounds_are_judged_on_all_rows_and_the_champion_on_those_it_has_not_seen(
    rng: np.random.Generator, now: datetime
) -> None:
    whole = evidence(rng, rows=1000, latency_ms=1.0)
    unseen = np.arange(1000) >= 900
    candidate = np.where(unseen, 1 - whole.candidate, whole.candidate)  # good on the whole, turned round on the newest
    partly = replace(whole, candidate=candidate, champion=whole.champion[unseen], unseen=unseen)
    decision = decide_gate(partly, Gate("roc_auc", at_least=0.6, latency_ms=5), now)
    assert (decision.numbers["rows"], decision.numbers["rows_compared"]) == (1000, 100)
    assert decision.numbers["candidate"] > 0.6
    assert decision.reasons[0].startswith("It is clearly worse than the champion on the same 100 rows")
    assert decision.verdict == "reject"
    none = decide_gate(replace(partly, champion=whole.champion[:0], unseen=np.zeros(1000, dtype=bool)), None, now)
    assert "Only 0 rows can be compared" in none.reasons[0]


def test_slices_are_compared_on_the_unseen_rows(rng: np.random.Generator, now: datetime) -> None:
    whole = evidence(rng, rows=2000)
    unseen = np.arange(2000) >= 1500
    groups = np.where(np.arange(2000) % 2, "odd", "even")
    partly = replace(whole, champion=whole.champion[unseen], unseen=unseen, slices={"group": groups})
    assert decide_gate(partly, Gate(slices=["group"]), now).numbers["slices_judged"] == 2
    few = replace(partly, unseen=unseen & (groups == "odd"), champion=whole.champion[unseen & (groups == "odd")])
    assert decide_gate(few, Gate(slices=["group"]), now).numbers["slices_judged"] == 1


def test_cost_and_own_metrics(rng: np.random.Generator, now: datetime) -> None:
    cheap = decide_gate(evidence(rng), Gate(cost=[[0, 1], [5, 0]], at_most=1.0), now)
    assert (cheap.verdict, cheap.numbers["metric"]) == ("pass", "cost")

    def profit(truth: np.ndarray, score: np.ndarray) -> float:
        return float((truth - 0.5)[score > 0.5].sum())

    own = decide_gate(evidence(rng, champion=0.1), Gate(profit), now)
    assert (own.verdict, own.numbers["metric"]) == ("reject", "profit")
    with pytest.raises(ProductError):
        decide_gate(evidence(rng), Gate("rmse"), now)


def test_no_better_than_a_constant_is_said(rng: np.random.Generator, now: datetime) -> None:
    blind = GateEvidence(
        kind="regression", truth=rng.normal(size=100), candidate=np.full(100, 9.0), constant=np.zeros(100)
    )
    assert any(
        "no better than always giving the same answer" in reason for reason in decide_gate(blind, None, now).reasons
    )


def test_regression_and_multiclass(rng: np.random.Generator, now: datetime) -> None:
    truth = rng.normal(size=500)
    values = GateEvidence(
        kind="regression", truth=truth, candidate=truth + 1, champion=truth + 0.1 * rng.normal(size=500)
    )
    assert decide_gate(values, None, now).verdict == "reject"
    codes = rng.integers(0, 3, 500)
    good, poor = 0.8 * np.eye(3)[codes] + 0.2 / 3, rng.dirichlet([1, 1, 1], 500)
    better = GateEvidence(kind="multiclass", truth=codes, candidate=good, champion=poor)
    assert decide_gate(better, Gate(at_least=0.9), now).verdict == "pass"
    assert decide_gate(better, Gate(at_least=0.9), now).numbers["score_shift"] > 0.1


def test_score_shift_is_a_distance() -> None:
    assert score_shift(np.array([0.1, 0.2]), np.array([0.1, 0.2])) == 0
    assert score_shift(np.array([0.1, 0.2]), np.array([0.8, 0.9])) == 1
