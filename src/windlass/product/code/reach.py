"""Which code a member of the product class can reach.

Names are followed through the syntax trees of the own modules, and always generously: a name counts wherever it is
read, a method counts in every class of the product's line, an own class that is named counts whole. What is generous
only repeats work; what is too narrow would reuse the outputs of code that has changed.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from windlass.product.code.bindings import (
    FUNCTIONS,
    Defined,
    Foreign,
    OwnModule,
    OwnName,
    class_parts,
    normalise,
    read_table,
    root_and_path,
)
from windlass.product.code.effects import acting, descend, resolve
from windlass.product.code.imports import absolute, parents
from windlass.product.product import Product

_CALLS_ANYTHING = frozenset({"__builtins__", "__import__", "compile", "eval", "exec", "globals", "locals", "vars"})
_READS_ANYTHING = frozenset(
    {"__dict__", "__globals__", "__subclasses__", "import_module", "reload", "run_module", "run_path"}
)
_BY_NAME = frozenset({"getattr", "setattr", "delattr", "hasattr"})
_NAMES_IN_TEXT = re.compile(r"[A-Za-z_]\w*")


class Untraceable(Exception):
    """The code decides at run time what it reaches."""


@dataclass(frozen=True)
class Unit:
    """Something that can be reached."""

    kind: str
    """`runs` (a module is imported), `module` (all of it), `name` (of a module), `head` (what making the class and an
    instance runs), `member`, `members` (all), `base` (what Product itself does by default)."""
    module: str = ""
    name: str = ""


class Reach:
    """The own modules of one product, ready to be followed."""

    def __init__(self, trees: Mapping[str, ast.Module], *, packages: frozenset[str], module: str, product: str) -> None:
        """`trees` maps module names to syntax trees, which are normalised in place."""
        self.tables = {
            name: read_table(normalise(tree), name, package=name in packages, own=trees) for name, tree in trees.items()
        }
        self.packages = packages
        self._entry = module
        self._product = product

    def text(self, names: Iterable[str]) -> str | None:
        """All code that `names` reach, in a canonical form; None when that cannot be told."""
        pieces: set[str] = set()
        waiting = [Unit("runs", self._entry), Unit("head"), *(Unit("member", name=name) for name in names)]
        seen: set[Unit] = set()
        try:
            while waiting:
                unit = waiting.pop()
                if unit not in seen:
                    seen.add(unit)
                    for piece, uses in self._open(unit):
                        pieces.add(piece)
                        waiting += uses
        except (Untraceable, RecursionError):
            return None
        return "\n".join(sorted(pieces))

    @functools.cached_property
    def line(self) -> tuple[tuple[str, ast.ClassDef], ...]:
        """The product class and its own base classes, each with its module."""
        found = list(resolve(self.tables, self._entry, ast.Name(self._product)))
        line: list[tuple[str, ast.ClassDef]] = []
        while found:
            module, binding = found.pop()
            if isinstance(binding, Foreign):
                continue
            made = binding.statement if isinstance(binding, Defined) else None
            if not isinstance(made, ast.ClassDef) or made in self.tables[module].blocks:
                raise Untraceable
            if (module, made) not in line:
                line.append((module, made))
                for base in made.bases:
                    if not isinstance(root_and_path(base)[0], ast.Name):
                        raise Untraceable  # a base class that is computed
                    found += resolve(self.tables, module, base)
        if not line:
            raise Untraceable
        return tuple(line)

    @functools.cached_property
    def members(self) -> dict[str, list[tuple[str, ast.ClassDef, ast.stmt]]]:
        """Member -> what defines it in the product's line; a method that sets `self.x` is a definition of `x`."""
        members: dict[str, list[tuple[str, ast.ClassDef, ast.stmt]]] = {}
        for module, made in self.line:
            for name, statement in class_parts(made):
                if name is not None:
                    members.setdefault(name, []).append((module, made, statement))
                receiver = receiver_of(statement)
                for node in ast.walk(statement) if receiver else ():
                    if (
                        isinstance(node, ast.Attribute)
                        and not isinstance(node.ctx, ast.Load)
                        and isinstance(node.value, ast.Name)
                        and node.value.id == receiver
                    ):
                        members.setdefault(node.attr, []).append((module, made, statement))
        return members

    def _open(self, unit: Unit) -> Iterator[tuple[str, set[Unit]]]:
        """The code of a unit, in pieces, each with the units that it uses."""
        match unit.kind:
            case "runs":
                yield from self._open_run(unit.module)
            case "head":
                yield from self._open_head()
            case "members":
                yield "", {Unit("member", name=name) for name in self.members}
            case "member":
                yield from self._open_member(unit.name)
            case "base":
                yield from _open_default(unit.name)
            case "module":
                yield "", self._all_of(unit.module)
            case _:
                yield from self._open_name(unit.module, unit.name)

    def _all_of(self, module: str) -> set[Unit]:
        if module not in self.tables:
            raise Untraceable  # a package folder without `__init__.py`, used as a value
        inner = {Unit("module", each) for each in self.tables if each.startswith(f"{module}.")}
        return {Unit("runs", module), *inner, *(Unit("name", module, name) for name in self.tables[module].bindings)}

    def _open_run(self, module: str) -> Iterator[tuple[str, set[Unit]]]:
        if module not in self.tables:
            return
        table = self.tables[module]
        if table.stars:
            raise Untraceable
        yield "", {Unit("runs", each) for each in (*table.imports, *parents(module))}
        exempt = frozenset(made for _, made in self.line)
        for place, statement in enumerate(acting(self.tables, module, exempt=exempt)):
            yield self._piece(f"{module}#{place}", statement), self._uses(statement, module)

    def _open_head(self) -> Iterator[tuple[str, set[Unit]]]:
        """What is run when the class is made and whenever an instance is."""
        own = {made for _, made in self.line}
        for module, made in self.line:
            label = f"{module}:{made.name}"
            head = [*made.decorator_list, *(keyword.value for keyword in made.keywords)]
            for place, expression in enumerate(head):
                yield self._piece(f"{label}@{place}", expression), self._uses(expression, module)
            for base in made.bases:
                found = list(resolve(self.tables, module, base))
                foreign = not any(isinstance(each, Defined) and each.statement in own for _, each in found)
                yield self._piece(f"{label}(base)", base), self._uses(base, module) if foreign else set()
            for name, statement in class_parts(made):
                if name is None:
                    yield self._piece(f"{label}#", statement), self._uses(statement, module, in_class=True)
                elif name.startswith("__") and name.endswith("__"):
                    yield "", {Unit("member", name=name)}

    def _open_member(self, name: str) -> Iterator[tuple[str, set[Unit]]]:
        private = next(
            (name.removeprefix(f"_{made.name}") for _, made in self.line if name.startswith(f"_{made.name}__")), None
        )
        found = self.members.get(name, []) or self.members.get(private or name, [])
        if not found:
            yield "", {Unit("base", name=name)}
        for place, (module, made, statement) in enumerate(found):
            uses = self._uses(statement, module, in_class=True, receiver=receiver_of(statement))
            yield self._piece(f"{module}:{made.name}.{name}#{place}", statement), uses

    def _open_name(self, module: str, name: str) -> Iterator[tuple[str, set[Unit]]]:
        found = self.tables[module].bindings.get(name) if module in self.tables else None
        if found is None:
            raise Untraceable  # the module makes it up: `__getattr__`, or a name that is set from outside
        for place, binding in enumerate(found):
            label = f"{module}.{name}#{place}"
            match binding:
                case Foreign(path):
                    yield f"{label}={path}", set()
                case OwnName(inner, original):
                    yield f"{label}={inner}.{original}", {Unit("name", inner, original), Unit("runs", inner)}
                case OwnModule(inner):
                    yield f"{label}={inner}", {Unit("module", inner)}
                case Defined(statement) if (module, statement) in self.line:
                    yield "", {Unit("members")}
                case Defined(statement):
                    yield self._piece(label, statement), self._uses(statement, module)

    def _piece(self, label: str, node: ast.AST) -> str:
        return f"{label}|{ast.dump(node, annotate_fields=False)}"

    def _uses(self, node: ast.AST, module: str, *, in_class: bool = False, receiver: str | None = None) -> set[Unit]:
        visitor = _Uses(self, module, in_class=in_class, receiver=receiver)
        visitor.visit(node)
        return visitor.found


