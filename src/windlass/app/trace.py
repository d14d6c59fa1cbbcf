"""From one answer back to everything it came from."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import polars as pl

from windlass.app.queries import the_product
from windlass.app.workspace import Workspace
from windlass.errors import UsageError
from windlass.lake.waiting import waiting_answers
from windlass.ledger.erasures import read_since
from windlass.records import event as events
from windlass.records.bundle import Manifest
from windlass.records.event import Body, Event, VersionRegistered
from windlass.records.routing import ANSWERED
from windlass.records.state import VersionState

Answer = dict[str, Any]


def trace(workspace: Workspace, prediction_id: str, *, product: str | None) -> dict[str, Any]:
    """The request, its features, the version, its release and why it was released, its run or file, data and code."""
    name, answers, waiting = _find(workspace, prediction_id, product)
    answer = answers[0]
    state = the_product(workspace, name)
    version = state.versions.get(str(answer["version"]))
    found: dict[str, Any] = {
        "product": name,
        "prediction": _without(answer, ("request", "features")),
        "waiting": waiting,
        "beside": [_without(other, ("request", "features")) for other in answers[1:]],
        "request": json.loads(answer["request"]),
        "features": json.loads(answer["features"] or answer["request"]),
        "outcomes": _outcomes(workspace, name, answer),
        "version": None,
        "release": None,
        "champion": None,
        "file": None,
        "run": None,
        "data": None,
        "erased": None,
        "code": None,
    }
    if version is None:
        return found
    found["release"] = _release(workspace, name, version, at=answer["at"])
    found["champion"] = _champion(workspace, name, version.version)
    found["file"] = _file(workspace, name, version.version)
    found["run"] = _run(workspace, version.run)
    found["version"] = _version(version)
    if version.retired:
        return found
    manifest = workspace.registry.manifest(name, version.digest)
    found["version"] |= {
        "model": manifest.model.kind,
        "features": manifest.features,
        "classes": manifest.classes,
        "metrics": dict(manifest.metrics),
    }
    if manifest.pin is not None:
        found["data"], found["erased"] = read_since(workspace.ledger, name, version.version, manifest.pin)
    found["code"] = _code(manifest)
    return found


def _find(workspace: Workspace, prediction_id: str, product: str | None) -> tuple[str, list[Answer], bool]:
    """The product, and what its versions answered: what the caller got first, then what was answered unseen beside it.

    The last is whether it is still in a segment: nothing has brought it into the lake yet.
    """
    names = [the_product(workspace, product).name] if product else sorted(workspace.state().products)
    for name in names:
        for waiting in (False, True, False):  # the lake again: it may have got there while the segments were looked at
            answers = _answers(workspace, name, prediction_id, waiting=waiting)
            if answers:
                return name, answers, waiting
    raise UsageError(
        f"no answer has the id {prediction_id!r}",
        where=str(workspace.paths.root),
        remedy="ids come with every answer; `windlass data show predictions` has the newest",
    )


def _answers(workspace: Workspace, name: str, prediction_id: str, *, waiting: bool) -> list[Answer]:
    if waiting:
        frame = waiting_answers(workspace.paths.segments(name), prediction_id)
    else:
        frame = workspace.lake.predictions(name, prediction_id=prediction_id)
    return frame.sort(~pl.col("stage").is_in(ANSWERED), maintain_order=True).to_dicts()


def _outcomes(workspace: Workspace, product: str, answer: Answer) -> list[dict[str, Any]]:
    by_id = workspace.lake.outcomes(product, prediction_id=str(answer["prediction_id"])).to_dicts()
    by_key = workspace.lake.outcomes(product, key=str(answer["key"])).to_dicts() if answer["key"] is not None else []
    rows = {row["_sequence"]: row for row in [*by_id, *by_key]}
    return [
        {"value": json.loads(row["value"]), "observed": row["observed_at"], "received": row["received_at"]}
        for _, row in sorted(rows.items())
    ]


def _version(version: VersionState) -> dict[str, Any]:
    """As far as the ledger tells; its bundle tells the rest."""
    return {
        "version": version.version,
        "digest": version.digest,
        "registered": version.registered_at,
        "model": None,
        "features": (),
        "classes": (),
        "metrics": dict(version.metrics),
        "retired": version.retired,
    }


def _release(workspace: Workspace, product: str, version: VersionState, *, at: datetime) -> dict[str, Any] | None:
    """The release of the version in force when it answered, with the decision behind each stage."""
    # A release belongs to the run that made its version, which finds it among however many; a model file has no run.
    started = workspace.ledger.events((events.ReleaseStarted,), product=product, run=version.run)
    starts = [event for event in started if _version_of(event) == version.version]
    if not starts:
        return None
    release = ([event for event in starts if event.at <= at] or starts[:1])[-1].body.subject
    kinds: tuple[type[Body], ...] = (events.ReleaseStarted, events.ReleaseAdvanced, events.ReleaseFinished)
    return {
        "release": release,
        "stages": [
            {
                "at": event.at,
                "stage": event.body.stage if isinstance(event.body, events.ReleaseAdvanced) else event.kind,
                "share": event.body.share if isinstance(event.body, events.ReleaseAdvanced) else None,
                "decision": getattr(event.body, "decision", None),
            }
            for event in workspace.ledger.events(kinds, product=product, subject=release)
        ],
    }


def _champion(workspace: Workspace, product: str, version: str) -> list[dict[str, Any]]:
    changes = workspace.ledger.events((events.ChampionChanged,), product=product, subject=version)
    return [
        {"at": event.at, "actor": event.actor, "reason": event.body.reason}
        for event in changes
        if isinstance(event.body, events.ChampionChanged)
    ]


def _file(workspace: Workspace, product: str, version: str) -> dict[str, Any] | None:
    """The model file that was imported, and who vouched for it."""
    for event in workspace.ledger.events((VersionRegistered,), product=product, subject=version):
        if isinstance(event.body, VersionRegistered) and event.body.file is not None:
            return {"sha256": event.body.file, "imported": event.at, "vouched_by": event.body.trusted_by}
    return None


def _run(workspace: Workspace, run: str | None) -> dict[str, Any] | None:
    if run is None:
        return None
    story = workspace.ledger.events(run=run)
    if not story:
        return None
    (started, *_) = [event for event in story if isinstance(event.body, events.RunStarted)] or story[:1]
    gates = [event.body.decision for event in story if isinstance(event.body, events.GateDecided)]
    recourses = [event.body.decision for event in story if isinstance(event.body, events.RecourseDecided)]
    return {
        "run": run,
        "started": started.at,
        "trigger": getattr(started.body, "trigger", None),
        "reason": getattr(started.body, "reason", None),
        "gate": gates[-1] if gates else None,
        "recourse": recourses[-1] if recourses else None,
        "steps": [
            {
                "step": event.body.step,
                "key": event.body.key,
                "seconds": event.body.seconds,
                "reused": event.body.reused,
                "outputs": event.body.outputs,
            }
            for event in story
            if isinstance(event.body, events.StepFinished)
        ],
    }


def _code(manifest: Manifest) -> dict[str, Any]:
    environment = manifest.environment
    return {
        "entry": manifest.entry,
        "commit": environment.git_commit,
        "dirty": environment.git_dirty,
        "source": {path: digest for path, digest in manifest.files.items() if path.startswith("source/")},
        "python": environment.python,
        "windlass": environment.windlass,
    }


def _version_of(event: Event) -> str | None:
    return getattr(event.body, "version", None)


def _without(row: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names and not name.startswith("_")}
