"""What `train` receives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import polars as pl


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Labelled rows in the order of their event time."""

    features: pl.DataFrame
    """n rows, as `Product.features` returned them."""
    target: np.ndarray[Any, Any]
    """n labels: 0/1 int64 for binary (1 is the positive class), codes 0..k-1 for multiclass, float64 for regression."""
    rows: pl.DataFrame
    """The n rows that the features were made from, without the target."""
    classes: tuple[Any, ...] = ()
    """The labels behind the codes, in their order; empty for regression."""
    weight: np.ndarray[Any, Any] | None = None
    """n positive weights, or None for all alike."""

    def __len__(self) -> int:
        return self.features.height
