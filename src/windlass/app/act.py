"""Asking the loop for something, from outside."""

from __future__ import annotations

import time
from collections.abc import Callable

from windlass.app.holder import Holder
from windlass.app.lease import holding
from windlass.app.workspace import Workspace
from windlass.controller.commands import Commands
from windlass.controller.context import LoopContext
from windlass.controller.incidents import Incidents
from windlass.controller.releases import Releases
from windlass.controller.service import Service
from windlass.controller.signing import Signing
from windlass.errors import UsageError, WindlassError
from windlass.records.event import CommandFinished, CommandName, CommandRequested, CommandWithdrawn
from windlass.records.experiment import Plan
from windlass.records.ids import new_id

Say = Callable[[str], None]
Act = Callable[[LoopContext], None]
_BLINK = 0.05  # seconds between two looks at the ledger
_SOON = 1.5  # seconds within which a living controller has answered: until then there is nothing to tell
_PATIENCE = 30.0  # seconds that a living holder of the lease may take to answer


def release_candidate(context: LoopContext, product: str) -> None:
    """Begin the release of a version that waits for it, and tell the serving workers; for one who holds the lease."""
    service = Service(context=context, incidents=Incidents(context=context))
    Releases(context=context, spent=service.spent).step(product)
    context.route(product)


def carry_out(context: LoopContext) -> None:
    """Do what is asked for, but for runs: they want an engine, and wait for whoever has one."""
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
        untold = holder.see(workspace.ledger.lease()) or untold
        with holding(workspace, silent=holder.silent) as context:
            if context is not None:
                act(context)
                Signing(context=context, incidents=Incidents(context=context)).sign()
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
