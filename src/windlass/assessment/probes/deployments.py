"""What brings something to where it runs: steps of CI, and pipelines of a cloud."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace

from windlass.assessment.automation.workflow import Job, Workflow, mapping, maps
from windlass.assessment.cloud import declared
from windlass.assessment.facts import Facts, Place, Seen, once, seen_run, seen_use
from windlass.assessment.probes.verbs import (
    DEPLOY_ACTIONS,
    RUNS_THERE,
    THERE,
    deploys,
    is_infrastructure,
    starts_container,
    stops_container,
    writes_image,
)
from windlass.assessment.r import called_in_r
from windlass.assessment.reach.environment import environment_of
from windlass.assessment.reach.graph import Run
from windlass.assessment.reach.routes import By
from windlass.assessment.reading.lines import line_at
from windlass.assessment.records import Evidence
from windlass.assessment.words import parts_of


def in_ci(facts: Facts, wanted: object) -> Iterator[Seen]:
    """Commands of CI that `wanted` says yes to."""
    for run in facts.runs(wanted):  # type: ignore[arg-type]
        if run.route.start.workflow is not None:
            yield seen_run(run)


def used(facts: Facts, names: tuple[str, ...]) -> Iterator[Seen]:
    """Actions of CI with one of some names."""
    for use in facts.uses(*names):
        yield seen_use(use)


def deploys_of(facts: Facts) -> list[Seen]:
    """Every step of CI that brings something to where it runs; not documentation, not infrastructure alone."""
    found = [each for each in in_ci(facts, deploys) if not _only_tries(each)]
    found += used(facts, DEPLOY_ACTIONS)
    for use in facts.uses("appleboy/ssh-action"):
        if re.search(r"docker|compose|systemctl|kubectl|restart|pull|deploy|pm2", use.step.given.get("script", "")):
            found.append(seen_use(use))
    for run in facts.runs(is_infrastructure):
        if run.route.start.workflow is not None and _serves(facts):
            found.append(seen_run(run))
    for run in facts.runs(lambda argv: argv[0] == "ssh"):
        if run.route.start.workflow is not None and _STARTS_THERE.search(run.command.fed):
            found.append(seen_run(run))
    if any(True for _ in declared(facts, "", *_ANSWERS)):
        found += code_pipelines(facts)
    found += _on_another_machine(facts)
    found += _told_there(facts)
    found += _over_ssh(facts)
    in_r = called_in_r(facts, _DEPLOYS_IN_R, "a model comes to where it answers")
    found += (each for each in in_r if each.route is not None and each.route.start.workflow is not None)
    return [*found, *_synced(facts), *_committed(facts), *_started_here(facts), *_called(facts), *_pushed(facts)]


def _on_another_machine(facts: Facts) -> Iterator[Seen]:
    """Containers that a job leaves running where `DOCKER_HOST` or a context of Docker says."""
    for run in facts.runs(starts_container):
        start = run.route.start
        if start.workflow is None or start.job is None:
            continue
        earlier = [each.argv for step in start.job.steps for each in step.commands if each.line < run.command.line]
        told = any(argv[:3] == ("docker", "context", "use") and argv[3:] != ("default",) for argv in earlier)
        given = {**environment_of(facts.project, start), **{name: (value,) for name, value in run.command.given}}
        if told or any("://" in value for value in given.get("DOCKER_HOST", ())):
            yield seen_run(run)


def _told_there(facts: Facts) -> Iterator[Seen]:
    """What a job that says it deploys has a cloud run on machines, be it a script of theirs or what a name holds."""
    for run in facts.runs(lambda argv: argv[:3] in THERE and not deploys(argv)):
        start = run.route.start
        told = f"{start.job.name} {start.step.name}" if start.job is not None and start.step is not None else ""
        if parts_of(told) & {"deploy", "deployment", "rollout", "roll"} and _LEFT_OPEN.search(
            " ".join(run.command.argv)
        ):
            yield seen_run(run)


_LEFT_OPEN = re.compile(r"commands?\W+(\$|(bash|sh) |/)", re.IGNORECASE)


def _only_tries(seen: Seen) -> bool:
    """Whether a store of features is applied for a request to merge, and not for what was merged."""
    kinds = set(seen.route.start.kinds) if seen.route is not None else set()
    return seen.evidence[0].why.startswith("feast ") and kinds <= {"pull_request", "dispatch"}


_STARTS_THERE = re.compile(
    r"docker[ -](compose\b.*\bup|run|pull|service|stack)\b|systemctl|kubectl|\brestart\b|\bpm2\b"
)
"""In the here-document of a command that runs on another machine."""
_HOSTS = re.compile(r"huggingface\.co/spaces/|git\.heroku\.com|^dokku@|\.scm\.azurewebsites\.net")


def _pushed(facts: Facts) -> Iterator[Seen]:
    """Pushes to a remote that the same job adds, of a host that builds and runs what it is given."""
    for run in facts.runs(lambda argv: argv[:2] == ("git", "push")):
        job = run.route.start.job
        commands = [each.argv for step in job.steps for each in step.commands] if job is not None else []
        beside = [each for each in facts.graph.runs if each.path == run.path and each.route.start is run.route.start]
        entered = {each.command.argv[1] for each in beside if each.command.argv[0] == "cd" and each.command.argv[1:]}
        for argv in (each.command.argv for each in beside if job is not None and each.path.endswith(".sh")):
            if argv[:2] == ("git", "clone") and argv[-1] in entered and any(map(_HOSTS.search, argv[2:])):
                yield seen_run(run)  # `git clone https://.../spaces/team/churn "$THERE"` and `cd "$THERE"` in a script
        for argv in commands:
            added = argv[:3] in (("git", "remote", "add"), ("git", "remote", "set-url")) and len(argv) > 4
            if added and argv[-2] in run.command.argv[2:] and _HOSTS.search(argv[-1]):
                yield seen_run(run)
            if argv[:2] == ("git", "clone") and _is_filled(argv, run) and any(map(_HOSTS.search, argv[2:])):
                yield seen_run(run)


def _is_filled(argv: tuple[str, ...], run: Run) -> bool:
    """Whether a push stands in the folder of a clone: `git clone https://.../spaces/team/churn there`."""
    into = posixpath.basename(argv[-1]).removesuffix(".git")
    return bool(into) and into in run.folder.split("/")


def _started_here(facts: Facts) -> Iterator[Seen]:
    """Containers that a job leaves running on a machine of the team's own."""
    for run in facts.runs(starts_container):
        job = run.route.start.job
        if job is None or not job.own_machine:
            continue
        after = [each for step in job.steps for each in step.commands if each.line > run.command.line]
        if not any(stops_container(each.argv) for each in after):
            yield seen_run(run)


