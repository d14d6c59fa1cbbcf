"""People, strategy and operations, as far as files can hint at them: an interview tells the rest."""

from __future__ import annotations

import re
from collections import Counter

from windlass.assessment.facts import Facts, Seen, conclude
from windlass.assessment.probes.probe import probe
from windlass.assessment.reach.routes import By
from windlass.assessment.reading.lines import line_at
from windlass.assessment.records import Evidence, Finding, State
from windlass.assessment.training import is_launch


@probe("ml-platform")
def ml_platform(facts: Facts) -> Finding:
    """One platform is used for training, for the registry and for serving."""
    packages = {
        "SageMaker": ("sagemaker",),
        "Vertex AI": ("google.cloud.aiplatform", "google_cloud_pipeline_components"),
        "Azure ML": ("azure.ai.ml", "azureml"),
        "Databricks": ("databricks",),
        "MLflow": ("mlflow",),
        "Kubeflow": ("kfp",),
        "ZenML": ("zenml",),
        "ClearML": ("clearml",),
        "Windlass": ("windlass",),
    }
    from windlass.assessment.probes.registry import model_registry
    from windlass.assessment.probes.serving import serve_from_registry
    from windlass.assessment.probes.tracking import experiment_tracking

    parts = [
        part
        for part in (experiment_tracking(facts), model_registry(facts), serve_from_registry(facts))
        if part.state.rank >= 2
    ]
    used = [(name, each) for name, tops in packages.items() for each in facts.calls_into(*tops) if each.by > By.NOBODY]
    launched = [each for each in facts.training if is_launch(each.call)]
    if used and (len(parts) >= 3 or (launched and len(parts) >= 2)):
        name, sighting = used[0]
        return conclude(
            "ml-platform",
            [
                Seen(
                    (sighting.here(f"{name} is used for training, registry and serving"),),
                    by=min(By.REQUEST, max(sighting.by, By.PERSON)),
                )
            ],
        )
    for path in facts.project.yaml_paths:
        for document in facts.project.yaml(path)[:1]:
            if isinstance(document, dict) and "azureml" in str(document.get("$schema", "")) and len(parts) >= 2:
                return conclude(
                    "ml-platform", [Seen((Evidence(path=path, line=1, why="jobs of Azure ML"),), by=By.PERSON)]
                )
    return conclude("ml-platform", ())


@probe("platform-reusable")
def platform_reusable(facts: Facts) -> Finding:
    """Workflows and components of a shared source are used."""
    seen = []
    for flow in facts.project.workflows:
        for job in flow.jobs:
            if job.calls and not job.calls.startswith("./"):
                seen.append(
                    Seen(
                        (Evidence(path=flow.path, line=job.line, why=f"a shared workflow: {job.calls}"),), by=By.ITSELF
                    )
                )
    return conclude("platform-reusable", seen)


@probe("dev-prod-symmetry")
def dev_prod_symmetry(facts: Facts) -> Finding:
    """One definition of the pipeline runs by hand and by itself."""
    from windlass.assessment.automatic import automatic_routes
    from windlass.assessment.probes.orchestration import pipeline_orchestrated

    seen = [
        Seen(
            (sighting.here("the same code by hand and by itself"), *route.evidence),
            by=route.by,
            swallowed=route.swallowed,
        )
        for sighting, route in automatic_routes(facts)
        if not sighting.module.is_notebook
    ]
    down = (
        [each.here("another training, in a notebook") for each in facts.training if each.module.is_notebook]
        if seen
        else []
    )
    if not seen and pipeline_orchestrated(facts).state.rank >= 2:
        seen = [Seen(pipeline_orchestrated(facts).evidence[:2], by=By.PERSON)]
    return conclude("dev-prod-symmetry", seen, turned_down=down[:3], wired_from=By.ITSELF)


