"""What a configuration names to be made or called: `_target_` of Hydra."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from windlass.assessment.modules import Key
from windlass.assessment.project import Project
from windlass.assessment.reading.code import Call

_MAKES = re.compile(r"hydra\..*(instantiate|call|get_method|get_class|get_object)$")


def makes_targets(call: Call) -> bool:
    """Whether a call makes or calls what a configuration names."""
    return bool(_MAKES.match(call.name))


def hydra_targets(project: Project) -> tuple[Key, ...]:
    """Every function and constructor of the project that some configuration names."""
    found: dict[Key, None] = {}
    for path in project.yaml_paths:
        if "_target_" in project.text(path):
            for document in project.yaml(path):
                for dotted in _targets(document):
                    key = project.modules.find(dotted, seen_from="conf.py")
                    if key is not None and key[1]:
                        found[key] = None
    return tuple(found)


def _targets(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        target = value.get("_target_")
        if isinstance(target, str):
            yield target
        for inner in value.values():
            yield from _targets(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _targets(inner)
