"""Letting the children of this process import the private modules.

`train` may spread its work over processes (`n_jobs=2`), and what travels there names its classes by their private
module. Such children start with this process's `sys.path`; a folder on it holds, for each source, a package of the
private name that makes the same private world in the child.
"""

from __future__ import annotations

import functools
import sys
import tempfile
from pathlib import Path

from windlass.product.code.namespace import add_world, private_name
from windlass.product.code.source import Source, source_from_folder

_PACKAGE = """\
from pathlib import Path
from windlass.product.code.sharing import adopt
adopt(__name__, Path(__file__).parent / "source", {entry!r}, Path({folder!r}))
"""


def share(source: Source, folder: Path) -> None:
    """Make the private modules of `source`, which was read from `folder`, importable in child processes."""
    package = _shared_folder() / private_name(source.digest)
    if (package / "__init__.py").exists():
        return
    source.write(package / "source")
    # last, since only a package that has it is complete
    (package / "__init__.py").write_text(_PACKAGE.format(entry=source.entry, folder=str(folder)))


def adopt(package: str, shared: Path, entry: str, folder: Path) -> None:
    """In the child: take the source over. Raises ImportError when it is not the one that the name promises."""
    source = source_from_folder(shared, entry)
    if private_name(source.digest) != package:
        raise ImportError(f"{shared} no longer holds the source of {package}")
    add_world(source, folder)


@functools.cache
def _shared_folder() -> Path:
    """One folder for this process, removed when it ends."""
    kept = tempfile.TemporaryDirectory(prefix="windlass-", ignore_cleanup_errors=True)
    _KEPT.append(kept)
    sys.path.append(kept.name)
    return Path(kept.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []
