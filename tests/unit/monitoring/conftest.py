from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest
from scipy.stats import binom


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260302)


@pytest.fixture
def plausible() -> Callable[[int, int, float], bool]:
    """Whether `hits` of `runs` can come from a rate of at most `rate` (false alarms: one in 10,000)."""
    return lambda hits, runs, rate: hits <= binom.ppf(0.9999, runs, rate)
