"""Training an estimator behind the default encoding.

What an estimator gets depends on what it can take, told by its scikit-learn tags and, for the two boosters that know
categories, by its class:

- HistGradientBoosting and LightGBM: category codes, declared as such, and gaps as NaN;
- others that allow NaN: gaps as NaN, few categories one-hot;
- the rest: medians and indicators for gaps, few categories one-hot, everything scaled.

A pipeline that starts with a transformer of named columns (ColumnTransformer, FrameEncoder, FunctionTransformer, or
one with the attribute `takes_frame = True`) brings its own encoding and gets the polars frame as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from windlass.errors import ProductError
from windlass.product.model.encoder import FrameEncoder, Style
from windlass.product.model.encoder_columns import check_encodable

if TYPE_CHECKING:
    import polars as pl

    from windlass.product.examples import Examples
    from windlass.product.task import TaskKind

__all__ = ["FrameEncoder", "check_features", "default_estimator", "fit_estimator", "style_for"]

SEED = 0
"""Takes the place of every `random_state` that was left open, so that the same rows give the same model."""
_HISTOGRAM = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")
_LIGHTGBM, _CATBOOST = ("lightgbm.sklearn", "LGBMModel"), ("catboost.core", "CatBoost")
_TALKATIVE: tuple[tuple[tuple[str, str], frozenset[str], str, Any], ...] = (
    (_LIGHTGBM, frozenset({"verbose", "verbosity"}), "verbose", -1),
    (_CATBOOST, frozenset({"verbose", "silent", "logging_level", "verbose_eval"}), "verbose", False),
    (_CATBOOST, frozenset({"allow_writing_files"}), "allow_writing_files", False),
)
"""Base classes of libraries that tell of every fit on standard output, which belongs to figures, or write files where
they run; parameters by which a user says what he wants of that; and what is set where he says nothing."""
_OWN_ENCODING = ("ColumnTransformer", "FrameEncoder", "FunctionTransformer")


def default_estimator(kind: TaskKind, *, seed: int = SEED) -> Any:
    """What a product gets that names no estimator: gradient boosting without early stopping, with a fixed seed."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    settings: dict[str, Any] = {"early_stopping": False, "l2_regularization": 5.0, "random_state": seed}
    if kind == "regression":
        return HistGradientBoostingRegressor(**settings)
    return HistGradientBoostingClassifier(**settings)


def fit_estimator(estimator: Any, examples: Examples, *, kind: TaskKind) -> Any:
    """A fitted copy of `estimator` that predicts from a polars frame; the estimator itself is left as it was.

    Examples are in the order of time, which the cross-fitting of the encoding relies on. None takes the default
    estimator. Raises ProductError when the labels cannot be learned from or the estimator cannot be fitted.
    """
    learner = _copy(default_estimator(kind) if estimator is None else estimator)
    where = f"estimator {type(learner).__name__}"
    _check_target(examples, kind, where)
    if _brings_encoding(learner):
        _fit(learner, examples.features, examples, where, {})
        return learner
    encoder = FrameEncoder(style=style_for(learner), regression=kind == "regression")
    matrix = encoder.fit_transform(examples.features, examples.target)
    options: dict[str, Any] = {}
    if _is_a(learner, *_HISTOGRAM):
        learner.set_params(categorical_features=encoder.categorical_ or None)
    elif _is_a(learner, "LGBMModel"):
        options["categorical_feature"] = encoder.categorical_
    _fit(learner, matrix, examples, where, options)
    return Pipeline([("encoder", encoder), ("estimator", learner)])


def check_features(estimator: Any, features: pl.DataFrame, *, where: str) -> None:
    """Raise ProductError for a feature that `fit_estimator` could not hand to `estimator`, with nothing fitted yet."""
    if not _brings_encoding(estimator):
        check_encodable(features, where=where)


def style_for(estimator: Any) -> Style:
    """The encoding that suits an estimator; see the module's docstring."""
    if _is_a(estimator, *_HISTOGRAM, "LGBMModel"):
        return "codes"
    return "trees" if _allows_gaps(estimator) else "dense"


def _copy(estimator: Any) -> Any:
    if isinstance(estimator, type) or not hasattr(estimator, "fit") or not hasattr(estimator, "get_params"):
        what = f"the class {estimator.__name__}" if isinstance(estimator, type) else repr(estimator)
        raise ProductError(
            f"{what} is not an estimator with fit and get_params",
            where="estimator",
            remedy="give an unfitted scikit-learn compatible estimator (an object, not its class), or define `train`",
        )
    copy = clone(estimator)
    open_seeds = {
        name: SEED
        for name, value in copy.get_params(deep=True).items()
        if value is None and (name == "random_state" or name.endswith("__random_state"))
    }
    return copy.set_params(**open_seeds, **_quiet(copy))


def _quiet(estimator: Any) -> dict[str, Any]:
    """What keeps a library from telling of every fit, where its user has not said how much it should."""
    bases = {(base.__module__, base.__name__) for base in type(estimator).__mro__}
    given = set(estimator.get_params())
    return {name: value for base, words, name, value in _TALKATIVE if base in bases and given.isdisjoint(words)}


def _check_target(examples: Examples, kind: TaskKind, where: str) -> None:
    if not len(examples):
        raise ProductError(
            "there are no labelled rows to train on", where=where, remedy="wait for labels, or check them"
        )
    if not np.isfinite(np.asarray(examples.target, dtype=float)).all():
        raise ProductError("a label is missing or not finite", where=where, remedy="leave rows without a label out")
    if kind != "regression" and len(np.unique(examples.target)) < 2:
        raise ProductError(
            "all training rows have the same label, so there is nothing to tell apart",
            where=where,
            remedy="train on a longer stretch of time, or check how the target is made",
        )


def _fit(learner: Any, data: Any, examples: Examples, where: str, options: dict[str, Any]) -> None:
    if examples.weight is not None:
        if not has_fit_parameter(learner, "sample_weight"):
            raise ProductError(
                "these examples carry weights, which the estimator cannot use",
                where=where,
                remedy="take an estimator whose fit has `sample_weight`",
            )
        options = {**options, "sample_weight": examples.weight}
    try:
        learner.fit(data, examples.target, **options)
    except (ValueError, TypeError, ArithmeticError, np.linalg.LinAlgError) as error:
        raise ProductError(
            f"it could not be fitted to {len(examples)} rows: {error}",
            where=where,
            remedy="mend its parameters, choose another estimator, or define `train`",
        ) from error


def _brings_encoding(estimator: Any) -> bool:
    """Whether it starts by handling named columns itself; looks into pipelines and what wraps an estimator."""
    if getattr(estimator, "takes_frame", False) or _is_a(estimator, *_OWN_ENCODING):
        return True
    if isinstance(estimator, Pipeline):
        return bool(estimator.steps) and _brings_encoding(estimator.steps[0][1])
    inner = getattr(estimator, "estimator", None)
    return inner is not None and hasattr(inner, "fit") and _brings_encoding(inner)


def _allows_gaps(estimator: Any) -> bool:
    if isinstance(estimator, Pipeline):
        for _, step in estimator.steps:
            if "Imputer" in type(step).__name__:
                return True
            if not _allows_gaps(step):
                return False
        return True
    try:
        return bool(get_tags(estimator).input_tags.allow_nan)
    except (AttributeError, TypeError):  # an estimator without tags: say no, which is always safe
        return False


def _is_a(estimator: Any, *names: str) -> bool:
    return any(base.__name__ in names for base in type(estimator).__mro__)
