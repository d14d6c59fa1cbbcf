"""The outcome of a judgement."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Judgement = Literal[
    "gate",
    "recourse",
    "retrain",
    "release",
    "rollback",
    "drift",
    "decay",
    "warning",
    "experiment",
    "service",
    "arrivals",
]

UNAPPROVED = "A person must agree before it answers everyone: `windlass approve`."
"""The reason of a release that waits for nothing else."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What was judged, how it came out, and what it rests on; the same record in production and in a backtest."""

    judgement: Judgement
    verdict: str
    """One word of the judgement's own vocabulary, such as `promote`, `wait`, `retrain`, `reject`."""
    reasons: tuple[str, ...]
    """Whole sentences for a person, the weightiest first; never empty."""
    numbers: dict[str, float | int | str | bool | None]
    """The figures behind the reasons, so that the judgement can be checked by hand."""
    at: datetime
    """The moment it was made at, in event time."""

    def count(self, name: str) -> int:
        """A whole one of `numbers`; 0 where it is missing, as in decisions of older releases."""
        found = self.numbers.get(name)
        return found if isinstance(found, int) else 0
