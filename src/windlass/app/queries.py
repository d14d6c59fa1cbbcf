"""Answers to what people ask of a workspace, as plain rows; every one is a view of the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from windlass.app.describe import describe
from windlass.app.forms import answers_with
from windlass.app.said import said
from windlass.app.watched import watched_against
from windlass.app.workspace import Workspace
from windlass.decisions.figures import show_moment
from windlass.errors import RegistryError, UsageError, WindlassError
from windlass.pipeline.rows.remarks import remarks
from windlass.product.task import DEFAULT_METRICS
from windlass.records import event as events
from windlass.records.alert import likely_cause
from windlass.records.decision import UNAPPROVED
from windlass.records.event import Body, Event
from windlass.records.experiment import Plan
from windlass.records.state import OpenAlarm, ProductState, ReleaseState, RunState, VersionState
from windlass.release.director import probation_ends

Row = dict[str, Any]


def the_product(workspace: Workspace, name: str | None) -> ProductState:
    """The product called `name`, or the only one there is."""
    products = workspace.state().products
    if name is None and len(products) == 1:
        return next(iter(products.values()))
    known = ", ".join(sorted(products)) or "none yet"
    if name is None:
        what = "no product has been declared yet" if not products else "there are several products"
        raise UsageError(what, where=str(workspace.settings.workspace), remedy=f"name one with --product ({known})")
    if name not in products:
        raise UsageError(
            f"there is no product {name!r}", where=str(workspace.settings.workspace), remedy=f"known: {known}"
        )
    return products[name]


def status(workspace: Workspace) -> list[Row]:
    """A row per product: who answers since when, what is under way, what is wrong."""
    rows, lease, state = workspace.settings.watch_rows, workspace.ledger.lease(), workspace.state()
    loop = None if lease is None else lease.holder
    # Whoever takes over begins a run of his own in place of one that he finds.
    found_at = None if state.controller is None else state.controller.started_at
    return [
        _status(product, watch_rows=rows, held=lease is not None, found_at=found_at)
        | {"answers_with": _answers_with(workspace, product), "loop": loop}
        for product in state.products.values()
    ]


def versions(workspace: Workspace, product: str | None) -> list[Row]:
    state = the_product(workspace, product)
    challenger = state.release.version if state.release is not None else None
    champion = state.champion.version if state.champion is not None else None
    return [
        {
            "version": version.version,
            "role": _role(version, champion=champion, challenger=challenger),
            "registered": version.registered_at,
            "run": version.run,
            "metrics": dict(version.metrics),
            "metric": _judged_by(state, version),
            "digest": version.digest,
            "watched_against": watched_against(state, version, watch_rows=workspace.settings.watch_rows),
        }
        for name, version in state.versions.items()
    ]


def _role(version: VersionState, *, champion: str | None, challenger: str | None) -> str:
    if version.retired:
        return "removed"
    return {champion: "champion", challenger: "challenger"}.get(version.version, "")


def runs(workspace: Workspace, product: str | None, *, limit: int) -> list[Row]:
    """The last runs, newest last, those that people logged by hand included.

    A training run that nobody works on, since nobody holds the lease or its holder waits with it, is `interrupted`: the
    next one takes it up.
    """
    _check_known(workspace, product)
    under_way = "running" if workspace.ledger.lease() is not None else "interrupted"
    found: dict[str, Row] = {}
    kinds: tuple[type[Body], ...] = (
        events.RunStarted,
        events.DataExtracted,
        events.GateDecided,
        events.RetrainDecided,
        events.RunFinished,
        events.RunFailed,
    )
    for event in workspace.ledger.events(kinds=kinds, product=product):
        body = event.body
        if isinstance(body, events.RunStarted):
            found[body.run] = {
                "run": body.run,
                "product": event.product,
                "name": body.name or None,
                "trigger": body.trigger,
                "started": event.at,
                "reason": body.reason,
                "gate": None,
                "outcome": "running" if body.trigger == "notebook" else under_way,
                "version": None,
                "seconds": None,
                "remarks": None,
                "error": None,
                "remedy": None,
            }
        elif isinstance(body, events.DataExtracted) and body.run in found:
            found[body.run]["remarks"] = "; ".join(remarks(body.ingested)) or None
        elif isinstance(body, events.GateDecided) and body.run in found:
            found[body.run]["gate"] = body.decision.verdict
            if body.decision.verdict == "reject":
                found[body.run]["error"] = " ".join(body.decision.reasons)
        elif isinstance(body, events.RetrainDecided) and body.run is None:  # nobody is asked while one works on a run
            for row in found.values():
                if row["product"] == event.product and row["outcome"] == "running" and row["trigger"] != "notebook":
                    row["outcome"] = "interrupted"
        elif isinstance(body, events.RunFinished) and body.run in found:
            found[body.run] |= {"outcome": body.outcome, "version": body.version, "seconds": body.seconds}
        elif isinstance(body, events.RunFailed) and body.run in found:
            error = WindlassError(said(workspace, body), where=body.where)
            found[body.run] |= {
                "outcome": f"failed in {body.step}" if body.step else "failed",
                "error": error.fault,
                "remedy": body.remedy or None,
            }
    shown = list(found.values())[-limit:]
    for row in shown:
        told = [row["remarks"], *_remarks_of_rows(workspace, row["run"])]
        row["remarks"] = "; ".join(remark for remark in told if remark) or None
    return shown


def _remarks_of_rows(workspace: Workspace, run: str) -> list[str]:
    """What the step `check` has to say of the rows that it left out."""
    steps = [event.body for event in workspace.ledger.events((events.StepFinished,), run=run)]
    checks = [body for body in steps if isinstance(body, events.StepFinished) and body.step == "check"]
    return [str(body.summary.get("remarks") or "") for body in checks]


def releases(workspace: Workspace, product: str | None, *, limit: int) -> list[Row]:
    _check_known(workspace, product)
    found: dict[str, Row] = {}
    kinds: tuple[type[Body], ...] = (events.ReleaseStarted, events.ReleaseAdvanced, events.ReleaseFinished)
    for event in workspace.ledger.events(kinds=kinds, product=product):
        body = event.body
        if isinstance(body, events.ReleaseStarted):
            found[body.release] = {
                "release": body.release,
                "product": event.product,
                "version": body.version,
                "previous": body.previous,
                "started": event.at,
                "stages": [],
                "outcome": "under way",
                "reason": None,
            }
        elif isinstance(body, events.ReleaseAdvanced) and body.release in found:
            share = f" {body.share:.0%}" if body.stage == "canary" else ""
            found[body.release]["stages"].append(f"{body.stage}{share}")
            found[body.release]["reason"] = body.decision.reasons[0]
        elif isinstance(body, events.ReleaseFinished) and body.release in found:
            found[body.release] |= {"outcome": body.outcome.replace("_", " "), "reason": body.decision.reasons[0]}
    return list(found.values())[-limit:]


def alarms(workspace: Workspace, product: str | None, *, limit: int) -> list[Row]:
    _check_known(workspace, product)
    found: dict[str, Row] = {}
    for event in workspace.ledger.events(kinds=(events.AlarmRaised, events.AlarmCleared), product=product):
        body = event.body
        if isinstance(body, events.AlarmRaised):
            found[body.alarm] = {
                "alarm": body.alarm,
                "product": event.product,
                "signal": body.signal,
                "version": body.version,
                "raised": event.at,
                "cleared": None,
                "reason": body.decision.reasons[0],
                "likely": likely_cause(body.causes) or None,
                "causes": body.causes,
                "numbers": body.decision.numbers,
            }
        elif isinstance(body, events.AlarmCleared) and body.alarm in found:
            found[body.alarm]["cleared"] = event.at
    return list(found.values())[-limit:]


def incidents(workspace: Workspace, product: str | None, *, limit: int) -> list[Row]:
    _check_known(workspace, product)
    found: dict[str, Row] = {}
    for event in workspace.ledger.events(kinds=(events.IncidentOpened, events.IncidentClosed), product=product):
        body = event.body
        if isinstance(body, events.IncidentOpened):
            found[body.incident] = {
                "incident": body.incident,
                "product": event.product,
                "opened": event.at,
                "closed": None,
                "title": body.title,
                "cause": body.cause,
                "remedy": body.remedy,
                "resolution": None,
            }
        elif isinstance(body, events.IncidentClosed) and body.incident in found:
            found[body.incident] |= {"closed": event.at, "resolution": body.resolution}
    return list(found.values())[-limit:]


def timeline(
    workspace: Workspace, product: str | None, *, steps: bool, limit: int | None = None, after: int = 0
) -> list[Row]:
    """What happened after the event `after`, newest last; the steps of runs only on request, since they are many."""
    _check_known(workspace, product)
    left_out = () if steps else (events.StepStarted, events.StepFinished, events.DataPinned)
    kinds = tuple(kind for kind in events.ALL if kind not in left_out)
    found = workspace.ledger.events(kinds=kinds, product=product, after=after, newest=limit)
    return [_event_row(event) for event in found]


def _event_row(event: Event) -> Row:
    return {
        "sequence": event.sequence,
        "at": event.at,
        "product": event.product,
        "kind": event.kind,
        "actor": event.actor,
        "what": describe(event),
    }


def _check_known(workspace: Workspace, product: str | None) -> None:
    if product is not None:
        the_product(workspace, product)


def _status(product: ProductState, *, watch_rows: int, held: bool, found_at: datetime | None) -> Row:
    release, champion = product.release, product.champion
    return {
        "product": product.name,
        "champion": None if champion is None else champion.version,
        "since": product.champion_since,
        "release": None if release is None else _stands(release),
        "experiment": None if product.experiment is None else _tested(product.experiment.plan),
        "run": None if product.run is None else _under_way(product.run, held=held, found_at=found_at),
        "alarms": _signals(product.alarms.values()),
        "incidents": len(product.incidents),
        "paused": product.paused,
        "watched_against": None if champion is None else watched_against(product, champion, watch_rows=watch_rows),
        "next": None if product.last_retrain is None else product.last_retrain.reasons[0],
    }


def _answers_with(workspace: Workspace, product: ProductState) -> str | None:
    """Which form of the champion's model, and why; None where its bundle cannot tell."""
    champion = product.champion
    if champion is None:
        return None
    try:
        return answers_with(product, champion, workspace.registry.manifest(product.name, champion.digest))
    except RegistryError:  # which is an incident, and told as one
        return None


