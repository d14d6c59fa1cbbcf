"""GitHub Actions: workflows, reusable workflows and composite actions."""

from __future__ import annotations

import re
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
from windlass.assessment.reading.shell import Command, names_program
from windlass.assessment.reading.variables import Values
from windlass.assessment.reading.yaml import Map

_KINDS = {
    "push": "push",
    "pull_request": "pull_request",
    "pull_request_target": "pull_request",
    "merge_group": "pull_request",
    "schedule": "schedule",
    "release": "release",
    "create": "tag",
    "deployment": "event",
    "workflow_run": "workflow_run",
    "repository_dispatch": "event",
    "registry_package": "event",
    "workflow_dispatch": "dispatch",
    "workflow_call": "call",
}


def read_github(path: str, document: Any) -> Workflow | None:
    """A workflow or a composite action; None for any other file."""
    top = mapping(document)
    if "runs" in top:
        return _composite(path, top)
    if not isinstance(top.get("jobs"), Map):
        return None
    triggers = _triggers(top)
    defaults = mapping(mapping(top.get("defaults")).get("run"))
    shell = text_of(defaults.get("shell"))
    env = named(top.get("env"))
    jobs = tuple(_job(name, job, shell, env) for name, job in top["jobs"].items() if isinstance(job, Map))
    return Workflow(
        path=path,
        system="GitHub Actions",
        name=text_of(top.get("name")) or path,
        triggers=triggers,
        jobs=tuple(job for job in jobs if job.condition not in ("false", "${{ false }}")),
        folder=text_of(defaults.get("working-directory")),
    )


def refusal(document: Any, flow: Workflow) -> str:
    """Why GitHub refuses the whole file, or "": a trigger within another, `if` with secrets, or a job beside `jobs`."""
    asked = [(job.condition, job.line) for job in flow.jobs]
    asked += [(step.condition, step.line) for job in flow.jobs for step in job.steps]
    for condition, line in asked:
        if _SECRETS.search(condition):
            return f"line {line}: a condition asks for secrets"
    top = mapping(document)
    for name in top:
        if name != "jobs" and {"steps", "runs-on"} & set(mapping(top.get(name))) and "runs" not in top:
            return f"line {top.line_of(name)}: {name} is a job that is none of the jobs"
    on = mapping(top.get("on", top.get("True", top.get("true"))))
    for event in ("push", "pull_request"):
        inside = {"schedule", "workflow_dispatch", "push", "pull_request"} & set(mapping(on.get(event)))
        if inside:
            return f"line {on.line_of(event)}: {min(inside)} stands within {event}"
    return ""


_SECRETS = re.compile(r"(?<![\w'.-])secrets\s*[.\[]")


def _triggers(top: Map) -> tuple[Trigger, ...]:
    declared = top.get("on", top.get("True", top.get("true")))
    line = top.line_of("on")
    if not isinstance(declared, Map):
        return tuple(Trigger(kind=_KINDS.get(name, "event"), line=line, detail=name) for name in words(declared))
    found: list[Trigger] = []
    for name, details in declared.items():
        at = declared.line_of(name)
        kind = _KINDS.get(name, "event")
        if name == "schedule":
            found += [Trigger(kind=kind, line=each.line, detail=text_of(each.get("cron"))) for each in maps(details)]
            continue
        about = mapping(details)
        if kind == "push" and "tags" in about and "branches" not in about:
            kind = "tag"
        found.append(
            Trigger(
                kind=kind,
                line=at,
                paths=words(about.get("paths")),
                detail=", ".join(words(about.get("workflows")))
                or " ".join(words(about.get("branches")) or words(about.get("types")) or words(about.get("tags"))),
            )
        )
    return tuple(found)


def _job(name: str, job: Map, shell: str, env: Values) -> Job:
    known = {**env, **named(job.get("env")), **_matrix(mapping(mapping(job.get("strategy")).get("matrix")))}
    defaults = mapping(mapping(job.get("defaults")).get("run"))
    if any("GITHUB_ENV" in text_of(each.get("run")) for each in maps(job.get("steps"))):
        known[_ANY] = ()
    folder = text_of(defaults.get("working-directory"))
    environment = job.get("environment")
    return Job(
        name=name,
        line=job.line,
        needs=words(job.get("needs")),
        condition=text_of(job.get("if")),
        environment=text_of(mapping(environment).get("name")) or text_of(environment),
        calls=text_of(job.get("uses")),
        swallowed="continue-on-error" if job.get("continue-on-error") is True else "",
        steps=tuple(
            _step(step, folder, text_of(defaults.get("shell")) or shell, known) for step in maps(job.get("steps"))
        ),
        own_machine="self-hosted" in words(job.get("runs-on")),
    )


