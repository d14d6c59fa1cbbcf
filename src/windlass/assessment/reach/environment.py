"""Names that code looks up in its environment."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from windlass.assessment.automation.environment import holds_settings, variables_at
from windlass.assessment.project import Project
from windlass.assessment.reach.routes import Start
from windlass.assessment.reading.code import Call
from windlass.assessment.reading.variables import Values, spread

_NAME = re.compile(r":?(\w+\.)*\w+(?<!\.py)(?<!\.ipynb)(?<!\.sh)")
_LOOKED_UP = (
    r"\b{name}\b[^=\n]*=\s*(?:str\()?(?:os\.)?(?:environ\.get\(|environ\[|getenv\()"
    r"\s*[\"'](\w+)[\"'](?:\s*,\s*[\"']([^\"'\n]*)[\"'])?"
)
_SETTING = r"^[ \t]+{name}\s*:[^=\n]+=\s*(?:\w*Field\(\s*(?:default\s*=\s*)?)?[\"']([^\"'\n]*)[\"']"
"""A field of settings of Pydantic, which the environment says by its name."""
_PREFIX = re.compile(r"\benv_prefix\s*=\s*[\"'](\w*)[\"']")
_FILES = re.compile(r"[\w./-]+\.(?:ya?ml|env)\b|(?<!\w)\.env[\w.-]*")
_ASKED = re.compile(r"\$\{(\w+)(?::-[^}]*)?\}")


def environment_of(project: Project, start: Start) -> Values:
    """What a program finds in its environment that begins there.

    Its own file says most, for the step, the job and all of it; then the files that this one names; and of what stands
    elsewhere that which is said in one way alone.
    """
    path, line = start.evidence.path, (start.step or start.job or start.evidence).line
    found: dict[str, tuple[str, ...]] = {}
    found |= {name: given for name, given in project.environment.items() if len(given) == 1}
    is_yaml = path in project.yaml_paths
    beside = {each.lstrip("./") for each in _FILES.findall(project.text(path))} if is_yaml else set()
    for other, values in project.settings.items():
        if other != path and any(f"/{other}".endswith(f"/{each}") for each in beside):
            found |= values
    for document in project.yaml(path) if is_yaml else ():
        found |= variables_at(document, line)
    if holds_settings(path):
        found |= project.settings.get(path, {})
    return found


def with_environment(project: Project, call: Call, values: Values, *given: str) -> Iterator[Call]:
    """A call with what the environment says of the arguments of these names, once for each value that it may have."""
    known = {name: value for name in given if (value := call.kwarg(name))}
    asked = {name: text for name, value in known.items() if (text := asked_of_environment(project, value))}
    if not asked:
        yield call
        return
    for texts in spread(tuple(asked.values()), values):
        told = dict(zip(asked, texts, strict=False))
        yield msgspec.structs.replace(call, kwargs=tuple((name, told.get(name, own)) for name, own in call.kwargs))


def said_of(text: str, values: Values) -> str:
    """What the environment says of `${NAME:-default}`, or ""; the default is for where nobody says anything."""
    found = _ASKED.fullmatch(text)
    return next(iter(values.get(found[1], ())), "") if found is not None else ""


def asked_of_environment(project: Project, value: str) -> str:
    """`${NAME:-default}` for what a value takes from the environment, in the call or in a name: `e.train_script`."""
    if _ASKED.fullmatch(value):
        return value
    if not _NAME.fullmatch(value):
        return ""
    name = re.escape(value.rpartition(".")[2].lstrip(":"))
    looked_up, setting = re.compile(_LOOKED_UP.format(name=name)), re.compile(_SETTING.format(name=name), re.MULTILINE)
    for module in project.modules:
        text = project.text(module.path) if module.packages & {"os", "pydantic_settings", "pydantic"} else ""
        if "os" in module.packages and (found := looked_up.search(text)) is not None:
            return _in_shell(found[1], found[2])
        if "BaseSettings" in text and (found := setting.search(text)) is not None:
            prefix = _PREFIX.search(text)
            return _in_shell(f"{prefix[1] if prefix is not None else ''}{name}".upper(), found[1])
    return ""


def _in_shell(name: str, default: str | None) -> str:
    return f"${{{name}:-{default}}}" if default else f"${{{name}}}"
