"""What a backtest found, and how it is written down."""

from __future__ import annotations

from typing import Any

import msgspec

from windlass.product.task import TaskKind
from windlass.records.decision import Decision


class WindowSpan(msgspec.Struct, frozen=True, kw_only=True):
    """One window, in the units of the time column: ISO 8601 text or numbers."""

    start: str | float
    """Time of its first row."""
    end: str | float
    """Time of its last row."""
    rows: int


class PolicyResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one policy did."""

    metric: float | None
    """Mean of the windows' metrics; windows where it is undefined are left out, None if all are."""
    per_window: tuple[float | None, ...]
    retrains: int
    """New models that took over after the first."""
    fits: int
    """All models fitted after the first one, also those that were only judged."""
    fit_seconds: float
    """In these fits."""
    overhead_seconds: float
    """On top of all fits and predictions."""
    log_loss: float | msgspec.UnsetType | None = msgspec.UNSET
    """Binary only: the mean of the windows' log losses."""


class BacktestEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something the windlass policy noticed, decided or did."""

    window: int
    """Position of the window that it happened before, or in."""
    at: str | float
    """Time, in the units of the time column."""
    kind: str
    """The kind of the ledger's event that production would write, such as `retrain.decided`."""
    version: str | None = None
    """The model that answers, after this."""
    decision: Decision | None = None
    detail: str = ""
    """What else there is to say, such as `rolled back`."""


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Where one policy's seconds went, its share in the common first fit included."""

    fit: float
    predict: float
    overhead: float

    @property
    def overhead_share(self) -> float:
        """Overhead over fits and predictions."""
        return self.overhead / max(self.fit + self.predict, 1e-9)


class BacktestResult(msgspec.Struct, frozen=True, kw_only=True):
    """Everything; `to_json` writes the part that is promised to other programs."""

    rows: int
    task: TaskKind
    metric: str
    larger_is_better: bool
    windows: tuple[WindowSpan, ...]
    policies: dict[str, PolicyResult]
    events: tuple[BacktestEvent, ...]
    timings: dict[str, Timing]
    notes: tuple[str, ...] = ()


def to_plain(result: BacktestResult) -> dict[str, Any]:
    """The documented form, as plain data (docs/how-to/backtest.md)."""
    plain = msgspec.to_builtins(result)
    return {name: plain[name] for name in ("rows", "task", "metric", "windows", "policies", "events")}


def to_json(result: BacktestResult) -> bytes:
    """The documented form as JSON."""
    return msgspec.json.format(msgspec.json.encode(to_plain(result)), indent=2) + b"\n"
