"""Names that code looks up in its environment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from windlass.assessment.automation.environment import holds_settings, together, variables_at
from windlass.assessment.project import Project
from windlass.assessment.reach.routes import Start
from windlass.assessment.reading.code import Call
from windlass.assessment.reading.variables import Values, spread

_NAME = re.compile(r":?(\w+\.)*\w+(?<!\.py)(?<!\.ipynb)(?<!\.sh)")
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
    loaded = together(project.settings[each] for each in _named(project, project.loaded))
    found |= {name: given for name, given in loaded.items() if len(given) == 1}
    is_yaml = path in project.yaml_paths
    for other in _named(project, _FILES.findall(project.text(path)) if is_yaml else ()):
        found |= project.settings[other] if other != path else {}
    for document in project.yaml(path) if is_yaml else ():
        found |= variables_at(document, line)
    if holds_settings(path):
        found |= project.settings.get(path, {})
    return found


def _named(project: Project, names: Iterable[str]) -> Iterator[str]:
    """The files of settings that are named by a path, seen from wherever it may be."""
    ends = {f"/{re.sub(r'^(?:[{}.]*/)+', '', name)}" for name in names}
    yield from (path for path in project.settings if any(f"/{path}".endswith(end) for end in ends))


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


def with_words(project: Project, call: Call, text: str, values: Values) -> Iterator[Call]:
    """A call with what the environment says of the words of the command that it is told."""
    words = [asked_of_environment(project, word) or word if "." in word else word for word in text.split(" ")]
    asked = " ".join(words)
    if "$" not in asked:
        yield call
        return
    for filled in spread((asked,), values):
        told = " ".join(filled)
        yield msgspec.structs.replace(
            call, args=(told,), kwargs=tuple(each for each in call.kwargs if each[0] != "args")
        )


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
    return project.lookups.get(value.rpartition(".")[2].lstrip(":"), "")
