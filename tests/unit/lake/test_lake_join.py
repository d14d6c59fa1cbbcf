"""Which label a prediction has as of a moment, against an oracle in plain Python."""

from __future__ import annotations

import json
import tempfile
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from windlass.errors import LakeError
from windlass.lake.join import join_outcomes
from windlass.lake.segments import SegmentWriter
from windlass.lake.served import OUTCOMES, outcome_rows, prediction_rows
from windlass.product.policy import Outcome

HOUR = timedelta(hours=1)


@pytest.fixture
def captured(lake, segments, make):
    """A lake to which `captured(*batches)` adds, in order."""
    writer = SegmentWriter(segments / "w0")

    def capture(*batches):
        for batch in batches:
            writer.append(batch)
        lake.commit_segments("flights", segments, make.noon)

    return capture


def labels(lake, make, *, hours: float = 100, outcome: Outcome | None = None, **filters) -> dict:
    """Prediction id -> label, as of so many hours after noon."""
    frame = lake.labelled(
        "flights", outcome=outcome or Outcome(within="30d"), as_of=make.noon + hours * HOUR, **filters
    )
    return {
        row["prediction_id"]: None if row["value"] is None else json.loads(row["value"])
        for row in frame.iter_rows(named=True)
    }


def test_by_id_before_by_key(lake, captured, make):
    captured(
        make.predictions("p1", "p2", "p3", keys=["a", "a", None]),
        make.outcomes(
            make.outcome("by key, later", key="a", at=make.noon + 9 * HOUR),
            make.outcome("by id", prediction_id="p1", at=make.noon + HOUR),
        ),
    )
    assert labels(lake, make) == {"p1": "by id", "p2": "by key, later", "p3": None}


def test_an_outcome_that_names_both_counts_for_the_id_alone(lake, captured, make):
    captured(
        make.predictions("p1", "p2", keys=["a", "a"]),
        make.outcomes(make.outcome(1, prediction_id="p1", key="a")),
    )
    assert labels(lake, make) == {"p1": 1, "p2": None}


def test_the_last_observed_counts_then_the_last_received(lake, captured, make):
    captured(
        make.predictions("p1", keys=["a"]),
        make.outcomes(
            make.outcome("late", prediction_id="p1", at=make.noon + 5 * HOUR),
            make.outcome("early, received after", prediction_id="p1", at=make.noon + HOUR),
        ),
    )
    assert labels(lake, make) == {"p1": "late"}
    captured(make.outcomes(make.outcome("same time", prediction_id="p1", at=make.noon + 5 * HOUR)))
    assert labels(lake, make) == {"p1": "same time"}
    assert lake.outcomes("flights", prediction_id="p1").height == 3


def test_what_was_known_then_stays_what_was_known_then(lake, captured, make):
    captured(
        make.predictions("p1", keys=["a"]),
        make.outcomes(make.outcome(0, key="a", at=make.noon + HOUR), make.outcome(1, key="a", at=make.noon + 5 * HOUR)),
    )
    assert labels(lake, make, hours=0.5) == {"p1": None}
    assert labels(lake, make, hours=1) == {"p1": 0}
    assert labels(lake, make, hours=4.9) == {"p1": 0}
    assert labels(lake, make, hours=5) == {"p1": 1}


def test_a_key_s_outcome_is_for_answers_at_or_before_it(lake, captured, make):
    captured(
        make.predictions("before", keys=["a"], at=make.noon),
        make.predictions("at", keys=["a"], at=make.noon + HOUR),
        make.predictions("after", keys=["a"], at=make.noon + 2 * HOUR),
        make.outcomes(make.outcome(1, key="a", at=make.noon + HOUR)),
    )
    assert labels(lake, make) == {"before": 1, "at": 1, "after": None}


def test_what_never_comes_follows_the_policy(lake, captured, make):
    captured(make.predictions("p1", "p2"), make.outcomes(make.outcome(True, prediction_id="p1", at=make.noon + HOUR)))
    policy = Outcome(within="2h", absent=False)
    assert labels(lake, make, hours=2, outcome=policy) == {"p1": True, "p2": None}
    assert labels(lake, make, hours=2.001, outcome=policy) == {"p1": True, "p2": False}
    assert labels(lake, make, hours=99, outcome=Outcome(within="2h")) == {"p1": True, "p2": None}
    frame = lake.labelled("flights", outcome=policy, as_of=make.noon + 9 * HOUR)
    assert frame["observed_at"].to_list() == [make.noon + HOUR, make.noon + 2 * HOUR]


