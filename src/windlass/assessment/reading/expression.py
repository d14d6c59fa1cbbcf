"""Questions to one Python expression."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

_LONGEST = 80
_ORDERINGS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


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
        return frozenset(name.lower() for name in self.names)


def scan(root: ast.AST) -> Scan:
    """One walk, without recursion: the files of strangers may nest deeper than Python does."""
    found = Scan()
    stack: list[ast.AST] = [root]
    while stack:
        node = stack.pop()
        kind = type(node)
        if kind is ast.Name:
            found.names.add(node.id)  # type: ignore[attr-defined]
            found.plain.append(node.id)  # type: ignore[attr-defined]
        elif kind is ast.Attribute:
            found.names.add(node.attr)  # type: ignore[attr-defined]
            stack.append(node.value)  # type: ignore[attr-defined]
        elif kind is ast.Constant:
            _constant(node.value, found)  # type: ignore[attr-defined]
        else:
            if isinstance(node, ast.Call):
                found.calls.append(node)
            elif isinstance(node, ast.Compare):
                found.orders |= any(type(operator) in _ORDERINGS for operator in node.ops)
            elif isinstance(node, ast.keyword) and node.arg:
                found.names.add(node.arg)
            for name in node._fields:
                value = getattr(node, name, None)
                if isinstance(value, list):
                    stack.extend(each for each in value if isinstance(each, ast.AST))
                elif isinstance(value, ast.AST):
                    stack.append(value)
    return found


def _constant(value: object, found: Scan) -> None:
    if isinstance(value, str):
        if 0 < len(value) <= _LONGEST:
            found.names.add(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        found.numbers.append(float(min(max(value, -1e300), 1e300)))
