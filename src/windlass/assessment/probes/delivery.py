"""Delivery: what CI builds, publishes and deploys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from windlass.assessment.automatic import automatic_routes
from windlass.assessment.automation.workflow import Step
from windlass.assessment.facts import Facts, Seen, conclude, seen_use
from windlass.assessment.probes.automatic_releases import automatic_releases
from windlass.assessment.probes.data_checks import data_tests
from windlass.assessment.probes.deployments import code_pipelines, deploy_jobs, deploys_of, in_ci, used
from windlass.assessment.probes.gates import model_gate
from windlass.assessment.probes.orchestration import machines
from windlass.assessment.probes.probe import probe
from windlass.assessment.probes.registry import model_registry
from windlass.assessment.probes.testing import tests_in_ci
from windlass.assessment.probes.verbs import (
    BUILD_ACTIONS,
    PIPELINE_ACTIONS,
    PUBLISH_ACTIONS,
    builds,
    deploys,
    deploys_pipeline,
    is_infrastructure,
    publishes,
)
from windlass.assessment.r import is_document, trained_in_r
from windlass.assessment.reach.graph import Use
from windlass.assessment.reach.routes import By
from windlass.assessment.records import Evidence, Finding
from windlass.assessment.sql import trained_in_sql
from windlass.assessment.training import is_launch
from windlass.assessment.words import parts_of


@probe("service-cd")
def service_cd(facts: Facts) -> Finding:
    """A CI job deploys, started by a push, a tag or an event."""
    seen = [replace(each, swallowed="") for each in deploys_of(facts)]  # whoever goes on all the same has deployed
    down = [
        Evidence(path=each.evidence[0].path, line=each.evidence[0].line, why="only a person starts this deployment")
        for each in seen
        if each.by < By.ITSELF
    ]
    for run in facts.runs(
        lambda argv: (
            argv[0] in ("echo", "printf") and bool(parts_of(" ".join(argv[1:])) & {"deploy", "deploying", "deployment"})
        )
    ):
        if run.route.start.workflow is not None:
            down.append(Evidence(path=run.path, line=run.command.line, why="a step that only says that it deploys"))
    down += [
        Evidence(path=use.path, line=use.step.line, why="publishes pages, not the service")
        for use in facts.uses(
            "actions/deploy-pages", "peaceiris/actions-gh-pages", "jamesives/github-pages-deploy-action"
        )
    ]
    for flow in facts.project.idle_workflows:
        if any(deploys(command.argv) for job in flow.jobs for step in job.steps for command in step.commands):
            down.append(Evidence(path=flow.path, line=1, why="a workflow that lies where nothing runs it"))
    return conclude("service-cd", seen, turned_down=down, wired_from=By.ITSELF)


_REPOSITORY = re.compile(
    r"(ecr|acr|gar|gcr|ghcr|docker|image|container)[-_ ]?(repo|repository|registry)", re.IGNORECASE
)


def _pushes(use: Use) -> bool:
    """An action of a team's own that builds or releases, and is told the repository of images that it does so into."""
    name = use.step.uses.partition("@")[0]
    acts = parts_of(name.rpartition("/")[2]) & {"build", "push", "publish", "release", "deploy"}
    return bool(acts) and not name.startswith("./") and any(_REPOSITORY.search(key) for key in use.step.given)


def _lacks_dockerfile(facts: Facts, use: Use) -> bool:
    """Whether the whole repository has no file that the action of Docker could build from."""
    docker = use.step.uses.startswith("docker/build-push-action") and not facts.project.inside
    return docker and not any("dockerfile" in path.lower() for path in facts.project.expected)


_PREPARE = ("actions/checkout", "actions/setup-", "docker/", "aws-actions/", "google-github-actions/auth", "azure/")
"""Actions that bring no file of their own."""
_PLAIN = re.compile(r"(?!(?:build|dist|site|target)/)[\w.-]+(?:/[\w.-]+)*\.(?:json|pkl|joblib|onnx|h5|csv|py|sh|txt)")


def _lacks_file(facts: Facts, use: Use) -> str:
    """A file that the image takes, where nothing of the job could have made it and the repository has none."""
    job, project, given = use.route.start.job, facts.project, use.step.given
    if job is None or project.inside or ".gitmodules" in project.tree or given.get("context", ".") not in (".", "./"):
        return ""
    earlier = [each for each in job.steps if each.line < use.step.line]
    if any(each.commands or not each.uses.startswith(_PREPARE) or "repository" in each.given for each in earlier):
        return ""
    file = given.get("file", "Dockerfile").removeprefix("./")
    taken = [path for image in project.images if image.path == file for path in image.copies]
    plain = [path.removeprefix("./") for path in taken if _PLAIN.fullmatch(path.removeprefix("./"))]
    return next((path for path in plain if path not in project.expected), "")


_KEPT = re.compile(r"type=registry|push=true")


