"""What CI, images and files of settings put into the environment of the programs that they start."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from windlass.assessment.automation.workflow import mapping, maps, named
from windlass.assessment.reading.variables import Values

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
    """What a document of YAML sets, at whatever level: for a workflow, a job, a step, a service."""
    return named(*_sections(document, 0))


def _sections(value: Any, depth: int) -> Iterator[Any]:
    for about in maps(value) if isinstance(value, list) else [mapping(value)]:
        for key, inner in about.items() if depth < _DEEPEST else ():
            if key in SECTIONS:
                yield inner
            else:
                yield from _sections(inner, depth + 1)
