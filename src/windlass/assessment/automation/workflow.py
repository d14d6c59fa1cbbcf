"""What a CI system runs and when, whichever system it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from windlass.assessment.reading.shell import Command, read_shell
from windlass.assessment.reading.variables import Values, spread
from windlass.assessment.reading.yaml import Items, Map

ACTIVE = frozenset({"push", "pull_request", "schedule", "tag", "release", "workflow_run", "event"})
"""Triggers that need nobody: `event` is a message of another system. `dispatch` is a person with a button."""


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """What starts a workflow."""

    kind: str
    """One of ACTIVE, or `dispatch`, or `call` (by another workflow)."""
    line: int = 1
    paths: tuple[str, ...] = ()
    detail: str = ""
    """The cron expression, the branches, the name of the event."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that a job does."""

    line: int
    name: str = ""
    uses: str = ""
    """An action, task, orb or image that is called."""
    given: dict[str, str] = field(default_factory=dict)
    """Inputs of `uses`."""
    commands: tuple[Command, ...] = ()
    swallowed: str = ""
    """Why its failure stops nothing, or ""."""
    condition: str = ""
    folder: str = ""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Steps that run one after another."""

    name: str
    line: int
    steps: tuple[Step, ...] = ()
    needs: tuple[str, ...] = ()
    condition: str = ""
    environment: str = ""
    manual: bool = False
    """A person has to start it."""
    calls: str = ""
    """The workflow file that it stands for."""
    triggers: tuple[Trigger, ...] = ()
    """Of its own, where they differ from those of the workflow."""
    swallowed: str = ""
    own_machine: bool = False
    """It runs on a machine of the team's own: what it starts there stays."""


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """One file of a CI system."""

    path: str
    system: str
    name: str
    triggers: tuple[Trigger, ...]
    jobs: tuple[Job, ...]
    inactive: str = ""
    """Why it never runs, or ""."""
    folder: str = ""
    """Where its commands run."""
    is_composite: bool = False
    """An action that workflows call."""


def named(*given: Any) -> Values:
    """The values that mappings or lists of name and value give to names; the later ones win."""
    found: dict[str, tuple[str, ...]] = {}
    for each in given:
        for about in maps(each):
            if "name" in about and "value" in about:
                found[text_of(about.get("name"))] = (text_of(about.get("value")),)
            else:
                found |= {name: (str(value),) for name, value in about.items() if isinstance(value, (str, int, float))}
    return found


def told(commands: tuple[Command, ...], values: Values) -> tuple[Command, ...]:
    """Commands with the names filled in that their job or step knows."""
    if not values:
        return commands
    return tuple(replace(each, argv=argv) for each in commands for argv in spread(each.argv, values))


def words(value: Any) -> tuple[str, ...]:
    """A text, or the texts of a list."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list):
        return tuple(str(each) for each in value if isinstance(each, (str, int, float)))
    return ()


def text_of(value: Any) -> str:
    """A scalar as text, "" for what is none."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else ""


def script(owner: Map, key: str) -> tuple[Command, ...]:
    """The commands of a text or of a list of texts, each with its line; CircleCI's and Azure's shapes too."""
    value = owner.get(key)
    if isinstance(value, str):
        return tuple(read_shell(value, owner.line_of(key)))
    if isinstance(value, Items):
        return tuple(
            command
            for text, line in zip(value, value.lines, strict=False)
            for piece in (text if isinstance(text, list) else [text])
            if isinstance(piece, str)
            for command in read_shell(piece, line)
        )
    return ()


def maps(value: Any) -> Sequence[Map]:
    """The mappings of a list, or the one that stands alone."""
    if isinstance(value, Map):
        return [value]
    return [each for each in value if isinstance(each, Map)] if isinstance(value, list) else []


def mapping(value: Any) -> Map:
    """The value if it is a mapping, an empty one otherwise."""
    return value if isinstance(value, Map) else Map(1)
