"""What each peer's script prints: how long its steps took, from the end of one to the end of the next."""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Sequence


def report(ends: Sequence[float]) -> None:
    """`ends`: seconds, the moment before the first step and the end of each."""
    took = sorted((after - before) * 1000 for before, after in itertools.pairwise(ends))
    print(json.dumps({"median": statistics.median(took), "p99": took[int(0.99 * (len(took) - 1))]}))
