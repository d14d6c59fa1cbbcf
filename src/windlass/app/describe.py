"""Events in words, for timelines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from windlass.pipeline.rows.remarks import remarks
from windlass.records import event as events
from windlass.records.event import Body, Event
from windlass.release.director import describe as describe_stage


def describe(event: Event) -> str:
    """One line that says what happened."""
    words = _WORDS.get(type(event.body))
    return words(event.body) if words is not None else event.kind


def _ingested(body: events.DataExtracted) -> str:
    parts = [f"{item.rows_new:,} new rows of {item.rows_seen:,} from {item.source}" for item in body.ingested]
    return "; ".join(["extracted " + ", ".join(parts), *remarks(body.ingested)]) if parts else "extracted nothing"


def _finished(body: events.RunFinished) -> str:
    after = f"after {body.seconds:.1f} s"
    match body.outcome:
        case "registered":
            return f"run registered as {body.version} {after}"
        case "rejected":
            return f"run ended {after}: the gate rejected its candidate"
        case "unchanged":
            return f"run ended {after}: nothing has changed since {body.version}"
        case "kept":
            return f"run ended {after}: no version that answered before is clearly better"
        case "recalled":
            return f"run ended {after}: back to {body.version}"
        case "done":
            return f"run done {after}"


def _step(body: events.StepFinished) -> str:
    if body.reused:
        return f"step {body.step}: taken over from {body.reused}"
    return f"step {body.step}: {body.seconds:.2f} s"


def _champion(body: events.ChampionChanged) -> str:
    instead = f" instead of {body.previous}" if body.previous else ""
    return f"{body.version} answers{instead}: {body.reason}"


_WORDS: dict[type[Body], Callable[[Any], str]] = {
    events.WorkspaceCreated: lambda body: f"workspace made by Windlass {body.windlass}",
    events.BackupMade: lambda body: f"backed up to {body.place} as of event {body.sequence}",
    events.WorkspaceRestored: lambda body: f"restored from {body.place}, a backup of {body.made_at:%Y-%m-%d %H:%M}",
    events.ControllerStarted: lambda body: f"controller {body.holder} took the lease",
    events.ControllerStopped: lambda body: f"controller stopped: {body.reason}",
    events.CommandRequested: lambda body: f"asked to {body.name} {body.version or ''}: {body.reason}".replace(
        " :", ":"
    ),
    events.CommandFinished: lambda body: f"{'done' if body.done else 'refused'}: {body.message.splitlines()[0]}",
    events.CommandWithdrawn: lambda body: f"took the request back: {body.reason}",
    events.TokenCreated: lambda body: f"{body.holder} got {body.token}: {', '.join(body.scopes)}",
    events.TokenRevoked: lambda body: f"{body.token} was taken back: {body.reason}",
    events.KeyRotated: lambda body: f"signed by the key {body.key} from now on: {body.reason}",
    events.LedgerPruned: lambda body: f"{body.removed:,} events from before {body.before:%Y-%m-%d %H:%M} were removed",
    events.WorkspaceCleaned: lambda body: f"cleaned: {_freed(body)}",
    events.ProductDeclared: lambda body: f"settings in force from {body.entry}",
    events.ProductPaused: lambda body: f"paused: {body.reason}",
    events.ProductResumed: lambda body: f"resumed: {body.reason}",
    events.RunStarted: lambda body: f"run started ({body.trigger}): {body.reason}",
    events.RunLogged: lambda body: "logged " + ", ".join([*body.params, *body.metrics, *body.figures]),
    events.RunFinished: _finished,
    events.RunFailed: lambda body: f"run failed in {body.step or 'its process'}: {body.message}",
    events.StepStarted: lambda body: f"step {body.step} started",
    events.StepFinished: _step,
    events.StepFailed: lambda body: f"step {body.step} failed: {body.message}",
    events.DataExtracted: _ingested,
    events.DataPinned: lambda body: f"training set pinned: {body.pin.rows:,} rows, {body.pin.digest[:12]}",
    events.DataErased: lambda body: (
        f"erased the rows of one key ({_rows_of(body)}), of the training sets of {', '.join(body.repinned) or 'none'}: "
        f"{body.reason}"
    ),
    events.GateDecided: lambda body: f"gate: {body.decision.verdict}, {body.decision.reasons[0]}",
    events.RecourseDecided: lambda body: f"recourse: {body.decision.verdict}, {body.decision.reasons[0]}",
    events.VersionRegistered: lambda body: (
        f"{body.version} registered ({body.digest[:12]})"
        + (f": {body.form_of} in a compiled form" if body.form_of else "")
        + (f": the same model file, with a changed {', '.join(body.modules)}" if body.modules else "")
    ),
    events.FormTurnedDown: lambda body: f"{body.version} answers itself, and no compiled form of it: {body.reason}",
    events.ReleaseStarted: lambda body: f"release of {body.version} started",
    events.ReleaseAdvanced: lambda body: (
        f"{body.version} enters {describe_stage(body.stage, body.share)}: {body.decision.reasons[0]}"
    ),
    events.ReleaseDelayed: lambda body: f"{body.version} waits: {body.decision.reasons[0]}",
    events.ReleaseApproved: lambda body: f"{body.by} approved {body.version}: {body.reason}",
    events.ReleaseFinished: lambda body: f"release of {body.version} {_outcome(body)}: {body.decision.reasons[0]}",
    events.VersionReproduced: lambda body: (
        f"{body.version} reproduced: {body.rows:,} predictions agree bit for bit"
        if body.same
        else f"{body.version} not reproduced: {body.differing:,} of {body.rows:,} predictions differ"
    ),
    events.ChampionChanged: _champion,
    events.ExperimentStarted: lambda body: (
        f"{body.by} tests {body.plan.b} beside {body.plan.a} by {body.plan.metric}: {body.reason}"
    ),
    events.ExperimentFinished: lambda body: f"A/B test ended, {body.decision.verdict}: {body.decision.reasons[0]}",
    events.VersionRetired: lambda body: f"the bundle of {body.version} was removed: {body.reason}",
    events.ReferenceFixed: lambda body: f"{body.version} is watched against its first {body.rows:,} answers",
    events.AlarmRaised: lambda body: f"{body.signal} alarm: {body.decision.reasons[0]}",
    events.AlarmCleared: lambda body: f"alarm cleared: {body.reason}",
    events.RetrainDecided: lambda body: f"{body.decision.verdict}: {body.decision.reasons[0]}",
    events.IncidentOpened: lambda body: f"incident: {body.title}",
    events.IncidentClosed: lambda body: f"incident closed: {body.resolution}",
    events.AlertsQueued: lambda body: f"{len(body.alerts)} messages to send, {len(body.withheld)} withheld",
    events.AlertDelivered: lambda body: f"told {body.route}: {body.answer}",
    events.AlertFailed: lambda body: (
        f"could not tell {body.route}, attempt {body.attempt}{', given up' if body.given_up else ''}: {body.error}"
    ),
    events.AlertTested: lambda body: f"tested the route {body.route}: {body.answer}",
    events.AlertsSilenced: lambda body: (
        f"no messages of {body.signal or 'anything'} until {body.until:%Y-%m-%d %H:%M}: {body.reason}"
    ),
    events.AlertsUnsilenced: lambda body: f"silence {body.silence} ended: {body.reason}",
    events.AlertAcknowledged: lambda body: f"acknowledged {body.matter}: {body.reason}",
}


def _freed(body: events.WorkspaceCleaned) -> str:
    return ", ".join(f"{freed.count:,} {freed.what}" for freed in body.freed) or "there was nothing to remove"


def _rows_of(body: events.DataErased) -> str:
    return ", ".join(f"{rows:,} of {table}" for table, rows in body.rows.items() if rows) or "there were none"


def _outcome(body: events.ReleaseFinished) -> str:
    return body.outcome.replace("_", " ")
