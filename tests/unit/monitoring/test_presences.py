"""Columns whose values are not judged: whether they are there is, and whether dates and counters run back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from windlass.monitoring import Profile, drift, merge, profile, profile_like
from windlass.monitoring.report import DriftReport
from windlass.monitoring.scanning import scan_parquet
from windlass.monitoring.shapes import Shape, shape_of

ROWS = 2000
START = datetime(2026, 1, 1, tzinfo=UTC)


def frame(begin: int = 0, rows: int = ROWS) -> pl.DataFrame:
    """Rows that came one a minute, `begin` minutes after the start."""
    minutes = np.arange(begin, begin + rows)
    chance = np.random.default_rng(begin)
    return pl.DataFrame(
        {
            "x": chance.normal(size=rows),
            "id": [f"order {place}" for place in minutes],
            "at": [START + timedelta(minutes=int(place)) for place in minutes],
            "born": [date(1940, 1, 1) + timedelta(days=int(days)) for days in chance.integers(0, 25_000, rows)],
            "counter": minutes * 3,
            "tags": [["a", "b"]] * rows,
            "note": pl.Series([None] * rows, dtype=pl.String),
            "closed": [None if chance.random() < 0.2 else START for _ in range(rows)],
        }
    )


def alerted(report: DriftReport) -> list[str]:
    return [column.name for column in report.columns if column.alert]


@pytest.mark.parametrize("begin", [ROWS, 50 * ROWS])
def test_rows_that_come_later_are_no_drift(begin: int) -> None:
    found = drift(frame(), frame(begin)).report
    assert not found.alert
    assert max(column.evidence for column in found.columns) < 20
    assert [column.kind for column in found.columns] == [
        "number",
        "identifier",
        "rising",
        "rising",
        "rising",
        "presence",
        "presence",
        "rising",
    ]


@pytest.mark.parametrize("name", ["id", "at", "counter", "tags", "born"])
@pytest.mark.parametrize("share", [0.05, 1.0])
def test_what_is_missing_now_alerts(name: str, share: float) -> None:
    gone = pl.int_range(pl.len()) < share * pl.len()
    current = frame(ROWS).with_columns(pl.when(~gone).then(name).alias(name))
    found = drift(frame(), current).report
    assert alerted(found) == [name]
    (column,) = (each for each in found.columns if each.name == name)
    assert column.effect.missing_change == pytest.approx(share)
    assert f"The column {name} has shifted" in found.reasons[0]
    assert f"{share:.0%} more values missing" in found.reasons[0]


def test_what_was_never_there_and_is_now_alerts() -> None:
    found = drift(frame(), frame(ROWS).with_columns(note=pl.lit("hello"))).report
    assert alerted(found) == ["note"]
    assert "100% fewer values missing" in found.reasons[0]


@pytest.mark.parametrize(
    ("name", "older"),
    [
        ("at", pl.col("at") - timedelta(days=3650)),
        ("born", pl.col("born").dt.offset_by("-100y")),
        ("counter", pl.col("counter") - 1_000_000),
    ],
)
def test_what_lies_before_all_of_the_reference_alerts(name: str, older: pl.Expr) -> None:
    found = drift(frame(), frame(ROWS).with_columns(older.alias(name))).report
    assert alerted(found) == [name]
    assert "100% of the values before all of the reference" in found.reasons[0]


@pytest.mark.parametrize(
    "stuck",
    [pl.lit(0), pl.int_range(pl.len()) % 30, pl.when(pl.int_range(pl.len()) % 5 > 0).then(pl.int_range(pl.len()))],
)
def test_identifiers_that_repeat_alert(stuck: pl.Expr) -> None:
    current = frame(ROWS).with_columns(id=pl.format("order {}", stuck.fill_null(-1)))
    found = drift(frame(), current).report
    assert alerted(found) == ["id"]
    assert "values that were all different repeat" in found.reasons[0]


def test_new_identifiers_are_no_news_however_many_windows() -> None:
    windows, reference, state = 60, profile(frame().select("id")), None
    for window in range(1, windows + 1):
        compared = drift(reference, frame(window * ROWS).select("id"), state=state)
        state = compared.state
    (column,) = compared.report.columns
    assert column.evidence < windows


def test_identifiers_of_which_some_came_twice_may_repeat() -> None:
    place = pl.int_range(pl.len())
    reference = frame().with_columns(id=pl.format("order {}", place - (place % 4 == 3)))
    assert profile(reference).presences[0].kind == "presence"
    current = frame(ROWS).with_columns(id=pl.format("order {}", place // 100))
    assert not drift(reference, current).report.alert


def test_what_falls_now_and_then_may_begin_lower() -> None:
    """Rows in the order of their time, with the minute of the day: in summer days begin earlier."""
    days = [np.sort(np.random.default_rng(day).integers(300, 1440, 200)) for day in range(20)]
    reference = profile(pl.DataFrame({"minute": np.concatenate(days)}))
    assert [column.kind for column in reference.presences] == ["presence"]
    early = pl.DataFrame({"minute": np.concatenate(days[:5]) - 120})
    assert not drift(reference, early).report.alert
    assert drift(reference, early.with_columns(minute=pl.lit(None, pl.Int64))).report.alert


def test_another_type_is_told_as_such_and_not_judged_twice() -> None:
    current = frame(ROWS).with_columns(pl.col("at").dt.to_string("iso"), id=pl.int_range(pl.len()))
    found = drift(frame(), current)
    assert found.report.retyped == {"id": "number", "at": "text"}
    assert alerted(found.report) == ["id", "at"]
    assert len(found.report.reasons) == 1
    assert {column.name for column in found.current.presences} == {"born", "counter", "tags", "note", "closed"}


def test_they_merge_and_are_scanned_like_the_others(tmp_path: Path) -> None:
    reference, current = profile(frame()), frame(ROWS - 10, 900)
    parts = [profile_like(reference, current[start : start + 300]) for start in (0, 300, 600)]
    whole = profile_like(reference, current)
    assert [merge(parts).presences, merge(parts[::-1]).presences] == [whole.presences] * 2
    current.write_parquet(tmp_path / "window.parquet")
    frame().write_parquet(tmp_path / "reference.parquet")
    assert scan_parquet(tmp_path / "reference.parquet").presences == reference.presences
    assert scan_parquet(tmp_path / "window.parquet", reference).presences == whole.presences


def test_alone_they_are_judged_too() -> None:
    reference = frame().select("id", "at")
    assert not drift(reference, frame(ROWS).select("id", "at")).report.alert
    assert alerted(drift(reference, frame(ROWS).select("at", id=pl.lit(None, pl.String))).report) == ["id"]


def test_what_stretches_of_the_reference_did_is_no_news_where_seasons_are_declared() -> None:
    """Each week the first day has no id."""
    gone = pl.int_range(pl.len()) % 700 < 100
    reference = frame(0, 7000).with_columns(pl.when(~gone).then("id").alias("id"))
    current = reference[:700]
    assert "id" in drift(reference, current).report.uneven
    assert not drift(reference, reference[:100], seasons=True).report.alert


def test_nothing_is_won_on_them_while_nothing_changes(plausible: Callable[[int, int, float], bool]) -> None:
    """Dates drawn from one distribution, and values that are missing at random, in references of every kind of size."""
    chance, won, runs = np.random.default_rng(3), 0, 0
    for _ in range(300):
        rows = int(chance.choice([100, 300, 1000]))
        rate = chance.choice([0.0, 0.001, 0.05, 0.5])

        def drawn(rows: int, rate: float = rate) -> pl.DataFrame:
            days = pl.Series(chance.integers(0, 5000, rows)).cast(pl.Int32).cast(pl.Date)
            ids = pl.Series([f"{place}" for place in chance.integers(0, 10**9, rows)])
            there = pl.Series(chance.random(rows) >= rate)
            return pl.DataFrame({"day": days.set(~there, None), "id": ids.set(~there, None)})

        report = drift(drawn(rows), drawn(int(chance.choice([50, 500])))).report
        won += sum(column.evidence >= 20 for column in report.columns)
        runs += 2
    assert plausible(won, runs, 1 / 20)


def test_a_profile_of_an_earlier_windlass_judges_what_it_judged() -> None:
    whole = profile(frame())
    older = Profile(rows=whole.rows, columns=whole.columns, unwatched=whole.unwatched, types=whole.types)
    found = drift(older, frame(ROWS).with_columns(id=pl.lit(None, pl.String))).report
    assert [column.name for column in found.columns] == ["x"]
    assert not found.alert


def test_the_picture_shows_what_is_gone_too_old_or_infinite() -> None:
    reference = profile(frame())
    current = frame(ROWS).with_columns(
        x=pl.when(pl.int_range(pl.len()) % 2 == 0).then(float("inf")).otherwise("x"),
        id=pl.lit(None, pl.String),
        at=pl.col("at") - timedelta(days=3650),
    )
    window = profile_like(reference, current)
    own = {column.name: column for column in window.judged}
    shapes = {column.name: shape_of(column, own[column.name]) for column in reference.judged}
    assert shapes["x"].labels[-1] == "infinite"
    assert (shapes["x"].reference[-1], shapes["x"].window[-1]) == (0, 0.5)
    assert sum(shapes["x"].window) == pytest.approx(1)
    assert shapes["id"].labels == (*(f"group {place}" for place in range(1, 21)), "missing")
    assert shapes["id"].reference == (*[0.05] * 20, 0)
    assert shapes["id"].window == (*[0] * 20, 1)
    assert shapes["tags"] == Shape(labels=("there",), reference=(1,), window=(1,))
    assert shapes["at"] == Shape(labels=("before the reference", "later"), reference=(0, 1), window=(1, 0))


def test_what_is_infinite_has_one_bar_also_where_nearly_all_values_are_one() -> None:
    places = np.arange(10_000)
    reference = profile(pl.DataFrame({"x": np.where(places % 250 == 7, places / 9, 0.0)}))
    window = profile_like(reference, pl.DataFrame({"x": np.where(places % 300 == 1, np.inf, 0.0)}))
    shape = shape_of(reference.columns[0], window.columns[0])
    assert sum(shape.window) == pytest.approx(1)
    assert sum(shape.reference) == pytest.approx(1)


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_what_was_always_missing_and_is_there_now_alerts_however_that_was_written(nothing: float | None) -> None:
    never = pl.DataFrame({"a": pl.Series([nothing] * ROWS, dtype=pl.Float64)})
    found = drift(never, pl.DataFrame({"a": np.random.default_rng(0).normal(size=ROWS)})).report
    assert alerted(found) == ["a"]
    assert found.columns[0].effect.missing_change == -1.0
    assert not drift(never, never).report.alert
