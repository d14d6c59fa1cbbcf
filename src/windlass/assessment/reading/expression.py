"""Questions to one Python expression."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from sys import intern
from typing import Any

_LONGEST = 80
_ORDERINGS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
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
        return f"{left or '{}'}{right or '{}'}" if left or right else None
    return None


@dataclass(slots=True)
class Scan:
    """What stands in one expression, from one walk through it."""

    calls: list[ast.Call] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    """Every name, attribute, keyword and short text, as written."""
    plain: list[str] = field(default_factory=list)
    """Names alone."""
    orders: bool = False
    """Whether something is compared by size."""
    numbers: list[float] = field(default_factory=list)
    """The numbers that are written in it."""

    @property
    def words(self) -> frozenset[str]:
        """The names in lower case."""
        return frozenset([intern(name.lower()) for name in self.names])


_CHILDREN: dict[type[ast.AST], tuple[str, ...]] = {
    kind: tuple(name for name in kind._fields if name not in _NO_EXPRESSION)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}
"""The fields of each kind of node that hold nodes."""


def scan(root: ast.expr) -> Scan:
    """One walk, without recursion: the files of strangers may nest deeper than Python does."""
    found = Scan()
    calls, names, plain = found.calls, found.names, found.plain
    stack: list[Any] = [root]
    pop, push = stack.pop, stack.append
    while stack:
        node = pop()
        kind = type(node)
        if kind is ast.Name:
            names.add(node.id)
            plain.append(node.id)
        elif kind is ast.Attribute:
            names.add(node.attr)
            push(node.value)
        elif kind is ast.Constant:
            _constant(node.value, found)
        elif node is not None:
            if kind is ast.Call:
                calls.append(node)
            elif kind is ast.Compare:
                found.orders = found.orders or any(type(operator) in _ORDERINGS for operator in node.ops)
            elif kind is ast.keyword and node.arg:
                names.add(node.arg)
            for name in _CHILDREN[kind]:
                value = getattr(node, name)
                if type(value) is list:
                    stack.extend(value)
                else:
                    push(value)
    return found


def _constant(value: object, found: Scan) -> None:
    if isinstance(value, str):
        if 0 < len(value) <= _LONGEST:
            found.names.add(intern(value) if type(value) is str else value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        found.numbers.append(float(min(max(value, -1e300), 1e300)))
