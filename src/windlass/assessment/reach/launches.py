"""What a call of Python starts as a command of its own."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from windlass.assessment.modules import Key, Modules
from windlass.assessment.reading.code import Call, Function, last_of
from windlass.assessment.reading.shell import LAUNCHERS, Command, names_program, read_shell

_FILES = frozenset({"execute_notebook", "run_path"})
_MODULES = frozenset({"runpy.run_module"})
_OPERATORS = {
    "BashOperator": "bash_command",
    "shell_task": "command",
    "ShellOperation": "command",
    "SSHOperator": "command",
    "DockerOperator": "command",
    "CommandStep": "command",
}
"""Steps of engines to what they are given as a command."""
_IN_PODS = frozenset({"KubernetesPodOperator", "GKEStartPodOperator", "EksPodOperator"})
_RUN_A_FILE = {
    "SparkSubmitOperator": "application",
    "PapermillOperator": "input_nb",
    "PythonScriptStep": "script_name",
    "EstimatorStep": "estimator_entry_script",
    "ScriptRunConfig": "script",
}
"""Steps of engines to what names the file that they run."""
_JOBS = {"EcsRunTaskOperator": ("aws", "ecs", "run-task")}
"""Steps of engines that have a platform run an image, to the command that does the same."""
_JOB_OF_AZURE = "azure.ai.ml.command"
_PROJECTS = frozenset({"mlflow.run", "mlflow.projects.run"})


RUNS = frozenset({"run", "execute", "launch", "spawn"})
"""Words by which a call says that it runs what it is told."""
_SCRIPT = re.compile(r"[\w./{}-]+\.(py|sh|ipynb)")


_FILES_OF_JOBS = frozenset({"load_component", "load_job", "load_component_from_file"})
"""Of Azure ML and Kubeflow: they read the file of a job or of one of its steps."""


@lru_cache(maxsize=1 << 16)
def may_launch(name: str) -> bool:
    """Whether a call of this name can start a command."""
    last = last_of(name)
    return (
        name in LAUNCHERS
        or name in _PROJECTS
        or name == _JOB_OF_AZURE
        or name in _MODULES
        or last in _FILES
        or last in _OPERATORS
        or last in _IN_PODS
        or last in _RUN_A_FILE
        or last in _FILES_OF_JOBS
        or last in _JOBS
    )


def told_in(call: Call) -> str:
    """The command, or the file, that a call of Python's own is told, or ""."""
    if call.name not in LAUNCHERS:
        return (next(iter(call.args), "") or "") if call.last in _FILES or call.name in _MODULES else ""
    words = call.args if call.last == "create_subprocess_exec" else call.args[:1]
    return " ".join(word or "{}" for word in words) or call.kwarg("args") or ""


def named_files(call: Call) -> tuple[str, ...]:
    """The arguments of a call by which it names the file that it runs, and its folder."""
    own = _RUN_A_FILE.get(call.last)
    return () if own is None else (own, "source_directory")


def launched_by(call: Call) -> Iterator[Command]:
    """The commands that a call starts: a text, a list of words, a script or a notebook by its path."""
    text, told = "", told_in(call)
    if call.name in LAUNCHERS:
        text = told
    elif call.last in _IN_PODS:
        text = " ".join(filter(None, (call.kwarg("cmds"), call.kwarg("arguments"))))
    elif call.last in _OPERATORS:
        text = call.kwarg(_OPERATORS[call.last]) or ""
    elif script := call.kwarg(_RUN_A_FILE.get(call.last, "")):
        folder = call.kwarg("source_directory") or ""
        yield Command(argv=("python", posixpath.join(folder.strip("{}"), script)), line=call.line)
    elif call.last in _FILES_OF_JOBS:
        named = next((arg for arg in call.args if arg), "") or call.kwarg("source") or ""
        yield Command(argv=("az", "ml", "job", "create", "--file", named), line=call.line)
    elif call.name in _PROJECTS:
        given = [*call.args, None, None]
        entry = given[1] or call.kwarg("entry_point") or "main"
        yield Command(argv=("mlflow", "run", given[0] or call.kwarg("uri") or ".", "-e", entry), line=call.line)
    elif call.last in _JOBS:
        yield Command(argv=_JOBS[call.last], line=call.line)
    elif told:
        yield Command(argv=("python", *(["-m"] if call.name in _MODULES else []), told), line=call.line)
    elif call.name == _JOB_OF_AZURE:
        folder = (call.kwarg("code") or "").removeprefix("./")
        yield from (replace(each, folder=folder) for each in read_shell(call.kwarg("command") or "", call.line))
    if text.startswith(("{}", "sys.executable")):  # the interpreter, whatever its name is
        text = f"python{text.removeprefix('sys.executable').removeprefix('{}')}"
    if text:
        yield from _with_settings(call.kwarg("env") or "", read_shell(text, call.line))


def _with_settings(told: str, commands: list[Command]) -> list[Command]:
    """Commands with what the call puts into their environment, a `NAME=value` on each line."""
    given = tuple((name, value) for name, _, value in (line.partition("=") for line in told.splitlines()) if value)
    return [replace(each, given=(*given, *each.given)) for each in commands] if given else commands


def is_launcher(function: Function) -> bool:
    """Whether a function starts commands."""
    return any(may_launch(call.name) for call in function.calls)


def scripts_in(call: Call) -> list[Command]:
    """The scripts and commands that a call names: `run_job("train.py")`, `run(["gcloud", "run", "deploy", name])`.

    It starts them if that function starts commands.
    """
    found: list[Command] = []
    for value in call.values:
        if value and _SCRIPT.fullmatch(value):
            found.append(Command(argv=("bash" if value.endswith(".sh") else "python", value), line=call.line))
        elif value and names_program(value):
            found += read_shell(value, call.line)
    return found


def mains_in(modules: Modules, call: Call, path: str) -> list[Key]:
    """`run_module("team.train")`: what a module does when it is run, by the name of it."""
    found: list[Key] = []
    for value in call.values:
        if "." in value and value.replace(".", "").isidentifier():
            home = modules.path_of(value, seen_from=path)
            if home is not None and "<main>" in modules.by_path[home].functions:
                found += [(home, ""), (home, "<main>")]
    return found
