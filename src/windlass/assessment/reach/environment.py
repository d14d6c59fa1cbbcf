"""Names that code looks up in its environment."""

from __future__ import annotations

import re

import msgspec

from windlass.assessment.project import Project
from windlass.assessment.reading.code import Call

_NAME = re.compile(r":?(\w+\.)*\w+(?<!\.py)(?<!\.ipynb)(?<!\.sh)")
_LOOKED_UP = r"\b{name}\b[^=\n]*=\s*(?:str\()?os\.(?:environ\.get\(|environ\[|getenv\()\s*[\"'](\w+)[\"']"


def with_environment(project: Project, call: Call, *given: str) -> Call:
    """A call with what the environment says of the arguments of these names, where they name no file themselves."""
    known = {name: value for name in given if (value := call.kwarg(name)) and _NAME.fullmatch(value)}
    looked_up = {name: text for name, value in known.items() if (text := _looked_up(project, value))}
    if not looked_up:
        return call
    return msgspec.structs.replace(call, kwargs=tuple((name, looked_up.get(name, own)) for name, own in call.kwargs))


def _looked_up(project: Project, value: str) -> str:
    """What a name stands for that some file takes from the environment: `e.train_script` by what `train_script` is."""
    pattern = re.compile(_LOOKED_UP.format(name=re.escape(value.rpartition(".")[2])))
    for module in project.modules:
        found = pattern.search(project.text(module.path)) if "os" in module.packages else None
        if found is not None:
            return next(iter(project.environment.get(found[1], ())), "")
    return ""
