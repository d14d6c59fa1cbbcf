"""Which label a row has as of a moment: one rule for training and for the backtest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.errors import DataError
from windlass.lake.join import join_outcomes
from windlass.lake.served import OUTCOMES
from windlass.pipeline.rows.labels import (
    OUTCOME_COLUMNS,
    label_history,
    labels_as_of,
    outcome_frame,
    with_labels,
    without_repeats,
)
from windlass.product.policy import Outcome
from windlass.product.task import BinaryClassification, MulticlassClassification, Regression

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
BINARY = BinaryClassification(target="late", time="at", key="id")


def rows(*labels: object, dtype: Any = pl.Boolean) -> pl.DataFrame:
    """One row a day, the first is 1."""
    days = [START + place * DAY for place in range(len(labels))]
    late = pl.Series("late", labels, dtype=dtype)
    return pl.DataFrame({"id": range(1, len(labels) + 1), "at": days}).with_columns(late)


def told(*outcomes: tuple[int, object, float]) -> pl.DataFrame:
    """Key, value and the day it was observed, in the order received."""
    frame = pl.DataFrame(
        {
            "id": [key for key, _, _ in outcomes],
            "value": pl.Series([value for _, value, _ in outcomes], strict=False),
            "at": [START + day * DAY for _, _, day in outcomes],
        },
        schema_overrides={"at": pl.Datetime("us", "UTC")},
    )
    return outcome_frame(frame, key="id", now=None)


def labelled(frame: pl.DataFrame, outcomes: pl.DataFrame, *, day: float, **policy: Any) -> list[object]:
    outcome = Outcome(**({"within": "3d"} | policy))
    task = BINARY if frame["late"].dtype in (pl.Boolean, pl.Null) else MulticlassClassification(**BINARY_ROLES)
    return with_labels(frame, outcomes, task=task, outcome=outcome, as_of=START + day * DAY).rows["late"].to_list()


BINARY_ROLES = {"target": "late", "time": "at", "key": "id"}


def test_a_rows_own_label_comes_before_outcomes() -> None:
    assert labelled(rows(True, None, False), told((1, False, 1), (2, True, 2)), day=9) == [True, True, False]


def test_a_label_is_known_since_its_first_outcome_and_one_of_the_row_since_nobody_knows() -> None:
    found = with_labels(
        rows(True, None, None, None),
        told((1, False, 1), (2, True, 2), (2, False, 4), (3, True, 9)),
        task=BINARY,
        outcome=Outcome(within="6d", absent=False),
        as_of=START + 10 * DAY,
    )
    assert found.rows["late"].to_list() == [True, False, True, False]
    came = [None if at is None else (at - START) / DAY for at in found.known_at]
    assert came == [None, 2.0, pytest.approx(8.0), pytest.approx(9.0)]  # two were first taken to be absent


def test_the_outcome_observed_last_counts_and_none_from_the_future() -> None:
    history = told((1, False, 5), (1, True, 2), (2, True, 2))
    assert labelled(rows(None, True, False), history, day=4) == [True, True, False]
    assert labelled(rows(None, True, False), history, day=5) == [False, True, False]
    assert labelled(rows(None, True, False), history, day=1) == [None, True, False]


def test_a_label_is_not_known_before_its_row() -> None:
    # The flight of day 2 was cancelled on day 0.
    frame, history = rows(True, False, None), told((3, True, 0))
    assert labelled(frame, history, day=1.9) == [True, False, None]
    assert labelled(frame, history, day=2) == [True, False, True]


def test_what_never_comes_means_what_the_policy_says_once_the_time_is_over() -> None:
    frame = rows(None, None, None, True)
    assert labelled(frame, told((2, True, 3.5)), day=4.5, absent=False) == [False, True, None, True]
    assert labelled(frame, told((2, True, 3.5)), day=4.5) == [None, True, None, True]
    # What comes later than that corrects it.
    assert labelled(frame, told((1, True, 8)), day=7, absent=False) == [False, False, False, True]
    assert labelled(frame, told((1, True, 8)), day=8, absent=False) == [True, False, False, True]
    # In the very moment it still comes in time.
    assert labelled(frame, told(), day=3, absent=False) == [None, None, None, True]


def test_a_new_class_stays_what_it_is() -> None:
    frame = rows("a", "b", "c", None, dtype=pl.String)
    assert labelled(frame, told((4, "storm", 3)), day=9) == ["a", "b", "c", "storm"]


def test_without_labels_of_their_own_rows_get_those_that_come() -> None:
    frame = rows(None, None, dtype=pl.Null)
    assert labelled(frame, told((1, True, 1), (2, False, 1)), day=9) == [True, False]
    without = frame.drop("late")
    found, _ = with_labels(without, told(), task=BINARY, outcome=Outcome(), as_of=START)
    assert found.columns == without.columns


def test_rows_without_an_event_time_wait_for_ever() -> None:
    task = BinaryClassification(target="late", key="id")
    frame = rows(None, True, False).drop("at")
    found, _ = with_labels(frame, told((3, True, 1)), task=task, outcome=Outcome(absent=False), as_of=START + 99 * DAY)
    assert found["late"].to_list() == [None, True, False]


def test_an_absent_label_that_is_none_names_the_policy() -> None:
    with pytest.raises(DataError, match="'no' cannot be a label") as caught:
        labelled(rows(True, False), told(), day=9, absent="no")
    assert caught.value.where == "Outcome.absent"


def test_fractions_among_whole_numbers_are_not_cut_off() -> None:
    task = Regression(target="late", time="at", key="id")
    frame = rows(3, 4, None, None, dtype=pl.Int64)
    outcome, late = Outcome(), START + 99 * DAY
    found, _ = with_labels(frame, told((3, 2.7, 2)), task=task, outcome=outcome, as_of=late)
    assert found["late"].to_list() == [3.0, 4.0, 2.7, None]
    whole = with_labels(frame, told((3, 2.0, 2)), task=task, outcome=outcome, as_of=late).rows["late"]
    assert (whole.dtype, whole.to_list()) == (pl.Int64, [3, 4, 2, None])
    with pytest.raises(DataError, match="must be a finite number"):
        with_labels(frame, told((3, "many", 2)), task=task, outcome=outcome, as_of=late)


# -- the same rule as of answers that were served --------------------------------------------------------------------

_KEYS = st.sampled_from(["a", "b"])
_HOURS = st.integers(0, 8)


@given(
    cases=st.lists(st.tuples(_KEYS, _HOURS), max_size=4),
    outcomes=st.lists(st.tuples(_KEYS, _HOURS), max_size=6),
    within=st.integers(1, 6),
    absent=st.none() | st.just(-1),
    moment=st.integers(0, 20),
)
def test_history_tells_what_the_lake_tells_as_of_any_moment(
    cases: list[tuple[str, int]], outcomes: list[tuple[str, int]], within: int, absent: int | None, moment: int
) -> None:
    hour = timedelta(hours=1)
    policy = Outcome(within=within * hour, absent=absent)
    as_of = START + moment * hour
    # The lake lets an outcome of a key count for answers at or before it; a row's key is that of one case alone.
    earliest = {key: min((at for other, at in outcomes if other == key), default=99) for key, _ in cases}
    asked = [(key, min(at, earliest[key])) for key, at in cases]
    predictions = pl.DataFrame(
        {
            "prediction_id": [f"p{place}" for place in range(len(asked))],
            "key": [key for key, _ in asked],
            "at": [START + at * hour for _, at in asked],
        },
        schema={"prediction_id": pl.String, "key": pl.String, "at": pl.Datetime("us", "UTC")},
    )
    held = pl.DataFrame(
        [
            {"_sequence": place, "key": key, "value": str(place), "observed_at": START + at * hour}
            for place, (key, at) in enumerate(outcomes)
        ],
        schema_overrides={"observed_at": pl.Datetime("us", "UTC")},
        schema={name: dtype for name, dtype in OUTCOMES.items() if name != "request_id"},
    )
    expected = join_outcomes(predictions, held, outcome=policy, as_of=as_of).select("value", "known_at").rows()
    history = labels_as_of(label_history(predictions, held, outcome=policy), as_of)
    # What is silent for so long is absent just after: an outcome may come in that very moment.
    history = history.with_columns(pl.col("known_at").dt.truncate("1ms"))
    found = {row: (value, known_at) for row, value, known_at in history.select("row", "value", "known_at").iter_rows()}
    answered = [START + at * hour <= as_of for _, at in asked]
    assert [found.get(place, (None, None)) for place in range(len(asked))] == [
        told if there else (None, None) for told, there in zip(expected, answered, strict=True)
    ]


# -- outcomes of an extract ------------------------------------------------------------------------------------------


def test_outcomes_say_nothing_without_a_value_or_a_subject() -> None:
    frame = pl.DataFrame({"id": [1, None, 3, 4], "value": [1.5, 2.0, None, float(7)]})
    found = outcome_frame(frame, key="id", now=START)
    assert found.schema == OUTCOME_COLUMNS
    assert found.rows() == [(None, "1", "1.5", START), (None, "4", "7.0", START)]
    with pytest.raises(DataError, match="nan is not a label"):
        outcome_frame(pl.DataFrame({"id": [1], "value": [float("nan")]}), key="id", now=START)


def test_what_was_said_last_is_no_news_unless_it_comes_with_its_time() -> None:
    now = START + 9 * DAY
    held = told((1, True, 1), (1, False, 2), (2, True, 1))
    again = pl.DataFrame({"id": [1, 1, 2, 3], "value": [False, True, True, True]})
    fresh = without_repeats(outcome_frame(again, key="id", now=now), held, now=now)
    assert fresh.select("key", "value").rows() == [("1", "true"), ("3", "true")]
    dated = told((2, True, 4))
    assert without_repeats(dated, held, now=now).equals(dated)
