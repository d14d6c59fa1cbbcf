"""What is seen of a version when a class has come up that it does not know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from windlass.controller.eyes import Eyes
from windlass.monitoring.reference import make_reference
from windlass.monitoring.watch import Watch
from windlass.product.labels import LabelCodec

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_it_was_wrong_about_them_and_they_are_named() -> None:
    within = timedelta(days=1)
    reference = make_reference(pl.DataFrame({"wind": [0.0, 1.0]}), kind="multiclass")
    watch = Watch(reference, window=100, within=within)
    codec = LabelCodec.from_manifest("multiclass", ["calm", "rain", "snow"])
    eyes = Eyes(version="v1", reference=reference, codec=codec, watch=watch, window=100, within=within)
    rows = pl.DataFrame(
        {
            "prediction_id": ["p1", "p2", "p3"],
            "version": "v1",
            "stage": "champion",
            "at": NOON,
            "score": 1.0,
            "probabilities": [[0.0, 1.0, 0.0]] * 3,
            "request": '{"wind": 1.0}',
            "features": pl.Series([None] * 3, dtype=pl.String),
            "error": pl.Series([None] * 3, dtype=pl.String),
        }
    )
    eyes.observe(rows)
    outcomes = pl.Series("value", ['"rain"', '"storm"', "3"])
    eyes.mature(rows.with_columns(outcomes, observed_at=NOON), NOON)
    watch.decay(NOON + 2 * within)
    assert eyes.unknown == ['"storm"', "3"]
    # "rain" was right, "storm" wrong whatever was said; 3 is no label of this task and counts for nothing.
    assert np.array_equal(watch.losses, [0.0, 1.0])
