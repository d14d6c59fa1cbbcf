"""Everything that can happen, as the ledger keeps it.

One class per kind of event. `fenced` kinds change what the loop does, so only the holder of the lease may write them;
the others may come from anyone (a notebook that logs a run, a person who asks for something).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

import msgspec

from windlass.records.alert import AlarmCause, QueuedAlert, Withheld
from windlass.records.cleaning import Freed
from windlass.records.data import DataPin, Ingested
from windlass.records.decision import Decision
from windlass.records.experiment import Plan
from windlass.records.token import Scope

CommandName = Literal[
    "train", "promote", "approve", "rollback", "pause", "resume", "clean", "erase", "experiment", "stop"
]
Trigger = Literal["first", "manual", "schedule", "volume", "growth", "change", "drift", "decay", "recourse", "notebook"]
LOOKING: frozenset[object] = frozenset({"growth", "change", "recourse"})
"""What waits for yet more rows by itself, or makes no version: no reason to be slower when it finds nothing."""


class Body(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What an event says; the ledger adds who, when and where in the chain."""

    fenced: ClassVar[bool] = True
    subject_field: ClassVar[str | None] = None
    """The field that names what the event is about; the ledger indexes it."""

    @classmethod
    def kind(cls) -> str:
        return str(cls.__struct_config__.tag)

    @property
    def subject(self) -> str | None:
        return None if self.subject_field is None else str(getattr(self, self.subject_field))


# -- who may ask the server ----------------------------------------------------------------------------------------


class TokenCreated(Body, frozen=True, kw_only=True, tag="token.created"):
    """Somebody may ask the server from beyond this machine."""

    fenced = False
    subject_field = "token"
    token: str
    holder: str
    scopes: tuple[Scope, ...]
    digest: str
    """sha256 of the secret, which is kept nowhere."""


class TokenRevoked(Body, frozen=True, kw_only=True, tag="token.revoked"):
    """And may no longer."""

    fenced = False
    subject_field = "token"
    token: str
    reason: str


# -- workspace and controller ------------------------------------------------------------------------------------


class WorkspaceCreated(Body, frozen=True, kw_only=True, tag="workspace.created"):
    """The first event of every ledger."""

    fenced = False
    workspace: str
    windlass: str


class BackupMade(Body, frozen=True, kw_only=True, tag="backup.made"):
    """The workspace was copied to another place, as far as the event `sequence`."""

    fenced = False
    place: str
    sequence: int
    files: int
    bytes: int


class WorkspaceRestored(Body, frozen=True, kw_only=True, tag="workspace.restored"):
    """All events before this one came out of a backup that was made at `made_at`."""

    fenced = False
    place: str
    sequence: int
    made_at: datetime


class ControllerStarted(Body, frozen=True, kw_only=True, tag="controller.started"):
    """A controller took the lease and acts from now on."""

    subject_field = "holder"
    holder: str
    token: int


class ControllerStopped(Body, frozen=True, kw_only=True, tag="controller.stopped"):
    """A controller gave the lease back; a killed one leaves no such event."""

    subject_field = "holder"
    holder: str
    reason: str


class CommandRequested(Body, frozen=True, kw_only=True, tag="command.requested"):
    """A person asked the holder of the lease for something."""

    fenced = False
    subject_field = "command"
    command: str
    name: CommandName
    version: str | None = None
    force: bool = False
    experiment: Plan | None = None
    """Of an A/B test that is to begin."""
    reason: str


class CommandFinished(Body, frozen=True, kw_only=True, tag="command.finished"):
    """The holder of the lease did what was asked, or says why not."""

    subject_field = "command"
    command: str
    done: bool
    message: str


class CommandWithdrawn(Body, frozen=True, kw_only=True, tag="command.withdrawn"):
    """Whoever asked went away without an answer, and does not want it done any more."""

    fenced = False
    subject_field = "command"
    command: str
    reason: str


