"""Finding product classes by reading files, so that the processes that import no user code can know them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from windlass.errors import ProductError
from windlass.product.code.bindings import Defined, Foreign, Table, bound_names, normalise, read_table, targets
from windlass.product.code.effects import resolve
from windlass.product.code.source import Source, parse, read_source, split_entry
from windlass.product.product import Product

_IS_PRODUCT = frozenset({"windlass.Product", "windlass.product.product.Product"})


@dataclass(frozen=True, kw_only=True)
class Found:
    """A product class, seen but not imported."""

    name: str
    entry: str
    bases: frozenset[str] = frozenset()
    """Its own base classes, as entries."""
    has_task: bool = True


def find_classes(project: Path) -> list[Found]:
    """The product classes of the top-level modules, without tests and without those that only serve as bases."""
    seen = [each for path in sorted(project.glob("*.py")) if _is_candidate(path) for each in _in_module(path, project)]
    # a class without a task that others build on is a base, not a product
    bases = {entry for each in seen for entry in each.bases}
    return [each for each in seen if each.has_task or each.entry not in bases]


def find_named(entry: str, project: Path) -> Found:
    """The one that `entry` names; raises ProductError when it is not there."""
    module, name = split_entry(entry)
    source = read_source(entry, project)
    tables = _tables(source)
    made = {each.name: each for each in tables[module].body if isinstance(each, ast.ClassDef)}
    if name in made and _derives(tables, module, made[name]):
        return Found(name=_product_name(made[name], source.modules[module]), entry=entry)
    classes = [each for each in made if _derives(tables, module, made[each])]
    near = get_close_matches(name, classes, n=1) or classes
    guess = f"did you mean {near[0]!r}?" if near else f"define `class {name}(wl.Product)` there."
    raise ProductError(
        f"{name!r} is not a product class" if name in made else f"there is no class {name!r}",
        where=str(project / source.modules[module]),
        remedy=f"{guess} The setting `products` names it as {entry!r}",
    )


def _is_candidate(path: Path) -> bool:
    """Files that cannot hold a product are not even parsed, so that a broken script beside it does no harm."""
    name = path.stem
    if not name.isidentifier() or name.startswith("test_") or name.endswith("_test") or name in {"conftest", "setup"}:
        return False
    return b"Product" in path.read_bytes() or b"class " in path.read_bytes()


def _in_module(path: Path, project: Path) -> Iterator[Found]:
    content = path.read_bytes()
    try:
        tree = parse(content, path)
    except ProductError:
        if b"Product" not in content:
            return
        raise
    first = next((each for each in tree.body if isinstance(each, ast.ClassDef)), None)
    if first is None:
        return
    module = path.stem
    tables = _tables(read_source(f"{module}:{first.name}", project))
    for made in tables[module].body:
        if isinstance(made, ast.ClassDef) and not made.name.startswith("_") and _derives(tables, module, made):
            bases = {
                f"{where}:{binding.statement.name}"
                for base in made.bases
                for where, binding in resolve(tables, module, base)
                if isinstance(binding, Defined) and isinstance(binding.statement, ast.ClassDef)
            }
            yield Found(
                name=_product_name(made, str(path)),
                entry=f"{module}:{made.name}",
                bases=frozenset(bases),
                has_task="task" in _constants(made),
            )


def _tables(source: Source) -> dict[str, Table]:
    packages = {name for name, path in source.modules.items() if path.endswith("__init__.py")}
    return {
        name: read_table(
            normalise(parse(source.files[path], Path(path))), name, package=name in packages, own=source.modules
        )
        for name, path in source.modules.items()
    }


def _derives(tables: dict[str, Table], module: str, made: ast.ClassDef, depth: int = 0) -> bool:
    """Whether a class is below Product, as far as its bases can be followed through own modules."""
    if depth > 20:
        return False
    for base in made.bases:
        for where, binding in resolve(tables, module, base):
            if isinstance(binding, Foreign):
                if f"{binding.path}.{_last(base)}" in _IS_PRODUCT or binding.path in _IS_PRODUCT:
                    return True
            elif (
                isinstance(binding, Defined)
                and isinstance(binding.statement, ast.ClassDef)
                and _derives(tables, where, binding.statement, depth + 1)
            ):
                return True
    return False


def _last(base: ast.expr) -> str:
    return base.attr if isinstance(base, ast.Attribute) else ""


def _constants(made: ast.ClassDef) -> dict[str, ast.expr | None]:
    """Name -> value of the assignments in a class body."""
    return {
        name: getattr(statement, "value", None)
        for statement in made.body
        for target in targets(statement)
        for name in bound_names(target) or ()
    }


def _product_name(made: ast.ClassDef, path: str) -> str:
    """The name that the class will have, by Product's own rule."""
    body = {"__module__": Path(path).stem}
    constants = _constants(made)
    if constants.get("name") is not None:
        value = constants["name"]
        if not (isinstance(value, ast.Constant) and isinstance(value.value, str)):
            raise ProductError(
                "a product's name must be plain text, since it is read without running the code",
                where=f"{path}:{made.lineno}",
                remedy='write name = "flight-delays"',
            )
        body["name"] = value.value
    named: type[Product] = type(made.name, (Product,), dict(body))
    return named.name
