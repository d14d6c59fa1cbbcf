"""Which files are CI, and of which system: only those in the place where it looks for them are active."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from fnmatch import fnmatch
from typing import Any

from windlass.assessment.automation.azure import read_azure
from windlass.assessment.automation.github import read_github, refusal
from windlass.assessment.automation.gitlab import included_by, read_gitlab
from windlass.assessment.automation.others import (
    read_bitbucket,
    read_circle,
    read_cloud_build,
    read_code_build,
    read_drone,
    read_jenkins,
    read_travis,
)
from windlass.assessment.automation.semaphore import read_buildkite, read_semaphore
from windlass.assessment.automation.workflow import Workflow
from windlass.assessment.reading.tree import Tree
from windlass.assessment.reading.yaml import Map

Documents = Callable[[str], list[Any]]
Reader = Callable[[str, Any], "Workflow | None"]

_GITHUB = re.compile(r"\.github/workflows/[^/]+\.ya?ml")
_GITHUB_ACTION = re.compile(r"(.+/)?action\.ya?ml")
_AZURE_ACTIVE = re.compile(
    r"([^/]*azure-pipelines[^/]*|\.azure-pipelines/.+|\.pipelines/.+|\.azure[-_]?devops/.+)\.ya?ml"
)
_AZURE_ANYWHERE = re.compile(
    r"(.+/)?\.?(azure[-_]?pipelines?|azure[-_]?devops|ado([-_]?pipelines?)?|devops[-_]?pipelines?)/.+\.ya?ml"
)
_AZURE_SAYS_WHEN = re.compile(r"^(trigger|pr|schedules) *:", re.MULTILINE)
_AZURE_STEPS = re.compile(r"\bvmImage *:|^ *- *task *: *\w+@\d", re.MULTILINE)
"""A pipeline of Azure may lie under any name: its definition names the file. These two in one are nobody else's."""
_NAMED: tuple[tuple[re.Pattern[str], Reader], ...] = (
    (re.compile(r"\.circleci/config\.ya?ml"), read_circle),
    (re.compile(r"(.+/)?cloudbuild[^/]*\.ya?ml|(.+/)?\.?cloud-?build/[^/]+\.ya?ml"), read_cloud_build),
    (re.compile(r"buildspec[^/]*\.ya?ml"), read_code_build),
    (re.compile(r"\.travis\.ya?ml"), read_travis),
    (re.compile(r"bitbucket-pipelines\.ya?ml"), read_bitbucket),
    (re.compile(r"\.buildkite/pipeline\.ya?ml"), read_buildkite),
)
_CLOUD_STEPS = re.compile(r"^steps *:", re.MULTILINE)
_CLOUD_IMAGE = re.compile(r"name *: *[\"']?(gcr\.io/|[\w-]+-docker\.pkg\.dev/|\$_)")
_OF_CLOUD_BUILD = frozenset(
    {
        "steps", "images", "substitutions", "options", "timeout", "logsBucket", "serviceAccount", "artifacts", "tags",
        "availableSecrets", "secrets", "queueTtl",
    }
)  # fmt: skip
_AT_THE_TOP = (read_circle, read_travis, read_bitbucket, read_buildkite)
_DRONE = re.compile(r"\.(drone|woodpecker)\.ya?ml|\.woodpecker/[^/]+\.ya?ml")
_BUILD_SPEC = re.compile(r"(.*/)?(buildspec[^/]*|buildspecs?/[^/]+)\.ya?ml")
_GITLAB = re.compile(r"\.gitlab-ci\.ya?ml")
_SEMAPHORE = re.compile(r"\.semaphore/semaphore\.ya?ml")
_MOST_INCLUDED = 40
_ON_ITS_OWN = frozenset({"trigger", "pr", "schedules", "resources"})
"""What only a pipeline says that is none of another's templates."""
_JENKINS = re.compile(r"(.+/)?(jenkinsfile[^/]*|[^/]+\.jenkinsfile)(?<!\.md)", re.IGNORECASE)
_EXAMPLES = re.compile(r"(^|/)(docs?|examples?|samples?|templates?|tests?|archive|old)/", re.IGNORECASE)


_UNFILLED = re.compile(r"\{\{|__cookiecutter|(^|/)__[A-Z][A-Z0-9_]*[A-Z0-9]__")
"""In the path of a template that somebody has yet to fill in."""


def is_heard_at_the_top_alone(path: str) -> bool:
    """Whether a system looks for such a file at the top of a repository and nowhere else."""
    top = (_GITHUB, _GITLAB, _DRONE, _SEMAPHORE, *(pattern for pattern, reader in _NAMED if reader in _AT_THE_TOP))
    return any(pattern.fullmatch(path) for pattern in top)


def active_workflows(tree: Tree, documents: Documents) -> list[Workflow]:
    """Every workflow where its system looks for it, composite actions among them."""
    found: list[Workflow] = []
    for path in tree.sizes:
        if _UNFILLED.search(path):
            continue
        workflow = _read(tree, documents, path)
        if workflow is not None:
            found.append(workflow)
        elif _GITLAB.fullmatch(path):
            found += _gitlab(tree, documents, path)
        elif _SEMAPHORE.fullmatch(path):
            found += read_semaphore(path, lambda here: next(iter(documents(here)), None))
    return found


def _gitlab(tree: Tree, documents: Documents, path: str) -> list[Workflow]:
    """The pipeline and each file of the repository that it takes in, by its name or by a pattern."""
    parts: dict[str, Any] = {}
    waiting = [path]
    while waiting and len(parts) < _MOST_INCLUDED:
        here = waiting.pop(0)
        if here not in parts and (document := next(iter(documents(here)), None)) is not None:
            parts[here] = document
            patterns = included_by(document)
            waiting += [each for each in tree.named(".yml", ".yaml") if any(fnmatch(each, one) for one in patterns)]
    maps = [each for each in parts.values() if isinstance(each, Map)]
    read = [read_gitlab(each, document, maps) for each, document in parts.items()]
    return [flow for flow in read if flow is not None]


