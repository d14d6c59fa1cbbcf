"""Put together what a version consists of, and register it."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from windlass.decisions.statistics.losses import decision_threshold
from windlass.decisions.statistics.metrics import is_ranked, main_metric
from windlass.errors import RegistryError
from windlass.monitoring.estimating import FOLDER, LEAST_ROWS, METRICS, enough_of_each, learn_estimator
from windlass.monitoring.reference import Reference, make_reference, save
from windlass.pipeline.fitting.candidates import Mix
from windlass.pipeline.fitting.learning import MIX, Prepared
from windlass.pipeline.steps.context import Training
from windlass.pipeline.steps.predictions import JUDGED, PREDICTIONS, from_frame
from windlass.pipeline.steps.resume import chain_of
from windlass.pipeline.steps.step import Finished, Step, Summary
from windlass.pipeline.steps.tables import read_frame, read_record, write_record
from windlass.pipeline.verdicts.evaluation import EVALUATION, LATENCY, Evaluation
from windlass.pipeline.verdicts.judging import groups_of
from windlass.product.checks.declaration import check_redacted
from windlass.product.policy import to_plain
from windlass.records.bundle import Compiled, Manifest, ModelFile
from windlass.records.event import VersionRegistered
from windlass.registry.bundle import SOURCE
from windlass.registry.compiling import compile_model
from windlass.registry.models import load

MODEL = "model"
_ESTIMATED_ON = 20_000
"""Rows of the holdout that are enough to tell how good the version is: a run takes a second or two for it."""


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What the step `bundle` keeps."""

    digest: str


def bundle(training: Training, prepared: Prepared, released: Finished, evaluated: Finished) -> str:
    """The digest of the published bundle with the model that is to answer; no version before it is registered."""
    step = Step(
        name="bundle",
        parameters={
            "product": training.name,
            "source": training.source.digest,
            "entry": training.source.entry,
            "environment": msgspec.to_builtins(training.environment.distributions),
        },
        inputs={
            "pin": prepared.rows.pin.digest,
            "rows": prepared.rows.digest(),
            "features": prepared.step.digest(),
            "model": released.digest(),
            "evaluation": evaluated.digest(),
        },
    )
    work = partial(_bundle, training, prepared, released, evaluated)
    finished = training.runner.run(step, work, still_valid=partial(_still_there, training))
    return read_record(finished.folder / "bundle.json", Published).digest


def _bundle(training: Training, prepared: Prepared, released: Finished, evaluated: Finished, folder: Path) -> Summary:
    seen = (*(column.name for column in prepared.rows.columns), *prepared.learned.features)
    check_redacted(training.product, seen)
    training.registry.clear_staging(training.name)  # what a killed run left; under the lease nobody else publishes
    _remove_what_a_killed_run_published(training)
    staged = training.registry.stage(training.name)
    training.source.write(staged / SOURCE)
    shutil.copytree(released.folder / MODEL, staged / MODEL)
    for name in (LATENCY, PREDICTIONS, JUDGED):
        shutil.copyfile(evaluated.folder / name, staged / name)
    _write_estimator(training, prepared, evaluated, _write_reference(training, prepared, evaluated, staged), staged)
    evaluation = read_record(evaluated.folder / EVALUATION, Evaluation)
    mix = read_record(released.folder / MIX, Mix)
    split = prepared.split_of(mix)
    write_record(msgspec.structs.replace(evaluation, split=split), staged / EVALUATION)
    compiled = _compile(training, prepared, released, staged)
    file = read_record(released.folder / "model.json", ModelFile)
    manifest = Manifest(
        product=training.name,
        entry=training.source.entry,
        run=training.run,
        created_at=training.now,
        task=msgspec.to_builtins(training.task),
        policies=to_plain(training.product.policies()),
        columns=prepared.rows.columns,
        features=prepared.learned.features,
        classes=prepared.learned.classes,
        model=msgspec.structs.replace(file, file=f"{MODEL}/{file.file}"),
        models=mix.models,
        metrics=evaluation.metrics,
        pin=prepared.rows.pin,
        environment=training.environment,
        compiled=compiled,
        files={},
    )
    digest = training.registry.publish(staged, manifest)
    write_record(Published(digest=digest), folder / "bundle.json")
    return {"note": digest[:12]}


