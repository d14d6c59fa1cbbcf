"""A private world of modules for each source, so that versions with different code stand side by side.

The modules of a source live in `sys.modules` below one private package whose name is made from the source's digest
alone. Models that hold objects of these classes can therefore be read back by any process that has loaded the same
source, and by none that has not. Imports of own modules are led into the private package; all others go their usual
way. Nothing is found by a public name, but for the moment in which a model file that names it so is read (`lent`).
"""

from __future__ import annotations

import builtins
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from windlass.product.code.source import Source, path_of

PREFIX = "_windlass_product_"


def private_name(digest: str) -> str:
    """The package that holds the modules of the source with this digest."""
    return f"{PREFIX}{digest[:24]}"


def import_private(source: Source, module: str, folder: Path) -> ModuleType:
    """`module` of a source, run once in this process; `folder` is where tracebacks and `__file__` point to.

    Whatever the code raises while it is imported is passed on, and nothing of a failed import stays behind.
    """
    with _LOCK:
        package = add_world(source, folder)
        before = set(sys.modules)
        try:
            return importlib.import_module(f"{package}.{module}")
        except BaseException:
            for name in [each for each in sys.modules if each.partition(".")[0] == package and each not in before]:
                del sys.modules[name]
            raise


def add_world(source: Source, folder: Path) -> str:
    """Make the modules of a source importable below its private package, whose name is returned; runs none of them."""
    package = private_name(source.digest)
    with _LOCK:
        _FINDER.worlds.setdefault(package, _World(package, source, folder))
        if _FINDER not in sys.meta_path:
            sys.meta_path.insert(0, _FINDER)
    return package


class _World:
    """One source: which files it has, and how its modules import."""

    def __init__(self, package: str, source: Source, folder: Path) -> None:
        self.package = package
        self.files = source.files
        self.folder = folder
        self._own = {name.partition(".")[0] for name in source.modules}

    def import_(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002 (the signature of `__import__`)
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """What `import` means in these modules: own names are private, all others as usual."""
        top = name.partition(".")[0]
        if level or top not in self._own:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        module = importlib.import_module(f"{self.package}.{name}")
        if not fromlist:
            return sys.modules[f"{self.package}.{top}"]
        return builtins.__import__(module.__name__, globals, locals, fromlist, 0)

    def spec(self, name: str) -> importlib.machinery.ModuleSpec | None:
        """Where the module `name` (below the private package) comes from; never from a file that was not digested."""
        inner = name.removeprefix(self.package).lstrip(".")
        path = path_of(inner, self.files) if inner else None
        if path is None:
            # the private package itself, or a folder without `__init__.py`
            stem = inner.replace(".", "/")
            if inner and not any(each.startswith(f"{stem}/") for each in self.files):
                raise ModuleNotFoundError(f"No module named {inner!r}", name=name)
            spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [str(self.folder / stem)]
            return spec
        loader = _Loader(self, path)
        return importlib.util.spec_from_file_location(
            name,
            self.folder / path,
            loader=loader,
            submodule_search_locations=[str((self.folder / path).parent)] if path.endswith("__init__.py") else None,
        )


class _Loader(importlib.abc.InspectLoader):
    """Runs a module from the bytes that were digested, whatever the file holds by now."""

    def __init__(self, world: _World, path: str) -> None:
        self._world = world
        self._path = path

    def is_package(self, fullname: str) -> bool:  # noqa: ARG002 (the interface's signature)
        return self._path.endswith("__init__.py")

    def get_source(self, fullname: str) -> str:  # noqa: ARG002
        return importlib.util.decode_source(self._world.files[self._path])

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002
        file = str(self._world.folder / self._path)
        return compile(self._world.files[self._path], file, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        # `import` looks its function up in the builtins of the module that says it, also much later in a function
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": self._world.import_}
        exec(self.get_code(module.__name__), module.__dict__)  # noqa: S102 (this is what importing is)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self) -> None:
        self.worlds: dict[str, _World] = {}

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 (the interface's signature)
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        world = self.worlds.get(fullname.partition(".")[0])
        return None if world is None else world.spec(fullname)


_FINDER = _Finder()
_LOCK = threading.RLock()
