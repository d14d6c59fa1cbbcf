"""Reading import statements without running them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath


def module_name(path: str) -> str:
    """`pkg/mod.py` -> `pkg.mod`, `pkg/__init__.py` -> `pkg`."""
    parts = PurePosixPath(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def parents(module: str) -> Iterator[str]:
    """The packages that Python runs on the way to a module, nearest first."""
    while "." in module:
        module = module.rpartition(".")[0]
        yield module


def absolute(node: ast.ImportFrom, module: str, *, package: bool) -> str:
    """The module that `from ... import` names, seen from `module`; dots beyond the project's top stay at the top."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    kept = parts[: max(0, len(parts) - node.level + package)]
    return ".".join([*kept, *([node.module] if node.module else [])])


def imported_names(tree: ast.AST, module: str, *, package: bool) -> Iterator[str]:
    """Every dotted name that `module` imports and that may be a module: `from a import b` gives `a` and `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node, module, package=package)
            yield base
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names if alias.name != "*")
        elif isinstance(node, ast.Call) and node.args and _is_dynamic_import(node.func):
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def _is_dynamic_import(function: ast.expr) -> bool:
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    return name in {"__import__", "import_module"}
