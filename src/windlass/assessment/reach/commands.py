"""What one command leads to: a script, a module, a task, an image, a stage."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from windlass.assessment.modules import Key
from windlass.assessment.project import Project
from windlass.assessment.reach.asked import Asked, Leads, main_of
from windlass.assessment.reach.engines import ENGINES
from windlass.assessment.reach.pythons import TEST_RUNNERS, run_python
from windlass.assessment.reach.tasks import TASK_RUNNERS, run_npm, run_task
from windlass.assessment.reading.shell import Command, read_script, read_shell

_WRAPPERS = {
    "uv": ("run",),
    "poetry": ("run",),
    "pipenv": ("run",),
    "pdm": ("run",),
    "hatch": ("run",),
    "pixi": ("run",),
    "rye": ("run",),
    "conda": ("run",),
    "mamba": ("run",),
    "micromamba": ("run",),
    "coverage": ("run",),
    "uvx": (),
    "pipx": ("run",),
    "xvfb-run": (),
    "dotenv": ("run",),
    "op": ("run",),
    "aws-vault": ("exec",),
    "accelerate": ("launch",),
    "torchrun": (),
    "opentelemetry-instrument": (),
    "ddtrace-run": (),
    "doppler": ("run",),
    "timeout": (),
    "retry": (),
    "nice": (),
    "caffeinate": (),
    "npx": (),
    "bunx": (),
    "eval": (),
    "exec": (),
}
_VALUE_OPTIONS = frozenset(
    {
        "--with", "--extra", "--group", "--python", "-n", "-p", "--name", "--prefix", "--project", "--directory",
        "--env-file", "-f", "--file", "-C", "--source", "--rcfile", "--only-group", "--with-requirements",
        "--nproc_per_node", "-w", "--package",
    }
)  # fmt: skip
_PYTHON = re.compile(r"(?:.*/)?python[\d.]*$|^py$")
_SHELLS = frozenset({"bash", "sh", "zsh", "source", ".", "su"})
_NODE = frozenset({"npm", "yarn", "pnpm", "bun"})
_SERVERS = frozenset(
    {
        "uvicorn", "gunicorn", "hypercorn", "granian", "waitress-serve", "celery", "streamlit", "bentoml", "fastapi",
        "flask", "chainlit", "serve", "functions-framework", "litserve", "dagster", "faust", "rq", "arq",
    }
)  # fmt: skip


def unwrapped(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Without `uv run` and its like before the command proper."""
    for _ in range(4):
        if not argv or argv[0] not in _WRAPPERS:
            return argv
        needed = _WRAPPERS[argv[0]]
        if needed and (len(argv) < 2 or argv[1] not in needed):
            return argv
        rest = list(argv[1 + len(needed) :])
        while rest and (rest[0].startswith("-") or (argv[0] == "timeout" and rest[0][:1].isdigit())):
            option = rest.pop(0)
            if option in ("-m", "--module") and argv[0] in ("coverage", "torchrun", "accelerate", "uv"):
                rest.insert(0, "-m")
                rest.insert(0, "python")
                break
            if option in _VALUE_OPTIONS and rest:
                rest.pop(0)
        if argv[0] in ("coverage", "torchrun", "accelerate") and rest and rest[0] != "python":
            rest.insert(0, "python")
        argv = tuple(rest)
    return argv


def leads_of(project: Project, command: Command, folder: str) -> Leads:
    """Follow one command that runs in `folder`."""
    argv = unwrapped(command.argv)
    if not argv:
        return Leads()
    asked = Asked(project, argv, folder, command)
    leads = _follow(asked) if argv[-1] not in _TELLS_ABOUT_ITSELF else Leads()
    named = tuple(_named_module(asked))
    return replace(leads, functions=(*leads.functions, *named)) if named else leads


def functions_of(project: Project, command: Command, depth: int = 0) -> tuple[Key, ...]:
    """The functions of the project that a command leads to, through whatever other commands."""
    leads = leads_of(project, command, command.folder)
    deeper = (each for _, each in leads.commands) if depth < 4 else ()
    return (*leads.functions, *(key for each in deeper for key in functions_of(project, each, depth + 1)))


_MADE_BY = frozenset({"get_pipeline", "create_pipeline", "build_pipeline", "main", "run"})


def _named_module(asked: Asked) -> Iterator[Key]:
    """`run.py --module-name pipelines.churn`: a module that a program takes in by its name, and what it calls there."""
    for option, value in pairwise(asked.argv):
        if option in ("--module-name", "--module", "--pipeline-module"):
            path = asked.project.modules.path_of(value, seen_from=asked.seen_from)
            if path is not None:
                module = asked.project.modules.by_path[path]
                yield from ((path, name) for name in module.functions if name == "" or name in _MADE_BY)


