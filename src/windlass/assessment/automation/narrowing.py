"""CI of a whole repository, seen from one folder in it."""

from __future__ import annotations

import posixpath
from dataclasses import replace

from windlass.assessment.automation.workflow import Job, Step, Workflow
from windlass.assessment.reading.shell import Command


def narrowed(workflow: Workflow, inside: str) -> Workflow | None:
    """The jobs that do something in the folder `inside`, with their paths taken from there; None if none does."""
    jobs = tuple(job for each in workflow.jobs if (job := _job(each, workflow.folder, inside)) is not None)
    if not jobs:
        return None
    up = "/".join([".."] * (inside.count("/") + 1))
    return replace(workflow, path=f"{up}/{workflow.path}", jobs=jobs, folder="")


def _job(job: Job, folder: str, inside: str) -> Job | None:
    steps = tuple(step for each in job.steps if (step := _step(each, folder, inside)) is not None)
    return replace(job, steps=steps) if steps else None


def _step(step: Step, folder: str, inside: str) -> Step | None:
    commands = tuple(
        kept for each in step.commands if (kept := _command(each, step.folder or folder, inside)) is not None
    )
    given = {key: _bare(value, inside) for key, value in step.given.items()}
    if not commands and given == step.given:
        return None
    return replace(step, commands=commands, given=given, folder="")


def _command(command: Command, folder: str, inside: str) -> Command | None:
    at = posixpath.normpath(posixpath.join(folder or ".", command.folder or "."))
    if at == inside or at.startswith(f"{inside}/"):
        return replace(command, folder=at[len(inside) :].strip("/"))
    argv = tuple(_bare(word, inside) for word in command.argv)
    return replace(command, argv=argv, folder="") if argv != command.argv else None


def _bare(word: str, inside: str) -> str:
    bare = word.removeprefix("./")
    if bare.rstrip("/") == inside:
        return "."
    return bare[len(inside) + 1 :] if bare.startswith(f"{inside}/") else word
