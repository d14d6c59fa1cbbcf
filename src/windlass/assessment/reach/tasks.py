"""What a task runner runs."""

from __future__ import annotations

import posixpath

from windlass.assessment.modules import Key
from windlass.assessment.project import Project
from windlass.assessment.reach.asked import Asked, Leads
from windlass.assessment.reading.shell import Command

_TASKS = {
    "make": "make", "gmake": "make", "just": "just", "tox": "tox", "nox": "nox", "invoke": "invoke", "inv": "invoke",
    "task": "task", "poe": "poe", "mise": "mise",
}  # fmt: skip
TASK_RUNNERS = frozenset(_TASKS)
_IN_PYTHON = frozenset({"invoke", "nox"})
"""Their tasks are functions, which call the project's own beside the commands that they run."""


def run_task(asked: Asked) -> Leads:
    """`make x`, `tox -e x` and the like."""
    tool = _TASKS[posixpath.basename(asked.argv[0])]
    return _task(asked, tool, asked.rest)


def _task(asked: Asked, tool: str, rest: tuple[str, ...]) -> Leads:
    folder = asked.folder
    names: list[str] = []
    words = list(rest)
    if tool == "mise" and words[:1] in (["run"], ["r"]):
        words.pop(0)
    while words:
        word = words.pop(0)
        if word in ("-C", "--directory") and words and tool == "make":
            folder = posixpath.normpath(posixpath.join(folder, words.pop(0)))
        elif word in ("-e", "-s", "--session", "--env") and words and tool in ("tox", "nox"):
            names += words.pop(0).split(",")
        elif word in ("-f", "--file") and words:
            words.pop(0)
        elif not word.startswith("-") and "=" not in word:
            names.append(word)
    if tool in ("tox", "nox") and not names:
        names = [name for kind, name in asked.project.targets if kind == tool]
    if tool == "make" and not names:
        names = [name for kind, name in asked.project.targets if kind == "make"][:1]
    if tool == "tox":
        names += [*(factor for name in names for factor in name.split("-")), "testenv"]
    found: list[tuple[str, Command]] = []
    functions: list[Key] = []
    for name in names:
        _Collector(asked.project, tool, folder, found, functions).add(name)
    return Leads(commands=tuple(found), functions=tuple(functions))


class _Collector:
    """A task with all that it needs, each once, needs first."""

    def __init__(
        self, project: Project, tool: str, folder: str, found: list[tuple[str, Command]], functions: list[Key]
    ) -> None:
        self.project, self.tool, self.folder = project, tool, folder.strip(".")
        self.found, self.functions = found, functions
        self.seen: set[str] = set()

    def add(self, name: str) -> None:
        if name in self.seen:
            return
        self.seen.add(name)
        targets = self.project.targets.get((self.tool, name), [])
        for target in [each for each in targets if posixpath.dirname(each.path) == self.folder] or targets[:1]:
            for need in target.needs:
                self.add(need)
            self.found += [(target.path, command) for command in target.commands]
            if self.tool in _IN_PYTHON:
                self.functions.append((target.path, name.rpartition(".")[2].replace("-", "_")))


def run_npm(asked: Asked) -> Leads:
    """`npm run x` and its relatives."""
    words = [word for word in asked.rest if not word.startswith("-") and word != "run"]
    if not words:
        return Leads()
    if words[0] in ("test", "t") and ("npm", "test") not in asked.project.targets:
        return Leads(tests="npm test")
    return _task(asked, "npm", (words[0],))
