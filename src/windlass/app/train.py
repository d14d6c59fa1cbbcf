"""`windlass train`: one run by hand, with a controller or without."""

from __future__ import annotations

import time
from dataclasses import dataclass

from windlass.app.act import Say, ask, release_candidate
from windlass.app.follow import follow
from windlass.app.said import said
from windlass.app.workspace import Workspace
from windlass.controller.commands import Commands
from windlass.controller.context import LoopContext
from windlass.controller.declarations import Declarations
from windlass.controller.incidents import Incidents
from windlass.controller.training import Training
from windlass.errors import UsageError, WindlassError
from windlass.pipeline.steps.progress import Emit
from windlass.product.code.loading import discover
from windlass.records.event import GateDecided, RunFailed
from windlass.records.state import ProductState, RunState

_BLINK = 0.02  # seconds between two looks at the run


@dataclass(frozen=True, kw_only=True)
class Finished:
    """How the run ended, in words."""

    ok: bool
    message: str


def train(workspace: Workspace, *, product: str | None, force: bool, reason: str, show: Emit, say: Say) -> Finished:
    """Run once and begin the release of what passed.

    While a controller holds the lease it is asked to do so, and its steps are shown as the ledger tells them. The lease
    of a dead one is waited for. `show` hears what the run does, `say` what else there is to know.
    """
    entries = discover(workspace.settings.project, workspace.settings.products)
    name = _chosen(entries, product)
    before = workspace.ledger.head()
    here: list[LoopContext] = []

    def act(context: LoopContext) -> None:
        here.append(context)
        _run(workspace, context, name, entries=entries, show=show)

    try:
        ask(workspace, "train", product=name, reason=reason, force=force, say=say, act=act)
        if not here and not follow(workspace.ledger, name, after=before, show=show):
            lost = "nobody holds the lease any more: the next `windlass up` or `windlass train` takes the run up"
            return Finished(ok=False, message=lost)
    except KeyboardInterrupt:
        under_way = workspace.state().products.get(name)
        if under_way is None or under_way.run is None:
            raise
        goes_on = "the next `windlass train` or `windlass up` takes it up" if here else "the controller goes on with it"
        return Finished(ok=False, message=f"interrupted; the run is not lost: {goes_on}")
    return _how_it_ended(workspace, workspace.state().products[name])


def _run(workspace: Workspace, context: LoopContext, name: str, *, entries: dict[str, str], show: Emit) -> None:
    """Be the holder of the lease for as long as the run takes; what people ask for meanwhile is done too."""
    incidents = Incidents(context=context)
    declarations = Declarations(context=context, engine=workspace.engine, incidents=incidents, entries=entries)
    training = Training(
        context=context,
        engine=workspace.engine,
        incidents=incidents,
        declarations=declarations,
        entries=entries,
        show=show,
    )
    declarations.read(name)
    commands = Commands(context=context, train=training.start_by_hand, busy=lambda: not training.idle)
    commands.handle()
    while not training.idle:
        time.sleep(_BLINK)
        training.follow()
        commands.handle()
        context.keep()
    release_candidate(context, name)


def _how_it_ended(workspace: Workspace, product: ProductState) -> Finished:
    run = product.last_run
    if run is None:
        return Finished(ok=False, message="the run left no trace; see `windlass events`")
    if run.outcome == "registered":
        standing = _standing(product, str(run.version))
        return Finished(ok=True, message=f"{run.run}: {run.version} registered; {standing}")
    nothing_made = {
        "unchanged": f"nothing has changed since {run.version}, so there is no new version",
        "recalled": f"{run.version} does better, and is being released once more",
        "kept": "no version that answered before is clearly better",
    }
    if run.outcome in nothing_made:
        return Finished(ok=True, message=f"{run.run}: {nothing_made[run.outcome]}")
    if run.outcome == "rejected":
        return Finished(ok=False, message=f"{run.run}: the gate rejected the candidate: {_verdict(workspace, run)}")
    return Finished(ok=False, message=f"{run.run} failed{_fault(workspace, run)}")


def _standing(product: ProductState, version: str) -> str:
    """How far the release of a new version is."""
    champion = "nobody" if product.champion is None else product.champion.version
    if champion == version:
        return "it answers now"
    if product.release is None:
        return f"it is released next, and {champion} answers meanwhile"
    if product.release.version != version:
        other = product.release
        if other.stage == "probation":  # it makes way
            return (
                f"it is released next, which cuts the probation of {other.version} short; {champion} answers meanwhile"
            )
        return f"it waits for the release of {other.version} ({other.stage}), and {champion} answers meanwhile"
    return f"it is being released; {champion} answers until it is shown to be safe"


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
            error = WindlassError(said(workspace, event.body), where=event.body.where, remedy=event.body.remedy)
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
