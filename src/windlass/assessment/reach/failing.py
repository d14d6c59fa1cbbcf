"""Steps of CI that fail whatever the code is like, since what they ask for is not there: nothing after them runs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from itertools import pairwise

from windlass.assessment.automation.workflow import Job, Step, Workflow
from windlass.assessment.project import Project
from windlass.assessment.reading.shell import Command

_LISTS = re.compile(r"[\w./-]+\.(txt|in)")
_TESTS = re.compile(r"(\./)?[\w./-]*tests?/?|[\w./-]+/|[\w./-]+\.py")
_FLAG = re.compile(r"-[vqxsl]+|-r\w+|--[\w-]+=.*|--(verbose|quiet|exitfirst|no-header|no-cov|strict-markers)")
_ELSEWHERE = frozenset({"pip", "pip3", "echo", "docker", "docker-compose", "podman", "kubectl", "ssh"})
"""What runs nothing of that name, or in files of its own."""
_ANYWAY = re.compile(r"(always|failure|failed|cancelled|succeededOrFailed)\(\)")


def jobs_that_fail(project: Project, flow: Workflow) -> dict[str, int]:
    """The jobs of a workflow that cannot get through, each with its first step that fails; -1 if they do not begin."""
    found = {job.name: place for job in flow.jobs if (place := _fails(project, flow, job)) is not None}
    waiting = list(found)
    while waiting:
        name = waiting.pop()
        for job in flow.jobs:
            if name in job.needs and found.get(job.name) != -1 and not _ANYWAY.search(job.condition):
                found[job.name] = -1
                waiting.append(job.name)
    return found


def _fails(project: Project, flow: Workflow, job: Job) -> int | None:
    if project.outer is not None or job.swallowed or any(map(brings, job.steps)):
        return None
    return next(
        (
            place
            for place, step in enumerate(job.steps)
            if not step.swallowed
            and (
                _lacks_requirements(project, flow, job, place)
                or any(tests_gone(project, flow, step))
                or lacks_for_image(project, flow, job, place)
                or _lacks_described(project, flow, job, place)
            )
        ),
        None,
    )


def brings(step: Step) -> bool:
    """Whether a step puts files beside those of the repository."""
    fetched = step.uses.startswith("actions/download-artifact") or not _FETCHED.isdisjoint(step.given)
    return fetched or any(not _BRINGING.isdisjoint(each.argv[:2]) for each in step.commands)


_FETCHED = frozenset({"path", "repository", "submodules"})
_BRINGING = frozenset({"mkdir", "clone", "unzip", "tar", "cookiecutter", "cp", "mv", "rsync", "submodule"})


def runs_after(step: Step, place: int, failing: int) -> bool:
    """Whether a step runs in a job whose step at `failing` fails, or that does not begin."""
    return place < failing or (0 <= failing < place and bool(_ANYWAY.search(step.condition)))


def _lacks_requirements(project: Project, flow: Workflow, job: Job, place: int) -> bool:
    """Whether a step has pip install what a file lists that nothing of that name is in the tree, so that it fails."""
    folder = posixpath.join(flow.folder, job.steps[place].folder)
    if any(_lacks_project(project, folder, each) for each in _counting(flow, job.steps[place])):
        return True
    lists = {word for each in _counting(flow, job.steps[place]) for word in _listed(each)}
    before = " ".join(each.text for one in job.steps[: place + 1] for each in one.commands if not _listed(each))
    names = {posixpath.basename(word) for word in lists} - {posixpath.basename(path) for path in project.expected}
    return any(name not in before for name in names)


_OF_PROJECTS = frozenset({"pyproject.toml", "setup.py", "setup.cfg"})
_PLAIN_FOLDER = re.compile(r"\.|[\w.-]+(/[\w.-]+)*")
_THIS_FOLDER = re.compile(r"\.(\[[\w,-]+\])?")


def _lacks_project(project: Project, folder: str, command: Command) -> bool:
    """Whether `pip install .` is told to install a project in a folder of the repository where there is none."""
    argv, place = command.argv, posixpath.normpath(posixpath.join(folder, command.folder))
    installs = "install" in argv[:5] and ("pip" in argv[:4] or argv[0] == "pip3")
    if not (installs and _PLAIN_FOLDER.fullmatch(place) and any(_THIS_FOLDER.fullmatch(word) for word in argv)):
        return False
    return not any(posixpath.normpath(posixpath.join(place, name)) in project.expected for name in _OF_PROJECTS)


def _counting(flow: Workflow, step: Step) -> Iterator[Command]:
    """The commands of a step whose failure is its own: scripts of Azure go on after one, and only the last tells."""
    asked = step.commands[-1:] if flow.system == "Azure Pipelines" else step.commands
    yield from (each for each in asked if not each.swallowed)


def _listed(command: Command) -> tuple[str, ...]:
    """The lists that `pip install -r requirements.txt` is given, as far as they are written out."""
    argv = command.argv
    if "pip" not in argv[:3] and argv[0] != "pip3":
        return ()
    return tuple(
        file for option, file in pairwise(argv) if option in ("-r", "--requirement") and _LISTS.fullmatch(file)
    )


def tests_gone(project: Project, flow: Workflow, step: Step) -> Iterator[Command]:
    """The commands that give pytest a file or a folder which is nowhere in the tree."""
    for command in _counting(flow, step):
        argv = command.argv
        if any(_is_nowhere(project, word) for word in _asked_of_unittest(argv)):
            yield command
        start = argv.index("pytest") if "pytest" in argv[:4] else -1
        if start < 0 or argv[0] in _ELSEWHERE or "install" in argv[:start]:
            continue
        given = [
            word.partition("::")[0]
            for before, word in pairwise(argv[start:])
            if not word.startswith("-") and _TESTS.fullmatch(word.partition("::")[0]) and _is_over(before)
        ]
        if any(not _is_there(project, word) for word in given):
            yield command


def _asked_of_unittest(argv: tuple[str, ...]) -> Iterator[str]:
    """The dotted names that `python -m unittest` is told to run."""
    if argv[1:3] == ("-m", "unittest") and argv[0].startswith("python"):
        yield from (word for word in argv[3:] if _DOTTED.fullmatch(word) and not word.endswith(".py"))


_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


def _is_nowhere(project: Project, dotted: str) -> bool:
    """Whether a dotted name begins with a folder of tests that has nothing of the next name."""
    top, name, *_ = dotted.split(".")
    inside = [path.rpartition(f"{top}/")[2] for path in project.expected if f"/{path}".count(f"/{top}/")]
    if not inside or any(each.partition("/")[0] in (name, f"{name}.py") for each in inside):
        return False
    return not any(name in project.text(path) for path in project.expected if path.endswith(f"{top}/__init__.py"))


_DESCRIBED = {
    "aws-actions/amazon-ecs-render-task-definition": "task-definition",
    "aws-actions/amazon-ecs-deploy-task-definition": "task-definition",
    "aws-actions/aws-cloudformation-github-deploy": "template",
    "google-github-actions/deploy-cloudrun": "metadata",
    "azure/k8s-deploy": "manifests",
}
"""Actions, and the input that names the file which says what they bring up."""
_A_FILE = re.compile(r"(\./)?[\w.-]+(/[\w.-]+)*\.(json|ya?ml)")


def _lacks_described(project: Project, flow: Workflow, job: Job, place: int) -> bool:
    """Whether an action is told to bring up what a file describes that is nowhere, and that no command has written."""
    step = job.steps[place]
    file = step.given.get(_DESCRIBED.get(step.uses.partition("@")[0].lower(), ""), "").strip()
    if not _A_FILE.fullmatch(file) or _is_there(project, file):
        return False
    before = "\n".join(project.text(flow.path).splitlines()[job.line - 1 : step.line - 1])
    others = any(each.uses and not _only_prepares(each) for each in job.steps[:place])
    return not others and posixpath.basename(file) not in before


_PREPARES = ("actions/checkout", "actions/setup-", "docker/", "aws-actions/", "google-github-actions/", "azure/")
_MAKES_NOTHING = frozenset({"docker", "az", "aws", "gcloud", "echo", "export", "chmod", "cd", "set", "ls", "pwd"})
_PLAIN = re.compile(
    r"(?!(?:build|dist|site|target|out)(?:/|$))\w[\w-]*(?:/\w[\w-]*)*(?:\.(?:json|pkl|joblib|onnx|h5|csv|py|sh|txt))?"
)


def lacks_for_image(project: Project, flow: Workflow, job: Job, place: int) -> str:
    """What an image takes that is not in the tree, where nothing before the step could have made or fetched it."""
    earlier = job.steps[:place]
    elsewhere = flow.folder or job.steps[place].folder or ".gitmodules" in project.tree
    if elsewhere or any(each.uses and not _only_prepares(each) for each in earlier):
        return ""
    for number, command in enumerate(job.steps[place].commands):
        before = [*(each for step in earlier for each in step.commands), *job.steps[place].commands[:number]]
        if any(each.argv[0] not in _MAKES_NOTHING for each in before):
            return ""
        here = not command.folder and command.argv[-1] in (".", "./")
        if here and command.argv[:2] == ("docker", "build") and not command.swallowed:
            files = [file for option, file in pairwise(command.argv) if option in ("-f", "--file")]
            file = posixpath.normpath(files[0] if files else "Dockerfile")
            taken = [path for image in project.images if image.path == file for path in image.copies]
            gone = (posixpath.normpath(path) for path in taken)
            return next((path for path in gone if _PLAIN.fullmatch(path) and not _starts(project, path)), "")
    return ""


def _only_prepares(step: Step) -> bool:
    """Whether an action brings no file of its own and runs no script that it is given."""
    return step.uses.startswith(_PREPARES) and "inlineScript" not in step.given


def _starts(project: Project, place: str) -> bool:
    """Whether a path is that of a file or of a folder of the tree."""
    return any(f"{path}/".startswith(f"{place}/") for path in project.expected)


def _is_over(word: str) -> bool:
    """Whether an argument asks for no value after it."""
    return not word.startswith("-") or bool(_FLAG.fullmatch(word))


def _is_there(project: Project, word: str) -> bool:
    """Whether something of the tree ends like a path, from wherever it is seen."""
    place = f"/{posixpath.normpath(word).lstrip('./')}"
    return any(f"/{path}".endswith(place) or f"{place}/" in f"/{path}" for path in project.expected)
