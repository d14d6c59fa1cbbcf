"""Which labelled rows may be learned from: those of a time whose labels are there as far as they will ever be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

import windlass as wl
from windlass.errors import DataError
from windlass.lake.lake import TrainingSet
from windlass.lake.pins import SERVED_COLUMNS, WAITING_COLUMNS
from windlass.pipeline.rows.labelled import LabelledRows, labelled_rows
from windlass.pipeline.rows.labels import OUTCOME_COLUMNS

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MOMENT = pl.Datetime("us", "UTC")
NO_OUTCOMES = pl.DataFrame(schema=OUTCOME_COLUMNS | {"known_at": MOMENT}).drop("prediction_id")


class Loans(wl.Product):
    """Will it be paid back? A default shows after an hour, that it was paid back after five days."""

    task = wl.BinaryClassification(target="bad", time="at", key="id")
    outcome = wl.Outcome(within="7d")


class Slow(Loans):
    outcome = wl.Outcome(within="30d")


class Timeless(Loans):
    task = wl.BinaryClassification(target="bad", key="id")


def loans(days: float, *, until: datetime = NOW, seed: int = 0) -> pl.DataFrame:
    """A loan every quarter of an hour with the label that is known by `NOW`; a third goes bad."""
    count = int(days * 96)
    bad = np.random.default_rng(seed).random(count) < 1 / 3
    at = [until - place * HOUR / 4 for place in range(count, 0, -1)]
    known = [moment + (HOUR if is_bad else 5 * DAY) <= NOW for moment, is_bad in zip(at, bad, strict=True)]
    labels = [bool(is_bad) if there else None for is_bad, there in zip(bad, known, strict=True)]
    return pl.DataFrame(
        {"id": range(count), "at": pl.Series(at, dtype=MOMENT), "sum": np.linspace(0, 1, count), "bad": labels},
        schema_overrides={"bad": pl.Boolean},
    )


CAME = pl.col("at") + pl.when(pl.col("bad")).then(HOUR).otherwise(5 * DAY)


def answered(frame: pl.DataFrame, *, first: int = 100_000) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The same as answers: those with a label, and those that wait for one."""
    rows = frame.with_columns(
        key=(pl.col("id") + first).cast(pl.String),
        prediction_id=pl.format("p{}", "id"),
        event_time=pl.col("at"),
        observed_at=CAME,
        known_at=CAME,
        value=pl.col("bad").cast(pl.String),
        request=pl.struct(pl.col("id") + first, pl.col("at").dt.to_string("iso:strict"), "sum").struct.json_encode(),
    )
    served = rows.filter(pl.col("bad").is_not_null())
    return (
        served.select(SERVED_COLUMNS),
        rows.filter(pl.col("bad").is_null()).select(WAITING_COLUMNS),
    )


NOBODY = answered(loans(1).head(0))


def found(
    rows: pl.DataFrame,
    answers: tuple[pl.DataFrame, pl.DataFrame] = NOBODY,
    *,
    product: type[wl.Product] = Loans,
    outcomes: pl.DataFrame = NO_OUTCOMES,
) -> LabelledRows:
    training_set = TrainingSet(sources={"rows": rows}, served=answers[0], waiting=answers[1])
    return labelled_rows(product(), training_set, outcomes, as_of=NOW)


