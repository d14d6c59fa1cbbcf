"""One version, opened: its manifest, its code and its model."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from windlass.errors import BundleCorrupt, MissingExtra, ProductError, RegistryError
from windlass.product.task import TaskKind, task_from
from windlass.records.bundle import Manifest
from windlass.registry import files, models

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from windlass.product.product import Product

_log = logging.getLogger(__name__)

SOURCE = "source"
"""Folder of the product's own modules inside a bundle."""


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """What a version makes of n rows."""

    features: pl.DataFrame
    """n rows."""
    scores: np.ndarray[Any, Any]
    """Binary (n,) probability of the positive class, multiclass (n, k) probabilities, regression (n,) values."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bundle:
    """A version whose files have been checked against its digest; `Registry.open` makes it."""

    manifest: Manifest
    digest: str
    folder: Path
    """Where the files lie; they are not to be changed."""

    @functools.cached_property
    def product(self) -> Product | None:
        """An instance of the product class, from the bundle's own source; None for a mere model file.

        Raises ProductError when the user's code cannot be imported here.
        """
        if not self.manifest.entry:
            return None
        from windlass.product.code.loading import load_source  # who only reads manifests loads no code

        return load_source(self.folder / SOURCE, self.manifest.entry)()

    @functools.cached_property
    def model(self) -> Any:
        """The model, loaded when first asked for. Raises BundleCorrupt, UntrustedModel and RegistryError."""
        _ = self.product  # the model may hold objects of the product's own classes
        file = self.manifest.model
        if files.digest_of(self.folder / file.file) != self.manifest.files[file.file]:
            raise BundleCorrupt(
                "the model's file was changed after the version was opened",
                where=str(self.folder / file.file),
                remedy="restore the registry from a copy, or train again",
            )
        return models.load(self.folder, file, vouched=bool(self.manifest.run or file.vouched_by))

    @functools.cached_property
    def answering(self) -> Any:
        """What answers: the compiled form of the model if the version has one and it runs here, else the model."""
        compiled = self.manifest.compiled
        if compiled is None or not compiled.answers:
            return self.model
        from windlass.registry.compiling import compiled_form

        try:
            return compiled_form(self.model, self.folder, compiled)
        except MissingExtra as error:
            _log.warning("%s: the model itself answers, not its compiled form: %s", self.manifest.product, error)
            return self.model

    @functools.cached_property
    def kind(self) -> TaskKind:
        """The kind of its task."""
        return task_from(self.manifest.task).kind

    @functools.cached_property
    def runs_user_code(self) -> bool:
        """Whether an answer takes more than our code, that of well-known libraries, and expressions made of it."""
        from windlass.product.code.expressions import is_of_expressions
        from windlass.product.model.libraries import is_of_libraries

        computed = self.computes_features and not is_of_expressions(getattr(self.product, "features", None))
        return computed or not is_of_libraries(self.answering)

    @functools.cached_property
    def computes_features(self) -> bool:
        """Whether its features are anything but columns of a row, as it comes."""
        from windlass.product.product import Product

        features = getattr(self.product, "features", None)
        return features is not None and getattr(features, "__func__", None) is not Product.features

    @functools.cached_property
    def takes_matrix(self) -> bool:
        """Whether all it does with rows is to ask its model about the matrix of the columns that the manifest names."""
        from windlass.product.model.blend import members_of
        from windlass.product.model.predict import may_have_matrix

        columns, forms = self.manifest.features, zip(members_of(self.model), members_of(self.answering), strict=True)
        return not self.computes_features and all(
            may_have_matrix(model, columns) or may_have_matrix(form, columns) for model, form in forms
        )

    def predict(self, rows: pl.DataFrame) -> Predicted:
        """Features and scores of n rows without the target; raises ProductError when the model gives no such thing."""
        manifest = self.manifest
        features = rows if self.product is None else self.product.features(rows)
        found, wanted = features.columns, list(manifest.features)
        if wanted and found != wanted and (missing := [name for name in wanted if name not in found]):
            raise ProductError(
                f"the model needs columns that are not there: {', '.join(missing)}",
                where=f"{manifest.product}, {'rows' if self.product is None else 'features'}",
                remedy="send them, as null where they are not known",
            )
        if wanted and found != wanted:
            features = features[wanted]
        return Predicted(features=features, scores=self.scores(features))

    def scores(self, features: pl.DataFrame | np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """What the model says of n rows of its features, which may be a matrix if it `takes_matrix`.

        Raises ProductError when it gives no such thing.
        """
        from windlass.product.model.predict import predict  # numpy: whoever only reads a manifest does without

        return predict(self.answering, features, self.kind, classes=len(self.manifest.classes) or None)


def check_files(folder: Path, manifest: Manifest) -> None:
    """Raise BundleCorrupt unless `folder` holds exactly the manifest's files with exactly their content."""
    found = files.digests(folder, without=files.MANIFEST)
    remedy = "do not use this version: restore the registry from a copy, or train again"
    for name in sorted(manifest.files.keys() | found.keys()):
        if name not in found:
            raise BundleCorrupt("a file is missing", where=str(folder / name), remedy=remedy)
        if name not in manifest.files:
            raise BundleCorrupt(
                "there is a file that does not belong to the version", where=str(folder / name), remedy=remedy
            )
        if found[name] != manifest.files[name]:
            raise BundleCorrupt("the file was changed", where=str(folder / name), remedy=remedy)


def read_manifest(content: bytes, where: str) -> Manifest:
    """The manifest from its file; raises RegistryError for one of a later format."""
    manifest = files.decode_manifest(content, where)
    if manifest.format != 1:
        raise RegistryError(
            f"the version was made by a later Windlass (format {manifest.format})",
            where=where,
            remedy="upgrade Windlass here: pip install -U windlass",
        )
    return manifest