def _follow(asked: Asked) -> Leads:
    name = posixpath.basename(asked.argv[0])
    if name in TEST_RUNNERS:
        if _ONLY_TELLS & set(asked.rest):
            return Leads()
        outside = any(_lies_outside(asked, word) for word in asked.rest)
        return Leads() if outside else Leads(tests=name, words=asked.rest)
    if _PYTHON.match(asked.argv[0]):
        return run_python(asked)
    for tools, follow in ((TASK_RUNNERS, run_task), (_NODE, run_npm), (_SHELLS, _shell), (_SERVERS, _served)):
        if name in tools:
            return follow(asked)
    if asked.argv[0].endswith(".sh"):
        return _shell(asked)
    return ENGINES.get(name, _script)(asked)


def _handler(asked: Asked) -> Key | None:
    """`CMD ["jobs.train.handler"]` of an image for functions of AWS: what answers an event."""
    name = asked.argv[0]
    if len(asked.argv) > 1 or "." not in name or not name.replace(".", "").isidentifier():
        return None
    key = asked.project.modules.find(name, seen_from=asked.seen_from)
    if key is None or not key[1]:
        return None
    return key if asked.project.modules.function(key).parameters[:2] == ("event", "context") else None


_TELLS_ABOUT_ITSELF = frozenset({"--help", "--version"})
"""With one of these at its end a program says what it is, and does nothing."""
_ONLY_TELLS = frozenset({"--version", "-V", "--help", "-h", "--collect-only", "--co", "--fixtures", "--markers"})
"""With one of these a test runner runs no test."""


def _lies_outside(asked: Asked, word: str) -> bool:
    """Whether a word names a place above the repository, where there is nothing to run: `pytest ../tests`."""
    return word.startswith("../") and posixpath.normpath(posixpath.join(asked.folder, word)).startswith("../")


def _shell(asked: Asked) -> Leads:
    words = (
        [word for word in asked.argv[1:] if not word.startswith("-")]
        if asked.argv[0] in ("bash", "sh", "zsh", "source", ".")
        else [asked.argv[0]]
    )
    if "-c" in asked.argv:  # `bash -c "python train.py"`, `su jovyan -c "python train.py"`
        after = asked.argv[asked.argv.index("-c") + 1 :]
        said = next((word for word in after if not word.startswith("-")), "")
        return Leads(commands=tuple(("", command) for command in read_shell(said)))
    path = asked.path(words[0]) if words else None
    if path is None or path.endswith(".py"):
        return Leads()
    heeds = asked.argv[0] in ("source", ".") or any(re.match(r"-\w*e", word) for word in asked.argv[1:2])
    commands = (read_shell if heeds else read_script)(asked.project.text(path))
    return Leads(commands=tuple((path, command) for command in commands))


def _served(asked: Asked) -> Leads:
    """`uvicorn app.main:app`: the module, and with it its handlers. Flask takes `app.py` if it is told nothing."""
    unsaid = ("app.py", "wsgi.py") if asked.argv[:2] == ("flask", "run") else ()
    for word in (*asked.argv[1:], *unsaid):
        if word.startswith("-") and ":" not in word:
            continue
        dotted = word.partition(":")[0].removesuffix("()")
        path = (
            asked.path(dotted)
            if dotted.endswith(".py")
            else asked.project.modules.path_of(dotted, seen_from=asked.seen_from)
        )
        if path is not None and path in asked.project.modules.by_path:
            return Leads(functions=main_of(asked.project, path))
    return Leads()


def _script(asked: Asked) -> Leads:
    """A console script of the project, or a file that can be run."""
    for tool in ("script", "hatch", "poe", "pdm", "taskipy", "pixi"):
        targets = asked.project.targets.get((tool, asked.argv[0]))
        if targets:
            return Leads(
                commands=tuple(
                    (target.path, Command(argv=(*command.argv, *asked.argv[1:]), line=command.line))
                    for target in targets
                    for command in target.commands
                )
            )
    handler = _handler(asked)
    if handler is not None:
        return Leads(functions=((handler[0], ""), handler))
    path = asked.path(asked.argv[0]) if "/" in asked.argv[0] or asked.argv[0].endswith(".py") else None
    if path is not None and path in asked.project.modules.by_path:
        return Leads(functions=main_of(asked.project, path), words=asked.argv[1:])
    return _shell(replace(asked, argv=("bash", asked.argv[0]))) if path is not None else Leads()