class KeyRotated(Body, frozen=True, kw_only=True, tag="key.rotated"):
    """Checkpoints after this event are signed by another key; the first key of a ledger comes in by one too.

    From the holder of either key: what makes it count is the signature of the key before, at this very event.
    """

    fenced = False
    subject_field = "key"
    key: str
    """The first 32 hexadecimal digits of the sha256 of the public key."""
    public: str
    """The ed25519 public key, 64 hexadecimal digits."""
    previous: str | None
    """The key before; None for the first."""
    reason: str


class LedgerPruned(Body, frozen=True, kw_only=True, tag="ledger.pruned"):
    """Events that nothing kept needs were removed, in one transaction with this event and a checkpoint behind it."""

    before: datetime
    """What happened since was kept, in event time."""
    removed: int
    """Events that went in this transaction; all of them together are told by the gaps."""
    gaps: int
    """Stretches of sequences that are gone by now."""
    digest: str
    """sha256 over all gaps as they are now, so that what was kept between them cannot be dropped or changed."""
    checkpoints_from: int
    """Checkpoints below this number went too,"""
    checkpoints_before: tuple[int, ...]
    """but for these, which vouch for a key."""


class WorkspaceCleaned(Body, frozen=True, kw_only=True, tag="workspace.cleaned"):
    """What nothing kept needs was removed from ledger, lake, registry and artifacts."""

    before: datetime
    """What happened since was kept, in event time."""
    seconds: float
    freed: tuple[Freed, ...]
    remarks: tuple[str, ...] = ()
    """What could not be cleaned, and why: whole sentences."""


# -- products ----------------------------------------------------------------------------------------------------


class ProductDeclared(Body, frozen=True, kw_only=True, tag="product.declared"):
    """The settings in force for a product; written when they differ from the last ones.

    The controller works from this record alone, since it imports no user code.
    """

    entry: str
    source: str
    """sha256 over the product's own modules."""
    task: dict[str, Any]
    policies: dict[str, Any]
    trains: bool
    """False for a product that was started from a model file."""


class ProductPaused(Body, frozen=True, kw_only=True, tag="product.paused"):
    """The loop neither retrains nor releases until resumed; serving and watching go on."""

    reason: str


class ProductResumed(Body, frozen=True, kw_only=True, tag="product.resumed"):
    reason: str


# -- runs --------------------------------------------------------------------------------------------------------


class RunStarted(Body, frozen=True, kw_only=True, tag="run.started"):
    """A training run, or a run that a person logs, begins."""

    fenced = False
    subject_field = "run"
    run: str
    trigger: Trigger
    name: str = ""
    reason: str
    resumes: str | None = None
    """The unfinished run whose finished steps this one takes up."""
    force: bool = False
    """It takes over no step that was done before somebody asked for this."""


class RunLogged(Body, frozen=True, kw_only=True, tag="run.logged"):
    """Parameters, metrics or a figure that `train` or a notebook noted."""

    fenced = False
    subject_field = "run"
    run: str
    params: dict[str, str | int | float | bool | None] = {}
    metrics: dict[str, float] = {}
    step: int | None = None
    figures: dict[str, str] = {}
    """Name -> path below the workspace."""


class RunFinished(Body, frozen=True, kw_only=True, tag="run.finished"):
    """A run came to its end; `outcome` says to which."""

    fenced = False
    subject_field = "run"
    run: str
    outcome: Literal["registered", "rejected", "unchanged", "recalled", "kept", "done"]
    version: str | None = None
    """`recalled`: one that answered before, and is to be released once more; `kept`: the champion, since none of those
    that answered before is clearly better."""
    seconds: float


class RunFailed(Body, frozen=True, kw_only=True, tag="run.failed"):
    """A run stopped on an error, or its process died; it can be taken up again."""

    fenced = False
    subject_field = "run"
    run: str
    step: str | None
    error: str
    message: str
    where: str = ""
    """The place that the error names: a column, a file and line."""
    remedy: str = ""
    log: str = ""
    """Path of the step's log below the workspace."""


