"""Infrastructure: images, declared environments, how a release reaches them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from windlass.assessment.automation.workflow import mapping, maps
from windlass.assessment.facts import Facts, Seen, conclude, seen_run, seen_use
from windlass.assessment.probes.endpoints import serves_nothing
from windlass.assessment.probes.probe import probe
from windlass.assessment.probes.verbs import is_infrastructure
from windlass.assessment.reach.routes import By
from windlass.assessment.reading.lines import line_at
from windlass.assessment.reading.yaml import Map
from windlass.assessment.records import Evidence, Finding
from windlass.assessment.words import PRODUCTION, STAGING, parts_of


def _bentos(name: str) -> bool:
    return name in ("bentoml.container.build", "bentoml.bentos.containerize", "bentoml.containerize")


@probe("container-images")
def container_images(facts: Facts) -> Finding:
    """Images of the project's own; wired if CI builds them or a service runs them."""
    built = list(
        facts.runs(
            lambda argv: (
                argv[0] in ("docker", "podman", "buildah", "docker-compose", "gcloud", "az")
                and ("build" in argv or "builds" in argv or "up" in argv)
            )
        )
    )
    automatic = [seen_run(run) for run in built if run.route.start.workflow is not None] + [
        seen_use(use) for use in facts.uses("docker/build-push-action")
    ]
    by = max((each.by for each in automatic), default=By.PERSON)
    seen = []
    for image in facts.project.images:
        if image.is_of_others:
            continue
        here = Evidence(path=image.path, line=1, why=f"an image from {image.base}")
        seen.append(Seen((here, *(automatic[0].evidence[:3] if automatic else ())), by=by))
    for path in facts.project.named("bentofile.yaml", "cog.yaml"):
        if not serves_nothing(facts, path):
            seen.append(Seen((Evidence(path=path, line=1, why="an image is declared"),), by=By.PERSON))
    seen += [facts.sight(place).seen("the image of a service is built") for place in facts.named(_bentos)]
    down = [
        Evidence(path=path, line=1, why="the image of an editor, not of the project")
        for path in facts.project.paths
        if ".devcontainer/" in path and "dockerfile" in path.lower()
    ]
    down += [
        Evidence(path=image.path, line=1, why=f"{image.base} with what it needs, and nothing of the project")
        for image in facts.project.images
        if image.is_of_others
    ]
    down += (
        [
            Evidence(path=service.path, line=service.line, why="an image of others")
            for service in facts.project.services
            if service.image and not service.builds
        ][:3]
        if not seen
        else []
    )
    return conclude("container-images", seen, turned_down=down, wired_from=By.ITSELF)


_PULUMI = re.compile(r"pulumi_\w+\.([\w.]+\.)?(?!Provider$)[A-Z]\w+$")
_RESOURCE = re.compile(r'^\s*(resource|module)\s+"', re.MULTILINE)


_ARM = re.compile(r"template|deploy|infra|(^|/)arm[/._-]|iac|resources?[/.]")


def infrastructure_files(facts: Facts) -> Iterator[Evidence]:
    """Files that declare infrastructure, not only a provider."""
    yield from _in_languages(facts)
    yield from _programs(facts)
    for path in facts.project.yaml_paths:
        for document in facts.project.yaml(path)[:1]:
            for play in maps(document):
                if "hosts" in play and ("roles" in play or "tasks" in play):
                    yield Evidence(path=path, line=play.line, why="a playbook of Ansible")
            if not isinstance(document, Map):
                continue
            resources = mapping(document.get("Resources"))
            if "AWSTemplateFormatVersion" in document or any(
                str(mapping(each).get("Type")).startswith(("AWS::", "Alexa::")) for each in resources.values()
            ):
                yield Evidence(path=path, line=document.line_of("Resources"), why="resources in CloudFormation")


_OF_TERRAGRUNT = re.compile(r"^\s*terraform\s*\{[^}]*\bsource\s*=", re.MULTILINE)


