"""Bringing rows in: once each, revised when they change, in types that the table can keep."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windlass.errors import DataError, LakeError
from windlass.lake.lake import Lake
from windlass.lake.table import Table
from windlass.records.lease import Fence

CHILD = Path(__file__).with_name("child.py")
DAY = timedelta(days=1)
FENCE = Fence(holder="test", token=1)
NAIVE = datetime(2024, 1, 1, 12, tzinfo=UTC).replace(tzinfo=None)


def bring(lake: Lake, frame: pl.DataFrame, *, source: str = "main", time="scheduled", key="flight", now=None):
    return lake.ingest("flights", source, frame, time=time, key=key, now=now or datetime(2024, 4, 1, tzinfo=UTC))


def test_rows_are_brought_in_once(lake, make):
    frame = make.flights((1, make.noon, 5.0), (2, make.noon + DAY, None))
    first = bring(lake, frame)
    assert (first.source, first.rows_seen, first.rows_new, first.sequence) == ("main", 2, 2, 1)
    assert first.watermark == make.noon + DAY
    again = bring(lake, frame)
    assert (again.rows_seen, again.rows_new, again.sequence, again.watermark) == (2, 0, 1, make.noon + DAY)
    assert lake.tables()[0].versions == 1
    assert lake.examples("flights", "main").equals(frame)


def test_a_little_too_much_is_fine(lake, make):
    bring(lake, make.flights((1, make.noon, 5.0), (2, make.noon + DAY, 1.0)))
    more = bring(Lake(lake.root, FENCE), make.flights((2, make.noon + DAY, 1.0), (3, make.noon + 2 * DAY, 2.0)))
    assert (more.rows_new, more.sequence) == (1, 2)
    assert lake.examples("flights", "main", key="flight")["flight"].to_list() == [1, 2, 3]


def test_a_batch_of_many_rows_takes_memory_for_its_rows_and_not_for_their_square(lake):
    child = subprocess.run(
        [sys.executable, str(CHILD), "grow", str(lake.root)], check=False, capture_output=True, text=True
    )
    assert child.returncode == 0, child.stderr
    assert int(child.stdout) < 300  # 20 are usual; a bit for each pair of the 30,000 rows took 3,600


def test_the_same_row_twice_in_one_batch_counts_once_and_is_told(lake, make):
    twice = make.flights((1, make.noon, float("nan")), (1, make.noon, float("nan")))
    for new in (1, 0):
        got = bring(lake, twice)
        assert (got.rows_seen, got.rows_new, got.rows_equal, got.rows_superseded) == (2, new, 1, 0)


def test_of_several_rows_of_a_key_in_one_batch_the_latest_counts_whatever_their_order(lake, make):
    rows = [(1, make.noon + 2 * DAY, 7.0), (2, make.noon, 1.0), (1, make.noon, 5.0), (1, make.noon + DAY, 6.0)]
    for name, frame in (("given", make.flights(*rows)), ("turned", make.flights(*rows[::-1]))):
        got = bring(lake, frame, source=name)
        assert (got.rows_new, got.rows_equal, got.rows_superseded, got.keys_superseded) == (4, 0, 2, 1)
        assert sorted(lake.examples("flights", name, key="flight").rows()) == [rows[0], rows[1]]
        assert bring(lake, frame, source=name).rows_new == 0
        superseded, counts = got.first_superseded
        assert frame.row(counts) == rows[0]
        assert frame.row(superseded) in rows[2:]


def test_of_the_same_moment_the_last_in_the_batch_counts(lake, make):
    got = bring(lake, make.flights((1, make.noon, 5.0), (2, make.noon, 1.0), (1, make.noon, 6.0)))
    assert got.first_superseded == (0, 2)
    assert lake.examples("flights", "main", key="flight").rows() == [(2, make.noon, 1.0), (1, make.noon, 6.0)]
    untimed = bring(lake, make.flights((1, make.noon, 6.0), (1, make.noon, 5.0)), source="untimed", time=None)
    assert untimed.first_superseded == (0, 1)
    assert lake.examples("flights", "untimed", key="flight")["delay"].to_list() == [5.0]


def test_the_systems_own_columns_are_there_when_asked_for(lake, make):
    now = datetime(2024, 5, 1, tzinfo=UTC)
    bring(lake, make.flights((1, make.noon, 5.0)), now=now)
    (row,) = lake.examples("flights", "main", system=True).to_dicts()
    assert (row["_sequence"], row["_ingested_at"], row["_event_time"]) == (0, now, make.noon)
    assert lake.examples("flights", "main").columns == ["flight", "scheduled", "delay"]


def test_two_who_bring_the_same_rows_at_once_bring_them_once(lake, make):
    bring(lake, make.flights((0, make.noon, 0.0)))
    got = []

    def work() -> None:
        mine = Lake(lake.root, FENCE)
        for number in range(1, 7):
            got.append(
                bring(mine, make.flights(*((flight, make.noon, 1.0) for flight in range(1, number + 1)))).rows_new
            )

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(got) == 6
    found = lake.examples("flights", "main", system=True)
    assert (sorted(found["flight"]), found["_sequence"].to_list()) == (list(range(7)), list(range(7)))


def test_a_changed_row_is_a_newer_revision(lake, make):
    bring(lake, make.flights((1, make.noon, None), (2, make.noon, 3.0)))
    assert bring(lake, make.flights((1, make.noon, 7.0), (2, make.noon, 3.0))).rows_new == 1
    assert lake.examples("flights", "main", key="flight").rows() == [(2, make.noon, 3.0), (1, make.noon, 7.0)]
    assert lake.examples("flights", "main").height == 3
    assert lake.examples("flights", "main", key="flight", upto=1).rows() == [(1, make.noon, None), (2, make.noon, 3.0)]


def test_going_back_to_an_earlier_revision_is_a_revision(lake, make):
    for delay in (5.0, 6.0, 5.0, 5.0):
        bring(lake, make.flights((1, make.noon, delay)))
    assert lake.examples("flights", "main")["delay"].to_list() == [5.0, 6.0, 5.0]
    assert lake.examples("flights", "main", key="flight")["delay"].to_list() == [5.0]


def test_going_back_is_seen_when_the_revision_between_had_an_earlier_time(lake, make):
    bring(lake, make.flights((1, make.noon, 5.0)))
    bring(lake, make.flights((1, make.noon - DAY, 5.0)))
    assert bring(lake, make.flights((1, make.noon, 5.0))).rows_new == 1
    assert lake.examples("flights", "main", key="flight")["scheduled"].to_list() == [make.noon]


def test_a_history_in_one_batch_is_kept_in_order_and_once(lake, make):
    history = make.flights((1, make.noon, 5.0), (1, make.noon, 6.0))
    assert bring(lake, history).rows_new == 2
    assert bring(lake, history).rows_new == 0
    assert lake.examples("flights", "main", key="flight")["delay"].to_list() == [6.0]


@pytest.mark.parametrize("name", ["last", "alone", "row", "_key", "_newest", "value", "index", "literal", "len"])
def test_a_key_may_have_any_name(lake, make, name):
    for delay in (5.0, 6.0, 5.0):
        bring(lake, make.flights((1, make.noon, delay)).rename({"flight": name}), key=name)
    assert lake.examples("flights", "main", key=name)["delay"].to_list() == [5.0]


def test_the_last_word_of_a_history_counts_even_if_it_was_said_before(lake, make):
    bring(lake, make.flights((1, make.noon, 5.0)))
    history = make.flights((1, make.noon, 5.0), (1, make.noon, 6.0), (1, make.noon, 5.0))
    assert bring(lake, history).rows_new == 2
    assert bring(lake, history).rows_new == 0
    assert lake.examples("flights", "main", key="flight")["delay"].to_list() == [5.0]


def test_rows_without_a_key_all_stand_for_themselves(lake, make):
    frame = make.flights((1, make.noon, 5.0), (1, make.noon, 6.0)).with_columns(flight=pl.lit(None, dtype=pl.Int64))
    bring(lake, frame)
    assert lake.examples("flights", "main", key="flight").height == 2
    again = bring(lake, frame)
    assert (again.rows_new, again.rows_superseded) == (0, 0)
    bring(lake, make.flights((1, make.noon, 5.0), (1, make.noon, 6.0)), source="keyless", key=None)
    assert lake.examples("flights", "keyless").height == 2


def test_the_watermark_is_that_of_the_slowest_source(lake, make):
    assert lake.watermark("flights") is None
    assert lake.sources("flights") == []
    bring(lake, make.flights((1, make.noon, 5.0)), source="flights")
    assert bring(lake, make.flights((1, make.noon - DAY, 5.0)), source="weather").watermark == make.noon - DAY
    bring(lake, make.flights((1, make.noon, 5.0)), source="carriers", time=None)
    assert lake.watermark("flights") == make.noon - DAY
    assert lake.sources("flights") == ["carriers", "flights", "weather"]
    assert lake.watermark("flights", ["flights", "carriers", "no such source"]) == make.noon
    assert lake.sources("flights", ["flights", "no such source"]) == ["flights"]
    late = bring(lake, make.flights((9, make.noon - 3 * DAY, 5.0)), source="flights")
    assert late.watermark == make.noon


def test_an_empty_extract_makes_nothing(lake, make):
    for frame in (pl.DataFrame(), make.flights(), pl.DataFrame({"scheduled": [], "flight": []})):
        got = bring(lake, frame)
        assert (got.rows_seen, got.rows_new, got.watermark, got.sequence) == (0, 0, None, -1)
    assert lake.tables() == []
    bring(lake, make.flights((1, make.noon, 5.0)))
    for frame in (pl.DataFrame(), make.flights(), pl.DataFrame({"scheduled": [], "flight": []})):
        assert bring(lake, frame).watermark == make.noon


# -- schemas change ------------------------------------------------------------------------------------------------


def test_a_new_column_is_null_before_and_a_missing_one_null_after(lake, make):
    bring(lake, make.flights((1, make.noon, 5.0)))
    bring(lake, make.flights((2, make.noon + DAY, 6.0)).with_columns(gate=pl.lit("A1")))
    bring(lake, make.flights((3, make.noon + 2 * DAY, 7.0)).drop("delay"))
    frame = lake.examples("flights", "main")
    assert frame["gate"].to_list() == [None, "A1", None]
    assert frame["delay"].to_list() == [5.0, 6.0, None]
    assert bring(lake, make.flights((3, make.noon + 2 * DAY, 7.0)).drop("delay")).rows_new == 0


def test_a_known_row_with_a_new_column_is_a_revision_only_where_it_has_a_value(lake, make):
    bring(lake, make.flights((1, make.noon, 5.0), (2, make.noon, 6.0)))
    wider = make.flights((1, make.noon, 5.0), (2, make.noon, 6.0)).with_columns(gate=pl.Series(["A1", None]))
    assert bring(lake, wider).rows_new == 1
    assert bring(lake, wider).rows_new == 0


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        (pl.Series([1, 2]), pl.Series([1.5, None]), pl.Float64()),
        (pl.Series([1.5, None]), pl.Series([1, 2]), pl.Float64()),
        (pl.Series([1, 2], dtype=pl.Int8), pl.Series([300, 2]), pl.Int64()),
        (pl.Series([1, 2]), pl.Series([3, 4], dtype=pl.UInt8), pl.Int64()),
        (pl.Series([1.5, 2], dtype=pl.Float32), pl.Series([0.1, 2]), pl.Float64()),
        (pl.Series([None, None]), pl.Series([1.5, 2]), pl.Float64()),
        (pl.Series([None, None]), pl.Series([[1], [2]]), pl.List(pl.Int64())),
        (pl.Series([None, None]), pl.Series([True, None]), pl.Boolean()),
        (pl.Series([None, None]), pl.Series([b"a", None]), pl.Binary()),
        (pl.Series([None, None]), pl.Series([date(2024, 1, 1), None]), pl.Date()),
        (pl.Series([None, None]), pl.Series([NAIVE, None]), pl.Datetime("us", "UTC")),
        (pl.Series([None, None]), pl.Series([{"a": 1}, None]), pl.Struct({"a": pl.Int64()})),
        (pl.Series([None, None]), pl.Series([Decimal("1.5"), None], dtype=pl.Decimal(4, 1)), pl.Decimal(4, 1)),
        (pl.Series([1, 2]), pl.Series([None, None]), pl.Int64()),
        (pl.Series([1, 2]), pl.Series([None, None], dtype=pl.String), pl.Int64()),
        (pl.Series([date(2024, 1, 1)] * 2), pl.Series([NAIVE] * 2), pl.Datetime("us", "UTC")),
        (pl.Series([[1], [2]]), pl.Series([[1.5], []]), pl.List(pl.Float64())),
        (pl.Series([{"a": 1}, {"a": 2}]), pl.Series([{"a": 1.5}, None]), pl.Struct({"a": pl.Float64()})),
        (
            pl.Series([Decimal("1.25"), None], dtype=pl.Decimal(6, 2)),
            pl.Series([Decimal("1.2345"), None], dtype=pl.Decimal(8, 4)),
            pl.Decimal(8, 4),
        ),
    ],
)
def test_a_type_that_can_be_widened_is_widened(lake, make, old, new, kept):
    start, later = (
        make.flights((number, make.noon, 0.0), (number + 1, make.noon, 0.0)).with_columns(column.alias("x"))
        for number, column in ((1, old), (3, new))
    )
    bring(lake, start)
    bring(lake, later)
    frame = lake.examples("flights", "main", system=True)
    assert frame["x"].dtype == kept
    assert frame["x"].to_list() == [*old.cast(kept).to_list(), *new.cast(kept).to_list()]
    assert frame["_sequence"].to_list() == [0, 1, 2, 3]
    assert bring(lake, start).rows_new == bring(lake, later).rows_new == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (pl.Series(["a"]), pl.Series([1])),
        (pl.Series([1]), pl.Series(["a"])),
        (pl.Series([True]), pl.Series([1])),
        (pl.Series([2**53 + 1]), pl.Series([1.5])),
        (pl.Series([1.5]), pl.Series([2**53 + 1])),
        (pl.Series([{"a": 1}]), pl.Series([{"b": 1}])),
        (pl.Series([[1]]), pl.Series([1])),
    ],
)
def test_a_type_that_cannot_be_widened_names_the_column_and_both_types(lake, make, old, new):
    bring(lake, make.flights((1, make.noon, 0.0)).with_columns(old.alias("x")))
    with pytest.raises(DataError) as caught:
        bring(lake, make.flights((2, make.noon, 0.0)).with_columns(new.alias("x")))
    assert str(old.dtype) in caught.value.what
    assert str(new.dtype) in caught.value.what
    assert "'x'" in caught.value.where
    assert "extract" in caught.value.remedy
    assert lake.examples("flights", "main").height == 1


def test_a_killed_widening_leaves_the_table_whole(lake, make, monkeypatch):
    bring(lake, make.flights((1, make.noon, 0.0)).with_columns(x=pl.lit(1)))
    later = make.flights((2, make.noon, 0.0)).with_columns(x=pl.lit(1.5))

    class Crash(BaseException):
        pass

    def fails(*arguments, **keywords):
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(Table, "append", fails)
        with pytest.raises(Crash):
            bring(lake, later)
    assert bring(Lake(lake.root, FENCE), later).rows_new == 1
    assert Lake(lake.root, FENCE).examples("flights", "main")["x"].to_list() == [1.0, 1.5]


# -- types ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "kept"),
    [
        (pl.Series([NAIVE, None]), pl.Series([datetime(2024, 1, 1, 12, tzinfo=UTC), None])),
        (
            pl.Series([NAIVE, None]).dt.replace_time_zone("Europe/Paris"),
            pl.Series([datetime(2024, 1, 1, 11, tzinfo=UTC), None]),
        ),
        (
            pl.Series([NAIVE, None], dtype=pl.Datetime("ms")),
            pl.Series([datetime(2024, 1, 1, 12, tzinfo=UTC), None]),
        ),
        (
            pl.Series([NAIVE, None], dtype=pl.Datetime("ns", "UTC")),
            pl.Series([datetime(2024, 1, 1, 12, tzinfo=UTC), None]),
        ),
        (pl.Series([date(1, 1, 1), date(9999, 12, 31)]), pl.Series([date(1, 1, 1), date(9999, 12, 31)])),
        (pl.Series(["a", None], dtype=pl.Categorical), pl.Series(["a", None])),
        (pl.Series(["a", "b"], dtype=pl.Enum(["b", "a"])), pl.Series(["a", "b"])),
        (pl.Series([["a"], None], dtype=pl.List(pl.Categorical)), pl.Series([["a"], None])),
        (pl.Series([255, None], dtype=pl.UInt8), pl.Series([255, None], dtype=pl.Int16)),
        (pl.Series([2**32 - 1, None], dtype=pl.UInt32), pl.Series([2**32 - 1, None])),
        (pl.Series([2**63 - 1, None], dtype=pl.UInt64), pl.Series([2**63 - 1, None])),
        (pl.Series([-(2**63), 2**63 - 1]), pl.Series([-(2**63), 2**63 - 1])),
        (pl.Series([float("inf"), float("-inf")]), pl.Series([float("inf"), float("-inf")])),
        (pl.Series([True, None]), pl.Series([True, None])),
        (pl.Series([b"\x00\xff", None]), pl.Series([b"\x00\xff", None])),
        (pl.Series(["", "ü\n\x00'\""]), pl.Series(["", "ü\n\x00'\""])),
        (pl.Series([[1, None], []]), pl.Series([[1, None], []])),
        (pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int64, 2)), pl.Series([[1, 2], [3, 4]])),
        (
            pl.Series([{"a": [1], "b": None}, None]),
            pl.Series([{"a": [1], "b": None}, None], dtype=pl.Struct({"a": pl.List(pl.Int64), "b": pl.String})),
        ),
        (pl.Series([Decimal("1.10"), None]), pl.Series([Decimal("1.10"), None])),
        (pl.Series([None, None]), pl.Series([None, None], dtype=pl.String)),
    ],
)
def test_odd_types_are_kept_or_turned_into_their_plain_kind(lake, make, column, kept):
    frame = make.flights((1, make.noon, 0.0), (2, make.noon, 0.0)).with_columns(column.alias("x"))
    bring(lake, frame)
    got = Lake(lake.root, FENCE).examples("flights", "main")["x"]
    assert got.to_list() == kept.to_list()
    assert got.dtype == (pl.Datetime("us", "UTC") if isinstance(kept.dtype, pl.Datetime) else kept.dtype)
    assert bring(lake, frame).rows_new == 0


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (pl.Series([timedelta(1)]), "total_seconds"),
        (pl.Series([NAIVE.time()]), "to_string"),
        (pl.Series([object()], dtype=pl.Object), "extract"),
        (pl.Series([[timedelta(1)]]), "extract"),
        (pl.Series([2**63], dtype=pl.UInt64), "cast"),
    ],
)
def test_what_cannot_be_kept_names_the_column_and_the_remedy(lake, make, column, says):
    with pytest.raises(DataError) as caught:
        bring(lake, make.flights((1, make.noon, 0.0)).with_columns(column.alias("odd one")))
    assert "'odd one'" in caught.value.where
    assert says in caught.value.remedy
    assert lake.tables() == []


@pytest.mark.parametrize("name", ["sp ace", "do.t", "semi;(x)", "a/b", "x=1", "ü", "'", '"', "a" * 300, "_mine"])
def test_odd_column_names_are_kept(lake, make, name):
    frame = make.flights((1, make.noon, 0.0)).with_columns(pl.lit(1.5).alias(name))
    bring(lake, frame)
    bring(lake, make.flights((2, make.noon, 0.0)).with_columns(pl.lit(2.5).alias(name)))
    assert bring(lake, frame).rows_new == 0
    assert lake.examples("flights", "main")[name].to_list() == [1.5, 2.5]


def test_a_column_without_a_name_is_refused(lake, make):
    with pytest.raises(DataError, match="a column has no name"):
        bring(lake, make.flights((1, make.noon, 0.0)).rename({"delay": ""}))


def test_hundreds_of_columns_are_kept(lake, make):
    frame = make.flights((1, make.noon, 0.0)).with_columns(pl.lit(n).alias(f"c{n}") for n in range(300))
    bring(lake, frame)
    assert bring(Lake(lake.root, FENCE), frame.with_columns(flight=pl.lit(2))).sequence == 1
    assert lake.examples("flights", "main").width == 303


@pytest.mark.parametrize("name", ["_sequence", "_ingested_at", "_event_time", "_Sequence", "_row"])
def test_names_of_the_systems_own_columns_are_refused(lake, make, name):
    with pytest.raises(DataError, match="uses the column name"):
        bring(lake, make.flights((1, make.noon, 0.0)).with_columns(pl.lit(1).alias(name)))


def test_names_that_differ_only_in_case_are_refused(lake, make):
    with pytest.raises(DataError, match="differ only in case"):
        bring(lake, make.flights((1, make.noon, 0.0)).with_columns(Delay=pl.lit(1)))
    bring(lake, make.flights((1, make.noon, 0.0)))
    with pytest.raises(DataError, match="differ only in case"):
        bring(lake, make.flights((2, make.noon, 0.0)).rename({"delay": "Delay"}))


def test_a_time_column_is_needed_whole_and_in_its_type(lake, make):
    frame = make.flights((1, make.noon, 0.0), (2, make.noon, 0.0))
    with pytest.raises(DataError, match="1 of 2 rows have no event time, the first is row 1"):
        bring(lake, frame.with_columns(scheduled=pl.when(pl.col("flight") == 1).then("scheduled")))
    with pytest.raises(DataError, match="holds String, not dates or times"):
        bring(lake, frame.with_columns(scheduled=pl.lit("2024-01-01")))
    with pytest.raises(DataError, match="time column 'when' is not among"):
        bring(lake, frame, time="when")
    with pytest.raises(DataError, match="key column 'id' is not among"):
        bring(lake, frame, key="id")
    assert lake.tables() == []


def test_dates_are_event_times_too(lake):
    frame = pl.DataFrame({"day": [date(2024, 1, 2), date(2024, 1, 3)], "flight": [1, 2]})
    assert bring(lake, frame, time="day").watermark == datetime(2024, 1, 3, tzinfo=UTC)
    assert lake.examples("flights", "main").equals(frame)


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "a" * 200, "a\nb"])
def test_names_that_are_no_folder_are_refused(lake, make, name):
    with pytest.raises(DataError, match="cannot name a table"):
        bring(lake, make.flights((1, make.noon, 0.0)), source=name)
    with pytest.raises(DataError, match="cannot name a table"):
        lake.tables(name)


def test_a_table_that_is_not_there_is_named(lake, make):
    with pytest.raises(LakeError, match="no table 'examples/main'"):
        lake.examples("flights", "main")
    bring(lake, make.flights((1, make.noon, 0.0)))
    with pytest.raises(LakeError) as caught:
        lake.show("flights", "nonsense")
    assert "examples/main" in caught.value.remedy


# -- any sequence of batches ---------------------------------------------------------------------------------------

_ROWS = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.integers(0, 3),
        st.sampled_from([None, 0.0, 1.0, float("nan")]),
    ),
    max_size=5,
)


@settings(max_examples=15)
@given(batches=st.lists(_ROWS, min_size=1, max_size=4))
def test_any_batches_repeated_after_each_other_keep_each_row_once_and_the_source_s_last_word(make, batches):
    """Against a list in plain Python; each batch is brought in twice, as after a crash."""
    held: list[tuple] = []
    with tempfile.TemporaryDirectory() as folder:
        lake = make.lake(Path(folder))
        for batch in batches:
            frame = make.flights(*((flight, make.noon + day * DAY, delay) for flight, day, delay in batch))
            expected = _bring_naively(held, batch)
            got = bring(lake, frame)
            assert got.rows_new == expected
            assert bring(lake, frame).rows_new == 0
        if held:
            everything = lake.examples("flights", "main", system=True)
            assert everything["_sequence"].to_list() == list(range(len(held)))
            assert [_same(row) for row in everything.select("flight", "scheduled", "delay").rows()] == [
                _same((flight, make.noon + day * DAY, delay)) for flight, day, delay in held
            ]
            last = {row[0]: row for row in held}
            got = lake.examples("flights", "main", key="flight").rows()
            assert sorted(map(_same, got)) == sorted(
                _same((flight, make.noon + day * DAY, delay)) for flight, day, delay in last.values()
            )


def _bring_naively(held: list[tuple], batch: list[tuple]) -> int:
    known = [_same(row) for row in held]
    newest = {row[0]: _same(row) for row in held}
    distinct = list({_same(row): row for row in batch[::-1]}.values())[::-1]
    by_time = {flight: iter(sorted((row for row in distinct if row[0] == flight), key=_day)) for flight in (1, 2, 3)}
    distinct = [next(by_time[row[0]]) for row in distinct]
    fresh = []
    for row in distinct:
        mine = [_same(other) for other in distinct if other[0] == row[0]]
        grown = any(other not in known for other in mine)
        back = mine[-1] == _same(row) and (grown or (len(mine) == 1 and newest.get(row[0]) != _same(row)))
        if _same(row) not in known or back:
            fresh.append(row)
    held += fresh
    return len(fresh)


def _day(row: tuple) -> int:
    return row[1]


def _same(row: tuple) -> tuple:
    return tuple(str(value) for value in row)
