"""`windlass train`: one run by hand, with a controller or without."""

from __future__ import annotations

import time
from dataclasses import dataclass

from windlass.app.act import ask, context_for, holder_name, release_candidate
from windlass.app.workspace import Workspace
from windlass.controller.commands import Commands
from windlass.controller.incidents import Incidents
from windlass.controller.training import Training
from windlass.errors import UsageError, WindlassError
from windlass.pipeline.progress import Emit, ProgressMessage
from windlass.product.code.loading import discover
from windlass.records.event import CommandRequested, GateDecided, RunFailed, RunFinished, RunStarted, StepFinished
from windlass.records.ids import new_id
from windlass.records.state import ProductState, RunState


@dataclass(frozen=True, kw_only=True)
class Finished:
    """How the run ended, in words."""

    ok: bool
    message: str


def train(workspace: Workspace, *, product: str | None, force: bool, reason: str, show: Emit) -> Finished:
    """Run once and begin the release of what passed.

    While a controller holds the lease it is asked to do so, and its steps are shown as the ledger tells them.
    """
    entries = discover(workspace.settings.project, workspace.settings.products)
    name = _chosen(entries, product)
    fence = workspace.ledger.acquire(holder_name(workspace), workspace.settings.lease_seconds)
    if fence is None:
        return _by_controller(workspace, name, force=force, reason=reason, show=show)
    context = context_for(workspace, fence)
    training = Training(
        context=context, engine=workspace.engine, incidents=Incidents(context=context), entries=entries, show=show
    )
    try:
        training.declare(name)
        requested = CommandRequested(command=new_id("command", context.now), name="train", force=force, reason=reason)
        workspace.ledger.append(requested, at=context.now, actor=workspace.actor, product=name)
        Commands(context=context, train=training.start_by_hand).handle()
        while not training.idle:
            training.follow()
            workspace.ledger.renew(fence, workspace.settings.lease_seconds)
            time.sleep(0.02)
        release_candidate(context, name)
    finally:
        workspace.ledger.release(fence)
    return _how_it_ended(workspace, context.product(name))


def _by_controller(workspace: Workspace, name: str, *, force: bool, reason: str, show: Emit) -> Finished:
    before = workspace.ledger.head()
    ask(workspace, "train", product=name, version=None, reason=reason, force=force)
    seen = before
    run: str | None = None
    while True:
        for event in workspace.ledger.events(product=name, after=seen):
            seen = event.sequence
            body = event.body
            if isinstance(body, RunStarted) and body.trigger == "manual":
                run = body.run
            elif isinstance(body, StepFinished) and body.run == run:
                state = "reused" if body.reused else "finished"
                show(ProgressMessage(run=body.run, step=body.step, state=state, seconds=body.seconds))  # type: ignore[arg-type]
            elif isinstance(body, (RunFinished, RunFailed)) and body.run == run:
                return _how_it_ended(workspace, workspace.state().products[name])
        time.sleep(0.1)


def _how_it_ended(workspace: Workspace, product: ProductState) -> Finished:
    run = product.last_run
    if run is None:
        return Finished(ok=False, message="the run left no trace; see `windlass events`")
    if run.outcome == "registered":
        champion = product.champion.version if product.champion else None
        now = (
            "answers now"
            if champion == run.version
            else f"is being released; {champion} answers until it is shown to be safe"
        )
        return Finished(ok=True, message=f"{run.run}: {run.version} registered; it {now}")
    if run.outcome == "unchanged":
        return Finished(
            ok=True, message=f"{run.run}: nothing has changed since {run.version}, so there is no new version"
        )
    if run.outcome == "rejected":
        return Finished(ok=False, message=f"{run.run}: the gate rejected the candidate: {_verdict(workspace, run)}")
    return Finished(ok=False, message=f"{run.run} failed{_fault(workspace, run)}")


def _verdict(workspace: Workspace, run: RunState) -> str:
    """What the gate had against the candidate, all of it."""
    events = workspace.ledger.events((GateDecided,), subject=run.run)
    return " ".join(
        reason for event in events if isinstance(event.body, GateDecided) for reason in event.body.decision.reasons
    )


def _fault(workspace: Workspace, run: RunState) -> str:
    """Where the run failed, what was wrong, and the remedy."""
    for event in workspace.ledger.events((RunFailed,), subject=run.run):
        if isinstance(event.body, RunFailed):
            step = f" in {event.body.step}" if event.body.step else ""
            error = WindlassError(event.body.message, where=event.body.where, remedy=event.body.remedy)
            return f"{step}: {error}"
    return ": another run began before it had come to its end"


def _chosen(entries: dict[str, str], product: str | None) -> str:
    if product is None and len(entries) == 1:
        return next(iter(entries))
    if product in entries:
        return str(product)
    known = ", ".join(sorted(entries))
    what = "there are several products" if product is None else f"there is no product {product!r}"
    raise UsageError(what, remedy=f"name one with --product: {known}")
