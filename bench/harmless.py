"""How many harmless versions are withdrawn or rolled back, from their first row in shadow to the end of probation.

    python bench/harmless.py [--lives 3000] [--processes 2] [--seed 0]

Whole lives are played (tests/unit/decisions/played_lives.py says what they meet) and judged by the very functions of a
release: of twenty requests a minute and of three hundred, with answers that are probabilities and numbers that have a
heavy tail; one in thirty has a probation of a week. A stage that is undecided goes on until its deadline. Printed are
those that were withdrawn or rolled back, why, how high their share can be (Clopper-Pearson, 95 %), and how long the
others were tried; 1 is returned if that share is above the budget. A life takes about .5 seconds of one core.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from scipy.stats import beta

from windlass.decisions.budget import WHOLE
from windlass.product.policy import Release

sys.path[:0] = [str(Path(__file__).parent.parent / "tests" / "unit")]

from decisions.played_lives import Life, Traffic  # type: ignore[import-not-found]  # noqa: E402 (the path above)


def plan(probation: str) -> Release:
    """Stages of few rows, which are the hardest for what a chance difference can do."""
    return Release(shadow=200, canary=[0.05, 0.25], minimum=200, bake="5m", probation=probation)


KINDS = [
    Traffic(a_minute=a_minute, numbers=numbers, plan=plan(probation))
    for a_minute, probation in ((20, "1d"), (300, "2h"))
    for numbers in (False, True)
]
LONG = Traffic(a_minute=20, plan=plan("7d"))


def traffic_of(number: int) -> Traffic:
    return LONG if number % 30 == 0 else KINDS[number % len(KINDS)]


def end_of(number: int, *, seed: int) -> tuple[str, float | None]:
    """How life `number` ends, and the hours from its first row to its promotion."""
    life = Life(np.random.default_rng([seed, number]), traffic_of(number))
    return life.end(), None if life.tried is None else life.tried / 3600


def main() -> int:
    """Play them, and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lives", type=int, default=3000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    os.environ["POLARS_MAX_THREADS"] = "1"  # of each process: its frames are small
    lost, tried = 0, defaultdict[float, list[float]](list)
    with ProcessPoolExecutor(asked.processes, mp_context=get_context("spawn")) as pool:
        ends = pool.map(partial(end_of, seed=asked.seed), range(asked.lives), chunksize=5)
        for number, (end, hours) in enumerate(ends):
            if hours is not None:
                tried[traffic_of(number).a_minute].append(hours)
            if end != "promoted":
                lost += 1
                print(f"  life {number}: {end}", flush=True)
            if number % 250 == 249:
                print(f"  {number + 1} lives, {lost} of them withdrawn or rolled back", flush=True)
    most = 1.0 if lost == asked.lives else float(beta.ppf(0.95, lost + 1, asked.lives - lost))
    print(f"{lost} of {asked.lives} harmless versions withdrawn or rolled back (95 % confidence: at most {most:.2%})")
    for a_minute, took in tried.items():
        median, usual, longest = np.quantile(took, [0.5, 0.99, 1])
        print(f"hours to promotion at {a_minute} rows a minute: {median:.1f}; of 99 in 100 {usual:.1f}; {longest:.1f}")
    return int(most > WHOLE)


if __name__ == "__main__":
    raise SystemExit(main())
