from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from windlass.decisions.statistics.paired_losses import PairedLosses, evidence_of_worse
from windlass.product.labels import LabelCodec
from windlass.records.state import ReleaseState
from windlass.release.evidence import (
    Expected,
    answers,
    release_evidence,
)
from windlass.release.losses import gaps_of, paired_losses, predictions_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BINARY = LabelCodec.from_manifest("binary", [False, True])
NUMBER = LabelCodec.from_manifest("regression", [])
COLOURS = LabelCodec.from_manifest("multiclass", ["blue", "green", "red"])


def release(stage: str, share: float = 0.0) -> ReleaseState:
    return ReleaseState(
        release="r",
        version="v2",
        previous="v1",
        stage=stage,  # type: ignore[arg-type]
        share=share,
        started_at=NOON - timedelta(hours=1),
        stage_started_at=NOON,
        plan={},
        run=None,
    )


def captured(*rows: tuple[str, str, str, float | None, str | None]) -> pl.DataFrame:
    """`prediction, version, stage, score, error`; two rows to a request, each request of its own latency."""
    return pl.DataFrame(
        [
            {
                "prediction_id": prediction,
                "request_id": f"r{place // 2}",
                "at": NOON,
                "version": version,
                "stage": stage,
                "key": None,
                "score": score,
                "probabilities": None,
                "latency_ms": float(place // 2),
                "error": error,
            }
            for place, (prediction, version, stage, score, error) in enumerate(rows)
        ],
        schema_overrides={
            "key": pl.String,
            "score": pl.Float64,
            "probabilities": pl.List(pl.Float64),
            "error": pl.String,
        },
    )


def labelled(*rows: tuple[str, str, Any, Any, int]) -> pl.DataFrame:
    """`prediction, version, answer, label, minute it became known`; a label of None is not known."""
    return pl.DataFrame(
        [
            {
                "prediction_id": prediction,
                "version": version,
                "score": max(answer) if isinstance(answer, list) else answer,
                "probabilities": answer if isinstance(answer, list) else None,
                "error": None,
                "at": NOON,
                "value": None if label is None else json.dumps(label),
                "known_at": NOON + timedelta(minutes=minute),
            }
            for prediction, version, answer, label, minute in rows
        ],
        schema_overrides={
            "score": pl.Float64,
            "probabilities": pl.List(pl.Float64),
            "error": pl.String,
            "value": pl.String,
        },
    )


# -- a stage ---------------------------------------------------------------------------------------------------------


def test_in_shadow_only_the_rows_that_both_answered_are_compared() -> None:
    found = release_evidence(
        release("shadow"),
        captured(
            ("p1", "v1", "champion", 0.1, None),
            ("p2", "v1", "champion", 0.2, None),
            ("p1", "v2", "shadow", 0.3, None),
            ("p9", "v2", "canary", 0.9, None),
        ),
        champion="v1",
    )
    assert found.stage == "shadow"
    assert found.champion.scores.values.tolist() == [0.1]
    assert found.challenger.scores.values.tolist() == [0.3]
    assert found.champion.requests == 2  # failures are held against all that the champion was asked


def test_in_canary_what_was_answered_in_another_role_does_not_count() -> None:
    found = release_evidence(
        release("canary", 0.5),
        captured(
            ("p1", "v1", "champion", 0.1, None),
            ("p2", "v2", "canary", 0.2, None),
            ("p1", "v2", "shadow", 0.3, None),  # a worker that had not heard yet
            ("p3", "v0", "champion", 0.4, None),
        ),
        champion="v1",
        expected=Expected(shift=0.2),
        refused="it is broken",
    )
    assert (found.stage, found.share, found.expected_shift, found.refused) == ("canary", 0.5, 0.2, "it is broken")
    assert (found.champion.scores.values.tolist(), found.challenger.scores.values.tolist()) == ([0.1], [0.2])
    assert (found.started_at, found.stage_started_at) == (NOON - timedelta(hours=1), NOON)


def test_errors_and_latency_are_counted_by_request_whatever_its_caller_calls_it() -> None:
    found = answers(
        captured(
            ("a-0", "v2", "canary", 0.1, None),
            ("a-1", "v2", "canary", 0.2, None),
            ("b-0", "v2", "canary", None, "it raised"),  # 3 rows, and one failure
            ("b-1", "v2", "canary", None, "it raised"),
            ("b-2", "v2", "canary", None, "it raised"),
            ("c-0", "v2", "canary", 0.4, None),
            ("d-0", "v2", "canary", None, None),  # an answer that was not finite
        )
        .with_columns(request_id=pl.lit("every request of this gateway"))
        .with_row_index("place")
    )
    assert (found.rows, found.requests, found.errors, found.error_rate) == (3, 4, 2, 0.5)
    assert found.failures.values.tolist() == [False, True, False, True]
    assert found.failures.places.tolist() == [0, 2, 5, 6]


def test_requests_that_share_a_call_are_one_trial_of_its_time() -> None:
    rows = captured(*((f"r{place}-0", "v2", "canary", 0.1, None) for place in range(6)))
    found = answers(rows.with_columns(latency_ms=pl.Series([2.0, 2.0, 3.0, 2.0, 4.0, 4.0])).with_row_index("place"))
    assert (found.latency_ms.values.tolist(), found.latency_ms.places.tolist()) == ([2.0, 3.0, 4.0], [0, 2, 4])
    later = rows.with_columns(at=pl.Series([NOON + timedelta(milliseconds=place) for place in range(6)]))
    same = later.with_columns(latency_ms=2.0).with_row_index("place")
    assert len(answers(same).latency_ms) == 6
    aside = same.with_columns(stage=pl.lit("shadow"))  # asked together though they had come one after the other
    assert len(answers(aside).latency_ms) == 1


def test_a_key_gives_one_score_however_often_it_asks() -> None:
    rows = captured(*((f"r{place}-0", "v2", "canary", place / 10, None) for place in range(5)))
    found = answers(rows.with_columns(key=pl.Series(["a", "b", "a", None, None])).with_row_index("place"))
    assert found.scores.values.tolist() == [0.0, 0.1, 0.3, 0.4]
    assert found.rows == 5


def test_gaps_are_of_the_rows_that_both_answered() -> None:
    rows = labelled(("p1", "v1", 0.2, True, 0), ("p2", "v1", 0.9, True, 0), ("p2", "v2", 0.4, True, 0))
    own, others = (rows.filter(pl.col("version") == version) for version in ("v2", "v1"))
    assert gaps_of(own, others, codec=BINARY, old_codec=BINARY, scale=1.0).tolist() == [0.5]
    assert gaps_of(own, others, codec=NUMBER, old_codec=NUMBER, scale=0.8).tolist() == pytest.approx([0.625])
    turned = LabelCodec.from_manifest("binary", [True, False])
    assert gaps_of(own, others, codec=BINARY, old_codec=turned, scale=1.0).tolist() == pytest.approx([0.3])
    other = LabelCodec.from_manifest("binary", ["no", "yes"])
    assert gaps_of(own, others, codec=BINARY, old_codec=other, scale=1.0).tolist() == []


def test_nothing_captured_is_no_evidence() -> None:
    nothing = captured(("p", "v", "champion", 0.0, None)).clear()
    for stage in ("shadow", "canary"):
        found = release_evidence(release(stage), nothing, champion="v1")
        assert (found.challenger.rows, found.champion.rows, len(found.challenger.latency_ms)) == (0, 0, 0)


# -- losses ----------------------------------------------------------------------------------------------------------


def paired(rows: pl.DataFrame, **more: Any) -> PairedLosses:
    """As of a day later, when nothing is waited for any more."""
    return paired_losses(rows, new="v2", old="v1", now=NOON + timedelta(days=1), within=timedelta(0), **more)


def test_losses_are_paired_by_prediction_in_the_order_they_were_asked_for() -> None:
    found = paired(
        labelled(
            ("p1", "v1", 0.5, True, 9),
            ("p2", "v1", 0.0, True, 1),
            ("p3", "v1", 0.0, None, 0),  # not known yet
            ("p4", "v1", 0.0, True, 0),  # v2 did not answer it
            ("p1", "v2", 1.0, True, 9),
            ("p2", "v2", 0.5, True, 1),
            ("p3", "v2", 0.5, None, 0),
        ),
        codec=BINARY,
    )
    assert found.new.tolist() == [0.0, 0.25]
    assert found.previous.tolist() == [0.25, 1.0]
    assert found.bound == 1.0


def test_in_a_canary_neighbouring_stretches_are_compared() -> None:
    rows = labelled(
        ("p1", "v1", 0.5, True, 0),
        ("p2", "v1", 0.0, True, 0),
        ("p3", "v2", 1.0, True, 0),
        ("p4", "v1", 1.0, True, 0),
        ("p5", "v2", 0.0, True, 0),
        ("p6", "v1", 0.0, True, 0),  # its stretch is not over
        ("p7", "v2", 0.0, None, 0),
    ).with_columns(
        at=pl.Series([NOON + timedelta(seconds=second) for second in range(7)]),
        stage=pl.when(pl.col("version") == "v2").then(pl.lit("canary")).otherwise(pl.lit("champion")),
    )
    found = paired(rows, codec=BINARY, apart=True)
    assert found.new.tolist() == [0.0, 1.0]
    assert found.previous.tolist() == [0.625, 0.0]


def test_a_canary_of_an_equal_version_is_not_worse_because_all_became_harder() -> None:
    """A ranking is compared pair by pair on the same rows; of different rows, one in ten of which the new version has,
    the first pairs of the one would be of other days than those of the other."""
    rows, random = 4000, np.random.default_rng(5)
    truth = random.random(rows) < 0.5
    noise = np.linspace(0.1, 2.0, rows)  # nothing is as easy as on the first day
    scores = 1 / (1 + np.exp(-(truth - 0.5) - noise * random.normal(size=rows)))
    new = random.random(rows) < 0.1
    frame = labelled(
        *(
            (f"p{place:04}", "v2" if new[place] else "v1", float(scores[place]), bool(truth[place]), 0)
            for place in range(rows)
        )
    ).with_columns(
        at=pl.Series([NOON + timedelta(seconds=place) for place in range(rows)]),
        stage=pl.when(pl.col("version") == "v2").then(pl.lit("canary")).otherwise(pl.lit("champion")),
    )
    found = paired(frame, codec=BINARY, metric="roc_auc", apart=True)
    assert found.rows > 100
    assert evidence_of_worse(found) < 20


def test_an_early_class_alone_is_no_comparison() -> None:
    """Positives are known after an hour, negatives after five days; the new version says 1 to all, the old one 0.5."""
    late = [place % 3 == 0 for place in range(2400)]
    rows = pl.concat(
        labelled(*((f"p{place:04}", version, answer, label, 0) for place, label in enumerate(late)))
        for version, answer in (("v1", 0.5), ("v2", 1.0))
    )
    hour = pl.col("prediction_id").str.tail(4).cast(pl.Int64)
    now = NOON + timedelta(days=10)
    rows = rows.with_columns(at=pl.lit(NOON) + pl.duration(hours=hour / 10))
    came = pl.col("at") + pl.when(pl.col("value") == "true").then(timedelta(hours=1)).otherwise(timedelta(days=5))
    rows = rows.with_columns(value=pl.when(came <= now).then("value"), known_at=pl.when(came <= now).then(came))
    found = paired_losses(rows, new="v2", old="v1", codec=BINARY, now=now, within=timedelta(days=30))
    assert found.rows == pytest.approx(1200, abs=40)
    assert found.new.mean() == pytest.approx(2 / 3, abs=0.02)
    assert found.new.mean() > found.previous.mean()
    naive = paired_losses(rows, new="v2", old="v1", codec=BINARY, now=now, within=timedelta(0))
    assert naive.new[-300:].mean() < naive.previous[-300:].mean()


def test_a_number_has_its_absolute_error_and_the_bound_it_is_given() -> None:
    rows = labelled(("p1", "v1", 3.0, 5.0, 0), ("p1", "v2", 4.5, 5.0, 0))
    found = paired(rows, codec=NUMBER, bound=7.0)
    assert (found.new.tolist(), found.previous.tolist(), found.bound) == ([0.5], [2.0], 7.0)


def test_several_classes_are_compared_by_all_probabilities() -> None:
    rows = labelled(
        ("p1", "v1", [0.0, 1.0, 0.0], "red", 0),
        ("p1", "v2", [0.0, 0.0, 1.0], "red", 0),
    )
    found = paired(rows, codec=COLOURS)
    assert (found.new.tolist(), found.previous.tolist()) == ([0.0], [1.0])


def test_a_class_that_the_old_version_did_not_know_had_no_chance_with_it() -> None:
    old = LabelCodec.from_manifest("multiclass", ["green", "blue", "grey"])
    rows = labelled(
        ("p1", "v1", [0.0, 1.0, 0.0], "blue", 0),
        ("p1", "v2", [1.0, 0.0, 0.0], "blue", 0),
        ("p2", "v1", [0.0, 0.0, 1.0], "red", 1),
        ("p2", "v2", [0.0, 0.0, 1.0], "red", 1),
    )
    found = paired(rows, codec=COLOURS, old_codec=old)
    assert found.new.tolist() == [0.0, 0.0]
    assert found.previous.tolist() == [0.0, 0.5]  # all on grey, which does not exist any more


def test_two_classes_that_changed_sides_are_turned_round() -> None:
    old = LabelCodec.from_manifest("binary", [True, False])
    rows = labelled(("p1", "v1", 0.0, True, 0), ("p1", "v2", 1.0, True, 0))
    found = paired(rows, codec=BINARY, old_codec=old)
    assert (found.new.tolist(), found.previous.tolist()) == ([0.0], [0.0])


def test_versions_of_other_classes_have_nothing_to_compare() -> None:
    old = LabelCodec.from_manifest("binary", ["no", "yes"])
    rows = labelled(("p1", "v1", 0.0, True, 0), ("p1", "v2", 1.0, True, 0))
    found = paired(rows, codec=BINARY, old_codec=old)
    assert (found.rows, len(found.previous)) == (0, 0)


def test_a_label_that_is_none_is_left_out_and_stops_nothing() -> None:
    rows = labelled(
        ("p1", "v1", 0.5, "perhaps", 0),
        ("p1", "v2", 0.5, "perhaps", 0),
        ("p2", "v1", 0.0, True, 1),
        ("p2", "v2", 1.0, True, 1),
    )
    found = paired(rows, codec=BINARY)
    assert (found.new.tolist(), found.previous.tolist()) == ([0.0], [1.0])


def test_a_class_that_came_up_since_counts_as_wrong_for_both() -> None:
    rows = labelled(
        ("p1", "v1", [0.0, 1.0, 0.0], "violet", 0),
        ("p1", "v2", [0.5, 0.0, 0.5], "violet", 0),
    )
    found = paired(rows, codec=COLOURS)
    assert (found.new.tolist(), found.previous.tolist()) == ([0.75], [1.0])


@pytest.mark.parametrize("codec", [BINARY, NUMBER, COLOURS])
def test_no_rows_are_no_losses(codec: LabelCodec) -> None:
    rows = labelled(("p1", "v1", 0.5, True, 0)).clear()
    found = paired(rows, codec=codec)
    assert (found.rows, len(found.previous)) == (0, 0)


# -- labels and predictions ------------------------------------------------------------------------------------------


def test_predictions_have_the_shape_of_the_statistics() -> None:
    scores = pl.Series([0.25, None])
    assert np.array_equal(predictions_of(scores, pl.Series([None, None]), BINARY), [0.25, np.nan], equal_nan=True)
    chances = pl.Series([[0.1, 0.2, 0.7]])
    assert predictions_of(pl.Series([0.7]), chances, COLOURS).tolist() == [[0.1, 0.2, 0.7]]
    assert predictions_of(pl.Series([], dtype=pl.Float64), chances.clear(), COLOURS).shape == (0, 3)
