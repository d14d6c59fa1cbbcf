"""What the process for user code is asked for, and what came of it; all of it travels between processes."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import msgspec

from windlass.decisions.precedent import Precedent
from windlass.records.decision import Decision
from windlass.records.lease import Fence
from windlass.settings import Settings

Outcome = Literal["registered", "rejected", "unchanged", "recalled", "kept"]


class DeclareRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One product to be read."""

    settings: Settings
    product: str
    entry: str
    fence: Fence


class TrainingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one product."""

    settings: Settings
    product: str
    """Its name, known before its code is loaded, so that code that cannot be loaded is told under it."""
    entry: str
    """`module:Class`."""
    run: str
    """The ledger says already that it has begun, why, which run it takes up, and whether it is to take over what was
    done before (`resume.beginning`)."""
    fence: Fence
    """Held by whoever asked; all that the run writes, and wherever, is written under it."""
    window: timedelta | None = None
    """Train on rows of this last stretch of event time; None: on all."""
    must_gain: bool = False
    """Release nothing that is not clearly better than the champion."""
    sparing: bool = False
    """Few versions are left, so release nothing that seems no better than the champion."""
    precedent: Precedent | None = None
    """What the last release brought, which may then speak for this one; None: nothing tells."""
    growth: bool = False
    """Nothing but more rows asks for the run, so what more rows have brought so far may speak for a release, too."""
    changed: int = 0
    """How many of the newest rows have come since the champion's losses rose; 0: nothing says that they did."""
    champion: str | None = None
    """The version that answers now, such as `v3`."""
    champion_digest: str | None = None
    """Its bundle."""
    earlier: tuple[tuple[str, str], ...] = ()
    """Versions that answered before, with their bundles: after a decay one of them may do better than a new one."""
    only_earlier: bool = False
    """No version may be made, so only these are asked, and nothing is fitted."""


class TrainingResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a run that did not fail ended."""

    run: str
    product: str
    outcome: Outcome
    version: str | None
    """Registered, or the one that is there already, or the one that is gone back to; None where there is none."""
    digest: str | None
    metrics: dict[str, float]
    """On the holdout."""
    decision: Decision
    """The gate's; that on recourse where nothing was trained."""
    reused: tuple[str, ...]
    """Steps that an earlier run had done."""
    seconds: float