def _tested(plan: Plan) -> str:
    return f"{plan.b} on {plan.split:.0%} of the keys beside {plan.a}, by {plan.metric}; releases wait meanwhile"


def _under_way(run: RunState, *, held: bool, found_at: datetime | None) -> str:
    """What nobody works on is said to be interrupted: the next run takes it up."""
    worked_on = held and (found_at is None or found_at <= run.started_at)
    return f"{run.run} ({run.trigger})" if worked_on else f"{run.run} ({run.trigger}), interrupted"


def _stands(release: ReleaseState) -> str:
    """Where a release stands, and why it waits there; a person who is waited for is told so."""
    if release.stage == "probation":
        return f"{release.version} on probation until {show_moment(probation_ends(release))}"
    where = release.version if release.stage == "started" else f"{release.version} in {release.stage}"
    if release.plan.get("approval"):
        where += f", approved by {release.approved_by}" if release.approved_by else ", waits for `windlass approve`"
    return where if release.delayed in (None, UNAPPROVED) else f"{where}; it waits: {release.delayed}"


def _judged_by(product: ProductState, version: VersionState) -> str | None:
    """The metric that a person asks for first: the gate's, that of its kind of task, or the first that there is."""
    if product.declared is not None:
        gate = product.declared.policies.get("gate")
        for named in (gate and gate["metric"], DEFAULT_METRICS.get(product.declared.task["task"])):
            if named in version.metrics:
                return str(named)
    return next(iter(version.metrics), None)


def _signals(alarms: Iterable[OpenAlarm]) -> str | None:
    return ", ".join(sorted({alarm.raised.signal for alarm in alarms})) or None
