"""What an A/B test was asked to find out."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Fixed when it starts; what comes later changes nothing of it."""

    a: str
    """The champion, which answers all other keys."""
    b: str
    metric: str
    """The name under which callers post what they measure."""
    split: float
    """Part of the keys that b answers, in 0..1."""
    larger_is_better: bool = True
    until: datetime | None = None
    """When it ends undecided; None: it goes on until it is decided or stopped."""


class ExperimentState(msgspec.Struct, frozen=True, kw_only=True):
    """An A/B test under way."""

    experiment: str
    plan: Plan
    started_at: datetime
    by: str
    """Who asked for it."""
    reason: str
