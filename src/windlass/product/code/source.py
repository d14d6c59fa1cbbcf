"""The product's own modules: what is put into a bundle, and what the keys of steps are made from."""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from windlass.errors import ProductError
from windlass.product.code.imports import imported_names, module_name, parents
from windlass.product.code.reach import Reach


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """The entry module and every module of the project that it imports, directly or not."""

    entry: str
    """`module:Class`."""
    files: Mapping[str, bytes]
    """Path below the project, with slashes -> content, as it was when it was read."""

    @functools.cached_property
    def digest(self) -> str:
        """sha256 over paths and contents; two sources with the same digest are the same program."""
        total = hashlib.sha256()
        for path, content in sorted(self.files.items()):
            total.update(f"{path}\0{hashlib.sha256(content).hexdigest()}\n".encode())
        return total.hexdigest()

    @functools.cached_property
    def modules(self) -> dict[str, str]:
        """Dotted module name -> path of its file."""
        return {module_name(path): path for path in sorted(self.files)}

    def code_digest(self, *names: str) -> str:
        """sha256 over all code that the members `names` of the product class can reach.

        Comments, formatting, docstrings and code that none of them reaches do not matter, so that a step is repeated
        only when something that it runs has changed. Where the code cannot be followed (`exec`, `getattr` with a
        computed name, a star import of an own module), the digest of the whole source answers instead: to work again
        is the lesser evil. Digests compare within one minor version of Python, whose syntax tree they are made from.
        """
        text = self._reach.text(names)
        return self.digest if text is None else hashlib.sha256(text.encode()).hexdigest()

    def write(self, folder: Path) -> None:
        """Lay the files out below `folder`."""
        for path, content in self.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    @functools.cached_property
    def _reach(self) -> Reach:
        module, name = split_entry(self.entry)
        return Reach(
            {name: parse(self.files[path], Path(path)) for name, path in self.modules.items()},
            packages=frozenset(name for name, path in self.modules.items() if path.endswith("__init__.py")),
            module=module,
            product=name,
        )


def read_source(entry: str, project: Path) -> Source:
    """The entry module and everything below `project` that it imports, wherever in a file the import stands.

    Installed packages do not belong to it, nor do data files. Raises ProductError for an entry that is not
    `module:Class`, for a module that is not there, and for one that is not valid Python.
    """
    module, _ = split_entry(entry)
    own = _Project(project)
    start = own.locate(module)
    if start is None:
        raise _no_module(module, entry, project)
    return Source(entry=entry, files=_gather([module], own, project))


def with_modules_of(source: Source, names: Iterable[str], folder: Path) -> Source | None:
    """The source together with the modules in `folder` that hold `names` (`module.name`, as a pickle has them).

    None when none of them is such a module: a name that this Python finds somewhere else is not. What the source has
    already stays as it was read. Raises ProductError for a module that is not valid Python.
    """
    own = _Project(folder)
    mine = [name for name in names if _nearest(name, source.modules) or not _is_elsewhere(name, folder)]
    found = [name for name in own.nearest(mine) if name not in source.modules]
    if not found and not any(_nearest(name, source.modules) for name in mine):
        return None
    return Source(entry=source.entry, files={**_gather(found, own, folder), **source.files})


def modules_holding(source: Source, names: Iterable[str]) -> list[str]:
    """The modules of a source that hold `names` (`module.name`), and the packages above them, outermost first."""
    found = {name for each in names if (name := _nearest(each, source.modules)) is not None}
    return sorted(found | {above for name in found for above in parents(name)})


def reached_from(source: Source, names: Iterable[str], folder: Path) -> dict[str, bytes]:
    """Path -> content of the modules of a source that hold `names`, and of all that these import; `folder` is where it
    was read from. Raises ProductError for a module that is not valid Python."""
    paths = _gather(modules_holding(source, names), _Project(folder), folder)
    return {path: source.files[path] for path in sorted(paths) if path in source.files}


def source_from_folder(folder: Path, entry: str) -> Source:
    """The source as `Source.write` laid it out, for instance in a bundle."""
    split_entry(entry)
    found = sorted(path for path in folder.rglob("*.py") if path.is_file())
    return Source(entry=entry, files={path.relative_to(folder).as_posix(): path.read_bytes() for path in found})


