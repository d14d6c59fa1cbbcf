from __future__ import annotations

from windlass.web.histograms import Histogram, histogram


def test_long_labels_leave_room_for_each_other_and_are_whole_when_pointed_at() -> None:
    long = "a category whose text is very long"
    drawn = histogram(Histogram(first=[0.5, 0.5], second=[0.2, 0.8], labels=[long, "b"], ends=(long, "b")))
    assert ">a category whose text i…</text>" in drawn
    assert ">b</text>" in drawn
    assert f"<title>{long}: 50.00% → 20.00%</title>" in drawn
