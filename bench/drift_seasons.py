"""Does a declared season stay silent, hour by hour, and is a shift still found?

    python bench/drift_seasons.py [--references 6] [--hours 8760] [--season daily|weekly|weather] [--days 90]
        [--rows 20] [--window 1] [--shift 0]

References of so many days, with so many rows an hour, and windows of so many hours after each, until an alarm. The
temperature has a daily cycle of 8 and noise of 3; `weekly`: weekends are warmer by 4; `weather`: a cycle of 5, and
weather of 3 that is forgotten within a day. `--shift`: in standard deviations of the reference, from the first window
on. Prints the first window with an alarm of each reference, and the most that the evidence came to before. Seeded.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from windlass.decisions.vigil import Vigil
from windlass.monitoring import profile, profile_like
from windlass.monitoring.comparison import bins_of, table_of

_NOISE = 3.0
_CYCLE = {"daily": 8.0, "weekly": 8.0, "weather": 5.0}


def main() -> None:
    """Simulate, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--references", type=int, default=6)
    parser.add_argument("--hours", type=int, default=8760)
    parser.add_argument("--season", choices=sorted(_CYCLE), default="daily")
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--window", type=int, default=1)
    parser.add_argument("--shift", type=float, default=0.0)
    options = parser.parse_args()
    for seed in range(options.references):
        alarm, most = chained(options, seed)
        print(f"reference {seed}: {'no alarm' if alarm is None else f'alarm in window {alarm}'}, evidence {most:.2f}")


def chained(options: argparse.Namespace, seed: int) -> tuple[int | None, float]:
    """A reference, and windows against it until the first alarm."""
    source = hours(options, np.random.default_rng([seed, 7]))
    before = np.concatenate([next(source) for _ in range(24 * options.days)])
    reference, moved = profile({"heat": before}), options.shift * before.std()
    bins, most = bins_of(reference.columns, seasons=True), 0.0
    vigil = Vigil.begin(bins)
    for place in range(options.hours // options.window):
        rows = np.concatenate([next(source) for _ in range(options.window)])
        counts = profile_like(reference, {"heat": rows + moved}).columns[0].counts
        vigil = vigil.after(bins, table_of(reference.columns, [counts]))
        if vigil.alarm is not None:
            return place + 1, most
        most = max(most, float(np.exp(vigil.log_mean)))
    return None, most


def hours(options: argparse.Namespace, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The rows of one hour after the other."""
    hour, weather, kept = 0, 0.0, np.exp(-1 / 24)
    while True:
        level = 15 + _CYCLE[options.season] * np.sin(hour * 2 * np.pi / 24)
        if options.season == "weekly":
            level += 4.0 * (hour // 24 % 7 >= 5)
        if options.season == "weather":
            weather = kept * weather + np.sqrt(1 - kept**2) * rng.normal()
            level += 3 * weather
        yield level + _NOISE * rng.normal(size=options.rows)
        hour += 1


if __name__ == "__main__":
    main()
