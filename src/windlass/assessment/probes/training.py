"""Training: scripted, started without a person, and by what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from windlass.assessment.automatic import automatic_routes
from windlass.assessment.facts import Facts, Seen, Sighting, conclude
from windlass.assessment.probes.data import data_versioned
from windlass.assessment.probes.probe import probe
from windlass.assessment.probes.source import pinned
from windlass.assessment.r import is_document, trained_in_r
from windlass.assessment.reach.routes import By
from windlass.assessment.records import Evidence, Finding
from windlass.assessment.sql import trained_in_sql


def _other_scripts(facts: Facts) -> list[Seen]:
    """Training in R and in SQL; in a document only if something renders it by itself, as with notebooks."""
    return [
        *(each for each in trained_in_r(facts) if each.by is By.ITSELF or not is_document(each)),
        *trained_in_sql(facts),
    ]


@probe("modular-code")
def modular_code(facts: Facts) -> Finding:
    """Models are fitted in modules, not only in notebooks."""
    seen = [each.seen("a model is fitted in a module") for each in facts.training if not each.module.is_notebook]
    down = [each.here("fitted only in a notebook") for each in facts.training if each.module.is_notebook]
    seen += [*(each for each in trained_in_r(facts) if not is_document(each)), *trained_in_sql(facts)]
    down += [each.evidence[0] for each in trained_in_r(facts) if is_document(each)]
    return conclude("modular-code", seen, turned_down=down if not seen else ())


@probe("training-scripted")
def training_scripted(facts: Facts) -> Finding:
    """An entry point that trains."""
    seen = [
        each.seen("an entry point leads to training")
        for each in facts.training
        if not each.module.is_notebook and each.by >= By.PERSON
    ]
    seen += _other_scripts(facts)
    down = [each.here("training that is started from a notebook") for each in facts.training if each.module.is_notebook]
    return conclude("training-scripted", seen, turned_down=down if not seen else ())


@probe("training-automated")
def training_automated(facts: Facts) -> Finding:
    """A trigger that needs nobody reaches training."""
    seen = [
        Seen(
            (sighting.here("fits a model"), *route.evidence), by=route.by
        )  # it trains, whether its failure counts or not
        for sighting, route in automatic_routes(facts)
    ]
    if not seen:
        seen = [
            replace(each.seen("fits a model, when a person starts it"), by=min(each.by, By.PERSON))
            for each in facts.training
            if not each.module.is_notebook
        ]
    seen += _other_scripts(facts)
    return conclude("training-automated", seen, turned_down=_not_training(facts), wired_from=By.ITSELF)


def _not_training(facts: Facts) -> Iterator[Evidence]:
    """Schedules that train nothing, and buttons."""
    training = {id(route.start) for _, route in automatic_routes(facts)}
    for flow in facts.project.workflows:
        scheduled = [trigger for trigger in flow.triggers if trigger.kind == "schedule"]
        reached = any(route.start.workflow is flow for _, route in automatic_routes(facts))
        if scheduled and not reached:
            yield Evidence(path=flow.path, line=scheduled[0].line, why="a schedule that does not train")
        if flow.triggers and all(trigger.kind == "dispatch" for trigger in flow.triggers):
            yield Evidence(path=flow.path, line=flow.triggers[0].line, why="only a person starts this workflow")
    for start in facts.graph.starts:
        if "schedule" in start.kinds and start.workflow is None and id(start) not in training:
            yield Evidence(path=start.evidence.path, line=start.evidence.line, why="a schedule that does not train")


def _by_kind(facts: Facts, practice: str, kinds: set[str]) -> Finding:
    seen = [
        Seen((sighting.here("fits a model"), *route.evidence), by=route.by, swallowed=route.swallowed)
        for sighting, route in automatic_routes(facts)
        if kinds & set(route.start.kinds)
    ]
    others = [*trained_in_r(facts), *trained_in_sql(facts)]
    seen += [each for each in others if each.route is not None and kinds & set(each.route.start.kinds)]
    return conclude(
        practice, seen, turned_down=_not_training(facts) if "schedule" in kinds else (), wired_from=By.ITSELF
    )


@probe("ct-trigger-schedule")
def ct_schedule(facts: Facts) -> Finding:
    """A schedule reaches training."""
    return _by_kind(facts, "ct-trigger-schedule", {"schedule", "loop"})


@probe("ct-trigger-code")
def ct_code(facts: Facts) -> Finding:
    """A change of code reaches training."""
    return _by_kind(facts, "ct-trigger-code", {"push", "pull_request"})


@probe("ct-trigger-data")
def ct_data(facts: Facts) -> Finding:
    """New data reach training: a filter on data files, a sensor, an event of a bucket."""
    seen = []
    for sighting, route in automatic_routes(facts):
        flow = route.start.workflow
        paths = [path for trigger in flow.triggers for path in trigger.paths] if flow is not None else []
        about_data = [path for path in paths if re.search(r"(^|/)data(/|\b)|\.dvc|\.csv|\.parquet|dvc\.lock", path)]
        if about_data or "sensor" in route.start.evidence.why:
            seen.append(Seen((sighting.here("fits a model"), *route.evidence), by=route.by, swallowed=route.swallowed))
    return conclude("ct-trigger-data", seen, wired_from=By.ITSELF)


@probe("managed-compute")
def managed_compute(facts: Facts) -> Finding:
    """Training runs as a job on compute that is there on demand."""
    from windlass.assessment.training import is_launch

    seen = [each.seen("hands training to a platform") for each in facts.training if is_launch(each.call)]
    seen += [
        each.seen("training on a cluster")
        for each in facts.calls_into("ray.train", "ray.tune", "dask_ml", "pyspark.ml")
        if each.key in facts.training_keys
    ]
    from windlass.assessment.facts import seen_run

    jobs = (
        ("gcloud", "ai", "custom-jobs"), ("gcloud", "ai-platform", "jobs"), ("az", "ml", "job"),
        ("aws", "sagemaker", "create-training-job"), ("sky", "launch"), ("sbatch",), ("modal", "run"),
        ("databricks", "jobs"), ("databricks", "bundle"),
    )  # fmt: skip
    seen += [seen_run(run) for run in facts.runs(lambda argv: any(argv[: len(job)] == job for job in jobs))]
    for path in facts.project.yaml_paths:
        for document in facts.project.yaml(path):
            text = str(document.get("$schema", "")) if isinstance(document, dict) else ""
            compute = document.get("compute") or document.get("workerPoolSpecs") if isinstance(document, dict) else None
            settings = document.get("settings") if isinstance(document, dict) else None
            if (
                compute
                or (isinstance(settings, dict) and "default_compute" in settings)
                or "pipelineJob" in text
                or "commandJob" in text
            ):
                seen.append(
                    Seen((Evidence(path=path, line=1, why="a job with its compute is declared"),), by=By.PERSON)
                )
    return conclude(
        "managed-compute", seen, wired_from=By.PERSON, may_be_wired=any(each.by is By.ITSELF for each in seen)
    )


@probe("training-env-managed")
def training_env(facts: Facts) -> Finding:
    """The environment of training is declared, and a job uses it."""
    from windlass.assessment.facts import seen_run

    paths = {each.module.path for each in facts.training}
    seen = []
    for image in facts.project.images:
        if any("train" in command.text for command in (*image.starts, *image.builds)) or "train" in image.path.lower():
            seen.append(Seen((Evidence(path=image.path, line=1, why="an image for training"),), by=By.PERSON))
    automatic = any(route.start.workflow is not None for _, route in automatic_routes(facts))
    locked = ("uv", "poetry", "pipenv", "pdm", "conda", "mamba", "pip")
    for run in facts.runs(lambda argv: argv[0] in locked and bool({"sync", "install", "create", "update"} & set(argv))):
        job = run.route.start.job
        trains = any(route.start.job is job for _, route in automatic_routes(facts)) if job is not None else False
        if trains:
            seen.append(seen_run(run))
    for path in facts.project.named("conda.yml", "conda.yaml", "train-env.yml", "python_env.yaml"):
        if "mlartifacts" not in path and "mlruns" not in path:
            seen.append(Seen((Evidence(path=path, line=1, why="the environment of a training job"),), by=By.PERSON))
    return conclude(
        "training-env-managed", seen if paths or facts.training else (), may_be_wired=automatic, wired_from=By.PERSON
    )


_SEEDS = frozenset({"seed", "manual_seed", "seed_everything", "set_seed", "set_random_seed", "random_state"})


@probe("reproducible-training")
def reproducible(facts: Facts) -> Finding:
    """Seeds, a pinned environment and versioned data, or a pipeline with a lock."""
    seeds = list(facts.calls(*_SEEDS))
    seeded = [each.here("a seed is set") for each in seeds] + [
        each.here("random_state is set") for each in facts.training if each.call.has("random_state")
    ]
    seeded += [
        Sighting(*place, None).here("random_state is set") for place in islice(facts.given("random_state", "seed"), 3)
    ]
    locks = [
        Evidence(path=path, line=1, why="`dvc repro` makes the same again") for path in facts.project.named("dvc.lock")
    ]
    lock = pinned(facts)
    data = data_versioned(facts)
    if locks or (seeded and lock and data.evidence and data.state.rank >= 2):
        whole = [*locks, *seeded[:1], *lock[:1]]
        by = max((each.by for each in facts.training), default=By.NOBODY)
        return conclude("reproducible-training", [Seen(tuple(whole), by=by)], wired_from=By.ITSELF)
    down = [
        Evidence(path=each.path, line=each.line, why="a seed alone: the environment or the data are not pinned")
        for each in seeded[:2]
    ]
    return conclude("reproducible-training", (), turned_down=down)
