"""What the top level of a module binds, and which of its statements do more than that.

A syntax tree is read, nothing is run. `reach` follows the names from here.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from windlass.product.code.imports import absolute

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Defined:
    """Bound by a statement: a function, a class, a constant."""

    statement: ast.stmt


@dataclass(frozen=True)
class OwnModule:
    """Bound to a module of the project, or to a package folder of it that has no `__init__.py`."""

    module: str


@dataclass(frozen=True)
class OwnName:
    """Bound to a name of another module of the project."""

    module: str
    name: str


@dataclass(frozen=True)
class Foreign:
    """Bound to something installed; `path` is the dotted name it was imported by."""

    path: str


Binding = Defined | OwnModule | OwnName | Foreign


@dataclass
class Table:
    """One module."""

    name: str
    body: list[ast.stmt]
    bindings: dict[str, list[Binding]] = field(default_factory=dict)
    blocks: list[ast.stmt] = field(default_factory=list)
    """Statements that are no plain definitions; they count whenever the module is run."""
    imports: set[str] = field(default_factory=set)
    """Own modules that are run when this one is."""
    stars: set[str] = field(default_factory=set)
    """Own modules whose names are all imported, so that nobody can tell where a name comes from."""


def read_table(tree: ast.Module, name: str, *, package: bool, own: Collection[str]) -> Table:
    """The bindings of a module; `tree` must be normalised."""
    reader = _Reader(Table(name, tree.body), package=package, own=own)
    for statement in tree.body:
        reader.read(statement)
    reader.bind_globals(tree)
    return reader.table


def normalise(tree: ast.Module) -> ast.Module:
    """Drop what has no effect when run: docstrings, strings standing alone, `pass`; in place."""
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                setattr(node, name, [each for each in block if not _is_idle(each)])
        if isinstance(node, ast.Constant):
            node.kind = None  # u"..." is "..."
    return tree


def bound_names(target: ast.expr) -> list[str] | None:
    """The names that an assignment binds; None if it writes into an object instead (`a.b = `, `a[0] = `)."""
    if isinstance(target, ast.Name):
        return [target.id]
    if isinstance(target, ast.Starred):
        return bound_names(target.value)
    if isinstance(target, ast.Tuple | ast.List):
        parts = [bound_names(element) for element in target.elts]
        return None if None in parts else [name for part in parts for name in part or ()]
    return None


def targets(statement: ast.stmt) -> Sequence[ast.expr]:
    """What an assignment of any form assigns to; empty for other statements."""
    if isinstance(statement, ast.Assign):
        return statement.targets
    return [statement.target] if isinstance(statement, ast.AnnAssign | ast.AugAssign) else []


def root_and_path(node: ast.expr) -> tuple[ast.expr, list[str]]:
    """`a.b.c` as the expression `a` and `["b", "c"]`."""
    path: list[str] = []
    while isinstance(node, ast.Attribute):
        path.append(node.attr)
        node = node.value
    return node, path[::-1]


class _Reader:
    def __init__(self, table: Table, *, package: bool, own: Collection[str]) -> None:
        self.table = table
        self._package = package
        self._own = own

    def read(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            self._read_import(statement)
        elif isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
            self._bind(statement.name, Defined(statement))
        elif targets(statement):
            self._read_assignment(statement)
        elif type(statement).__name__ == "TypeAlias":  # Python 3.12: type X = ...
            self._bind(statement.name.id, Defined(statement))  # type: ignore[attr-defined]
        elif _is_for_types(statement):
            for inner in statement.body:  # type: ignore[attr-defined]
                self.read(inner)
        elif not _is_main_block(statement):
            self._read_block(statement)

    def bind_globals(self, tree: ast.Module) -> None:
        for statement in tree.body:
            for node in ast.walk(statement):
                for name in node.names if isinstance(node, ast.Global) else ():
                    self._bind(name, Defined(statement))  # a function that sets the name is a part of its definition

    def _bind(self, name: str, binding: Binding) -> None:
        self.table.bindings.setdefault(name, []).append(binding)

    def _read_assignment(self, statement: ast.stmt) -> None:
        for target in targets(statement):
            names = bound_names(target)
            for name in names or ():
                self._bind(name, Defined(statement))
            if names is None or set(names) == {"_"}:
                self.table.blocks.append(statement)

    def _read_block(self, statement: ast.stmt) -> None:
        """`if`, `try`, `for`, `with`, calls, ...: taken whole, whatever they bind."""
        self.table.blocks.append(statement)
        for node in ast.walk(statement):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._read_import(node)
            elif isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                self._bind(node.name, Defined(statement))
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self._bind(node.id, Defined(statement))

    def _read_import(self, statement: ast.Import | ast.ImportFrom) -> None:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                self._runs(alias.name)
                path = alias.name if alias.asname else alias.name.partition(".")[0]
                own = self._is_own(alias.name)
                self._bind(alias.asname or path, OwnModule(path) if own else Foreign(path))
            return
        base = absolute(statement, self.table.name, package=self._package)
        self._runs(base)
        for alias in statement.names:
            path = f"{base}.{alias.name}".lstrip(".")
            self._runs(path)
            if alias.name == "*":
                if self._is_own(base):
                    self.table.stars.add(base)
            elif self._is_own(path):
                self._bind(alias.asname or alias.name, OwnModule(path))
            elif base in self._own:
                self._bind(alias.asname or alias.name, OwnName(base, alias.name))
            else:
                self._bind(alias.asname or alias.name, Foreign(path))

    def _runs(self, module: str) -> None:
        if module in self._own:
            self.table.imports.add(module)

    def _is_own(self, module: str) -> bool:
        return module in self._own or any(each.startswith(f"{module}.") for each in self._own)


def _is_idle(node: ast.AST) -> bool:
    return isinstance(node, ast.Pass) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    )


def _is_main_block(statement: ast.stmt) -> bool:
    """`if __name__ == "__main__":` never runs here."""
    return (
        isinstance(statement, ast.If)
        and not statement.orelse
        and isinstance(statement.test, ast.Compare)
        and ast.unparse(statement.test) in {"__name__ == '__main__'", "'__main__' == __name__"}
    )


def _is_for_types(statement: ast.stmt) -> bool:
    """`if TYPE_CHECKING:` never runs either, but annotations may name what it imports."""
    if not isinstance(statement, ast.If) or statement.orelse:
        return False
    root, path = root_and_path(statement.test)
    return isinstance(root, ast.Name) and [root.id, *path][-1] == "TYPE_CHECKING"


def class_parts(node: ast.ClassDef) -> Iterator[tuple[str | None, ast.stmt]]:
    """Each statement of a class body with the member it defines; None for one that acts when the class is made."""
    for statement in node.body:
        if isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
            yield statement.name, statement
        elif targets(statement):
            for target in targets(statement):
                names = bound_names(target)
                if names is None:
                    yield None, statement
                yield from ((name, statement) for name in names or ())
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name.partition(".")[0], statement) for alias in statement.names)
        else:
            yield None, statement
            for inner in ast.walk(statement):
                if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                    yield inner.id, statement
                elif isinstance(inner, (*FUNCTIONS, ast.ClassDef)):
                    yield inner.name, statement
