"""Azure Pipelines: stages, jobs, steps, and templates of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from windlass.assessment.automation.workflow import Job, Step, Trigger, Workflow, mapping, maps, script, text_of, words
from windlass.assessment.reading.shell import Command
from windlass.assessment.reading.yaml import Map

Fetch = Callable[[str], Any]
_DEEPEST = 6


def read_azure(path: str, document: Any, fetch: Fetch) -> Workflow | None:
    """A pipeline; `fetch` gives the document of a template, relative to the pipeline or to the repository."""
    top = mapping(document)
    if not ({"stages", "jobs", "steps", "extends"} & set(top)) or "inputs" in top:
        return None
    return Workflow(
        path=path,
        system="Azure Pipelines",
        name=text_of(top.get("name")) or path,
        triggers=_triggers(top),
        jobs=tuple(_jobs(top, fetch, 0)),
    )


def _triggers(top: Map) -> tuple[Trigger, ...]:
    found: list[Trigger] = []
    trigger = top.get("trigger", "implied")
    if trigger is not None and words(trigger) != ("none",):
        paths = words(mapping(mapping(trigger).get("paths")).get("include"))
        found.append(Trigger(kind="push", line=top.line_of("trigger"), paths=paths))
    if top.get("pr", "none") != "none":
        found.append(Trigger(kind="pull_request", line=top.line_of("pr")))
    found += [
        Trigger(kind="schedule", line=each.line, detail=text_of(each.get("cron")))
        for each in maps(top.get("schedules"))
    ]
    resources = mapping(top.get("resources"))
    for each in [*maps(resources.get("pipelines")), *maps(resources.get("webhooks"))]:
        if each.get("trigger"):
            found.append(Trigger(kind="workflow_run", line=each.line))
    return tuple(found) or (Trigger(kind="dispatch", line=top.line_of("trigger"), detail="trigger: none"),)


def _jobs(owner: Map, fetch: Fetch, depth: int) -> Iterator[Job]:
    if depth > _DEEPEST:
        return
    for each in [*maps(owner.get("stages")), *maps(owner.get("jobs")), *maps(owner.get("extends"))]:
        if "template" in each:
            yield from _jobs(mapping(fetch(text_of(each.get("template")))), fetch, depth + 1)
        elif "stage" in each:
            yield from _jobs(each, fetch, depth + 1)
        else:
            yield _job(each, fetch, depth)
    if isinstance(owner.get("steps"), list):
        yield _job(owner, fetch, depth)


def _job(job: Map, fetch: Fetch, depth: int) -> Job:
    name = text_of(job.get("job")) or text_of(job.get("deployment")) or text_of(job.get("displayName")) or "job"
    steps = list(_steps(job, fetch, depth))
    for hook in mapping(mapping(job.get("strategy"))).values():
        for phase in mapping(hook).values():
            steps += list(_steps(mapping(phase), fetch, depth))
    if any(map(_fails_on_results, steps)):
        steps = [replace(each, commands=tuple(map(_reported, each.commands))) for each in steps]
    environment = job.get("environment")
    return Job(
        name=name,
        line=job.line,
        needs=words(job.get("dependsOn")),
        condition=text_of(job.get("condition")),
        environment=text_of(environment) or text_of(mapping(environment).get("name")),
        steps=tuple(steps),
    )


def _fails_on_results(step: Step) -> bool:
    """Whether a step publishes what tests wrote down, and fails if one of them failed."""
    fails = step.given.get("failTaskOnFailedTests", "").lower() == "true"
    return fails and step.uses.startswith("PublishTestResults")


def _reported(command: Command) -> Command:
    """Tests that write their results down for such a step: that their own answer is lost stops nothing from failing."""
    writes = any(word.startswith(("--junitxml", "--junit-xml")) for word in command.argv)
    return replace(command, swallowed="") if writes else command


def _steps(owner: Map, fetch: Fetch, depth: int) -> Iterator[Step]:
    if depth > _DEEPEST:
        return
    for step in maps(owner.get("steps")):
        if "template" in step:
            yield from _steps(mapping(fetch(text_of(step.get("template")))), fetch, depth + 1)
            continue
        given = {key: text_of(value) for key, value in mapping(step.get("inputs")).items()}
        commands = (*script(step, "script"), *script(step, "bash"), *script(step, "pwsh"), *script(step, "powershell"))
        inputs = mapping(step.get("inputs"))
        for key in ("inlineScript", "script", "arguments"):
            commands += script(inputs, key) if key in inputs else ()
        yield Step(
            line=step.line,
            name=text_of(step.get("displayName")),
            uses=text_of(step.get("task")),
            given=given,
            commands=commands,
            condition=text_of(step.get("condition")),
            swallowed="continueOnError" if step.get("continueOnError") is True else "",
            folder=text_of(step.get("workingDirectory")),
        )
