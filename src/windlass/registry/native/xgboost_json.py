"""XGBoost, from its JSON and UBJSON formats."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from windlass.errors import MissingExtra, RegistryError
from windlass.product.model.transformers import Known
from windlass.registry.native.model import Array, Categories, NativeModel, kind_of, read_with

_WITHOUT_PROBABILITIES = {"multi:softmax", "binary:logitraw", "binary:hinge"}


class XGBoostModel(NativeModel):
    """An XGBoost booster."""

    format = "xgboost"
    suffix = ".json"

    def __init__(self, booster: Any, *, where: str) -> None:
        self._booster = booster
        learner = json.loads(booster.save_config())["learner"]
        objective = learner["learner_train_param"]["objective"]
        self._objective = objective
        self._where = where
        self.kind = kind_of(objective, binary=("binary:logistic", "reg:logistic"), many=("multi:softprob",))
        count = {"regression": 0, "binary": 2, "multiclass": int(learner["learner_model_param"]["num_class"])}[
            self.kind
        ]
        self.classes_ = np.arange(count)
        names = booster.feature_names or [f"x{place}" for place in range(booster.num_features())]
        self.feature_names_in_ = np.array(names, dtype=object)
        # Of a booster that was stopped early the best trees count, as XGBoost's own wrapper has it; 0 means all.
        best = booster.attr("best_iteration")
        self._linear = learner["gradient_booster"]["name"] == "gblinear"
        # A tree for each class and round, unless each tree answers for all: no file says `multi_strategy` again.
        trees = int(learner["gradient_booster"].get("gbtree_model_param", {}).get("num_trees", 0))
        self._leaves_of_all_classes = count > 2 and 0 < trees < count * booster.num_boosted_rounds()
        self._rounds = (0, 0 if best is None or self._linear else int(best) + 1)
        self._categories = Categories(_categories(booster, names, where), strict=True)

    @classmethod
    def read(cls, path: Path) -> Self:
        xgboost = _library()
        found = cls(read_with(path, lambda: xgboost.Booster(model_file=str(path))), where=str(path))
        found.path = path
        return found._answering()

    @classmethod
    def of(cls, model: Any) -> Self | None:
        """A booster, or scikit-learn's wrapper around one that has learned categories; None for everything else."""
        where = f"{type(model).__module__}.{type(model).__qualname__}"
        if hasattr(model, "get_booster"):
            booster = model.get_booster()
            return cls(booster, where=where)._answering() if "c" in (booster.feature_types or ()) else None
        return cls(model, where=where)._answering() if hasattr(model, "save_config") else None

    @property
    def known_columns(self) -> dict[str, Known]:
        return self._categories.known

    @property
    def takes_matrix(self) -> bool:
        return not self._categories.known

    @property
    def has_parts(self) -> bool:
        return not self._linear and not self._leaves_of_all_classes

    def parts(self, features: pl.DataFrame) -> Array:
        found = self._booster.predict(self._matrix(features), iteration_range=self._rounds, pred_contribs=True)
        return np.asarray(found, dtype=np.float64)

    def _answering(self) -> Self:
        """Itself. Raises RegistryError for a booster that gives no probabilities, which its wrapper may make of it."""
        if self._objective in _WITHOUT_PROBABILITIES:
            raise RegistryError(
                f"the objective {self._objective} gives no probabilities",
                where=self._where,
                remedy="train with multi:softprob or binary:logistic",
            )
        return self

    def _scores(self, features: pl.DataFrame | Array) -> Array:
        return np.asarray(self._booster.predict(self._matrix(features), iteration_range=self._rounds))

    def _matrix(self, features: pl.DataFrame | Array) -> Any:
        return _library().DMatrix(
            self._categories.matrix(features),
            feature_names=self._booster.feature_names,
            feature_types=self._booster.feature_types,
            enable_categorical=True,
        )

    def _save(self, path: Path) -> None:
        self._booster.save_model(str(path))


def _library() -> Any:
    try:
        import xgboost
    except ModuleNotFoundError as error:
        raise MissingExtra.named("xgboost", "xgboost") from error
    return xgboost


def _categories(booster: Any, names: list[str], where: str) -> dict[str, list[Any]]:
    """The categories that the model's own JSON lists for its columns; older files have none, and only codes are known.

    Text stands there as UTF-8 bytes of all values one after the other, with the offsets of each.
    """
    if "c" not in (booster.feature_types or ()):
        return {}
    model = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]["model"]
    listed = model.get("cats", {}).get("enc", [])
    try:
        found = {name: _values(entry) for name, entry in zip(names, listed, strict=False)}
    except UnicodeDecodeError as error:  # of a pandas frame XGBoost 3.2 counts characters where it keeps bytes
        raise RegistryError(
            "the names of its categories were cut, as XGBoost does with names of a pandas frame beyond ASCII",
            where=where,
            remedy="train it on a polars frame, on names in ASCII, or on numbers for them",
        ) from error
    return {name: values for name, values in found.items() if values}


def _values(entry: dict[str, Any]) -> list[Any]:
    if "offsets" not in entry:
        return list(entry["values"])
    text = bytes(value % 256 for value in entry["values"])  # signed in some versions
    return [text[start:end].decode() for start, end in itertools.pairwise(entry["offsets"])]