def _to_spaces(facts: Facts) -> Iterator[Place]:
    for place in facts.given("repo_type"):
        if (
            place[2].last in ("upload_folder", "upload_file", "upload_large_folder")
            and place[2].kwarg("repo_type") == "space"
        ):
            yield place


_TO_AZURE = re.compile(
    r"\.(online|batch)_(deployments|endpoints)\.begin_create_or_update$"
    r"|^azure\.ai\.ml\.entities\.((Managed|Kubernetes)Online|(Model|Pipeline)?Batch)Deployment$"
    r"|^azureml\.core\.(\w+\.)*(Model\.deploy|Webservice\.deploy(_from_\w+)?)$"
)


def _called(facts: Facts) -> Iterator[Seen]:
    """Programs of CI that create an endpoint, deploy a model to one, or bring the files of a Space to where it runs."""
    for sighting in (
        *facts.calls("deploy", "create_endpoint", "update_endpoint"),
        *map(facts.sight, facts.named(_TO_AZURE.search)),
        *map(facts.sight, _to_spaces(facts)),
    ):
        told = any(sighting.call.has(each) for each in ("endpoint_name", "instance_type", "machine_type"))
        if sighting.call.last == "deploy" and not told and not sighting.call.name.startswith("azureml."):
            continue
        for route in facts.graph.routes(sighting.key):
            if route.start.workflow is not None:
                here = sighting.here(f"{sighting.call.last}: a model comes to where it answers")
                yield Seen((here, *route.evidence), by=route.by, swallowed=route.swallowed, route=route)


