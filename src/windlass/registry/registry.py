"""The models: every version an immutable folder that is named by the sha256 of its manifest."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from pathlib import Path
from uuid import uuid4

import msgspec

from windlass.errors import BundleCorrupt, RegistryError
from windlass.records.bundle import Manifest
from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.registry import files
from windlass.registry.bundle import SOURCE, Bundle, check_files, read_manifest
from windlass.staging import Staging

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Registry:
    """The bundles of one workspace, on local disk.

    A bundle is put together in a staging folder and appears by one rename, when everything in it has reached the disk:
    whoever looks, after whatever crash, sees all of a version or nothing.
    """

    def __init__(self, paths: Paths, fence: Fence | None = None) -> None:
        """Only who works under a `fence` may publish."""
        self._paths = paths
        self._staging = Staging(paths.registry, fence)

    def stage(self, product: str) -> Path:
        """A new empty folder to put a bundle together in; nobody looks there.

        Raises LeaseLost when this process may not publish, or may no longer.
        """
        return self._staging.make(product, uuid4().hex)

    def publish(self, staged: Path, manifest: Manifest) -> str:
        """Move a staged folder into the registry and return the version's digest; `manifest.files` is filled in here.

        Publishing the same content again gives the same digest and changes nothing. The version counts once the
        ledger says so. Raises RegistryError when the folder does not hold what the manifest names, and LeaseLost, with
        nothing published, when somebody else has taken over.
        """
        if (staged / files.MANIFEST).exists():
            raise RegistryError(
                f"{files.MANIFEST} is written by the registry", where=str(staged), remedy="leave it out of the folder"
            )
        manifest = msgspec.structs.replace(manifest, files=files.digests(staged, without=files.MANIFEST))
        _check_complete(manifest, staged)
        content = files.encode_manifest(manifest)
        digest = hashlib.sha256(content).hexdigest()
        (staged / files.MANIFEST).write_bytes(content)
        target = self._paths.bundle(manifest.product, digest)
        if target.exists():
            self.verify(manifest.product, digest)
        else:
            _settle(staged)
            self._put(staged, target)
        if staged.exists():
            shutil.rmtree(staged)
        return digest

    def open(self, product: str, digest: str) -> Bundle:
        """The version with this digest, after every file of it has been checked.

        Raises BundleCorrupt naming the file that does not match, is missing or does not belong, and RegistryError
        when there is no such version.
        """
        return Bundle(manifest=self.verify(product, digest), digest=digest, folder=self._paths.bundle(product, digest))

    def holds(self, product: str, digest: str) -> bool:
        """Whether the version is here at all; nothing of it is read."""
        return self._paths.bundle(product, digest).is_dir()

    def manifest(self, product: str, digest: str) -> Manifest:
        """The manifest alone, checked against the digest; no other file is read."""
        folder = self._paths.bundle(product, digest)
        path = folder / files.MANIFEST
        if not _DIGEST.fullmatch(digest) or not folder.is_dir():
            raise RegistryError(
                f"there is no version with the digest {digest[:12]!r} of {product!r}",
                where=str(self._paths.bundles(product)),
                remedy="see `windlass versions` for those there are",
            )
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BundleCorrupt(
                f"the manifest cannot be read: {error.strerror}",
                where=str(path),
                remedy="restore the registry from a copy",
            ) from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise BundleCorrupt(
                "the manifest was changed: its digest is not the folder's name",
                where=str(path),
                remedy="do not use this version: restore the registry from a copy, or train again",
            )
        return read_manifest(content, str(path))

    def verify(self, product: str, digest: str) -> Manifest:
        """Check every file of a version; raises as `open` does, and runs no code of it."""
        manifest = self.manifest(product, digest)
        check_files(self._paths.bundle(product, digest), manifest)
        return manifest

    def digests(self, product: str) -> list[str]:
        """Of all bundles there are, also of those that no event names."""
        folder = self._paths.bundles(product)
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def remove(self, product: str, digest: str) -> None:
        """Delete a bundle that no event names. Raises LeaseLost, with nothing changed, when another has taken over."""
        self._staging.remove(self._paths.bundle(product, digest))

    def clear_staging(self, product: str) -> None:
        """Remove what crashed publishers of the product left behind; only while nobody publishes it."""
        self._staging.clear(product)

    def _put(self, staged: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._staging.put(staged, target)
        except OSError:
            if not target.exists():  # somebody else published the same at the same moment, or the disk is at fault
                raise
        files.sync(target.parent)
        files.sync(target.parent.parent)


def _check_complete(manifest: Manifest, staged: Path) -> None:
    if manifest.model.file not in manifest.files:
        raise RegistryError(
            f"the model's file {manifest.model.file!r} is not there", where=str(staged), remedy="save the model first"
        )
    if manifest.entry:
        from windlass.product.code.source import path_of, split_entry  # who only reads manifests looks at no code

        module, _ = split_entry(manifest.entry)
        if path_of(module, {name.removeprefix(f"{SOURCE}/"): b"" for name in manifest.files}) is None:
            raise RegistryError(
                f"the source of {manifest.entry!r} is not there",
                where=str(staged / SOURCE),
                remedy="write the product's source there first",
            )


def _settle(staged: Path) -> None:
    """Make the files read-only and have all of it on the disk."""
    for path in files.walk(staged):
        path.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
        files.sync(path)
    for root, _, _ in os.walk(staged, topdown=False):
        files.sync(Path(root))
