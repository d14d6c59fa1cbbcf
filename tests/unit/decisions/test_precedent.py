from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy.stats import combine_pvalues

from windlass.decisions.figures import decision
from windlass.decisions.gate import GateEvidence, decide_gate
from windlass.decisions.precedent import Precedent, precedent_of, together
from windlass.decisions.rollback import RollbackEvidence, decide_rollback
from windlass.decisions.statistics.paired_losses import PairedLosses, p_better
from windlass.product.policy import Gate, Release

from .judged import judged  # type: ignore[import-not-found]

PAID = Precedent(gain=0.05, p_better=0.001)
LOST = Precedent(gain=-0.05, p_better=0.999)


def test_what_the_last_release_brought_speaks_for_a_gain_that_noise_may_explain(now: datetime) -> None:
    alone = decide_gate(judged(0.99), Gate("mae"), now)
    assert 0.1 < alone.numbers["p_better"] < 0.5
    assert (alone.verdict, "noise may explain" in alone.reasons[0]) == ("reject", True)
    paid = decide_gate(judged(0.99, precedent=PAID), Gate("mae"), now)
    assert (paid.verdict, paid.numbers["p_better"]) == ("pass", alone.numbers["p_better"])
    assert "The last release gained 5.0% on its probation" in " ".join(paid.reasons)
    assert paid.numbers["together_p_better"] < 0.1
    assert decide_gate(judged(0.99, precedent=LOST), Gate("mae"), now).verdict == "reject"


def test_a_gain_that_is_clear_by_itself_needs_no_precedent_and_fears_none(now: datetime) -> None:
    for precedent in (None, PAID, LOST):
        assert decide_gate(judged(0.7, precedent=precedent), Gate("mae"), now).verdict == "pass"


@pytest.mark.parametrize(("candidate", "said"), [(1.5, "clearly worse"), (1.001, "not worth a release")])
def test_no_precedent_saves_what_does_worse(candidate: float, said: str, now: datetime) -> None:
    worse = decide_gate(judged(candidate, precedent=Precedent(gain=0.9, p_better=0.0)), Gate("mae"), now)
    assert (worse.verdict, said in worse.reasons[0]) == ("reject", True)


def test_both_together_must_gain_what_counts(now: datetime) -> None:
    little = Precedent(gain=0.001, p_better=1e-6)
    found = decide_gate(judged(0.9999, precedent=little), Gate("mae"), now)
    assert found.numbers["together_p_better"] < 0.1
    assert (found.verdict, "less than 1%" in found.reasons[0]) == ("reject", True)


def test_where_nothing_is_ever_gained_precedents_let_few_more_pass(
    rng: np.random.Generator, now: datetime, plausible: Callable[[int, int, float], bool]
) -> None:
    """By itself in 10 of 100, by both together in 10, of which some are the same: 14.8 of 100, by integrating. The
    least gain that counts takes a part of them."""
    passed = 0
    for _ in range(600):
        error, other, last = rng.normal(size=(3, 60))
        chance = Precedent(gain=float(rng.normal(0, 0.2)), p_better=float(rng.random()))
        del last
        evidence = GateEvidence(
            kind="regression", truth=np.zeros(60), candidate=error, champion=other, must_gain=True, precedent=chance
        )
        passed += decide_gate(evidence, Gate("mae"), now).verdict == "pass"
    assert plausible(passed, 600, 0.148) or passed < 89


def test_p_values_are_taken_together_as_stouffer_does() -> None:
    for p_values in ([0.3, 0.04], [0.5, 0.5, 0.5], [0.9, 0.2], [0.07]):
        assert together(p_values) == pytest.approx(combine_pvalues(p_values, method="stouffer").pvalue)
    assert together([0.0, 0.6]) < 0.1 < together([0.0, 1.0]) < 0.9  # nothing is so sure that it alone decides
    assert np.isnan(together([0.1, np.nan]))


def losses(rng: np.random.Generator, rows: int, better: float) -> PairedLosses:
    previous = rng.exponential(size=rows)
    return PairedLosses(new=rng.exponential(size=rows) * (1 - better), previous=previous, bound=5.0)


def test_probation_tells_what_a_version_brought(rng: np.random.Generator) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    evidence = RollbackEvidence(started_at=start, losses=losses(rng, 3000, 0.2))
    kept = decide_rollback(evidence, Release(probation="1d"), start + timedelta(days=2))
    told = precedent_of(kept)
    assert told is not None
    assert told.proven
    assert told.gain == pytest.approx(0.2, abs=0.05)
    nothing = replace(evidence, losses=PairedLosses(new=np.zeros(0), previous=np.zeros(0)))
    assert precedent_of(decide_rollback(nothing, Release(), start)) is None
    assert precedent_of(decision("rollback", "keep", ["As older releases said it."], {}, start)) is None
    assert precedent_of(None) is None


def test_versions_that_are_as_good_seem_better_as_often_as_is_said(
    rng: np.random.Generator, plausible: Callable[[int, int, float], bool]
) -> None:
    chances = np.array([p_better(losses(rng, 300, 0.0)) for _ in range(1000)])
    assert plausible(int((chances < 0.1).sum()), 1000, 0.1)
    assert plausible(int((chances < 0.5).sum()), 1000, 0.5)


def test_the_chance_of_a_gain_is_defined_for_few_and_for_equal_rows() -> None:
    one = np.array([1.0])
    assert np.isnan(p_better(PairedLosses(new=one, previous=one)))
    same = np.ones(10)
    assert p_better(PairedLosses(new=same, previous=same)) == 1.0
    assert p_better(PairedLosses(new=same, previous=same + 1)) == 0.0
    holed = np.where(np.arange(10) == 3, np.nan, same)
    assert p_better(PairedLosses(new=holed, previous=same + 1)) == 0.0
