"""Python by its syntax tree. Nothing is imported and nothing is run."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence
from sys import intern

from windlass.assessment.reading.calls import Calls
from windlass.assessment.reading.code import Assigned, Call, Check, Class, Function, Module, last_of
from windlass.assessment.reading.control import (
    BLOCKS,
    acts,
    blocks,
    defined,
    expressions,
    is_endless,
    is_stub,
    only_tell,
    stops,
)
from windlass.assessment.reading.expression import Scan, constant_of, dotted_of, scan
from windlass.assessment.reading.held import SPOKEN, Held
from windlass.assessment.reading.names import Names, less_none
from windlass.assessment.reading.sql import names_model

_Definition = ast.FunctionDef | ast.AsyncFunctionDef


class NotPython(Exception):
    """Not readable as Python 3."""


def read_python(path: str, text: str) -> Module:
    """The calls, functions and classes of one file; NotPython names the line that cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = _parse(text)
        return _Reader(path).read(tree)
    except SyntaxError as error:
        line = text.splitlines()[(error.lineno or 1) - 1 : error.lineno or 1]
        two = any(word in "".join(line) for word in ("print ", "exec ", "except ", "raise ", "<>", "ur'", "0L"))
        kind = "Python 2, it seems" if two else "not Python 3"
        raise NotPython(f"{kind}: line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise NotPython(f"too deep or too odd to parse: {type(error).__name__}") from error


_F_STRING = re.compile(r"""\b[rR]?[fF][rR]?(["']).*\1""")
_MOST_EMPTIED = 50


def _parse(text: str) -> ast.Module:
    """The tree of a file. Python before 3.12 cannot parse quotes of an f-string within it: such a string is emptied.

    So is a command of a notebook that is kept as a file, `%pip install churn` or `!ls`.
    """
    for _ in range(_MOST_EMPTIED):
        try:
            return ast.parse(text)
        except SyntaxError as error:
            lines = text.split("\n")
            at = (error.lineno or 1) - 1
            line = lines[at] if at < len(lines) else ""
            command = line.startswith(("%", "!"))
            emptied = "pass" if command else _F_STRING.sub('""', line)
            if not (command or error.msg.startswith("f-string")) or emptied in ("", line):
                raise
            lines[at] = emptied
            text = "\n".join(lines)
    return ast.parse(text)


class _Reader:
    def __init__(self, path: str) -> None:
        self.names = Names(path)
        self.held = Held(self.names)
        self.calls = Calls(self.names, self.held)
        self.module = self.names.module
        self.caught: set[str] = set()
        """The names under which exceptions are caught."""
        self.words: dict[str, set[str]] = {}
        """Name of a function to the words that it uses."""

    def read(self, tree: ast.Module) -> Module:
        self.names.take_in(tree.body)
        self.names.local.update({name: name for name in defined(tree.body, self.module.imports)})
        self._body(tree.body, self._add(Function(name="")), (), within="")
        for name, words in self.words.items():
            self.module.functions[name].words = "\n".join(sorted(words))
        self.module.packages = frozenset([full.partition(".")[0] for full in self.module.imports.values()])
        return self.module

    def _add(self, function: Function) -> Function:
        self.module.functions[function.name] = function
        self.words[function.name] = set()
        return function

    def _body(self, body: Sequence[ast.stmt], into: Function, guards: tuple[int, ...], *, within: str) -> None:
        for statement in body:
            self._statement(statement, into, guards, within)

    def _statement(self, node: ast.stmt, into: Function, guards: tuple[int, ...], within: str) -> None:
        kind = type(node)
        if kind is ast.Expr:
            self._note(node.value, into, guards)  # type: ignore[attr-defined]
            if self.held.listed:
                self.held.note_more(node.value)  # type: ignore[attr-defined]
        elif kind is ast.Assign or kind is ast.AnnAssign or kind is ast.AugAssign:
            self._assign(node, into, guards)  # type: ignore[arg-type]
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self._function(node, into, within, guards)
        elif isinstance(node, ast.ClassDef):
            self._class(node, into, within)
        elif isinstance(node, ast.If):
            self._if(node, into, guards, within)
        elif isinstance(node, ast.Assert):
            into.asserts.append(self._check(node.test, into, guards))
        elif isinstance(node, ast.Raise):
            self._raise(node, into, guards)
        elif not isinstance(node, (ast.Import, ast.ImportFrom)):
            self._other(node, into, guards, within)

    def _raise(self, node: ast.Raise, into: Function, guards: tuple[int, ...]) -> None:
        # What is raised again as it was caught, or wrapped, is no judgement of the one who caught it.
        if node.exc is not None and self.caught.isdisjoint(self._note(node.exc, into, guards).plain):
            into.raises.append(node.lineno)
        if node.cause is not None:
            self._note(node.cause, into, guards)

    def _other(self, node: ast.stmt, into: Function, guards: tuple[int, ...], within: str) -> None:
        if isinstance(node, ast.Return) and (given := self.names.given(node.value)):
            into.gives = given if into.gives in ("", given) else "?"
        if isinstance(node, ast.Return) and isinstance(node.value, (ast.Compare, ast.BoolOp, ast.Tuple, ast.IfExp)):
            names: set[str] = set()
            orders = self._note(node.value, into, guards, names).orders
            into.assigned.append(
                Assigned(name="return", line=node.lineno, constant=False, words=_lower(names), orders=orders)
            )
            return
        if isinstance(node, ast.Try):
            self.caught.update([handler.name for handler in node.handlers if handler.name])
            if not node.orelse and only_tell(node.handlers):
                first = max(node.body[0].lineno, *map(acts, node.body))
                into.unheeded += ((first, node.body[-1].end_lineno or first),)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                if isinstance(item.optional_vars, ast.Name):
                    self.names.note_kind(item.optional_vars.id, item.context_expr)
        elif isinstance(node, ast.While) and is_endless(node.test):
            into.loops = into.loops or node.lineno
        for expression in expressions(node):
            self._note(expression, into, guards)
        loop = self.held.loop_of(node) if isinstance(node, ast.For) else {}
        outside = self.held.loops
        self.held.loops = {**outside, **loop}
        if type(node) in BLOCKS:
            for inner in blocks(node):
                self._body(inner, into, guards, within=within)
        self.held.loops = outside

    def _if(self, node: ast.If, into: Function, guards: tuple[int, ...], within: str) -> None:
        check = self._check(node.test, into, guards, stops=stops(node.body) or stops(node.orelse))
        if "__name__" in check.words:  # what runs when the file is run
            main = self.module.functions.get("<main>") or self._add(Function(name="<main>", line=node.lineno))
            self._body(node.body, main, (), within=within)
            return
        into.branches.append(check)
        under = (*guards, check.line)
        self._body(node.body, into, under, within=within)
        self._body(node.orelse, into, under, within=within)

    def _check(self, test: ast.expr, into: Function, guards: tuple[int, ...], *, stops: bool = False) -> Check:
        names: set[str] = set()
        seen = self._note(test, into, guards, names)
        return Check(
            line=test.lineno,
            words=_lower(names),
            orders=seen.orders,
            numbers=tuple(seen.numbers),
            stops=stops,
            flags=tuple(seen.plain),
        )

    def _assign(
        self, node: ast.Assign | ast.AnnAssign | ast.AugAssign, into: Function, guards: tuple[int, ...]
    ) -> None:
        value = node.value
        if value is None:
            return
        orders = self._note(value, into, guards).orders
        words = _words_of(value) if orders else ()
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Tuple):  # `is_valid, why = check(frame)`
                names = [each.id for each in target.elts if isinstance(each, ast.Name)]
                into.assigned += [Assigned(name=each, line=node.lineno, constant=False) for each in names]
                continue
            if isinstance(target, ast.Subscript):  # `env["SCRIPT"] = "train.py"`
                self.held.note_setting(target, value)
            name = dotted_of(target)
            if name:
                self.names.note_kind(name, value)
                self.held.note_command(name, value, more=isinstance(node, ast.AugAssign))
                self.held.note_script(name, value)
                if type(value) in SPOKEN and names_model(said := constant_of(value) or ""):
                    self.held.commands[name] = said
                if type(value) in _TABLES and (entries := self._held(value)):
                    into.calls.append(Call(name="", line=node.lineno, args=entries, guards=guards))
                if isinstance(node, ast.AnnAssign):
                    self.names.note_annotation(name, node.annotation)
                into.assigned.append(
                    Assigned(
                        name=name,
                        line=node.lineno,
                        constant=isinstance(value, ast.Constant) and not isinstance(node, ast.AugAssign),
                        words=words,
                        orders=orders,
                    )
                )

    def _held(self, value: ast.expr) -> tuple[str | None, ...]:
        """The functions and classes that a table holds: who looks one up in it calls it by no name."""
        inner = value.values if isinstance(value, ast.Dict) else getattr(value, "elts", ())
        names = [self.names.resolve(each) for each in inner if isinstance(each, (ast.Name, ast.Attribute))]
        return tuple([name for name in names[:64] if name.startswith(":") or "." in name])

    def _function(self, node: _Definition, into: Function, within: str, guards: tuple[int, ...]) -> None:
        name = f"{within}.{node.name}" if within else node.name
        other = self.module.functions.get(name) if guards else None
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        kinds = dict(self.names.kinds)
        for argument in arguments:
            self.names.kinds.pop(argument.arg, None)
            if argument.arg in ("self", "cls"):  # `cls: type[T]` says less than where it stands
                continue
            if argument.annotation is not None and (kind := self.names.resolve(less_none(argument.annotation))):
                self.names.kinds[argument.arg] = kind
        function = Function(
            name=name,
            line=node.lineno,
            decorators=tuple(self._decorator(each, into) for each in node.decorator_list),
            parameters=tuple(argument.arg for argument in arguments),
            stub=is_stub(node.body),
        )
        words = self.words.get(name, set())
        self._add(function)
        if other is not None:  # `if HAS_LIBRARY:` has defined it in another way: it may be either
            function.calls += other.calls
            function.stub &= other.stub
            self.words[name] |= words
        local = dict(self.names.local)
        self.names.local.update({inner: f"{name}.{inner}" for inner in defined(node.body, self.module.imports)})
        for default in [*node.args.defaults, *(each for each in node.args.kw_defaults if each is not None)]:
            self._note(default, into, ())
        self._body(node.body, function, (), within=name)
        self.names.local = local
        self.names.kinds = {key: kind for key, kind in self.names.kinds.items() if key.startswith("self.")} | kinds

    def _class(self, node: ast.ClassDef, into: Function, within: str) -> None:
        name = f"{within}.{node.name}" if within else node.name
        owner = Class(
            name=name,
            line=node.lineno,
            bases=tuple(self.names.resolve(base) for base in node.bases),
            decorators=tuple(self._decorator(each, into) for each in node.decorator_list),
        )
        for statement in node.body:
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                owner.methods[statement.name] = f"{name}.{statement.name}"
        self.module.classes[name] = owner
        outer = {key: kind for key, kind in self.names.kinds.items() if not key.startswith("self.")}
        self.names.kinds = dict(outer)
        # The constructor first: it says what the attributes are.
        ordered = sorted(node.body, key=lambda each: getattr(each, "name", "") != "__init__")
        self._body(ordered, into, (), within=name)
        self.names.kinds = outer

    def _decorator(self, node: ast.expr, into: Function) -> Call:
        """A decorator; what its arguments call is called by what stands around it."""
        if isinstance(node, ast.Call):
            for given in [*node.args, *(keyword.value for keyword in node.keywords)]:
                if isinstance(given, ast.Call):
                    self._note(given, into, ())
            return self.calls.read_one(node, ())
        name = self.names.resolve(node)
        return Call(name=name, last=intern(last_of(name)), line=node.lineno)

    def _note(self, node: ast.expr, into: Function, guards: tuple[int, ...], names: set[str] | None = None) -> Scan:
        """What an expression calls and uses; its words go into `names` too."""
        words = self.words[into.name]
        seen = scan(node, words if names is None else names)
        if names is not None:
            words |= names
        for each in reversed(seen.calls):
            into.calls += self.calls.read(each, guards) if self.held.loops else [self.calls.read_one(each, guards)]
            if type(each.func) is ast.IfExp:  # `(train_daily if daily else train_hourly)(rows)`
                chosen = (self.names.resolve(each.func.body), self.names.resolve(each.func.orelse))
                into.calls += [Call(name=name, last=last_of(name), line=each.lineno) for name in chosen if name]
        for each in seen.calls:
            for given in each.keywords:  # `Verdict(accepted=score > floor)`
                if type(given.value) is ast.Compare and given.arg:
                    compared = Assigned(
                        name=given.arg,
                        line=each.lineno,
                        constant=False,
                        words=_words_of(given.value),
                        orders=scan(given.value, set()).orders,
                    )
                    into.assigned.append(compared)
        return seen


_TABLES = frozenset({ast.Dict, ast.List, ast.Set})


def _words_of(node: ast.expr) -> tuple[str, ...]:
    names: set[str] = set()
    scan(node, names)
    return _lower(names)


def _lower(names: set[str]) -> tuple[str, ...]:
    return tuple(sorted({intern(name.lower()) for name in names}))
