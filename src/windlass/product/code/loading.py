"""From `module:Class` to the product class, and which product classes a project has."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

from windlass.errors import ProductError, WindlassError
from windlass.product.code.discovery import Found, find_classes, find_named
from windlass.product.code.namespace import import_private, private_name
from windlass.product.code.sharing import share
from windlass.product.code.source import Source, modules_holding, read_source, source_from_folder, split_entry
from windlass.product.product import Product


def load_product(entry: str, project: Path) -> type[Product]:
    """The product class that `entry` (`module:Class`) names in the folder `project`.

    The modules are run under a private name made from the digest of the product's own source: loading the same source
    again gives the same class, another source another one beside it. Raises ProductError when the module or class is
    missing, the class is no product, or the user's code raises while it is imported.
    """
    folder = project.resolve()
    return load(read_source(entry, folder), folder)


def load_source(folder: Path, entry: str) -> type[Product]:
    """The product class from a source that `Source.write` laid out, such as the one in a bundle."""
    return _load(source_from_folder(folder, entry), folder)


def load(source: Source, folder: Path) -> type[Product]:
    """The product class of a source that was read from `folder`; processes that `train` starts know its modules too."""
    share(source, folder)
    return _load(source, folder)


@contextmanager
def lent(source: Source, folder: Path, names: Iterable[str]) -> Iterator[None]:
    """While it lasts, the modules of `source` that hold `names` are found by their public names, as a model file that
    was written elsewhere has them; what is read meanwhile is of the private modules and stays so.

    `folder` is where the source was read from. Raises ProductError for what the modules raise.
    """
    share(source, folder)
    wanted = modules_holding(source, names)
    try:
        mine = {name: import_private(source, name, folder) for name in wanted}
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise _import_failed(error, source, folder) from error
    before = {name: sys.modules.get(name) for name in wanted}
    sys.modules.update(mine)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def _load(source: Source, folder: Path) -> type[Product]:
    module, name = split_entry(source.entry)
    try:
        loaded = import_private(source, module, folder)
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise _import_failed(error, source, folder) from error
    found = getattr(loaded, name, None)
    if not (inspect.isclass(found) and issubclass(found, Product) and found is not Product):
        raise _no_product(name, found, loaded.__dict__, str(folder / source.modules[module]))
    return found


def discover(project: Path, products: Sequence[str] = ()) -> dict[str, str]:
    """Product name -> entry, of the listed entries or, when none is listed, of the project's top-level modules.

    Nothing is imported: names are read from the syntax. Raises ProductError when there is no product, when two have
    the same name, and when a listed one is not there.
    """
    folder = project.resolve()
    found = [find_named(entry, folder) for entry in products] if products else find_classes(folder)
    if not found:
        raise ProductError(
            "no product class was found",
            where=str(folder),
            remedy="define `class Name(wl.Product)` in a top-level module, start with `windlass init NAME`, or name it "
            "in the setting `products`",
        )
    names: dict[str, Found] = {}
    for each in found:
        other = names.setdefault(each.name, each)
        if other.entry != each.entry:
            raise ProductError(
                f"two products are called {each.name!r}",
                where=f"{other.entry} and {each.entry}",
                remedy="give one of them another `name`, or list only one in the setting `products`",
            )
    return {name: each.entry for name, each in names.items()}


def _no_product(name: str, found: object, members: dict[str, object], where: str) -> ProductError:
    classes = [
        key
        for key, value in members.items()
        if inspect.isclass(value) and issubclass(value, Product) and value is not Product
    ]
    near = get_close_matches(name, classes, n=1) or classes
    remedy = f"did you mean {near[0]!r}?" if near else f"define `class {name}(wl.Product)` there"
    what = f"there is no class {name!r}" if found is None else f"{name!r} is not a product class"
    return ProductError(what, where=where, remedy=remedy)


def _import_failed(error: BaseException, source: Source, folder: Path) -> WindlassError:
    """What went wrong, at the deepest line of the user's own that led to it."""
    own = {str(folder / path) for path in source.files}
    private = f"{private_name(source.digest)}."
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in own]
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else str(folder)
    if isinstance(error, WindlassError):  # a declaration that was refused, such as Outcome(within="soon")
        return type(error)(error.what, where=f"{where}, {error.where}" if error.where else where, remedy=error.remedy)
    if isinstance(error, SyntaxError):
        where = f"{error.filename}:{error.lineno}"
    remedy = "mend that line; `python` run in the project's folder shows the same error"
    if isinstance(error, ModuleNotFoundError) and error.name:
        missing = error.name.removeprefix(private).partition(".")[0]
        remedy = f"install {missing!r} in this environment ({sys.prefix}), or put the module into the project"
    if isinstance(error, SystemExit):
        remedy = 'put what should only run as a script behind `if __name__ == "__main__":`'
    said = f"{type(error).__name__} while importing: {error}".replace(private, "").rstrip(": ")
    return ProductError(said, where=where, remedy=remedy)
