"""The threshold that a scikit-learn model has chosen for its labels (`TunedThresholdClassifierCV` and its like)."""

from __future__ import annotations

import math
from typing import Any

from windlass.errors import RegistryError


def threshold_of(model: Any, where: str) -> float | None:
    """The probability of the second class from which the fitted `model` says so; None when it has chosen none.

    Raises RegistryError when it has chosen one that is no probability.
    """
    last = _last_of(model)
    tuned = hasattr(last, "best_threshold_")
    chosen = getattr(last, "best_threshold_" if tuned else "threshold", None)
    if not hasattr(last, "response_method") or not isinstance(chosen, int | float):
        return None  # "auto" is one half
    if last.response_method == "decision_function":
        raise RegistryError(
            f"a {type(last).__name__} has its threshold on the decision function, and answers are probabilities",
            where=where,
            remedy="fit it with response_method='predict_proba'",
        )
    # Of what was tuned the scorer alone knows which class its threshold is of.
    positive = last._curve_scorer._get_pos_label() if tuned else last.pos_label
    if positive is not None and positive == last.classes_[0]:
        # It says the first class from `chosen` on, and so the second from just above the rest on.
        return math.nextafter(1.0 - float(chosen), math.inf)
    return float(chosen)


def _last_of(model: Any) -> Any:
    """What answers: the last step of a pipeline, the best of a search."""
    while True:
        steps = getattr(model, "steps", None)
        inner = steps[-1][1] if isinstance(steps, list) and steps else getattr(model, "best_estimator_", None)
        if inner is None:
            return model
        model = inner
