"""Questions to one Python expression."""

from __future__ import annotations

import ast
import re
from typing import Any, NamedTuple

_LONGEST = 80
_WRITES = re.compile(r"\s*(insert|merge)\s+into\b", re.IGNORECASE)
"""How a text begins of which the beginning alone tells something: into which table it writes, and what."""
_ORDERINGS = frozenset({ast.Lt, ast.LtE, ast.Gt, ast.GtE})
_NO_EXPRESSION = frozenset(
    {
        "ctx", "op", "ops", "id", "attr", "arg", "kind", "type_comment", "conversion", "is_async", "simple", "names",
        "n", "s",
    }
)  # fmt: skip
"""Fields of nodes that hold no expression."""


def dotted_of(node: ast.expr | None) -> str:
    """`a.b.c` as written, or "" for anything else."""
    trail: list[str] = []
    while isinstance(node, ast.Attribute):
        trail.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(trail)]) if isinstance(node, ast.Name) else ""


def constant_of(node: ast.expr) -> str | None:
    """A constant as text, the words of a list of them with spaces between, or None."""
    if isinstance(node, ast.Constant):
        return str(node.value)[:4000]
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)[:4000]
    if isinstance(node, (ast.List, ast.Tuple)) and node.elts:
        words = [constant_of(each) or dotted_of(each) or "{}" for each in node.elts[:40]]
        return " ".join(words)
    if isinstance(node, ast.BinOp):
        left, right = constant_of(node.left), constant_of(node.right)
        between = "/" if isinstance(node.op, ast.Div) else ""  # of paths: `ROOT / "src" / "train.py"`
        return f"{left or '{}'}{between}{right or '{}'}" if left or right else None
    if isinstance(node, ast.Call) and len(node.args) == 1 and dotted_of(node.func) in ("str", "Path", "pathlib.Path"):
        return constant_of(node.args[0])
    return None


class Scan(NamedTuple):
    """What stands in one expression, from one walk through it."""

    calls: list[ast.Call]
    """Of two, where one stands in the other, the outer one first."""
    plain: list[str]
    """Names alone."""
    numbers: list[float]
    """The numbers that are written in it."""
    orders: bool
    """Whether something is compared by size."""


_CHILDREN: dict[type[ast.AST], tuple[str, ...]] = {
    kind: tuple(name for name in kind._fields if name not in _NO_EXPRESSION)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}
"""The fields of each kind of node that hold nodes."""


def scan(root: ast.expr, names: set[str]) -> Scan:
    """One walk, which adds each name, attribute, keyword and short text to `names`.

    Without recursion: the files of strangers may nest deeper than Python does. The kinds of nodes that nearly all are
    come first, with their fields by name: this walk is most of what reading costs beside the parser.
    """
    calls: list[ast.Call] = []
    plain: list[str] = []
    numbers: list[float] = []
    orders = False
    add = names.add
    stack: list[Any] = [root]
    pop, push = stack.pop, stack.append
    while stack:
        node = pop()
        kind = type(node)
        while kind is ast.Attribute:
            add(node.attr)
            node = node.value
            kind = type(node)
        if kind is ast.Name:
            add(node.id)
            plain.append(node.id)
        elif kind is ast.Constant:
            _constant(node.value, names, numbers)
        elif kind is ast.Call:
            calls.append(node)
            push(node.func)
            stack += node.args
            for keyword in node.keywords:
                push(keyword.value)
                if keyword.arg:
                    add(keyword.arg)
        elif node is not None:
            orders = orders or (kind is ast.Compare and not _ORDERINGS.isdisjoint(map(type, node.ops)))
            stack += _children(node)
    return Scan(calls, plain, numbers, orders)


def _constant(value: object, names: set[str], numbers: list[float]) -> None:
    if type(value) is str:
        if 0 < len(value) <= _LONGEST:
            names.add(value)
        elif _WRITES.match(value, 0, 200):
            names.add(" ".join(value[:400].split())[:_LONGEST])
    elif type(value) is int or type(value) is float:
        numbers.append(float(value) if value < 1e300 else 1e300)


def _children(node: ast.AST) -> list[Any]:
    found: list[Any] = []
    for name in _CHILDREN[type(node)]:
        value = getattr(node, name)
        if type(value) is list:
            found += value
        else:
            found.append(value)
    return found
