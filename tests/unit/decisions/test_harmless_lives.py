"""From shadow to the end of probation: how seldom a version that does no harm comes to grief, and that harm does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import isclose

import numpy as np
import pytest

from windlass.decisions import budget
from windlass.decisions.harms import HARMS
from windlass.decisions.release import alpha_of
from windlass.product.policy import Release

from .played_lives import Life, Traffic  # type: ignore[import-not-found]

PLAN = Release(shadow=100, canary=[0.1, 0.5], minimum=100, bake="5m", probation="2h")
TRAFFIC = Traffic(a_minute=60, plan=PLAN)


@pytest.mark.parametrize("numbers", [False, True])
def test_harmless_versions_stay(numbers: bool, plausible: Callable[[int, int, float], bool]) -> None:
    """`bench/harmless.py` plays thousands, with longer stages and probations."""
    ends = [Life(np.random.default_rng(seed), replace(TRAFFIC, numbers=numbers)).end() for seed in range(8)]
    gone = [end for end in ends if end != "promoted"]
    assert plausible(len(gone), len(ends), budget.WHOLE), gone


@pytest.mark.parametrize("harm", [{"slower": 4.0}, {"worse": 2.0}])
def test_in_the_same_life_one_that_does_harm_does_not(harm: dict[str, float]) -> None:
    ends = [Life(np.random.default_rng(seed), replace(TRAFFIC, **harm)).end() for seed in range(4)]
    assert "promoted" not in ends


@pytest.mark.parametrize("stages", [{"shadow": 500}, {"canary": [0.1]}, {"shadow": 9, "canary": [0.05, 0.25, 0.5]}])
def test_all_tests_of_all_stages_take_no_more_than_the_whole(stages: dict[str, object]) -> None:
    policy = Release(**stages)  # type: ignore[arg-type]
    before = alpha_of(policy) * len(HARMS) * ((policy.shadow > 0) + len(policy.canary))
    assert isclose(before, budget.BEFORE_PROMOTION)
    assert before + sum(budget.PROBATION) <= budget.WHOLE + 1e-12
