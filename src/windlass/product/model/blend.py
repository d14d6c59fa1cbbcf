"""One model out of several that learned from stretches of different length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from windlass.product.model.predict import predict

if TYPE_CHECKING:
    import polars as pl

    from windlass.product.task import TaskKind

Array = np.ndarray[Any, Any]
_LEAST = 1e-4
"""Probabilities are kept this far from 0 and 1: a member that is certain must not outvote all others together."""


class Blend:
    """Asks every member and answers with their weighted mean, that of the logarithms for probabilities.

    The mean of logarithms lets a member that knows much count more than one that answers the same to all.
    """

    __module__ = "windlass.product.stored"  # how models that were saved name it, wherever it moves
    windlass_input = "polars"

    def __init__(
        self, members: Sequence[Any], weights: Sequence[float], *, kind: TaskKind, classes: int | None
    ) -> None:
        """`weights` are positive and sum to 1; `classes` is the number of label codes, None for regression."""
        self.members = list(members)
        self.weights = [float(weight) for weight in weights]
        self.kind = kind
        self.classes = classes

    def predict(self, features: pl.DataFrame | Array) -> Array:
        """(n,) values."""
        return combined(self._answers(features), self.weights, self.kind)

    def predict_proba(self, features: pl.DataFrame | Array) -> Array:
        """(n, k) probabilities in the order of the label codes."""
        answer = combined(self._answers(features), self.weights, self.kind)
        return np.column_stack([1 - answer, answer]) if self.kind == "binary" else answer

    def _answers(self, features: pl.DataFrame | Array) -> list[Array]:
        return [predict(member, features, self.kind, classes=self.classes) for member in self.members]


def members_of(model: Any) -> list[Any]:
    """The models that are asked for an answer: those of a blend, else the model itself."""
    return model.members if isinstance(model, Blend) else [model]


def combined(answers: Sequence[Array], weights: Sequence[float], kind: TaskKind) -> Array:
    """The weighted mean of answers as `predict` gives them, in the same shape."""
    if kind == "regression":
        return np.asarray(np.tensordot(np.asarray(weights), np.stack(answers), axes=1))
    logarithms = np.tensordot(np.asarray(weights), log_probabilities(answers, kind), axes=1)
    shares = np.exp(logarithms - logarithms.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return np.ascontiguousarray(shares[:, 1] if kind == "binary" else shares)


def log_probabilities(answers: Sequence[Array], kind: TaskKind) -> Array:
    """`(members, n, k)` logarithms of the probabilities, in the order of the label codes."""
    each = [np.column_stack([1 - answer, answer]) if kind == "binary" else answer for answer in answers]
    return np.asarray(np.log(np.clip(np.stack(each), _LEAST, 1 - _LEAST)))
