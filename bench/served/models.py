"""The models that every server is given, fitted by whatever scikit-learn is there."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

WIDTH = 30
CONTRACT_WIDTH = 10
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


def width(name: str) -> int:
    """How many numbers a row of the model has."""
    return CONTRACT_WIDTH if name == "contract" else WIDTH


def for_peers() -> dict[str, Any]:
    """As `fitted`, and `contract`: eight features before the regression, in NumPy, since peers have no expressions."""
    rows, labels = sample(CONTRACT_WIDTH)
    model = make_pipeline(FunctionTransformer(eight_features), StandardScaler(), LogisticRegression())
    return {**fitted(), "contract": model.fit(rows, labels)}


def eight_features(rows: Any) -> np.ndarray[Any, Any]:
    """(n, 10) -> (n, 8): what the expressions of `versions.CONTRACT` calculate."""
    x = np.asarray(rows, dtype=float).T
    chosen = np.where(x[4] > 0, x[5], x[6])
    made = (x[0] + x[1], x[0] * x[1], np.abs(x[0] - x[1]), np.clip(x[2], -1, 1), np.exp(x[3]), chosen)
    return np.column_stack((*made, np.nan_to_num(x[7]) / 2, x[8] > x[9]))
