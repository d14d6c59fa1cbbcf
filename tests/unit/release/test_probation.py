"""What a probation is judged on, whether its answers come at once or bit by bit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from windlass.decisions.rollback import RollbackEvidence
from windlass.decisions.statistics.paired_losses import PairedLosses
from windlass.release.probation import Seen, rollback_evidence

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOTHING = PairedLosses(new=np.empty(0), previous=np.empty(0))
NEW = Seen(version="v2", beside="v1", since=NOON)
OLD = Seen(version="v1", since=NOON - timedelta(hours=1))
SCHEMA = {
    "key": pl.String,
    "score": pl.Float64,
    "latency_ms": pl.Float64,
    "error": pl.String,
    "at": pl.Datetime("us", "UTC"),
}


def answer(name: str, version: str, stage: str, *, at: datetime = NOON, **more: Any) -> dict[str, Any]:
    known = {"prediction_id": name, "version": version, "stage": stage, "at": at}
    return {**known, "key": None, "score": 0.5, "latency_ms": 1.0, "error": None, **more}


def failure(name: str, version: str, stage: str, *, at: datetime = NOON) -> dict[str, Any]:
    return answer(name, version, stage, at=at, score=None, error="it raised")


def table(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema_overrides=SCHEMA)


def calls(*minutes: tuple[float, int, float], version: str = "v2", stage: str = "champion") -> pl.DataFrame:
    """`minute, calls in it, what each takes`; from the fourth on a tenth more."""
    return table(
        *(
            answer(
                f"{version}.{minute}.{place}-0",
                version,
                stage,
                at=NOON + timedelta(minutes=minute, seconds=place),
                latency_ms=taken * (1 if place < 3 else 1.1),
            )
            for minute, count, taken in minutes
            for place in range(count)
        )
    )


def evidence(*parts: pl.DataFrame, before: Seen | None = None) -> RollbackEvidence:
    seen = NEW
    for part in parts:
        seen = seen.after(part)
    return rollback_evidence(seen, paired=NOTHING, before=before)


def test_of_the_minute_under_way_what_the_one_before_has_answered_counts() -> None:
    rows = table(
        failure("p1-0", "v2", "champion"),
        answer("p1-0", "v1", "shadow"),
        failure("p2-0", "v2", "champion"),  # what both depend on is away
        failure("p2-0", "v1", "shadow"),
        failure("p3-0", "v2", "champion"),  # the one before is yet to be asked
        answer("p4-0", "v2", "champion"),
        answer("p4-0", "v1", "shadow"),
    )
    assert rollback_evidence(NEW.after(rows), paired=NOTHING).under_way == (2, 1)
    later = answer("p5-0", "v2", "champion", at=NOON + timedelta(minutes=1))
    assert rollback_evidence(NEW.after(rows).after(table(later)), paired=NOTHING).under_way == (0, 0)
    alone = Seen(version="v2", since=NOON)
    assert rollback_evidence(alone.after(rows), paired=NOTHING).under_way == (4, 3), "nobody answers beside it"


def test_of_each_caller_the_first_answer_of_a_minute_counts_and_how_many_are_alike() -> None:
    rows = table(
        answer("p1-0", "v2", "champion", score=0.3),
        answer("p1-1", "v2", "champion", score=0.9),  # of the same request
        answer("p2-0", "v2", "champion", score=0.3, key="k"),
        answer("p3-0", "v2", "champion", score=0.7, key="k"),  # of the same caller
        answer("p4-0", "v2", "champion", score=0.6),
        failure("p5-0", "v2", "champion"),
        answer("p1-0", "v1", "shadow", score=0.2),
        answer("p4-0", "v1", "shadow", score=0.1),
        answer("p6-0", "v2", "champion", at=NOON + timedelta(minutes=1), score=0.3),
    )
    assert evidence(rows).alike_by_minute.tolist() == [[3, 2, 2, 1]]  # of minutes that are over


def test_the_new_champion_counts_in_every_role_but_shadow_and_since_its_promotion() -> None:
    found = evidence(
        table(
            answer("p1-0", "v2", "champion"),
            failure("p1-1", "v2", "champion"),  # a request of which a row fails has failed
            failure("p2-0", "v2", "canary"),
            answer("p1-0", "v1", "shadow"),
            failure("p3-0", "v2", "shadow"),
            failure("p4-0", "v2", "champion", at=NOON - timedelta(seconds=1)),
            answer("p5-0", "v2", "champion", at=NOON + timedelta(minutes=3)),
            answer("p6-0", "v2", "champion", at=NOON + timedelta(minutes=9)),
        )
    )
    assert (found.requests, found.errors, found.started_at) == (4, 2, NOON)
    assert found.by_minute.tolist() == [[2, 2, 1, 0], [1, 0, 0, 0]]  # of minutes that are over


def test_a_stretch_is_a_minute_or_as_many_as_twenty_calls_take() -> None:
    """The last one is not over."""
    own = calls((0, 25, 10.0), (1, 12, 20.0), (2, 12, 30.0), (7, 20, 40.0), (8, 19, 50.0), (20, 40, 60.0))
    beside = calls((0, 3, 1.0), (2, 3, 2.0), (20, 3, 3.0), version="v1", stage="shadow")
    timed = calls((2, 4, 1.5), (7, 3, 4.0), version="v1", stage="control")
    stranger = calls((7, 3, 9.0), version="v0", stage="shadow")
    before = OLD.after(calls((-30, 20, 7.0), (-29, 20, 8.0), (-28, 20, 9.0), version="v1"))
    found = evidence(pl.concat([own, beside, timed, stranger]), before=before)
    assert (found.previous_requests, found.previous_errors) == (60, 0)
    assert found.latency.quickest.tolist() == pytest.approx([10.0, 20.0, 40.0], rel=0.05)
    assert found.latency.beside[:2].tolist() == [1.0, 2.0]
    assert found.latency.control[1:].tolist() == pytest.approx([1.5, 4.0], rel=0.05)
    assert np.isnan([found.latency.control[0], found.latency.beside[2]]).all()
    assert found.latency.before.tolist() == pytest.approx([7.0, 8.0])


@pytest.mark.parametrize("pieces", [1, 7, 60])
def test_bit_by_bit_it_comes_to_the_same_and_few_rows_are_held(pieces: int) -> None:
    """Answers come in any order within ten minutes, those of the shadow last."""
    rng = np.random.default_rng(pieces)
    minutes = [(minute, int(rng.integers(0, 30)), float(rng.gamma(9, 1))) for minute in range(240)]
    own = calls(*minutes)
    failed = own.filter(pl.Series(rng.random(own.height) < 0.1)).with_columns(
        error=pl.lit("it raised"), prediction_id=pl.col("prediction_id") + ".failed-0"
    )
    beside = calls(*((minute, 5, taken / 2) for minute, _, taken in minutes), version="v1", stage="shadow")
    timed = calls(*((minute, 3, taken) for minute, _, taken in minutes if minute % 2), version="v1", stage="control")
    everything = pl.concat([own, failed, beside, timed])
    late = np.where(everything["version"] == "v1", 300.0, 0.0) + rng.uniform(0, 120, everything.height)
    arrived = everything["at"].dt.epoch("s").to_numpy() + late
    ordered = everything[np.argsort(arrived, kind="stable")]
    seen, held = NEW, 0
    for piece in np.array_split(np.arange(ordered.height), pieces):
        seen = seen.after(ordered[piece])
        held = 0 if seen.rows is None else seen.rows.height
    bit_by_bit, at_once = rollback_evidence(seen, paired=NOTHING), evidence(everything)
    assert (bit_by_bit.requests, bit_by_bit.errors) == (at_once.requests, at_once.errors)
    np.testing.assert_array_equal(bit_by_bit.by_minute, at_once.by_minute)
    np.testing.assert_array_equal(bit_by_bit.alike_by_minute, at_once.alike_by_minute)
    np.testing.assert_allclose(bit_by_bit.latency.quickest, at_once.latency.quickest)
    np.testing.assert_allclose(bit_by_bit.latency.beside, at_once.latency.beside)
    np.testing.assert_allclose(bit_by_bit.latency.control, at_once.latency.control)
    assert held < ordered.height / 8


def test_without_answers_there_is_nothing() -> None:
    empty = calls((0, 1, 1.0)).clear()
    for found in (evidence(), evidence(empty, before=OLD.after(empty))):
        assert (found.requests, found.errors, found.by_minute.shape) == (0, 0, (0, 4))
        assert (len(found.latency.quickest), len(found.latency.before)) == (0, 0)
