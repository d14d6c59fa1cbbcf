"""What must hold of a product that trains itself: something learns, and its search space can be searched."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from windlass.errors import ProductError
from windlass.product.product import Product
from windlass.product.task import Task


def check_training(product: type[Product], where: str) -> None:
    """Raise ProductError for the first thing in estimator, search space or retrain policy that cannot work."""
    if not product.trains():
        if product.retrain is not None:
            raise ProductError(
                "there is a retrain policy, but nothing to train from",
                where=f"{where}.retrain",
                remedy="define extract(self, since), or leave `retrain` out",
            )
        return
    own_training = product.train is not Product.train
    if product.estimator is None and not own_training:
        raise ProductError(
            "the product has data to train on, but nothing that learns",
            where=where,
            remedy="set `estimator` to a scikit-learn compatible estimator, or define train(self, examples)",
        )
    if product.estimator is not None:
        _check_estimator(product.estimator, product.task, f"{where}.estimator", own_training=own_training)
    if product.search is not None:
        _check_search(product.search, product.estimator, f"{where}.search")


def _check_estimator(estimator: Any, task: Task, where: str, *, own_training: bool) -> None:
    name = estimator.__name__ if inspect.isclass(estimator) else type(estimator).__name__
    if inspect.isclass(estimator):
        raise ProductError(f"{name} is a class, and an instance is needed", where=where, remedy=f"write {name}()")
    if own_training:
        return  # what `train` does with it is its own affair
    if not callable(getattr(estimator, "fit", None)):
        raise ProductError(
            f"{name} has no fit",
            where=where,
            remedy="give an estimator in the manner of scikit-learn, or define `train`",
        )
    if task.kind == "regression":
        if not hasattr(estimator, "predict"):
            raise ProductError(f"{name} has no predict", where=where, remedy="take a regressor")
        if _is_classifier(estimator):
            raise ProductError(
                f"{name} is a classifier, and the task is regression",
                where=where,
                remedy="take a regressor, or change `task`",
            )
    elif not hasattr(estimator, "predict_proba"):
        raise ProductError(
            f"{_last_step(estimator)} has no predict_proba, and a {task.kind} task needs probabilities",
            where=where,
            remedy="take a classifier that has it, or wrap it in CalibratedClassifierCV",
        )


def _is_classifier(estimator: Any) -> bool:
    from sklearn.base import is_classifier

    try:
        return bool(is_classifier(estimator))
    except (AttributeError, TypeError):  # a stranger without scikit-learn's tags
        return False


def _last_step(estimator: Any) -> str:
    steps = getattr(estimator, "steps", None)
    inner = steps[-1][1] if isinstance(steps, list) and steps else getattr(estimator, "estimator", None)
    return type(estimator).__name__ if inner is None else f"{type(estimator).__name__} of {type(inner).__name__}"


def _check_search(search: Any, estimator: Any, where: str) -> None:
    if estimator is None:
        raise ProductError("there is nothing to tune", where=where, remedy="set `estimator`, or leave `search` out")
    form = '{"learning_rate": (0.01, 0.3, "log"), "max_depth": (3, 8), "criterion": ["gini", "entropy"]}'
    if not isinstance(search, Mapping) or not search:
        raise ProductError("a search space maps parameters to choices or ranges", where=where, remedy=f"write {form}")
    known = _parameters(estimator)
    for name, space in search.items():
        if known and name not in known:
            near = get_close_matches(str(name), known, n=1)
            raise ProductError(
                f"{type(estimator).__name__} has no parameter {name!r}",
                where=where,
                remedy=f"did you mean {near[0]!r}?" if near else "see its get_params() for all of them",
            )
        if not _is_space(space):
            raise ProductError(
                f"{space!r} is neither a list of choices nor a range",
                where=f"{where}[{name!r}]",
                remedy=f"write {form}",
            )


def _parameters(estimator: Any) -> list[str]:
    get_params: Callable[[], Mapping[str, Any]] | None = getattr(estimator, "get_params", None)
    return [] if get_params is None else sorted(get_params())


def _is_space(space: Any) -> bool:
    """A list of choices, or `(low, high)`, or `(low, high, "log")` with low above 0."""
    if isinstance(space, list):
        return bool(space)
    if not isinstance(space, tuple) or len(space) not in {2, 3}:
        return False
    low, high, *scale = space
    if not all(
        isinstance(end, int | float) and not isinstance(end, bool) and math.isfinite(end) for end in (low, high)
    ):
        return False
    return bool(low < high) and (not scale or (scale == ["log"] and low > 0))
