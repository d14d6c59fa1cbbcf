"""Writing and reading segments: what is acknowledged is there, and damage is seen for what it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windlass.errors import LakeError
from windlass.lake.reader import Segment, has_writer, list_segments, read_segment
from windlass.lake.segments import END, HEAD, MAGIC, SegmentWriter, frame_record
from windlass.records.capture import Captured

CHILD = Path(__file__).with_name("child.py")


def every(folder: Path) -> list[Captured]:
    return [
        batch
        for segments in list_segments(folder).values()
        for segment in segments
        for _, batch in read_segment(segment.path).records
    ]


def only(folder: Path) -> Path:
    ((segment,),) = list_segments(folder).values()
    return segment.path


@pytest.mark.parametrize("durability", ["process", "power"])
def test_what_is_appended_is_read_back_at_once(tmp_path, make, durability):
    writer = SegmentWriter(tmp_path / "w", durability=durability)
    batches = [make.predictions("p1", "p2", keys=["a", None]), make.outcomes(make.outcome("late", key="a"))]
    for number, batch in enumerate(batches, start=1):
        writer.append(batch)
        assert every(tmp_path) == batches[:number]
    writer.close()
    assert every(tmp_path) == batches


def test_nothing_appended_leaves_no_file(tmp_path):
    SegmentWriter(tmp_path / "w").close()
    assert list_segments(tmp_path) == {}


def test_a_writer_is_seen_as_long_as_it_may_write(tmp_path, make):
    writer = SegmentWriter(tmp_path / "w")
    writer.append(make.predictions("p1"))
    path = only(tmp_path)
    assert has_writer(path)
    assert read_segment(path).stop == "end"
    writer.close()
    assert not has_writer(path)
    assert read_segment(path).stop == "finished"


def test_rotation_keeps_the_order_and_marks_what_is_done(tmp_path, make):
    writer = SegmentWriter(tmp_path / "w", rotate_bytes=600)
    batches = [make.predictions(f"p{number}") for number in range(12)]
    for batch in batches:
        writer.append(batch)
    ((name, segments),) = list_segments(tmp_path).items()
    assert name.startswith(f"{os.getpid()}-")
    assert [segment.index for segment in segments] == list(range(len(segments)))
    assert len(segments) > 2
    assert [read_segment(segment.path).stop for segment in segments] == ["finished"] * (len(segments) - 1) + ["end"]
    assert every(tmp_path) == batches


def test_a_batch_larger_than_a_segment_is_kept_whole(tmp_path, make):
    writer = SegmentWriter(tmp_path / "w", rotate_bytes=100)
    batches = [make.predictions(*(f"p{row}" for row in range(50))), make.predictions("q")]
    for batch in batches:
        writer.append(batch)
    writer.close()
    assert every(tmp_path) == batches


def test_a_closed_writer_begins_anew(tmp_path, make):
    writer = SegmentWriter(tmp_path / "w")
    writer.append(make.predictions("p1"))
    writer.close()
    writer.append(make.predictions("p2"))
    writer.close()
    assert [batch.ids for batch in every(tmp_path)] == [("p1",), ("p2",)]


def test_two_writers_of_one_process_never_share_a_file(tmp_path, make):
    writers = [SegmentWriter(tmp_path / "w") for _ in range(2)]
    for number, writer in enumerate(writers):
        writer.append(make.predictions(f"p{number}"))
    assert len(list_segments(tmp_path)) == 2


@pytest.mark.parametrize("durability", ["process", "power"])
def test_threads_share_a_writer(tmp_path, make, durability):
    writer = SegmentWriter(tmp_path / "w", durability=durability, rotate_bytes=3000)

    def work(name: int) -> None:
        for number in range(40):
            writer.append(make.predictions(f"{name}-{number}"))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [batch.ids[0] for batch in every(tmp_path)]
    assert len(ids) == 240
    assert all([i for i in ids if i.startswith(f"{n}-")] == [f"{n}-{k}" for k in range(40)] for n in range(6))


def test_power_syncs_before_it_answers_and_shares_the_sync(tmp_path, make, monkeypatch):
    synced_sizes: list[int] = []
    begun, go = threading.Event(), threading.Event()

    def slow(fd: int) -> None:
        begun.set()
        go.wait(120)
        synced_sizes.append(os.fstat(fd).st_size)

    monkeypatch.setattr("windlass.lake.segments._fdatasync", slow)
    writer = SegmentWriter(tmp_path / "w", durability="power")
    threads = [threading.Thread(target=writer.append, args=(make.predictions(f"p{n}"),)) for n in range(5)]
    threads[0].start()
    assert begun.wait(120)
    for thread in threads[1:]:
        thread.start()
    while len(every(tmp_path)) < 5:
        threading.Event().wait(0.001)
    with writer._writing:  # whoever wrote last has counted what he wrote when he lets go of it
        pass
    assert all(thread.is_alive() for thread in threads)
    go.set()
    for thread in threads:
        thread.join(120)
    assert len(synced_sizes) == 2  # the first caller's, and one for the four who came meanwhile
    assert synced_sizes[-1] == only(tmp_path).stat().st_size


def test_a_failed_sync_is_not_answered_and_the_file_is_left(tmp_path, make, monkeypatch):
    writer = SegmentWriter(tmp_path / "w", durability="power")
    writer.append(make.predictions("p1"))

    def fails(fd: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("windlass.lake.segments._fdatasync", fails)
        with pytest.raises(LakeError, match="could not be synced"):
            writer.append(make.predictions("p2"))
    writer.append(make.predictions("p3"))
    ((_, segments),) = list_segments(tmp_path).items()
    assert len(segments) == 2
    assert [batch.ids for _, batch in read_segment(segments[1].path).records] == [("p3",)]


def test_a_caller_who_waited_for_a_failed_sync_is_not_told_of_a_later_one_that_worked(tmp_path, make, monkeypatch):
    writer = SegmentWriter(tmp_path / "w", durability="power")

    def fails(fd: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("windlass.lake.segments._fdatasync", fails)
        with pytest.raises(LakeError):
            writer.append(make.predictions("p1"))
    ticket = writer._written
    writer.append(make.predictions("p2"))
    with pytest.raises(LakeError, match="could not be synced"):
        writer._sync(ticket)  # what a second thread with the same bytes does once it gets the lock


def test_a_full_disk_refuses_the_batch_and_keeps_the_rest(tmp_path):
    done = subprocess.run(
        [sys.executable, str(CHILD), "fill", str(tmp_path / "w")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("refused: the batch could not be written")
    assert [batch.ids for batch in every(tmp_path)] == [("p1",), ("p3",)]


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path, make):
    (tmp_path / "w").write_text("in the way")
    with pytest.raises(LakeError, match="segment could not be made") as caught:
        SegmentWriter(tmp_path / "w").append(make.predictions("p1"))
    assert str(tmp_path / "w") in caught.value.where


def test_columns_of_different_length_never_reach_the_disk(tmp_path, make):
    import msgspec

    torn = msgspec.structs.replace(make.predictions("p1", "p2"), scores=(0.5,))
    with pytest.raises(LakeError, match="differ in length"):
        SegmentWriter(tmp_path / "w").append(torn)
    assert list_segments(tmp_path) == {}


def test_a_text_that_is_not_unicode_never_reaches_the_disk(tmp_path, make):
    with pytest.raises(LakeError, match="cannot be written down"):
        SegmentWriter(tmp_path / "w").append(make.predictions("p1", keys=["k\ud800"]))
    assert list_segments(tmp_path) == {}


def test_reading_goes_on_where_it_stopped(tmp_path, make):
    writer = SegmentWriter(tmp_path / "w")
    writer.append(make.predictions("p1"))
    first = read_segment(only(tmp_path))
    writer.append(make.predictions("p2"))
    second = read_segment(only(tmp_path), first.end)
    assert [batch.ids for _, batch in second.records] == [("p2",)]
    assert second.end == only(tmp_path).stat().st_size
    assert read_segment(only(tmp_path), second.end).records == []


@settings(max_examples=60)
@given(cut=st.integers(0, 10_000))
def test_a_file_cut_anywhere_reads_up_to_its_last_whole_record(tmp_path_factory, make, cut):
    path, ends = _three_records(tmp_path_factory, make)
    data = path.read_bytes()
    cut %= len(data)
    path.write_bytes(data[:cut])
    reading = read_segment(path)
    whole = [end for end in ends if end <= cut]
    assert [end for end, _ in reading.records] == whole
    assert reading.end == (whole[-1] if whole else len(MAGIC) if cut >= len(MAGIC) else 0)
    assert reading.stop == ("end" if cut in {len(MAGIC), *ends} else "torn")


@settings(max_examples=150)
@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_is_never_taken_for_data_or_for_the_end(tmp_path_factory, make, place, bit):
    path, ends = _three_records(tmp_path_factory, make)
    intact = [batch for _, batch in read_segment(path).records]
    data = bytearray(path.read_bytes())
    place %= len(data)
    data[place] ^= 1 << bit
    path.write_bytes(data)
    reading = read_segment(path)
    before = [end for end in ends if end <= place]
    assert reading.stop == "corrupt"
    assert [batch for _, batch in reading.records] == intact[: len(before)]


def test_a_tail_of_zeros_is_what_a_power_cut_leaves(tmp_path_factory, make):
    path, ends = _three_records(tmp_path_factory, make)
    data = path.read_bytes()
    path.write_bytes(data[: ends[1]] + bytes(500))
    assert read_segment(path).stop == "torn"
    assert len(read_segment(path).records) == 2


def test_a_whole_record_that_says_nothing_known_is_damage(tmp_path):
    path = tmp_path / "1-ab.00000000.segment"
    path.write_bytes(MAGIC + frame_record(b"\x81\xa4type\xa7unknown") + END)
    assert read_segment(path).stop == "corrupt"


def test_a_listing_that_misses_an_earlier_file_does_not_let_a_later_one_pass(tmp_path, monkeypatch):
    def segment(index: int) -> Segment:
        return Segment(path=tmp_path / str(index), writer="1-ab", index=index)

    listings = iter([[segment(1)], [segment(2), segment(1), segment(0)]])
    monkeypatch.setattr("windlass.lake.reader._listing", lambda folder: next(listings))
    assert [found.index for found in list_segments(tmp_path)["1-ab"]] == [0, 1]


def test_a_segment_that_cannot_be_read_is_a_clear_error(tmp_path):
    folder = tmp_path / "1-ab.00000000.segment"
    folder.mkdir()
    for look in (has_writer, read_segment):
        with pytest.raises(LakeError, match="a segment cannot be read"):
            look(folder)


def test_a_segment_that_is_gone_is_told_apart(tmp_path):
    for look in (has_writer, read_segment):
        with pytest.raises(FileNotFoundError):
            look(tmp_path / "1-ab.00000000.segment")


def test_files_of_others_are_left_alone(tmp_path, make):
    for name in ("notes.txt", "1-ab.00000000.segment.corrupt", "x.segment", "1-ab.00000000.new"):
        (tmp_path / name).write_bytes(b"")
    assert list_segments(tmp_path) == {}


def test_a_killed_writer_leaves_everything_it_acknowledged(tmp_path):
    """A real process, killed while it writes as fast as it can; it prints an id once that id is safe."""
    process = subprocess.Popen(
        [sys.executable, str(CHILD), "write", str(tmp_path / "w")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 300:
            break
    process.send_signal(signal.SIGKILL)
    acknowledged = int((process.stdout.read().split() or ["300"])[-1])
    process.wait()
    process.stdout.close()
    ids = [batch.ids[0] for batch in every(tmp_path)]
    assert ids[: acknowledged + 1] == [f"p{number}" for number in range(acknowledged + 1)]
    assert len(ids) <= acknowledged + 2
    assert not any(has_writer(segment.path) for segments in list_segments(tmp_path).values() for segment in segments)


def _three_records(tmp_path_factory, make) -> tuple[Path, list[int]]:
    folder = tmp_path_factory.mktemp("segment")
    writer = SegmentWriter(folder)
    for number in range(3):
        writer.append(make.predictions(f"p{number}"))
    writer.close()
    path = only(folder)
    ends = [end for end, _ in read_segment(path).records]
    assert ends[-1] + HEAD == path.stat().st_size
    return path, ends