def share_of_bad(rows: pl.DataFrame) -> float:
    newest: Any = rows.tail(rows.height // 5)["bad"].mean()
    return float(newest)


def test_labels_that_come_early_do_not_make_the_newest_rows() -> None:
    rows = loans(40)
    naive = rows.filter(pl.col("bad").is_not_null())
    assert share_of_bad(naive) > 0.4
    assert naive.tail(100)["bad"].all()
    learned = found(rows)
    assert share_of_bad(learned.rows) == pytest.approx(1 / 3, abs=0.06)
    assert learned.rows["at"].is_sorted()
    assert NOW - 5.2 * DAY < learned.rows["at"].max() < NOW - 4.7 * DAY  # type: ignore[operator]
    assert learned.early == pytest.approx(96 * 5 / 3, abs=25)
    assert learned.remarks == [f"{learned.early} rows left out until more labels of that time have come"]


def test_labels_of_rows_whose_time_has_not_come_are_told() -> None:
    rows = loans(40, until=NOW - 10 * DAY)
    assert found(rows).remarks == []
    late = rows.with_columns(at=pl.when(pl.col("id") < 100).then(pl.lit(NOW) + HOUR).otherwise("at").cast(MOMENT))
    (said,) = found(late).remarks
    assert said.startswith("100 rows with a label, but a time in the future")
    unlabelled = late.with_columns(bad=pl.when(pl.col("at") > NOW).then(None).otherwise("bad"))
    assert not any("future" in each for each in found(unlabelled).remarks)  # asked ahead of its time


def test_answers_that_wait_for_their_outcome_count_like_rows_without_a_label() -> None:
    history = loans(20, until=NOW - 20 * DAY, seed=1)
    served, waiting = answered(loans(20))
    assert found(history, (served, waiting.clear())).rows.tail(100)["bad"].all()
    learned = found(history, (served, waiting))
    assert share_of_bad(learned.rows) == pytest.approx(1 / 3, abs=0.06)
    assert learned.early == pytest.approx(96 * 5 / 3, abs=25)


def test_an_answer_without_a_time_is_of_the_moment_it_was_asked_at() -> None:
    served, waiting = answered(loans(20, until=NOW - 20 * DAY))
    request = served["request"].str.replace(r'"at":"[^"]*"', '"at":null')
    timeless = served.with_columns(request=request, event_time=pl.lit(None, dtype=MOMENT))
    assert timeless["request"].str.contains('"at":null').all()
    learned = found(loans(20, until=NOW - 40 * DAY), (timeless, waiting))
    assert learned.rows["at"].null_count() == 0
    assert learned.rows["at"].max() == served["at"].max()
    assert learned.served == served.height


def test_answers_say_nothing_where_the_labels_come_with_extracted_rows() -> None:
    rows = loans(40).filter(pl.col("bad").is_not_null())
    _, waiting = answered(loans(30).with_columns(bad=pl.lit(None, dtype=pl.Boolean)))
    assert found(rows, (NOBODY[0], waiting)).early == 0


def test_an_answer_whose_key_was_extracted_is_that_row() -> None:
    rows = loans(40)
    known = rows.filter(pl.col("bad").is_not_null())
    served, waiting = answered(rows, first=0)
    learned = found(known, (served, waiting.filter(pl.col("key").is_in(known["id"].cast(pl.String).implode()))))
    assert (learned.early, learned.rows.height, learned.served) == (0, known.height, 0)
    assert found(known, (served, waiting)).early > 0  # the others are waited for


def test_outcomes_of_rows_are_waited_for_too() -> None:
    rows = loans(40)
    told = rows.filter(pl.col("bad").is_not_null()).select(
        key=pl.col("id").cast(pl.String), value=pl.col("bad").cast(pl.String), observed_at=CAME, known_at=CAME
    )
    learned = found(rows.drop("bad"), outcomes=told)
    assert share_of_bad(learned.rows) == pytest.approx(1 / 3, abs=0.06)
    assert learned.unlabelled == rows["bad"].null_count()
    early = learned.rows.height
    # told with the date of the loan, delays say nothing: rows wait as where nobody saw when labels came
    dated = told.with_columns(pl.col("observed_at", "known_at").min())
    learned = found(rows.drop("bad"), outcomes=dated)
    assert share_of_bad(learned.rows) == pytest.approx(1 / 3, abs=0.06)
    assert learned.rows.height == pytest.approx(early, abs=25)


def test_labels_that_are_sent_again_or_corrected_are_as_old_as_their_first() -> None:
    """Each is told once more at the end of a month, and some were no label at all when they came first."""
    rows = loans(40)
    seen = rows.with_columns(key=pl.col("id").cast(pl.String), value=pl.col("bad").cast(pl.String), known_at=CAME)
    once = seen.filter(pl.col("bad").is_not_null()).select("key", "value", "known_at", observed_at="known_at")
    again = once.with_columns(observed_at=pl.lit(NOW)).select(once.columns)
    assert found(rows.drop("bad"), outcomes=again.select(NO_OUTCOMES.columns)).rows.equals(
        found(rows.drop("bad"), outcomes=once.select(NO_OUTCOMES.columns)).rows
    )
    (served, waiting), later = answered(loans(20)), {"observed_at": pl.lit(NOW)}
    learned = found(loans(1).clear(), (served.with_columns(**later).select(SERVED_COLUMNS), waiting))
    assert learned.rows.equals(found(loans(1).clear(), (served, waiting)).rows)


def test_where_both_classes_come_at_every_age_young_rows_count_too() -> None:
    """Delays of some days, twice as long for the good: of the young rows such are taken as stand for their time."""
    rows = loans(60).with_columns(bad=pl.Series(np.random.default_rng(1).random(60 * 96) < 1 / 3))
    days = np.random.default_rng(2).exponential(np.where(rows["bad"], 1.5, 3.0))
    rows = rows.with_columns(came=pl.col("at") + pl.Series(days * DAY.total_seconds() * 1e6).cast(pl.Duration("us")))
    told = rows.filter(pl.col("came") <= NOW).select(
        key=pl.col("id").cast(pl.String), value=pl.col("bad").cast(pl.String), observed_at="came", known_at="came"
    )
    learned = found(rows.drop("bad", "came"), outcomes=told, product=Slow)
    young = pl.col("at") > NOW - 4 * DAY
    assert learned.rows.filter(young)["bad"].mean() == pytest.approx(rows.filter(young)["bad"].mean(), abs=0.08)
    assert learned.rows.filter(young).height > 80


def test_without_time_only_answers_are_young() -> None:
    rows = loans(20, seed=1).filter(pl.col("bad").is_not_null()).drop("at")
    served, waiting = answered(loans(20))
    learned = found(rows, (served, waiting), product=Timeless)
    assert learned.early == pytest.approx(96 * 5 / 3, abs=25)
    assert found(rows, product=Timeless).early == 0


def test_in_a_window_after_all_extracted_rows_answers_are_learned_from() -> None:
    served, waiting = answered(loans(20))
    learned = found(loans(1).clear(), (served, waiting))
    assert learned.served == served.height
    assert learned.rows.height == served.height - learned.early > 1000
    assert learned.rows.schema == loans(1).schema
    with pytest.raises(DataError, match="there are no rows"):
        found(loans(1).clear())


def test_when_only_one_class_is_complete_the_error_says_what_waits() -> None:
    with pytest.raises(DataError, match="only the label True") as caught:
        found(loans(4))
    assert "rows left out, since too many others of that time have none yet" in caught.value.remedy


class Private(Loans):
    capture = wl.Capture(redact=["sum"])


def test_rows_that_were_kept_without_their_values_are_not_learned_from() -> None:
    history, (served, waiting) = loans(20, until=NOW - 20 * DAY, seed=1), answered(loans(20))
    assert found(history, (served, waiting.clear())).served > 0
    assert found(history, (served, waiting.clear()), product=Private).served == 0