def _compile(training: Training, prepared: Prepared, released: Finished, staged: Path) -> Compiled:
    """The form that is to answer requests; what it gains and whether it answers the same is measured here."""
    gate = training.product.gate
    return compile_model(
        load(released.folder / MODEL, read_record(released.folder / "model.json", ModelFile)),
        prepared.training_part().features,
        staged,
        kind=prepared.kind,
        threshold=decision_threshold(None if gate is None else gate.cost),
        classes=len(prepared.learned.classes) or None,
    )


def _remove_what_a_killed_run_published(training: Training) -> None:
    """A bundle says when it was made and by which run, so the one that is made now is another, and theirs is left."""
    registered = {body.digest for body in _registered(training)}
    killed = set(chain_of(training.ledger, training.name, training.run))
    for digest in training.registry.digests(training.name):
        if digest not in registered and _made_by(training, digest) in killed:
            training.registry.remove(training.name, digest)


def _made_by(training: Training, digest: str) -> str | None:
    """The run that published it; None of what is no bundle, or a damaged one, which nobody is going to load."""
    try:
        return training.registry.manifest(training.name, digest).run
    except RegistryError:
        return None


def _write_reference(training: Training, prepared: Prepared, evaluated: Finished, staged: Path) -> Reference:
    """What the version will be watched against: the features it learned from, its predictions of the holdout."""
    reference = make_reference(
        prepared.training_part().features,
        redacted=training.product.capture.redact,
        kind=prepared.kind,
        predictions=from_frame(read_frame(evaluated.folder / PREDICTIONS)),
        truth=prepared.holdout_part().target,
        groups=groups_of(training, prepared),
        ranked=is_ranked(training.product.gate, prepared.kind),
    )
    save(reference, staged)
    return reference


def _write_estimator(
    training: Training, prepared: Prepared, evaluated: Finished, reference: Reference, staged: Path
) -> None:
    """What tells how good the version is before labels come, of the features that are captured and watched. Without
    rows of every class, or with too few, there is none."""
    holdout, kind = prepared.holdout_part(), prepared.kind
    chosen = np.unique(np.linspace(0, len(holdout) - 1, min(len(holdout), _ESTIMATED_ON)).astype(np.int64))
    if len(chosen) < LEAST_ROWS or (kind != "regression" and not enough_of_each(holdout.target[chosen])):
        return
    gate = training.product.gate
    main = main_metric(gate, kind)
    own = gate is not None and gate.own is not None
    asked = () if own or (kind == "regression" and main.name not in ("mae", "mse", "rmse")) else (main.name,)
    learn_estimator(
        holdout.features.select(column.name for column in reference.features.columns)[chosen],
        from_frame(read_frame(evaluated.folder / PREDICTIONS))[chosen],
        holdout.target[chosen],
        kind=kind,
        metrics=tuple(dict.fromkeys((*asked, *METRICS[kind]))),
        cost=None if gate is None else gate.cost,
    ).save(staged / FOLDER)


def _still_there(training: Training, folder: Path) -> bool:
    digest = read_record(folder / "bundle.json", Published).digest
    return training.paths.bundle(training.name, digest).is_dir()


def registration(training: Training, digest: str, metrics: dict[str, float]) -> tuple[str, VersionRegistered | None]:
    """The name of the version with this digest, and the event that makes it one (None: it is one already)."""
    bodies = _registered(training)
    for body in bodies:
        if body.digest == digest:
            return body.version, None
    version = f"v{len(bodies) + 1}"
    return version, VersionRegistered(version=version, digest=digest, run=training.run, metrics=metrics)


def _registered(training: Training) -> list[VersionRegistered]:
    known = training.ledger.events([VersionRegistered], product=training.name)
    return [event.body for event in known if isinstance(event.body, VersionRegistered)]
