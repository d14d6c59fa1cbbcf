"""From captured answers to what a release is judged on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from windlass.decisions.answers import Answers, ReleaseEvidence, Stream
from windlass.decisions.paired_losses import PairedLosses
from windlass.decisions.rollback import RollbackEvidence
from windlass.decisions.slowness import QUICKEST, Stretches
from windlass.records.ids import OF_REQUEST
from windlass.records.state import ReleaseState

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

COLUMNS = ("prediction_id", "at", "version", "stage", "key", "score", "probabilities", "latency_ms", "error")
"""What is needed of each captured answer."""
_ANSWERED = pl.col("error").is_null() & pl.col("score").is_finite().fill_null(value=False)
_REQUEST = pl.col("prediction_id").str.replace(OF_REQUEST, "")
"""What the ids of all answers of a request share. A caller's own request id does not tell: a gateway may repeat it."""
_TOGETHER = "1s"
"""Answers in shadow are of different moments though they came of one call: those of so long, of the same duration."""


_STRETCH, _FEW_CALLS = "1m", 20
"""Of what latency in probation is judged by: a minute, or as many as it takes for so many calls."""


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
    gaps: Array | None = None,
    losses: PairedLosses | None = None,
    refused: str | None = None,
    paused: timedelta = timedelta(),
) -> ReleaseEvidence:
    """Evidence of a shadow or canary stage; `captured` holds the answers (`COLUMNS`) since the stage began.

    A worker takes a moment to follow a new routing record, so what it answered in another role does not count.
    `expected` is what the gate saw; `gaps` those of the rows that both answered (`release.losses.gaps_of`).
    """
    expected = expected or Expected()
    stage: Literal["shadow", "canary"] = "shadow" if release.stage == "shadow" else "canary"
    ordered = captured.sort("at", _REQUEST, maintain_order=True).with_row_index("place")
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
        gaps=np.empty(0) if gaps is None else gaps,
        expected_gap=expected.gap,
        losses=losses,
        refused=refused,
        approved=release.approved_by is not None,
        paused=paused,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Before:
    """What a probation holds its champion against: the predecessor while it answered."""

    requests: int = 0
    errors: int = 0
    latency_ms: Array = field(default_factory=lambda: np.empty(0))
    """`(m,)`: what the quickest tenth of its calls took at most, in each stretch of time."""

    @classmethod
    def of(cls, captured: pl.DataFrame) -> Before:
        """After the answers that it gave as champion (`COLUMNS`)."""
        failed = _requests(captured)["failed"]
        quickest = _by_stretch(_calls(captured.filter(_ANSWERED)))["latency_ms"][:-1]
        return cls(requests=len(failed), errors=int(failed.sum()), latency_ms=quickest.to_numpy())


def rollback_evidence(
    release: ReleaseState,
    captured: pl.DataFrame,
    *,
    champion: str,
    paired: PairedLosses,
    before: Before | None = None,
    refused: str | None = None,
) -> RollbackEvidence:
    """Evidence of a probation: the champion's answers since its promotion, its predecessor's in shadow, and the losses
    of both. None: of before nothing is known."""
    before = before or Before()
    ordered = captured.sort("at", maintain_order=True)
    own = ordered.filter(pl.col("version") == champion, pl.col("stage") != "shadow")
    beside = ordered.filter(pl.col("version") == release.previous, pl.col("stage") == "shadow")
    asked = _requests(own)
    return RollbackEvidence(
        started_at=release.stage_started_at,
        losses=paired,
        requests=len(asked),
        errors=int(asked["failed"].sum()),
        previous_requests=before.requests,
        previous_errors=before.errors,
        apart=_apart(asked, _requests(beside)),
        latency=_stretches(own.filter(_ANSWERED), beside.filter(_ANSWERED), before),
        refused=refused,
    )


def answers(captured: pl.DataFrame, *, scored: pl.DataFrame | None = None) -> Answers:
    """The answers of one version in one role, with the `place` of each; `scored`: only of these the scores count."""
    scored = (captured if scored is None else scored).filter(_ANSWERED)
    asked = _requests(captured)
    return Answers(
        rows=scored.height,
        failures=_stream(asked, "failed"),
        scores=_stream(scored.unique(pl.coalesce("key", _REQUEST), keep="first", maintain_order=True), "score"),
        latency_ms=_stream(_calls(captured.filter(_ANSWERED)), "latency_ms"),
    )


def _apart(own: pl.DataFrame, others: pl.DataFrame) -> Array:
    """Of the requests on which one failed and the other did not, in their order: 1 where it was the own one."""
    both = own.join(others, on="prediction_id", how="inner", suffix="_there", maintain_order="left")
    differing = both.filter(pl.col("failed") != pl.col("failed_there"))
    return differing["failed"].cast(pl.Float64).to_numpy()


def _stretches(own: pl.DataFrame, beside: pl.DataFrame, before: Before) -> Stretches:
    """Those that are over: the last one may go on."""
    quickest = _by_stretch(_calls(own))
    within = _calls(beside).join_asof(quickest.select("at", begun="at"), on="at").group_by("begun")
    medians = within.agg(beside=pl.col("latency_ms").median())
    together = quickest.join(medians, left_on="at", right_on="begun", how="left", maintain_order="left")[:-1]
    return Stretches(
        quickest=together["latency_ms"].to_numpy(),
        beside=together["beside"].fill_null(np.nan).to_numpy(),
        before=before.latency_ms,
    )


def _by_stretch(calls: pl.DataFrame) -> pl.DataFrame:
    """`at`, when each stretch began, and `latency_ms` of the quickest tenth of its calls."""
    minutes = calls.group_by(pl.col("at").dt.truncate(_STRETCH).alias("minute")).len().sort("minute")
    numbers, number, calls_in = [], 0, 0
    for count in minutes["len"]:
        if calls_in >= _FEW_CALLS:
            number, calls_in = number + 1, 0
        numbers.append(number)
        calls_in += count
    places = minutes.select("minute", stretch=pl.Series(numbers, dtype=pl.Int64))
    known = calls.with_columns(minute=pl.col("at").dt.truncate(_STRETCH)).join(places, on="minute")
    return (
        known.group_by("stretch")
        .agg(pl.col("latency_ms").quantile(QUICKEST), at=pl.col("minute").min())
        .sort("stretch")
    )


def _stream(rows: pl.DataFrame, name: str) -> Stream:
    return Stream(values=rows[name].to_numpy(), places=rows["place"].to_numpy())


def _requests(captured: pl.DataFrame) -> pl.DataFrame:
    """One row for each request: whether it `failed`."""
    first = (pl.col("place").first(),) if "place" in captured.columns else ()
    return captured.group_by(_REQUEST, maintain_order=True).agg(*first, failed=~_ANSWERED.all())


def _calls(answered: pl.DataFrame) -> pl.DataFrame:
    """One row for each call of the version: requests that were asked about together have its time in common."""
    moment = pl.when(pl.col("stage") == "shadow").then(pl.col("at").dt.truncate(_TOGETHER)).otherwise("at")
    return answered.unique([moment.alias("moment"), "latency_ms"], keep="first", maintain_order=True)
