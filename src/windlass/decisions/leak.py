"""Does a worker's memory grow without end since it holds another version?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

WARM = 5
"""Readings that a version may take to fill its caches; the largest of them is what the worker needs."""
PARTS = 5
"""Parts of the readings after that, each of which must mostly lie above the peak of the one before: a load that is
higher for a while, and a cache that fills, come to rest."""
LEAST = WARM + 3 * PARTS
GROWTH, GROWTH_MB = 0.5, 256.0
"""It has grown when it holds this share more than it needed, and so many megabytes."""


def leaking(megabytes: Sequence[float]) -> str | None:
    """What is wrong, in words; `megabytes` are readings in their order since the worker holds the version."""
    if len(megabytes) < LEAST:
        return None
    needed, later = max(megabytes[:WARM]), megabytes[WARM:]
    if later[-1] < needed + max(GROWTH * needed, GROWTH_MB):
        return None
    size = len(later) / PARTS
    parts = [later[round(part * size) : round((part + 1) * size)] for part in range(PARTS)]
    if any(median(part) <= max(before) for before, part in pairwise([[needed], *parts])):
        return None
    return f"memory grows without end: {needed:,.0f} MB when it had just been loaded, {later[-1]:,.0f} MB now"