def test_an_outcome_later_than_within_still_corrects(lake, captured, make):
    captured(make.predictions("p1"), make.outcomes(make.outcome(True, prediction_id="p1", at=make.noon + 50 * HOUR)))
    policy = Outcome(within="2h", absent=False)
    assert labels(lake, make, hours=49, outcome=policy) == {"p1": False}
    assert labels(lake, make, hours=50, outcome=policy) == {"p1": True}


def test_a_label_is_known_since_its_first_outcome(lake, captured, make):
    captured(
        make.predictions("by id", "by key", "both", keys=[None, "a", "b"]),
        make.predictions("between", keys=["a"], at=make.noon + 2 * HOUR),
        make.outcomes(
            make.outcome(0, prediction_id="by id", at=make.noon + 3 * HOUR),  # repeated, and received first
            make.outcome(0, prediction_id="by id", at=make.noon + HOUR),
            make.outcome(1, prediction_id="by id", at=make.noon + 90 * HOUR),  # corrected
            *(make.outcome(1, key="a", at=make.noon + hour * HOUR) for hour in (5, 1, 9)),
            make.outcome(1, key="b", at=make.noon + HOUR),
            make.outcome(0, prediction_id="both", at=make.noon + 4 * HOUR),
        ),
    )
    frame = lake.labelled("flights", outcome=Outcome(within="2h", absent=0), as_of=make.noon + 99 * HOUR)
    assert dict(frame.select("prediction_id", "value").rows()) == {
        "by id": "1",
        "by key": "1",
        "both": "0",
        "between": "1",
    }
    known = {name: (at - make.noon) / HOUR for name, at in frame.select("prediction_id", "known_at").rows()}
    assert known == {"by id": 1, "by key": 1, "both": 1, "between": 4}  # the last was silent for its two hours


def test_failed_and_shadow_answers_are_left_out_unless_asked_for(lake, captured, make):
    captured(
        make.predictions("p1", keys=["a"]),
        make.predictions("p1", keys=["a"], stage="shadow", version="v2"),
        make.predictions("p2", keys=["a"], stage="canary", version="v2"),
        make.predictions("p3", keys=["a"], error="boom"),
        make.outcomes(make.outcome(1, prediction_id="p1"), make.outcome(0, key="a")),
    )
    assert labels(lake, make) == {"p1": 1, "p2": 0}

    def stages(**filters):
        frame = lake.labelled("flights", outcome=Outcome(), as_of=make.noon + 9 * HOUR, **filters)
        return frame.select("stage", "value").rows()

    assert stages(stages=None) == [("champion", "1"), ("shadow", "1"), ("canary", "0")]
    assert stages(stages=["shadow"]) == [("shadow", "1")]
    assert stages(versions=["v2"]) == [("canary", "0")]
    assert stages(versions=[]) == []


def test_filters_bound_time_and_sequence(lake, captured, make):
    captured(*(make.predictions(f"p{hour}", at=make.noon + hour * HOUR) for hour in range(4)))
    assert list(labels(lake, make, since=make.noon + HOUR, until=make.noon + 3 * HOUR)) == ["p1", "p2"]
    assert list(labels(lake, make, after_sequence=1)) == ["p2", "p3"]
    assert list(labels(lake, make, prediction_id="p2")) == ["p2"]
    assert lake.predictions("flights", since=make.noon + 2 * HOUR, columns=["prediction_id"]).to_dict(
        as_series=False
    ) == {"prediction_id": ["p2", "p3"]}
    assert lake.predictions("flights", stages=["shadow"]).height == 0


def test_columns_are_those_asked_for(lake, captured, make):
    captured(make.predictions("p1"))
    frame = lake.labelled("flights", outcome=Outcome(), as_of=make.noon, columns=["score", "request"])
    assert frame.columns == ["score", "request", "value", "observed_at", "known_at"]
    assert "request" not in lake.labelled("flights", outcome=Outcome(), as_of=make.noon).columns
    with pytest.raises(LakeError, match="no column 'nonsense'"):
        lake.labelled("flights", outcome=Outcome(), as_of=make.noon, columns=["nonsense"])
    with pytest.raises(LakeError, match="no column 'nonsense'"):
        lake.predictions("flights", columns=["nonsense"])