@probe("automated-build")
def automated_build(facts: Facts) -> Finding:
    """CI builds an image or a package and keeps it."""
    kept = [*in_ci(facts, publishes), *used(facts, PUBLISH_ACTIONS)]
    thrown: list[Evidence] = []
    for use in facts.uses(*BUILD_ACTIONS):
        push = use.step.given.get("push", "")
        if _lacks_dockerfile(facts, use):
            thrown.append(Evidence(path=use.path, line=use.step.line, why="there is no Dockerfile to build from"))
        elif use.step.uses.startswith("docker/build-push-action") and (lacking := _lacks_file(facts, use)):
            why = f"the image takes {lacking}, which is not there"
            thrown.append(Evidence(path=use.path, line=use.step.line, why=why))
        elif (push and push != "false") or _KEPT.search(use.step.given.get("outputs", "")):
            kept.append(seen_use(use))
        else:
            thrown.append(Evidence(path=use.path, line=use.step.line, why="built, and thrown away when the job ends"))
    kept += [seen_use(use) for use in facts.graph.uses if _pushes(use)]
    kept += _compiled_and_copied(facts)
    for seen in in_ci(facts, builds):
        job = seen.route.start.job if seen.route is not None else None
        if job is not None and any(map(_takes_away, job.steps)) and "docker" not in seen.evidence[0].why:
            kept.append(seen)
        else:
            thrown.append(
                Evidence(
                    path=seen.evidence[0].path,
                    line=seen.evidence[0].line,
                    why="built, and thrown away when the job ends",
                )
            )
    for run in facts.runs(lambda argv: builds(argv) or publishes(argv)):
        if run.route.start.workflow is None and run.route.by is By.PERSON:
            thrown.append(Evidence(path=run.path, line=run.command.line, why="built when a person asks for it"))
    return conclude("automated-build", kept, turned_down=thrown, wired_from=By.ITSELF)


_UPLOADS = ("actions/upload-artifact", "PublishBuildArtifacts", "PublishPipelineArtifact")


def _takes_away(step: Step) -> bool:
    """Whether a step takes along what a job has built: as its artifact, or to where it runs."""
    return step.uses.startswith(_UPLOADS) or any(deploys(command.argv) for command in step.commands)


_PUBLISHES = frozenset(
    {
        "create_snapshot", "create_run_template", "upload_pipeline", "upload_pipeline_version", "upsert",
        "to_deployment", "build_from_flow", "create_recurring_run", "create_schedule",
    }
)  # fmt: skip


def _published(facts: Facts) -> Iterator[Seen]:
    """Calls that bring a pipeline to its engine, in a program that CI runs."""
    for sighting in facts.calls(*_PUBLISHES, "deploy"):
        if sighting.call.last == "deploy" and "prefect" not in sighting.module.packages:
            continue
        if not sighting.module.packages & _ENGINES and not sighting.call.name.startswith(":"):
            continue
        for route in facts.graph.routes(sighting.key):
            if route.start.workflow is not None:
                here = sighting.here(f"{sighting.call.last}: the pipeline comes to where it runs")
                yield Seen((here, *route.evidence), by=route.by, swallowed=route.swallowed, route=route)


_ENGINES = frozenset({"zenml", "kfp", "prefect", "sagemaker", "google", "azure", "flytekit", "dagster", "metaflow"})
_COPIES = (("gsutil",), ("gcloud", "storage"), ("aws", "s3"), ("az", "storage"), ("azcopy",))


_RUNNERS_OF_TFX = ("KubeflowV2DagRunner", "KubeflowDagRunner")
"""What compiles a pipeline of TFX: their run writes a file."""


def _compiled_and_copied(facts: Facts) -> Iterator[Seen]:
    """A workflow that compiles the pipeline and copies what came of it to where its engine takes it from."""
    compiled = {
        route.start.workflow.path
        for sighting in facts.calls("compile", *_RUNNERS_OF_TFX)
        if "Compiler" in sighting.call.name or sighting.call.last in _RUNNERS_OF_TFX
        for route in facts.graph.routes(sighting.key)
        if route.start.workflow is not None
    }
    for seen in in_ci(facts, lambda argv: any(argv[: len(each)] == each for each in _COPIES)) if compiled else ():
        copies = {"cp", "copy", "rsync", "sync", "upload", "upload-batch"} & set(seen.evidence[0].why.split())
        if copies and seen.route is not None and seen.evidence[0].path in compiled:
            yield seen


