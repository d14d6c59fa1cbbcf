"""From captured answers to what a release is judged on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from windlass.decisions.answers import Answers, ReleaseEvidence, Stream
from windlass.decisions.statistics.paired_losses import PairedLosses
from windlass.records.ids import OF_REQUEST
from windlass.records.state import ReleaseState

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

COLUMNS = ("prediction_id", "at", "version", "stage", "key", "score", "probabilities", "latency_ms", "error")
"""What is needed of each captured answer."""
ANSWERED = pl.col("error").is_null() & pl.col("score").is_finite().fill_null(value=False)
REQUEST = pl.col("prediction_id").str.replace(OF_REQUEST, "")
"""What the ids of all answers of a request share. A caller's own request id does not tell: a gateway may repeat it."""
CALLER = pl.coalesce("key", REQUEST)
"""Whose answer it is; of a row without a key, that of its request."""
_TOGETHER = "1s"
"""Answers in shadow are of different moments though they came of one call: those of so long, of the same duration."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """How far apart the two were on the holdout, as the gate noted it; None: it did not."""

    shift: float | None = None
    """Of the distributions of their scores."""
    gap: float | None = None
    """On the same row, on average."""
    scale: float | None = None
    """What numbers are measured by; 1 where answers are probabilities."""


def release_evidence(
    release: ReleaseState,
    captured: pl.DataFrame,
    *,
    champion: str,
    expected: Expected | None = None,
    scale: float | None = None,
    gaps: Array | None = None,
    losses: PairedLosses | None = None,
    asks: float = 1.0,
    doubted: str | None = None,
    refused: str | None = None,
    paused: timedelta = timedelta(),
) -> ReleaseEvidence:
    """Evidence of a shadow or canary stage; `captured` holds the answers (`COLUMNS`) since the stage began.

    A worker takes a moment to follow a new routing record, so what it answered in another role does not count.
    `expected` is what the gate saw; `scale` what scores are measured by, if that is known; `gaps` those of the rows
    that both answered (`release.losses.gaps_of`); `asks` how many times as many models the challenger asks; `doubted`
    the signal of an alarm about the champion.
    """
    expected = expected or Expected()
    stage: Literal["shadow", "canary"] = "shadow" if release.stage == "shadow" else "canary"
    ordered = captured.sort("at", REQUEST, maintain_order=True).with_row_index("place")
    own = ordered.filter(pl.col("version") == release.version, pl.col("stage") == stage)
    others = ordered.filter(pl.col("version") == champion, pl.col("stage") == "champion")
    alike = others if stage == "canary" else others.join(own.select("prediction_id"), on="prediction_id", how="semi")
    return ReleaseEvidence(
        stage=stage,
        share=release.share,
        started_at=release.started_at,
        stage_started_at=release.stage_started_at,
        challenger=answers(own),
        champion=answers(others, scored=alike),
        expected_shift=expected.shift,
        scale=scale,
        gaps=np.empty(0) if gaps is None else gaps,
        expected_gap=expected.gap,
        losses=losses,
        asks=asks,
        doubted=doubted,
        refused=refused,
        approved=release.approved_by is not None,
        paused=paused,
    )


def answers(captured: pl.DataFrame, *, scored: pl.DataFrame | None = None) -> Answers:
    """The answers of one version in one role, with the `place` of each; `scored`: only of these the scores count."""
    scored = (captured if scored is None else scored).filter(ANSWERED)
    asked = requests_of(captured)
    return Answers(
        rows=scored.height,
        failures=_stream(asked, "failed"),
        scores=_stream(scored.unique(CALLER, keep="first", maintain_order=True), "score"),
        latency_ms=_stream(calls_of(captured.filter(ANSWERED)), "latency_ms"),
    )


def _stream(rows: pl.DataFrame, name: str) -> Stream:
    return Stream(values=rows[name].to_numpy(), places=rows["place"].to_numpy())


def requests_of(captured: pl.DataFrame) -> pl.DataFrame:
    """One row for each request: `at`, and whether it `failed`."""
    first = [name for name in ("at", "place") if name in captured.columns]
    return captured.group_by(REQUEST, maintain_order=True).agg(pl.col(first).first(), failed=~ANSWERED.all())


def calls_of(answered: pl.DataFrame) -> pl.DataFrame:
    """One row for each call of the version: requests that were asked about together have its time in common."""
    moment = pl.when(pl.col("stage") == "shadow").then(pl.col("at").dt.truncate(_TOGETHER)).otherwise("at")
    return answered.unique([moment.alias("moment"), "latency_ms"], keep="first", maintain_order=True)
