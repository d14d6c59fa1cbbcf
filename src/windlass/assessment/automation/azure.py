"""Azure Pipelines: stages, jobs, steps, and templates of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from windlass.assessment.automation.workflow import (
    Job,
    Step,
    Trigger,
    Workflow,
    mapping,
    maps,
    named,
    script,
    text_of,
    told,
    words,
)
from windlass.assessment.reading.shell import Command
from windlass.assessment.reading.variables import Values, filled
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
        jobs=tuple(_jobs(top, fetch, 0, {})),
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


def _jobs(owner: Map, fetch: Fetch, depth: int, known: Values) -> Iterator[Job]:
    if depth > _DEEPEST:
        return
    known = {**known, **named(owner.get("variables"))}
    for each in [*maps(owner.get("stages")), *maps(owner.get("jobs")), *maps(owner.get("extends"))]:
        if "template" in each:
            inner, given = _template(each, fetch, known)
            yield from _jobs(inner, fetch, depth + 1, given)
        elif "stage" in each:
            yield from _jobs(each, fetch, depth + 1, known)
        else:
            yield _job(each, fetch, depth, known)
    if isinstance(owner.get("steps"), list):
        yield _job(owner, fetch, depth, known)


def _template(call: Map, fetch: Fetch, known: Values) -> tuple[Map, Values]:
    """What a call of a template takes in, and what its parameters are: those that are given, or its defaults."""
    name = filled(text_of(call.get("template")), known)
    inner = mapping(fetch(name))
    declared = {
        text_of(each.get("name")): (filled(text_of(each.get("default")), known),)
        for each in maps(inner.get("parameters"))
    }
    given = {
        name: tuple(filled(each, known) for each in values) for name, values in named(call.get("parameters")).items()
    }
    return inner, {**known, **{name: values for name, values in declared.items() if values[0]}, **given}


def _job(job: Map, fetch: Fetch, depth: int, known: Values) -> Job:
    name = text_of(job.get("job")) or text_of(job.get("deployment")) or text_of(job.get("displayName")) or "job"
    known = {**known, **named(job.get("variables"))}
    steps = list(_steps(job, fetch, depth, known))
    for hook in mapping(mapping(job.get("strategy"))).values():
        for phase in mapping(hook).values():
            steps += list(_steps(mapping(phase), fetch, depth, known))
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


def _steps(owner: Map, fetch: Fetch, depth: int, known: Values) -> Iterator[Step]:
    if depth > _DEEPEST:
        return
    for step in maps(owner.get("steps")):
        if "template" in step:
            inner, parameters = _template(step, fetch, known)
            yield from _steps(inner, fetch, depth + 1, parameters)
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
            commands=told(commands, {**known, **named(step.get("env"))}),
            condition=text_of(step.get("condition")),
            swallowed="continueOnError" if step.get("continueOnError") is True else "",
            folder=filled(text_of(step.get("workingDirectory")), known),
        )
