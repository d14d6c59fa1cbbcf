"""Where things stand: what the ledger's events come to."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from windlass.records.alert import AlertsState
from windlass.records.decision import Decision
from windlass.records.event import (
    AlarmRaised,
    CommandRequested,
    IncidentOpened,
    ProductDeclared,
    ReferenceFixed,
    Trigger,
)
from windlass.records.experiment import ExperimentState


class VersionState(msgspec.Struct, frozen=True, kw_only=True):
    """A version that may be released."""

    version: str
    digest: str
    run: str | None
    """The run that made it; None for an imported model file."""
    metrics: dict[str, float]
    """On the holdout of its own run."""
    registered_at: datetime
    retired: bool = False
    """Its bundle was removed by cleaning: it cannot answer any more."""


class PastChampion(msgspec.Struct, frozen=True, kw_only=True):
    """A version that answered, and for how long."""

    version: VersionState
    since: datetime
    until: datetime
    reason: str
    """Why the next one took its place."""


class ReleaseState(msgspec.Struct, frozen=True, kw_only=True):
    """A release under way."""

    release: str
    version: str
    previous: str | None
    """The champion it started beside."""
    stage: Literal["started", "shadow", "canary", "probation"]
    """`started`: no stage entered yet."""
    share: float
    started_at: datetime
    stage_started_at: datetime
    plan: dict[str, Any]
    """The release policy in force when it started."""
    run: str | None
    fallback: str | None = None
    """Whom a rollback goes to in place of `previous`, which has not been judged; None: to `previous`."""
    approved_by: str | None = None
    """Who agreed that it may answer everyone; None: nobody yet."""
    delayed: str | None = None
    """Why it waits in its stage although the rows and the time are there; None: it does not."""
    paused_seconds: float = 0.0
    """How long the product was paused meanwhile, in pauses that are over."""


class RunState(msgspec.Struct, frozen=True, kw_only=True):
    """A training run, under way or ended."""

    run: str
    trigger: Trigger
    reason: str
    resumes: str | None
    force: bool
    """Every step is to be done again."""
    started_at: datetime
    finished_at: datetime | None = None
    outcome: Literal["registered", "rejected", "unchanged", "recalled", "kept", "done", "failed", "lost"] | None = None
    """None while it is under way; `lost`: another run began, and this one had never come to an end."""
    version: str | None = None
    """The version it registered."""
    message: str = ""
    """Why it failed."""


class OpenAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm that has not been cleared."""

    at: datetime
    raised: AlarmRaised


class OpenIncident(msgspec.Struct, frozen=True, kw_only=True):
    """An incident that has not been closed."""

    at: datetime
    opened: IncidentOpened


class PendingCommand(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person asked for that has not been done."""

    sequence: int
    at: datetime
    actor: str
    product: str | None
    request: CommandRequested


class ControllerState(msgspec.Struct, frozen=True, kw_only=True):
    """The controller that said last that it acts. Whether it is still alive is told by the lease alone."""

    holder: str
    token: int
    started_at: datetime


class ProductState(msgspec.Struct, frozen=True, kw_only=True):
    """Where one product stands."""

    name: str
    declared: ProductDeclared | None = None
    versions: dict[str, VersionState] = {}
    """By name, in the order of registration."""
    champion: VersionState | None = None
    champion_since: datetime | None = None
    previous_champions: tuple[PastChampion, ...] = ()
    """Those before the champion, in the order they answered; one that came back stands there more than once."""
    candidate: VersionState | None = None
    """The last version registered, or the one that is gone back to, until its release starts. Its `run` is the one that
    wants it released."""
    release: ReleaseState | None = None
    experiment: ExperimentState | None = None
    """The A/B test under way."""
    run: RunState | None = None
    """The training run under way; what a notebook logs is none."""
    last_run: RunState | None = None
    """The training run that ended last."""
    run_starts: tuple[datetime, ...] = ()
    """When training runs started, in the thirty days before the last one; resumed ones count again, and those that only
    asked earlier versions do not."""
    asked_at: datetime | None = None
    """When the last of these started."""
    labelled: int = 0
    """Rows of the last training set that was pinned; 0: none was."""
    released: tuple[int, ...] = ()
    """How many that were for each of the last versions that were registered to be released."""
    probation: Decision | None = None
    """How the last probation ended."""
    changed: int = 0
    """Of the rows known at the last run, those since the change that a decay was dated to; 0: no run answered one."""
    failures: int = 0
    """Training runs one after the other, up to the last one, that failed or were lost."""
    rejections: int = 0
    """Training runs one after the other that brought no better model: no version, or one whose release failed. A
    version that passed its release sets it to 0."""
    paused: str | None = None
    """Why the loop was paused; None: it is not."""
    paused_at: datetime | None = None
    """Since when; None: it is not."""
    forms_turned_down: dict[str, str] = {}
    """Version that came as a file -> why it answers itself, and no compiled form of it."""
    references: dict[str, ReferenceFixed] = {}
    """Version -> its first answers, for one that is watched against them."""
    alarms: dict[str, OpenAlarm] = {}
    incidents: dict[str, OpenIncident] = {}
    last_retrain: Decision | None = None
    alerts: AlertsState = AlertsState()

    def last_start(self, now: datetime) -> datetime | None:
        """When the last training run began; none that lies ahead, since the clock was put back."""
        return next((start for start in reversed(self.run_starts) if start <= now), None)

    def release_paused(self, now: datetime) -> timedelta:
        """How long the product has been paused since its release under way began."""
        if self.release is None:
            return timedelta()
        before = timedelta(seconds=self.release.paused_seconds)
        if self.paused_at is None:
            return before
        return before + max(timedelta(), now - max(self.paused_at, self.release.started_at))


class WorkspaceState(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything stands after the event `sequence`."""

    sequence: int = 0
    name: str = ""
    products: dict[str, ProductState] = {}
    pending: tuple[PendingCommand, ...] = ()
    """In the order they were asked for."""
    controller: ControllerState | None = None