@probe("pipeline-cd")
def pipeline_cd(facts: Facts) -> Finding:
    """A new version of the pipeline comes to where it runs by itself: published by CI, or run by CI from the branch."""
    seen = [*in_ci(facts, deploys_pipeline), *used(facts, PIPELINE_ACTIONS)]
    seen += [*_published(facts), *_compiled_and_copied(facts)]
    if any(is_launch(each.call) for each in facts.training):
        seen += code_pipelines(facts)
    if any(place.path.endswith(".tf") for each in machines(facts) for place in each.evidence[:1]):
        seen += list(in_ci(facts, is_infrastructure))
    for sighting, route in automatic_routes(facts):
        if route.start.workflow is not None:
            why = "CI runs the pipeline as the branch has it, so each push is its newest version"
            seen.append(
                Seen(
                    (
                        Evidence(path=route.start.evidence.path, line=route.start.evidence.line, why=why),
                        *route.evidence,
                        sighting.here(),
                    ),
                    by=route.by,
                )
            )
    for each in (*trained_in_r(facts), *trained_in_sql(facts)):
        if each.route is not None and each.route.start.workflow is not None and not is_document(each):
            seen.append(each)
    by_hand = [run for run in facts.runs(deploys_pipeline) if run.route.start.workflow is None]
    down = [Evidence(path=run.path, line=run.command.line, why="a person deploys the pipeline") for run in by_hand]
    return conclude("pipeline-cd", seen, turned_down=down, wired_from=By.ITSELF)


def _with_model(facts: Facts) -> list[Seen]:
    """Deployments that carry a model of the registry: by its name, its version or its event."""
    found = []
    for flow, job, seen in deploy_jobs(facts):
        said = " ".join(
            (
                flow.name,
                job.name,
                *(command.text for step in job.steps for command in step.commands),
                *(trigger.detail for trigger in flow.triggers),
                *(step.name for step in job.steps),
                *(value for step in job.steps for value in step.given.values()),
            )
        )
        if parts_of(said) & {"model", "models", "registry", "checkpoint", "endpoint", "champion"} and _has_registry(
            facts
        ):
            found.append(seen)
    return found


def _has_registry(facts: Facts) -> bool:
    return model_registry(facts).state.rank >= 2


@probe("model-release-cicd")
def model_release_cicd(facts: Facts) -> Finding:
    """A CI job brings a version of the model to where it answers, or promotes it."""
    seen = _with_model(facts) + [
        each for each in automatic_releases(facts) if each.route is not None and each.route.start.workflow is not None
    ]
    down = (
        [
            Evidence(
                path=each.evidence[0].path,
                line=each.evidence[0].line,
                why="deploys the service, not a version of a model",
            )
            for each in deploys_of(facts)
        ]
        if not seen
        else []
    )
    return conclude("model-release-cicd", seen, turned_down=down, wired_from=By.ITSELF)


_SCANS = (
    "trivy", "bandit", "gitleaks", "safety", "pip-audit", "semgrep", "snyk", "grype", "trufflehog", "checkov",
    "tfsec", "hadolint", "syft", "detect-secrets", "osv-scanner",
)  # fmt: skip
_SCAN_ACTIONS = (
    "github/codeql-action", "aquasecurity/trivy-action", "snyk/", "gitleaks/", "anchore/",
    "pypa/gh-action-pip-audit", "trufflesecurity/", "bridgecrewio/", "actions/dependency-review", "ossf/scorecard",
    "returntocorp/semgrep", "semgrep/",
)  # fmt: skip


@probe("security-scanning")
def security_scanning(facts: Facts) -> Finding:
    """Code, dependencies or images are scanned by a machine."""
    seen = [
        *in_ci(
            facts,
            lambda argv: argv[0] in _SCANS or (argv[:2] == ("python", "-m") and len(argv) > 2 and argv[2] in _SCANS),
        ),
        *used(facts, _SCAN_ACTIONS),
    ]
    for path in facts.project.paths:
        if re.fullmatch(r"\.github/(dependabot\.ya?ml|renovate\.json5?)|renovate\.json5?|\.renovaterc(\.json)?", path):
            seen.append(Seen((Evidence(path=path, line=1, why="dependencies are watched"),), by=By.ITSELF))
    hooks = [
        path
        for path in facts.project.named(".pre-commit-config.yaml")
        if any(scan in facts.project.text(path) for scan in _SCANS)
    ]
    return conclude(
        "security-scanning",
        seen,
        declared=[Evidence(path=path, line=1, why="a hook on the machines of people") for path in hooks],
        wired_from=By.ITSELF,
    )


@probe("quality-gates-end-to-end")
def quality_gates(facts: Facts) -> Finding:
    """Code, data and model each have a gate that is wired."""
    parts = (tests_in_ci(facts), data_tests(facts), model_gate(facts))
    if all(part.state.holds for part in parts):
        return conclude("quality-gates-end-to-end", [Seen(tuple(part.evidence[0] for part in parts), by=By.ITSELF)])
    down = [part.evidence[0] for part in parts if part.state.holds and part.evidence]
    return conclude(
        "quality-gates-end-to-end",
        (),
        turned_down=[Evidence(path=each.path, line=each.line, why=f"one gate alone: {each.why}") for each in down],
    )
