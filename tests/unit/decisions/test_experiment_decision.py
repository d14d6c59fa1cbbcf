"""An A/B test: seldom wrong however often one looks, and right in the end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import pytest

from windlass.decisions.experiment import ALPHA, LEAST_KEYS, Arm, ExperimentEvidence, decide_experiment, difference
from windlass.records.experiment import Plan

PLAN = Plan(a="v1", b="v2", metric="revenue", split=0.5)
Plausible = Callable[[int, int, float], bool]


def arms(a: np.ndarray, b: np.ndarray, *, keys_a: int | None = None) -> ExperimentEvidence:
    return ExperimentEvidence(a=Arm(keys=len(a) if keys_a is None else keys_a, values=a), b=Arm(keys=len(b), values=b))


def revenue(rng: np.random.Generator, keys: int, *, more: float = 0.0) -> np.ndarray:
    """Most buy nothing, and some for much."""
    return np.where(rng.random(keys) < 0.2, rng.lognormal(3, 1, keys), 0.0) + more


def test_no_difference_is_seldom_told_however_often_one_looks(rng: np.random.Generator, plausible: Plausible) -> None:
    wrong = 0
    for _ in range(200):
        a, b = revenue(rng, 4000), revenue(rng, 4000)
        looks = range(100, 4001, 50)
        wrong += any(abs(gain) > radius for look in looks for gain, radius in [difference(a[:look], b[:look])])
    assert plausible(wrong, 200, ALPHA)


@pytest.mark.parametrize("split", [0.1, 0.02])
def test_nor_is_one_of_what_is_rare_however_few_keys_a_version_gets(
    split: float, rng: np.random.Generator, plausible: Plausible
) -> None:
    """Of conversions of 1 %, the first hundred keys of a version often show none, and no variance."""
    wrong = 0
    for _ in range(200):
        bought, of_b = (rng.random(20_000) < 0.01) * 1.0, rng.random(20_000) < split
        pairs = (
            (bought[:look][~of_b[:look]], bought[:look][of_b[:look]])
            for look in np.geomspace(200, 20_000, 60).astype(int)
        )
        wrong += any(
            abs(gain) > radius
            for a, b in pairs
            if min(len(a), len(b)) >= LEAST_KEYS
            for gain, radius in [difference(a, b)]
        )
    assert plausible(wrong, 200, ALPHA)


@pytest.mark.parametrize("split", [0.5, 0.02])
def test_that_one_version_brings_nothing_at_all_is_told(split: float, rng: np.random.Generator) -> None:
    a, b = (rng.random(int(20_000 * (1 - split))) < 0.05) * 1.0, np.zeros(int(20_000 * split))
    gain, radius = difference(a, b)
    assert gain < -radius
    constant, radius = difference(np.zeros(100), np.ones(100))
    assert constant == 1.0 > radius > 0.0


def test_where_nothing_has_happened_yet_nothing_is_told(now: datetime) -> None:
    judged = decide_experiment(arms(np.zeros(500), np.zeros(500)), PLAN, now)
    assert judged.verdict == "wait"
    assert "revenue is 0 with every key of both versions so far" in judged.reasons[0]
    assert "gain_low" not in judged.numbers


@pytest.mark.parametrize(("of_a", "of_b"), [(0.002, 0.01), (0.01, 0.05), (0.05, 0.01)])
def test_the_interval_holds_what_is_rare_at_all_looks(
    of_a: float, of_b: float, rng: np.random.Generator, plausible: Plausible
) -> None:
    missed = 0
    for _ in range(150):
        a, b = (rng.random(18_000) < of_a) * 1.0, (rng.random(2_000) < of_b) * 1.0
        shares = np.geomspace(0.05, 1, 60)
        missed += any(
            abs(gain - (of_b - of_a)) > radius
            for share in shares
            for gain, radius in [difference(a[: int(share * 18_000)], b[: int(share * 2_000)])]
        )
    assert plausible(missed, 150, ALPHA)


def test_a_plain_interval_looked_at_as_often_would_not_do(rng: np.random.Generator, plausible: Plausible) -> None:
    wrong = 0
    for _ in range(100):
        a, b = rng.normal(size=4000), rng.normal(size=4000)
        wrong += any(abs(a[:look].mean() - b[:look].mean()) > 1.96 * np.sqrt(2 / look) for look in range(100, 4001, 50))
    assert not plausible(wrong, 100, ALPHA)


@pytest.mark.parametrize("larger", [True, False])
def test_the_better_version_is_named(larger: bool, rng: np.random.Generator, now: datetime) -> None:
    plan = Plan(a="v1", b="v2", metric="revenue", split=0.5, larger_is_better=larger)
    judged = decide_experiment(arms(revenue(rng, 3000), revenue(rng, 3000, more=5)), plan, now)
    assert (judged.judgement, judged.verdict) == ("experiment", "b" if larger else "a")
    assert judged.reasons[0].startswith(f"{'v2' if larger else 'v1'} is better: revenue is ")
    assert judged.numbers["gain_low"] > 0  # type: ignore[operator]


def test_it_waits_until_it_is_clear_and_gives_up_when_the_time_is_over(rng: np.random.Generator, now: datetime) -> None:
    same = arms(revenue(rng, 1000), revenue(rng, 1000))
    limited = Plan(a="v1", b="v2", metric="revenue", split=0.5, until=now)
    assert decide_experiment(same, PLAN, now).verdict == "wait"
    assert decide_experiment(same, limited, now - timedelta(seconds=1)).verdict == "wait"
    assert decide_experiment(same, limited, now).verdict == "undecided"
    few = arms(revenue(rng, 99), revenue(rng, 5000, more=100))
    few = ExperimentEvidence(a=Arm(keys=5000, values=few.a.values), b=few.b)
    assert "100 keys of each version" in decide_experiment(few, PLAN, now).reasons[0]


def test_a_broken_split_concludes_nothing(rng: np.random.Generator, now: datetime) -> None:
    judged = decide_experiment(arms(revenue(rng, 1000), revenue(rng, 1000, more=9), keys_a=1400), PLAN, now)
    assert judged.verdict == "broken"
    assert "1,000 of 2,400 keys went to v2, where 50% should" in judged.reasons[0]


def test_a_sound_split_is_seldom_called_broken(rng: np.random.Generator, now: datetime, plausible: Plausible) -> None:
    broken = 0
    for _ in range(150):
        of_b = np.cumsum(rng.random(3000) < PLAN.split)
        looks = [Arm(keys=int(of_b[look - 1])) for look in range(100, 3001, 100)]
        broken += any(
            decide_experiment(ExperimentEvidence(a=Arm(keys=100 * (n + 1) - b.keys), b=b), PLAN, now).verdict
            == "broken"
            for n, b in enumerate(looks)
        )
    assert plausible(broken, 150, 0.001)
