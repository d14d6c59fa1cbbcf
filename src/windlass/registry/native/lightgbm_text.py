"""LightGBM, from its text format."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from windlass.errors import MissingExtra, RegistryError
from windlass.product.model.transformers import Known
from windlass.registry.native.model import Array, Categories, NativeModel, kind_of, read_with


class LightGBMModel(NativeModel):
    """A LightGBM booster."""

    format = "lightgbm"
    suffix = ".txt"

    def __init__(self, booster: Any, header: str, *, classes: Array | None = None, where: str) -> None:
        """`header` is the beginning of the text format, up to the first tree."""
        self._booster = booster
        fields = dict(line.split("=", 1) for line in header.splitlines() if "=" in line)
        objective = fields.get("objective", "").partition(" ")[0]
        self.kind = kind_of(objective, binary=("binary", "cross_entropy"), many=("multiclass", "multiclassova"))
        count = {"regression": 0, "binary": 2, "multiclass": booster.num_model_per_iteration()}[self.kind]
        self.classes_ = np.arange(count) if classes is None else classes
        self.feature_names_in_ = np.array(booster.feature_name(), dtype=object)
        self._categories = Categories(_categories(booster, fields, where), strict=False)

    @classmethod
    def read(cls, path: Path) -> Self:
        try:
            import lightgbm
        except ModuleNotFoundError as error:
            raise MissingExtra.named("lightgbm", "lightgbm") from error
        booster = read_with(path, lambda: lightgbm.Booster(model_file=str(path)))
        found = cls(booster, _header(path.read_text(encoding="utf-8")), where=str(path))
        found.path = path
        return found

    @classmethod
    def of(cls, model: Any) -> Self | None:
        """A booster, or scikit-learn's wrapper around one that has learned categories; None for everything else."""
        wrapped = hasattr(model, "booster_")
        booster = model.booster_ if wrapped else model
        if not hasattr(booster, "model_to_string") or (wrapped and not booster.pandas_categorical):
            return None
        where = f"{type(model).__module__}.{type(model).__qualname__}"
        classes = np.asarray(model.classes_) if hasattr(model, "classes_") else None
        return cls(booster, _header(booster.model_to_string(num_iteration=1)), classes=classes, where=where)

    @property
    def known_columns(self) -> dict[str, Known]:
        return self._categories.known

    @property
    def takes_matrix(self) -> bool:
        return not self._categories.known

    @property
    def has_parts(self) -> bool:
        return True

    def parts(self, features: pl.DataFrame) -> Array:
        return np.asarray(self._booster.predict(self._categories.matrix(features), pred_contrib=True))

    def _scores(self, features: pl.DataFrame | Array) -> Array:
        return np.asarray(self._booster.predict(self._categories.matrix(features)))

    def _save(self, path: Path) -> None:
        self._booster.save_model(str(path))


def _header(text: str) -> str:
    return text.partition("\nTree=")[0]


def _categories(booster: Any, fields: dict[str, str], where: str) -> dict[str, list[Any]]:
    """The categories of pandas columns. The format has them in the order of the columns, and names the columns only by
    what `feature_infos` says of their values: a range for numbers, a list for categories, `none` for what never varied.
    """
    learned = booster.pandas_categorical or []
    if not learned:
        return {}
    told = dict(zip(booster.feature_name(), fields.get("feature_infos", "").split(" "), strict=False))
    listed = [name for name, values in told.items() if not values.startswith("[")]
    varied = [name for name in listed if told[name] != "none"]
    names = next((each for each in (varied, listed) if len(each) == len(learned)), None)
    if names is None:
        raise RegistryError(
            "the model has learned categories of columns that it does not name",
            where=where,
            remedy="train it again without the columns that never vary",
        )
    return dict(zip(names, learned, strict=True))
