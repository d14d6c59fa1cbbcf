"""Files that are written once, whole, and can be told to be the same ever after."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from windlass.errors import BundleCorrupt
from windlass.records.bundle import Manifest

MANIFEST = "manifest.json"


def digest_of(path: Path) -> str:
    """sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(folder: Path, *, without: str) -> dict[str, str]:
    """Path below `folder`, with slashes -> sha256, for every file but `without`.

    Raises BundleCorrupt for links and whatever else is no plain file: they may show other content tomorrow.
    """
    found: dict[str, str] = {}
    for path in walk(folder):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not path.is_file():
            raise BundleCorrupt("only plain files can be in a bundle", where=str(path), remedy="leave it out")
        if name != without:
            found[name] = digest_of(path)
    return found


def walk(folder: Path) -> list[Path]:
    """Every file below `folder`, sorted; links to folders count as files."""
    found = []
    for root, folders, names in os.walk(folder):
        found += [Path(root, name) for name in names]
        found += [Path(root, name) for name in folders if Path(root, name).is_symlink()]
    return sorted(found)


def encode_manifest(manifest: Manifest) -> bytes:
    """The one way to write a manifest down, so that its digest depends on what it says alone."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=1)


def decode_manifest(content: bytes, where: str) -> Manifest:
    """The manifest that `encode_manifest` wrote."""
    try:
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleCorrupt(
            f"the manifest cannot be read: {error}", where=where, remedy="restore the registry from a copy"
        ) from error


def sync(path: Path) -> None:
    """Have a file's content, or a folder's list of names, on the disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