class StepStarted(Body, frozen=True, kw_only=True, tag="step.started"):
    subject_field = "key"
    run: str
    step: str
    key: str


class StepFinished(Body, frozen=True, kw_only=True, tag="step.finished"):
    """A step's outputs are on disk, synced, and count from now on."""

    subject_field = "key"
    run: str
    step: str
    key: str
    """sha256 over the step's code, parameters and the digests of its inputs."""
    reused: str | None = None
    """The run whose outputs were taken over instead of working again."""
    seconds: float
    outputs: dict[str, str]
    """Name -> sha256; the files lie below `artifacts/<product>/steps/<key>/`."""
    summary: dict[str, str | int | float | bool | None] = {}


class StepFailed(Body, frozen=True, kw_only=True, tag="step.failed"):
    subject_field = "key"
    run: str
    step: str
    key: str
    error: str
    message: str


# -- data --------------------------------------------------------------------------------------------------------


class DataExtracted(Body, frozen=True, kw_only=True, tag="data.extracted"):
    run: str
    ingested: tuple[Ingested, ...]
    sources: tuple[str, ...] = ()
    """The sources of examples that `extract` named, with rows or without: a training set holds these and no others."""


class DataPinned(Body, frozen=True, kw_only=True, tag="data.pinned"):
    """A training set was fixed; everything a version learned from is named here."""

    subject_field = "run"
    run: str
    pin: DataPin


class DataErased(Body, frozen=True, kw_only=True, tag="data.erased"):
    """The rows of one key were removed from the lake for good, since somebody asked for it."""

    subject_field = "key"
    key: str
    """HMAC-SHA256 of the key under a secret of the workspace, in hex: who knows the key can find it, nobody else."""
    reason: str
    rows: dict[str, int]
    """Table (`examples/<source>`, `predictions`, `outcomes`) -> how many rows went."""
    repinned: dict[str, DataPin]
    """Version -> its training set as it reads since: the one it was trained on held rows that are gone."""
    broken: tuple[str, ...] = ()
    """Versions whose training set had not read as pinned before, which says that something else had changed it."""


# -- versions and releases ---------------------------------------------------------------------------------------


class GateDecided(Body, frozen=True, kw_only=True, tag="gate.decided"):
    subject_field = "run"
    run: str
    against: str | None
    """The champion it was compared with."""
    decision: Decision


class RecourseDecided(Body, frozen=True, kw_only=True, tag="recourse.decided"):
    """After a decay: back to a version that answered before, or forward to what the run trained."""

    subject_field = "run"
    run: str
    decision: Decision


class VersionRegistered(Body, frozen=True, kw_only=True, tag="version.registered"):
    """A bundle is complete and may be released; before this event its files do not count."""

    subject_field = "version"
    version: str
    """`v1`, `v2`, ... in the order of registration within the product."""
    digest: str
    run: str | None
    metrics: dict[str, float]
    file: str | None = None
    """sha256 of the model file it was made from; None for one that a run made."""
    trusted_by: str | None = None
    """Who vouched for a model file that can run code when loaded."""
    form_of: str | None = None
    """The version that has the same model, which answers here in a compiled form; None: it is a model of its own."""
    modules: tuple[str, ...] = ()
    """Files of code of the model's own that have changed since the version before, which is of the same model file."""


class FormTurnedDown(Body, frozen=True, kw_only=True, tag="form.turned_down"):
    """A model that came as a file was held against a compiled form of it, and goes on answering itself."""

    subject_field = "version"
    version: str
    rows: int
    """On which they were compared."""
    reason: str


class ReleaseStarted(Body, frozen=True, kw_only=True, tag="release.started"):
    subject_field = "release"
    release: str
    version: str
    previous: str | None
    run: str | None
    plan: dict[str, Any]
    """The release policy in force when it started."""
    fallback: str | None = None
    """Whom a rollback goes to in place of `previous`, whose own probation this release has cut short: the last version
    that has been judged. None: to `previous`."""


