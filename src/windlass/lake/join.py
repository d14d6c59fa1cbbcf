"""Which label a prediction has, as of a moment.

An outcome names one prediction by its id, or all predictions of a key that were answered at or before it was observed.
For each prediction:

- outcomes by its id count before outcomes by its key;
- of several, the one observed last counts, then the one received last: a later outcome corrects an earlier one, however
  late it comes, and the earlier one stays in the table;
- outcomes observed after `as_of` do not exist;
- with no outcome, and more than `within` since it was answered, the label is `absent`, known since `within` ran out.

A late outcome is a correction and never refused: `within` says when to stop waiting, not when to stop listening.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from windlass.lake.dtypes import TIMESTAMP
from windlass.lake.layout import SEQUENCE
from windlass.lake.served import json_of
from windlass.product.policy import Outcome

NEEDED = ("prediction_id", "key", "at")


def join_outcomes(
    predictions: pl.DataFrame, outcomes: pl.DataFrame, *, outcome: Outcome, as_of: datetime
) -> pl.DataFrame:
    """`predictions` (n rows with `NEEDED`), in their order, with `value` (JSON text or null) and `observed_at`.

    `outcomes` is the full history; rows observed after `as_of` are left out here.
    """
    history = outcomes.filter(pl.col("observed_at") <= pl.lit(as_of, dtype=TIMESTAMP))
    named = history.filter(pl.col("prediction_id").is_not_null())
    keyed = history.filter(pl.col("prediction_id").is_null() & pl.col("key").is_not_null())
    if predictions.height * 4 < history.height:  # few are asked for: what the others have need not be sorted out
        named = named.join(predictions, on="prediction_id", how="semi")
        keyed = keyed.join(predictions, on="key", how="semi")
    by_id = _latest(named, "prediction_id", suffix="_by_id")
    by_key = _latest(keyed, "key", suffix="_by_key")
    joined = predictions.join(by_id, on="prediction_id", how="left", maintain_order="left").join(
        by_key, on="key", how="left", maintain_order="left"
    )
    has_id = pl.col("observed_at_by_id").is_not_null()
    # The latest outcome of a key is at or after the answer if any of them is.
    has_key = pl.col("observed_at_by_key").is_not_null() & (pl.col("observed_at_by_key") >= pl.col("at"))
    due = pl.col("at") + outcome.within
    overdue = pl.lit(value=outcome.absent is not None) & (due < pl.lit(as_of, dtype=TIMESTAMP))
    absent = pl.lit(None if outcome.absent is None else json_of(outcome.absent), dtype=pl.String)
    return joined.select(
        *predictions.columns,
        pl.when(has_id)
        .then(pl.col("value_by_id"))
        .when(has_key)
        .then(pl.col("value_by_key"))
        .when(overdue)
        .then(absent)
        .alias("value"),
        pl.when(has_id)
        .then(pl.col("observed_at_by_id"))
        .when(has_key)
        .then(pl.col("observed_at_by_key"))
        .when(overdue)
        .then(due)
        .alias("observed_at"),
    )


def _latest(outcomes: pl.DataFrame, subject: str, *, suffix: str) -> pl.DataFrame:
    """The outcome that counts for each `subject`."""
    return (
        outcomes.sort("observed_at", SEQUENCE)
        .unique(subject, keep="last")
        .select(subject, *(pl.col(name).alias(name + suffix) for name in ("value", "observed_at")))
    )
