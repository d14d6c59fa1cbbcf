"""How many harmless versions are withdrawn or rolled back, from their first row in shadow to the end of probation.

    python bench/harmless.py [--lives 3000] [--processes 2] [--seed 0]

Whole lives are played (tests/unit/decisions/played_lives.py says what they meet) and judged by the very functions of a
release: of twenty requests a minute and of three hundred, with answers that are probabilities and numbers that have a
heavy tail; one in thirty has a probation of a week. Printed are those that did not stay, why, and how high their share
can be (Clopper-Pearson, 95 %); 1 is returned if that is above the budget. A life takes about .6 seconds of one core.
"""

from __future__ import annotations

import argparse
import sys
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


def end_of(number: int, *, seed: int) -> str:
    """How life `number` ends."""
    traffic = LONG if number % 30 == 0 else KINDS[number % len(KINDS)]
    return f"{number}: {Life(np.random.default_rng([seed, number]), traffic).end()}"


def main() -> int:
    """Play them, and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lives", type=int, default=3000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    lost = 0
    with ProcessPoolExecutor(asked.processes, mp_context=get_context("spawn")) as pool:
        ends = pool.map(partial(end_of, seed=asked.seed), range(asked.lives), chunksize=5)
        for number, end in enumerate(ends, 1):
            if not end.endswith(": promoted"):
                lost += 1
                print(f"  life {end}", flush=True)
            if number % 250 == 0:
                print(f"  {number} lives, {lost} of them not to their end", flush=True)
    most = 1.0 if lost == asked.lives else float(beta.ppf(0.95, lost + 1, asked.lives - lost))
    print(f"{lost} of {asked.lives} harmless versions did not stay (with 95 % confidence at most {most:.2%})")
    return int(most > WHOLE)


if __name__ == "__main__":
    raise SystemExit(main())