def _in_languages(facts: Facts) -> Iterator[Evidence]:
    """Terraform, Bicep and templates of Azure."""
    for path in facts.project.named(".tf", ".tofu"):
        text = facts.project.text(path)
        if found := _RESOURCE.search(text):
            yield Evidence(path=path, line=line_at(text, found.start()), why="resources in Terraform")
    for path in facts.project.named(".hcl"):
        if found := _OF_TERRAGRUNT.search(facts.project.text(path)):
            line = line_at(facts.project.text(path), found.start())
            yield Evidence(path=path, line=line, why="a module of Terraform")
    for path in facts.project.named(".bicep"):
        if re.search(r"^(resource|module)\s", facts.project.text(path), re.MULTILINE):
            yield Evidence(path=path, line=1, why="resources in Bicep")
    for path in facts.project.named(".json"):
        if path.endswith(".tf.json") and '"resource"' in facts.project.text(path):
            yield Evidence(path=path, line=1, why="resources in Terraform")
        elif _ARM.search(path.lower()) and "deploymentTemplate.json" in facts.project.text(path)[:2000]:
            yield Evidence(path=path, line=1, why="an ARM template")


_FILES_OF_TOOLS = ("cdk.json", "pulumi.yaml", "serverless.yml", "serverless.yaml")


def _programs(facts: Facts) -> Iterator[Evidence]:
    """Projects of tools that run a program to declare it, and programs that call Pulumi themselves."""
    for path in facts.project.named(*_FILES_OF_TOOLS):
        if path.rpartition("/")[2].lower() in _FILES_OF_TOOLS:  # `template-serverless.yaml` is another
            yield Evidence(path=path, line=1, why="infrastructure as code")
    for module, _, call in facts.named(_PULUMI.match):
        yield Evidence(path=module.path, line=call.line, why="resources in Pulumi")


@probe("infra-as-code")
def infra_as_code(facts: Facts) -> Finding:
    """Infrastructure is declared in files; wired if CI plans or applies it."""
    applied = [
        seen_run(run)
        for run in facts.runs(
            lambda argv: is_infrastructure(argv) or (argv[0] in ("terraform", "tofu") and "plan" in argv)
        )
        if run.route.start.workflow is not None
    ]
    applied += [
        seen_run(run)
        for run in facts.runs(
            lambda argv: (
                argv[:2]
                in (("sam", "deploy"), ("cdk", "deploy"), ("pulumi", "up"), ("serverless", "deploy"), ("sls", "deploy"))
                or argv[:3] == ("aws", "cloudformation", "deploy")
                or argv[:2] == ("az", "deployment")
            )
        )
        if run.route.start.workflow is not None
    ]
    applied += [
        seen_use(use)
        for use in facts.uses(
            "pulumi/actions",
            "aws-actions/aws-cloudformation-github-deploy",
            "azure/arm-deploy",
            "terraformcli",
            "terraformtaskv",
        )
    ]
    by = max((each.by for each in applied), default=By.PERSON)
    way = max(applied, key=lambda each: each.by).evidence[:3] if applied else ()
    seen = [Seen((place, *way), by=by) for place in infrastructure_files(facts)]
    down = (
        [
            Evidence(path=path, line=1, why="a provider without any resource")
            for path in facts.project.named(".tf")
            if not _RESOURCE.search(facts.project.text(path)) and "provider" in facts.project.text(path)
        ]
        if not seen
        else []
    )
    return conclude("infra-as-code", seen, turned_down=down, wired_from=By.ITSELF)


@probe("env-separation")
def env_separation(facts: Facts) -> Finding:
    """Two environments to which CI deploys, or that infrastructure declares."""
    from windlass.assessment.probes.deployments import deploy_jobs

    found: dict[str, Seen] = {}
    for flow, job, seen in deploy_jobs(facts):
        said = parts_of(
            f"{job.environment} {job.name} {flow.path.rpartition('/')[2]} {flow.name} "
            f"{' '.join(seen.evidence[0].why.split())}"
        )
        for name, words in (("staging", STAGING - {"test"}), ("production", PRODUCTION)):
            if said & words:
                found.setdefault(name, seen)
    if len(found) == 2:
        places = [each for seen in found.values() for each in seen.evidence[:2]]
        return conclude(
            "env-separation", [Seen(tuple(places), by=min(seen.by for seen in found.values()))], wired_from=By.ITSELF
        )
    files: dict[str, str] = {}
    for path in facts.project.named(
        ".tfvars", ".bicepparam", "values-prod.yaml", "values-staging.yaml", "kustomization.yaml", "backend.tf"
    ):
        parts = parts_of(path)
        for name, words in (("staging", STAGING), ("production", PRODUCTION)):
            if parts & words:
                files.setdefault(name, path)
    if len(files) == 2:
        return conclude(
            "env-separation",
            [
                Seen(
                    tuple(Evidence(path=path, line=1, why=f"settings of {name}") for name, path in files.items()),
                    by=By.PERSON,
                )
            ],
        )
    loose = [
        path
        for path in facts.project.yaml_paths
        if parts_of(path.rpartition("/")[2]) & (STAGING | PRODUCTION) and "config" in path
    ]
    return conclude(
        "env-separation",
        (),
        declared=[Evidence(path=path, line=1, why="settings of one environment") for path in loose[:3]],
    )


