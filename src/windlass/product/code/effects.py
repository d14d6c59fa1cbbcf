"""Which definitions at the top of a module may do more than bind a name.

A function that a decorator puts into a registry is run by whoever reads the registry, and no name leads there. Such
statements count for every step; the price of a wrong guess is a step that is repeated without need.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from windlass.product.code.bindings import (
    FUNCTIONS,
    Binding,
    Defined,
    Foreign,
    OwnModule,
    OwnName,
    Table,
    root_and_path,
    targets,
)

_HARMLESS = frozenset(
    {"abc", "attr", "attrs", "contextlib", "dataclasses", "enum", "functools", "numba", "typing", "warnings"}
)
"""Packages whose decorators keep no list of what they decorate."""
_HARMLESS_BUILTINS = frozenset({"classmethod", "property", "staticmethod"})
_PLAIN_MEMBERS = (*FUNCTIONS, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.Import, ast.ImportFrom)
Tables = Mapping[str, Table]


def resolve(tables: Tables, module: str, expression: ast.expr) -> Iterator[tuple[str, Binding]]:
    """What an expression like `a.b.c` names, with the module that binds it; nothing when its root is not bound."""
    root, path = root_and_path(expression)
    if isinstance(root, ast.Name):
        yield from resolve_path(tables, module, [root.id, *path])


def resolve_path(
    tables: Tables, module: str, path: list[str], seen: frozenset[tuple[str, str]] = frozenset()
) -> Iterator[tuple[str, Binding]]:
    """The same for `["a", "b", "c"]`; follows imports from own module to own module."""
    if (module, path[0]) in seen:  # two modules that import the name from each other
        return
    seen |= {(module, path[0])}
    for binding in tables[module].bindings.get(path[0], ()) if module in tables else ():
        if isinstance(binding, OwnName):
            yield from resolve_path(tables, binding.module, [binding.name, *path[1:]], seen)
        elif isinstance(binding, OwnModule) and len(path) > 1:
            inner, rest = descend(tables, binding.module, path[1:])
            if rest:
                yield from resolve_path(tables, inner, rest, seen)
            else:
                yield module, OwnModule(inner)
        else:
            yield module, binding


def descend(tables: Tables, module: str, path: list[str]) -> tuple[str, list[str]]:
    """Walk `path` down from a package as long as it names own modules: the module, and what is left."""
    while path and any(f"{each}.".startswith(f"{module}.{path[0]}.") for each in tables):
        module, path = f"{module}.{path[0]}", path[1:]
    return module, path


def acting(tables: Tables, module: str, *, exempt: frozenset[ast.stmt]) -> list[ast.stmt]:
    """The statements of a module that count whenever it is run; `exempt` are the product's own classes."""
    table = tables[module]
    return [
        statement
        for statement in table.body
        if statement not in exempt and (statement in table.blocks or _acts(tables, module, statement))
    ]


def _acts(tables: Tables, module: str, statement: ast.stmt) -> bool:
    if isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
        if not all(_is_harmless(tables, module, decorator) for decorator in statement.decorator_list):
            return True
        return isinstance(statement, ast.ClassDef) and _class_acts(tables, module, statement)
    # a call of an own function while the module is imported may fill a registry that others read
    return bool(targets(statement)) and any(
        isinstance(node, ast.Call)
        and any(
            isinstance(binding, Defined) and isinstance(binding.statement, FUNCTIONS)
            for _, binding in resolve(tables, module, node.func)
        )
        for node in ast.walk(statement)
    )


def _class_acts(tables: Tables, module: str, statement: ast.ClassDef, depth: int = 0) -> bool:
    """Whether making this class runs code of the project: its body's, its metaclass's, a base's `__init_subclass__`."""
    if any(keyword.arg == "metaclass" for keyword in statement.keywords) or depth > 20:
        return True
    if not all(isinstance(each, _PLAIN_MEMBERS) for each in statement.body):
        return True
    for base in statement.bases:
        for where, binding in resolve(tables, module, base):
            if not isinstance(binding, Defined):
                continue
            made = binding.statement
            if not isinstance(made, ast.ClassDef) or any(
                isinstance(each, FUNCTIONS) and each.name in {"__init_subclass__", "__set_name__"} for each in made.body
            ):
                return True
            if _class_acts(tables, where, made, depth + 1):
                return True
    return False


def _is_harmless(tables: Tables, module: str, decorator: ast.expr) -> bool:
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    found = list(resolve(tables, module, function))
    if not found:
        return isinstance(function, ast.Name) and function.id in _HARMLESS_BUILTINS
    return all(isinstance(binding, Foreign) and binding.path.partition(".")[0] in _HARMLESS for _, binding in found)
