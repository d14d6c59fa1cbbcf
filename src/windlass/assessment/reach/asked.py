"""A command that is asked where it leads, and the answer."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from windlass.assessment.modules import Key
from windlass.assessment.project import Project
from windlass.assessment.reading.shell import Command


@dataclass(frozen=True)
class Asked:
    """A command, without what only wraps it, and where it runs."""

    project: Project
    argv: tuple[str, ...]
    folder: str
    command: Command

    @property
    def rest(self) -> tuple[str, ...]:
        """What stands after the name of the program."""
        return self.argv[1:]

    @property
    def seen_from(self) -> str:
        """A file in the folder, for imports that are relative to it."""
        return f"{self.folder}/x.py" if self.folder else "x.py"

    def path(self, word: str) -> str | None:
        """The file that a word of the command means."""
        return path_of(self.project, word, self.folder)


@dataclass(frozen=True)
class Leads:
    """Where a command goes on."""

    functions: tuple[Key, ...] = ()
    commands: tuple[tuple[str, Command], ...] = ()
    """(path of the file that they stand in, command)."""
    tests: str = ""
    """The test runner that it is, or ""."""
    words: tuple[str, ...] = ()
    """Arguments that the program gets: they choose its subcommand."""


def main_of(project: Project, path: str) -> tuple[Key, ...]:
    """What runs when a file is run."""
    module = project.modules.by_path[path]
    return tuple((path, name) for name in ("", "<main>") if name in module.functions)


_OF_ARTIFACTS = re.compile(r"\$\((System\.ArtifactsDirectory|Pipeline\.Workspace|System\.DefaultWorkingDirectory)\)/")
"""Where Azure Pipelines puts what a job has published, in a folder of its name."""


def path_of(project: Project, word: str, folder: str) -> str | None:
    """The file that a word of a command means."""
    if not word or "\n" in word or word.startswith("~"):
        return None
    bare = re.sub(r"^(/app|/code|/workspace|/src|/usr/src/app|/opt/ml/code|\$\{?\w+\}?|\$\([\w.]+\)|\{\})/", "", word)
    in_artifact = bare.partition("/")[2] if _OF_ARTIFACTS.match(word) else bare
    for place in (posixpath.join(folder, bare), bare, in_artifact):
        path = posixpath.normpath(place).lstrip("/")
        if path in project.tree:
            return path
    parts = bare.split("/")[1:] if bare.startswith("/") else []
    for cut in range(1, len(parts) - 1):  # where the project lies on another machine is not known
        if (path := "/".join(parts[cut:])) in project.tree:
            return path
    # In a container the folder is another one: a file of that name, if there is one only.
    same = [path for path in project.paths if path.endswith(f"/{posixpath.normpath(bare).lstrip('./')}")]
    if not same and bare.startswith("/") and bare.endswith((".py", ".sh")):  # mounted wherever it may be
        same = [path for path in project.paths if path.endswith(f"/{posixpath.basename(bare)}")]
    if not same and bare.endswith(".py"):  # what jupytext or nbconvert makes of a notebook
        return path_of(project, f"{word[:-3]}.ipynb", folder)
    return same[0] if len(same) == 1 else None
