"""A worker begins another segment when the holder of the lease asks for it, and loses nothing by that."""

from __future__ import annotations

import os
from pathlib import Path

from windlass.lake.reader import has_writer, list_segments, read_segment
from windlass.lake.segments import SegmentWriter
from windlass.records.capture import OutcomeBatch
from windlass.records.paths import Paths
from windlass.serving.answers.capture import Capture
from windlass.serving.metrics import Metrics

from .conftest import NOW  # type: ignore[import-not-found]


def test_a_segment_is_let_go_once_for_each_time_it_is_asked_for(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    folder = paths.segments("flights")
    capture = Capture(
        open_sink=lambda product: SegmentWriter(paths.segments(product) / "w0"),
        metrics=Metrics(None),
        let_go=paths.let_go,
    )

    def write(request: str) -> None:
        capture.write("flights", OutcomeBatch(request_id=request, received_at=NOW, outcomes=()))

    def held() -> list[bool]:
        return [has_writer(each.path) for segments in list_segments(folder).values() for each in segments]

    write("o1")
    capture.look()
    assert held() == [True]
    for moment in (1, 2):
        paths.let_go("flights").write_text("please")
        os.utime(paths.let_go("flights"), ns=(moment, moment))
        capture.look()
        capture.look()
        assert held() == [False] * moment
        write(f"o{moment + 1}")
        capture.look()
        assert held() == [*[False] * moment, True]
    found = [each for segments in list_segments(folder).values() for each in segments]
    told = [batch.request_id for each in found for _, batch in read_segment(each.path).records]
    assert told == ["o1", "o2", "o3"]
    capture.close()
