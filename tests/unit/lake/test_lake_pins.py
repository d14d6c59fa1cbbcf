"""A pinned training set reads the same whatever happens to the lake afterwards."""

from __future__ import annotations

import tempfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windlass.errors import PinBroken
from windlass.lake.digest import digest_frame, digest_parts
from windlass.lake.dtypes import name_of, named
from windlass.lake.lake import Lake
from windlass.lake.segments import SegmentWriter
from windlass.product.policy import Outcome
from windlass.records.data import DataPin

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SERVED_BEFORE = ("prediction_id", "key", "at", "event_time", "request", "value", "observed_at")


def bring(lake: Lake, frame: pl.DataFrame, *, source: str = "main", time="scheduled", key="flight") -> None:
    lake.ingest("flights", source, frame, time=time, key=key, now=datetime(2024, 4, 1, tzinfo=UTC))


def capture(lake: Lake, *batches) -> None:
    with tempfile.TemporaryDirectory() as folder:
        writer = SegmentWriter(Path(folder) / "w0")
        for batch in batches:
            writer.append(batch)
        writer.close()
        lake.commit_segments("flights", Path(folder), datetime(2024, 4, 1, tzinfo=UTC))


def pin(lake: Lake, make, *, days: float = 30, outcome: Outcome | None = None, start=None, key="flight"):
    return lake.pin(
        "flights",
        time="scheduled",
        key=key,
        outcome=outcome or Outcome(within="30d"),
        as_of=make.noon + days * DAY,
        start=start,
    )


def same(one, other) -> bool:
    return (
        list(one.sources) == list(other.sources)
        and all(one.sources[name].equals(other.sources[name]) for name in one.sources)
        and one.served.equals(other.served)
        and one.waiting.equals(other.waiting)
    )


def test_a_pin_names_what_it_holds(lake, make):
    bring(lake, make.flights((1, make.noon, 5.0), (2, make.noon + DAY, None)))
    bring(lake, make.flights((1, make.noon, 6.0)))
    capture(lake, make.predictions("p1", "p2"), make.outcomes(make.outcome(1, prediction_id="p1")))
    found, fixed = pin(lake, make)
    assert found.sources["main"].rows() == [(2, make.noon + DAY, None), (1, make.noon, 6.0)]
    assert found.served.columns == [*SERVED_BEFORE, "known_at"]
    assert found.served.select("prediction_id", "request", "value").rows() == [("p1", '{"id":"p1"}', "1")]
    assert fixed.upto == {"examples/main": 2, "predictions": 1, "outcomes": 0}
    assert (fixed.rows, fixed.time, fixed.key, fixed.within, fixed.absent) == (
        3,
        "scheduled",
        "flight",
        30 * 86400,
        None,
    )
    assert fixed.parts["examples/main"].columns == (
        ("flight", "int64"),
        ("scheduled", "timestamp"),
        ("delay", "float64"),
    )
    learned_from = ("examples/main", "served")
    assert fixed.digest == digest_parts({name: fixed.parts[name].digest for name in learned_from})
    assert msgspec.json.decode(msgspec.json.encode(fixed), type=DataPin) == fixed
    assert same(Lake(lake.root).read(fixed), found)


def test_answers_that_wait_for_their_label_are_known_and_make_no_other_set(lake, make):
    batch = make.predictions("p1", "p2", "p3", "p4", keys=["a", "a", "b", None], at=make.noon)
    capture(lake, batch, make.predictions("p5", keys=["b"], at=make.noon + HOUR))
    _, before = pin(lake, make)
    capture(lake, make.outcomes(make.outcome(1, key="a", at=make.noon + HOUR)), make.predictions("p6"))
    found, fixed = pin(lake, make)
    assert found.waiting.rows() == [(None, make.noon, None), ("b", make.noon + HOUR, None), (None, make.noon, None)]
    assert (fixed.rows, fixed.parts["waiting"].rows) == (1, 3)
    assert same(Lake(lake.root).read(fixed), found)
    capture(lake, make.predictions("p7"))
    more = pin(lake, make)[1]
    assert more.parts["waiting"].rows == 4
    assert (more.digest == fixed.digest, before.digest == fixed.digest) == (True, False)


