"""Asking the loop for something, from outside.

Where a controller holds the lease, asking takes the ledger alone; what acting takes is imported only by who has to act.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from windlass.app.holder import Holder
from windlass.app.workspace import Workspace
from windlass.errors import UsageError, WindlassError
from windlass.records.event import CommandFinished, CommandName, CommandRequested, CommandWithdrawn
from windlass.records.experiment import Plan
from windlass.records.ids import new_id
from windlass.records.lease import Lease

if TYPE_CHECKING:
    from windlass.controller.context import LoopContext

Say = Callable[[str], None]
Act = Callable[["LoopContext"], None]
_BLINK = 0.05  # seconds between two looks at the ledger
_SOON = 1.5  # seconds within which a living controller has answered: until then there is nothing to tell
_PATIENCE = 30.0  # seconds that a living holder of the lease may take to answer


def release_candidate(context: LoopContext, product: str) -> None:
    """Begin the release of a version that waits for it, and tell the serving workers; for one who holds the lease."""
    from windlass.controller.incidents import Incidents
    from windlass.controller.releases import Releases
    from windlass.controller.service import Service

    service = Service(context=context, incidents=Incidents(context=context))
    Releases(context=context, spent=service.spent).step(product)
    context.route(product)


def carry_out(context: LoopContext) -> None:
    """Do what is asked for, but for runs: they want an engine, and wait for whoever has one."""
    from windlass.controller.commands import Commands

    Commands(context=context).handle()


def ask(
    workspace: Workspace,
    name: CommandName,
    *,
    product: str | None,
    version: str | None = None,
    reason: str,
    force: bool = False,
    experiment: Plan | None = None,
    say: Say,
    act: Act = carry_out,
    patience: float = _PATIENCE,
    prepare: Callable[[str], None] = lambda _: None,
    rest: Callable[[float], None] = time.sleep,
    real_time: Callable[[], float] = time.monotonic,
) -> str:
    """Put the request into the ledger and see it through; answers with what came of it.

    A living holder of the lease carries it out within its next look. When nobody holds the lease, or its holder is dead
    and it has run out, this process takes it and does `act`, which carries out what is pending. `say` hears whom the
    request waits for; `prepare` is told its name before anybody else can know of it.

    Raises UsageError when it was refused, or when a holder that keeps renewing its lease does not answer within
    `patience` seconds. Whoever leaves without an answer takes the request back.
    """
    command = new_id("command", workspace.clock.now())
    prepare(command)
    requested = CommandRequested(
        command=command, name=name, version=version, force=force, experiment=experiment, reason=reason
    )
    workspace.ledger.append(requested, at=workspace.clock.now(), actor=workspace.actor, product=product)
    try:
        answer = _see_through(workspace, command, say=say, act=act, patience=patience, rest=rest, real_time=real_time)
    except WindlassError as error:
        _take_back(workspace, command, product=product, reason=error.what)
        raise
    except KeyboardInterrupt:
        if _take_back(workspace, command, product=product, reason="interrupted before there was an answer"):
            say("the request was taken back")
        raise
    if not answer.done:
        raise UsageError(answer.message)
    return answer.message


def _see_through(
    workspace: Workspace,
    command: str,
    *,
    say: Say,
    act: Act,
    patience: float,
    rest: Callable[[float], None],
    real_time: Callable[[], float],
) -> CommandFinished:
    holder = Holder(seconds=workspace.settings.lease_seconds, ended=workspace.presence.ended, real_time=real_time)
    began, untold = real_time(), False
    while (answer := _answer(workspace, command)) is None:
        lease = workspace.ledger.lease()
        untold = holder.see(lease) or untold
        silent = holder.silent
        if (lease is None or silent is not None) and _acted(workspace, act, silent=silent):
            continue
        waited = real_time() - began
        if waited > patience and holder.alive:
            raise UsageError(
                f"{holder}, but has not answered within {patience:.0f} s; the request was taken back",
                remedy="see `windlass events` and windlass.log for what keeps it busy, and ask again",
            )
        if untold and waited > _SOON:
            say(f"waiting: {holder}")
            untold = False
        rest(_BLINK)
    return answer


def _acted(workspace: Workspace, act: Act, *, silent: Lease | None) -> bool:
    """Whether this process could take the lease, and has done what was to be done."""
    from windlass.app.lease import holding
    from windlass.controller.incidents import Incidents
    from windlass.controller.signing import Signing

    with holding(workspace, silent=silent) as context:
        if context is None:
            return False
        act(context)
        Signing(context=context, incidents=Incidents(context=context)).sign()
        return True


def _answer(workspace: Workspace, command: str) -> CommandFinished | None:
    found = workspace.ledger.events((CommandFinished,), subject=command)
    return found[0].body if found and isinstance(found[0].body, CommandFinished) else None


def _take_back(workspace: Workspace, command: str, *, product: str | None, reason: str) -> bool:
    """Whether there was something to take back: what has been done stays done."""
    if _answer(workspace, command) is not None:
        return False
    withdrawn = CommandWithdrawn(command=command, reason=reason)
    workspace.ledger.append(withdrawn, at=workspace.clock.now(), actor=workspace.actor, product=product)
    return True
