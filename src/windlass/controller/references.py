"""What a champion is watched against."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import polars as pl

from windlass.controller.captured import untyped_features
from windlass.controller.context import LoopContext
from windlass.errors import RegistryError
from windlass.lake.layout import SEQUENCE
from windlass.monitoring import reference as references
from windlass.monitoring.reference import Reference
from windlass.product.labels import LabelCodec
from windlass.records.bundle import Manifest
from windlass.records.event import ReferenceFixed
from windlass.records.routing import ANSWERED
from windlass.records.state import ProductState, VersionState
from windlass.registry.files import sync
from windlass.release.losses import predictions_of
from windlass.staging import Staging


@dataclass(frozen=True, kw_only=True)
class Held:
    """A reference, and the answers that are held against it."""

    reference: Reference
    through: int
    """The lake's sequence of the last answer in the reference: those after it are watched. -1: it holds none."""


class References:
    """The reference in a version's bundle; or, of a model that came without its rows, its first answers.

    These are as many as a window has rows (`watch_rows`), in the order in which they came into the lake. Once there are
    enough, their profile is written to a file and an event makes it count: from then on nothing changes it, neither a
    restart, nor another controller, setting or release. A file that was lost is made again from the same answers.
    """

    def __init__(self, *, context: LoopContext) -> None:
        self._context = context

    def of(self, product: ProductState, version: VersionState, manifest: Manifest, codec: LabelCodec) -> Held | None:
        """None while there are too few answers. Raises RegistryError when a reference was fixed and is lost."""
        own = references.load(self._context.paths.bundle(product.name, version.digest))
        if own is not None:
            return Held(reference=own, through=-1)
        fixed = product.references.get(version.version)
        if fixed is not None:
            return Held(reference=self._read(product.name, fixed, manifest, codec), through=fixed.through)
        return self._fix(product.name, version.version, manifest, codec)

    def _fix(self, name: str, version: str, manifest: Manifest, codec: LabelCodec) -> Held | None:
        rows = self._context.settings.watch_rows
        light = self._context.lake.predictions(name, versions=[version], stages=ANSWERED, columns=[SEQUENCE, "error"])
        sequences = light.filter(pl.col("error").is_null())[SEQUENCE].head(rows)
        if len(sequences) < rows:
            return None
        through = int(sequences[-1])
        content = self._make(name, version, manifest, codec, through=through)
        digest = sha256(content).hexdigest()
        self._put(self._context.paths.reference(name, digest), content)
        fixed = ReferenceFixed(version=version, rows=rows, through=through, digest=digest)
        self._context.record(fixed, product=name)
        return Held(reference=references.decode(content), through=through)

    def _read(self, name: str, fixed: ReferenceFixed, manifest: Manifest, codec: LabelCodec) -> Reference:
        path = self._context.paths.reference(name, fixed.digest)
        content = path.read_bytes() if path.is_file() else b""
        if sha256(content).hexdigest() != fixed.digest:
            content = self._make(name, fixed.version, manifest, codec, through=fixed.through)
            if sha256(content).hexdigest() != fixed.digest:
                raise RegistryError(
                    f"what {fixed.version} is watched against is lost, and its first answers no longer give the same",
                    where=str(path),
                    remedy="put the file back from a copy of the workspace, or release another version",
                )
            self._put(path, content)
        return references.decode(content)

    def _put(self, path: Path, content: bytes) -> None:
        """Have the file there, whole and synced; raises LeaseLost when somebody else has taken over."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with Staging(self._context.paths.artifacts, self._context.held()).writing(path) as file:
            file.write(content)
        sync(path.parent)

    def _make(self, name: str, version: str, manifest: Manifest, codec: LabelCodec, *, through: int) -> bytes:
        """The reference from the version's answers up to `through`, as it is written down.

        Nobody knows yet what became of them, so they say nothing about losses, and decay is not judged.
        """
        answered = self._context.lake.predictions(
            name, versions=[version], stages=ANSWERED, upto_sequence=through
        ).filter(pl.col("error").is_null())
        features = untyped_features(answered, manifest.features, manifest.columns)
        predictions = predictions_of(answered["score"], answered["probabilities"], codec)
        return references.encode(references.make_reference(features, kind=codec.kind, predictions=predictions))