def _github(tree: Tree, documents: Documents, path: str) -> Workflow | None:
    for document in documents(path)[:1]:
        flow = read_github(path, document)
        if flow is not None and (why := refusal(document, flow)):
            tree.unread.setdefault(path, f"GitHub refuses the file, and nothing of it runs: {why}")
            return None
        return flow
    return None


def _read(tree: Tree, documents: Documents, path: str) -> Workflow | None:
    if _GITHUB.fullmatch(path) or _GITHUB_ACTION.fullmatch(path):
        return _github(tree, documents, path)
    if _AZURE_ACTIVE.fullmatch(path) or (_AZURE_ANYWHERE.fullmatch(path) and _says_when(documents(path))):
        return _azure(tree, documents, path)
    if _is_azure_by_what_it_says(tree, path):
        return _azure(tree, documents, path)
    if "/" in path and _BUILD_SPEC.fullmatch(path):
        # CodeBuild runs the file that a project of it names, wherever that lies.
        heard = _is_named(tree, path) or _is_seed(tree, path)
        return read_code_build(path, next(iter(documents(path)), None)) if heard else None
    if _JENKINS.fullmatch(path) and not _EXAMPLES.search(path):  # a job of Jenkins says where its file lies
        return read_jenkins(path, tree.text(path) or "")
    drone = read_drone(path, documents(path)) if _DRONE.fullmatch(path) else None
    return drone or _named(documents, path) or _of_cloud_build(tree, documents, path)


def _named(documents: Documents, path: str) -> Workflow | None:
    for pattern, reader in _NAMED:
        if pattern.fullmatch(path):
            return next((flow for each in documents(path)[:1] if (flow := reader(path, each)) is not None), None)
    return None


def _of_cloud_build(tree: Tree, documents: Documents, path: str) -> Workflow | None:
    """A build of Google Cloud may have any name: its steps are images, and what its trigger puts in begins with `_`."""
    if not path.endswith((".yml", ".yaml")) or _EXAMPLES.search(path):
        return None
    text = tree.text(path) or ""
    if not (_CLOUD_STEPS.search(text) and _CLOUD_IMAGE.search(text)):
        return None
    document = next(iter(documents(path)), None)
    plain = isinstance(document, dict) and set(document) <= _OF_CLOUD_BUILD
    return read_cloud_build(path, document) if plain else None


def _says_when(documents: list[Any]) -> bool:
    """Whether a pipeline of Azure says when or on what it runs: it may lie anywhere, and a template says neither."""
    return bool(documents) and isinstance(documents[0], dict) and not _ON_ITS_OWN.isdisjoint(documents[0])


def _is_azure_by_what_it_says(tree: Tree, path: str) -> bool:
    if not path.endswith((".yml", ".yaml")) or path.startswith(".github/") or _EXAMPLES.search(path):
        return False
    text = tree.text(path) or ""
    return bool(_AZURE_SAYS_WHEN.search(text) and _AZURE_STEPS.search(text))


def _is_named(tree: Tree, path: str) -> bool:
    name = "/".join(path.split("/")[-2:])
    declares = (".yml", ".yaml", ".json", ".tf", ".ts", ".py")
    return any(name in (tree.text(each) or "") for each in tree.named(*declares) if each != path)


_SEEDS = re.compile(r"aws[_-]codecommit\b")


def _is_seed(tree: Tree, path: str) -> bool:
    """Whether a stack of CDK fills a repository of its own with the folder: its `buildspec.yml` is at the top there."""
    above = posixpath.basename(posixpath.dirname(posixpath.dirname(path)))
    if not above or posixpath.basename(path) not in ("buildspec.yml", "buildspec.yaml"):
        return False
    stacks = (tree.text(each) or "" for each in tree.named(".py", ".ts") if posixpath.basename(each) != "setup.py")
    return any(f"{above}/" in text and _SEEDS.search(text) for text in stacks)


def _azure(tree: Tree, documents: Documents, path: str) -> Workflow | None:
    def fetch(template: str) -> Any:
        name = template.partition("@")[0].replace("\\", "/").lstrip("/")
        for place in (posixpath.normpath(posixpath.join(posixpath.dirname(path), name)), name):
            if place in tree:
                return next(iter(documents(place)), None)
        # A template names another as seen from itself, and not from the pipeline that takes it in.
        beside = [each for each in tree.sizes if each.endswith(f"/{posixpath.normpath(name).lstrip('./')}")]
        return next(iter(documents(beside[0])), None) if len(beside) == 1 else None

    document = next(iter(documents(path)), None)
    # A template among the pipelines says nothing of when it runs: whoever takes it in does.
    is_template = isinstance(document, dict) and "parameters" in document and _ON_ITS_OWN.isdisjoint(document)
    return None if is_template else read_azure(path, document, fetch)


def template_workflows(tree: Tree, documents: Documents) -> list[Workflow]:
    """Files written like CI that lie where no system looks for them."""
    found: list[Workflow] = []
    for path in tree.sizes:
        if not path.endswith((".yml", ".yaml")) or _GITHUB.fullmatch(path) or _GITHUB_ACTION.fullmatch(path):
            continue
        if not re.search(r"workflow|github|/ci|ci-cd|cicd|pipelines?/", path.lower()):
            continue
        for document in documents(path)[:1]:
            flow = (
                read_github(path, document)
                if isinstance(document, dict) and ("on" in document or "True" in document)
                else None
            )
            if flow is not None:
                found.append(flow)
    return found
