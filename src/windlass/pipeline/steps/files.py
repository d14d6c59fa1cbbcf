"""Files that appear whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from windlass.registry.files import digest_of, sync
from windlass.staging import Staging


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


def publish(staging: Staging, staged: Path, target: Path) -> None:
    """Sync everything in `staged` to the disk, then put it in `target`'s place with one rename.

    A crash leaves the old target, no target or the new one, each whole. Raises LeaseLost, with nothing changed, when
    somebody else has taken over.
    """
    for path in staged.rglob("*"):
        sync(path)
    sync(staged)
    target.parent.mkdir(parents=True, exist_ok=True)
    staging.exchange(staged, target)
    sync(target.parent)
