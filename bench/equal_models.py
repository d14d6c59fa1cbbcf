"""How often one of two equally good models is withdrawn for its outcomes, on real rows that are not independent.

    python bench/equal_models.py [--pairs 12] [--starts 50] [--seed 0]

Two models learn from one half each of the first fifth of the flights of 2013 (those of the demo). From a random place
on they are put side by side, either as the challenger, through shadow and canaries on 10 and 30 % of the keys, of 1,000
rows each, with outcomes at once, and judged every 20 rows. Beside it: the same evidence as if rows were independent.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import polars as pl
from lightgbm import LGBMClassifier

sys.path[:0] = [str(Path(__file__).parent.parent / "examples" / "flights")]

import data  # type: ignore[import-not-found]  # noqa: E402 (the path above)

from windlass.decisions.release import alpha_of  # noqa: E402
from windlass.decisions.statistics.losses import brier  # noqa: E402
from windlass.decisions.statistics.paired_losses import PairedLosses, evidence_of_worse, material, scaled_difference  # noqa: E402
from windlass.decisions.statistics.sequential import course_above  # noqa: E402
from windlass.decisions.statistics.two_streams import stretch_means  # noqa: E402
from windlass.product.policy import Release  # noqa: E402

ROWS, LOOKS = 1000, 20
POLICY = Release(shadow=ROWS, canary=[0.1, 0.3], minimum=ROWS)
NEEDED = 1 / alpha_of(POLICY)
REACH = ROWS + sum(int(ROWS / share) for share in POLICY.canary)
"""Rows of the stream that a release lasts for."""


def flights() -> tuple[np.ndarray, np.ndarray]:
    """`(n, k)` numbers and `(n,)` labels in the order of time."""
    frame = data.departures().filter(pl.col("late").is_not_null()).sort("scheduled")
    at = pl.col("scheduled").dt
    numbers = frame.select(
        *data.WEATHER,
        "distance",
        pl.col("carrier", "origin", "dest").cast(pl.Categorical).to_physical(),
        minute=at.hour().cast(pl.Int32) * 60 + at.minute(),
        weekday=at.weekday(),
    )
    return numbers.cast(pl.Float64).to_numpy(), frame["late"].cast(pl.Int64).to_numpy()


def withdrawn(losses: PairedLosses) -> tuple[bool, bool]:
    """Whether any look withdraws it, and whether one would if rows were taken to be independent."""
    difference, bound = scaled_difference(losses)
    course = np.maximum.accumulate(course_above((difference / bound + 1) / 2, 0.5))
    verdicts = [False, False]
    for look in range(LOOKS, len(difference) + 1, LOOKS):
        seen = PairedLosses(new=losses.new[:look], previous=losses.previous[:look])
        if course[look - 1] >= NEEDED and material(seen):
            verdicts[1] = True
            verdicts[0] = verdicts[0] or evidence_of_worse(seen) >= NEEDED
    return verdicts[0], verdicts[1]


def release(random: np.random.Generator, new: np.ndarray, old: np.ndarray) -> list[bool]:
    """The same of a whole release that begins with the first row."""
    found = [withdrawn(PairedLosses(new=new[:ROWS], previous=old[:ROWS]))]
    begin = ROWS
    for share in POLICY.canary:
        stage = slice(begin, begin := begin + int(ROWS / share))
        arms = random.random(len(new[stage])) < share
        means = stretch_means(arms, np.where(arms, new[stage], old[stage]))
        found.append(withdrawn(PairedLosses(new=means[0], previous=means[1])))
    return [any(of) for of in zip(*found, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--starts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    random = np.random.default_rng(asked.seed)
    rows, labels = flights()
    known = len(labels) // 5
    totals, releases = np.zeros(2, dtype=int), 0
    for _ in range(asked.pairs):
        half = random.random(known) < 0.5
        losses = []
        for mine in (half, ~half):
            model = LGBMClassifier(n_estimators=60, n_jobs=2, verbose=-1).fit(rows[:known][mine], labels[:known][mine])
            losses.append(brier(labels[known:], np.asarray(model.predict_proba(rows[known:]))[:, 1]))
        for start in random.integers(0, len(labels) - known - REACH, asked.starts):
            for new, old in (losses, losses[::-1]):
                totals += release(random, new[start : start + REACH], old[start : start + REACH])
                releases += 1
    print(f"withdrawn: {totals[0]} of {releases}; taking rows to be independent: {totals[1]}")


if __name__ == "__main__":
    main()
