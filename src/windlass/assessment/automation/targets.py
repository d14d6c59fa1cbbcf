"""Task runners: a name that stands for commands, in make, just, npm, tox, nox, invoke, mise, hatch and the like."""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from windlass.assessment.reading.code import Module
from windlass.assessment.reading.lines import line_at
from windlass.assessment.reading.shell import Command, read_shell


@dataclass(frozen=True, kw_only=True)
class Target:
    """One task."""

    tool: str
    name: str
    path: str
    line: int
    commands: tuple[Command, ...] = ()
    needs: tuple[str, ...] = ()
    """Tasks of the same file that run first."""


_RULE = re.compile(r"^([A-Za-z0-9_.%/ -]+?)\s*::?(?!=)\s*([^=#]*)(?:#.*)?$")
_VARIABLE = re.compile(r"^\s*(?:export\s+)?(\w+)\s*[:?]?=\s*(.*)$")


def read_make(path: str, text: str) -> Iterator[Target]:
    """Makefile rules; simple variables are put in."""
    values: dict[str, str] = {}
    rule: tuple[tuple[str, ...], tuple[str, ...], int] | None = None
    recipe: list[tuple[int, str]] = []
    for number, raw in [*enumerate(text.replace("\\\n", " \\\n").split("\n"), start=1), (0, "end:")]:
        if raw.startswith(("\t", "    ")) and rule is not None:
            recipe.append((number, raw.strip()))
            continue
        if variable := _VARIABLE.match(raw):
            values[variable[1]] = variable[2].strip()
            continue
        if found := _RULE.match(raw):
            if rule is not None:
                yield from _make_targets(path, rule, recipe, values)
            rule, recipe = (tuple(found[1].split()), tuple(found[2].split()), number), []


def _make_targets(
    path: str, rule: tuple[tuple[str, ...], tuple[str, ...], int], recipe: list[tuple[int, str]], values: dict[str, str]
) -> Iterator[Target]:
    names, needs, line = rule
    text = "\n".join(re.sub(r"^[@+]*", "", _forgiven(entry)) for _, entry in recipe)
    for name, value in values.items():
        text = text.replace(f"$({name})", value).replace(f"${{{name}}}", value)
    text = text.replace("$(MAKE)", "make")
    commands = tuple(read_shell(text, recipe[0][0] if recipe else line))
    for name in names:
        if name == ".PHONY" or "%" in name:
            continue
        yield Target(tool="make", name=name, path=path, line=line, commands=commands, needs=needs)


def _forgiven(entry: str) -> str:
    """A dash before a recipe line ignores its failure."""
    bare = entry.lstrip("@+")
    return f"{bare[1:].lstrip()} || true" if bare.startswith("-") else entry


_RECIPE = re.compile(r"^@?([A-Za-z_][\w-]*)([^:=]*):(?!=)\s*([^#]*)")


def read_just(path: str, text: str) -> Iterator[Target]:
    """Justfile recipes."""
    current: tuple[str, tuple[str, ...], int] | None = None
    lines: list[str] = []
    for number, raw in [*enumerate(text.split("\n"), start=1), (0, "end:")]:
        if raw[:1] in (" ", "\t") and current is not None:
            lines.append(_forgiven(raw.strip()).lstrip("@"))
        elif (found := _RECIPE.match(raw)) or number == 0:
            if current is not None:
                commands = tuple(read_shell("\n".join(lines), current[2] + 1))
                yield Target(
                    tool="just", name=current[0], path=path, line=current[2], commands=commands, needs=current[1]
                )
            if found:
                current, lines = (found[1], tuple(found[3].split()), number), []


def read_package_json(path: str, text: str) -> Iterator[Target]:
    """npm scripts."""
    try:
        scripts = json.loads(text).get("scripts", {})
    except (ValueError, AttributeError, RecursionError):
        return
    for name, value in scripts.items() if isinstance(scripts, dict) else ():
        line = line_at(text, text.find(f'"{name}"'))
        yield Target(tool="npm", name=name, path=path, line=line, commands=tuple(read_shell(str(value), line)))


