"""From captured answers to what a release is judged on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from windlass.decisions.losses import losses
from windlass.decisions.release import Answers, ReleaseEvidence
from windlass.decisions.paired_losses import PairedLosses
from windlass.decisions.rollback import RollbackEvidence
from windlass.product.labels import LabelCodec
from windlass.records.state import ReleaseState

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS = ("prediction_id", "request_id", "at", "version", "stage", "score", "latency_ms", "error")
"""What is needed of each captured answer."""


def release_evidence(
    release: ReleaseState,
    captured: pl.DataFrame,
    *,
    champion: str,
    expected_shift: float | None,
    paired: PairedLosses | None,
) -> ReleaseEvidence:
    """Evidence of a shadow or canary stage; `captured` holds the answers of both versions since the stage began."""
    own = captured.filter(pl.col("version") == release.version)
    others = captured.filter(pl.col("version") == champion, pl.col("stage") != "shadow")
    if release.stage == "shadow":
        own = own.filter(pl.col("stage") == "shadow")
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
    )


def rollback_evidence(
    release: ReleaseState, captured: pl.DataFrame, *, champion: str, paired: PairedLosses
) -> RollbackEvidence:
    """Evidence of a probation: the champion's answers since its promotion, and its losses beside its predecessor's."""
    own = captured.filter(pl.col("version") == champion, pl.col("stage") != "shadow")
    return RollbackEvidence(
        started_at=release.stage_started_at, losses=paired, rows=own.height, errors=own["error"].count()
    )


def answers(captured: pl.DataFrame) -> Answers:
    """The answers of one version."""
    good = captured.filter(pl.col("error").is_null())
    return Answers(
        scores=good["score"].fill_null(np.nan).to_numpy(),
        errors=captured.height - good.height,
        latency_ms=good.unique("request_id", maintain_order=True)["latency_ms"].to_numpy(),
    )


def paired_losses(labelled: pl.DataFrame, *, new: str, old: str, codec: LabelCodec) -> PairedLosses:
    """Losses of two versions on the rows that both answered and whose label is known, in the order of the outcomes.

    `labelled` is what `Lake.labelled` gives for both, shadow answers included.
    """
    known = labelled.filter(pl.col("value").is_not_null(), pl.col("error").is_null())
    sides = [
        known.filter(pl.col("version") == version).unique("prediction_id", keep="first", maintain_order=True)
        for version in (new, old)
    ]
    both = sides[0].join(sides[1], on="prediction_id", how="inner", suffix="_old").sort("observed_at", "prediction_id")
    truth = codec.encode_values([json.loads(value) for value in both["value"]])
    return PairedLosses(
        new=losses(truth, predictions_of(both["score"], both["probabilities"], codec), codec.kind),
        previous=losses(truth, predictions_of(both["score_old"], both["probabilities_old"], codec), codec.kind),
        bound=None if codec.kind == "regression" else 1.0,
    )


def predictions_of(scores: pl.Series, probabilities: pl.Series, codec: LabelCodec) -> NDArray[Any]:
    """Captured answers in the convention of the statistics: `(n,)`, or `(n, k)` for multiclass."""
    if codec.kind != "multiclass":
        return scores.to_numpy()
    return np.asarray(probabilities.to_list(), dtype=np.float64).reshape(-1, len(codec.classes))
