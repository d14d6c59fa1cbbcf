"""Why quality fell, asked when an alarm is raised: of the rows whose labels have come."""

from __future__ import annotations

import polars as pl

from windlass.controller.captured import watched_features
from windlass.controller.context import LoopContext, policies_of
from windlass.controller.eyes import Eyes
from windlass.lake.layout import SEQUENCE
from windlass.monitoring.explaining import LEAST_ROWS, Explanation, Labelled, explain
from windlass.product.labels import UNKNOWN
from windlass.records.alert import AlarmCause
from windlass.records.decision import Decision
from windlass.records.routing import ANSWERED
from windlass.release.losses import predictions_of

_ALL = 0.995
_MOST_ROWS = 20_000
"""On either side."""


def causes_of_decay(context: LoopContext, product: str, eyes: Eyes, decision: Decision) -> tuple[AlarmCause, ...]:
    """What the rows since the change say beside those before it; nothing where too few labels are known of either."""
    recent = decision.count("recent_rows")
    labelled = context.lake.labelled(
        product,
        outcome=policies_of(context.product(product)).outcome,
        as_of=context.now,
        versions=[eyes.version],
        stages=ANSWERED,
        columns=[SEQUENCE, "score", "probabilities"],
    )
    truth = eyes.codec.encode_texts(labelled["value"])
    known = labelled.with_columns(_truth=truth).filter(pl.col("_truth").is_not_null()).sort(SEQUENCE)
    if eyes.codec.kind == "multiclass":
        known = known.filter(pl.col("_truth") != UNKNOWN)
    after, before = known.tail(recent), known.head(max(0, known.height - recent)).tail(_MOST_ROWS)
    if min(after.height, before.height) < LEAST_ROWS:
        return ()
    found = explain(
        _side(context, product, eyes, before),
        _side(context, product, eyes, after.tail(_MOST_ROWS)),
        kind=eyes.codec.kind,
        columns=eyes.reference.features.columns,
    )
    return _causes(found) if found.rise > 0 else ()  # a ranking may fall while the losses do not rise


def _side(context: LoopContext, product: str, eyes: Eyes, rows: pl.DataFrame) -> Labelled:
    captured = context.lake.predictions(
        product,
        versions=[eyes.version],
        stages=ANSWERED,
        columns=[SEQUENCE, "request", "features"],
        after_sequence=int(rows[SEQUENCE][0]) - 1,
        upto_sequence=int(rows[SEQUENCE][-1]),
    )
    own = captured.join(rows, on=SEQUENCE, how="inner").sort(SEQUENCE)
    return Labelled(
        features=watched_features(own, eyes.reference),
        predictions=predictions_of(own["score"], own["probabilities"], eyes.codec),
        truth=own["_truth"].to_numpy(),
    )


def _causes(found: Explanation) -> tuple[AlarmCause, ...]:
    parts = [AlarmCause(kind=each.cause, name=each.feature, share=each.share, told=each.told) for each in found.parts]
    slices = [
        AlarmCause(
            kind="slice",
            name=each.rows,
            share=each.share,
            told=f"{_portion(each.share)} is in the {each.count:,} rows with {each.rows}.",
        )
        for each in found.slices
    ]
    return (*parts, *slices)


def _portion(share: float) -> str:
    """Where the other rows have become better, a slice holds more than all of the fall."""
    return "All of it" if share >= _ALL else f"{share:.0%} of it"
