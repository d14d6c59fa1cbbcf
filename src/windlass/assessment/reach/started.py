"""What a call starts and does not call: commands, and functions behind a name, a configuration or a description."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from windlass.assessment.modules import Key
from windlass.assessment.project import Project
from windlass.assessment.reach.asked import path_of
from windlass.assessment.reach.clients import flows_named
from windlass.assessment.reach.commands import functions_of
from windlass.assessment.reach.dags import STARTS_A_DAG, dags_asked, dags_started
from windlass.assessment.reach.environment import with_environment, with_words
from windlass.assessment.reach.launches import (
    RUNS,
    is_launcher,
    launched_by,
    mains_in,
    may_launch,
    named_files,
    scripts_in,
    told_in,
)
from windlass.assessment.reach.openapi import operations_of, reads_description
from windlass.assessment.reading.code import Call, Function, Module, last_of
from windlass.assessment.reading.shell import Command
from windlass.assessment.reading.variables import Values
from windlass.assessment.words import parts_of

_MAKES = re.compile(r"hydra\..*(instantiate|call|get_method|get_class|get_object)$")


def _in_settings(project: Project, call: Call, module: Module) -> Iterator[str]:
    """The addresses of `settings.trainer_url` in the file of settings, where what is asked is named alike: `/train`."""
    for value in call.values[:1] if project.answering else ():
        home, _, name = value.rpartition(".")
        key = project.modules.find(home, seen_from=module.path) if home else None
        for text in project.modules.function((key[0], "")).words.split("\n") if key is not None else ():
            found = _ADDRESS.search(text)
            asked = parts_of(found[1]) if found is not None else ()
            if any(len(each) > 3 and part.startswith(each) for each in asked for part in parts_of(name)):
                yield text


_ASKS = re.compile(r"^(requests|httpx|aiohttp|urllib3)\.(\w+\.)*(post|put)$")
_ADDRESS = re.compile(r"https?://[^/\s]+(/[\w./-]*[\w-])/?$")
"""The address of a service, with the path of what it is asked."""


def _asked_for(project: Project, call: Call, module: Module, function: Function) -> Iterator[Key]:
    """The functions of the project's own service that answer where a call sends something."""
    top = module.functions[""].words if "" in module.functions else ""
    texts = (*call.values, *f"{function.words}\n{top}".split("\n"), *_in_settings(project, call, module))
    for path in {found[1] for text in texts if (found := _ADDRESS.search(text)) is not None}:
        yield from (key for key in project.answering.get(path, ()) if key[0] != module.path)


def may_start(name: str) -> bool:
    """Whether a call of this name can start something, whatever it is given."""
    return (
        may_launch(name)
        or reads_description(name)
        or bool(_MAKES.match(name))
        or last_of(name) in STARTS_A_DAG
        or last_of(name) in _RUNS_COMPILED
        or last_of(name) in ("run_deployment", "spec_from_file_location")
        or bool(_ASKS.match(name))
        or bool(parts_of(last_of(name)) & RUNS)
    )


_RUNS_COMPILED = frozenset({"RunPipelineJobOperator"})


def compiled_pipelines(project: Project) -> Iterator[tuple[Key, int]]:
    """Each pipeline of Kubeflow, and its line: a client compiles it from its file, and somebody runs that."""
    for module in project.modules:
        for function in module.functions.values() if "kfp" in module.packages and not module.is_notebook else ():
            if any(each.name.startswith("kfp.") and each.last == "pipeline" for each in function.decorators):
                yield (module.path, function.name), function.line


def started_by(
    project: Project, call: Call, module: Module, function: Function, values: Values
) -> Iterator[Command | Key]:
    """Each command that a call of a function starts, and each function of the project that it has run.

    Where it takes the name of a file from its environment, `values` say what stands there.
    """
    if may_launch(call.name):
        yield from _launched(project, call, values)
    if call.last in STARTS_A_DAG:
        yield from dags_started(project, call, module)
    if call.last == "run_deployment" and "prefect" in module.packages:
        yield from flows_named(project, (next(iter(call.values), "")).partition("/")[0])
    if call.last in _RUNS_COMPILED:
        pipelines = [key for key, _ in compiled_pipelines(project)]
        yield from pipelines if len(pipelines) == 1 else ()  # which of several it is, the environment knows
    if _MAKES.match(call.name):
        yield from project.configured
    if _ASKS.match(call.name):
        yield from _asked_for(project, call, module, function)
        yield from dags_asked(project, module, function)
    if reads_description(call.name):
        yield from operations_of(project, call, module)
    if call.name == "importlib.util.spec_from_file_location":
        file = next(iter(call.args[1:2]), None) or call.kwarg("location") or ""
        path = path_of(project, file, module.path.rpartition("/")[0])
        yield from ((path, "") for _ in range(1) if path in project.modules.by_path)
    scripts, mains = scripts_in(call), mains_in(project.modules, call, module.path)
    if not (scripts or mains):
        return
    called = project.modules.called(call.name, module, function)
    launches = any(is_launcher(project.modules.function(key)) for key in called)
    if launches:
        yield from scripts
    if launches or parts_of(call.last) & RUNS:
        yield from mains


def _launched(project: Project, call: Call, values: Values) -> Iterator[Command]:
    for named in with_environment(project, call, values, *named_files(call)):
        for told in with_words(project, named, told_in(named), values):
            yield from launched_by(told)


def functions_started(project: Project, call: Call, module: Module, function: Function) -> Iterator[Key]:
    """The functions of the project that a call starts, through whatever commands, and whoever starts it."""
    for each in started_by(project, call, module, function, project.environment):
        if isinstance(each, Command):
            beside = module.path.rpartition("/")[0]
            yield from functions_of(project, each) or functions_of(project, replace(each, folder=beside))
        else:
            yield each