def _matrix(given: Map) -> Values:
    """What each name of a matrix goes through, as steps ask for it."""
    found = {name: words(values) for name, values in given.items() if name not in ("include", "exclude")}
    for each in maps(given.get("include")):
        for name, value in each.items():
            found[name] = (*found.get(name, ()), *words(value))
    return {f"matrix.{name}": values for name, values in found.items() if values}


_ANSWERS = re.compile(r"pipefail|exit\s+\"?\$\{PIPESTATUS")


def _kept(commands: tuple[Command, ...], text: str, shell: str) -> tuple[Command, ...]:
    """A step with no shell named has no pipefail: what a command answers is lost in a pipe to `tee`."""
    if shell == "bash" or _ANSWERS.search(text):
        return commands
    lost = "its answer is lost in a pipe to tee"
    return tuple(replace(each, swallowed=each.swallowed or lost) if each.piped == "tee" else each for each in commands)


def _step(step: Map, folder: str, shell: str = "bash", known: Values | None = None) -> Step:
    given = {name: text_of(value) for name, value in mapping(step.get("with")).items()}
    condition = text_of(step.get("if"))
    known = {**(known or {}), **named(step.get("env"))}
    if _ANY not in known and (asked := _SET.fullmatch(condition)) and asked[1] not in known:
        condition = "false"  # nothing gives the variable a value
    commands = () if condition in ("false", "${{ false }}") else script(step, "run")
    commands = _kept(commands, text_of(step.get("run")), text_of(step.get("shell")) or shell)
    uses = "" if condition in ("false", "${{ false }}") else text_of(step.get("uses"))
    commands = told((*commands, *_given_to(uses, mapping(step.get("with")))), known)
    return Step(
        line=step.line,
        name=text_of(step.get("name")),
        uses=uses,
        given=given,
        commands=commands,
        condition=condition,
        swallowed="continue-on-error" if step.get("continue-on-error") is True else "",
        folder=text_of(step.get("working-directory")) or folder,
    )


_SET = re.compile(r"(?:\$\{\{\s*)?env\.(\w+)\s*!=\s*''\s*(?:\}\})?")
_ANY = "*"
"""Among the names that a step knows: any other may be there too, since a step before writes some."""


_RUNS_WHAT_IT_IS_GIVEN = {
    "azure/cli": ("inlinescript",),
    "azure/powershell": ("inlinescript",),
    "nick-fields/retry": ("command",),
    "nick-invision/retry": ("command",),
    "addnab/docker-run-action": ("run",),
    "devcontainers/ci": ("runcmd",),
    "wandalen/wretry.action": ("command",),
    "appleboy/ssh-action": ("script",),
    "fifsky/ssh-action": ("command",),
    "garygrossgarten/github-action-ssh": ("command",),
    "jimcronqvist/action-ssh": ("command",),
}
_TELLS_A_CLIENT = {
    "actions-hub/kubectl": ("kubectl", "args"),
    "steebchen/kubectl": ("kubectl", "command"),
    "pulumi/actions": ("pulumi", "command"),
    "cloudflare/wrangler-action": ("wrangler", "command"),
    "fjogeleit/http-request-action": ("curl", "url"),
    "distributhor/workflow-webhook": ("curl", "webhook_url"),
}
"""Actions that hand what they are given to one client, and under which name they are given it."""
_COMMANDS = frozenset({"args", "cmd", "command", "exec", "run"})
"""Names under which others are given whole commands."""


def _given_to(uses: str, given: Map) -> tuple[Command, ...]:
    """The commands that an action is given to run, here or on another machine."""
    name = uses.lower().partition("@")[0]
    if name in _TELLS_A_CLIENT:
        client, asked = _TELLS_A_CLIENT[name]
        return tuple(replace(each, argv=(client, *each.argv)) for each in script(given, asked))
    wanted = _RUNS_WHAT_IT_IS_GIVEN.get(name, ())
    return tuple(
        each
        for key, value in given.items()
        if key.lower() in wanted or (key.lower() in _COMMANDS and names_program(text_of(value).strip()))
        for each in script(given, key)
    )


def _composite(path: str, top: Map) -> Workflow | None:
    runs = mapping(top.get("runs"))
    if "steps" not in runs:
        return None
    steps = tuple(_step(step, "", known={_ANY: ()}) for step in maps(runs.get("steps")))
    return Workflow(
        path=path,
        system="GitHub Actions",
        name=text_of(top.get("name")) or path,
        triggers=(),
        jobs=(Job(name="action", line=runs.line, steps=steps),),
        is_composite=True,
    )
