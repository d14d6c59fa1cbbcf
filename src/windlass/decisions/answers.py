"""What two versions answered side by side: the evidence of a stage of a release."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from windlass.decisions.statistics.paired_losses import PairedLosses

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


def _nothing() -> Array:
    return np.empty(0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Stream:
    """Figures of one version, and where each stands in the order of what both versions did."""

    values: Array = field(default_factory=_nothing)
    """`(n,)`."""
    places: Array = field(default_factory=_nothing)
    """`(n,)` rising; comparable with those of the other version."""

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What one version answered in a stage."""

    rows: int = 0
    """Rows answered."""
    failures: Stream = field(default_factory=Stream)
    """For each request whether it was not answered: an error, or no finite number. A bad row fails all rows of its
    request, so rows are no independent trials."""
    scores: Stream = field(default_factory=Stream)
    """The first score of each key, since keys are what a canary is drawn from; of a request where rows have no key
    (multiclass: of the likeliest class)."""
    latency_ms: Stream = field(default_factory=Stream)
    """Of each call of the version. It may have answered many requests, which share its time: they are one trial."""

    @property
    def requests(self) -> int:
        return len(self.failures)

    @property
    def errors(self) -> int:
        return int(np.count_nonzero(self.failures.values))

    @property
    def error_rate(self) -> float:
        return self.errors / self.requests if self.requests else 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ReleaseEvidence:
    """What challenger and champion did since the stage began."""

    stage: Literal["shadow", "canary"]
    share: float = 0.0
    started_at: datetime
    stage_started_at: datetime
    challenger: Answers
    champion: Answers
    """In shadow its scores are those of rows that the challenger answered too."""
    expected_shift: float | None = None
    """`numbers["score_shift"]` of the gate: a model that was trained because the world changed scores differently, and
    should. None: not known."""
    scale: float | None = None
    """What scores are measured by: 1 for probabilities, of numbers what the gate noted. None: not known."""
    gaps: Array = field(default_factory=_nothing)
    """`(n,)` in 0..1: how far apart they were on each row that both answered (`decisions.statistics.agreement`)."""
    expected_gap: float | None = None
    """`numbers["score_gap"]` of the gate: the mean of the same on the holdout. None: not known."""
    losses: PairedLosses | None = None
    """Losses of the challenger as `new` and of the champion as `previous`, where outcomes have come: in shadow on the
    same rows, in a canary as means of neighbouring stretches of keys. None: none have come."""
    asks: float = 1.0
    """How many times as many models the challenger asks for an answer, at least 1: a blend or a committee takes as long
    as its members together, which was known when it passed the gate and is no harm."""
    doubted: str | None = None
    """What stands against the champion: the signal of an alarm; None: nothing is known."""
    refused: str | None = None
    """Why it cannot serve: a worker could not load it, or workers crash with it; None: nothing of the kind is known."""
    approved: bool = False
    """A person has agreed that it may answer everyone."""
    paused: timedelta = timedelta()
    """How long the product has been paused since `started_at`: time in which nothing could advance."""
