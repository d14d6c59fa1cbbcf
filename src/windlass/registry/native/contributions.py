"""What each feature adds to the answer of boosted trees or of a linear model: exactly, and without any row to compare
with, since the model knows enough of those that it was trained on.

Trees know how many training rows went which way at each fork, so the mean answer of a part of a tree needs no rows any
more. The libraries calculate Shapley values of that (Lundberg, Erion and Lee 2018, Consistent individualized feature
attribution for tree ensembles, arXiv 1802.03888, algorithm 2), on the scale on which trees are summed.

A StandardScaler knows the mean of each feature. Behind it, a linear model is a sum of what each feature adds beyond its
mean, which is the Shapley value for any such sum (Strumbelj and Kononenko 2014, Knowledge and Information Systems 41).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from windlass.product.model.predict import as_matrix
from windlass.registry.native.model import NativeModel

Array = np.ndarray[Any, Any]
Scale = Literal["score", "log-odds", "logarithm", "softmax"]
"""What the parts come to: the score; of a probability the logarithm of its odds; the score's logarithm; or, of several
classes, the likeliest one's sum, of which softmax makes its probability beside the sums of the others."""

_EXACT = 1e-4
"""How far the parts may be from the answer together, relative to the largest: libraries sum in single precision."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Contributions:
    """n answers, taken apart."""

    base: Array
    """`(n,)`: what the model says on average over its training rows."""
    parts: Array
    """`(n, d)`: what each feature adds; with `base` they are the answer, on the scale."""
    scale: Scale


def can_be_taken_apart(model: Any) -> bool:
    """Whether it is boosted trees of LightGBM, XGBoost or CatBoost, or a linear model of scikit-learn behind a
    StandardScaler, which `contributions` is for."""
    return _way_of(model) is not None


def contributions(model: Any, features: pl.DataFrame, scores: Array) -> Contributions | None:
    """What the features add to `scores`, which the model gave for them: `(n,)`, or `(n, k)` of k classes, of which the
    likeliest is taken apart.

    None when the parts do not come to these scores, whatever the reason: leaves that hold linear models, trees that are
    averaged, a link that is not known here, a step that multiplies features. Nothing that is only nearly right is told.
    """
    way = _way_of(model)
    found = None if way is None else way(model, features)
    rows, width, classes = features.height, features.width + 1, scores.shape[1:]
    if found is None or found.size != rows * width * int(np.prod(classes)):
        return None
    if classes:
        return _of_the_likeliest(found.reshape(rows, *classes, width), scores)
    found = found.reshape(rows, width)
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


def _of_the_likeliest(found: Array, scores: Array) -> Contributions | None:
    """`found` is `(n, k, d + 1)`."""
    sums = found.sum(axis=2)
    chances = np.exp(sums - sums.max(axis=1, keepdims=True))
    if (np.abs(chances / chances.sum(axis=1, keepdims=True) - scores) > _EXACT).any():
        return None
    likeliest = found[np.arange(len(found)), scores.argmax(axis=1)]
    return Contributions(base=likeliest[:, -1], parts=likeliest[:, :-1], scale="softmax")


def _way_of(model: Any) -> Callable[[Any, pl.DataFrame], Array | None] | None:
    """The function that asks the library for the parts; None where there is none."""
    if isinstance(model, NativeModel):
        return (lambda native, features: np.asarray(native.parts(features))) if model.has_parts else None
    package = type(model).__module__.partition(".")[0]
    if package == "sklearn" and _is_linear(model):
        return _of_linear
    if package == "lightgbm" and hasattr(model, "booster_"):
        return _of_lightgbm
    if package == "xgboost" and hasattr(model, "get_booster"):
        return _of_xgboost
    return _of_catboost if package == "catboost" and hasattr(model, "get_feature_importance") else None


def _is_linear(model: Any) -> bool:
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    if not isinstance(model, Pipeline) or len(model.steps) < 2:
        return False
    first, last = model.steps[0][1], model.steps[-1][1]
    knows_mean = isinstance(first, StandardScaler) and getattr(first, "mean_", None) is not None
    return knows_mean and hasattr(last, "coef_") and hasattr(last, "intercept_")


def _of_linear(model: Any, features: pl.DataFrame) -> Array:
    """Each feature moved from its mean, where all others are: `(n, k, d + 1)`."""
    rows, mean = as_matrix(features, "explain"), model.steps[0][1].mean_
    last, named = model.steps[-1][1], hasattr(model, "feature_names_in_")

    def sums(matrix: Array) -> Array:
        given = pl.DataFrame(matrix, schema=features.columns) if named else matrix
        return np.asarray(np.asarray(model[:-1].transform(given)) @ np.atleast_2d(last.coef_).T + last.intercept_)

    count, width = rows.shape
    moved = np.tile(mean, (count, width, 1))
    moved[:, range(width), range(width)] = rows
    base = sums(mean[None])
    parts = sums(moved.reshape(-1, width)).reshape(count, width, -1) - base
    whole = np.concatenate([parts, np.broadcast_to(base, (count, 1, base.shape[1]))], axis=1)
    return whole.swapaxes(1, 2)


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
