"""Figures estimated without labels, models of many kinds, with a shift: `python bench/estimated_worlds.py [ROUNDS]`.

Prints for each world how often the intervals held the figure, the error's mean and mean size, and the
interval's width; and the same of the area under the curve by CBPE (isotonic regression of the answer alone)."""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB

from windlass.decisions.statistics.expected import expected_score
from windlass.decisions.statistics.metrics import metric_for
from windlass.monitoring import learn_estimator
from windlass.monitoring.tables import as_frame
from windlass.product.task import TaskKind

MODELS = {
    "linear": LogisticRegression,
    "bayes": GaussianNB,
    "forest": lambda: RandomForestClassifier(60, random_state=0),
    "least squares": LinearRegression,
}
WORLDS = (
    ("common", "linear", "none", 2000, 2000),
    ("common", "linear", "moved", 2000, 2000),
    ("common", "linear", "elsewhere", 500, 2000),
    ("common", "linear", "none", 300, 500),
    ("common", "bayes", "moved", 2000, 2000),
    ("rare", "linear", "moved", 3000, 2000),
    ("common", "forest", "wider", 2000, 2000),
    ("common", "forest", "none", 2000, 2000),
    ("turned", "forest", "wider", 2000, 2000),
    ("several", "linear", "none", 2000, 2000),
    ("several", "linear", "moved", 2000, 2000),
    ("several", "forest", "wider", 2000, 2000),
    ("number", "least squares", "none", 2000, 2000),
    ("number", "least squares", "moved", 2000, 2000),
    ("skewed", "least squares", "none", 2000, 2000),
    ("skewed", "least squares", "moved", 2000, 2000),
)
NUMBERS = ("number", "skewed")


def inputs(random: np.random.Generator, rows: int, shift: str) -> Any:
    x = random.normal(0, 1, (rows, 8))
    if shift == "moved":
        x[:, 0] += 1.0
        x[:, 1] -= 0.7
    if shift == "wider":
        x[:, :3] *= 1.6
    if shift == "elsewhere":
        some = random.random(rows) < 0.4
        x[some, 0] = random.normal(1.8, 0.4, some.sum())
    return x


def labels(random: np.random.Generator, x: Any, world: str) -> Any:
    both = x[:, 2] * x[:, 3]
    if world == "number":
        noise = random.normal(0, 1, len(x)) * np.exp(0.6 * x[:, 0])
        return 3 * x[:, 0] - 2 * x[:, 1] + 2 * both + noise
    if world == "skewed":
        return 10 * np.exp(0.7 * x[:, 0] + 0.5 * x[:, 1] + 0.5 * random.normal(0, 1, len(x)))
    line = 1.2 * x[:, 0] - 0.8 * x[:, 1] + 0.9 * both + 0.5 * np.sin(2 * x[:, 4]) - 0.3
    if world == "rare":
        line = x[:, 0] - 0.8 * x[:, 1] + 0.4 * both - 4.2
    if world == "turned":  # beyond what a reference has many of, the relation is another one
        line = np.where(np.abs(x[:, 0]) < 1.8, 1.5, -1.0) * x[:, 0] - 0.8 * x[:, 1]
    if world == "several":
        likely = np.exp(np.column_stack([line, x[:, 1] + 0.5 * x[:, 3], 0.5 * x[:, 4] - 0.5 * x[:, 0]]))
        upto = np.cumsum(likely / likely.sum(axis=1, keepdims=True), axis=1)[:, :-1]
        return (random.random(len(x))[:, None] > upto).sum(axis=1)
    return (random.random(len(x)) < 1 / (1 + np.exp(-line))).astype(np.int64)


def answered(model: Any, x: Any) -> Any:
    if not hasattr(model, "predict_proba"):
        return model.predict(x)
    likely = model.predict_proba(x)
    return likely[:, 1] if likely.shape[1] == 2 else likely


def run(case: tuple[str, str, str, int, int], rounds: int) -> dict[str, list[float]]:
    world, named, shift, reference, window = case
    random = np.random.default_rng(21)
    kind: TaskKind = "regression" if world in NUMBERS else "multiclass" if world == "several" else "binary"
    told: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for _ in range(rounds):
        x = inputs(random, 3000, "none")
        model = MODELS[named]().fit(x, labels(random, x, world))
        x = inputs(random, reference, "none")
        truth, answers = labels(random, x, world), answered(model, x)
        estimator = learn_estimator(as_frame(x), answers, truth, kind=kind)
        for _ in range(2):
            now = inputs(random, window, shift)
            later, given = labels(random, now, world), answered(model, now)
            for each in estimator.estimate(as_frame(now), given):
                seen = metric_for(each.metric, kind).score(later, given)
                off = each.value - seen
                told[each.metric].append((each.lower <= seen <= each.upper, off, abs(off), each.upper - each.lower))
            if kind == "binary":
                likely = IsotonicRegression(out_of_bounds="clip").fit(answers, truth).predict(given)
                metric = metric_for("roc_auc", kind)
                plain = expected_score(metric, np.column_stack([1 - likely, likely]), given).value
                off = plain - metric.score(later, given)
                told["roc_auc by CBPE"].append((np.nan, off, abs(off), np.nan))
    return {name: np.mean(found, axis=0).round(4).tolist() for name, found in told.items()}


if __name__ == "__main__":
    for case in WORLDS:
        print(*case, run(case, int(sys.argv[1]) if len(sys.argv) > 1 else 20), flush=True)
