"""The right to act, for a process that wants to: a controller that stays, or a command that finds none."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from windlass.app.workspace import Workspace
from windlass.controller.context import LoopContext
from windlass.controller.takeover import take_over
from windlass.errors import LeaseLost
from windlass.lake.lake import Lake
from windlass.records.ids import new_id
from windlass.records.lease import Fence, Lease
from windlass.staging import newest_token


def acquire(workspace: Workspace, *, silent: Lease | None = None) -> LoopContext | None:
    """The right to act, with all that a predecessor had prepared made void; None while somebody else has it.

    `silent` is a lease that counts as run out (`Holder.silent`). Raises what keeps the stores from being taken over.
    """
    seen = newest_token(workspace.paths.stores)
    seconds = workspace.settings.lease_seconds
    fence = workspace.ledger.acquire(holder_name(workspace), seconds, above=seen, silent=silent)
    if fence is None:
        return None
    workspace.presence.show(fence.token)
    context = context_for(workspace, fence)
    try:
        take_over(context)
    except LeaseLost:  # somebody got it before this was done
        return None
    except BaseException:
        workspace.ledger.release(fence)
        raise
    return context


@contextmanager
def holding(workspace: Workspace, *, silent: Lease | None = None) -> Iterator[LoopContext | None]:
    """As `acquire`, and given back at the end."""
    context = acquire(workspace, silent=silent)
    try:
        yield context
    finally:
        if context is not None:
            workspace.ledger.release(context.held())


def holder_name(workspace: Workspace) -> str:
    """What people see of the holder: its host, its process, and a random part, since process ids come again.

    Nothing rests on its being unique. The token is, and it alone tells holders apart.
    """
    return new_id(f"{socket.gethostname()}-{os.getpid()}", workspace.clock.now())


def context_for(workspace: Workspace, fence: Fence | None) -> LoopContext:
    """The parts of `workspace` as the controller wants them, under `fence`; without one, to look only."""
    return LoopContext(
        ledger=workspace.ledger,
        lake=Lake(workspace.paths.lake, fence),
        registry=workspace.registry,
        paths=workspace.paths,
        clock=workspace.clock,
        settings=workspace.settings,
        view=workspace.view,
        fence=fence,
    )
