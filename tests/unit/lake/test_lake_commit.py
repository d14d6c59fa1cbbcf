"""From segments into the lake: each record exactly once, whatever is killed, torn or damaged."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from windlass.errors import LakeError
from windlass.lake.lake import Lake
from windlass.lake.reader import list_segments
from windlass.lake.segments import SegmentWriter
from windlass.lake.served import OUTCOMES, PREDICTIONS
from windlass.lake.table import Table
from windlass.records.lease import Fence

FENCE = Fence(holder="test", token=1)
CHILD = Path(__file__).with_name("child.py")


def ids(lake: Lake) -> list[str]:
    frame = lake.predictions("flights")
    assert frame["_sequence"].to_list() == list(range(frame.height))
    return frame["prediction_id"].to_list()


def values(lake: Lake) -> list[str]:
    frame = lake.outcomes("flights")
    assert frame["_sequence"].to_list() == list(range(frame.height))
    return frame["value"].to_list()


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_record_becomes_a_row_with_every_field(lake, segments, make):
    import msgspec

    at = make.noon
    batch = msgspec.structs.replace(
        make.predictions(
            "p1", "p2", keys=["k", None], event_time=at + timedelta(hours=2), stage="canary", request="r7"
        ),
        probabilities=((0.25, 0.5, 0.25), (1.0, 0.0, 0.0)),
        features=(b'{"x":1}', b'{"x":null}'),
    )
    writer = SegmentWriter(segments / "w0")
    writer.append(batch)
    writer.append(make.predictions("p3", error="boom"))
    writer.append(make.outcomes(make.outcome(True, key="k"), make.outcome("late", prediction_id="p2")))
    committed = lake.commit_segments("flights", segments, at)
    assert committed.predictions.schema == lake.predictions("flights").schema == pl.Schema(PREDICTIONS)
    assert committed.outcomes.schema == lake.outcomes("flights").schema == pl.Schema(OUTCOMES)
    assert committed.predictions.equals(lake.predictions("flights"))
    assert committed.outcomes.equals(lake.outcomes("flights"))
    second, third = committed.predictions.rows(named=True)[1:]
    assert second == {
        "_sequence": 1,
        "prediction_id": "p2",
        "request_id": "r7",
        "row": 1,
        "at": at,
        "version": "v1",
        "stage": "canary",
        "key": None,
        "event_time": at + timedelta(hours=2),
        "score": 0.25,
        "probabilities": [1.0, 0.0, 0.0],
        "latency_ms": 1.5,
        "batch_rows": 2,
        "request": '{"id":"p2"}',
        "features": '{"x":null}',
        "error": None,
    }
    assert (third["error"], third["score"], third["probabilities"], third["features"]) == ("boom", None, None, None)
    assert committed.outcomes.select("prediction_id", "key", "value", "request_id").rows() == [
        (None, "k", "true", "o"),
        ("p2", None, '"late"', "o"),
    ]


def test_nothing_new_commits_nothing(lake, segments, make):
    empty = lake.commit_segments("flights", segments, make.noon)
    assert (empty.predictions.height, empty.outcomes.height, empty.segments, empty.problems) == (0, 0, 0, ())
    assert empty.predictions.schema == pl.Schema(PREDICTIONS)
    assert lake.tables() == []
    SegmentWriter(segments / "w0").append(make.predictions("p1"))
    lake.commit_segments("flights", segments, make.noon)
    for _ in range(3):
        assert lake.commit_segments("flights", segments, make.noon).predictions.is_empty()
    (table,) = lake.tables()
    assert (table.table, table.versions) == ("predictions", 1)


def test_live_segments_are_read_and_kept_finished_ones_deleted(lake, segments, make):
    writer = SegmentWriter(segments / "w0")
    writer.append(make.predictions("p1"))
    first = lake.commit_segments("flights", segments, make.noon)
    assert (first.predictions["prediction_id"].to_list(), first.segments) == (["p1"], 0)
    writer.append(make.predictions("p2"))
    second = lake.commit_segments("flights", segments, make.noon)
    assert second.predictions["prediction_id"].to_list() == ["p2"]
    assert len(files(segments)) == 1
    writer.close()
    assert lake.commit_segments("flights", segments, make.noon).segments == 1
    assert files(segments) == []
    assert ids(lake) == ["p1", "p2"]


def test_a_restarted_committer_goes_on_where_the_last_one_stopped(lake, segments, make):
    writer = SegmentWriter(segments / "w0")
    writer.append(make.predictions("p1"))
    writer.append(make.outcomes(make.outcome(1, key="k")))
    lake.commit_segments("flights", segments, make.noon)
    writer.append(make.predictions("p2"))
    again = Lake(lake.root, FENCE)
    committed = again.commit_segments("flights", segments, make.noon)
    assert (committed.predictions["prediction_id"].to_list(), committed.outcomes.height) == (["p2"], 0)
    assert ids(again) == ["p1", "p2"]
    assert values(again) == ["1"]


def test_workers_and_rotations_make_one_commit_a_table(lake, segments, make):
    for worker in range(3):
        writer = SegmentWriter(segments / f"w{worker}", rotate_bytes=500)
        for number in range(10):
            writer.append(make.predictions(f"{worker}-{number}"))
            writer.append(make.outcomes(make.outcome(number, key="k")))
        writer.close()
    committed = lake.commit_segments("flights", segments, make.noon)
    assert committed.segments > 6
    assert [(table.table, table.versions, table.rows) for table in lake.tables()] == [
        ("outcomes", 1, 30),
        ("predictions", 1, 30),
    ]
    for worker in range(3):
        mine = [name for name in ids(lake) if name.startswith(f"{worker}-")]
        assert mine == [f"{worker}-{number}" for number in range(10)]


def test_a_large_backlog_is_taken_in_parts(lake, segments, make):
    writer = SegmentWriter(segments / "w0", rotate_bytes=500)
    for number in range(20):
        writer.append(make.predictions(f"p{number}"))
    writer.close()
    first = lake.commit_segments("flights", segments, make.noon, limit_bytes=1500)
    assert first.more
    assert 0 < first.predictions.height < 20
    while lake.commit_segments("flights", segments, make.noon, limit_bytes=1500).more:
        pass
    assert ids(lake) == [f"p{number}" for number in range(20)]
    assert files(segments) == []


def test_half_a_record_of_a_dead_writer_is_cut(lake, segments, make):
    writer = SegmentWriter(segments / "w0")
    writer.append(make.predictions("p1"))
    (path,) = files(segments)
    with path.open("ab") as file:
        file.write(b"\x40\x00\x00")
    live = lake.commit_segments("flights", segments, make.noon)
    assert (live.segments, live.problems, len(files(segments))) == (0, (), 1)
    writer._let_go()  # as the kernel does when the process dies: no mark at the end
    committed = lake.commit_segments("flights", segments, make.noon)
    assert (committed.segments, committed.problems, files(segments)) == (1, (), [])
    assert ids(lake) == ["p1"]


def test_damage_in_the_middle_keeps_what_is_before_and_sets_the_file_aside(lake, segments, make):
    writer = SegmentWriter(segments / "w0")
    for name in ("p1", "p2", "p3"):
        writer.append(make.predictions(name))
    (path,) = files(segments)
    data = bytearray(path.read_bytes())
    data[data.index(b"p2")] ^= 1
    path.write_bytes(data)
    live = lake.commit_segments("flights", segments, make.noon)
    assert (live.predictions["prediction_id"].to_list(), live.problems) == (["p1"], ())
    writer.close()
    committed = lake.commit_segments("flights", segments, make.noon)
    (aside,) = files(segments)
    assert aside.name == path.name + ".corrupt"
    assert aside.read_bytes()[: len(data)] == data
    (problem,) = committed.problems
    assert path.name in problem
    assert str(aside) in problem
    assert lake.commit_segments("flights", segments, make.noon).problems == ()
    assert ids(lake) == ["p1"]


def test_segments_after_a_damaged_one_still_come_in(lake, segments, make):
    writer = SegmentWriter(segments / "w0", rotate_bytes=300)
    for number in range(4):
        writer.append(make.predictions(f"p{number}"))
    writer.close()
    second = files(segments)[1]
    data = bytearray(second.read_bytes())
    data[30] ^= 8
    second.write_bytes(data)
    assert len(lake.commit_segments("flights", segments, make.noon).problems) == 1
    assert ids(lake) == ["p0", "p2", "p3"]


def test_an_outcome_that_is_no_label_is_left_out_and_told(lake, segments, make):
    writer = SegmentWriter(segments / "w0")
    import msgspec

    nan = msgspec.structs.replace(make.outcome(1.5, key="k"), value=float("inf"))
    writer.append(make.outcomes(make.outcome(1.5, key="k"), nan))
    committed = lake.commit_segments("flights", segments, make.noon)
    assert values(lake) == ["1.5"]
    assert "1 outcomes were not finite numbers" in committed.problems[0]
    writer.close()
    assert lake.commit_segments("flights", segments, make.noon).problems == ()
    assert files(segments) == []


def test_a_request_that_is_not_utf8_does_not_block_the_lake(lake, segments, make):
    import msgspec

    writer = SegmentWriter(segments / "w0")
    writer.append(msgspec.structs.replace(make.predictions("p1", "p2"), rows=(b"\xff{}", b"{}")))
    committed = lake.commit_segments("flights", segments, make.noon)
    assert committed.predictions["request"].to_list() == ["�{}", "{}"]


def test_outcomes_from_two_processes_get_one_sequence(lake, segments, make):
    """The pipeline appends outcomes from its own process while the controller commits segments."""
    other = Lake(lake.root, FENCE)
    writer = SegmentWriter(segments / "w0")
    for number in range(4):
        writer.append(make.outcomes(make.outcome(f"c{number}", key="k")))
        told = make.told(make.outcome(f"p{number}", key="k"))
        other.append_outcomes("flights", told, request_id="run-1", now=make.noon)
        assert lake.commit_segments("flights", segments, make.noon).outcomes["value"].to_list() == [f'"c{number}"']
    assert sorted(values(lake)) == sorted(f'"{who}{number}"' for number in range(4) for who in "cp")
    assert values(lake) == values(other)


def test_a_second_committer_that_read_the_same_segments_is_refused(lake, segments, make, monkeypatch):
    writer = SegmentWriter(segments / "w0")
    writer.append(make.predictions("p1"))
    append = Table.append

    def overtaken(table: Table, *arguments, **keywords):
        monkeypatch.setattr(Table, "append", append)
        Lake(lake.root, FENCE).commit_segments("flights", segments, make.noon)
        return append(table, *arguments, **keywords)

    lake.commit_segments("flights", segments, make.noon)
    writer.append(make.predictions("p2"))
    monkeypatch.setattr(Table, "append", overtaken)
    with pytest.raises(LakeError, match="another process committed"):
        lake.commit_segments("flights", segments, make.noon)
    assert ids(lake) == ["p1", "p2"]
    assert lake.commit_segments("flights", segments, make.noon).predictions.is_empty()


def test_outcomes_that_fail_stay_in_their_segment_and_predictions_are_told(lake, segments, make, monkeypatch):
    writer = SegmentWriter(segments / "w0")
    writer.append(make.predictions("p1"))
    writer.append(make.outcomes(make.outcome(1, key="k")))
    writer.close()
    append = Table.append

    def fails_for_outcomes(table: Table, *arguments, **keywords):
        if table.path.name == "outcomes":
            raise LakeError("no space")
        return append(table, *arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(Table, "append", fails_for_outcomes)
        committed = lake.commit_segments("flights", segments, make.noon)
    assert committed.predictions.height == 1
    assert "outcomes could not be committed" in committed.problems[0]
    assert (committed.segments, len(files(segments))) == (0, 1)
    again = lake.commit_segments("flights", segments, make.noon)
    assert (again.predictions.height, again.outcomes.height, again.segments) == (0, 1, 1)


def test_segments_are_kept_until_the_tables_are_synced(lake, segments, make, monkeypatch):
    writer = SegmentWriter(segments / "w0")
    writer.append(make.predictions("p1"))
    writer.append(make.outcomes(make.outcome(1, key="k")))
    writer.close()

    def fails(path: Path) -> None:
        raise OSError(5, "Input/output error")

    for again in (lake, Lake(lake.root, FENCE)):
        with monkeypatch.context() as patch:
            patch.setattr("windlass.lake.table.sync_file", fails)
            committed = again.commit_segments("flights", segments, make.noon)
        assert "could not be synced" in committed.problems[0]
        assert (committed.predictions.height, committed.segments) == (1 if again is lake else 0, 0)
        assert len(files(segments)) == 1
    synced = []
    monkeypatch.setattr("windlass.lake.table.sync_file", synced.append)
    assert Lake(lake.root, FENCE).commit_segments("flights", segments, make.noon).segments == 1
    for table in ("predictions", "outcomes"):
        folder = lake.root / "flights" / table
        assert {*folder.glob("*.parquet"), *folder.glob("_delta_log/*.json"), folder, folder / "_delta_log"} <= {
            *synced
        }


def test_many_small_commits_stay_few_files_and_lose_nothing(lake, segments, make):
    writer = SegmentWriter(segments / "w0")
    for number in range(70):
        writer.append(make.predictions(f"p{number}"))
        lake.commit_segments("flights", segments, make.noon)
    (table,) = lake.tables()
    assert table.files < 35
    assert table.rows == 70
    assert sorted(ids(lake)) == sorted(f"p{number}" for number in range(70))
    assert Lake(lake.root, FENCE).commit_segments("flights", segments, make.noon).predictions.is_empty()


POINTS = [
    "before predictions",
    "after predictions",
    "before outcomes",
    "after outcomes",
    "before settle",
    "before compaction",
    "before deletion",
    "after deletion",
    "before setting aside",
    "after setting aside",
]


@pytest.mark.parametrize("point", POINTS)
def test_a_committer_killed_at_any_point_neither_loses_nor_repeats(lake, segments, make, point):
    for worker in range(2):
        writer = SegmentWriter(segments / f"w{worker}", rotate_bytes=700)
        for number in range(4):
            writer.append(make.predictions(f"{worker}-{number}"))
            writer.append(make.outcomes(make.outcome(10 * worker + number, key="k")))
        if worker == 0:
            writer.close()
    damaged = SegmentWriter(segments / "w2")
    damaged.append(make.predictions("d0"))
    damaged.close()
    (path,) = files(segments / "w2")
    path.write_bytes(path.read_bytes() + b"not from a writer")
    child = subprocess.run(
        [sys.executable, str(CHILD), "crash", str(segments), str(lake.root), point],
        check=False,
        capture_output=True,
        text=True,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    lake.commit_segments("flights", segments, make.noon)
    assert sorted(ids(lake)) == ["0-0", "0-1", "0-2", "0-3", "1-0", "1-1", "1-2", "1-3", "d0"]
    assert sorted(map(int, values(lake))) == [0, 1, 2, 3, 10, 11, 12, 13]
    assert lake.commit_segments("flights", segments, make.noon).predictions.is_empty()
    assert [path.suffix for path in files(segments)] == [".segment", ".corrupt"]


def test_writers_and_committers_killed_again_and_again(lake, segments):
    """Real processes: two workers that write without pause, a committer that is killed three times."""

    def start(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, str(CHILD), *arguments], stdout=subprocess.PIPE, text=True)

    workers = [start("write", str(segments / f"w{number}")) for number in range(2)]
    for calls in (2, 5, 3):
        committer = start("commit", str(segments), str(lake.root))
        for _ in range(calls):
            assert committer.stdout.readline()
        committer.kill()
        committer.wait()
        committer.stdout.close()
        told = [worker.stdout.readline() for worker in workers]
    acknowledged = []
    for worker, last in zip(workers, told, strict=True):
        worker.kill()
        acknowledged.append(int([last, *worker.stdout.read().split()][-1]))
        worker.wait()
        worker.stdout.close()
    lake.commit_segments("flights", segments, None)
    assert files(segments) == []
    found = ids(lake)
    every = Counter(found)
    for number in range(max(acknowledged) + 1):
        assert every[f"p{number}"] >= sum(number <= last for last in acknowledged)
    assert max(every.values()) <= 2
    assert len(found) <= sum(acknowledged) + 4


class Commits(RuleBasedStateMachine):
    """Any order of writing, committing, crashing in between, and restarting."""

    writers = Bundle("writers")
    folder: Path
    make: type

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.temporary = tempfile.TemporaryDirectory()
        self.root = Path(self.temporary.name)
        self.lake = self.make.lake(self.root / "lake")
        self.segments = self.root / "segments"
        self.names: list[str] = []
        self.labels: list[str] = []

    def teardown(self) -> None:
        self.temporary.cleanup()

    @rule(target=writers, size=st.sampled_from([300, 2000]))
    def start(self, size: int) -> SegmentWriter:
        return SegmentWriter(self.segments / "w0", rotate_bytes=size)

    @rule(writer=writers, rows=st.integers(1, 3))
    def answer(self, writer: SegmentWriter, rows: int) -> None:
        names = [f"p{len(self.names) + row}" for row in range(rows)]
        writer.append(self.make.predictions(*names))
        self.names += names

    @rule(writer=writers)
    def label(self, writer: SegmentWriter) -> None:
        writer.append(self.make.outcomes(self.make.outcome(len(self.labels), key="k")))
        self.labels.append(str(len(self.labels)))

    @rule(writer=writers)
    def close(self, writer: SegmentWriter) -> None:
        writer.close()

    @rule()
    def commit(self) -> None:
        committed = self.lake.commit_segments("flights", self.segments, self.make.noon)
        assert committed.problems == ()

    @rule()
    def restart(self) -> None:
        self.lake = Lake(self.root / "lake", FENCE)

    @rule(point=st.sampled_from(["append", "unlink"]), after=st.booleans())
    def crash(self, point: str, after: bool) -> None:
        class Crash(BaseException):
            pass

        owner: type = Table if point == "append" else Path
        real = getattr(owner, point)

        def fails(*arguments, **keywords):
            if after:
                real(*arguments, **keywords)
            raise Crash

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, point, fails)
            try:
                self.lake.commit_segments("flights", self.segments, self.make.noon)
            except Crash:
                self.lake = Lake(self.root / "lake", FENCE)

    @invariant()
    def never_twice(self) -> None:
        found = ids(self.lake)
        assert len(set(found)) == len(found)

    @rule()
    def everything_is_there_after_a_commit(self) -> None:
        self.commit()
        assert sorted(ids(self.lake)) == sorted(self.names)
        assert sorted(values(self.lake)) == sorted(self.labels)


def test_any_order_of_writing_committing_and_crashing(make):
    Commits.make = make
    run_state_machine_as_test(
        Commits,
        settings=settings(max_examples=15, stateful_step_count=15, suppress_health_check=list(HealthCheck)),
    )
    assert list_segments(Path("nowhere")) == {}


def test_what_killed_writers_left_without_a_name_goes_and_what_a_living_one_begins_stays(lake, segments, make):
    writer = SegmentWriter(segments / "w0")
    writer.append(make.predictions("p1"))
    left, begun = (segments / "w0" / f"{pid}-ab.00000000.new" for pid in (1, 2))
    left.touch()
    with begun.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        lake.commit_segments("flights", segments, make.noon)
        assert left.exists(), "it may have begun just now, and not be locked yet"
        lake.commit_segments("flights", segments, make.noon)
        assert (left.exists(), begun.exists()) == (False, True)
    lake.commit_segments("flights", segments, make.noon)
    assert not begun.exists()
    writer.close()
    lake.commit_segments("flights", segments, make.noon)
    assert ids(lake) == ["p1"]
    assert files(segments) == []
