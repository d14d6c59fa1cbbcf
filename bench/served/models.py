"""The models that every server is given, fitted by whatever scikit-learn is there."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

WIDTH = 30
ROWS = 5_000


@cache
def sample(width: int = WIDTH) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(5000, width) features and their labels, the same every time."""
    chance = np.random.default_rng(0)
    rows = chance.normal(size=(ROWS, width))
    return rows, (rows[:, :3].sum(axis=1) + chance.normal(size=ROWS) > 0).astype(int)


def fitted() -> dict[str, Any]:
    rows, labels = sample()
    return {
        "line": make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels),
        "forest": RandomForestClassifier(n_estimators=100, random_state=0, n_jobs=1).fit(rows, labels),
    }
