"""How often drift is called without cause, and how soon with cause: long simulations of the very functions.

    python bench/drift_guarantee.py [--references 40] [--windows 1000] [--columns 50] [--rows 1000] [--reference 50000]

Without drift: references and chains of windows of mixed columns (normal, skewed with ties, counts, heavy tails with
some missing, categories of which one is rare, a thousand equal categories). With drift: ten of fifty columns shifted by
0.05 standard deviations. A window's counts are drawn from the true shares of the bins that the reference's own values
cut, so that it costs no rows. One process for each core; figures are seeded.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import chdtrc
from scipy.stats import binom, norm, poisson
from scipy.stats import t as student

from windlass.decisions.statistics.detector import RUN_LENGTH
from windlass.decisions.vigil import Vigil
from windlass.monitoring.bins import places_of
from windlass.monitoring.comparison import bins_of, table_of
from windlass.monitoring.profiles import Profile, profile

LETTERS = list("abcdefgh")
LETTER_SHARES = np.array([0.5, 0.3, 0.1, 0.05, 0.03, 0.0199, 0.00009, 0.00001])
ZIPS = [str(number) for number in range(1000)]
CUMULATIVE: list[Callable[[np.ndarray], np.ndarray]] = [
    norm.cdf,
    lambda edges: np.where(edges < 0, 0.0, norm.cdf(np.log(np.maximum(edges, 0.0) + 0.05))),  # rounded to tenths
    lambda edges: poisson.cdf(edges, 3),
    lambda edges: student.cdf(edges, 2),
]
"""Of the kinds of columns that `values` makes, those that are numbers."""


@dataclass(frozen=True, kw_only=True)
class Chain:
    """What happened to one reference."""

    alarm: int | None
    """The first window with an alarm."""
    most: float
    """The most that the mean evidence came to before it."""
    naive: int
    """Columns that a chi-square test against the reference's shares as the truth would have alarmed on, ever."""


def main() -> None:
    """Simulate, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--references", type=int, default=40)
    parser.add_argument("--windows", type=int, default=1000)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--reference", type=int, default=50_000)
    options = parser.parse_args()
    started = time.perf_counter()
    plain = run(options, shift=0.0, windows=options.windows)
    judged = sum(chain.alarm or options.windows for chain in plain)
    alarms = sum(chain.alarm is not None for chain in plain)
    bound = options.windows / RUN_LENGTH
    print(f"{options.columns} columns, references of {options.reference:,} rows, windows of {options.rows:,}")
    print(f"without drift: {alarms} alarms in {judged:,} windows of {options.references} references")
    print(f"  as many or more if the bound were just kept: {binom.sf(alarms - 1, options.references, bound):.3f}")
    for level in (10, 100, 1000):
        share = np.mean([chain.most >= level * options.windows for chain in plain])
        print(f"  evidence passed {level} times the windows: {share:.3f} of references, at most {1 / level:.3f}")
    naive = np.mean([chain.naive for chain in plain])
    print(f"  taking the reference for the truth, {naive:.1f} columns would have alarmed at some time")
    shifted = run(options, shift=0.05, windows=50_000 // options.rows)
    delays = [chain.alarm * options.rows for chain in shifted if chain.alarm is not None]
    print(f"0.05 standard deviations in 10 columns: found within 50,000 rows in {len(delays)} of {len(shifted)}")
    if delays:
        print(f"  after {np.median(delays):,.0f} rows (median), {np.quantile(delays, 0.95):,.0f} (95 of 100)")
    print(f"{time.perf_counter() - started:.0f} s on {os.cpu_count()} cores")


def run(options: argparse.Namespace, *, shift: float, windows: int) -> list[Chain]:
    """One chain for each reference, on all cores."""
    calls = [
        (seed, options.columns, options.reference, options.rows, windows, shift) for seed in range(options.references)
    ]
    with ProcessPoolExecutor() as workers:
        return list(workers.map(chained, calls))


def chained(call: tuple[int, int, int, int, int, float]) -> Chain:
    """A reference, and windows against it until the first alarm."""
    seed, columns, reference_rows, rows, windows, shift = call
    rng = np.random.default_rng([seed, round(shift * 1000)])
    reference = profile(frame(rng, columns, reference_rows, only_normal=shift > 0))
    shares = true_shares(reference, shift=shift)
    bins, most, naive = bins_of(reference.columns), 0.0, set[int]()
    vigil = Vigil.begin(bins)
    for place in range(windows):
        counts = [rng.multinomial(rows, share) for share in shares]
        vigil = vigil.after(bins, table_of(reference.columns, counts))
        if shift == 0:
            naive |= {row for row, own in enumerate(counts) if called(reference.columns[row].counts, own)}
        if vigil.alarm is not None:
            return Chain(alarm=place + 1, most=most, naive=len(naive))
        most = max(most, float(np.exp(min(vigil.log_mean, 700))))
    return Chain(alarm=None, most=most, naive=len(naive))


def called(reference: tuple[int, ...], window: np.ndarray) -> bool:
    """Pearson's test with the reference's shares as the truth, once in 8,760 windows."""
    known = np.array(reference)
    expected = known / known.sum() * window.sum()
    usable = expected >= 5
    square = float(((window - expected)[usable] ** 2 / expected[usable]).sum())
    return bool(chdtrc(max(int(usable.sum()) - 1, 1), square) < 1 / RUN_LENGTH)


def frame(rng: np.random.Generator, columns: int, rows: int, *, only_normal: bool) -> pl.DataFrame:
    """The rows of a reference."""
    return pl.DataFrame({f"c{place}": values(rng, place, rows, only_normal=only_normal) for place in range(columns)})


def values(rng: np.random.Generator, place: int, rows: int, *, only_normal: bool) -> np.ndarray:
    """The values of one column."""
    if only_normal:
        return rng.standard_normal(rows)
    kinds: list[Callable[[], np.ndarray]] = [
        lambda: rng.standard_normal(rows),
        lambda: np.exp(rng.standard_normal(rows)).round(1),
        lambda: rng.poisson(3, rows).astype(np.float64),
        lambda: np.where(rng.random(rows) < 0.001, np.nan, rng.standard_t(2, rows)),
        lambda: rng.choice(np.array(LETTERS), rows, p=LETTER_SHARES),
        lambda: rng.choice(np.array(ZIPS), rows),
    ]
    return kinds[place % len(kinds)]()


def true_shares(reference: Profile, *, shift: float) -> list[np.ndarray]:
    """The shares with which rows really fall into the bins, by formula."""
    found = []
    for place, column in enumerate(reference.columns):
        kind = 0 if shift else place % 6
        if column.kind == "number":
            gone = 0.001 if kind == 3 else 0.0
            below = CUMULATIVE[kind](np.array(column.edges) - (shift if place < 10 else 0.0))
            share = np.append(np.diff(np.concatenate([[0.0], below, [1.0]])) * (1 - gone), gone)
        else:
            texts, shares = (LETTERS, LETTER_SHARES) if kind == 4 else (ZIPS, np.full(len(ZIPS), 1 / len(ZIPS)))
            share = np.bincount(places_of(column, texts), weights=shares, minlength=len(column.counts))
        found.append(share / share.sum())
    return found


if __name__ == "__main__":
    main()
