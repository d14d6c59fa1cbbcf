"""Which label a prediction has, as of a moment.

An outcome names one prediction by its id, or all predictions of a key that were answered at or before it was observed.
For each prediction:

- outcomes by its id count before outcomes by its key;
- of several, the one observed last counts, then the one received last: a later outcome corrects an earlier one, however
  late it comes, and the earlier one stays in the table;
- outcomes observed after `as_of` do not exist;
- with no outcome, and more than `within` since it was answered, the label is `absent`, known since `within` ran out.

A late outcome is a correction and never refused: `within` says when to stop waiting, not when to stop listening.

How long a label took is told by the first outcome alone, whatever it said: a label that is sent again, or corrected
after months, would else seem to have come late.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from windlass.lake.dtypes import TIMESTAMP
from windlass.lake.layout import SEQUENCE
from windlass.lake.served import json_of
from windlass.product.policy import Outcome

NEEDED = ("prediction_id", "key", "at")
JOINED = ("value", "observed_at", "known_at")


def join_outcomes(
    predictions: pl.DataFrame, outcomes: pl.DataFrame, *, outcome: Outcome, as_of: datetime
) -> pl.DataFrame:
    """`predictions` (n rows with `NEEDED`), in their order, with `value` (JSON text or null), `observed_at`, the moment
    of the outcome that counts, and `known_at`, since when there has been a label (the first outcome, or silence).

    `outcomes` is the full history; rows observed after `as_of` are left out here.
    """
    history = outcomes.filter(pl.col("observed_at") <= pl.lit(as_of, dtype=TIMESTAMP))
    named = history.filter(pl.col("prediction_id").is_not_null())
    keyed = history.filter(pl.col("prediction_id").is_null() & pl.col("key").is_not_null())
    if predictions.height * 4 < history.height:  # few are asked for: what the others have need not be sorted out
        named = named.join(predictions, on="prediction_id", how="semi")
        keyed = keyed.join(predictions, on="key", how="semi")
    joined = predictions.join(
        _told(named, "prediction_id", suffix="_by_id"), on="prediction_id", how="left", maintain_order="left"
    ).join(_told(keyed, "key", suffix="_by_key"), on="key", how="left", maintain_order="left")
    joined = joined.with_columns(first_by_key=_first_of_key(joined, keyed))
    has_id, has_key = (pl.col(name).is_not_null() for name in ("first_by_id", "first_by_key"))
    due = pl.col("at") + outcome.within
    overdue = pl.lit(value=outcome.absent is not None) & (due < pl.lit(as_of, dtype=TIMESTAMP))
    absent = pl.lit(None if outcome.absent is None else json_of(outcome.absent), dtype=pl.String)
    counts = [
        pl.when(has_id).then(f"{name}_by_id").when(has_key).then(f"{name}_by_key").when(overdue).then(silence)
        for name, silence in (("value", absent), ("observed_at", due))
    ]
    first = pl.min_horizontal("first_by_id", "first_by_key", pl.when(overdue).then(due))
    return joined.select(
        *predictions.columns, counts[0].alias("value"), counts[1].alias("observed_at"), first.alias("known_at")
    )


def _told(outcomes: pl.DataFrame, subject: str, *, suffix: str) -> pl.DataFrame:
    """The outcome that counts for each `subject`, and when its first came."""
    return (
        outcomes.sort("observed_at", SEQUENCE)
        .group_by(subject)
        .agg(
            pl.col("value").last().alias("value" + suffix),
            pl.col("observed_at").last().alias("observed_at" + suffix),
            pl.col("observed_at").first().alias("first" + suffix),
        )
    )


def _first_of_key(joined: pl.DataFrame, keyed: pl.DataFrame) -> pl.Series:
    """`(n,)`: when the first outcome of its key came that each prediction is named by, at or after its answer."""
    answered = joined.with_row_index("_place").select("_place", "key", "at", "first_by_key", "observed_at_by_key")
    # Few keys are told of before and after an answer: of the others the first outcome is known without a search.
    between = (pl.col("first_by_key") < pl.col("at")) & (pl.col("observed_at_by_key") >= pl.col("at"))
    searched = answered.filter(between).sort("at")
    later = searched.select("_place", "key", "at").join_asof(
        keyed.select("key", later="observed_at").sort("later"),
        left_on="at",
        right_on="later",
        by="key",
        strategy="forward",
        check_sortedness=False,
    )
    first = pl.when(pl.col("first_by_key") >= pl.col("at")).then("first_by_key")
    return (
        answered.join(later.select("_place", "later"), on="_place", how="left", maintain_order="left")
        .select(pl.coalesce(first, "later"))
        .to_series()
    )
