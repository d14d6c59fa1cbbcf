"""What CI starts: each step of each job, with local actions followed."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from windlass.assessment.automation.conditions import may_run
from windlass.assessment.automation.workflow import Job, Step, Workflow
from windlass.assessment.project import Project
from windlass.assessment.reach.failing import brings, jobs_that_fail, runs_after
from windlass.assessment.reach.routes import Start, by_of, kinds_of
from windlass.assessment.reading.shell import Command
from windlass.assessment.records import Evidence

_INPUT = re.compile(r"\$\{\{\s*inputs\.([\w-]+)\s*\}\}")


@dataclass(frozen=True)
class Started:
    """A step, what starts it, and where it runs."""

    start: Start
    step: Step
    folder: str


def started_by_ci(project: Project) -> list[Started]:
    """Every step of CI that is active, those that need nobody first."""
    flows = [flow for flow in project.workflows if not flow.is_composite]
    actions = {flow.path: flow for flow in project.workflows if flow.is_composite}
    folders = {folder for path in project.expected for folder in _folders_of(path)} | {"", "."}
    found: list[Started] = []
    for flow in flows:
        failing = jobs_that_fail(project, flow)
        callers = tuple(each for each in flows if any(_is_call(job.calls, flow.path) for job in each.jobs))
        for job in flow.jobs:
            kinds = kinds_of(flow, job, callers)
            for place, step in enumerate(job.steps):
                start = _start(flow, job, step, _kinds_of_step(flow, step, kinds), place)
                followed = _followed(step, actions, 0)
                each_folder = [(each, posixpath.join(flow.folder, each.folder).rstrip("/")) for each in followed]
                if not all(folder in folders or _is_made(folder, job) for _, folder in each_folder):
                    break  # it fails, and what comes after it does not run
                if job.name in failing and not runs_after(step, place, failing[job.name]):
                    continue
                found += [Started(start, each, folder) for each, folder in each_folder]
    return sorted(found, key=lambda each: -each.start.by)


def _kinds_of_step(flow: Workflow, step: Step, kinds: tuple[str, ...]) -> tuple[str, ...]:
    """The kinds of what starts a step: of those of its job the ones that its own condition lets through."""
    if flow.system != "GitHub Actions" or not step.condition:
        return kinds
    return tuple(kind for kind in kinds if may_run(step.condition, kind))


def _folders_of(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _is_made(folder: str, job: Job) -> bool:
    """Whether a folder that is not in the tree may be there all the same, since the job brings it."""
    return folder.startswith(("/", "..", "~", "./")) or "$" in folder or any(map(brings, job.steps))


def _is_call(said: str, path: str) -> bool:
    return bool(said) and said.removeprefix("./").partition("@")[0] == path


def _start(flow: Workflow, job: Job, step: Step, kinds: tuple[str, ...], place: int) -> Start:
    label = f"{flow.system} on {', '.join(kinds) or 'nothing'}: job {job.name}"
    label += f", step {step.name}" if step.name else ""
    return Start(
        by=by_of(kinds),
        kinds=kinds,
        evidence=Evidence(path=flow.path, line=step.line, why=label[:200]),
        workflow=flow,
        job=job,
        step=step,
        place=place,
    )


def _followed(step: Step, actions: dict[str, Workflow], depth: int) -> Iterator[Step]:
    """A step, and the steps of the local action that it calls."""
    if step.uses.startswith("pre-commit/action@"):
        step = replace(step, commands=(Command(argv=("pre-commit", "run"), line=step.line),))
    yield step
    if step.uses.startswith("./") and depth < 4:
        stem = posixpath.normpath(step.uses)
        for name in (f"{stem}/action.yml", f"{stem}/action.yaml"):
            for each in actions[name].jobs[0].steps if name in actions else ():
                yield from _followed(_filled(each, step.given), actions, depth + 1)


def _filled(step: Step, given: dict[str, str]) -> Step:
    """A step of an action with what its caller gives in the place of `${{ inputs.x }}`."""

    def fill(text: str) -> str:
        return _INPUT.sub(lambda found: given.get(found[1], found[0]), text)

    commands = tuple(
        replace(command, argv=tuple(fill(word) for word in command.argv)) if given else command
        for command in step.commands
    )
    return replace(step, commands=commands, given={key: fill(value) for key, value in step.given.items()})
