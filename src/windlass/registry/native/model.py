"""What models of other libraries have in common."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from windlass.errors import RegistryError
from windlass.product.model.transformers import Known, known_of
from windlass.product.task import TaskKind

Array = np.ndarray[Any, Any]
_SHOWN = 10
"""Categories that a message lists."""


class NativeModel:
    """What is known of a model without scikit-learn: kind, classes, names and types of its columns."""

    windlass_input: Literal["polars", "numpy"] = "polars"
    format: Literal["lightgbm", "xgboost", "onnx"]
    suffix: str
    kind: TaskKind
    feature_names_in_: Array
    classes_: Array
    """Labels in the order of the probabilities: codes, unless the file says what they stand for; empty for numbers."""
    path: Path | None = None
    """The file that it was read from; None for one that was made from an object."""

    @property
    def known_columns(self) -> dict[str, Known]:
        """Type and an example of the columns that are not just numbers."""
        return {}

    @property
    def takes_matrix(self) -> bool:
        """Whether the matrix of its columns, all of them numbers, will do in place of their frame."""
        return False

    @property
    def has_parts(self) -> bool:
        """Whether it is a sum of trees, or one for each class, which `parts` takes apart."""
        return False

    def parts(self, features: pl.DataFrame) -> Array:
        """n rows -> (n, d + 1): what each feature adds on the scale of the trees' sum, and what they say on average; of
        k classes k times as many numbers, row by row and class by class."""
        raise NotImplementedError

    def predict(self, features: pl.DataFrame | Array) -> Array:
        """n rows -> (n,) values; for a classifier the labels."""
        if self.kind == "regression":
            return self._scores(features)
        return np.asarray(self.classes_[self.predict_proba(features).argmax(axis=1)])

    def predict_proba(self, features: pl.DataFrame | Array) -> Array:
        """n rows -> (n, k) probabilities."""
        scores = self._scores(features)
        return np.column_stack([1 - scores, scores]) if scores.ndim == 1 else scores

    def write(self, folder: Path) -> str:
        """Write the model into `folder`, the very file it came from if there is one; the file's name."""
        folder.mkdir(parents=True, exist_ok=True)
        name = f"model{self.suffix if self.path is None else self.path.suffix or self.suffix}"
        if self.path is None:
            self._save(folder / name)
        else:
            shutil.copyfile(self.path, folder / name)
        return name

    def _scores(self, features: Any) -> Array:
        raise NotImplementedError

    def _save(self, path: Path) -> None:
        raise NotImplementedError


def read_with(path: Path, read: Any) -> Any:
    """What `read` makes of the file; a RegistryError for whatever the library raises."""
    try:
        return read()
    except Exception as error:
        raise RegistryError(
            f"the model cannot be read: {type(error).__name__}: {error}",
            where=str(path),
            remedy="export it again with the version of the library that is installed here",
        ) from error


class Categories:
    """The categories that a booster has learned of some columns, which it knows as codes."""

    def __init__(self, values: dict[str, list[Any]], *, strict: bool) -> None:
        """`strict` refuses a value that is none of them; else it counts as missing."""
        self._strict = strict
        self._codes = {
            name: (pl.Series(each, dtype=pl.String if _is_text(each) else pl.Float64, strict=False), len(each))
            for name, each in values.items()
        }
        self.known = {name: known_of(each) for name, each in values.items()}

    def matrix(self, features: pl.DataFrame | Array) -> Array:
        """(n, d) float64, categories as codes and gaps as NaN. Raises ValueError for one that is not known."""
        if isinstance(features, np.ndarray):
            return features
        return np.column_stack([self._column(series) for series in features.iter_columns()])

    def _column(self, series: pl.Series) -> Array:
        if series.name not in self._codes:
            return np.asarray(series.cast(pl.Float64).to_numpy())
        values, count = self._codes[series.name]
        given = series.cast(values.dtype)
        codes = given.replace_strict(values, pl.Series(range(count)), default=None, return_dtype=pl.Float64)
        unknown = codes.is_null() & given.is_not_null()
        if self._strict and unknown.any():
            value = given.filter(unknown)[0]
            learned = ", ".join(map(repr, values.head(_SHOWN).to_list())) + (", ..." if len(values) > _SHOWN else "")
            raise ValueError(f"{value!r} is no category of {series.name!r} that the model has learned: {learned}")
        return np.asarray(codes.to_numpy())


def _is_text(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def kind_of(objective: str, *, binary: tuple[str, ...], many: tuple[str, ...]) -> TaskKind:
    """The kind of task that a library's objective is for."""
    return "binary" if objective in binary else "multiclass" if objective in many else "regression"
