"""Whose fault a failure is: the rows' is a 422 that names them, the version's own is a 500 that the log explains."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windlass.records.bundle import Column
from windlass.serving.versions.blame import _MOST_ASKED, _MOST_WITHOUT_WITNESS, Witness, blame
from windlass.serving.versions.lineup import Loaded

BAD = 99.0
COLUMNS = tuple(Column(name=name, dtype="float") for name in "abcdefgh")
FAILURES = 'windlass_prediction_failures_total{product="flights",stage="champion",version="v1"}'


class Version:
    """Fails on frames of which `trips` says so, and counts how often it was asked."""

    def __init__(self, trips: Callable[[pl.DataFrame], bool]) -> None:
        self.asked = 0
        self._trips = trips

    def __call__(self, frame: pl.DataFrame) -> str | None:
        self.asked += 1
        return "ValueError: no" if self._trips(frame) else None


def has_bad(frame: pl.DataFrame) -> bool:
    return bool((frame.to_numpy() == BAD).any())


def frame_of(rows: int, bad: set[tuple[int, int]]) -> pl.DataFrame:
    cells = np.arange(rows * len(COLUMNS), dtype=float).reshape(rows, -1) / 1e6
    for row, column in bad:
        cells[row, column] = BAD
    return pl.DataFrame(cells, schema=[column.name for column in COLUMNS])


def known(row: pl.DataFrame | None = None) -> Witness:
    witness = Witness()
    witness.keep(frame_of(1, set()) if row is None else row)
    return witness


@settings(max_examples=150)
@given(data=st.data(), rows=st.integers(1, 300), proven=st.booleans())
def test_every_bad_row_is_found_with_a_bad_value_of_it(data: st.DataObject, rows: int, proven: bool) -> None:
    places = st.tuples(st.integers(0, rows - 1), st.integers(0, len(COLUMNS) - 1))
    bad = data.draw(st.sets(places, min_size=1, max_size=2))
    version = Version(has_bad)
    frame = frame_of(rows, bad)
    assert version(frame) is not None
    problems = blame(version, frame, "ValueError: no", witness=known() if proven else Witness(), columns=COLUMNS)
    assert {problem.row for problem in problems} == {row for row, _ in bad}
    assert {(problem.row, "abcdefgh".index(problem.field)) for problem in problems} <= bad
    assert version.asked <= _MOST_ASKED + 1


@pytest.mark.parametrize("proven", [True, False])
@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_a_version_that_fails_on_everything_is_asked_a_few_times_and_blames_nobody(rows: int, proven: bool) -> None:
    version = Version(lambda _frame: True)
    witness = known() if proven else Witness()
    assert blame(version, frame_of(rows, set()), "ValueError: no", witness=witness, columns=COLUMNS) == []
    assert version.asked <= (1 if proven else _MOST_WITHOUT_WITNESS)


@pytest.mark.parametrize("rows", [1, 300])
def test_a_version_that_failed_in_passing_blames_nobody(rows: int) -> None:
    """A service that it asks was away for a moment: it answers the same rows now."""
    version = Version(lambda _frame: False)
    assert blame(version, frame_of(rows, set()), "OSError: no", witness=known(), columns=COLUMNS) == []
    assert version.asked == 2


def test_a_version_that_fails_on_several_rows_at_once_blames_none_of_them() -> None:
    version = Version(lambda frame: frame.height > 1)
    assert blame(version, frame_of(9, set()), "ValueError: no", witness=known(), columns=COLUMNS) == []


def test_ten_thousand_bad_rows_cost_no_more_than_a_few() -> None:
    version = Version(has_bad)
    frame = frame_of(10_000, {(row, 3) for row in range(10_000)})
    problems = blame(version, frame, "ValueError: no", witness=known(), columns=COLUMNS)
    assert problems[0].row == 0
    assert version.asked <= _MOST_ASKED


def test_values_that_only_fail_together_name_the_one_that_completes_them() -> None:
    version = Version(lambda frame: bool((frame["b"] == BAD).any() and (frame["f"] == BAD).any()))
    problems = blame(version, frame_of(3, {(1, 1), (1, 5)}), "ValueError: no", witness=known(), columns=COLUMNS)
    assert [(problem.row, problem.field) for problem in problems] == [(1, "f")]


def test_a_gap_that_the_version_takes_is_not_named_beside_one_that_it_does_not() -> None:
    version = Version(lambda frame: frame["c"].has_nulls() or frame["g"].has_nulls())
    frame = frame_of(2, set()).with_columns(pl.lit(None, pl.Float64).alias(name) for name in "acg")
    problems = blame(version, frame, "ValueError: no", witness=known(), columns=COLUMNS)
    assert [(problem.row, problem.field) for problem in problems] == [(0, "c"), (0, "g"), (1, "c"), (1, "g")]


# -- over HTTP -------------------------------------------------------------------------------------------------------


def picky(rows: pl.DataFrame) -> Any:
    """Takes no missing seats and no carrier that it has not seen, as a model of scikit-learn would."""
    if rows["seats"].has_nulls():
        raise ValueError("Input X contains NaN.\nLogisticRegression does not accept missing values")
    unknown = set(rows["carrier"].drop_nulls()) - {"AA", "UA"}
    if unknown:
        raise ValueError(f"Found unknown categories {sorted(unknown)} in column 0 during transform")
    return rows["distance"].to_numpy()


@pytest.fixture
def strict(stage: Any) -> Any:
    stage.add("v1", model=picky)
    stage.route("v1")
    return stage


@pytest.mark.parametrize("first", [True, False])
def test_a_gap_that_the_model_does_not_take_is_a_422_also_in_the_very_first_request(strict: Any, first: bool) -> None:
    if not first:
        assert strict.predict().status_code == 200
    before = len(strict.captured)
    reply = strict.predict({**strict.row, "seats": None})
    assert reply.status_code == 422
    (field,) = reply.json()["fields"]
    assert (field["field"], field["row"]) == ("seats", 0)
    assert field["reason"] == "this version takes no missing value here: ValueError: Input X contains NaN."
    assert len(strict.captured) == before
    assert strict.metric(FAILURES) == 0


def test_a_gap_is_named_even_if_no_other_row_is_answered(stage: Any) -> None:
    def never(rows: pl.DataFrame) -> Any:
        raise ValueError("Input X contains NaN" if rows["seats"].has_nulls() else "always")

    stage.add("v1", model=never)
    stage.route("v1")
    reply = stage.predict(stage.row, {**stage.row, "seats": None})
    assert reply.status_code == 422
    assert [(field["field"], field["row"]) for field in reply.json()["fields"]] == [("seats", 1)]
    assert stage.predict().status_code == 500


@pytest.mark.parametrize("path", ["predict", "invocations"])
def test_a_value_that_the_model_cannot_take_is_named_among_many_rows(strict: Any, path: str) -> None:
    rows = [strict.row] * 70 + [{**strict.row, "carrier": "ZZ"}] + [strict.row] * 29
    body = {"rows": rows} if path == "predict" else {"dataframe_records": rows}
    reply = strict.client.post(f"/flights/{path}", json=body)
    assert reply.status_code == 422
    (field,) = reply.json()["fields"]
    assert (field["field"], field["row"]) == ("carrier", 70)
    assert "unknown categories ['ZZ']" in field["reason"]
    assert strict.captured == []


def test_an_answer_that_is_no_number_is_put_down_to_the_row(stage: Any) -> None:
    stage.add("v1", model=lambda rows: np.where(rows["seats"] == 0, np.inf, 0.5))
    stage.route("v1")
    reply = stage.predict(stage.row, {**stage.row, "seats": 0})
    assert reply.status_code == 422
    assert [(field["field"], field["row"]) for field in reply.json()["fields"]] == [("seats", 1)]


def test_a_version_that_fails_on_what_it_answered_before_is_a_500_that_the_log_explains(
    stage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    broken: list[bool] = []
    stage.add("v1", model=lambda rows: rows["no such column"] if broken else rows["distance"].to_numpy())
    stage.route("v1")
    assert stage.predict().status_code == 200
    broken.append(True)
    reply = stage.predict({**stage.row, "seats": None}, request_id="mine")
    assert reply.status_code == 500
    assert reply.json()["error_id"] == "mine"
    assert "no such column" in reply.json()["error"]
    assert stage.captured[-1].request_id == "mine"
    assert stage.metric(FAILURES) == 1
    (record,) = [record for record in caplog.records if "of request mine" in record.message]
    assert record.exc_info is not None


def test_code_that_wants_to_leave_does_not_take_the_worker_along(stage: Any) -> None:
    stage.add("v1", model=lambda rows: sys.exit(3) if rows["seats"][0] == 3 else rows["distance"].to_numpy())
    stage.route("v1")
    assert stage.predict().json()["fields"][0]["field"] == "seats"
    assert stage.predict({**stage.row, "seats": 4}).status_code == 200


class Own(BaseException):
    """What some libraries that switch between tasks throw into user code."""


@pytest.mark.parametrize("kind", [asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, Own, SystemExit])
def test_what_is_no_exception_is_a_failure_of_the_version_all_the_same(stage: Any, kind: type[BaseException]) -> None:
    def model(rows: pl.DataFrame) -> Any:
        if rows["seats"][0] == 3:
            raise kind("said so")
        return rows["distance"].to_numpy()

    stage.add("v1", model=model)
    stage.route("v1")
    refused = stage.predict().json()["fields"][0]
    assert (refused["field"], refused["reason"]) == (
        "seats",
        f"this version fails on the value: {kind.__name__}: said so",
    )
    assert stage.predict({**stage.row, "seats": 4}).status_code == 200


def test_ctrl_c_in_the_main_thread_is_meant_for_us(stage: Any) -> None:
    def model(_rows: pl.DataFrame) -> Any:
        raise KeyboardInterrupt

    loaded = Loaded.of("v1", "d", stage.fake(stage.manifest(), model=model))
    with pytest.raises(KeyboardInterrupt):
        loaded.predict(pl.DataFrame(stage.row))


def test_a_fault_of_ours_has_a_name_in_the_log(
    flights: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(_name: str) -> Any:
        raise RuntimeError("out of order")

    monkeypatch.setattr(flights.board, "of", break_down)
    for path in ("/flights/predict", "/flights/invocations", "/v2/models/flights/infer"):
        reply = flights.client.post(path, json={"rows": [flights.row]} | {"instances": [], "inputs": []})
        assert reply.status_code == 500
        assert reply.json()["error_id"] in caplog.text
        assert "out of order" not in reply.text


def test_rows_that_the_champion_cannot_take_tell_nothing_against_a_canary(stage: Any) -> None:
    stage.add("v1", model=picky)
    stage.add("v2", model=picky)
    stage.route("v1", "v2", mode="canary", share=0.5, salt="s")
    rows = [{**stage.row, "flight": f"f{number}"} for number in range(20)]
    rows[13] = {**rows[13], "carrier": "ZZ"}
    reply = stage.predict(*rows)
    assert reply.status_code == 422
    assert [(field["field"], field["row"]) for field in reply.json()["fields"]] == [("carrier", 13)]
    assert stage.captured == []
    assert stage.predict(*rows[:13]).status_code == 200
