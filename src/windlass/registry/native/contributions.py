"""What each feature adds to the answer of boosted trees: exactly, and without any row to compare with.

Trees know how many training rows went which way at each fork, so the mean answer of a part of a tree needs no rows any
more. The libraries calculate Shapley values of that (Lundberg, Erion and Lee 2018, Consistent individualized feature
attribution for tree ensembles, arXiv 1802.03888, algorithm 2), on the scale on which trees are summed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from windlass.product.model.predict import as_matrix
from windlass.product.task import TaskKind
from windlass.registry.native.model import NativeModel

Array = np.ndarray[Any, Any]
Scale = Literal["score", "log-odds", "logarithm"]

_EXACT = 1e-4
"""How far the parts may be from the answer together, relative to the largest: libraries sum in single precision."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Contributions:
    """n answers, taken apart."""

    base: Array
    """`(n,)`: what the trees say on average over their training rows."""
    parts: Array
    """`(n, d)`: what each feature adds; with `base` they are the answer, on the scale."""
    scale: Scale


def can_be_taken_apart(model: Any, kind: TaskKind) -> bool:
    """Whether it is boosted trees of LightGBM, XGBoost or CatBoost with one sum, which `contributions` is for."""
    return kind != "multiclass" and _way_of(model) is not None


def contributions(model: Any, features: pl.DataFrame, scores: Array) -> Contributions | None:
    """What the features add to `scores` `(n,)`, which the model gave for them.

    None when the parts do not come to these scores, whatever the reason: leaves that hold linear models, trees that are
    averaged, a link that is not known here. Nothing that is only nearly right is told.
    """
    way = _way_of(model)
    found = None if way is None else way(model, features)
    if found is None or found.shape != (features.height, features.width + 1):
        return None
    sums, largest = found.sum(axis=1), np.abs(found).max(axis=1)
    with np.errstate(over="ignore"):
        links: dict[Scale, tuple[Array, Array]] = {
            "score": (sums, np.maximum(np.abs(scores), largest)),
            "log-odds": (1 / (1 + np.exp(-sums)), np.ones(len(sums))),
            "logarithm": (np.exp(sums), np.abs(scores)),
        }
    for scale, (answers, size) in links.items():
        if (np.abs(answers - scores) <= _EXACT * size).all():
            return Contributions(base=found[:, -1], parts=found[:, :-1], scale=scale)
    return None


def _way_of(model: Any) -> Callable[[Any, pl.DataFrame], Array | None] | None:
    """The function that asks the library for the parts; None where there is none."""
    if isinstance(model, NativeModel):
        return (lambda native, features: np.asarray(native.parts(features))) if model.has_parts else None
    package = type(model).__module__.partition(".")[0]
    if package == "lightgbm" and hasattr(model, "booster_"):
        return _of_lightgbm
    if package == "xgboost" and hasattr(model, "get_booster"):
        return _of_xgboost
    return _of_catboost if package == "catboost" and hasattr(model, "get_feature_importance") else None


def _of_lightgbm(model: Any, features: pl.DataFrame) -> Array:
    """Of a wrapper; one that has learned categories has become a native model."""
    return np.asarray(model.booster_.predict(as_matrix(features, "explain"), pred_contrib=True))


def _of_xgboost(model: Any, features: pl.DataFrame) -> Array | None:
    from windlass.registry.native.xgboost_json import XGBoostModel

    native = XGBoostModel(model.get_booster(), where="explain")
    return native.parts(features) if native.has_parts else None


def _of_catboost(model: Any, features: pl.DataFrame) -> Array:
    import catboost

    categories = model.get_cat_feature_indices()
    rows = features if categories else as_matrix(features, "explain")
    return np.asarray(model.get_feature_importance(catboost.Pool(rows, cat_features=categories), type="ShapValues"))