def test_a_pin_of_before_they_were_counted_can_be_read(lake, make):
    bring(lake, make.flights((1, make.noon, 5.0)))
    capture(lake, make.predictions("p1"))
    found, fixed = pin(lake, make)
    parts = {name: part for name, part in fixed.parts.items() if name != "waiting"}
    old = Lake(lake.root).read(msgspec.structs.replace(fixed, parts=parts))
    assert (old.waiting.height, found.waiting.height) == (0, 1)
    assert old.sources["main"].equals(found.sources["main"])


def test_a_pin_of_before_it_was_told_when_a_label_was_first_known_can_be_read(lake, make):
    told = [make.outcome(1, prediction_id="p1", at=make.noon + hours * HOUR) for hours in (9, 1)]
    capture(lake, make.predictions("p1"), make.outcomes(*told))
    found, fixed = pin(lake, make)
    before = found.served.select(SERVED_BEFORE)
    columns = tuple((name, name_of(dtype)) for name, dtype in before.schema.items())
    part = msgspec.structs.replace(fixed.parts["served"], columns=columns, digest=digest_frame(before))
    digest = digest_parts({"served": part.digest})
    old = Lake(lake.root).read(msgspec.structs.replace(fixed, parts={"served": part}, digest=digest))
    assert old.served.equals(found.served)
    assert old.served["known_at"].to_list() == [make.noon + HOUR]


def test_an_empty_lake_can_be_pinned(lake, make):
    found, fixed = pin(lake, make)
    assert (found.sources, found.served.height, fixed.rows) == ({}, 0, 0)
    bring(lake, make.flights((1, make.noon, 5.0)))
    capture(lake, make.predictions("p1"), make.outcomes(make.outcome(1, prediction_id="p1")))
    assert same(lake.read(fixed), found)


def test_start_leaves_out_what_happened_before(lake, make):
    bring(lake, make.flights((1, make.noon - DAY, 1.0), (2, make.noon, 2.0), (3, make.noon + DAY, 3.0)))
    bring(lake, pl.DataFrame({"carrier": ["UA"]}), source="carriers", time=None, key=None)
    capture(
        lake,
        make.predictions("old", event_time=make.noon - DAY),
        make.predictions("now", event_time=make.noon),
        make.predictions("timeless"),
        make.outcomes(*(make.outcome(1, prediction_id=name) for name in ("old", "now", "timeless"))),
    )
    found, fixed = pin(lake, make, start=make.noon)
    assert found.sources["main"]["flight"].to_list() == [2, 3]
    assert found.sources["carriers"].height == 1
    assert found.served["prediction_id"].to_list() == ["now", "timeless"]
    assert same(lake.read(fixed), found)


def test_a_revision_that_moved_before_start_does_not_leave_the_older_one(lake, make):
    bring(lake, make.flights((1, make.noon + DAY, 1.0), (2, make.noon + DAY, 1.0)))
    bring(lake, make.flights((1, make.noon - DAY, 1.0)))
    assert pin(lake, make, start=make.noon)[0].sources["main"]["flight"].to_list() == [2]


def test_served_holds_one_row_for_each_key_the_last_answered(lake, make):
    capture(
        lake,
        make.predictions("a1", "b1", "x1", "x2", keys=["a", "b", None, None], at=make.noon),
        make.predictions("a2", keys=["a"], at=make.noon + 2 * DAY),
        make.predictions("a3", keys=["a"], at=make.noon + DAY),
        make.predictions("s1", keys=["s"], stage="shadow"),
        make.predictions("e1", keys=["e"], error="boom"),
        make.predictions("c1", keys=["c"], stage="canary"),
        make.predictions("u1", keys=["unlabelled"]),
        make.outcomes(
            *(make.outcome(name, key=name, at=make.noon + 3 * DAY) for name in "abcse"),
            *(make.outcome(name, prediction_id=name, at=make.noon + 3 * DAY) for name in ("x1", "x2")),
        ),
    )
    served = pin(lake, make)[0].served
    assert served["prediction_id"].to_list() == ["b1", "x1", "x2", "a2", "c1"]
    assert served["value"].to_list() == ['"b"', '"x1"', '"x2"', '"a"', '"c"']


def test_nothing_after_as_of_belongs_to_it(lake, make):
    capture(
        lake,
        make.predictions("p1"),
        make.predictions("p2", at=make.noon + 5 * DAY),
        make.outcomes(make.outcome(0, prediction_id="p1", at=make.noon + DAY)),
        make.outcomes(make.outcome(1, prediction_id="p1", at=make.noon + 3 * DAY)),
        make.outcomes(make.outcome(1, prediction_id="p2", at=make.noon + DAY)),
    )
    assert pin(lake, make, days=2)[0].served.select("prediction_id", "value").rows() == [("p1", "0")]
    assert pin(lake, make, days=9)[0].served.select("prediction_id", "value").rows() == [("p1", "1"), ("p2", "1")]


