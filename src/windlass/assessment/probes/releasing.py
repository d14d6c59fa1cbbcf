"""Releases: what registers, promotes or deploys a model, and where the ways to it begin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from windlass.assessment.automation.workflow import Job, Workflow
from windlass.assessment.facts import Facts, Place, Seen, Sighting, once, seen_use
from windlass.assessment.modules import Key
from windlass.assessment.probes.deployments import deploy_jobs, in_ci
from windlass.assessment.probes.registry import registrations
from windlass.assessment.probes.verbs import publishes
from windlass.assessment.reach.routes import Route
from windlass.assessment.reading.code import last_of
from windlass.assessment.words import STAGING, parts_of

MOVES = frozenset({"transition_model_version_stage", "set_registered_model_alias"})
"""Move the stage or the alias of a model."""
_RELEASES = frozenset({"promote", "register", "deploy", "pusher", "push", "upload"})
_OF_MODELS = frozenset(
    {"model", "champion", "version", "candidate", "challenger", "best", "promote", "production"}
)  # fmt: skip
_CHANGES = frozenset({"write", "set", "update", "save", "move", "make", "activate", "swap", "replace"})
_SERVING = re.compile(r"serving_endpoints\.(create|update_config)\w*$")


@lru_cache(maxsize=1 << 14)
def _is_release_by_name(name: str) -> bool:
    parts = parts_of(name)
    if parts & _RELEASES and parts & _OF_MODELS:
        return not _is_question(name)
    if parts & {"package", "pack"} and parts & {"deployment", "production", "release"}:
        return not _is_question(name)
    if parts & {"champion", "production", "alias"} and parts & _CHANGES:
        return True
    return name in ("deploy_model", "create_endpoint", "update_endpoint", "begin_create_or_update")


def _is_question(name: str) -> bool:
    return bool(parts_of(name) & {"should", "can", "is", "decide", "check", "evaluate", "ask", "get", "has", "would"})


@once
def releases(facts: Facts) -> tuple[Sighting, ...]:
    """Every call outside of tests that registers, promotes or deploys a model."""
    by_name = facts.named(lambda name: _is_release_by_name(last_of(name)) or _SERVING.search(name))
    found = {id(place[2]): facts.sight(place) for place in by_name}
    found |= {id(each.call): each for each in registrations(facts)}
    found |= {id(place[2]): facts.sight(place) for place in _moved_below(facts) if id(place[2]) not in found}
    return tuple(found.values())


def _moved_below(facts: Facts) -> Iterator[Place]:
    """Calls of what moves the stage or the alias of a model, or has another function of the project move it."""
    moved = (each for each in registrations(facts) if each.call.last in MOVES and each.function.name)
    moving = {each.key for each in moved if not only_proposes(facts, each)}
    moving |= {key for each in tuple(moving) for key in facts.callers(each) if key[0] == each[0] and key[1]}
    for path, name in dict.fromkeys(caller for key in sorted(moving) for caller in facts.callers(key)):
        module = facts.project.modules.by_path[path]
        function = module.functions[name]
        for call in function.calls:
            if not moving.isdisjoint(facts.project.modules.called(call.name, module, function)):
                yield module, function, call


def where_releases_begin(facts: Facts) -> set[str]:
    """The files in which ways begin that register, promote or deploy."""
    starts = {flow.path for flow, _, _ in (*deploy_jobs(facts), *packing_jobs(facts))}
    for key in {each.key for each in releases(facts)}:
        starts |= {begins(route) for route in facts.graph.routes(key)}
    return starts


def begins(route: Route) -> str:
    """Where a way begins: a workflow is one way, and a file of services as many as it has."""
    here = route.start.evidence
    return f"{here.path}:{here.line}" if "service" in route.start.kinds else here.path


@once
def training_workflows(facts: Facts) -> set[str]:
    """The paths of the workflows that train a model."""
    return {
        route.start.workflow.path
        for sighting in facts.training
        for route in facts.graph.routes(sighting.key)
        if route.start.workflow is not None
    }


def trained_before(facts: Facts, flow: Workflow) -> Iterator[Workflow]:
    """The workflows that train and that one follows, through whatever others."""
    training = training_workflows(facts) if any(each.kind == "workflow_run" for each in flow.triggers) else set()
    waiting, seen = [flow], {flow.path}
    while waiting and training:
        asked = (each for each in waiting.pop().triggers if each.kind == "workflow_run")
        names = {name.strip() for each in asked for name in each.detail.split(",")}
        for each in facts.project.workflows:
            if each.name in names and each.path not in seen:
                seen.add(each.path)
                waiting.append(each)
                yield from (each,) if each.path in training else ()


def packing_jobs(facts: Facts) -> Iterator[tuple[Workflow, Job, Seen]]:
    """Jobs that publish an image or a package, in workflows that train."""
    training = training_workflows(facts)
    pushed = [use for use in facts.uses("docker/build-push-action") if use.step.given.get("push", "").lower() == "true"]
    for seen in (*in_ci(facts, publishes), *map(seen_use, pushed)) if training else ():
        start = seen.route.start if seen.route is not None else None
        if (
            start is not None
            and start.workflow is not None
            and start.job is not None
            and start.workflow.path in training
        ):
            yield start.workflow, start.job, seen


_NOT_YET = STAGING | {"candidate", "challenger", "contender", "shadow", "commit", "sha"}


def only_proposes(facts: Facts, sighting: Sighting) -> bool:
    """Whether an alias is moved that marks a model which has still to prove itself, or one is only looked up."""
    call = sighting.call
    if call.last == "Model":
        return True
    if call.last == "transition_model_version_stage":
        stage = call.kwarg("stage") or next(iter(call.args[2:3]), None)
        named_so = set(_constants(facts, sighting.key, stage)) if stage else set()
        return bool(named_so) and all(parts_of(each) & (_NOT_YET | {"archived"}) for each in named_so)
    if "alias" not in parts_of(call.last):
        return False
    named = [each for each in call.args if each and "alias" in parts_of(each)]
    named += [each for each in call.args[1:2] if each and call.last == "set_registered_model_alias"]
    alias = call.kwarg("alias") or next(iter(named), None)
    said = set(_constants(facts, sighting.key, alias)) if alias else set()
    return bool(said) and all(parts_of(each) & _NOT_YET for each in said)


def _constants(facts: Facts, key: Key, value: str, depth: int = 4) -> Iterator[str]:
    """What is written for a value: it itself, or what callers hand over where it is a parameter."""
    parameters = facts.project.modules.function(key).parameters
    if value not in parameters:
        if "." not in value:
            yield value
        return
    modules = facts.project.modules
    for caller in facts.callers(key) if depth else ():
        module, function = modules.by_path[caller[0]], modules.function(caller)
        for call in function.calls:
            if key not in modules.called(call.name, module, function):
                continue
            given = call.kwarg(value) or next(iter(call.args[parameters.index(value) :][:1]), None)
            yield from _constants(facts, caller, given, depth - 1) if given else ()
