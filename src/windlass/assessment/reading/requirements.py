"""Which distributions a project lists, in whatever file it lists them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

from windlass.assessment.reading.lines import line_at

_LINE = re.compile(r"^\s*-?\s*['\"]?([A-Za-z][\w.-]*)\s*(?:\[[^\]]*\])?\s*(?:[=<>!~;@,'\"]|$)")
_FILES = re.compile(
    r"(.*/)?(requirements[^/]*\.(txt|in)|[^/]*requirements\.txt|requirements/[^/]+\.(txt|in)|constraints\.txt)"
)


def read_requirements(path: str, text: Callable[[str], str]) -> Iterator[tuple[str, int]]:
    """(normal name, line) of each distribution that the file lists."""
    name = path.rpartition("/")[2]
    if _FILES.fullmatch(path) or name in ("environment.yml", "environment.yaml", "conda.yml", "conda.yaml"):
        yield from _lines(text(path))
    elif name in ("pyproject.toml", "Pipfile"):
        yield from _toml(text(path))
    elif name in ("setup.py", "setup.cfg"):
        for number, line in enumerate(text(path).splitlines(), start=1):
            for found in re.findall(r"['\"]([A-Za-z][\w.-]*)\s*(?:\[[^\]]*\])?\s*[=<>~!]", line):
                yield _normal(found), number
    elif name == "DESCRIPTION":
        yield from _lines(text(path).replace(",", "\n"))


def _lines(text: str) -> Iterator[tuple[str, int]]:
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.partition("#")[0]
        found = _LINE.match(bare)
        if found and not bare.rstrip().endswith(":"):
            yield _normal(found[1]), number


def _toml(text: str) -> Iterator[tuple[str, int]]:
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return
    for name in _listed(document):
        place = text.lower().find(name.lower())
        yield _normal(name), line_at(text, place)


def _listed(document: dict[str, Any]) -> Iterator[str]:
    project = document.get("project", {})
    groups = [project.get("dependencies", [])]
    for table in (project.get("optional-dependencies", {}), document.get("dependency-groups", {})):
        groups += list(table.values()) if isinstance(table, dict) else []
    for group in groups:
        for entry in group if isinstance(group, list) else ():
            if isinstance(entry, str) and (found := re.match(r"[A-Za-z][\w.-]*", entry)):
                yield found[0]
    poetry = document.get("tool", {}).get("poetry", {})
    tables = [poetry.get("dependencies"), poetry.get("dev-dependencies"), document.get("packages")]
    tables += [group.get("dependencies") for group in poetry.get("group", {}).values()]
    tables.append(document.get("dev-packages"))
    for table in tables:
        yield from (name for name in table if name != "python") if isinstance(table, dict) else ()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
