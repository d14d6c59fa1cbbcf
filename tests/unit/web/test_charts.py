from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.web.charts import Line, Marker, line_chart

LABELS = [f"day {n}" for n in range(10)]


def drawn(**kwargs):
    chart = line_chart(**({"labels": LABELS} | kwargs))
    return chart, ElementTree.fromstring(str(chart.svg))


def paths(root):
    return [element.attrib["d"] for element in root.iter("path")]


def test_a_step_holds_for_its_whole_window():
    _, root = drawn(lines=[Line(name="a", values=[1.0, 2.0, 2.0])], labels=["x", "y", "z"], steps=True)
    (path,) = paths(root)
    assert path.count("H") == 3
    assert path.startswith("M64 ")
    assert path.endswith("H944")


def test_larger_values_are_higher_and_lie_inside():
    _, root = drawn(lines=[Line(name="a", values=[1.0, 5.0, 3.0])], labels=["x", "y", "z"])
    heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", paths(root)[0])]
    assert heights[1] < heights[2] < heights[0]
    assert all(0 < height < 380 for height in heights)


def test_a_gap_parts_the_curve():
    _, root = drawn(lines=[Line(name="a", values=[1.0, None, 2.0, math.nan, 3.0])])
    assert paths(root)[0].count("M") == 3
    assert len(list(root.iter("circle"))) == 3


def test_an_interval_is_shaded_and_one_that_tells_nothing_flattens_nothing():
    values, lower, upper = [10.0, 12.0, 11.0, None], [9.0, 11.5, 0.0, None], [11.0, 12.5, 1e6, None]
    line = Line(name="a", values=values, lower=lower, upper=upper, tone="accent")
    _, root = drawn(lines=[line], labels=["w", "x", "y", "z"], steps=True)
    (band,) = (group for group in root.iter("g") if group.attrib.get("class") == "band accent")
    pieces = re.findall(r"M([\d.]+) ([\d.]+)V([\d.]+)H([\d.]+)", next(band.iter("path")).attrib["d"])
    assert [(float(left), float(right)) for left, _, _, right in pieces] == [(64, 284), (284, 504), (504, 724)]
    (first, second, wide) = ((float(bottom), float(top)) for _, bottom, top, _ in pieces)
    assert wide[0] - wide[1] > first[0] - first[1] > second[0] - second[1] > 20  # all of 380
    assert 30 <= wide[1] < wide[0] <= 336


def test_points_and_events_say_what_they_are():
    chart, root = drawn(
        lines=[Line(name="loop", values=[0.5] * 10, tone="accent")],
        markers=[
            Marker(position=3, kind="retrain", text="because it decayed"),
            Marker(position=2, kind="alarm", text="drift"),
        ],
    )
    titles = [element.text for element in root.iter("title")]
    assert "loop, day 0: 0.5" in titles
    assert {"because it decayed", "drift"} <= set(titles)
    assert chart.legend == (("loop", "accent"),)
    assert chart.marks == (("▲", "retrain"), ("●", "alarm"))


def test_few_labels_are_shown_and_none_is_cut():
    _, root = drawn(labels=[f"2024-01-{n:02}" for n in range(1, 32)], lines=[Line(name="a", values=list(range(31)))])
    shown = [element for element in root.iter("text") if (element.text or "").startswith("2024")]
    assert 4 <= len(shown) <= 8
    for element in shown:
        assert 64 <= float(element.attrib["x"]) <= 944


def test_long_labels_do_not_run_into_each_other():
    names = [f"2024-01-01 {n:02}:30" for n in range(8)]
    _, root = drawn(labels=names, lines=[Line(name="a", values=list(range(8)))])
    shown = [element for element in root.iter("text") if element.text in names]
    places = [float(element.attrib["x"]) for element in shown]
    assert len(shown) == 4
    assert min(right - left for left, right in pairwise(places)) > 16 * 7


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.79, 0.84], ["0.79", "0.80", "0.81", "0.82", "0.83", "0.84"]),
        ([0.0, 100.0], ["0", "20", "40", "60", "80", "100"]),
        ([12_000.0, 15_000.0], ["12,000", "13,000", "14,000", "15,000"]),
        ([0.0, 2e6], ["0.0 M", "0.5 M", "1.0 M", "1.5 M", "2.0 M"]),
        ([1e9, 3e9], ["1.0 bn", "1.5 bn", "2.0 bn", "2.5 bn", "3.0 bn"]),
        ([0.0, 2e13], ["0", "5e+12", "1e+13", "1.5e+13", "2e+13"]),
        ([1.0, 1.0], ["0.90", "0.95", "1.00", "1.05", "1.10"]),
        ([0.0, 0.0], ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
        ([], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
    ],
)
def test_ticks_are_round_figures(values, ticks):
    _, root = drawn(lines=[Line(name="a", values=values)], labels=[])
    shown = [element.text for element in root.iter("text") if element.attrib.get("class") == "tick end"]
    assert shown == ticks


_VALUES = st.none() | st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(_VALUES, max_size=30), st.text(max_size=20), st.booleans())
def test_any_values_and_any_names_make_a_sound_picture(values, name, steps):
    # characters that XML cannot hold are no matter of ours: a browser reads this as HTML
    name = "".join(letter for letter in name if letter.isprintable())
    line = Line(name=name, values=values, lower=values[::-1], upper=values)
    chart = line_chart(labels=[name] * len(values), lines=[line], y_title=name, steps=steps)
    root = ElementTree.fromstring(str(chart.svg))
    places = [
        element.attrib[side]
        for element in root.iter()
        for side in ("x", "y", "cx", "cy", "y1")
        if side in element.attrib
    ]
    assert all(math.isfinite(float(place)) for place in places)
    assert not re.search(r"nan|inf", " ".join(paths(root)))
