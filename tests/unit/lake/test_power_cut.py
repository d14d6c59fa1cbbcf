"""What each durability promises, on a disk that loses what was not synced."""

from __future__ import annotations

import itertools
import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windlass.lake.lake import Lake
from windlass.lake.segments import SegmentWriter
from windlass.records.capture import PredictionBatch
from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.staging import Staging

from .dropping_disk import DroppingDisk, Tail

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TAILS: tuple[Tail, ...] = ("lost", "zeros", "half")


def batch(name: str) -> PredictionBatch:
    return PredictionBatch(
        request_id=name,
        at=NOON,
        version="v1",
        stage="champion",
        latency_ms=1.0,
        ids=(name,),
        keys=(None,),
        event_times=(None,),
        scores=(0.5,),
        rows=(b'{"wind": 1.5}',),
    )


def held(root: Path, token: int) -> Lake:
    """The lake for the holder of a lease."""
    fence = Fence(holder="test", token=token)
    Staging(root, fence).begin()
    return Lake(root, fence)


def found(workspace: Path) -> list[str]:
    """The answers that a controller has after the power came back."""
    paths = Paths(workspace)
    lake = held(paths.lake, 2)
    lake.commit_segments("flights", paths.segments("flights"), NOON)
    return lake.predictions("flights")["prediction_id"].to_list()


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DroppingDisk:
    root = tmp_path / "workspace"
    root.mkdir()
    return DroppingDisk(root, monkeypatch)


@pytest.mark.parametrize("tail", TAILS)
def test_with_power_every_answer_outlives_the_cut(disk: DroppingDisk, tmp_path: Path, tail: Tail) -> None:
    """Cut after each of them, rotations included."""
    writer = SegmentWriter(Paths(disk.root).segments("flights") / "w0", durability="power", rotate_bytes=600)
    acknowledged: list[str] = []
    for number in range(12):
        writer.append(batch(f"p{number}"))
        acknowledged.append(f"p{number}")
        assert found(disk.cut(tmp_path / f"after-{number}", tail)) == acknowledged


def test_with_process_the_disk_may_lose_answers(disk: DroppingDisk, tmp_path: Path) -> None:
    """The price of not waiting for it; and the proof that this disk does lose what was not synced."""
    writer = SegmentWriter(Paths(disk.root).segments("flights") / "w0", durability="process")
    writer.append(batch("p0"))
    assert found(disk.cut(tmp_path / "after")) == []
    writer.close()
    assert found(disk.root) == ["p0"], "a crash of the process loses nothing"


@pytest.mark.parametrize("tail", TAILS)
def test_many_callers_share_syncs_and_lose_nothing(disk: DroppingDisk, tmp_path: Path, tail: Tail) -> None:
    writer = SegmentWriter(Paths(disk.root).segments("flights") / "w0", durability="power", rotate_bytes=2_000)
    acknowledged: list[str] = []
    halfway = threading.Barrier(5)

    def call(caller: int) -> None:
        for number in range(20):
            writer.append(batch(f"p{caller}-{number}"))
            acknowledged.append(f"p{caller}-{number}")
            if number == 10:
                halfway.wait(120)

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(4)]
    for thread in threads:
        thread.start()
    halfway.wait(120)
    before = set(acknowledged)
    after = found(disk.cut(tmp_path / "halfway", tail))  # the others go on writing meanwhile
    for thread in threads:
        thread.join()
    assert len(before) >= 44
    assert before <= set(after)
    assert len(after) == len(set(after))
    assert set(found(disk.cut(tmp_path / "end", tail))) == set(acknowledged)


@settings(max_examples=25)
@given(
    steps=st.lists(st.sampled_from(["answer", "answer", "answer", "commit", "close"]), min_size=1, max_size=14),
    tail=st.sampled_from(TAILS),
)
def test_whenever_the_power_goes_each_answer_is_there_once(steps: list[str], tail: Tail) -> None:
    """Segments are deleted once they are in the lake: the tables must be on the disk before that."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        root, numbers = Path(folder) / "workspace", itertools.count()
        root.mkdir()
        disk, paths = DroppingDisk(root, patch), Paths(root)
        writer, lake = SegmentWriter(paths.segments("flights") / "w0", durability="power"), held(paths.lake, 1)
        for step in steps:
            match step:
                case "answer":
                    writer.append(batch(f"p{next(numbers)}"))
                case "commit":
                    lake.commit_segments("flights", paths.segments("flights"), NOON)
                case "close":
                    writer.close()
        expected = [f"p{number}" for number in range(next(numbers))]
        assert sorted(found(disk.cut(Path(folder) / "after", tail))) == sorted(expected)
