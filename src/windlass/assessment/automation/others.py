"""CircleCI, Cloud Build, CodeBuild, Travis, Bitbucket, Drone, Woodpecker and Jenkins."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from windlass.assessment.automation.workflow import (
    Job,
    Step,
    Trigger,
    Workflow,
    mapping,
    maps,
    script,
    text_of,
    told,
    words,
)
from windlass.assessment.reading.lines import line_at
from windlass.assessment.reading.shell import Command, read_shell
from windlass.assessment.reading.yaml import Items, Map

_PUSH = (Trigger(kind="push", line=1),)


def read_circle(path: str, document: Any) -> Workflow | None:
    """CircleCI: jobs, their commands, and the workflows that run them."""
    top = mapping(document)
    shared = mapping(top.get("commands"))
    scheduled, held = set[str](), set[str]()
    needs: dict[str, tuple[str, ...]] = {}
    orbs: list[Job] = []
    flows = [mapping(flow) for flow in mapping(top.get("workflows")).values() if isinstance(flow, Map)]
    for flow in flows:
        cron = any("schedule" in each for each in maps(flow.get("triggers")))
        waits: set[str] = set()
        for name, about in _circle_jobs(flow):
            needs[name] = words(about.get("requires"))
            if about.get("type") == "approval":
                waits.add(name)
            if set(needs[name]) & waits:
                held.add(name)
            if cron:
                scheduled.add(name)
            if "/" in name:
                orbs.append(_orb(name, about, flow.line, held=name in held))
    jobs = tuple(
        Job(
            name=name,
            line=job.line,
            needs=needs.get(name, ()),
            manual=name in held,
            triggers=(Trigger(kind="schedule", line=job.line),) if name in scheduled else (),
            steps=tuple(step for each in job.get("steps") or () for step in _circle_steps(each, shared, job.line)),
        )
        for name, job in mapping(top.get("jobs")).items()
        if isinstance(job, Map) and (name in needs or not flows)
    )
    jobs += tuple(orbs)
    return Workflow(path=path, system="CircleCI", name=path, triggers=_PUSH, jobs=jobs) if jobs else None


def _circle_jobs(flow: Map) -> Iterator[tuple[str, Map]]:
    """The jobs that a workflow names, with what it says of each: one that none names does not run."""
    for each in flow.get("jobs") or ():
        if isinstance(each, str):
            yield each, Map(flow.line)
        for name, about in mapping(each).items():
            yield name, mapping(about)


def _orb(name: str, about: Map, line: int, *, held: bool) -> Job:
    """A whole job of an orb: `aws-ecr/build-and-push-image`."""
    given = {key: text_of(value) for key, value in about.items()}
    step = Step(line=about.line if about else line, uses=name, given=given)
    return Job(name=name, line=step.line, needs=words(about.get("requires")), manual=held, steps=(step,))


def _circle_steps(step: Any, shared: Map, line: int) -> list[Step]:
    if isinstance(step, str):
        inner = mapping(shared.get(step)).get("steps") or ()
        return [each for deeper in inner for each in _circle_steps(deeper, Map(1), line)]
    found: list[Step] = []
    for name, about in mapping(step).items():
        if name == "run":
            run = about if isinstance(about, Map) else step
            key = "command" if isinstance(about, Map) else "run"
            folder = text_of(mapping(about).get("working_directory"))
            found.append(Step(line=run.line, name=name, commands=script(run, key), folder=folder))
        elif name in shared:
            found += _circle_steps(name, shared, line)
        else:
            given = {key: text_of(value) for key, value in mapping(about).items()}
            found.append(Step(line=step.line, uses=name, given=given))
    return found


def submitted(argv: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """The file that `gcloud builds submit --config x.yaml --substitutions=_IMAGE=churn` names, and what it puts in."""
    config = next((word.removeprefix("--config=") for word in argv if word.endswith((".yml", ".yaml"))), "")
    given = [word.partition("=")[2] for word in argv if word.startswith("--substitutions=")]
    given += [value for option, value in pairwise(argv) if option == "--substitutions"]
    pairs = (each.partition("=") for text in given for each in text.split(","))
    return config, {name: value for name, _, value in pairs}


def read_cloud_build(path: str, document: Any, given: Mapping[str, str] | None = None) -> Workflow | None:
    """Google Cloud Build: each step is an image with arguments; `given` is what its caller puts in."""
    top = mapping(document)
    values = {name: text_of(value) for name, value in mapping(top.get("substitutions")).items()} | dict(given or {})
    steps = [_substituted(_cloud_step(step), values) for step in maps(top.get("steps")) if "name" in step]
    if not steps:
        return None
    if words(top.get("images")):
        steps.append(
            Step(line=top.line_of("images"), commands=(Command(argv=("docker", "push"), line=top.line_of("images")),))
        )
    # The file does not say what starts it; the trigger lives in the console. A pushed commit does, as a rule.
    job = Job(name="build", line=1, steps=tuple(steps))
    return Workflow(path=path, system="Cloud Build", name=path, triggers=_PUSH, jobs=(job,))


_SUBSTITUTED = re.compile(r"\$\{?(_[A-Z0-9_]+)\}?")


def _substituted(step: Step, values: Mapping[str, str]) -> Step:
    """A step with what its caller, or its file by default, puts in the place of `${_IMAGE}`."""

    def fill(word: str) -> str:
        return _SUBSTITUTED.sub(lambda found: values.get(found[1]) or found[0], word)

    commands = (replace(each, argv=tuple(map(fill, each.argv))) for each in step.commands)
    return replace(step, commands=tuple(commands)) if values else step


def _cloud_step(step: Map) -> Step:
    image = text_of(step.get("name"))
    tool = image.rpartition("/")[2].partition(":")[0]
    entry = text_of(step.get("entrypoint")) or {"cloud-sdk": "", "docker": "docker"}.get(tool, tool)
    args = words(step.get("args"))
    if "script" in step:
        commands = script(step, "script")
    elif entry in ("bash", "sh", "/bin/bash", "/bin/sh") and args:
        line = step["args"].lines[-1] if isinstance(step.get("args"), Items) and step["args"].lines else step.line
        commands = tuple(read_shell(args[-1], line))
    else:
        commands = (Command(argv=tuple(each for each in (entry, *args) if each), line=step.line),)
    return Step(
        line=step.line, name=text_of(step.get("id")), uses=image, commands=commands, folder=text_of(step.get("dir"))
    )


def read_code_build(path: str, document: Any) -> Workflow | None:
    """AWS CodeBuild: phases with commands."""
    phases = mapping(mapping(document).get("phases"))
    steps = tuple(
        Step(line=phase.line, name=name, commands=script(phase, "commands"))
        for name, phase in phases.items()
        if isinstance(phase, Map)
    )
    job = Job(name="build", line=1, steps=steps)
    return Workflow(path=path, system="CodeBuild", name=path, triggers=_PUSH, jobs=(job,)) if steps else None


def read_travis(path: str, document: Any) -> Workflow | None:
    """Travis CI: one job of scripts, or those that it takes in."""
    top = mapping(document)
    table = mapping(top.get("jobs")) or mapping(top.get("matrix"))
    steps = tuple(step for each in (top, *maps(table.get("include"))) for step in _travis_steps(each))
    if text_of(top.get("language")).lower() == "r" and not any(step.name == "script" for step in steps):
        unsaid = Command(argv=("R", "CMD", "check"), line=top.line_of("language"))
        steps += (Step(line=unsaid.line, name="script", commands=(unsaid,)),)
    job = Job(name="build", line=1, steps=steps)
    return Workflow(path=path, system="Travis CI", name=path, triggers=_PUSH, jobs=(job,)) if steps else None


def _travis_steps(owner: Map) -> Iterator[Step]:
    for name in ("before_install", "install", "before_script", "script", "after_success"):
        if name in owner:
            yield Step(line=owner.line_of(name), name=name, commands=script(owner, name))
    for each in maps(owner.get("deploy")):
        given = {key: text_of(value) for key, value in each.items()}
        called = f"travis/{given['provider']}" if given.get("provider") else ""
        yield Step(line=each.line, name="deploy", uses=called, given=given, commands=script(each, "script"))


def read_bitbucket(path: str, document: Any) -> Workflow | None:
    """Bitbucket Pipelines: steps by branch, pull request, tag, or by hand."""
    kinds = {
        "default": "push",
        "branches": "push",
        "pull-requests": "pull_request",
        "tags": "tag",
        "custom": "dispatch",
    }
    jobs = []
    for name, about in mapping(mapping(document).get("pipelines")).items():
        for step in _bitbucket_steps(about):
            kind = kinds.get(name, "push")
            jobs.append(
                Job(
                    name=text_of(step.get("name")) or name,
                    line=step.line,
                    manual=step.get("trigger") == "manual",
                    triggers=(Trigger(kind=kind, line=step.line),),
                    steps=(Step(line=step.line, commands=script(step, "script")), *_pipes(step)),
                )
            )
    return Workflow(path=path, system="Bitbucket", name=path, triggers=_PUSH, jobs=tuple(jobs)) if jobs else None


def _pipes(step: Map) -> Iterator[Step]:
    """What a step calls by its name: `pipe: atlassian/aws-ecs-deploy:1.0`."""
    for each in maps(step.get("script")):
        given = {key: text_of(value) for key, value in mapping(each.get("variables")).items()}
        yield Step(line=each.line, uses=text_of(each.get("pipe")), given=given)


def _bitbucket_steps(value: Any) -> list[Map]:
    if isinstance(value, list):
        return [step for each in value for step in _bitbucket_steps(each)]
    if isinstance(value, Map):
        if "script" in value:
            return [value]
        return [step for each in value.values() for step in _bitbucket_steps(each)]
    return []


_DRONE_EVENTS = {"pull_request": "pull_request", "tag": "tag", "cron": "schedule"}
_DRONE_BY_HAND = frozenset({"promote", "rollback", "custom", "manual", "deployment"})


def read_drone(path: str, documents: Sequence[Any]) -> Workflow | None:
    """Drone, a pipeline for each document, and Woodpecker: steps are images with commands, or plugins with settings."""
    jobs: list[Job] = []
    for top in map(mapping, documents):
        steps = top.get("steps") or top.get("pipeline")
        named = list(steps.items()) if isinstance(steps, Map) else [("", each) for each in maps(steps)]
        triggers = _drone_triggers(top.get("trigger") or top.get("when"), top.line) or _PUSH
        pipeline = text_of(top.get("name")) or "pipeline"
        always: list[Step] = []
        for name, step in named:
            read = _drone_step(name, mapping(step))
            own = _drone_triggers(mapping(step).get("when"), read.line)
            if own:  # it runs on events of its own
                jobs.append(Job(name=read.name, line=read.line, triggers=own, steps=(read,)))
            else:
                always.append(read)
        if always:
            jobs.append(Job(name=pipeline, line=top.line, triggers=triggers, steps=tuple(always)))
    return Workflow(path=path, system="Drone", name=path, triggers=_PUSH, jobs=tuple(jobs)) if jobs else None


def _drone_step(name: str, step: Map) -> Step:
    return Step(
        line=step.line,
        name=text_of(step.get("name")) or name,
        uses=text_of(step.get("image")),
        given={key: text_of(value) for key, value in mapping(step.get("settings")).items()},
        commands=script(step, "commands"),
        swallowed="failure: ignore" if step.get("failure") == "ignore" else "",
    )


def _drone_triggers(given: Any, line: int) -> tuple[Trigger, ...]:
    """What events or references start it; nothing if it says neither."""
    kinds: list[str] = []
    for about in maps(given):
        events, refs = _included(about.get("event")), _included(about.get("ref"))
        kinds += ["dispatch" if each in _DRONE_BY_HAND else _DRONE_EVENTS.get(each, "push") for each in events]
        if not events and (refs or "cron" in about):
            kinds.append("schedule" if "cron" in about else "tag" if all("tags/" in ref for ref in refs) else "push")
    return tuple(Trigger(kind=kind, line=line) for kind in dict.fromkeys(kinds))


def _included(given: Any) -> tuple[str, ...]:
    return words(given) or words(mapping(given).get("include"))


_STAGE = re.compile(r"stage\s*\(\s*['\"](.+?)['\"]\s*\)")
_SH = re.compile(
    r"\b(?:sh|bat|powershell|pwsh)\s*(?:\(\s*)?"
    r"(?:(?:label|returnStatus|returnStdout|encoding)\s*:\s*(?:'[^']*'|\"[^\"]*\"|\w+)\s*,\s*)*"
    r"(?:script\s*:\s*)?(\"\"\"|'''|\"|')(.*?)\1",
    re.DOTALL,
)
_OF_DOCKER = re.compile(r"\bdocker\s*\.\s*(build)\s*\(|\.\s*(push)\s*\(")
"""Steps of the plugin for Docker: `image = docker.build("churn")`, `image.push("latest")`."""
_CRON = re.compile(r"\bcron\s*\(\s*['\"](.+?)['\"]")


_DECLARATIVE = re.compile(r"^\s*pipeline\s*\{", re.MULTILINE)
_STAGES = re.compile(r"\bstages\s*\{")


def read_jenkins(path: str, text: str) -> Workflow | None:
    """A Jenkinsfile, as far as its calls of shells and Docker, stages and cron go; Groovy is not evaluated."""
    bare = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)
    found = [(each.start(2), read_shell(each[2], line_at(bare, each.start(2)))) for each in _SH.finditer(bare)]
    if "docker." in bare:
        found += [
            (each.start(), [Command(argv=("docker", each[1] or each[2]), line=line_at(bare, each.start()))])
            for each in _OF_DOCKER.finditer(bare)
        ]
    if not found or (_DECLARATIVE.search(bare) and not _STAGES.search(bare)):
        return None  # Jenkins refuses a pipeline whose stages stand in nothing
    triggers = [Trigger(kind="push", line=1)]
    cron = _CRON.search(bare)
    if cron is not None:
        triggers.append(Trigger(kind="schedule", line=line_at(bare, cron.start()), detail=cron[1]))
    stages = [(each.start(), each[1]) for each in _STAGE.finditer(bare)]
    settings = list(_settings_of_jenkins(bare))
    steps = []
    for place, commands in sorted(found, key=lambda each: each[0]):
        stage = next((name for begun, name in reversed(stages) if begun < place), "")
        given = {name: value for begun, end, put in settings if begun <= place < end for name, value in put.items()}
        known = told(tuple(commands), {name: (value,) for name, value in given.items()})
        known = tuple(replace(each, given=(*given.items(), *each.given)) for each in known) if given else known
        steps.append(Step(line=line_at(bare, place), name=stage, commands=known))
    job = Job(name="pipeline", line=1, steps=tuple(steps))
    return Workflow(path=path, system="Jenkins", name=path, triggers=tuple(triggers), jobs=(job,))


_ENVIRONMENT = re.compile(r"\benvironment\s*\{([^{}]*(?:\$\{[^{}]*\}[^{}]*)*)\}")
_WITH_ENV = re.compile(r"\bwithEnv\s*\(\s*\[(.*?)\]\s*\)\s*\{", re.DOTALL)
_SETS = re.compile(r"^\s*(\w+)\s*=\s*(['\"])(.*?)\2\s*$", re.MULTILINE)
_PAIR = re.compile(r"(['\"])(\w+)=(.*?)\1")


def _settings_of_jenkins(text: str) -> Iterator[tuple[int, int, dict[str, str]]]:
    """From where to where which variables hold: what a pipeline, a stage or `withEnv` puts into the environment."""
    for block in _ENVIRONMENT.finditer(text):
        yield *_around(text, block.start()), {name: value for name, _, value in _SETS.findall(block[1])}
    for block in _WITH_ENV.finditer(text):
        yield block.end(), _around(text, block.end())[1], {name: value for _, name, value in _PAIR.findall(block[1])}


def _around(text: str, place: int) -> tuple[int, int]:
    """The braces around a place: where they open and where they close."""
    open_braces: list[int] = []
    for found in re.finditer(r"[{}]", text):
        if found[0] == "{":
            open_braces.append(found.start())
        elif open_braces:
            begun = open_braces.pop()
            if begun < place <= found.start():
                return begun, found.start()
    return 0, len(text)