def test_what_never_came_has_the_absent_label(lake, make):
    capture(lake, make.predictions("p1"), make.predictions("p2", at=make.noon + 9 * DAY))
    found, fixed = pin(lake, make, days=9.5, outcome=Outcome(within="2d", absent=False))
    assert found.served.select("prediction_id", "value").rows() == [("p1", "false")]
    capture(lake, make.outcomes(make.outcome(True, prediction_id="p1", at=make.noon + DAY)))
    assert same(lake.read(fixed), found)


def test_widened_and_added_columns_do_not_show(lake, make):
    bring(lake, make.flights((1, make.noon, 5.0)).with_columns(x=pl.lit(1, dtype=pl.Int32), none=pl.lit(None)))
    found, fixed = pin(lake, make)
    later = make.flights((2, make.noon, 6.0)).with_columns(x=pl.lit(0.5), none=pl.lit(1.5), new=pl.lit("n"))
    bring(lake, later)
    assert same(Lake(lake.root).read(fixed), found)
    assert lake.read(fixed).sources["main"]["x"].dtype == pl.Int32


def test_a_broken_pin_says_which_part_and_how(lake, make):
    bring(lake, make.flights((1, make.noon, 5.0), (2, make.noon, 6.0)))
    capture(lake, make.predictions("p1"), make.outcomes(make.outcome(1, prediction_id="p1")))
    _, fixed = pin(lake, make)
    tampered = lake.examples("flights", "main", system=True)
    table = lake._table("flights", "examples/main")

    def says(frame: pl.DataFrame) -> str:
        table._write(frame, replace=True)
        with pytest.raises(PinBroken) as caught:
            lake.read(fixed)
        assert fixed.digest[:12] in caught.value.where
        return caught.value.what

    assert "the values of examples/main are not" in says(tampered.with_columns(delay=pl.lit(7.0)))
    assert "examples/main has 1 rows instead of 2" in says(tampered.head(1))
    assert "examples/main has no column 'delay' any more" in says(tampered.drop("delay"))
    assert "cannot be brought to the types" in says(tampered.with_columns(delay=pl.lit("seven")))
    table._write(tampered, replace=True)
    lake.read(fixed)
    with pytest.raises(PinBroken, match="digests do not belong together"):
        lake.read(msgspec.structs.replace(fixed, digest="0" * 64))
    with pytest.raises(PinBroken, match="examples/gone is gone"):
        lake.read(msgspec.structs.replace(fixed, upto={**fixed.upto, "examples/gone": 1}))


_EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("rows"), st.integers(1, 4), st.integers(0, 3), st.sampled_from([None, 1.0, 2.5])),
        st.tuples(st.just("answer"), st.sampled_from([None, "a", "b"]), st.integers(0, 3)),
        st.tuples(st.just("outcome"), st.sampled_from(["a", "b"]), st.integers(0, 6)),
        st.tuples(st.just("column")),
        st.tuples(st.just("widen")),
        st.tuples(st.just("compact")),
        st.tuples(st.just("clean")),
        st.tuples(st.just("pin")),
    ),
    min_size=2,
    max_size=6,
)


@settings(max_examples=25)
@given(events=_EVENTS)
def test_pins_hold_through_any_history(make, events):
    # Nothing is killed here, so nothing need be on the disk.
    with tempfile.TemporaryDirectory() as folder, patch("windlass.lake.table.sync_file"):
        lake = make.lake(Path(folder))
        pins = [pin(lake, make, days=4)]
        for number, event in enumerate(events):
            _happen(lake, make, number, event)
            if event[0] == "pin":
                pins.append(pin(lake, make, days=4, outcome=Outcome(within="1d", absent=False)))
        pins.append(pin(lake, make, days=4))
        fresh = Lake(Path(folder))
        for found, fixed in pins:
            assert same(fresh.read(fixed), found)


