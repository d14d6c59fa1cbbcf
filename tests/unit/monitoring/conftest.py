from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260302)
