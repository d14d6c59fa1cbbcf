"""Real writers and a real committer, killed with signal 9; `bench/capture_kills.py` does it a thousand times."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from windlass.lake.lake import Lake
from windlass.records.lease import Fence

from .capture import NOON, PRODUCT, begin, play, together  # type: ignore[import-not-found]


def test_what_a_killed_writer_acknowledged_is_in_the_lake_once(tmp_path: Path) -> None:
    found = play(tmp_path, kills=30, seed=1)
    assert found.acknowledged >= 30  # each had acknowledged something
    assert (found.writers_killed, found.committers_killed) == (30, 3)
    assert (found.lost, found.twice, found.left) == (0, 0, [])


def test_sixty_four_writers_at_once_fail_in_no_append(tmp_path: Path) -> None:
    fence = Fence(holder="test", token=1)
    begin(tmp_path / "lake", fence)
    lake = Lake(tmp_path / "lake", fence)
    with together(tmp_path / "segments", writers=64, appends=200) as writers:
        while any(writer.poll() is None for writer in writers):
            lake.commit_segments(PRODUCT, tmp_path / "segments", NOON)
        assert [writer.returncode for writer in writers] == [0] * 64
    lake.commit_segments(PRODUCT, tmp_path / "segments", NOON)
    kept = lake.predictions(PRODUCT, columns=["prediction_id"]).get_column("prediction_id")
    assert kept.sort().equals(pl.Series([f"w{w}-{n}-0" for w in range(64) for n in range(200)]).sort())