_DEPLOYS_IN_R = frozenset({"deploy_model", "deployApp", "deployAPI", "vetiver_deploy_rsconnect"})
"""Functions of azuremlsdk, rsconnect and vetiver."""


def _over_ssh(facts: Facts) -> Iterator[Seen]:
    """Programs of CI that have a machine restart what serves: `client.exec_command("docker restart serving")`."""
    for sighting in facts.calls("exec_command"):
        said = " ".join((*sighting.call.values, sighting.function.words)).lower()
        if "paramiko" not in sighting.module.packages or not RUNS_THERE.search(said):
            continue
        for route in facts.graph.routes(sighting.key):
            if route.start.workflow is not None:
                here = sighting.here("has a machine run what serves anew")
                yield Seen((here, *route.evidence), by=route.by, swallowed=route.swallowed, route=route)


_SYNCS = re.compile(r"^apiVersion:\s*(argoproj|kustomize\.toolkit\.fluxcd|helm\.toolkit\.fluxcd)\.io/", re.MULTILINE)
_SYNCED = re.compile(r"^kind:\s*(Application|ApplicationSet|Kustomization|HelmRelease)\s*$", re.MULTILINE)
_AUTOMATED = re.compile(r"^\s+automated:", re.MULTILINE)


def _committed(facts: Facts) -> Iterator[Seen]:
    """CI commits which image is to run, and Argo CD or Flux bring the cluster to what the branch says."""
    writers = {id(run.route.start.job) for run in facts.runs(writes_image) if run.route.start.job is not None}
    pushes = [run for run in facts.runs(lambda argv: argv[:2] == ("git", "push")) if id(run.route.start.job) in writers]
    # What syncs another repository lies there; and that nothing has changed is no failure of a push.
    yield from (replace(seen_run(each), swallowed="") for each in pushes if _clones(each.route.start.job))
    for path in facts.project.yaml_paths if pushes else ():
        text = facts.project.text(path)  # a template of a chart is no YAML yet
        syncs, found = _SYNCS.search(text), _SYNCED.search(text)
        # Argo CD waits for a person unless it is told to sync.
        if syncs and found and (syncs[1] != "argoproj" or _AUTOMATED.search(text)):
            line = line_at(text, found.start())
            here = Evidence(path=path, line=line, why="brings the cluster to what the branch says")
            for push in map(seen_run, pushes):
                yield replace(push, evidence=(*push.evidence, here))
            return


def _clones(job: Job | None) -> bool:
    """Whether a job clones another repository."""
    commands = [each.argv for step in job.steps for each in step.commands] if job is not None else []
    return any(argv[:2] == ("git", "clone") and any("://" in word for word in argv[2:]) for argv in commands)


_RUNS_SOMETHING = re.compile(
    r"^[ \t]*(- )?image:|^kind:\s*(InferenceService|SeldonDeployment|RayService|Kustomization)\b"
    r"|^images:|\bimage\.repository|\brepository:(?!\s*[\"']?(https?|oci):)",
    re.MULTILINE,
)
"""In a manifest: it runs something, or takes in files that may."""


def _within(facts: Facts, folders: list[str]) -> Iterator[str]:
    """The manifests of some folders."""
    for path in facts.project.paths if folders else ():
        if path.startswith(tuple(folders)) and path.endswith((".yaml", ".yml", ".tpl", ".json", ".jsonnet")):
            yield facts.project.text(path)


_PATH = re.compile(r"^\s+path:\s*['\"]?([\w./-]+)", re.MULTILINE)


