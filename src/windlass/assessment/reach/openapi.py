"""Functions that a description of an API names as those that answer."""

from __future__ import annotations

import re

from windlass.assessment.modules import Key
from windlass.assessment.project import Project
from windlass.assessment.reading.code import Call, Module

_OPERATION = re.compile(r"^\s*[\"']?operationId[\"']?:\s*[\"']?([\w.]+)", re.MULTILINE)
_CONTROLLER = re.compile(r"x-(?:openapi|swagger)-router-controller[\"']?:\s*[\"']?([\w.]+)")


def reads_description(name: str) -> bool:
    """Whether a call of this name reads the description of an API: `app.add_api("api.yaml")` of Connexion."""
    return name.endswith(".add_api")


def operations_of(project: Project, call: Call, module: Module) -> tuple[Key, ...]:
    """The functions behind the operations that the description given to a call names."""
    named = next(iter(call.values), "").rpartition("/")[2]
    found: dict[Key, None] = {}
    for path in project.named(named) if named.endswith((".yaml", ".yml", ".json")) else ():
        text = project.text(path)
        controller = _CONTROLLER.search(text)
        for operation in _OPERATION.findall(text):
            inside = operation if "." in operation or controller is None else f"{controller[1]}.{operation}"
            key = project.modules.find(inside, seen_from=module.path)
            if key is not None and key[1]:
                found[key] = None
    return tuple(found)
