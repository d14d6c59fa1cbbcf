"""Statements: what others they hold, where a body ends, and whether it does anything at all."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence

from windlass.assessment.reading.expression import dotted_of

BLOCKS: dict[type[ast.AST], tuple[str, ...]] = {
    kind: tuple(name for name in ("body", "orelse", "finalbody") if name in kind._fields)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.stmt) and {"body", "cases"} & set(kind._fields)
}
"""The kinds of statements that hold others, and where."""


def blocks(node: ast.AST) -> Iterator[Sequence[ast.stmt]]:
    """The bodies of a statement of one of those kinds."""
    for name in BLOCKS[type(node)]:
        yield getattr(node, name)
    for handler in getattr(node, "handlers", ()):
        yield handler.body
    for case in getattr(node, "cases", ()):
        yield case.body


def defined(body: Sequence[ast.stmt], imported: Mapping[str, str], *, within: bool = False) -> Iterator[str]:
    """The functions and classes of a body, also those within `with DAG(...):` that stand in for no import."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if not (within and node.name in imported):
                yield node.name
        elif type(node) in BLOCKS:
            for inner in blocks(node):
                yield from defined(inner, imported, within=True)


_EXPRESSIONS: dict[type[ast.AST], tuple[str, ...]] = {
    kind: tuple(
        name for name in kind._fields if name in ("value", "target", "targets", "iter", "test", "items", "subject")
    )
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.stmt)
}
"""The fields of a statement that hold expressions of its own."""


def expressions(node: ast.stmt) -> Iterator[ast.expr]:
    """The expressions that belong to a statement itself, in order."""
    for name in _EXPRESSIONS[type(node)]:
        value = getattr(node, name)
        if name == "items":
            yield from [item.context_expr for item in value]
        elif name == "targets":
            yield from value
        elif value is not None:
            yield value


def stops(body: Sequence[ast.stmt]) -> bool:
    """Whether a body raises, returns, or ends the process."""
    for statement in body:
        if isinstance(statement, (ast.Raise, ast.Return)):
            return True
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            name = dotted_of(statement.value.func)
            if name in ("sys.exit", "exit", "quit", "os._exit", "pytest.fail", "SystemExit"):
                return True
    return False


_EVERYTHING = frozenset({"Exception", "BaseException"})


def only_tell(handlers: Sequence[ast.ExceptHandler]) -> bool:
    """Whether what they catch is everything, and nothing follows from it."""
    types = [each.type for each in handlers]
    caught = [inner for each in types for inner in (each.elts if isinstance(each, ast.Tuple) else [each])]
    everything = any(each is None or dotted_of(each) in _EVERYTHING for each in caught)
    return everything and all(_is_told(each) for handler in handlers for each in handler.body)


def _is_told(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        name = dotted_of(node.value.func)
        return name.partition(".")[0] in _QUIET or ".logger." in f".{name}" or name.endswith("print_exc")
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def acts(node: ast.stmt) -> int:
    """The last line of a statement, and of those in it, that does more than to tell, to ask and to raise."""
    if isinstance(node, ast.Raise) or _is_told(node):
        return 0
    if type(node) in BLOCKS:
        return max((acts(each) for body in blocks(node) for each in body), default=0)
    return node.lineno


def is_stub(body: Sequence[ast.stmt]) -> bool:
    """Nothing in it does anything: constants, messages, `pass`, returns of constants."""
    return all(_does_nothing(statement) for statement in body)


def _does_nothing(node: ast.stmt) -> bool:
    if isinstance(node, (ast.Pass, ast.Raise)):
        return True
    if isinstance(node, ast.Return):
        return node.value is None or isinstance(node.value, (ast.Constant, ast.Dict))
    if isinstance(node, ast.Expr):
        if isinstance(node.value, ast.Constant):
            return True
        return isinstance(node.value, ast.Call) and dotted_of(node.value.func).partition(".")[0] in _QUIET
    return False


_QUIET = frozenset({"print", "logging", "logger", "log", "warnings", "time"})
_GOES_ON = re.compile(r"_?(is_|keep_|should_)?(running|alive|run|active)_?")
_BOUNDS = re.compile(r"(?=.)((max|num|n)_?)?(ticks|iterations|iters|rounds|cycles|runs|count|limit|steps|loops)?")
_STOPS = re.compile(r"_?(should_|is_)?(stop(ped|ping)?|shutdown|shutting_down|exit|quit|done|terminated?)(_\w+)?")


def is_endless(test: ast.expr) -> bool:
    """`while True`, and `while self.running` or `while not stop.is_set()`, which only a signal from outside ends.

    `while ticks is None or tick < ticks` ends for those who bound it.
    """
    if isinstance(test, ast.Constant):
        return bool(test.value)
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
        first = test.values[0]
        return (
            isinstance(first, ast.Compare)
            and isinstance(first.ops[0], ast.Is)
            and bool(_BOUNDS.fullmatch(dotted_of(first.left).rpartition(".")[2].lower()))
        )
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = test.operand
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
            inner = inner.func.value
        return bool(_STOPS.fullmatch(dotted_of(inner).rpartition(".")[2].lower()))
    return bool(_GOES_ON.fullmatch(dotted_of(test).rpartition(".")[2].lower()))
