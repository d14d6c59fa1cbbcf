"""Files that appear whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from windlass.registry.files import digest_of, sync


def digests(folder: Path) -> dict[str, str]:
    """Path below `folder`, with slashes -> sha256, of every file in it."""
    return {
        path.relative_to(folder).as_posix(): digest_of(path) for path in sorted(folder.rglob("*")) if path.is_file()
    }


def whole(folder: Path, expected: Mapping[str, str]) -> bool:
    """Whether `folder` holds exactly the `expected` files with exactly their content."""
    try:
        return folder.is_dir() and digests(folder) == dict(expected)
    except OSError:
        return False


def publish(staged: Path, target: Path) -> None:
    """Sync everything in `staged` to the disk, then put it in `target`'s place with one rename.

    A crash leaves the old target, no target or the new one, each whole. Both lie on the same filesystem.
    """
    for path in staged.rglob("*"):
        sync(path)
    sync(staged)
    if target.exists():
        retired = staged.with_name(f"{staged.name}.old")
        target.rename(retired)
        staged.rename(target)
        shutil.rmtree(retired)
    else:
        staged.rename(target)
    sync(target.parent)
