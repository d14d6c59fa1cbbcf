"""What CI, images and files of settings put into the environment of the programs that they start."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from windlass.assessment.automation.workflow import mapping, maps, named
from windlass.assessment.reading.variables import Values
from windlass.assessment.reading.yaml import Items, Map

SECTIONS = ("variables", "env", "environment")
"""Keys under which CI systems and compose files have them."""
_DEEPEST = 8
_LINE = re.compile(
    r"^[ \t]*(?:export[ \t]+|ENV[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*[\"']?([^\"'#\n]*?)[\"']?[ \t]*(?:#.*)?$",
    re.MULTILINE,
)


def holds_settings(path: str) -> bool:
    """Whether a file sets variables line by line: `.env.example`, `train.env`, a Dockerfile."""
    name = path.rpartition("/")[2]
    return name.startswith(".env") or name.endswith(".env") or name == "Dockerfile"


def variables_of_lines(text: str) -> Values:
    """What lines such as `NAME = value` or `ENV NAME=value` set."""
    return {found[1]: (found[2],) for found in _LINE.finditer(text)}


def variables_of_document(document: Any) -> Values:
    """Every value that a document of YAML sets a name to, at whatever level: a workflow, a job, a step, a service."""
    return together(named(section) for section in _sections(document, 0))


def together(settings: Iterable[Values]) -> Values:
    """Each name with every value that one of several settings gives it."""
    found: dict[str, dict[str, None]] = {}
    for values in settings:
        for name, given in values.items():
            found.setdefault(name, {}).update(dict.fromkeys(given))
    return {name: tuple(given) for name, given in found.items()}


def variables_at(document: Any, line: int) -> Values:
    """What a document of YAML sets for what stands at a line of it: not for other jobs, steps and services."""
    return named(*_around(document, line, 0))


def _around(value: Any, line: int, depth: int) -> Iterator[Any]:
    if isinstance(value, Map):
        yield from (value[key] for key in SECTIONS if key in value)
        begun = [(at, value[key]) for key, at in value.lines.items() if at <= line and key not in SECTIONS]
    elif isinstance(value, Items):
        begun = [(at, each) for at, each in zip(value.lines, value, strict=False) if at <= line]
    else:
        return
    inner = max(begun, key=lambda each: each[0], default=None)
    if inner is not None and depth < _DEEPEST:
        yield from _around(inner[1], line, depth + 1)


def _sections(value: Any, depth: int) -> Iterator[Any]:
    for about in maps(value) if isinstance(value, list) else [mapping(value)]:
        for key, inner in about.items() if depth < _DEEPEST else ():
            if key in SECTIONS:
                yield inner
            else:
                yield from _sections(inner, depth + 1)
