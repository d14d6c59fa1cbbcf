"""Schedules that commands set up with the scheduler of a cloud: in scripts, in tasks, and in CI."""

from __future__ import annotations

import re
from collections.abc import Iterator

from windlass.assessment.project import Project
from windlass.assessment.reach.functions import Entry, handlers_named, items_of, routes_asked
from windlass.assessment.reach.routes import By, Start
from windlass.assessment.reading.shell import Command, option, read_shell
from windlass.assessment.records import Evidence

_GOOGLE = (("gcloud", "scheduler", "jobs", "create", "http"), ("gcloud", "scheduler", "jobs", "update", "http"))
_AMAZON = (("aws", "events", "put-rule"), ("aws", "scheduler", "create-schedule"))
_MAKES_A_FUNCTION = (("aws", "lambda", "create-function"), ("aws", "lambda", "update-function-configuration"))
_RUNS_A_JOB = re.compile(r"/jobs/([\w-]+|\$\{?\w+\}?):run\b")


def scheduled_by_clients(project: Project) -> Iterator[Entry]:
    """Each schedule that a command sets up, with the route, the job or the function of the project that it starts."""
    for path, commands in _files(project):
        asked = [each for each in commands if each.argv[:1] in (("gcloud",), ("aws",))]
        made = [option(each.argv, "--handler") for each in asked if each.argv[:3] in _MAKES_A_FUNCTION]
        for command in asked:
            argv = command.argv
            here = Evidence(path=path, line=command.line, why=f"a schedule that {argv[0]} is told to keep")
            start = Start(by=By.ITSELF, kinds=("schedule",), evidence=here)
            if argv[:5] in _GOOGLE and option(argv, "--schedule"):
                yield from _asked(project, start, option(argv, "--uri"), command.line)
            elif any(argv[: len(each)] == each for each in _AMAZON) and option(argv, "--schedule-expression"):
                keys = [key for handler in dict.fromkeys(made) if handler for key in handlers_named(project, handler)]
                if keys and option(argv, "--state") != "DISABLED":
                    yield start, items_of(keys)


def _asked(project: Project, start: Start, address: str, line: int) -> Iterator[Entry]:
    job = _RUNS_A_JOB.search(address)
    if job is not None:
        yield start, (Command(argv=("gcloud", "run", "jobs", "execute", job[1]), line=line),)
    elif items := routes_asked(project, address):
        yield start, items


def _files(project: Project) -> Iterator[tuple[str, list[Command]]]:
    """The commands of each script, of all tasks of a file, and of each workflow, if they name such a client."""
    for path in (*project.named(".sh"), *project.shell_programs):
        if _NAMED.search(project.text(path)):
            yield path, read_shell(project.text(path))
    tasks: dict[str, list[Command]] = {}
    for target in (each for found in project.targets.values() for each in found):
        tasks.setdefault(target.path, []).extend(target.commands)
    yield from ((path, commands) for path, commands in tasks.items() if _NAMED.search(project.text(path)))
    for flow in project.workflows:
        if _NAMED.search(project.text(flow.path)):
            yield flow.path, [each for job in flow.jobs for step in job.steps for each in step.commands]


_NAMED = re.compile(r"gcloud (beta )?scheduler|aws (events put-rule|scheduler create-schedule)")
