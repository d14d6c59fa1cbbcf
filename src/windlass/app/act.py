"""Asking the loop for something, from outside."""

from __future__ import annotations

import os
import socket
import time

from windlass.app.workspace import Workspace
from windlass.controller.commands import Commands
from windlass.controller.context import LoopContext
from windlass.controller.releases import Releases
from windlass.errors import UsageError
from windlass.records.event import CommandFinished, CommandName, CommandRequested
from windlass.records.ids import new_id
from windlass.records.lease import Fence
from windlass.records.state import PendingCommand


def holder_name(workspace: Workspace) -> str:
    """A name that no other process ever has: leases are never shared, not even by restarts on one host."""
    return new_id(f"{socket.gethostname()}-{os.getpid()}", workspace.clock.now())


def context_for(workspace: Workspace, fence: Fence | None) -> LoopContext:
    """The parts of `workspace` as the controller wants them."""
    return LoopContext(
        ledger=workspace.ledger,
        lake=workspace.lake,
        registry=workspace.registry,
        paths=workspace.paths,
        clock=workspace.clock,
        settings=workspace.settings,
        view=workspace.view,
        fence=fence,
    )


def release_candidate(context: LoopContext, product: str) -> None:
    """Begin the release of a version that waits for it, and tell the serving workers; for one who holds the lease."""
    Releases(context=context).step(product)
    context.route(product)


def ask(
    workspace: Workspace,
    name: CommandName,
    *,
    product: str,
    version: str | None,
    reason: str,
    force: bool = False,
    patience: float = 30.0,
) -> str:
    """Put the request into the ledger and see it through; answers with what came of it.

    Whoever holds the lease carries it out: a running controller within its next look, else this process itself.
    Raises UsageError when it was refused, or not answered within `patience` seconds.
    """
    command = new_id("command", workspace.clock.now())
    requested = CommandRequested(command=command, name=name, version=version, force=force, reason=reason)
    (event,) = workspace.ledger.append(requested, at=workspace.clock.now(), actor=workspace.actor, product=product)
    deadline = time.monotonic() + patience
    while True:
        answer = _answer(workspace, command, after=event.sequence)
        if answer is not None:
            break
        fence = workspace.ledger.acquire(holder_name(workspace), workspace.settings.lease_seconds)
        if fence is not None:
            try:
                Commands(context=context_for(workspace, fence), train=_no_training).handle()
            finally:
                workspace.ledger.release(fence)
        elif time.monotonic() > deadline:
            raise UsageError(
                f"the controller has not answered within {patience:.0f} s; the request stays in the ledger",
                where=f"command {command}",
                remedy="see `windlass events`; a controller that hangs loses its lease, and the next one takes it up",
            )
        else:
            time.sleep(0.05)
    if not answer.done:
        raise UsageError(answer.message, where=f"command {command}")
    return answer.message


def _answer(workspace: Workspace, command: str, *, after: int) -> CommandFinished | None:
    found = workspace.ledger.events((CommandFinished,), subject=command, after=after)
    return found[0].body if found and isinstance(found[0].body, CommandFinished) else None


def _no_training(pending: PendingCommand) -> str:
    raise UsageError(
        f"a run was asked for by {pending.actor}, but no controller runs", remedy="run `windlass train` again"
    )