@probe("explainability")
def explainability(facts: Facts) -> Finding:
    """Explanations are made on the way of training or serving."""
    found = [
        each
        for each in facts.calls_into("shap", "lime", "eli5", "interpret", "captum", "dalex", "alibi.explainers")
        if not each.module.is_notebook and each.by > By.NOBODY
    ]
    down = [
        each.here("explained in a notebook")
        for each in facts.calls_into("shap", "lime", "eli5")
        if each.module.is_notebook
    ]
    return conclude(
        "explainability",
        [each.seen("explains the model") for each in found],
        turned_down=down if not found else (),
        declared=facts.listed("shap", "lime"),
    )


def _owners(facts: Facts) -> list[str]:
    return [path for path in facts.project.paths if path.rpartition("/")[2] == "CODEOWNERS"]


@probe("low-ds-dependency")
def low_dependency(facts: Facts) -> Finding:
    """More than one person has written a fair share of the history."""
    commits = [commit for commit in facts.project.history.commits if "bot" not in commit.author.lower()]
    if len(commits) < 10:
        return Finding(id="low-ds-dependency", state=State.UNKNOWN)
    shares = Counter(commit.author for commit in commits)
    many = [name for name, count in shares.items() if count >= 0.15 * len(commits)]
    place = Evidence(
        path=".git",
        line=1,
        why=f"{len(many)} {'person' if len(many) == 1 else 'people'} with 15 % of the commits or more",
    )
    return conclude(
        "low-ds-dependency",
        [Seen((place,), by=By.PERSON)] if len(many) >= 2 else (),
        turned_down=() if len(many) >= 2 else [place],
    )


@probe("release-ownership")
def release_ownership(facts: Facts) -> Finding:
    """A machine releases: a deployment that CI starts."""
    from windlass.assessment.probes.deployments import deploys_of

    return conclude("release-ownership", [each for each in deploys_of(facts) if each.by is By.ITSELF])


@probe("retrain-markers-agreed")
def retrain_markers(facts: Facts) -> Finding:
    """Thresholds for retraining stand in a file of their own."""
    for path in facts.project.yaml_paths:
        text = facts.project.text(path)
        found = re.search(
            r"^\s*\w*(drift|retrain|degradation|psi)\w*threshold\w*\s*:|^\s*(retrain\w*|drift\w*):\s*$",
            text,
            re.MULTILINE,
        )
        if found and "# future" not in text[max(0, found.start() - 200) : found.end() + 200].lower():
            line = line_at(text, found.start())
            return Finding(
                id="retrain-markers-agreed",
                state=State.DECLARED,
                evidence=(Evidence(path=path, line=line, why="thresholds in a file that can be reviewed"),),
            )
    return Finding(id="retrain-markers-agreed", state=State.UNKNOWN)


@probe("operating-model")
def operating_model(facts: Facts) -> Finding:
    """Owners are named in a file."""
    owners = _owners(facts)
    if owners:
        return Finding(
            id="operating-model",
            state=State.DECLARED,
            evidence=(Evidence(path=owners[0], line=1, why="owners are named, no more"),),
        )
    return Finding(id="operating-model", state=State.UNKNOWN)


@probe("process-documented")
def process_documented(facts: Facts) -> Finding:
    """Runbooks of release, incident or retraining."""
    books = [
        path
        for path in facts.project.paths
        if re.search(r"(runbook|playbook|postmortem|post-mortem|incident)[^/]*\.(md|rst)$", path.lower())
    ]
    if books:
        return Finding(
            id="process-documented",
            state=State.DECLARED,
            evidence=tuple(Evidence(path=path, line=1, why="a runbook") for path in books[:3]),
        )
    return Finding(id="process-documented", state=State.UNKNOWN)


@probe("tool-integration")
def tool_integration(facts: Facts) -> Finding:
    """CI starts the tools of data and models, or one pipeline calls them all."""
    from windlass.assessment.probes.tracking import tracking_calls

    seen = [
        each.seen("what nobody has to start leads to the tracker")
        for each in tracking_calls(facts)
        if each.by is By.ITSELF
    ]
    return conclude("tool-integration", seen, wired_from=By.ITSELF)
