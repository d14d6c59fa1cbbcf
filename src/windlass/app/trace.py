"""From one answer back to everything it came from."""

from __future__ import annotations

import json
from typing import Any

from windlass.app.queries import the_product
from windlass.app.workspace import Workspace
from windlass.errors import UsageError
from windlass.records import event as events
from windlass.records.bundle import Manifest
from windlass.records.event import Body
from windlass.records.state import VersionState


def trace(workspace: Workspace, prediction_id: str, *, product: str | None) -> dict[str, Any]:
    """The request, its features, the version, its release and why it was released, its run, data and code."""
    name, answer = _answer(workspace, prediction_id, product)
    state = the_product(workspace, name)
    version = state.versions.get(str(answer["version"]))
    found: dict[str, Any] = {
        "prediction": _without(answer, ("request", "features")),
        "request": json.loads(answer["request"]),
        "features": json.loads(answer["features"]) if answer["features"] else json.loads(answer["request"]),
        "outcomes": _outcomes(workspace, name, answer),
        "version": None,
        "release": None,
        "champion": None,
        "run": None,
        "data": None,
        "code": None,
    }
    if version is None:
        return found
    manifest = workspace.registry.manifest(name, version.digest)
    found["version"] = {
        "version": version.version,
        "digest": version.digest,
        "registered": version.registered_at,
        "model": manifest.model.kind,
        "metrics": dict(manifest.metrics),
    }
    found["release"] = _release(workspace, name, version)
    found["champion"] = _champion(workspace, name, version.version)
    found["run"] = _run(workspace, version.run)
    found["data"] = None if manifest.pin is None else manifest.pin
    found["code"] = _code(manifest)
    return found


def _answer(workspace: Workspace, prediction_id: str, product: str | None) -> tuple[str, dict[str, Any]]:
    names = [the_product(workspace, product).name] if product else sorted(workspace.state().products)
    for name in names:
        frame = workspace.lake.predictions(name, prediction_id=prediction_id)
        answered = [row for row in frame.to_dicts() if row["stage"] != "shadow"]
        if answered:
            return name, answered[0]
    raise UsageError(
        f"no answer has the id {prediction_id!r}",
        where=str(workspace.paths.lake),
        remedy="ids come with every answer; one that is seconds old may still be on its way into the lake",
    )


def _outcomes(workspace: Workspace, product: str, answer: dict[str, Any]) -> list[dict[str, Any]]:
    by_id = workspace.lake.outcomes(product, prediction_id=str(answer["prediction_id"])).to_dicts()
    by_key = workspace.lake.outcomes(product, key=str(answer["key"])).to_dicts() if answer["key"] is not None else []
    rows = {row["_sequence"]: row for row in [*by_id, *by_key]}
    return [
        {"value": json.loads(row["value"]), "observed": row["observed_at"], "received": row["received_at"]}
        for _, row in sorted(rows.items())
    ]


def _release(workspace: Workspace, product: str, version: VersionState) -> dict[str, Any] | None:
    """The newest release of the version, with the decision behind each stage."""
    # A release belongs to the run that made its version, which finds it among however many; a model file has no run.
    started = workspace.ledger.events((events.ReleaseStarted,), product=product, run=version.run)
    releases = [event.body for event in started if isinstance(event.body, events.ReleaseStarted)]
    release = next((body.release for body in reversed(releases) if body.version == version.version), None)
    if release is None:
        return None
    kinds: tuple[type[Body], ...] = (events.ReleaseStarted, events.ReleaseAdvanced, events.ReleaseFinished)
    return {
        "release": release,
        "stages": [
            {
                "at": event.at,
                "stage": event.body.stage if isinstance(event.body, events.ReleaseAdvanced) else event.kind,
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


def _run(workspace: Workspace, run: str | None) -> dict[str, Any] | None:
    if run is None:
        return None
    story = workspace.ledger.events(run=run)
    if not story:
        return None
    (started, *_) = [event for event in story if isinstance(event.body, events.RunStarted)] or story[:1]
    gates = [event.body.decision for event in story if isinstance(event.body, events.GateDecided)]
    return {
        "run": run,
        "started": started.at,
        "trigger": getattr(started.body, "trigger", None),
        "reason": getattr(started.body, "reason", None),
        "gate": gates[-1] if gates else None,
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


def _without(row: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names and not name.startswith("_")}
