"""Answers that have not come into the lake yet can be found all the same."""

from __future__ import annotations

import pytest

from windlass.errors import LakeError
from windlass.lake import waiting
from windlass.lake.segments import SegmentWriter
from windlass.lake.waiting import waiting_answers

from .conftest import NOON  # type: ignore[import-not-found]


def test_an_answer_is_found_in_the_segment_that_is_being_written(tmp_path, make):
    writer = SegmentWriter(tmp_path / "w0")
    writer.append(make.predictions("p1", "p2", keys=["a", "b"]))
    writer.append(make.outcomes(make.outcome(True, prediction_id="p2")))
    writer.append(make.predictions("p2", stage="shadow", version="v2"))
    found = waiting_answers(tmp_path, "p2")
    assert found.select("prediction_id", "version", "stage", "key").rows() == [
        ("p2", "v1", "champion", "b"),
        ("p2", "v2", "shadow", None),
    ]
    assert waiting_answers(tmp_path, "p3").is_empty()
    writer.close()


def test_where_no_worker_ever_wrote_there_is_nothing(tmp_path):
    assert waiting_answers(tmp_path / "nowhere", "p1").is_empty()


def test_once_it_is_in_the_lake_it_waits_no_more(tmp_path, make, lake):
    with_it = tmp_path / "segments"
    writer = SegmentWriter(with_it / "w0")
    writer.append(make.predictions("p1"))
    writer.close()
    assert waiting_answers(with_it, "p1").height == 1
    lake.commit_segments("flights", with_it, NOON)
    assert waiting_answers(with_it, "p1").is_empty()
    assert lake.predictions("flights", prediction_id="p1").height == 1


@pytest.mark.parametrize("gone", [True, False])
def test_a_segment_that_goes_into_the_lake_this_moment_is_passed_over(tmp_path, make, monkeypatch, gone):
    writer = SegmentWriter(tmp_path / "w0")
    writer.append(make.predictions("p1"))
    writer.close()

    def reading(path):
        if gone:
            path.unlink()
        raise LakeError("a segment cannot be read")

    monkeypatch.setattr(waiting, "read_segment", reading)
    if gone:
        assert waiting_answers(tmp_path, "p1").is_empty()
    else:
        with pytest.raises(LakeError):
            waiting_answers(tmp_path, "p1")