class _Uses(ast.NodeVisitor):
    """Collects what a piece of code of one module uses."""

    def __init__(self, reach: Reach, module: str, *, in_class: bool, receiver: str | None) -> None:
        self.found: set[Unit] = set()
        self._reach = reach
        self._module = module
        self._bindings = reach.tables[module].bindings
        self._in_class = in_class
        self._receiver = receiver

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._use([node.id])

    def visit_Attribute(self, node: ast.Attribute) -> None:
        root, path = root_and_path(node)
        if _READS_ANYTHING.intersection(path) or (
            isinstance(root, ast.Name) and (root.id, path[0]) == ("sys", "modules")
        ):
            raise Untraceable
        if isinstance(root, ast.Name):
            self._use([root.id, *path])
        elif isinstance(root, ast.Call) and isinstance(root.func, ast.Name) and root.func.id == "super":
            self.found |= {Unit("member", name=path[0]), Unit("base", name=path[0])}
        elif self._is_own_type(root):
            self._member(path[0])
        else:
            self.visit(root)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in _BY_NAME and name not in self._bindings:
            if len(node.args) < 2 or not isinstance(node.args[1], ast.Constant):
                raise Untraceable
            self.visit(ast.Attribute(node.args[0], str(node.args[1].value), ast.Load()))
            for argument in node.args[2:]:
                self.visit(argument)
            return
        if name == "super":
            self.found.add(Unit("members"))
        self.generic_visit(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        outer = self._receiver
        if self._in_class and outer is None and node.args.args:
            self._receiver = node.args.args[0].arg  # a lambda as a member is a method
        self.generic_visit(node)
        self._receiver = outer

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for part in (*node.decorator_list, node.args, *([node.returns] if node.returns else [])):
            self.visit(part)
        outer, self._in_class = self._in_class, False  # names of the class body are not seen inside its methods
        for part in (*getattr(node, "type_params", ()), *node.body):
            self.visit(part)
        self._in_class = outer

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 (the visitor's naming)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            for name in (alias.name, *parents(alias.name)):
                if name in self._reach.tables:
                    self.found.add(Unit("module", name))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = absolute(node, self._module, package=self._module in self._reach.packages)
        for alias in node.names:
            path = f"{base}.{alias.name}".lstrip(".")
            if alias.name == "*" and base in self._reach.tables:
                raise Untraceable
            if path in self._reach.tables:
                self.found.add(Unit("module", path))
            elif base in self._reach.tables:
                self.found |= {Unit("runs", base), Unit("name", base, alias.name)}

    def visit_Constant(self, node: ast.Constant) -> None:
        """A string may be an annotation: own names in it count."""
        if isinstance(node.value, str) and len(node.value) < 200:
            for name in _NAMES_IN_TEXT.findall(node.value):
                if name in self._bindings:
                    self._use([name])

    def _use(self, path: list[str]) -> None:
        name, rest = path[0], path[1:]
        if name == self._receiver:
            if rest[:1] == ["__class__"]:
                rest = rest[1:]
            self._member(rest[0] if rest else None)
        if self._in_class and name in self._reach.members:
            self._member(name)
        if name in _CALLS_ANYTHING and name not in self._bindings:
            raise Untraceable
        for binding in self._bindings.get(name, ()):
            if isinstance(binding, OwnModule) and rest:
                module, left = descend(self._reach.tables, binding.module, rest)
                self.found |= {Unit("runs", module), Unit("name", module, left[0]) if left else Unit("module", module)}
                continue
            if rest and any(
                isinstance(each, Defined) and (where, each.statement) in self._reach.line
                for where, each in resolve(self._reach.tables, self._module, ast.Name(name))
            ):
                self._member(rest[0])
                continue
            self.found.add(Unit("name", self._module, name))

    def _member(self, name: str | None) -> None:
        self.found.add(Unit("members") if name is None else Unit("member", name=name))

    def _is_own_type(self, node: ast.expr) -> bool:
        """`type(self)`."""
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "type"
            and len(node.args) == 1
            and isinstance(node.args[0], ast.Name)
            and node.args[0].id == self._receiver
        )


def receiver_of(statement: ast.stmt) -> str | None:
    """The name of `self` or `cls` in a method."""
    if not isinstance(statement, FUNCTIONS):
        return None
    if any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in statement.decorator_list):
        return None
    arguments = [*statement.args.posonlyargs, *statement.args.args]
    return arguments[0].arg if arguments else None


def _open_default(name: str) -> Iterator[tuple[str, set[Unit]]]:
    """What the Product class itself does where the user's class says nothing."""
    statement = _defaults().get(name)
    if statement is not None:
        uses = _Defaults(receiver_of(statement))
        uses.visit(statement)
        yield f"Product.{name}|{ast.dump(statement, annotate_fields=False)}", uses.found


class _Defaults(ast.NodeVisitor):
    """The members that a default uses; it uses no other code of the project."""

    def __init__(self, receiver: str | None) -> None:
        self.found: set[Unit] = set()
        self._receiver = receiver

    def visit_Attribute(self, node: ast.Attribute) -> None:
        root, path = root_and_path(node)
        if isinstance(root, ast.Name) and root.id == self._receiver:
            self.found.add(Unit("member", name=path[0]))
        self.generic_visit(node)


@functools.cache
def _defaults() -> dict[str, ast.stmt]:
    made = normalise(ast.parse(inspect.getsource(Product))).body[0]
    assert isinstance(made, ast.ClassDef)
    return {name: statement for name, statement in class_parts(made) if name is not None}