def read_tox(path: str, text: str) -> Iterator[Target]:
    """tox environments of an ini file."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return
    for section in parser.sections():
        if section == "tox" or not section.startswith(("testenv", "tox")):
            continue
        commands = re.sub(r"\\\s*\n\s*", " ", parser.get(section, "commands", fallback="") or "")
        line = line_at(text, text.find(f"[{section}]"))
        name = section.partition(":")[2] or "testenv"
        for factor, lines in _by_factor(commands).items():
            joined = re.sub(r"^-\s*(.+)$", r"\1 || true", "\n".join(lines), flags=re.MULTILINE)
            commands_of = tuple(read_shell(joined, line))
            yield Target(tool="tox", name=factor or name, path=path, line=line, commands=commands_of)


_FACTOR = re.compile(r"^\s*([a-z][\w.]*):\s+(\S.*)$")


def _by_factor(commands: str) -> dict[str, list[str]]:
    """The lines of `commands` by the factor that they stand for: `lint: ruff check` runs in `tox -e py311-lint`."""
    found: dict[str, list[str]] = {"": []}
    for each in commands.splitlines():
        factor = _FACTOR.match(each)
        found.setdefault(factor[1] if factor else "", []).append(factor[2] if factor else each)
    return found


_TOML_TASKS = (
    ("hatch", ("tool", "hatch", "envs", "default", "scripts")),
    ("poe", ("tool", "poe", "tasks")),
    ("pdm", ("tool", "pdm", "scripts")),
    ("taskipy", ("tool", "taskipy", "tasks")),
    ("pixi", ("tool", "pixi", "tasks")),
    ("pixi", ("tasks",)),
    ("mise", ("tasks",)),
    ("script", ("project", "scripts")),
    ("script", ("tool", "poetry", "scripts")),
)


def read_toml_tasks(path: str, text: str) -> Iterator[Target]:
    """Tasks and console scripts of pyproject.toml, mise.toml and pixi.toml."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return
    for tool, keys in _TOML_TASKS:
        if tool in ("mise", "pixi") and keys == ("tasks",) and tool not in path.rpartition("/")[2]:
            continue
        table: Any = document
        for key in keys:
            table = table.get(key, {}) if isinstance(table, dict) else {}
        for name, value in table.items() if isinstance(table, dict) else ():
            line = text[: max(re.search(rf"\b{re.escape(name)}\b", text[text.find(keys[-1]) :]) is not None, 0)].count(
                "\n"
            )
            place = text.find(name, max(text.find(keys[-1]), 0))
            line = line_at(text, place)
            yield Target(tool=tool, name=name, path=path, line=line, commands=_toml_commands(tool, value, line))


def _toml_commands(tool: str, value: Any, line: int) -> tuple[Command, ...]:
    if tool == "script":
        module, _, function = str(value).partition(":")
        return (Command(argv=("python", "-m", module, f":{function}"), line=line),)
    if isinstance(value, dict):
        value = value.get("run", value.get("cmd", value.get("shell", value.get("script", ""))))
    pieces = value if isinstance(value, list) else [value]
    return tuple(command for piece in pieces if isinstance(piece, str) for command in read_shell(piece, line))


_SECTION = re.compile(
    r"""["']?console_scripts["']?\s*[:=]\s*"""
    r"""(?:\[(.*?)\]|["']{3}(.*?)["']{3}|((?:\n[ \t]+[^\n]*)+))""",
    re.DOTALL,
)
_SCRIPT = re.compile(r"""(?:^|["'\s])([\w.-]+)\s*=\s*([\w.]+:[\w.]+)""")


def read_console_scripts(path: str, text: str) -> Iterator[Target]:
    """Console scripts of setup.py and setup.cfg."""
    for section in _SECTION.finditer(text):
        start, end = section.span(section.lastindex or 0)
        for found in _SCRIPT.finditer(text, start, end):
            line = line_at(text, found.start(1))
            commands = _toml_commands("script", found[2], line)
            yield Target(tool="script", name=found[1], path=path, line=line, commands=commands)


def read_task_functions(module: Module, collection: str = "") -> Iterator[Target]:
    """Sessions of nox and tasks of invoke: functions that hand commands to a runner.

    Those of a file in the package `tasks` bear its name as well: `checks.test`, and `checks` for its default.
    """
    before = f"{collection}." if collection else ""
    for function in module.functions.values():
        tool, given = next(((tool, each) for each in function.decorators if (tool := _runner(each.name))), ("", None))
        if given is None:
            continue
        commands: list[Command] = []
        for call in function.calls:
            if call.last in ("run", "run_always", "run_install", "sudo") and call.args:
                text = " ".join(each or "{}" for each in call.args) if tool == "nox" else call.args[0] or ""
                swallowed = "warn=True" if call.kwarg("warn") == "True" else ""
                commands += [
                    Command(argv=each.argv, line=call.line, swallowed=swallowed or each.swallowed)
                    for each in read_shell(text, call.line)
                ]
        name = function.name.replace("_", "-") if tool == "invoke" else function.name
        first = [each.lstrip(":") for each in (*given.args, given.kwarg("pre")) if each] if tool == "invoke" else []
        needs = tuple(f"{before}{need.replace('_', '-')}" for each in first for need in each.split())
        for full in (name, f"{before}{name}") if before else (name,):
            yield Target(
                tool=tool, name=full, path=module.path, line=function.line, commands=tuple(commands), needs=needs
            )
        if before and given.kwarg("default") == "True":
            yield Target(tool=tool, name=collection, path=module.path, line=function.line, needs=(f"{before}{name}",))


def _runner(name: str) -> str:
    if name.startswith("nox.session") or name == "nox_poetry.session":
        return "nox"
    return "invoke" if name in ("invoke.task", "invoke.tasks.task") else ""
