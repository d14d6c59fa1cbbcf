"""Nothing may look ahead: whatever is poisoned after a moment, nothing before it may change by a bit."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from windlass.backtest.policies import NAMES
from windlass.backtest.replay import run_backtest
from windlass.backtest.stream import windows_of
from windlass.product.policy import Retrain

from .conftest import drifting

WINDOWS = 5
EAGER = Retrain(on_drift=True, on_decay=True, on_rows=150, cooldown="0s", per_week=1000)


def answers(stream):
    """All that a backtest says: the predictions of each policy, and the events, each with its position."""
    stream.product.retrain = EAGER
    found: dict[str, list[np.ndarray]] = {name: [] for name in NAMES}
    result = run_backtest(
        stream, windows=WINDOWS, answered=lambda name, window, predictions: found[name].append(predictions)
    )
    return {name: np.concatenate(parts) for name, parts in found.items()}, result.events


def poisoned(frame: pl.DataFrame, cut: int, known: pl.Series, seed: int) -> pl.DataFrame:
    """The same times; from row `cut` on other features, and another label wherever it was not known at that moment."""
    random = np.random.default_rng(seed)
    rows = pl.int_range(frame.height, eager=True)
    late = (rows >= cut) | (known > frame["when"][cut])
    future = rows >= cut
    other = pl.Series("label", 1 - frame["label"].to_numpy())
    return frame.with_columns(
        label=pl.select(pl.when(late).then(other).otherwise(frame["label"])).to_series(),
        first=pl.select(
            pl.when(future).then(pl.Series(random.normal(5, 9, frame.height))).otherwise(frame["first"])
        ).to_series(),
        place=pl.select(pl.when(future).then(pl.lit("elsewhere")).otherwise(frame["place"])).to_series(),
    )


@pytest.mark.parametrize("delay_hours", [0, 30, 100])
@pytest.mark.parametrize("part", [0.31, 0.8])
def test_the_past_does_not_change_with_the_future(make_stream, delay_hours, part):
    frame = drifting(800, change=0.4)
    cut = int(800 * part)
    known = frame["when"] + timedelta(hours=delay_hours)
    request = {"label_delay": f"{delay_hours}h", "task": "binary"}
    _compare(make_stream, frame, poisoned(frame, cut, known, seed=1), cut, request)


@given(part=st.floats(0.25, 0.95), seed=st.integers(0, 1000))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_labels_that_come_at_any_time_are_seen_then_and_not_before(make_stream, part, seed):
    frame = drifting(800, change=0.4)
    random = np.random.default_rng(seed)
    # one class is known early, the other late; some labels never come
    hours = random.exponential(np.where(frame["label"].to_numpy() == 1, 100, 10))
    known = frame["when"] + pl.Series([timedelta(hours=float(each)) for each in hours])
    frame = frame.with_columns(told=pl.select(pl.when(pl.Series(random.random(800)) > 0.05).then(known)).to_series())
    cut = int(800 * part)
    other = poisoned(frame, cut, known.fill_null(known.max()), seed)
    # when a label will come is not known either, as long as it has not come
    late = pl.col("told").is_null() | (pl.col("told") > frame["when"][cut])
    other = other.with_columns(told=pl.when(late).then(pl.lit(frame["when"][-1])).otherwise("told"))
    _compare(make_stream, frame, other, cut, {"label_time": "told", "task": "binary"})


@pytest.mark.parametrize(
    ("clock", "request_"),
    [
        (pl.int_range(800), {"label_delay": "50"}),
        (pl.col("when").dt.epoch("s"), {}),
        (pl.col("when").dt.date(), {"label_delay": "3d"}),
        (pl.col("when").dt.date().dt.strftime("%d.%m.%Y"), {}),
        (pl.col("when").dt.convert_time_zone("Asia/Tokyo"), {"label_delay": "9h"}),
    ],
)
def test_nor_on_any_other_clock_or_in_another_order(make_stream, clock, request_):
    frame = drifting(800, change=0.4)
    cut = 21 * 24  # a day begins
    waits = {"50": timedelta(hours=50), "3d": timedelta(days=3), "9h": timedelta(hours=9)}
    known = frame["when"].dt.truncate("1d" if request_.get("label_delay") == "3d" else "1h")
    known += waits.get(request_.get("label_delay"), timedelta(0))
    other = poisoned(frame, cut, known, seed=2)
    # days come backwards in the file, and the rows of a day in their order
    backwards = pl.DataFrame({"day": frame["when"].dt.date()}).with_row_index("row")
    places = backwards.sort("day", "row", descending=[True, False])["row"]
    changed, poison = (each.with_columns(clock.alias("when"))[places] for each in (frame, other))
    assert _compare(make_stream, changed, poison, cut, {"task": "binary", **request_}) > 0


def _compare(make_stream, frame, other, cut, request):
    history = round(frame.height * 0.2)
    (clean, clean_events), (dirty, dirty_events) = (
        answers(make_stream(frame, **request)),
        answers(make_stream(other, **request)),
    )
    for name in NAMES:
        before = cut - history
        np.testing.assert_array_equal(clean[name][:before], dirty[name][:before], err_msg=name)
        assert not np.array_equal(clean[name][before:], dirty[name][before:]), "the poison had no effect at all"
    windows = sum(window.start < cut for window in windows_of(frame.height, WINDOWS))
    past = [[event for event in events if event.window < windows] for events in (clean_events, dirty_events)]
    assert msgspec.json.encode(past[0]) == msgspec.json.encode(past[1])
    return len(past[0])
