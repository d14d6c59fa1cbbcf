"""Is the culprit named? `python bench/why.py [rounds]`: one fault among 30 features, planted again and again.

In each round a model that knows the truth answers; then one of the ten features that matter is at fault, and quality
falls. Prints JSON: for each fault how often the culprit is the feature with the largest part of the fall, and how large
its part is. Rounds in which quality did not fall by five standard errors are drawn again: no alarm would be raised.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import polars as pl

from windlass.monitoring import Labelled, explain

FEATURES, THAT_MATTER = 30, 10
ROWS_BEFORE, ROWS_AFTER = 5000, 3000
FAULTS = (
    "shuffled",
    "sign turned",
    "unit changed",
    "noisy",
    "missing",
    "stuck",
    "filled in",
    "relation turned",
    "moved",
)


def planted(
    random: np.random.Generator, fault: str, kind: Any, *, correlation: float
) -> tuple[Labelled, Labelled, str]:
    """Rows before and after, and the culprit."""
    weights = np.zeros(FEATURES)
    weights[:THAT_MATTER] = random.choice([-1, 1], THAT_MATTER) * random.uniform(0.4, 1.2, THAT_MATTER)
    culprit = int(random.integers(THAT_MATTER))
    spoilt = (fault, culprit)
    before = side(random, ROWS_BEFORE, weights, kind, correlation=correlation)
    return before, side(random, ROWS_AFTER, weights, kind, correlation=correlation, spoilt=spoilt), f"x{culprit}"


def side(
    random: np.random.Generator,
    rows: int,
    weights: Any,
    kind: Any,
    *,
    correlation: float,
    spoilt: tuple[str, int] | None = None,
) -> Labelled:
    common = random.normal(size=(rows, 1))
    true = np.sqrt(1 - correlation) * random.normal(size=(rows, FEATURES)) + np.sqrt(correlation) * common
    own = weights.copy()
    noise = np.ones(rows)
    if spoilt is not None and spoilt[0] == "relation turned":
        own[spoilt[1]] *= -1
    if spoilt is not None and spoilt[0] == "moved":
        true[:, spoilt[1]] += 2.5
    if kind == "regression":  # noisier where a feature that matters is large: there a shift of inputs costs
        noise = np.exp(0.3 * true[:, :THAT_MATTER].sum(axis=1) / np.sqrt(1 + THAT_MATTER * correlation))
    signal = true @ own
    truth = (
        signal + noise * random.normal(size=rows) if kind == "regression" else random.random(rows) < logistic(signal)
    )
    seen = spoil(random, true.copy(), spoilt)
    answers = np.nan_to_num(seen) @ weights
    frame = pl.DataFrame({f"x{place}": seen[:, place] for place in range(FEATURES)}).fill_nan(None)
    return Labelled(
        features=frame,
        predictions=answers if kind == "regression" else logistic(answers),
        truth=np.asarray(truth, dtype=np.float64),
    )


def spoil(random: np.random.Generator, seen: Any, spoilt: tuple[str, int] | None) -> Any:
    if spoilt is None:
        return seen
    fault, place = spoilt
    values = seen[:, place]
    half = random.random(len(values)) < 0.6
    seen[:, place] = {
        "shuffled": random.permutation(values),
        "sign turned": -values,
        "unit changed": 10 * values,
        "noisy": values + 2 * random.normal(size=len(values)),
        "missing": np.where(half, np.nan, values),
        "stuck": np.full(len(values), 0.3),
        "filled in": np.where(half, 0.0, values),
    }.get(fault, values)
    return seen


def logistic(values: Any) -> Any:
    return 1 / (1 + np.exp(-np.clip(values, -30, 30)))


def first_named(before: Labelled, after: Labelled, kind: Any) -> tuple[str, float, float] | None:
    """The feature with the largest part, that part, and how far the parts are from adding up; None without a fall."""
    found = explain(before, after, kind=kind)
    parts: dict[str, float] = {}
    for part in found.parts:
        if part.feature is not None:
            parts[part.feature] = parts.get(part.feature, 0.0) + part.share
    rest = abs(sum(part.amount for part in found.parts) - found.rise)
    first = max(parts, key=lambda name: parts[name], default="")
    return first, parts.get(first, 0.0), rest


def fell(before: Labelled, after: Labelled, kind: Any) -> bool:
    """Whether quality fell by five standard errors."""
    one, two = (np.abs(each.truth - each.predictions) for each in (before, after))
    if kind == "binary":
        one, two = one**2, two**2
    return bool(two.mean() - one.mean() > 5 * np.hypot(one.std() / len(one) ** 0.5, two.std() / len(two) ** 0.5))


def main(rounds: int) -> None:
    told: dict[str, dict[str, Any]] = {}
    for kind in ("binary", "regression"):
        for correlation in (0.0, 0.3):
            for fault in FAULTS:
                random, named, tries = np.random.default_rng(1), 0, 0
                shares: list[float] = []
                while len(shares) < rounds and tries < 20 * rounds:
                    tries += 1
                    before, after, culprit = planted(random, fault, kind, correlation=correlation)
                    if not fell(before, after, kind):
                        continue
                    first, share, rest = first_named(before, after, kind) or ("", 0.0, 0.0)
                    named += first == culprit
                    shares.append(share)
                    if rest > 1e-9:
                        raise SystemExit(f"the parts do not add up: {rest}")
                row = told.setdefault(f"{kind}, correlation {correlation}", {})
                row[fault] = (
                    {"first": f"{named}/{len(shares)}", "its part": round(float(np.median(shares)), 2)}
                    if shares
                    else "quality hardly falls"
                )
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