def split_entry(entry: str) -> tuple[str, str]:
    """`module:Class` in two; raises ProductError when it is something else."""
    module, _, name = entry.partition(":")
    parts = module.split(".")
    if not name.isidentifier() or not all(part.isidentifier() for part in parts) or parts[-1] == "py":
        raise ProductError(
            f"{entry!r} does not name a product class",
            where="products",
            remedy="write 'module:Class', such as 'flights:FlightDelays'",
        )
    return module, name


def parse(content: bytes, path: Path) -> ast.Module:
    """The syntax tree; raises ProductError with file and line when the content is not valid Python."""
    try:
        return ast.parse(content, filename=str(path))
    except (SyntaxError, ValueError) as error:  # ValueError: null bytes
        line = getattr(error, "lineno", None)
        raise ProductError(
            f"not valid Python: {getattr(error, 'msg', error)}",
            where=f"{path}:{line}" if line else str(path),
            remedy="mend that line; `python -m py_compile FILE` shows the same error",
        ) from error


def _gather(waiting: list[str], own: _Project, folder: Path) -> dict[str, bytes]:
    """Path -> content of the modules that wait, and of all that they import."""
    files: dict[str, bytes] = {}
    while waiting:
        name = waiting.pop()
        path = own.locate(name)
        if path is None or path in files:
            continue
        files[path] = (folder / path).read_bytes()
        waiting += parents(name)
        tree = parse(files[path], folder / path)
        waiting += own.nearest(imported_names(tree, name, package=path.endswith("__init__.py")))
    return files


def _nearest(name: str, modules: Container[str]) -> str | None:
    """The module that holds `name`: the longest part of it that is one."""
    return next((each for each in (name, *parents(name)) if each in modules), None)


def _is_elsewhere(name: str, folder: Path) -> bool:
    """Whether this Python finds the module of `name`, and not in `folder`."""
    try:
        spec = find_spec(name.partition(".")[0])
    except (ImportError, ValueError):  # ValueError: `__main__`
        return False
    return spec is not None and spec.origin is not None and not Path(spec.origin).is_relative_to(folder.resolve())


class _Project:
    """Which modules are the project's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: dict[str, bool] = {}

    def locate(self, name: str) -> str | None:
        """The file of an own module, relative to the project; None when `name` is not one."""
        parts = name.split(".")
        if not all(part.isidentifier() for part in parts) or not self._is_own(parts[0]):
            return None
        stem = "/".join(parts)
        return next((path for path in (f"{stem}/__init__.py", f"{stem}.py") if (self._folder / path).is_file()), None)

    def nearest(self, names: Iterable[str]) -> Iterator[str]:
        """For each dotted name the longest part that is an own module: `helpers.clean` may be a function in it."""
        for name in names:
            found = next((each for each in (name, *parents(name)) if self.locate(each)), None)
            if found is not None:
                yield found

    def _is_own(self, top: str) -> bool:
        if top not in self._own:
            self._own[top] = self._decide(top)
        return self._own[top]

    def _decide(self, top: str) -> bool:
        """Whether the name means the project's module and not an installed one, as Python itself would decide."""
        if (self._folder / top / "__init__.py").is_file() or (self._folder / f"{top}.py").is_file():
            return True
        if not (self._folder / top).is_dir():
            return False
        # a folder without __init__.py is a package only if no installed package has its name
        try:
            spec = find_spec(top)
        except (ImportError, ValueError):
            return True
        return spec is None or spec.origin is None


def _no_module(module: str, entry: str, project: Path) -> ProductError:
    known = sorted(module_name(path.name) for path in project.glob("*.py"))
    near = get_close_matches(module, known, n=1) or known[:5]
    return ProductError(
        f"there is no module {module!r} for the product {entry!r}",
        where=str(project),
        remedy=f"name a module of the project: {', '.join(near)}"
        if near
        else "create the file, or set `project` to the folder that holds it",
    )


def path_of(module: str, files: Mapping[str, bytes]) -> str | None:
    """The file of a module among `files`."""
    stem = str(PurePosixPath(*module.split(".")))
    return next((path for path in (f"{stem}/__init__.py", f"{stem}.py") if path in files), None)
