"""`windlass clean`: what nothing needs any more is removed, by whoever holds the lease."""

from __future__ import annotations

from collections.abc import Callable

from windlass.app.act import Say, ask
from windlass.app.lease import context_for
from windlass.app.workspace import Workspace
from windlass.controller.cleaning import Cleaning
from windlass.controller.commands import Commands
from windlass.controller.context import LoopContext
from windlass.records.event import WorkspaceCleaned

_PATIENCE = 1800.0
"""Seconds that a living holder may take: putting the files of a large lake together is minutes of work."""


def clean(workspace: Workspace, *, reason: str, say: Say, show: Callable[[str], None]) -> WorkspaceCleaned:
    """What was freed. `show` hears what is being done, when it is this process that does it."""

    def act(context: LoopContext) -> None:
        Commands(context=context, cleaning=Cleaning(context=context, show=show)).handle()

    ask(workspace, "clean", product=None, reason=reason, say=say, act=act, patience=_PATIENCE)
    (last,) = workspace.ledger.events((WorkspaceCleaned,), newest=1)
    assert isinstance(last.body, WorkspaceCleaned)
    return last.body


def foresee(workspace: Workspace) -> WorkspaceCleaned:
    """What `clean` would free now; nothing is changed."""
    return Cleaning(context=context_for(workspace, None)).foresee()
