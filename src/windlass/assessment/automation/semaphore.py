"""Semaphore and Buildkite."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from typing import Any

from windlass.assessment.automation.workflow import Job, Step, Trigger, Workflow, mapping, maps, script, text_of, words
from windlass.assessment.reading.yaml import Map

_PUSH = (Trigger(kind="push", line=1),)
_BY_HAND = (Trigger(kind="dispatch", line=1),)
_MOST_PROMOTED = 20


def read_semaphore(path: str, document_of: Callable[[str], Any]) -> Iterator[Workflow]:
    """Semaphore: blocks of jobs, and the files that it promotes to, by itself or when a person says so."""
    waiting, known = [(path, _PUSH)], set[str]()
    while waiting and len(known) < _MOST_PROMOTED:
        here, triggers = waiting.pop(0)
        top = mapping(document_of(here))
        if here in known:
            continue
        known.add(here)
        before = mapping(mapping(top.get("global_job_config")).get("prologue"))
        jobs = tuple(job for block in maps(top.get("blocks")) for job in _block(block, before))
        if jobs:
            yield Workflow(path=here, system="Semaphore", name=here, triggers=triggers, jobs=jobs)
        for each in maps(top.get("promotions")):
            itself = triggers == _PUSH and ("auto_promote" in each or "auto_promote_on" in each)
            there = posixpath.join(posixpath.dirname(path), text_of(each.get("pipeline_file")))
            waiting.append((posixpath.normpath(there), _PUSH if itself else _BY_HAND))


def _block(block: Map, before: Map) -> Iterator[Job]:
    task = mapping(block.get("task"))
    first = (before, mapping(task.get("prologue")))
    for job in maps(task.get("jobs")):
        commands = tuple(command for owner in (*first, job) for command in script(owner, "commands"))
        step = Step(line=job.line, name=text_of(job.get("name")), commands=commands)
        needs = words(block.get("dependencies"))
        yield Job(name=text_of(block.get("name")), line=block.line, steps=(step,), needs=needs)


def read_buildkite(path: str, document: Any) -> Workflow | None:
    """Buildkite: steps with commands; what follows a step that blocks waits for a person."""
    listed = document if isinstance(document, list) else mapping(document).get("steps")
    jobs: list[Job] = []
    held = False
    for step in _flat(listed):
        held |= "block" in step or "input" in step
        commands = (*script(step, "command"), *script(step, "commands"))
        if commands:
            swallowed = "soft_fail: true" if text_of(step.get("soft_fail")) == "true" else ""
            one = Step(line=step.line, name=text_of(step.get("label")), commands=commands, swallowed=swallowed)
            name = text_of(step.get("key")) or text_of(step.get("label"))
            jobs.append(Job(name=name, line=step.line, steps=(one,), manual=held))
    return Workflow(path=path, system="Buildkite", name=path, triggers=_PUSH, jobs=tuple(jobs)) if jobs else None


def _flat(listed: Any) -> Iterator[Map]:
    for step in maps(listed):
        if "group" in step:
            yield from maps(step.get("steps"))
        else:
            yield step
