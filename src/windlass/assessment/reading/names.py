"""What the names of a file stand for: imports, what it defines, and the classes of what variables hold."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from sys import intern

from windlass.assessment.reading.code import Module
from windlass.assessment.reading.control import BLOCKS, blocks
from windlass.assessment.reading.expression import constant_of, dotted_of


class Names:
    """The names of one file, as far as it is read. What it imports is put down in its module."""

    def __init__(self, path: str) -> None:
        self.module = Module(path=path)
        self.package = path.replace("\\", "/").split("/")[:-1]
        self.kinds: dict[str, str] = {}
        """Variable, or `self.x`, to the dotted name of its class."""
        self.tails: set[str] = set()
        """The last words of those with a dot: most attributes are none of them."""
        self.local: dict[str, str] = {}
        """Name defined in this file to its qualified name."""

    def take_in(self, body: Sequence[ast.stmt], chosen: dict[str, list[str]] | None = None) -> None:
        """Every import of a body; `chosen` gathers those that the branches of an `if` give the same name."""
        for node in body:
            kind = type(node)
            if kind in BLOCKS:
                outermost = chosen is None and kind is ast.If
                among: dict[str, list[str]] | None = {} if outermost else chosen
                for inner in blocks(node):
                    self.take_in(inner, among)
                if outermost and among:
                    others = {all_[-1]: tuple(all_[:-1]) for all_ in among.values() if len(all_) > 1}
                    self.module.instead.update(others)
            elif kind is ast.Import or kind is ast.ImportFrom:
                self._import(node)  # type: ignore[arg-type]
                if chosen is not None and kind is ast.ImportFrom:
                    for alias in node.names:  # type: ignore[attr-defined]
                        name = alias.asname or alias.name
                        full = self.module.imports.get(name, "")
                        if full and full not in chosen.setdefault(name, []):
                            chosen[name].append(full)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                local = alias.asname or alias.name.partition(".")[0]
                self.module.imports[local] = alias.name if alias.asname else local
                self.module.import_lines.setdefault(alias.name, node.lineno)
            return
        base = node.module or ""
        if node.level:
            self.module.is_placed = True
            above = self.package[: len(self.package) - node.level + 1]
            base = ".".join([*above, *([node.module] if node.module else [])])
        for alias in node.names:
            full = f"{base}.{alias.name}" if base else alias.name
            # Of `from a import *` and `from b import *` each is kept: no name is called like that.
            self.module.imports[full if alias.name == "*" else alias.asname or alias.name] = full
            self.module.import_lines.setdefault(full, node.lineno)

    def resolve(self, node: ast.expr) -> str:
        """The dotted name that an expression stands for, or ""."""
        trail: list[str] = []
        while True:
            kind = type(node)
            if kind is ast.Name:
                root = self.root(node.id, alone=not trail)  # type: ignore[attr-defined]
                break
            if kind is ast.Attribute:
                if trail and node.attr in self.tails:  # type: ignore[attr-defined]
                    known = self.kinds.get(dotted_of(node))
                    if known:
                        root = known
                        break
                trail.append(node.attr)  # type: ignore[attr-defined]
                node = node.value  # type: ignore[attr-defined]
            elif kind is ast.Call:
                node = node.func  # type: ignore[attr-defined]
            elif kind is ast.Subscript or kind is ast.Await:
                node = node.value  # type: ignore[attr-defined]
            elif trail:
                root = "?"
                break
            else:
                return ""
        if not trail:
            return root
        trail.append(root)
        trail.reverse()
        return intern(".".join(trail))

    def root(self, name: str, *, alone: bool) -> str:
        """What a plain name stands for; unless it stands alone, of what class that is which it holds."""
        if name in self.kinds and not alone:
            return self.kinds[name] or "?"
        if name in self.local:
            return f":{self.local[name]}"
        if name in self.module.imports:
            return self.module.imports[name]
        if name in ("self", "cls"):
            return "self"
        if name == "super":
            return name
        return name if alone else "?"

    def note_kind(self, name: str, value: ast.expr) -> None:
        """Keep the class of what a variable is given, or that it is not known any more."""
        if isinstance(value, ast.Await):
            value = value.value
        if isinstance(value, ast.Call):
            self.kinds[name] = self.made(value)
            if "." in name:
                self.tails.add(name.rpartition(".")[2])
        else:
            self.kinds.pop(name, None)

    def made(self, value: ast.Call) -> str:
        """What a call makes: what it calls, or the module that `import_module("mlflow")` takes in."""
        made = self.resolve(value.func)
        if made in ("importlib.import_module", "__import__") and value.args:
            return constant_of(value.args[0]) or made
        return made

    def given(self, value: ast.expr | None) -> str:
        """The module or class that an answer is, as far as it is known."""
        if isinstance(value, ast.Call):
            given, called = self.made(value), self.resolve(value.func)
            given = given if given != called or "." in given or given.startswith(":") else ""
        else:
            dotted = dotted_of(value) if isinstance(value, (ast.Name, ast.Attribute)) else ""
            given = self.kinds.get(dotted) or self.module.imports.get(dotted, "")
        return "" if given.startswith(("?", "self", "super", "typing.")) else given

    def note_annotation(self, name: str, annotation: ast.expr) -> None:
        """`trainer: Trainer = instantiate(config)`: what is written counts more than what made it."""
        kind = self.resolve(less_none(annotation))
        if kind and ("." in kind or kind.startswith(":")):
            self.kinds[name] = kind


def less_none(annotation: ast.expr) -> ast.expr:
    """`X` of `Optional[X]` and of `X | None`."""
    if isinstance(annotation, ast.Subscript) and dotted_of(annotation.value).endswith("Optional"):
        return annotation.slice
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.right, ast.Constant):
        return annotation.left
    return annotation


def tail_of(node: ast.expr) -> str:
    """The last word of a dotted name, or "" for anything else."""
    last = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    while isinstance(node, ast.Attribute):
        node = node.value
    return last if isinstance(node, ast.Name) else ""
