from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from windlass.records.experiment import ExperimentState, Plan
from windlass.release.experiment import evidence_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEST = ExperimentState(
    experiment="e", plan=Plan(a="v1", b="v2", metric="sales", split=0.5), started_at=NOON, by="ada", reason="why not"
)


def answers(*rows: tuple[str, str, str, str | None]) -> pl.DataFrame:
    """`prediction, version, stage, key`."""
    frame = pl.DataFrame(rows, schema=["prediction_id", "version", "stage", "key"], orient="row")
    return frame.with_columns(pl.col("key").cast(pl.String), at=pl.lit(NOON))


def measured(*rows: tuple[str | None, str | None, float]) -> pl.DataFrame:
    schema = {"prediction_id": pl.String, "key": pl.String, "value": pl.Float64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(request_id=pl.lit("r"), received_at=pl.lit(NOON))


def test_a_key_counts_once_for_the_version_it_was_assigned_to() -> None:
    found = evidence_of(
        TEST,
        answers(
            ("p1-0", "v1", "champion", "ann"),
            ("p2-0", "v1", "champion", "ann"),
            ("p3-0", "v2", "canary", "bob"),
            ("p3-0", "v1", "champion", "bob"),  # v2 failed, and the champion answered in its place
            ("p4-0", "v2", "shadow", "cid"),  # of an earlier release
            ("p5-0", "v1", "champion", None),
        ),
        measured(
            ("p1-0", None, 2.0),
            (None, "ann", 3.0),
            ("p3-0", None, 7.0),
            ("p5-0", None, 1.0),
            (None, "nobody", 100.0),
            ("unknown", None, 100.0),
        ),
    )
    assert (found.a.keys, sorted(found.a.values)) == (2, [1.0, 5.0])
    assert (found.b.keys, found.b.values.tolist()) == (1, [7.0])


def test_what_is_sent_again_under_the_same_id_counts_once() -> None:
    asked = answers(("p1-0", "v1", "champion", "ann"), ("p2-0", "v2", "canary", "bob"))
    batch = measured((None, "ann", 2.0), (None, "ann", 2.0), (None, "bob", 1.0))  # she has bought the same twice
    again, once_more = (batch.with_columns(received_at=pl.lit(NOON + timedelta(seconds=after))) for after in (1, 2))
    another = measured((None, "bob", 5.0)).with_columns(received_at=pl.lit(NOON + timedelta(seconds=4)))
    next_day = batch.with_columns(request_id=pl.lit("s"))
    for sent, expected in (
        ([batch, again, once_more], ([4.0], [1.0])),
        ([batch, again, another], ([4.0], [6.0])),
        ([batch, next_day], ([8.0], [2.0])),
    ):
        found = evidence_of(TEST, asked, pl.concat(sent))
        assert (found.a.values.tolist(), found.b.values.tolist()) == expected


def test_nothing_yet_is_no_evidence() -> None:
    found = evidence_of(TEST, answers(("p", "v1", "champion", "k")).clear(), measured((None, "k", 1.0)))
    assert (found.a.keys, found.b.keys, len(found.a.values)) == (0, 0, 0)