def test_an_empty_lake_answers_with_empty_frames(lake, make):
    assert lake.predictions("flights", since=make.noon, columns=["score"]).schema == {"score": pl.Float64}
    assert lake.outcomes("flights", as_of=make.noon, key="a").schema == pl.Schema(OUTCOMES)
    assert lake.labelled("flights", outcome=Outcome(), as_of=make.noon).height == 0


def test_outcomes_are_found_by_id_by_key_and_as_of(lake, captured, make):
    captured(
        make.outcomes(
            make.outcome(1, prediction_id="p1", at=make.noon),
            make.outcome(2, key="a", at=make.noon + HOUR),
            make.outcome(3, key="a", at=make.noon + 2 * HOUR),
        )
    )
    assert lake.outcomes("flights", prediction_id="p1")["value"].to_list() == ["1"]
    assert lake.outcomes("flights", key="a")["value"].to_list() == ["2", "3"]
    assert lake.outcomes("flights", as_of=make.noon + HOUR)["value"].to_list() == ["1", "2"]
    assert lake.outcomes("flights", after_sequence=1)["value"].to_list() == ["3"]


def test_extracted_outcomes_come_in_once(lake, make):
    rows = make.told(make.outcome(1, key="a"), make.outcome(1, key="a"), make.outcome("x", prediction_id="p1"))
    first = lake.append_outcomes("flights", rows, request_id="run-1", now=make.noon)
    assert (first.source, first.rows_seen, first.rows_new, first.sequence) == ("outcomes", 3, 2, 1)
    assert (first.rows_equal, first.rows_superseded) == (1, 0)
    assert first.watermark == make.noon + HOUR
    again = lake.append_outcomes("flights", rows, request_id="run-2", now=make.noon + HOUR)
    assert (again.rows_new, again.sequence) == (0, 1)
    more = lake.append_outcomes("flights", make.told(make.outcome(0, key="a")), request_id="run-3", now=make.noon)
    assert (more.rows_new, more.sequence) == (1, 2)
    assert lake.outcomes("flights")["request_id"].to_list() == ["run-1", "run-1", "run-3"]
    nothing = lake.append_outcomes("flights", make.told(), request_id="run-4", now=make.noon)
    assert (nothing.rows_seen, nothing.rows_new, nothing.sequence) == (0, 0, 2)


def test_tables_made_before_it_was_kept_who_sent_what_go_on(lake, captured, segments, make):
    captured(make.predictions("p1", "p2", keys=["a", "b"]))
    old = outcome_rows([make.outcomes(make.outcome(1, prediction_id="p1"))]).drop("actor")
    table = lake._handle("flights", "outcomes")
    table.append(old)
    _, pin = lake.pin("flights", time=None, key=None, outcome=Outcome(within="30d"), as_of=make.noon + 2 * HOUR)
    before = lake.read(pin)
    assert lake.outcomes("flights")["actor"].to_list() == [None]
    captured(replace(make.outcomes(make.outcome(0, key="b", at=make.noon + 3 * HOUR)), actor="token-1"))
    lake.append_outcomes("flights", make.told(make.outcome(2, key="c")), request_id="run", now=make.noon)
    assert lake.outcomes("flights").select("value", "actor").rows() == [("1", None), ("0", "token-1"), ("2", None)]
    assert labels(lake, make) == {"p1": 1, "p2": 0}
    assert lake.read(pin).served.equals(before.served)
    table.refresh()
    table.compact()
    assert table.drop(pl.col("key") == "c", mark="erased") == 1
    assert lake.outcomes("flights")["actor"].to_list() == [None, "token-1"]
    assert lake.read(pin).served.equals(before.served)


def test_two_labels_of_one_moment_are_told_and_two_in_the_course_of_time_are_not(lake, make):
    rows = make.told(make.outcome(0, key="a"), make.outcome(1, key="b"), make.outcome(1, key="a"))
    got = lake.append_outcomes("flights", rows, request_id="run-1", now=make.noon)
    assert (got.rows_new, got.rows_superseded, got.keys_superseded) == (3, 1, 1)
    later = make.told(
        make.outcome(0, key="b", at=make.noon + 2 * HOUR), make.outcome(1, key="b", at=make.noon + 3 * HOUR)
    )
    assert lake.append_outcomes("flights", later, request_id="run-2", now=make.noon).rows_superseded == 0