def _happen(lake, make, number, event) -> None:
    match event:
        case ["rows", flight, day, delay]:
            bring(lake, make.flights((flight, make.noon + day * DAY, delay)))
        case ["answer", key, day]:
            capture(lake, make.predictions(f"p{number}", keys=[key], at=make.noon + day * DAY))
        case ["outcome", key, day]:
            outcome = make.outcome(number, key=key, at=make.noon + day * DAY)
            lake.append_outcomes("flights", make.told(outcome), request_id="r", now=make.noon)
        case ["column"]:
            bring(lake, make.flights((9, make.noon, 0.0)).with_columns(pl.lit(number).alias(f"c{number}")))
        case ["widen"]:
            bring(lake, make.flights((8, make.noon, 0.0)).with_columns(grows=pl.lit(1, dtype=pl.Int16)))
            bring(lake, make.flights((8, make.noon, 0.0)).with_columns(grows=pl.lit(0.5)))
        case ["compact"]:
            for info in lake.tables("flights"):
                lake._table("flights", info.table)._compact(below=2**26)
        case ["clean"]:
            for name in lake.names("flights"):
                lake.sweep("flights", name, hours=0)  # whatever can go goes at once


# -- digests -------------------------------------------------------------------------------------------------------


def frame_of_everything() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "int8": pl.Series([1, None, -1], dtype=pl.Int8),
            "int64": [2**62, None, 0],
            "float32": pl.Series([1.5, None, 0.1], dtype=pl.Float32),
            "float64": [float("nan"), None, -0.0],
            "bool": [True, None, False],
            "string": ["ü", None, ""],
            "binary": [b"\x00", None, b""],
            "date": [date(2024, 1, 1), None, date(1969, 1, 1)],
            "timestamp": [datetime(2024, 1, 1, tzinfo=UTC), None, datetime(1960, 1, 1, tzinfo=UTC)],
            "decimal": pl.Series([Decimal("1.50"), None, Decimal("-0.01")], dtype=pl.Decimal(10, 2)),
            "list": [[1.5, None], None, []],
            "struct": [{"a": 1, "t": datetime(2024, 1, 1, tzinfo=UTC)}, None, {"a": None, "t": None}],
        }
    )


def test_the_digest_is_fixed():
    """Pins are kept for years: a change of this value is a change of format, and breaks every pin there is."""
    assert digest_frame(frame_of_everything()) == "01838cd671d26be4597d55f4a07b6b40c9c287df6fa7340843a543c5ced07ffb"


def test_the_digest_does_not_see_chunks_or_what_lies_under_nulls():
    frame = frame_of_everything()
    chunked = pl.concat([frame[:1], frame[1:2], frame[2:]], rechunk=False)
    assert digest_frame(chunked) == digest_frame(frame)
    under = pl.DataFrame({"x": [1, 2]}).select(pl.when(pl.col("x") == 1).then("x"))
    assert digest_frame(under) == digest_frame(pl.DataFrame({"x": [1, None]}))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"x": [1, None]}, {"x": [1, 0]}),
        ({"x": [1, 2]}, {"x": [2, 1]}),
        ({"x": [1]}, {"y": [1]}),
        ({"x": [1]}, {"x": [1.0]}),
        ({"x": ["a", "bc"]}, {"x": ["ab", "c"]}),
        ({"x": ["", None]}, {"x": [None, ""]}),
        ({"x": [[1], [2]]}, {"x": [[1, 2], []]}),
        ({"x": [0.0]}, {"x": [-0.0]}),
        ({"x": [1], "y": [1]}, {"y": [1], "x": [1]}),
        ({"x": pl.Series([], dtype=pl.Int64)}, {}),
        ({"x": ["a"]}, {"x": [b"a"]}),
    ],
)
def test_different_frames_have_different_digests(one, other):
    assert digest_frame(pl.DataFrame(one)) != digest_frame(pl.DataFrame(other))


def test_long_columns_of_text_have_one_digest_however_they_are_cut():
    texts = [f"row {number}" if number % 7 else None for number in range(150_000)]
    whole = pl.DataFrame({"x": texts})
    cut = pl.concat([whole[:70_001], whole[70_001:]], rechunk=False)
    assert digest_frame(whole) == digest_frame(cut)
    texts[140_001] = "another"
    assert digest_frame(pl.DataFrame({"x": texts})) != digest_frame(whole)


def test_every_stored_type_has_a_name_that_leads_back():
    for name, dtype in frame_of_everything().schema.items():
        assert named(name_of(dtype)) == dtype, name
    with pytest.raises(ValueError, match="not a type of the lake"):
        named('["tensor"]')
