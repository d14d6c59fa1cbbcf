"""Events come to a state: who is champion, what runs, what is open.

A pure fold. Each event makes a new state from the one before, so folding in two parts gives the same as folding at
once, and a reader only ever folds what is new. It takes whatever order of events the ledger holds and never raises:
an event that makes no sense where it stands (the end of a run that never began) changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, TypeVar

from msgspec.structs import replace

from windlass.records.alert import PendingAlert, Silence
from windlass.records.event import (
    LOOKING,
    AlarmCleared,
    AlarmRaised,
    AlertAcknowledged,
    AlertDelivered,
    AlertFailed,
    AlertsQueued,
    AlertsSilenced,
    AlertsUnsilenced,
    Body,
    ChampionChanged,
    CommandFinished,
    CommandRequested,
    CommandWithdrawn,
    ControllerStarted,
    ControllerStopped,
    DataPinned,
    Event,
    ExperimentFinished,
    ExperimentStarted,
    FormTurnedDown,
    IncidentClosed,
    IncidentOpened,
    ProductDeclared,
    ProductPaused,
    ProductResumed,
    ReferenceFixed,
    ReleaseAdvanced,
    ReleaseApproved,
    ReleaseDelayed,
    ReleaseFinished,
    ReleaseStarted,
    RetrainDecided,
    RunFailed,
    RunFinished,
    RunStarted,
    VersionRegistered,
    VersionRetired,
    WorkspaceCreated,
)
from windlass.records.experiment import ExperimentState
from windlass.records.state import (
    ControllerState,
    OpenAlarm,
    OpenIncident,
    PastChampion,
    PendingCommand,
    ProductState,
    ReleaseState,
    RunState,
    VersionState,
    WorkspaceState,
)

EMPTY = WorkspaceState()
_BUDGET_WINDOW = timedelta(days=30)
_RELEASES = 20
"""Versions of which it is kept how many rows there were: more than a budget of them ever counts."""

_T = TypeVar("_T")


def fold(state: WorkspaceState, events: Iterable[Event]) -> WorkspaceState:
    """`state` after `events`, which come in the order of the ledger; those that it holds already are passed over."""
    for event in events:
        if event.sequence > state.sequence:
            state = _apply(state, event)
    return state


def _apply(state: WorkspaceState, event: Event) -> WorkspaceState:
    kind = type(event.body)
    state = replace(state, sequence=event.sequence)
    if kind in _OF_WORKSPACE:
        return _OF_WORKSPACE[kind](state, event.body, event)
    if kind in _OF_PRODUCT and event.product is not None:
        before = state.products.get(event.product) or ProductState(name=event.product)
        after = _OF_PRODUCT[kind](before, event.body, event)
        return replace(state, products=_with(state.products, event.product, after))
    return state


# -- the workspace -----------------------------------------------------------------------------------------------


def _created(state: WorkspaceState, body: WorkspaceCreated, _event: Event) -> WorkspaceState:
    return replace(state, name=body.workspace)


def _controller_started(state: WorkspaceState, body: ControllerStarted, event: Event) -> WorkspaceState:
    return replace(state, controller=ControllerState(holder=body.holder, token=body.token, started_at=event.at))


def _controller_stopped(state: WorkspaceState, body: ControllerStopped, _event: Event) -> WorkspaceState:
    acts = state.controller is not None and state.controller.holder != body.holder
    return state if acts else replace(state, controller=None)


def _requested(state: WorkspaceState, body: CommandRequested, event: Event) -> WorkspaceState:
    asked = PendingCommand(sequence=event.sequence, at=event.at, actor=event.actor, product=event.product, request=body)
    return replace(state, pending=(*state.pending, asked))


def _answered(state: WorkspaceState, body: CommandFinished | CommandWithdrawn, _event: Event) -> WorkspaceState:
    return replace(state, pending=tuple(asked for asked in state.pending if asked.request.command != body.command))


# -- a product ---------------------------------------------------------------------------------------------------


def _declared(state: ProductState, body: ProductDeclared, _event: Event) -> ProductState:
    return replace(state, declared=body)


def _paused(state: ProductState, body: ProductPaused, event: Event) -> ProductState:
    return replace(state, paused=body.reason, paused_at=state.paused_at or event.at)


def _resumed(state: ProductState, _body: ProductResumed, event: Event) -> ProductState:
    release = state.release
    if release is not None:
        release = replace(release, paused_seconds=state.release_paused(event.at).total_seconds())
    return replace(state, paused=None, paused_at=None, release=release)


def _pinned(state: ProductState, body: DataPinned, _event: Event) -> ProductState:
    if state.run is not None and state.run.trigger == "recourse":
        return state  # nothing learns from it
    return replace(state, labelled=body.pin.rows)


def _registered(state: ProductState, body: VersionRegistered, event: Event) -> ProductState:
    version = VersionState(
        version=body.version, digest=body.digest, run=body.run, metrics=body.metrics, registered_at=event.at
    )
    released = (*state.released, state.labelled)[-_RELEASES:] if body.run is not None else state.released
    # A compiled form of a model is watched against what the model is watched against.
    same = state.references.get(body.form_of or "")
    references = state.references if same is None else _with(state.references, body.version, same)
    return replace(
        state,
        versions=_with(state.versions, body.version, version),
        candidate=version,
        released=released,
        references=references,
    )


def _turned_down(state: ProductState, body: FormTurnedDown, _event: Event) -> ProductState:
    return replace(state, forms_turned_down=_with(state.forms_turned_down, body.version, body.reason))


def _retired(state: ProductState, body: VersionRetired, _event: Event) -> ProductState:
    version = state.versions.get(body.version)
    if version is None or version.digest != body.digest:
        return state
    return replace(state, versions=_with(state.versions, body.version, replace(version, retired=True)))


def _champion_changed(state: ProductState, body: ChampionChanged, event: Event) -> ProductState:
    version = state.versions.get(body.version)
    if version is None or version.digest != body.digest:
        version = VersionState(version=body.version, digest=body.digest, run=None, metrics={}, registered_at=event.at)
    past = state.previous_champions
    if state.champion is not None and state.champion_since is not None:
        if (state.champion.version, state.champion.digest) == (body.version, body.digest):
            return state  # said again: it has answered since it was first said
        past = (
            *past,
            PastChampion(version=state.champion, since=state.champion_since, until=event.at, reason=body.reason),
        )
    candidate = None if state.candidate is not None and state.candidate.version == version.version else state.candidate
    return replace(state, champion=version, champion_since=event.at, previous_champions=past, candidate=candidate)


# -- its training runs -------------------------------------------------------------------------------------------


def _run_started(state: ProductState, body: RunStarted, event: Event) -> ProductState:
    if body.trigger == "notebook":
        return state
    run = RunState(
        run=body.run,
        trigger=body.trigger,
        reason=body.reason,
        resumes=body.resumes,
        force=body.force,
        started_at=event.at,
    )
    if state.run is not None and state.run.run != body.run:
        lost = replace(state.run, finished_at=event.at, outcome="lost")
        state = replace(state, last_run=lost, failures=state.failures + 1)
    if body.trigger == "recourse":
        return replace(state, run=run, asked_at=event.at)
    recent = tuple(start for start in state.run_starts if start > event.at - _BUDGET_WINDOW)
    return replace(state, run=run, run_starts=(*recent, event.at))


def _run_finished(state: ProductState, body: RunFinished, event: Event) -> ProductState:
    if state.run is None or state.run.run != body.run:
        return state
    ended = replace(state.run, finished_at=event.at, outcome=body.outcome, version=body.version)
    # A version that was registered is no gain yet: the end of its release says. And a run for more rows was a look
    # whether there is something to gain: no reason to be slower when something is wrong.
    in_vain = body.outcome not in ("registered", "recalled") and state.run.trigger not in LOOKING
    rejections = state.rejections + 1 if in_vain else state.rejections
    recalled = state.versions.get(body.version or "") if body.outcome == "recalled" else None
    candidate = state.candidate if recalled is None or recalled.retired else replace(recalled, run=body.run)
    return replace(state, run=None, last_run=ended, failures=0, rejections=rejections, candidate=candidate)


def _run_failed(state: ProductState, body: RunFailed, event: Event) -> ProductState:
    if state.run is None or state.run.run != body.run:
        return state
    ended = replace(state.run, finished_at=event.at, outcome="failed", message=body.message)
    return replace(state, run=None, last_run=ended, failures=state.failures + 1)


def _retrain_decided(state: ProductState, body: RetrainDecided, _event: Event) -> ProductState:
    changed = body.decision.count("changed") if body.decision.verdict == "retrain" else state.changed
    return replace(state, last_retrain=body.decision, changed=changed)


# -- its release -------------------------------------------------------------------------------------------------


def _release_started(state: ProductState, body: ReleaseStarted, event: Event) -> ProductState:
    candidate = None if state.candidate is not None and state.candidate.version == body.version else state.candidate
    release = ReleaseState(
        release=body.release,
        version=body.version,
        previous=body.previous,
        stage="started",
        share=0.0,
        started_at=event.at,
        stage_started_at=event.at,
        plan=body.plan,
        run=body.run,
        fallback=body.fallback,
    )
    return replace(state, release=release, candidate=candidate)


def _release_advanced(state: ProductState, body: ReleaseAdvanced, event: Event) -> ProductState:
    if state.release is None or state.release.release != body.release:
        return state
    advanced = replace(state.release, stage=body.stage, share=body.share, stage_started_at=event.at, delayed=None)
    return replace(state, release=advanced)


def _release_delayed(state: ProductState, body: ReleaseDelayed, _event: Event) -> ProductState:
    if state.release is None or state.release.release != body.release:
        return state
    return replace(state, release=replace(state.release, delayed=body.decision.reasons[0]))


def _release_approved(state: ProductState, body: ReleaseApproved, _event: Event) -> ProductState:
    if state.release is None or state.release.release != body.release:
        return state
    return replace(state, release=replace(state.release, approved_by=body.by))


def _release_finished(state: ProductState, body: ReleaseFinished, _event: Event) -> ProductState:
    if state.release is None or state.release.release != body.release:
        return state
    if body.outcome == "superseded":  # neither a gain nor a loss: its outcomes were never all seen
        return replace(state, release=None)
    rejections = 0 if body.outcome == "promoted" else state.rejections + 1
    probation = body.decision if body.decision.judgement == "rollback" else state.probation
    return replace(state, release=None, rejections=rejections, probation=probation)


def _experiment_started(state: ProductState, body: ExperimentStarted, event: Event) -> ProductState:
    started = ExperimentState(
        experiment=body.experiment, plan=body.plan, started_at=event.at, by=body.by, reason=body.reason
    )
    return replace(state, experiment=started)


def _experiment_finished(state: ProductState, body: ExperimentFinished, _event: Event) -> ProductState:
    over = state.experiment is not None and state.experiment.experiment == body.experiment
    return replace(state, experiment=None) if over else state


# -- what is open ------------------------------------------------------------------------------------------------


def _reference_fixed(state: ProductState, body: ReferenceFixed, _event: Event) -> ProductState:
    return replace(state, references={body.version: body, **state.references})  # the first word on a version stands


def _alarm_raised(state: ProductState, body: AlarmRaised, event: Event) -> ProductState:
    return replace(state, alarms=_with(state.alarms, body.alarm, OpenAlarm(at=event.at, raised=body)))


def _alarm_cleared(state: ProductState, body: AlarmCleared, _event: Event) -> ProductState:
    return replace(state, alarms=_without(state.alarms, body.alarm))


def _incident_opened(state: ProductState, body: IncidentOpened, event: Event) -> ProductState:
    return replace(state, incidents=_with(state.incidents, body.incident, OpenIncident(at=event.at, opened=body)))


def _incident_closed(state: ProductState, body: IncidentClosed, _event: Event) -> ProductState:
    return replace(state, incidents=_without(state.incidents, body.incident))


# -- what is told ------------------------------------------------------------------------------------------------


def _queued(state: ProductState, body: AlertsQueued, event: Event) -> ProductState:
    alerts = state.alerts
    pending = alerts.pending | {each.alert: PendingAlert(queued=each, at=event.at) for each in body.alerts}
    silences = {name: silence for name, silence in alerts.silences.items() if silence.until > event.at}
    return replace(state, alerts=replace(alerts, through=body.through, pending=pending, silences=silences))


def _delivered(state: ProductState, body: AlertDelivered, _event: Event) -> ProductState:
    return _pending(state, _without(state.alerts.pending, body.alert))


def _not_delivered(state: ProductState, body: AlertFailed, _event: Event) -> ProductState:
    pending = state.alerts.pending
    if body.given_up or body.alert not in pending:
        return _pending(state, _without(pending, body.alert))
    return _pending(state, _with(pending, body.alert, replace(pending[body.alert], attempts=body.attempt)))


def _pending(state: ProductState, pending: dict[str, PendingAlert]) -> ProductState:
    return replace(state, alerts=replace(state.alerts, pending=pending))


def _silenced(state: ProductState, body: AlertsSilenced, event: Event) -> ProductState:
    silence = Silence(silence=body.silence, until=body.until, signal=body.signal, actor=event.actor, reason=body.reason)
    silences = _with(state.alerts.silences, body.silence, silence)
    return replace(state, alerts=replace(state.alerts, silences=silences))


def _unsilenced(state: ProductState, body: AlertsUnsilenced, _event: Event) -> ProductState:
    silences = _without(state.alerts.silences, body.silence)
    return replace(state, alerts=replace(state.alerts, silences=silences))


def _acknowledged(state: ProductState, body: AlertAcknowledged, event: Event) -> ProductState:
    acknowledged = _with(state.alerts.acknowledged, body.matter, event.actor)
    return replace(state, alerts=replace(state.alerts, acknowledged=acknowledged))


def _with(mapping: dict[str, _T], key: str, value: _T) -> dict[str, _T]:
    return {**mapping, key: value}


def _without(mapping: dict[str, _T], key: str) -> dict[str, _T]:
    return {name: value for name, value in mapping.items() if name != key}


# `Any` stands for the kind of event beside which the function stands.
_OF_WORKSPACE: dict[type[Body], Callable[[WorkspaceState, Any, Event], WorkspaceState]] = {
    WorkspaceCreated: _created,
    ControllerStarted: _controller_started,
    ControllerStopped: _controller_stopped,
    CommandRequested: _requested,
    CommandFinished: _answered,
    CommandWithdrawn: _answered,
}
_OF_PRODUCT: dict[type[Body], Callable[[ProductState, Any, Event], ProductState]] = {
    ProductDeclared: _declared,
    ProductPaused: _paused,
    ProductResumed: _resumed,
    DataPinned: _pinned,
    VersionRegistered: _registered,
    ChampionChanged: _champion_changed,
    VersionRetired: _retired,
    RunStarted: _run_started,
    RunFinished: _run_finished,
    RunFailed: _run_failed,
    RetrainDecided: _retrain_decided,
    ReleaseStarted: _release_started,
    ReleaseAdvanced: _release_advanced,
    ReleaseDelayed: _release_delayed,
    ReleaseApproved: _release_approved,
    ReleaseFinished: _release_finished,
    ExperimentStarted: _experiment_started,
    ExperimentFinished: _experiment_finished,
    ReferenceFixed: _reference_fixed,
    FormTurnedDown: _turned_down,
    AlarmRaised: _alarm_raised,
    AlarmCleared: _alarm_cleared,
    IncidentOpened: _incident_opened,
    IncidentClosed: _incident_closed,
    AlertsQueued: _queued,
    AlertDelivered: _delivered,
    AlertFailed: _not_delivered,
    AlertsSilenced: _silenced,
    AlertsUnsilenced: _unsilenced,
    AlertAcknowledged: _acknowledged,
}
PRODUCT_KINDS: tuple[type[Body], ...] = tuple(_OF_PRODUCT)
"""The kinds that make up the state of a product; the first one that names it begins it."""
STATE_KINDS: tuple[type[Body], ...] = (*_OF_WORKSPACE, *PRODUCT_KINDS)
"""The kinds that make up the state; the rest (steps, what runs log, data) need not be read for it."""
