"""Whether a method is made of expressions alone: of calls that calculate, and wait for nothing.

Such features are asked on the event loop, as the code of a library is. Any other code may wait for something, run a
loop of its own or ask this very server, and gets a thread.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Mapping, Set
from datetime import date, time, timedelta
from decimal import Decimal
from types import FunctionType, MethodType, ModuleType, NoneType
from typing import Any

import numpy as np
import polars as pl

_NODES = (
    *(ast.FunctionDef, ast.Return, ast.Assign, ast.AugAssign, ast.If, ast.For, ast.Expr, ast.Pass),
    *(ast.Constant, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Subscript, ast.Slice, ast.Starred),
    *(ast.List, ast.Tuple, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
    *(ast.comprehension, ast.keyword, ast.JoinedStr, ast.FormattedValue),
    *(ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
)
"""What may stand in it. Neither a `while`, which may have no end, nor a `lambda` or a definition: so the only functions
that anything can be given are those that are called by their name, and what polars calls back is none of the user's."""
_NAMESPACES = ("arr", "bin", "cat", "dt", "list", "name", "str", "struct")
_NOT_OF_EXPRESSIONS = frozenset({"deserialize", "inspect", "meta"})
_OF_FRAMES = frozenset(
    {"select", "with_columns", "drop", "rename", "get_column", "to_series", "columns", "height", "width", "schema"}
)
_OF_POLARS = (
    {"all_horizontal", "any_horizontal", "arctan2", "coalesce", "col", "concat_list", "concat_str", "date", "datetime"}
    | {"duration", "element", "format", "lit", "max_horizontal", "mean_horizontal", "min_horizontal", "otherwise"}
    | {"struct", "sum_horizontal", "then", "when", "Enum", "Datetime", "Duration", "Decimal", "List", "Array", "Struct"}
)
_OF_NUMPY = frozenset({"clip", "isclose", "nan_to_num", "where"})
_OF_CONTAINERS = frozenset({"items", "keys", "values", "join", "format"})
_OF_PYTHON: frozenset[object] = frozenset(
    {abs, bool, date, dict, enumerate, float, int, len, list, max, min, range, reversed, round, set, sorted, str, sum}
    | {timedelta, tuple, zip}
)
_CONSTANTS = (NoneType, bool, int, float, str, bytes, date, time, timedelta, Decimal, range, pl.Expr, pl.DataType)
_NOTHING = object()


def is_of_expressions(method: object) -> bool:
    """Whether `method`, and all of its own that it calls, is nothing but expressions of polars, of numpy's functions of
    single elements and of Python's arithmetic. What cannot be read or is not known is not."""
    return isinstance(method, MethodType) and _Body.of(method.__func__, method.__self__, frozenset()).is_known


@functools.cache
def _names() -> Set[str]:
    """What may be asked of a value: what expressions have, and those few that frames have besides."""
    owners = [pl.Expr, *(type(getattr(pl.col("x"), name)) for name in _NAMESPACES)]
    of_expressions = {name for owner in owners for name in dir(owner) if not name.startswith("_")}
    return (of_expressions - _NOT_OF_EXPRESSIONS) | _OF_FRAMES | _OF_POLARS | _OF_CONTAINERS


class _Body:
    """One function, and what its names stand for."""

    def __init__(self, tree: ast.FunctionDef, function: FunctionType, owner: object, seen: frozenset[object]) -> None:
        self._tree = tree
        self._owner = owner
        self._seen = seen
        self._bound = inspect.getclosurevars(function)
        arguments = [each.arg for each in ast.walk(tree.args) if isinstance(each, ast.arg)]
        stored = (node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
        self._self = None if owner is None else arguments.pop(0)
        self._locals = frozenset([*arguments, *(node.id for node in stored)])

    @classmethod
    def of(cls, function: Any, owner: object, seen: frozenset[object]) -> _Body | _Unknown:
        """`owner`: what its first argument is; None for a function that stands alone. `seen`: those that led here."""
        if not isinstance(function, FunctionType) or function in seen:
            return _Unknown()
        try:
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
        except (OSError, SyntaxError, ValueError):
            return _Unknown()
        if not isinstance(tree, ast.FunctionDef) or tree.decorator_list:
            return _Unknown()
        return cls(tree, function, owner, seen | {function})

    @property
    def is_known(self) -> bool:
        return all(map(self._knows, self._tree.body))

    def _knows(self, node: ast.AST) -> bool:
        match node:
            case ast.AnnAssign():  # what it is annotated with is not evaluated
                return node.value is None or self._knows(node.value)
            case ast.Call():
                given = [*node.args, *(keyword.value for keyword in node.keywords)]
                return self._knows_called(node.func) and all(map(self._knows, given))
            case ast.Attribute():
                return self._knows_member(node)
            case ast.Name():
                return node.id in self._locals or _is_constant(self._value(node))
            case _:
                return isinstance(node, _NODES) and all(map(self._knows, ast.iter_child_nodes(node)))

    def _knows_called(self, called: ast.expr) -> bool:
        value = self._value(called)
        if _is_callable(value):
            return True
        if isinstance(value, FunctionType):
            return _Body.of(value, self._owner_of(called), self._seen).is_known
        return self._knows(called)

    def _knows_member(self, node: ast.Attribute) -> bool:
        value = self._value(node)
        if value is not _NOTHING:
            return _is_constant(value) or _is_callable(value)
        return node.attr in _names() and self._knows(node.value)

    def _owner_of(self, called: ast.expr) -> object:
        is_member = isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name)
        return self._owner if is_member and called.value.id == self._self else None  # type: ignore[attr-defined]

    def _value(self, node: ast.expr) -> Any:
        """What `name`, `module.name` or `self.name` stands for before anything runs; `_NOTHING` for all others."""
        match node:
            case ast.Name(id=name) if name == self._self:
                return self._owner
            case ast.Name(id=name) if name not in self._locals:
                bound = self._bound
                found = (place[name] for place in (bound.nonlocals, bound.globals, bound.builtins) if name in place)
                return next(found, _NOTHING)
            case ast.Attribute(value=ast.Name() as base, attr=name):
                owner = self._value(base)
                if isinstance(owner, ModuleType) or (owner is not None and owner is self._owner):
                    return inspect.getattr_static(owner, name, _NOTHING)
        return _NOTHING


class _Unknown:
    """A function whose code cannot be read, or that leads back to itself."""

    is_known = False


def _is_callable(value: object) -> bool:
    """Whether it is a function, or a type, of a library, that calculates and waits for nothing."""
    try:
        of_python = value in _OF_PYTHON
    except TypeError:  # it cannot be looked up
        return False
    return (
        of_python
        or isinstance(value, np.ufunc)
        or _is_of(value, pl, _OF_POLARS)
        or _is_of(value, np, _OF_NUMPY)
        or getattr(value, "__module__", None) in ("math", "polars.selectors")
    )


def _is_of(value: object, library: ModuleType, names: Set[str]) -> bool:
    return value is not None and any(value is getattr(library, name, None) for name in names)


def _is_constant(value: object) -> bool:
    """Whether it only is there, to be calculated with."""
    match value:
        case tuple() | list() | set() | frozenset():
            return all(map(_is_constant, value))
        case Mapping():
            return type(value) is dict and all(map(_is_constant, [*value, *value.values()]))
        case type():
            return issubclass(value, pl.DataType)
        case _:
            return type(value) in _CONSTANTS or isinstance(value, pl.DataType | pl.Expr)