@settings(max_examples=50)
@given(
    first=st.lists(st.integers(0, 9), min_size=1, max_size=5),
    again=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 90), st.sampled_from([0, 1, 2])), max_size=12),
    by_key=st.booleans(),
    order=st.randoms(use_true_random=False),
)
def test_delays_are_as_if_each_label_had_come_once(make, first, again, by_key, order):
    """Repeats and corrections of five answers, in any order, after each one's first outcome."""
    names = [f"p{place}" for place in range(len(first))]
    named = (lambda place: {"key": names[place]}) if by_key else (lambda place: {"prediction_id": names[place]})
    once = [make.outcome(0, at=make.noon + hour * HOUR, **named(place)) for place, hour in enumerate(first)]
    more = [
        make.outcome(value, at=make.noon + (first[place] + later) * HOUR, **named(place))
        for place, later, value in again
        if place < len(first)
    ]
    every = [*once, *more]
    order.shuffle(every)
    with tempfile.TemporaryDirectory() as folder:
        lake = make.lake(Path(folder) / "lake")
        writer = SegmentWriter(Path(folder) / "segments" / "w0")
        for batch in (make.predictions(*names, keys=names), make.outcomes(*every)):
            writer.append(batch)
        writer.close()
        lake.commit_segments("flights", Path(folder) / "segments", make.noon)
        found = lake.labelled("flights", outcome=Outcome(within="9d"), as_of=make.noon + 99 * HOUR)
    assert found["known_at"].to_list() == [make.noon + hour * HOUR for hour in first]
    last = [
        max(each.observed_at for each in every if named(place).items() <= asdict(each).items())
        for place in range(len(first))
    ]
    assert found["observed_at"].to_list() == last


_MOMENTS = st.integers(0, 8)
_KEYS = st.sampled_from([None, "a", "b"])
_PREDICTIONS = st.lists(st.tuples(_KEYS, _MOMENTS), max_size=6)
_OUTCOMES = st.lists(st.tuples(st.sampled_from([None, "p0", "p1", "p2", "p9"]), _KEYS, _MOMENTS), max_size=8)


@settings(max_examples=200)
@given(
    predictions=_PREDICTIONS,
    outcomes=_OUTCOMES,
    as_of=_MOMENTS,
    waiting=st.tuples(st.integers(0, 5), st.sampled_from([None, "never"])),
)
def test_the_join_agrees_with_plain_python(make, predictions, outcomes, as_of, waiting):
    within, absent = waiting
    answered = [(f"p{number}", key, make.noon + hour * HOUR) for number, (key, hour) in enumerate(predictions)]
    received = [
        (prediction, key, f"o{number}", make.noon + hour * HOUR)
        for number, (prediction, key, hour) in enumerate(outcomes)
    ]
    policy = Outcome(within=within * HOUR, absent=absent)
    now = make.noon + as_of * HOUR
    frame = prediction_rows([make.predictions(name, keys=[key], at=at) for name, key, at in answered])
    history = outcome_rows(
        [make.outcomes(make.outcome(value, prediction_id=name, key=key, at=at)) for name, key, value, at in received]
    ).with_row_index("_sequence")
    backwards = history[::-1]  # a compacted table gives its rows in no particular order
    joined = join_outcomes(frame, backwards, outcome=policy, as_of=now)
    assert joined["prediction_id"].to_list() == [name for name, _, _ in answered]
    got = joined.select("value", "observed_at", "known_at").rows()
    assert got == [_naively(each, received, policy, now) for each in answered]


def _naively(answer, received, policy, now):
    name, key, at = answer
    known = [outcome for outcome in received if outcome[3] <= now]
    mine = [outcome for outcome in known if outcome[0] == name]
    keyed = [outcome for outcome in known if outcome[0] is None and key is not None and outcome[1] == key]
    after = [outcome for outcome in keyed if outcome[3] >= at]
    candidates = mine or after
    silent = [at + policy.within] if policy.absent is not None and at + policy.within < now else []
    first = min([*silent, *(outcome[3] for outcome in mine + after)], default=None)
    if candidates:
        best = candidates[0]
        for outcome in candidates[1:]:
            if outcome[3] >= best[3]:
                best = outcome
        return json.dumps(best[2]), best[3], first
    return (json.dumps(policy.absent), first, first) if silent else (None, None, None)
