"""A/B tests: how one begins and ends, and what captured answers and measurements come to. Pure."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from windlass.decisions.experiment import Arm, ExperimentEvidence
from windlass.decisions.figures import decision
from windlass.records.decision import Decision
from windlass.records.event import Body, ExperimentFinished, ExperimentStarted
from windlass.records.experiment import ExperimentState, Plan
from windlass.release.evidence import CALLER

COLUMNS = ("prediction_id", "at", "version", "stage", "key")
"""What is needed of each captured answer."""
_UNIT = CALLER.alias("unit")
"""What is assigned to a version: a key, or a request whose rows have none."""


def begin(plan: Plan, *, experiment: str, by: str, reason: str) -> list[Body]:
    return [ExperimentStarted(experiment=experiment, plan=plan, by=by, reason=reason)]


def end(under_way: ExperimentState, judged: Decision) -> list[Body]:
    return [ExperimentFinished(experiment=under_way.experiment, decision=judged)]


def stop(under_way: ExperimentState | None, *, reason: str, now: datetime) -> list[Body]:
    """A person ends it; nothing when there is none."""
    if under_way is None:
        return []
    return end(under_way, decision("experiment", "stopped", [reason], {}, now))


def evidence_of(under_way: ExperimentState, answers: pl.DataFrame, measured: pl.DataFrame) -> ExperimentEvidence:
    """Both arms of `under_way` from `answers` (`COLUMNS`) and `measured` (the metric's rows) since it began.

    A key counts for the version that it was assigned to, even if that failed and the other answered in its place.
    """
    asked = answers.filter(pl.col("at") >= under_way.started_at).select("prediction_id", "version", "stage", _UNIT)
    of_b = (pl.col("version") == under_way.plan.b) & (pl.col("stage") == "canary")
    of_a = (pl.col("version") == under_way.plan.a) & (pl.col("stage") == "champion")
    asked = asked.filter(of_a | of_b)
    units = asked.group_by("unit", maintain_order=True).agg(treated=of_b.any())
    # A measurement that names a prediction is of the key that the prediction was for.
    named = asked.select("prediction_id", "unit").unique("prediction_id")
    unit = pl.coalesce("unit", "key")
    sums = (
        _once(measured)
        .join(named, on="prediction_id", how="left")
        .group_by(unit.alias("unit"), maintain_order=True)
        .agg(pl.col("value").sum())
        .join(units, on="unit", how="inner", maintain_order="left")
    )
    return ExperimentEvidence(a=_arm(units, sums, treated=False), b=_arm(units, sums, treated=True))


def _once(measured: pl.DataFrame) -> pl.DataFrame:
    """Without what a caller has sent again, who got no answer: the same rows under the same id of a request."""
    row = ("request_id", "prediction_id", "key", "value")
    return measured.with_columns(nth=pl.int_range(pl.len()).over("received_at", *row)).unique(
        [*row, "nth"], keep="first", maintain_order=True
    )


def _arm(units: pl.DataFrame, sums: pl.DataFrame, *, treated: bool) -> Arm:
    return Arm(
        keys=units.filter(pl.col("treated") == treated).height,
        values=sums.filter(pl.col("treated") == treated)["value"].to_numpy(),
    )
