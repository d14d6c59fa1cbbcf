"""Predictions on disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

Array = np.ndarray[Any, Any]
PREDICTIONS = "predictions.arrow"
JUDGED = "judged.arrow"
"""Which rows these are of: their hashes in the column `row`, without the target."""
ROW = "row"


def as_frame(predictions: Array) -> pl.DataFrame:
    """Predictions as columns `0`, `1`, ..."""
    columns: Mapping[str, Array] = (
        {"0": predictions}
        if predictions.ndim == 1
        else {str(place): predictions[:, place] for place in range(predictions.shape[1])}
    )
    return pl.DataFrame(columns)


def from_frame(frame: pl.DataFrame) -> Array:
    """What `as_frame` wrote."""
    return frame.get_column("0").to_numpy() if frame.width == 1 else frame.to_numpy()
