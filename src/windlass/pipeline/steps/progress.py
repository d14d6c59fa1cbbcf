"""What a training run tells while it works."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec


class ProgressMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One line for whoever watches a run; nothing depends on it, the ledger has the record."""

    run: str
    step: str
    state: Literal["started", "finished", "reused", "failed", "note"]
    seconds: float = 0.0
    """How long the step took; 0 while it runs."""
    rows: int | None = None
    """Rows that the step worked on, where that means something."""
    text: str = ""
    """A sentence for a person."""


Emit = Callable[[ProgressMessage], None]


def silent(message: ProgressMessage) -> None:
    """Nobody watches."""
