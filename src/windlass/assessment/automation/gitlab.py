"""GitLab CI: jobs with `script`, templates by `extends`, rules that say when."""

from __future__ import annotations

from collections.abc import Sequence
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
from windlass.assessment.reading.yaml import Map

_RESERVED = frozenset(
    {
        "stages", "variables", "default", "include", "workflow", "cache", "image", "services", "pages",
    }
)  # fmt: skip


def included_by(document: Any) -> list[str]:
    """The files of the same repository that a pipeline takes in."""
    given = mapping(document).get("include")
    named = [text_of(each.get("local")) for each in maps(given)] + [word for word in words(given) if ":" not in word]
    return [name.lstrip("/") for name in named if name]


def read_gitlab(path: str, document: Any, beside: Sequence[Map] = ()) -> Workflow | None:
    """A pipeline, or a file that one takes in; a push starts it unless its rules say otherwise.

    `beside` are the other files of it: what a job extends may stand in any of them.
    """
    top = Map(1)
    for each in (*beside, mapping(document)):
        top.update(each)
    before = [*script(mapping(top.get("default")), "before_script"), *script(top, "before_script")]
    if not {"default", "before_script"} & set(mapping(document)):
        before = [replace(each, line=1) for each in before]
    jobs: list[Job] = []
    for name, given in mapping(document).items():
        if name in _RESERVED or name.startswith(".") or not isinstance(given, Map):
            continue
        job = _extended(given, top)
        commands = (
            *(before if "before_script" not in job else ()),
            *script(job, "before_script"),
            *script(job, "script"),
        )
        if not _stands_in(given, mapping(document)):  # what it runs stands in another file
            commands = tuple(replace(each, line=given.line) for each in commands)
        commands = told(commands, {**named(top.get("variables")), **named(job.get("variables"))})
        if commands:
            jobs.append(_job(name, job, commands))
    if not jobs:
        return None
    return Workflow(
        path=path, system="GitLab CI", name=path, triggers=(Trigger(kind="push", line=1),), jobs=tuple(jobs)
    )


def _stands_in(job: Map, here: Map, depth: int = 0) -> bool:
    """Whether the script of a job is one of its own file."""
    bases = words(job.get("extends")) if depth < 5 else ()
    own = (each in here and _stands_in(mapping(here[each]), here, depth + 1) for each in bases)
    return "script" in job or (bool(bases) and all(own))


def _extended(job: Map, top: Map, depth: int = 0) -> Map:
    merged = Map(job.line)
    for base in words(job.get("extends")) if depth < 5 else ():
        parent = _extended(mapping(top.get(base)), top, depth + 1)
        merged.update(parent)
        merged.lines |= parent.lines
    merged.update(job)
    merged.lines |= job.lines
    return merged


def _job(name: str, job: Map, commands: tuple[Any, ...]) -> Job:
    rules = maps(job.get("rules"))
    conditions = " ".join(text_of(rule.get("if")) for rule in rules)
    manual = job.get("when") == "manual" or (
        bool(rules) and all(rule.get("when") in ("manual", "never") for rule in rules)
    )
    only = " ".join(words(job.get("only")) or words(mapping(job.get("only")).get("refs")))
    kinds = _kinds(f"{conditions} {only}")
    allowed = job.get("allow_failure") is True
    environment = job.get("environment")
    return Job(
        name=name,
        line=job.line,
        needs=words(job.get("needs")) or tuple(text_of(each.get("job")) for each in maps(job.get("needs"))),
        condition=conditions,
        environment=text_of(mapping(environment).get("name")) or text_of(environment),
        manual=manual,
        triggers=tuple(Trigger(kind=kind, line=job.line) for kind in kinds),
        swallowed="allow_failure" if allowed else "",
        steps=(Step(line=job.line, name=name, commands=commands, swallowed="allow_failure" if allowed else ""),),
    )


def _kinds(condition: str) -> list[str]:
    found = []
    if '"schedule"' in condition or "schedules" in condition.split():
        found.append("schedule")
    if "CI_COMMIT_TAG" in condition or "tags" in condition.split():
        found.append("tag")
    if "merge_request" in condition:
        found.append("pull_request")
    if '"trigger"' in condition or '"api"' in condition:
        found.append("event")
    if "CI_COMMIT_BRANCH" in condition or '"push"' in condition:
        found.append("push")
    return found
