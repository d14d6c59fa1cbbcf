"""Losses of two versions on the labels that have come, and how far apart they are on the same row."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from windlass.decisions.statistics.agreement import row_gaps
from windlass.decisions.statistics.alignment import align
from windlass.decisions.statistics.completeness import Usual, groups_of, representative_rows
from windlass.decisions.statistics.losses import compared_losses
from windlass.decisions.statistics.paired_losses import PairedLosses
from windlass.decisions.statistics.two_streams import stretch_means
from windlass.errors import DataError
from windlass.product.labels import LabelCodec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from windlass.product.task import TaskKind

    Array = NDArray[Any]


def paired_losses(
    labelled: pl.DataFrame,
    *,
    new: str,
    old: str,
    codec: LabelCodec,
    old_codec: LabelCodec | None = None,
    bound: float | None = 1.0,
    metric: str = "default",
    now: datetime,
    within: timedelta,
    usual: Usual | None = None,
    apart: bool = False,
) -> PairedLosses:
    """Losses of two versions on the rows that both answered and whose label is known, in the order they were asked for.

    `apart`: in a canary no row is answered by both; then the means of neighbouring stretches are compared, each of
    which has rows of both (`decisions.statistics.two_streams`), and always of losses that a row has by itself.

    Where labels of one class come early, only such rows count as stand for all rows of their time as of `now`
    (`decisions.statistics.completeness`; `within` is how long one may take, `usual` how many never come).

    `labelled` is what `Lake.labelled` gives for both, shadow answers included. `codec` is the new version's and
    `old_codec` the old one's, where it differs. What can be no label is left out; a class that a version does not know,
    it was wrong about. Two binary versions that do not speak of the same classes have no losses to compare: none then.
    `bound` is that of `PairedLosses`, `metric` the gate's.
    """
    answered = labelled.filter(pl.col("error").is_null())
    judged = partial(_judged, codec=codec, now=now, within=within, usual=usual)
    loss = partial(_losses, codec=codec, metric=metric)
    other = old_codec or codec
    try:
        if apart:
            rows = judged(_one_answer_each(answered, new, old))
            arms = (rows["version"] == new).to_numpy()
            loss = partial(loss, metric="default")  # a ranking takes two rows, and so stands in no one stretch
            values = np.empty(len(arms))
            values[arms] = loss(rows.filter(version=new), "", other=codec)
            values[~arms] = loss(rows.filter(version=old), "", other=other)
            own, previous = stretch_means(arms, values)
        else:
            rows = judged(_answered_by_both(answered, new, old))
            own, previous = loss(rows, "", other=codec), loss(rows, "_old", other=other)
    except DataError:  # the decision says that nothing could be compared
        own = previous = np.empty(0)
    return PairedLosses(new=own, previous=previous, bound=bound)


def gaps_of(
    own: pl.DataFrame, others: pl.DataFrame, *, codec: LabelCodec, old_codec: LabelCodec, scale: float
) -> Array:
    """How far apart two versions are on each row that both answered, 0..1, in the order in which it was asked for.

    None where they do not speak of the same classes. `scale` is what numbers are measured by.
    """
    both = own.join(others, on="prediction_id", how="inner", suffix="_old", maintain_order="left")
    other = predictions_of(both["score_old"], both["probabilities_old"], old_codec)
    try:
        other = align(other, old_codec.classes, codec.classes)
    except DataError:  # the distribution of the scores is compared all the same
        return np.empty(0)
    return row_gaps(predictions_of(both["score"], both["probabilities"], codec), other, scale=scale)


def _answered_by_both(answered: pl.DataFrame, new: str, old: str) -> pl.DataFrame:
    sides = [
        answered.filter(pl.col("version") == version).unique("prediction_id", keep="first", maintain_order=True)
        for version in (new, old)
    ]
    return sides[0].join(sides[1], on="prediction_id", how="inner", suffix="_old").sort("at", "prediction_id")


def _one_answer_each(answered: pl.DataFrame, new: str, old: str) -> pl.DataFrame:
    own = (pl.col("version") == new) & (pl.col("stage") == "canary")
    others = (pl.col("version") == old) & (pl.col("stage") == "champion")
    one_each = answered.filter(own | others).unique("prediction_id", keep="first", maintain_order=True)
    return one_each.sort("at", "prediction_id")


def _losses(rows: pl.DataFrame, suffix: str, *, codec: LabelCodec, other: LabelCodec, metric: str) -> Array:
    """`(n,)` of what `other` answered in the columns with `suffix`, in the classes of `codec`."""
    said = predictions_of(rows[f"score{suffix}"], rows[f"probabilities{suffix}"], other)
    if other is not codec:
        said = align(said, other.classes, codec.classes)
    return compared_losses(rows["_truth"].to_numpy(), said, kind=codec.kind, metric=metric)


def _judged(
    rows: pl.DataFrame, codec: LabelCodec, *, now: datetime, within: timedelta, usual: Usual | None
) -> pl.DataFrame:
    """The rows whose label counts, and what it is."""
    rows = rows.with_columns(_truth=codec.encode_texts(rows["value"]))
    chosen = _representative(rows, kind=codec.kind, now=now, within=within, usual=usual)
    return rows.filter(chosen & pl.col("_truth").is_not_null())


def _representative(
    asked: pl.DataFrame, *, kind: TaskKind, now: datetime, within: timedelta, usual: Usual | None
) -> pl.Series:
    at = asked["at"].dt.epoch("us").to_numpy()
    came = pl.when(pl.col("value").is_not_null()).then(pl.max_horizontal("at", "known_at").dt.epoch("us"))
    chosen = representative_rows(
        at,
        asked.select(came.cast(pl.Float64)).to_series().fill_null(np.nan).to_numpy(),
        groups_of(asked["_truth"].cast(pl.Float64).fill_null(np.nan).to_numpy(), classes=kind != "regression"),
        now=pl.Series([now]).dt.epoch("us")[0],
        within=within // timedelta(microseconds=1),
        usual=usual,
    )
    return pl.Series(chosen)


def predictions_of(scores: pl.Series, probabilities: pl.Series, codec: LabelCodec) -> Array:
    """Captured answers in the convention of the statistics: `(n,)`, or `(n, k)` for multiclass."""
    if codec.kind != "multiclass":
        return scores.cast(pl.Float64).to_numpy()
    return np.asarray(probabilities.to_list(), dtype=np.float64).reshape(-1, len(codec.classes))
