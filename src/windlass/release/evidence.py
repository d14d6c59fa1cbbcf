"""From captured answers to what a release is judged on."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from windlass.decisions.alignment import align
from windlass.decisions.completeness import Usual, groups_of, representative_rows
from windlass.decisions.losses import compared_losses
from windlass.decisions.paired_losses import PairedLosses
from windlass.decisions.release import Answers, ReleaseEvidence
from windlass.decisions.rollback import RollbackEvidence
from windlass.errors import DataError
from windlass.product.labels import LabelCodec
from windlass.records.ids import OF_REQUEST
from windlass.records.state import ReleaseState

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from windlass.product.task import TaskKind

    Array = NDArray[Any]

COLUMNS = ("prediction_id", "at", "version", "stage", "score", "latency_ms", "error")
"""What is needed of each captured answer."""
_ANSWERED = pl.col("error").is_null() & pl.col("score").is_finite().fill_null(value=False)


def release_evidence(
    release: ReleaseState,
    captured: pl.DataFrame,
    *,
    champion: str,
    expected_shift: float | None = None,
    paired: PairedLosses | None = None,
    refused: str | None = None,
    paused: timedelta = timedelta(),
) -> ReleaseEvidence:
    """Evidence of a shadow or canary stage; `captured` holds the answers (`COLUMNS`) since the stage began.

    A worker takes a moment to follow a new routing record, so what it answered in another role does not count.
    """
    stage = "shadow" if release.stage == "shadow" else "canary"
    own = captured.filter(pl.col("version") == release.version, pl.col("stage") == stage)
    others = captured.filter(pl.col("version") == champion, pl.col("stage") == "champion")
    if stage == "shadow":
        others = others.join(own.select("prediction_id"), on="prediction_id", how="semi")
    return ReleaseEvidence(
        stage="shadow" if release.stage == "shadow" else "canary",
        share=release.share,
        started_at=release.started_at,
        stage_started_at=release.stage_started_at,
        challenger=answers(own),
        champion=answers(others),
        expected_shift=expected_shift,
        losses=paired,
        refused=refused,
        paused=paused,
    )


def rollback_evidence(
    release: ReleaseState,
    captured: pl.DataFrame,
    *,
    champion: str,
    paired: PairedLosses,
    refused: str | None = None,
) -> RollbackEvidence:
    """Evidence of a probation: the champion's answers since its promotion, and its losses beside its predecessor's."""
    asked = _requests(captured.filter(pl.col("version") == champion, pl.col("stage") != "shadow"))
    return RollbackEvidence(
        started_at=release.stage_started_at,
        losses=paired,
        requests=len(asked),
        errors=int(asked["failed"].sum()),
        refused=refused,
    )


def answers(captured: pl.DataFrame) -> Answers:
    """The answers of one version."""
    asked = _requests(captured)
    return Answers(
        scores=captured.filter(_ANSWERED)["score"].to_numpy(),
        latency_ms=asked.filter(~pl.col("failed"))["latency_ms"].to_numpy(),
        errors=int(asked["failed"].sum()),
    )


def _requests(captured: pl.DataFrame) -> pl.DataFrame:
    """One row for each request: `latency_ms`, and whether it `failed`.

    The ids of its answers tell which belong together. A caller's own request id does not: a gateway may repeat it.
    """
    request = pl.col("prediction_id").str.replace(OF_REQUEST, "")
    return captured.group_by(request, maintain_order=True).agg(pl.col("latency_ms").first(), failed=~_ANSWERED.all())


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
) -> PairedLosses:
    """Losses of two versions on the rows that both answered and whose label is known, in the order they were asked for.

    Where labels of one class come early, only such rows count as stand for all rows of their time as of `now`
    (`decisions.completeness`; `within` is how long one may take, `usual` how many never come).

    `labelled` is what `Lake.labelled` gives for both, shadow answers included. `codec` is the new version's and
    `old_codec` the old one's, where it differs. What can be no label is left out; a class that a version does not know,
    it was wrong about. Two binary versions that do not speak of the same classes have no losses to compare: none then.
    `bound` is that of `PairedLosses`, `metric` the gate's.
    """
    answered = labelled.filter(pl.col("error").is_null())
    sides = [
        answered.filter(pl.col("version") == version).unique("prediction_id", keep="first", maintain_order=True)
        for version in (new, old)
    ]
    both = sides[0].join(sides[1], on="prediction_id", how="inner", suffix="_old").sort("at", "prediction_id")
    both = both.with_columns(_truth=codec.encode_texts(both["value"]))
    chosen = _representative(both, kind=codec.kind, now=now, within=within, usual=usual)
    both = both.filter(chosen & pl.col("_truth").is_not_null())
    truth = both["_truth"].to_numpy()
    other = old_codec or codec
    previous = predictions_of(both["score_old"], both["probabilities_old"], other)
    try:
        previous = align(previous, other.classes, codec.classes)
    except DataError:  # the decision says that nothing could be compared
        return PairedLosses(new=np.empty(0), previous=np.empty(0), bound=bound)
    compared = partial(compared_losses, kind=codec.kind, metric=metric)
    return PairedLosses(
        new=compared(truth, predictions_of(both["score"], both["probabilities"], codec)),
        previous=compared(truth, previous),
        bound=bound,
    )


def _representative(
    asked: pl.DataFrame, *, kind: TaskKind, now: datetime, within: timedelta, usual: Usual | None
) -> pl.Series:
    at = asked["at"].dt.epoch("us").to_numpy()
    came = pl.when(pl.col("value").is_not_null()).then(pl.max_horizontal("at", "observed_at").dt.epoch("us"))
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
