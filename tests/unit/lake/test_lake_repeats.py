"""A request that its caller sent twice is in the lake once, whoever wrote it down and whatever was restarted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windlass.errors import LakeError
from windlass.lake.recent import Recent
from windlass.lake.segments import SegmentWriter
from windlass.lake.table import Table


def identities(lake: Any) -> Counter[tuple[Any, ...]]:
    frame = lake.predictions("flights")
    return Counter(
        (row["prediction_id"], row["version"], row["stage"], row["error"] is not None) for row in frame.to_dicts()
    )


def test_a_repeat_is_kept_once_also_from_another_worker_and_after_a_restart(make, tmp_path: Path) -> None:
    segments, lake = tmp_path / "segments", make.lake(tmp_path / "lake")
    first, second = SegmentWriter(segments / "w0"), SegmentWriter(segments / "w1")
    first.append(make.predictions("p1", "p2", named=True))
    second.append(make.predictions("p1", "p2", named=True))
    committed = lake.commit_segments("flights", segments, make.noon)
    assert committed.predictions["prediction_id"].to_list() == ["p1", "p2"]
    again = make.lake(tmp_path / "lake", token=2)
    second.append(make.predictions("p1", "p2", "p3", named=True))
    assert again.commit_segments("flights", segments, make.noon).predictions["prediction_id"].to_list() == ["p3"]
    first.append(make.predictions("p3", named=True))
    for writer in (first, second):
        writer.close()
    assert again.commit_segments("flights", segments, make.noon).segments == 2
    assert set(identities(again).values()) == {1}


def test_another_version_stage_or_outcome_of_the_same_request_is_something_else(make, tmp_path: Path) -> None:
    segments, lake = tmp_path / "segments", make.lake(tmp_path / "lake")
    writer = SegmentWriter(segments / "w0")
    told = [{}, {"version": "v2"}, {"stage": "shadow"}, {"error": "boom"}]
    for more in [*told, *told]:
        writer.append(make.predictions("p1", named=True, **more))
    assert lake.commit_segments("flights", segments, make.noon).predictions.height == len(told)


def test_what_could_not_be_committed_is_not_taken_for_a_repeat(
    make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments, lake = tmp_path / "segments", make.lake(tmp_path / "lake")
    SegmentWriter(segments / "w0").append(make.predictions("p1", named=True))

    def full(*_: Any, **__: Any) -> None:
        raise LakeError("no space left on device", where="table", remedy="make room")

    with monkeypatch.context() as patched:
        patched.setattr(Table, "append", full)
        with pytest.raises(LakeError):
            lake.commit_segments("flights", segments, make.noon)
    assert lake.commit_segments("flights", segments, make.noon).predictions["prediction_id"].to_list() == ["p1"]


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True), st.booleans()), max_size=8
    ),
    st.data(),
)
def test_every_named_answer_is_kept_once_and_every_other_each_time(make, calls: Any, data: Any) -> None:
    recent, table = Recent(most=100), list[tuple[Any, ...]]()
    before = lambda count: table[-count:]  # noqa: E731
    unnamed = sum(len(names) for names, named in calls if not named)
    while calls:
        size = data.draw(st.integers(1, len(calls)))
        batches = [make.predictions(*names, named=named) for names, named in calls[:size]]
        calls = calls[size:]
        kept, came = recent.fresh(batches, before)
        table += [(name, each.version, each.stage, False) for each in kept if each.named for name in each.ids]
        unnamed -= sum(len(each.ids) for each in kept if not each.named)
        recent.add(came)
        if data.draw(st.booleans()):
            recent = Recent(most=100)
    assert unnamed == 0
    assert len(table) == len(set(table))


def test_no_more_than_so_many_are_remembered(make) -> None:
    recent = Recent(most=2)
    for name in "abc":
        _, came = recent.fresh([make.predictions(name, named=True)], lambda _: ())
        recent.add(came)
    assert recent.fresh([make.predictions("b", "c", named=True)], lambda _: ())[0] == []
    assert len(recent.fresh([make.predictions("a", named=True)], lambda _: ())[0]) == 1
