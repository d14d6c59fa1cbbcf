"""Calls as they are written: what is called, and what it is given."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from sys import intern

from windlass.assessment.reading.code import Call, last_of
from windlass.assessment.reading.expression import constant_of, dotted_of
from windlass.assessment.reading.held import Held, joined
from windlass.assessment.reading.names import Names, tail_of
from windlass.assessment.reading.shell import LAUNCHERS
from windlass.assessment.reading.sql import names_model

_OF_COMMANDS = frozenset({"commands", "install_commands"})
_MOST_KEYWORDS = 64
"""Of a call: trainers take dozens."""
_MOST_REPEATED = 2000
_LOADS_A_FILE = frozenset({"importlib.util.spec_from_file_location", "runpy.run_path"})


class Calls:
    """Reads calls of one file, by what its names stand for and what its variables hold."""

    def __init__(self, names: Names, held: Held) -> None:
        self.names = names
        self.held = held
        self.repeated = 0
        """How many calls were taken once for each script of a loop."""

    def read(self, node: ast.Call, guards: tuple[int, ...]) -> list[Call]:
        """A call within a loop, once for each script that the loop hands to it."""
        handed = (each for one in (*node.args, *node.keywords) for each in ast.walk(one))
        looped = (each.id for each in handed if isinstance(each, ast.Name) and each.id in self.held.loops)
        name = min(looped, default=None)
        if name is None or self.repeated > _MOST_REPEATED:
            return [self.read_one(node, guards)]
        self.repeated += len(self.held.loops[name])
        before = self.held.scripts
        found = []
        for script in self.held.loops[name]:
            self.held.scripts = {**before, name: script}
            found.append(self.read_one(node, guards))
        self.held.scripts = before
        return found

    def read_one(self, node: ast.Call, guards: tuple[int, ...]) -> Call:
        """A call that stands under conditions at these lines, whatever loop it is in."""
        function = node.func
        name = self.names.resolve(function)
        args: tuple[str | None, ...] = ()
        kwargs: tuple[tuple[str, str | None], ...] = ()
        if name in LAUNCHERS:
            args = tuple([self._command(each) for each in node.args[:6]])
            of = {"args": self._command, "env": self.held.given_on}
            kwargs = tuple(
                [(each.arg or "**", of.get(each.arg or "", self._argument)(each.value)) for each in node.keywords]
            )
            if not any(key == "env" for key, _ in kwargs) and "os.environ" in self.held.settings:
                kwargs += (("env", self.held.settings["os.environ"]),)
            return Call(
                name=name, last=intern(last_of(name)), line=node.lineno, args=args, kwargs=kwargs, guards=guards
            )
        if node.args:
            one = self._command if name in _LOADS_A_FILE else self._argument
            args = tuple([one(each) for each in node.args[:6]])
        if node.keywords:
            kwargs = tuple([(each.arg or "**", self._argument(each.value)) for each in node.keywords[:_MOST_KEYWORDS]])
        if "aws_cdk" in name:
            args, kwargs = self._of_cdk(node, args, kwargs)
        return Call(
            name=name,
            last=intern(last_of(name)),
            line=node.lineno,
            args=args,
            kwargs=kwargs,
            guards=guards,
            on=tail_of(function.value) if type(function) is ast.Attribute else "",
        )

    def _of_cdk(
        self, node: ast.Call, args: tuple[str | None, ...], kwargs: tuple[tuple[str, str | None], ...]
    ) -> tuple[tuple[str | None, ...], tuple[tuple[str, str | None], ...]]:
        """What a step or a description of a build is given, its commands each on a line of its own."""
        lists = {each.arg: "\n".join(_lines_of(each.value)) for each in node.keywords if each.arg in _OF_COMMANDS}
        spec = [line for each in node.args[:1] if isinstance(each, ast.Dict) for line in _commands_of(each)]
        return ("\n".join(spec), *args[1:]) if spec else args, tuple(
            [(key, lists.get(key) or value) for key, value in kwargs]
        )

    def _argument(self, node: ast.expr) -> str | None:
        kind = type(node)
        if kind is ast.Constant:
            return str(node.value)[:4000]  # type: ignore[attr-defined]
        if kind is ast.Name:
            return self.held.kept(node.id) or self.names.root(node.id, alone=True) or None  # type: ignore[attr-defined]
        if kind is ast.Dict:
            return self._statement_in(node)  # type: ignore[arg-type]
        if kind is not ast.Attribute:
            constant = joined(node) if kind is ast.Call else self.held.filled(node)  # type: ignore[arg-type]
            constant = constant or self.held.asked_of_environment(node)
            if constant is None and kind is ast.Call and self.held.scripts:
                constant = self.held.filled(node)
            if constant is not None:
                return constant
        return self.names.resolve(node) or None

    def _command(self, node: ast.expr) -> str | None:
        said = self.held.told(node)
        return self._argument(node) if said in ("{}", dotted_of(node)) else said

    def _statement_in(self, table: ast.Dict, depth: int = 0) -> str | None:
        """The statement about a model that a job of a database is described with: `{"query": {"query": TRAIN}}`."""
        for value in table.values:
            if isinstance(value, ast.Dict) and depth < 3:
                said = self._statement_in(value, depth + 1)
            else:
                said = self.held.commands.get(value.id) if isinstance(value, ast.Name) else constant_of(value)
            if said and (names_model(said) or said.endswith(".sql")):
                return said
        return None


def _lines_of(node: ast.expr) -> list[str]:
    """The texts of a list, in order; a value that is not known stands as `{}`."""
    return [constant_of(each) or "{}" for each in node.elts] if isinstance(node, ast.List) else []


def _commands_of(node: ast.Dict) -> Iterator[str]:
    """The commands of all phases of a build that is described by a table."""
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(value, ast.Dict):
            yield from _commands_of(value)
        elif isinstance(key, ast.Constant) and key.value in _OF_COMMANDS:
            yield from _lines_of(value)
