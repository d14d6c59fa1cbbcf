"""How often an A/B test tells a difference where there is none, and how many keys it takes to tell one that there is.

    python bench/ab_tests.py [--tests 400] [--keys 40000] [--seed 0]

Keys come one after the other, each to one of two versions by the split; the interval is looked at from the moment that
it may be on, with each three per cent more keys. Figures: a plain one, conversions of 1 and of 5 %, revenue of the
2 and 20 % of keys that buy anything (log-normal), and one with a long tail. `more`: what the second version adds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import numpy as np

from windlass.decisions.experiment import LEAST_KEYS, difference

Draw = Callable[[np.random.Generator, int], np.ndarray]
FIGURES: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "conversions of 5 %": lambda rng, n: (rng.random(n) < 0.05) * 1.0,
    "conversions of 1 %": lambda rng, n: (rng.random(n) < 0.01) * 1.0,
    "revenue of 20 %": lambda rng, n: (rng.random(n) < 0.2) * rng.lognormal(3, 1, n),
    "revenue of 2 %": lambda rng, n: (rng.random(n) < 0.02) * rng.lognormal(3, 1.2, n),
    "log-normal, 1.5": lambda rng, n: rng.lognormal(0, 1.5, n),
}
BETTER: dict[str, Draw] = {
    "conversions of 5 % become 6 %": lambda rng, n: (rng.random(n) < 0.06) * 1.0,
    "conversions of 5 % become none": lambda _rng, n: np.zeros(n),
    "revenue of 20 % is a fifth more": lambda rng, n: 1.2 * FIGURES["revenue of 20 %"](rng, n),
}
BEFORE = {
    "conversions of 5 % become 6 %": "conversions of 5 %",
    "conversions of 5 % become none": "conversions of 5 %",
    "revenue of 20 % is a fifth more": "revenue of 20 %",
}
SPLITS = (0.5, 0.1, 0.02)


def looks(keys: int) -> Iterator[int]:
    """Keys of both versions at which one looks."""
    seen = 2 * LEAST_KEYS
    while seen <= keys:
        yield seen
        seen = int(seen * 1.03) + 10


def told_at(of_b: np.ndarray, a: np.ndarray, b: np.ndarray) -> int | None:
    """Keys after which a difference is told; None: never. `a`, `b`: what each key would bring with either version."""
    for seen in looks(len(of_b)):
        first, second = a[:seen][~of_b[:seen]], b[:seen][of_b[:seen]]
        if min(len(first), len(second)) >= LEAST_KEYS:
            gain, radius = difference(first, second)
            if abs(gain) > radius:
                return seen
    return None


def told(rng: np.random.Generator, a: Draw, b: Draw, *, split: float, tests: int, keys: int) -> list[int | None]:
    return [told_at(rng.random(keys) < split, a(rng, keys), b(rng, keys)) for _ in range(tests)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tests", type=int, default=400)
    parser.add_argument("--keys", type=int, default=40_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    print(f"of {options.tests} tests without a difference, up to {options.keys:,} keys, told one:")
    print(f"| | {' | '.join(f'{split:.0%} to the second' for split in SPLITS)} |\n|---|{'---|' * len(SPLITS)}")
    for name, draw in FIGURES.items():
        wrong = []
        for split in SPLITS:
            found = told(rng, draw, draw, split=split, tests=options.tests, keys=options.keys)
            wrong.append(sum(each is not None for each in found))
        print(f"| {name} | {' | '.join(f'{each / options.tests:.1%}' for each in wrong)} |", flush=True)
    few = max(options.tests // 8, 1)
    print(f"\nof {few} tests with one, told, and the median of the keys that it took:")
    print(f"| | {' | '.join(f'{split:.0%} to the second' for split in SPLITS)} |\n|---|{'---|' * len(SPLITS)}")
    for name, draw in BETTER.items():
        cells = []
        for split in SPLITS:
            found = told(rng, FIGURES[BEFORE[name]], draw, split=split, tests=few, keys=options.keys)
            known = [each for each in found if each is not None]
            cells.append(f"{len(known)}: {np.median(known):,.0f}" if known else "0")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
