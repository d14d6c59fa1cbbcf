"""Who has taken the lease over is the only one whose rows count, wherever its predecessor was stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from windlass.errors import LakeError, LeaseLost
from windlass.lake.lake import Lake
from windlass.lake.reader import has_writer
from windlass.lake.segments import SegmentWriter
from windlass.lake.table import FENCE, Conflict, Table
from windlass.records.lease import Fence
from windlass.staging import Staging


def staging(folder: Path, token: int) -> Staging:
    return Staging(folder, Fence(holder=f"holder-{token}", token=token))


def begun(folder: Path, token: int) -> Staging:
    found = staging(folder, token)
    found.begin()
    return found


@pytest.fixture
def old(tmp_path: Path) -> Table:
    """The table as the first holder has it, with files enough to be put together."""
    table = Table(tmp_path / "table", begun(tmp_path, 1))
    for number in range(33):
        table.append(rows(number))
    return table


def rows(*values: int) -> pl.DataFrame:
    return pl.DataFrame({"x": values}, schema={"x": pl.Int64})


def held(table: Table) -> list[int]:
    """What is in the table, read anew."""
    fresh = Table(table.path, Staging(table.path.parent, None))
    fresh.refresh()
    return fresh.read(lambda every: every.select("x", "_sequence").sort("_sequence"))["x"].to_list()


def successor(table: Table) -> Table:
    """Somebody takes the lease over, and with it the table."""
    folder = table.path.parent
    mine = begun(folder, 2)
    mine.retire_predecessors()
    taken = Table(table.path, mine)
    taken.retrying(taken.claim)
    return taken


WORK: dict[str, Callable[[Table], Any]] = {
    "append": lambda table: table.append(rows(99)),
    "append of a new column": lambda table: table.append(rows(99).with_columns(y=pl.lit(1))),
    "retyping": lambda table: table.retype({"x": pl.Float64()}),
    "compaction": lambda table: table._compact(below=2**20),
    "claim": lambda table: table.claim(),
}


@pytest.mark.parametrize("work", WORK)
def test_who_looks_again_finds_that_the_lease_is_gone(old: Table, work: str) -> None:
    before = held(old)
    new = successor(old)
    old.refresh()
    with pytest.raises(LeaseLost):
        WORK[work](old)
    assert held(old) == before
    assert new.append(rows(100))["_sequence"].to_list() == [33]


@pytest.mark.parametrize("work", ["append", "append of a new column", "retyping"])
def test_what_was_prepared_before_the_take_over_is_refused(old: Table, work: str) -> None:
    before = held(old)
    new = successor(old)
    with pytest.raises(Conflict):  # it did not look: the fence it read was its own, and its version is taken
        WORK[work](old)
    assert held(old) == before
    assert new.append(rows(100))["_sequence"].to_list() == [33]


def test_files_put_together_before_the_take_over_are_not_exchanged_after_it(old: Table, monkeypatch) -> None:
    files = sorted(path.name for path in old.path.glob("*.parquet"))
    exchange = Table._exchange
    taken: list[Table] = []

    def overtaken(table: Table, actions: list[Any]) -> None:
        monkeypatch.setattr(Table, "_exchange", exchange)
        taken.append(successor(table))
        exchange(table, actions)

    monkeypatch.setattr(Table, "_exchange", overtaken)
    with pytest.raises(Conflict):
        old._compact(below=2**20)
    assert held(old) == list(range(33))
    assert set(files) < {path.name for path in old.path.glob("*.parquet")}
    assert taken[0].files()[0] == 33
    taken[0]._compact(below=2**20)
    assert taken[0].files()[0] == 1
    assert held(old) == list(range(33))


def test_a_table_of_a_predecessor_cannot_appear_after_the_take_over(tmp_path: Path, monkeypatch) -> None:
    old = Table(tmp_path / "table", begun(tmp_path, 1))
    put = Staging.put

    def overtaken(self: Staging, staged: Path, target: Path) -> None:
        monkeypatch.setattr(Staging, "put", put)
        successor(old)
        put(self, staged, target)

    monkeypatch.setattr(Staging, "put", overtaken)
    with pytest.raises(LeaseLost):
        old.append(rows(1))
    assert not old.path.exists()
    with pytest.raises(LeaseLost):
        old.append(rows(1))
    new = Table(tmp_path / "table", staging(tmp_path, 2))
    assert new.append(rows(2))["_sequence"].to_list() == [0]
    assert held(new) == [2]


def test_two_who_make_the_table_at_once_make_one(tmp_path: Path, monkeypatch) -> None:
    lease = begun(tmp_path, 1)
    first, second = Table(tmp_path / "table", lease), Table(tmp_path / "table", lease)
    put = Staging.put

    def overtaken(self: Staging, staged: Path, target: Path) -> None:
        monkeypatch.setattr(Staging, "put", put)
        second.append(rows(2))
        put(self, staged, target)

    monkeypatch.setattr(Staging, "put", overtaken)
    assert first.retrying(lambda: first.append(rows(1)))["_sequence"].to_list() == [1]
    assert held(first) == [2, 1]
    assert not any((lease.folder / "tables").iterdir())


def test_a_folder_in_the_way_is_no_table_of_somebody_s(tmp_path: Path) -> None:
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "notes").write_text("in the way")
    with pytest.raises(LakeError, match="cannot be written"):
        Table(tmp_path / "table", begun(tmp_path, 1)).append(rows(1))


def test_without_a_lease_nothing_is_written(tmp_path: Path, make) -> None:
    Make = make
    held = Make.lake(tmp_path / "lake")
    held.append_outcomes("flights", Make.told(Make.outcome(1, key="a")), request_id="r", now=Make.noon)
    reader = Lake(tmp_path / "lake")
    for _ in range(2):  # the table that is there, and one that is not
        with pytest.raises(LeaseLost, match="does not hold the lease"):
            reader.append_outcomes("flights", Make.told(Make.outcome(2, key="a")), request_id="r", now=Make.noon)
        with pytest.raises(LeaseLost, match="does not hold the lease"):
            reader.append_outcomes("trains", Make.told(Make.outcome(2, key="a")), request_id="r", now=Make.noon)
    assert reader.outcomes("flights").height == 1
    assert reader.tables("trains") == []


def test_two_under_the_same_lease_both_write(old: Table) -> None:
    """The controller and its training process."""
    other = Table(old.path, staging(old.path.parent, 1))
    other.refresh()
    other.append(rows(50))
    assert old.retrying(lambda: old.append(rows(51)))["_sequence"].to_list() == [34]


def test_claiming_again_commits_nothing(old: Table) -> None:
    new = successor(old)
    version = new.version
    new.claim()
    assert (new.version, new.transaction(FENCE)) == (version, 2)


def test_a_lake_is_claimed_with_all_its_tables(tmp_path: Path, make) -> None:
    root = tmp_path / "lake"
    old = make.lake(root)
    old.ingest("flights", "main", make.flights((1, make.noon, 1.0)), time="scheduled", key="flight", now=make.noon)
    old.append_outcomes("flights", make.told(make.outcome(1, key="a")), request_id="r", now=make.noon)
    old.append_outcomes("trains", make.told(make.outcome(1, key="a")), request_id="r", now=make.noon)
    new = make.lake(root, token=2)
    looks: list[int] = []
    assert new.claim(between=lambda: looks.append(1)) == ()
    assert len(looks) == 3
    assert {(info.product, info.table): info.versions for info in new.tables()} == {
        ("flights", "examples/main"): 2,
        ("flights", "outcomes"): 2,
        ("trains", "outcomes"): 2,
    }
    with pytest.raises(LeaseLost):
        old.ingest("flights", "main", make.flights((2, make.noon, 1.0)), time="scheduled", key="flight", now=make.noon)
    with pytest.raises(LeaseLost):
        old.append_outcomes("trains", make.told(make.outcome(2, key="a")), request_id="r", now=make.noon)
    assert new.examples("flights", "main").height == 1
    assert new.outcomes("trains").height == 1


def test_a_table_that_cannot_be_opened_does_not_keep_the_others_from_being_claimed(tmp_path: Path, make) -> None:
    root = tmp_path / "lake"
    old = make.lake(root)
    for product in ("flights", "trains"):
        old.append_outcomes(product, make.told(make.outcome(1, key="a")), request_id="r", now=make.noon)
    (root / "flights" / "outcomes" / "_delta_log" / f"{0:020d}.json").write_text("{")
    new = make.lake(root, token=2)
    (problem,) = new.claim()
    assert "flights/outcomes" in problem
    with pytest.raises(LeaseLost):
        old.append_outcomes("trains", make.told(make.outcome(2, key="a")), request_id="r", now=make.noon)


def test_segments_are_committed_by_the_successor_alone(tmp_path: Path, make) -> None:
    root, segments = tmp_path / "lake", tmp_path / "segments"
    old = make.lake(root)
    writer = SegmentWriter(segments / "w0")
    writer.append(make.predictions("p1"))
    old.commit_segments("flights", segments, make.noon)
    writer.append(make.predictions("p2"))
    new = make.lake(root, token=2)
    new.claim()
    with pytest.raises(LeaseLost):
        old.commit_segments("flights", segments, make.noon)
    assert new.commit_segments("flights", segments, make.noon).predictions["prediction_id"].to_list() == ["p2"]
    assert new.predictions("flights")["prediction_id"].to_list() == ["p1", "p2"]


def test_a_segment_that_a_predecessor_deletes_while_it_is_looked_at_is_no_problem(
    tmp_path: Path, make, monkeypatch
) -> None:
    lake, segments = make.lake(tmp_path / "lake"), tmp_path / "segments"
    writers = [SegmentWriter(segments / f"w{number}") for number in range(2)]
    for number, writer in enumerate(writers):
        writer.append(make.predictions(f"p{number}"))
        writer.close()
    real = has_writer

    def deleting(path: Path) -> bool:
        if path.parent.name == "w0":
            path.unlink()
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr("windlass.lake.commit.has_writer", deleting)
        committed = lake.commit_segments("flights", segments, make.noon)
    assert committed.problems == ()
    assert committed.predictions["prediction_id"].to_list() == ["p1"]


def test_files_put_together_read_as_before(tmp_path: Path) -> None:
    """Every type that a table can hold, columns that came later, and a type that was widened."""
    table = Table(tmp_path / "table", begun(tmp_path, 1))
    values: dict[str, Any] = {
        "text": ["a", None],
        "number": [1.5, None],
        "flag": [True, None],
        "bytes": [b"\x00\xff", None],
        "list": [[1, None], None],
        "struct": [{"a": 1, "b": ["x"]}, None],
    }
    frame = pl.DataFrame(values).with_columns(
        day=pl.lit("2024-03-01").str.to_date(),
        at=pl.lit("2024-03-01T12:00:00Z").str.to_datetime("%+", time_unit="us", time_zone="UTC"),
        price=pl.lit("12.34").cast(pl.Decimal(10, 2)),
        small=pl.lit(3, dtype=pl.Int16),
    )
    table.append(frame.drop("list", "struct"))
    table.append(frame)
    table.retype({"small": pl.Int64()})
    table.append(frame.with_columns(pl.col("small").cast(pl.Int64)))
    table.append(frame.clear())
    before = table.read(lambda every: every).sort("_sequence")
    files = table.files()[0]
    table._compact(below=2**20)
    assert (files, table.files()[0]) == (2, 1)
    assert table.read(lambda every: every).sort("_sequence").equals(before)
    assert table.next_sequence() == 6
    assert not any((tmp_path / ".staging" / "token-1" / "compaction").iterdir())


def test_only_small_files_are_put_together_and_in_groups_of_about_the_size_asked_for(tmp_path: Path) -> None:
    table = Table(tmp_path / "table", begun(tmp_path, 1))
    for size in (1, 1, 20_000, 1, 1, 1):
        table.append(pl.DataFrame({"x": range(size)}))
    sizes = {path.name: path.stat().st_size for path in table.path.glob("*.parquet")}
    large = max(sizes, key=lambda name: sizes[name])
    small = max(size for name, size in sizes.items() if name != large)
    table._compact(below=3 * small + 3)
    kept = set(pl.DataFrame(table._open().get_add_actions(flatten=True))["path"])
    assert len(kept) == 3
    assert large in kept
    assert held(table) == [0, 0, *range(20_000), 0, 0, 0]