def _synced(facts: Facts) -> Iterator[Seen]:
    """Applications by which Argo CD brings a folder of the project to a cluster as the branch has it, by itself."""
    own = any(not image.is_of_others for image in facts.project.images)  # not only the programs of others
    for path in facts.project.yaml_paths if own else ():
        text = facts.project.text(path)
        found = _SYNCED.search(text)
        if found is None or not ("argoproj.io/" in text and _AUTOMATED.search(text)):
            continue
        folders = [f"{folder.strip('./')}/" for folder in _PATH.findall(text) if folder.strip("./")]
        if any(map(_RUNS_SOMETHING.search, _within(facts, folders))):
            line = line_at(text, found.start())
            here = Evidence(path=path, line=line, why="Argo CD brings each change of this folder to the cluster")
            yield Seen((here,), by=By.ITSELF)


_DEPLOY_ACTIONS_OF_CDK = re.compile(
    r"aws_cdk\.(aws_codepipeline_actions\.\w*(CreateUpdateStack|ExecuteChangeSet|Deploy)\w*Action|pipelines\.CodePipeline)$"
)


@once
def code_pipelines(facts: Facts) -> list[Seen]:
    """Pipelines of AWS that deploy what their source says, each time that it changes."""
    found = [
        replace(each.seen("a pipeline of AWS deploys it on each change"), by=By.ITSELF)
        for each in map(facts.sight, facts.named(_DEPLOY_ACTIONS_OF_CDK.match))
        if each.by > By.NOBODY
    ]
    for path in facts.project.yaml_paths:
        for document in facts.project.yaml(path)[:1]:
            for about in mapping(mapping(document).get("Resources")).values():
                if mapping(about).get("Type") != "AWS::CodePipeline::Pipeline":
                    continue
                stages = maps(mapping(mapping(about).get("Properties")).get("Stages"))
                kinds = [mapping(each.get("ActionTypeId")) for stage in stages for each in maps(stage.get("Actions"))]
                deploys_it = [kind for kind in kinds if kind.get("Category") == "Deploy"]
                if deploys_it and any(kind.get("Category") == "Source" for kind in kinds):
                    why = "a pipeline of AWS deploys it on each change"
                    found.append(Seen((Evidence(path=path, line=deploys_it[0].line, why=why),), by=By.ITSELF))
    return [*found, *_pipelines_of_terraform(facts)]


_CATEGORY = re.compile(r'category\s*=\s*"(\w+)"')


def _pipelines_of_terraform(facts: Facts) -> Iterator[Seen]:
    for each in facts.project.terraform:
        if each.kind == "aws_codepipeline" and {"Source", "Deploy"} <= set(_CATEGORY.findall(each.body)):
            here = Evidence(path=each.path, line=each.line, why="a pipeline of AWS deploys it on each change")
            yield Seen((here,), by=By.ITSELF)


_ANSWERS = ("AWS::SageMaker::Endpoint", "AWS::Lambda::Function", "AWS::ECS::Service", "AWS::Serverless::Function")


def _serves(facts: Facts) -> bool:
    """Whether what Terraform applies runs the service: a function, a container service, an endpoint."""
    return any(_RUNS.fullmatch(each.kind) for each in facts.project.terraform)


_RUNS = re.compile(
    r"aws_lambda_function|aws_ecs_service|google_cloud_run\w*|azurerm_(container_app|linux_web_app|app_service)\w*|"
    r"aws_sagemaker_endpoint|kubernetes_deployment|helm_release|aws_apprunner_service|google_cloudfunctions\w*"
)


def deploy_jobs(facts: Facts) -> list[tuple[Workflow, Job, Seen]]:
    """The CI jobs that deploy."""
    found = []
    for seen in deploys_of(facts):
        route = seen.route
        if route is not None and route.start.workflow is not None and route.start.job is not None:
            found.append((route.start.workflow, route.start.job, seen))
    return found
