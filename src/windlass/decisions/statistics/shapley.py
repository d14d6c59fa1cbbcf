"""Which feature brought a prediction how far from the mean: Shapley values, estimated by walks.

A walk begins at a row of the reference, puts the features of the explained row in one after the other, in a random
order, and ends at the explained row. What the prediction moves by at each step is credited to the feature that was put
in; over all orders and all rows of the reference the mean credit is the Shapley value (Strumbelj and Kononenko 2014,
Knowledge and Information Systems 41). Each order is walked a second time backwards, which makes the estimate steadier
(Mitchell, Cooper, Frank and Holmes 2022, JMLR 23: antithetic sampling).

Whatever is walked, the credits of a walk add up to the prediction minus that of the row it began at. And where a model
is a sum of functions of one feature each, as a linear one is, the order changes nothing: then the credits are exact for
the rows of the reference, coefficient times the deviation from their mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Attributed:
    """One prediction, taken apart."""

    base: float
    """Mean prediction of the rows of the reference that walks began at."""
    credits: Floats
    """(d,) by how much each feature moved the prediction; they add up to the prediction minus `base`."""
    error: float
    """Largest standard error of a credit; NaN with a single pair of walks."""


def orders_of(pairs: int, width: int, *, seed: int) -> Array:
    """(2 * pairs, width): random orders of the features, each followed by itself backwards."""
    chance = np.random.default_rng(seed)
    forth = np.array([chance.permutation(width) for _ in range(pairs)], dtype=np.int64).reshape(pairs, width)
    return np.stack([forth, forth[:, ::-1]], axis=1).reshape(2 * pairs, width)


def stations(orders: Array) -> Array:
    """(w, d + 1, d) truth values: which features are those of the explained row; at station k the first k."""
    ranks = np.argsort(orders, axis=1)
    return ranks[:, None, :] < np.arange(orders.shape[1] + 1)[None, :, None]


def attribute(orders: Array, predictions: Floats) -> Attributed:
    """The credits from `orders` (w, d) of `orders_of` and `predictions` (w, d + 1), one for each station."""
    moved: Floats = np.empty_like(predictions[:, 1:])
    np.put_along_axis(moved, orders, np.diff(predictions, axis=1), axis=1)
    pairs = moved.reshape(-1, 2, moved.shape[1]).mean(axis=1)
    spread = pairs.std(axis=0, ddof=1) if len(pairs) > 1 else np.full_like(pairs[0], np.nan)
    return Attributed(
        base=float(predictions[:, 0].mean()),
        credits=moved.mean(axis=0),
        error=float(spread.max() / np.sqrt(len(pairs))),
    )
