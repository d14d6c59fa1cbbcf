"""Why an answer is what it is: how far each feature brought it from the mean answer (`decisions.statistics.shapley`).

The mean is that of made-up rows in which every feature looks as it did in training, independent of the others
(`monitoring.drawing`). Everything random has one seed, so that the same row is explained the same way each time.

If a model that came as a file is boosted trees, or a linear model that knows the mean of each feature, it says itself
what each of them adds (`registry.native.contributions`). Of any other the rows that came with it say how features look;
one that came without is not explained.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl

from windlass.decisions.statistics.shapley import attribute, orders_of, stations
from windlass.product.contract import InvalidRows, Problem
from windlass.registry.native.contributions import Scale, can_be_taken_apart, contributions
from windlass.serving.limits import EXPLAIN_SECONDS, EXPLAIN_WALKS
from windlass.serving.versions.asking import told_of
from windlass.serving.versions.lineup import Loaded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

ROWS_AT_ONCE = 4096
"""Rows that a model is asked about in one call."""
_SEED = 0


class Explanation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One score, taken apart: `base` and the attributions add up to it, on its scale."""

    scale: Scale = "score"
    """What they add up to."""
    base: float | None = None
    """Mean score of the made-up rows, or of the rows that the model was trained on."""
    attributions: dict[str, float] | None = None
    """Feature -> how far it brought the score from `base`."""
    standard_error: float | None = None
    """Of the attribution that is known the least exactly; None: they are exact."""
    walks: int | None = None
    problem: str | None = None
    """Why there is no explanation: the version failed on rows that mix this one with made-up ones."""


def check_explainable(loaded: Loaded) -> None:
    """Raises InvalidRows for a version that has nothing to be explained against."""
    if loaded.made_up is None and not can_be_taken_apart(loaded.bundle.answering):
        reason = (
            f"{loaded.version} came as a model file, without rows to explain against (`rows` of its ModelFile names "
            "some, for its next version); only boosted trees of LightGBM, XGBoost or CatBoost, and linear models "
            "behind a StandardScaler, are explained without"
        )
        raise InvalidRows.of([Problem(field="explain", row=None, reason=reason)])


def explain(loaded: Loaded, frame: pl.DataFrame) -> list[Explanation]:
    """An explanation of the score of each of n rows, as decoded for `loaded`, which `check_explainable` has let pass.

    Takes about EXPLAIN_SECONDS at the most, unless the model is so slow that a single pair of walks takes longer.
    """
    drawn = loaded.made_up
    if drawn is None:
        return _of_the_model(loaded, frame)
    try:
        predicted = loaded.predict(frame)
        features = predicted.features
        others = _in_types_of(features, drawn)
        scores = np.asarray(predicted.scores, dtype=np.float64)
        chosen = scores.argmax(axis=1) if scores.ndim == 2 else np.zeros(len(scores), dtype=np.int64)
        orders, found = _walk(loaded, features, others, chosen)
    except Exception as error:  # noqa: BLE001 (it stands beside the answer)
        return [Explanation(problem=told_of(error))] * frame.height
    names = [name for name in features.columns if name in others.columns]
    return [_told(names, orders, each) for each in found]


def _of_the_model(loaded: Loaded, frame: pl.DataFrame) -> list[Explanation]:
    try:
        predicted = loaded.predict(frame)
        found = contributions(loaded.bundle.answering, predicted.features, np.asarray(predicted.scores))
    except Exception as error:  # noqa: BLE001 (leaves that hold linear models, say; it stands beside the answer)
        return [Explanation(problem=told_of(error))] * frame.height
    if found is None:
        return [Explanation(problem="what the model says of each feature does not come to its answer")] * frame.height
    return [
        Explanation(
            scale=found.scale, base=float(base), attributions=dict(zip(predicted.features.columns, parts, strict=True))
        )
        for base, parts in zip(found.base, found.parts.tolist(), strict=True)
    ]


def _told(names: Sequence[str], orders: Array, predictions: Array) -> Explanation:
    found = attribute(orders, predictions)
    return Explanation(
        base=found.base,
        attributions=dict(zip(names, found.credits.tolist(), strict=True)),
        standard_error=None if np.isnan(found.error) else found.error,
        walks=len(orders),
    )


def _walk(loaded: Loaded, features: pl.DataFrame, others: pl.DataFrame, chosen: Array) -> tuple[Array, list[Array]]:
    """The orders walked, and for each row what the model said at every station (w, d + 1); all rows walk the same."""
    names = [name for name in features.columns if name in others.columns]
    orders = orders_of(EXPLAIN_WALKS // 2, len(names), seed=_SEED)
    step = 2 * max(1, ROWS_AT_ONCE // (2 * (len(names) + 1)))
    said: list[list[Array]] = [[] for _ in range(features.height)]
    until, done = time.monotonic() + EXPLAIN_SECONDS, 0
    while done < len(orders) and (not done or time.monotonic() < until):
        part = orders[done : done + step]
        mine = stations(part)
        # Both walks of a pair begin at the same row.
        begins = 1 + (done + np.arange(len(part))) // 2
        for place in range(features.height):
            rows = _mixed(features[place], others, names, mine, begins)
            scores = loaded.scores(rows)
            said[place].append((scores[:, chosen[place]] if scores.ndim == 2 else scores).reshape(mine.shape[:2]))
        done += len(part)
    return orders[:done], [np.concatenate(parts) for parts in said]


def _mixed(row: pl.DataFrame, others: pl.DataFrame, names: Sequence[str], mine: Array, begins: Array) -> pl.DataFrame:
    """The rows at all stations: features of `row` where `mine` says so, else those of the walk's row in `others`."""
    count = mine.shape[0] * mine.shape[1]
    columns = []
    for name in row.columns:
        own = row.get_column(name)
        if name in names:
            places = np.where(mine[:, :, names.index(name)], 0, begins[:, None]).ravel()
            columns.append(own.append(others.get_column(name)).gather(places))
        else:
            columns.append(own.new_from_index(0, count))
    return pl.DataFrame(columns)


def _in_types_of(features: pl.DataFrame, drawn: pl.DataFrame) -> pl.DataFrame:
    """The made-up rows in the types that the features have; those that are not features are left out."""
    return pl.DataFrame(
        [_as(drawn.get_column(name), dtype) for name, dtype in features.schema.items() if name in drawn.columns]
    )


def _as(series: pl.Series, dtype: pl.DataType) -> pl.Series:
    if dtype == pl.Boolean and series.dtype == pl.String:
        return series == "true"
    return (series.round() if dtype.is_integer() else series).cast(dtype)