class ReleaseAdvanced(Body, frozen=True, kw_only=True, tag="release.advanced"):
    """The release entered another stage."""

    subject_field = "release"
    release: str
    version: str
    stage: Literal["shadow", "canary", "probation"]
    share: float
    decision: Decision


class ReleaseDelayed(Body, frozen=True, kw_only=True, tag="release.delayed"):
    """It has the rows and the time of its stage, and waits all the same; written when the first reason is new."""

    subject_field = "release"
    release: str
    version: str
    decision: Decision


class ReleaseApproved(Body, frozen=True, kw_only=True, tag="release.approved"):
    """A person agrees that the version may answer everyone, once nothing else speaks against it."""

    subject_field = "release"
    release: str
    version: str
    by: str
    reason: str


class ReleaseFinished(Body, frozen=True, kw_only=True, tag="release.finished"):
    """`promoted`: probation passed; `rolled_back`: it answered and was withdrawn; `abandoned`: it never answered."""

    subject_field = "release"
    release: str
    version: str
    outcome: Literal["promoted", "rolled_back", "abandoned", "superseded"]
    decision: Decision


class ChampionChanged(Body, frozen=True, kw_only=True, tag="champion.changed"):
    """From now on this version answers. The history of these events is the history of production."""

    subject_field = "version"
    version: str
    digest: str
    previous: str | None
    release: str | None
    reason: str


class ExperimentStarted(Body, frozen=True, kw_only=True, tag="experiment.started"):
    """An A/B test begins: from now on its second version answers a part of the keys."""

    subject_field = "experiment"
    experiment: str
    plan: Plan
    by: str
    reason: str


class ExperimentFinished(Body, frozen=True, kw_only=True, tag="experiment.finished"):
    """It is decided, broken, undecided in the end, or stopped; the champion answers everyone again."""

    subject_field = "experiment"
    experiment: str
    decision: Decision


class VersionRetired(Body, frozen=True, kw_only=True, tag="version.retired"):
    """The bundle of the version is removed: it can neither answer nor be reproduced any more."""

    subject_field = "version"
    version: str
    digest: str
    reason: str


class VersionReproduced(Body, frozen=True, kw_only=True, tag="version.reproduced"):
    """A version was trained again from its own pinned rows and source."""

    fenced = False
    subject_field = "version"
    version: str
    digest: str
    same: bool
    """The predictions on all its rows agree bit for bit."""
    rows: int
    differing: int
    """Rows whose prediction differs at all."""
    largest: float
    """The largest difference of a prediction."""
    reasons: tuple[str, ...]
    """What differs, in words; empty when nothing does."""


# -- watching ----------------------------------------------------------------------------------------------------


class ReferenceFixed(Body, frozen=True, kw_only=True, tag="reference.fixed"):
    """A version that came without the rows it learned from is watched against its first answers from now on."""

    subject_field = "version"
    version: str
    rows: int
    """How many answers there are in the reference."""
    through: int
    """The lake's sequence of the last of them."""
    digest: str
    """sha256 of the file, which lies at `artifacts/<product>/references/<digest>.json`."""


class AlarmRaised(Body, frozen=True, kw_only=True, tag="alarm.raised"):
    subject_field = "alarm"
    alarm: str
    signal: Literal["drift", "decay", "quality", "service"]
    version: str | None
    decision: Decision
    causes: tuple[AlarmCause, ...] = ()
    """Of a decay: why, as far as the labelled rows tell."""


class AlarmCleared(Body, frozen=True, kw_only=True, tag="alarm.cleared"):
    subject_field = "alarm"
    alarm: str
    reason: str


class RetrainDecided(Body, frozen=True, kw_only=True, tag="retrain.decided"):
    """Written when the verdict or its first reason differs from the last one."""

    decision: Decision
    run: str | None = None


class IncidentOpened(Body, frozen=True, kw_only=True, tag="incident.opened"):
    subject_field = "incident"
    incident: str
    alarm: str | None
    title: str
    cause: str
    remedy: str