@probe("progressive-rollout")
def progressive_rollout(facts: Facts) -> Finding:
    """Health-checked rolling, blue-green or canary deployment."""
    seen, down = [], []
    for path in facts.project.yaml_paths:
        for document in facts.project.yaml(path):
            if not isinstance(document, Map):
                continue
            kind = document.get("kind")
            if kind in ("Rollout", "Canary"):
                seen.append(Seen((Evidence(path=path, line=document.line_of("kind"), why=f"a {kind}"),), by=By.PERSON))
            elif kind == "Deployment":
                text = facts.project.text(path)
                if "readinessProbe" in text:
                    seen.append(
                        Seen(
                            (
                                Evidence(
                                    path=path,
                                    line=line_at(text, text.find("readinessProbe")),
                                    why="a rolling update that waits until the service answers",
                                ),
                            ),
                            by=By.PERSON,
                        )
                    )
                else:
                    down.append(
                        Evidence(path=path, line=document.line_of("kind"), why="a deployment without a readiness probe")
                    )
    applied = any(
        run.route.by is By.ITSELF for run in facts.runs(lambda argv: argv[0] in ("kubectl", "helm", "argocd"))
    )
    if applied:
        seen = [Seen(each.evidence, by=By.ITSELF) for each in seen]
    for run in facts.runs(
        lambda argv: "--traffic" in " ".join(argv) or "--no-traffic" in argv or "update-traffic" in argv
    ):
        if run.route.start.workflow is not None:
            seen.append(seen_run(run))
    return conclude("progressive-rollout", seen, turned_down=down if not seen else ())


@probe("release-on-demand")
def release_on_demand(facts: Facts) -> Finding:
    """Releases at least weekly in the last 90 days of the history, brought out by CI."""
    from windlass.assessment.probes.delivery import service_cd

    history = facts.project.history
    if not history.commits:
        return conclude("release-on-demand", ())
    newest = history.commits[0].at
    recent = [name for name, at in history.tags if 0 <= (newest - at).days <= 90 and re.match(r"v?\d", name)]
    deploy = service_cd(facts)
    if len(recent) >= 12 and deploy.state.holds:
        place = Evidence(path=".git", line=1, why=f"{len(recent)} releases in the last 90 days of the history")
        return conclude("release-on-demand", [Seen((place, *deploy.evidence[:2]), by=By.ITSELF)])
    down = [
        Evidence(
            path=".git",
            line=1,
            why=f"{len(recent)} releases in the last 90 days of the history, of the 12 that a week each makes",
        )
    ]
    return conclude("release-on-demand", (), turned_down=down)


@probe("release-cadence")
def release_cadence(facts: Facts) -> Finding:
    """Models are released at least monthly, as tags or commits of a machine show."""
    history = facts.project.history
    if not history.commits:
        return conclude("release-cadence", ())
    newest = history.commits[0].at
    models = [name for name, at in history.tags if 0 <= (newest - at).days <= 90 and (re.search(r"model|#|@v", name))]
    bots = [
        commit
        for commit in history.commits
        if re.search(r"bot\b|\[bot\]|actions", commit.author)
        and (newest - commit.at).days <= 90
        and re.search(r"model|retrain|promot|cycle|champion", commit.subject, re.IGNORECASE)
    ]
    if len(models) >= 3 or len(bots) >= 3:
        place = Evidence(
            path=".git",
            line=1,
            why=f"{len(models)} model tags and {len(bots)} commits of a machine about models in 90 days",
        )
        return conclude("release-cadence", [Seen((place,), by=By.ITSELF)])
    return conclude("release-cadence", ())