class IncidentClosed(Body, frozen=True, kw_only=True, tag="incident.closed"):
    subject_field = "incident"
    incident: str
    resolution: str


# -- telling -----------------------------------------------------------------------------------------------------


class AlertsQueued(Body, frozen=True, kw_only=True, tag="alerts.queued"):
    """What happened up to the event `through` is in the outbox, or withheld."""

    through: int
    alerts: tuple[QueuedAlert, ...]
    withheld: tuple[Withheld, ...] = ()


class AlertDelivered(Body, frozen=True, kw_only=True, tag="alert.delivered"):
    """The receiver took it. It may have done so before, if whoever sent it was killed before this was written."""

    subject_field = "alert"
    alert: str
    route: str
    answer: str


class AlertFailed(Body, frozen=True, kw_only=True, tag="alert.failed"):
    """One attempt came to nothing."""

    subject_field = "alert"
    alert: str
    route: str
    attempt: int
    error: str
    """Without addresses and secrets."""
    given_up: bool
    """There will be no other attempt."""


class AlertTested(Body, frozen=True, kw_only=True, tag="alert.tested"):
    """A person sent a message of no consequence, to see whether a route works."""

    fenced = False
    subject_field = "route"
    route: str
    delivered: bool
    answer: str


class AlertsSilenced(Body, frozen=True, kw_only=True, tag="alerts.silenced"):
    """A person wants no messages for a while."""

    fenced = False
    subject_field = "silence"
    silence: str
    until: datetime
    signal: str | None
    reason: str


class AlertsUnsilenced(Body, frozen=True, kw_only=True, tag="alerts.unsilenced"):
    fenced = False
    subject_field = "silence"
    silence: str
    reason: str


class AlertAcknowledged(Body, frozen=True, kw_only=True, tag="alert.acknowledged"):
    """A person has seen an alarm or an incident."""

    fenced = False
    subject_field = "matter"
    matter: str
    reason: str


ALL: tuple[type[Body], ...] = (
    WorkspaceCreated,
    BackupMade,
    WorkspaceRestored,
    ControllerStarted,
    ControllerStopped,
    CommandRequested,
    CommandFinished,
    CommandWithdrawn,
    KeyRotated,
    LedgerPruned,
    WorkspaceCleaned,
    ProductDeclared,
    ProductPaused,
    ProductResumed,
    RunStarted,
    RunLogged,
    RunFinished,
    RunFailed,
    StepStarted,
    StepFinished,
    StepFailed,
    DataExtracted,
    DataPinned,
    DataErased,
    GateDecided,
    RecourseDecided,
    VersionRegistered,
    FormTurnedDown,
    ReleaseStarted,
    ReleaseAdvanced,
    ReleaseDelayed,
    ReleaseApproved,
    ReleaseFinished,
    ChampionChanged,
    ExperimentStarted,
    ExperimentFinished,
    VersionRetired,
    VersionReproduced,
    ReferenceFixed,
    AlarmRaised,
    AlarmCleared,
    RetrainDecided,
    IncidentOpened,
    IncidentClosed,
    AlertsQueued,
    AlertDelivered,
    AlertFailed,
    AlertTested,
    AlertsSilenced,
    AlertsUnsilenced,
    AlertAcknowledged,
    TokenCreated,
    TokenRevoked,
)
BY_KIND: dict[str, type[Body]] = {body.kind(): body for body in ALL}


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the ledger."""

    sequence: int
    """1, 2, 3, ... as they were written; those that pruning removed are missing."""
    at: datetime
    """Event time under the writer's clock."""
    product: str | None
    run: str | None
    actor: str
    """`controller`, `pipeline`, or the name of a person."""
    body: Body
    previous: str
    """Hash of the row before; 64 zeros for the first."""
    hash: str
    """sha256 over `previous` and this row's content."""

    @property
    def kind(self) -> str:
        return self.body.kind()
