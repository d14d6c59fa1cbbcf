from __future__ import annotations

import threading
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windlass.product.contract import Decoded
from windlass.records.bundle import Column
from windlass.records.routing import Routing, Target
from windlass.serving.answers.answering import Inquiry
from windlass.serving.answers.batching import Control, Pace
from windlass.serving.metrics import Metrics
from windlass.serving.shadows.mirror import Allowance, Shadow
from windlass.serving.versions.asking import Question
from windlass.serving.versions.lineup import Lineup


def constant(value: float) -> Any:
    return lambda rows: np.full(rows.height, value)


def failing(_rows: Any) -> Any:
    raise RuntimeError("the model is broken")


def lineup(share: float, salt: str = "s") -> Lineup:
    routing = Routing(product="p", sequence=1, champion=None, share=share, salt=salt)
    return Lineup(product="p", routing=routing)


def keys(stage: Any, count: int) -> list[dict[str, Any]]:
    return [{**stage.row, "flight": f"key-{place}"} for place in range(count)]


@pytest.fixture
def canary(stage: Any) -> Any:
    stage.add("v1", model=constant(0.1))
    stage.add("v2", model=constant(0.9))
    stage.route("v1", "v2", mode="canary", share=0.3, salt="release-1")
    return stage


# -- canary ------------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(st.text(max_size=20), st.floats(0, 1), st.floats(0, 1))
def test_a_key_stays_where_it_is_and_a_larger_share_only_adds_keys(key: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert lineup(low).goes_to_challenger(key) <= lineup(high).goes_to_challenger(key)
    assert lineup(high).goes_to_challenger(key) == lineup(high).goes_to_challenger(key)


@pytest.mark.parametrize("share", [0.05, 0.25, 0.5])
def test_the_share_of_keys_is_the_share_asked_for(share: float) -> None:
    there = sum(lineup(share).goes_to_challenger(f"user-{number}") for number in range(20_000))
    assert abs(there / 20_000 - share) < 0.012  # four standard deviations at the widest


def test_the_split_is_the_same_in_every_process_and_another_in_every_release() -> None:
    chosen = [number for number in range(40) if lineup(0.25).goes_to_challenger(f"k{number}")]
    assert chosen == [1, 4, 6, 8, 10, 13, 21, 27, 37], "fixed for ever: routing records outlive processes"
    other = [number for number in range(40) if lineup(0.25, "t").goes_to_challenger(f"k{number}")]
    assert chosen != other


def test_one_request_is_split_by_key_and_answered_in_order(canary: Any) -> None:
    rows = keys(canary, 200)
    answers = canary.predict(*rows).json()["predictions"]
    expected = [canary.board.of("flights").goes_to_challenger(row["flight"]) for row in rows]
    assert [answer["version"] == "v2" for answer in answers] == expected
    assert {(answer["version"], answer["stage"], answer["score"]) for answer in answers} == {
        ("v1", "champion", 0.1),
        ("v2", "canary", 0.9),
    }
    assert {batch.stage: len(batch.ids) for batch in canary.captured} == {
        "canary": sum(expected),
        "champion": 200 - sum(expected),
    }
    by_id = {identity: key for batch in canary.captured for identity, key in zip(batch.ids, batch.keys, strict=True)}
    assert [by_id[answer["id"]] for answer in answers] == [row["flight"] for row in rows]


def test_rows_without_a_key_stay_together_by_their_request(canary: Any) -> None:
    seen = set()
    for number in range(40):
        rows = [{**canary.row, "flight": None, "seats": number}] * 3
        answers = canary.predict(*rows, request_id="every request of this gateway").json()["predictions"]
        assert len({answer["version"] for answer in answers}) == 1
        seen.add(answers[0]["version"])
    assert seen == {"v1", "v2"}


@pytest.mark.parametrize("broken", [failing, constant(float("nan"))])
def test_a_canary_that_fails_is_stood_in_for_by_the_champion(canary: Any, broken: Any) -> None:
    canary.add("v3", model=broken)
    canary.route("v1", "v3", mode="canary", share=0.5, salt="s")
    reply = canary.predict(*keys(canary, 50))
    assert reply.status_code == 200
    assert {answer["version"] for answer in reply.json()["predictions"]} == {"v1"}
    failed, answered = canary.captured
    assert (failed.version, failed.stage, failed.error is not None) == ("v3", "canary", True)
    assert (answered.version, answered.stage, len(answered.ids)) == ("v1", "champion", 50)
    assert set(failed.ids) < set(answered.ids)
    assert canary.metric('windlass_prediction_failures_total{product="flights",stage="canary",version="v3"}') == 1


def test_of_a_champion_that_fails_beside_a_canary_nothing_is_answered_and_all_is_kept(stage: Any) -> None:
    stage.add("v1", model=failing)
    stage.add("v2", model=constant(0.9))
    stage.route("v1", "v2", mode="canary", share=0.5, salt="s")
    rows = keys(stage, 50)
    assert stage.predict(*rows).status_code == 500
    asked, failed = stage.captured
    assert (asked.version, asked.stage, asked.error) == ("v2", "canary", None)
    assert (failed.version, failed.stage, failed.error is not None) == ("v1", "champion", True)
    assert sorted((*asked.keys, *failed.keys)) == sorted(row["flight"] for row in rows)


def test_versions_that_fail_equally_often_look_so_in_a_canary_of_requests_with_rows_of_both(stage: Any) -> None:
    """By chance and not for the rows, which would be their caller's fault."""
    chance, requests = np.random.default_rng(0), 400
    planned = {version: set(np.flatnonzero(chance.random(requests) < 0.2)) for version in ("v1", "v2")}

    def version(left: set[int]) -> Any:
        def model(rows: pl.DataFrame) -> Any:
            number = rows["seats"][0]
            if number in left:
                left.remove(number)
                raise RuntimeError("the database has gone away")
            return np.full(rows.height, 0.5)

        return model

    for name, numbers in planned.items():
        stage.add(name, model=version(set(numbers)))
    stage.route("v1", "v2", mode="canary", share=0.5, salt="s")
    places = {stage.board.of("flights").goes_to_challenger(row["flight"]): row for row in keys(stage, 50)}
    for number in range(requests):
        rows = [{**row, "seats": number} for row in places.values()]
        assert stage.predict(*rows).status_code == (500 if number in planned["v1"] else 200)
    for name, numbers in planned.items():
        failures = [batch.error is not None for batch in stage.captured if batch.version == name]
        assert (len(failures), sum(failures)) == (requests, len(numbers))


def test_a_challenger_with_another_column_reads_the_same_request_in_its_own_way(stage: Any) -> None:
    columns = (*stage.manifest().columns, Column(name="wind", dtype="float", nullable=False))
    stage.add("v1", model=constant(0.1))
    stage.add("v2", stage.fake(stage.manifest(columns=columns), model=lambda rows: rows["wind"].to_numpy()))
    stage.route("v1", "v2", mode="canary", share=1.0, salt="s")
    (answer,) = stage.predict({**stage.row, "wind": 0.7}).json()["predictions"]
    assert (answer["version"], answer["score"]) == ("v2", 0.7)
    assert b'"wind":0.7' in stage.captured[-1].rows[0]
    (answer,) = stage.predict(stage.row).json()["predictions"]
    assert answer["version"] == "v1", "callers that know nothing of the new column are still answered"
    assert "wind" in stage.captured[-2].error


# -- shadow ------------------------------------------------------------------------------------------------------


@pytest.fixture
def shadow(stage: Any) -> Any:
    stage.add("v1", model=constant(0.1))
    stage.add("v2", model=constant(0.9))
    stage.route("v1", "v2", mode="shadow")
    stage.parts.shadow.start()
    return stage


def test_a_shadow_is_captured_under_the_ids_of_the_answers_and_never_heard(shadow: Any) -> None:
    answers = shadow.predict(*keys(shadow, 3), request_id="r").json()["predictions"]
    assert {answer["version"] for answer in answers} == {"v1"}
    shadow.drain_shadow()
    champion, challenger = shadow.captured
    assert (champion.stage, champion.version) == ("champion", "v1")
    assert (challenger.stage, challenger.version) == ("shadow", "v2")
    assert challenger.ids == champion.ids
    assert challenger.keys == champion.keys
    assert challenger.rows == champion.rows
    assert challenger.request_id == "r"
    assert challenger.scores == (0.9, 0.9, 0.9)


def test_a_shadow_that_fails_is_captured_and_felt_by_nobody(shadow: Any) -> None:
    shadow.add("v3", model=failing)
    shadow.route("v1", "v3", mode="shadow")
    assert shadow.predict().status_code == 200
    shadow.drain_shadow()
    assert shadow.captured[1].error is not None
    assert shadow.captured[1].stage == "shadow"


def test_a_shadow_is_asked_what_the_champion_failed_on(shadow: Any) -> None:
    """A challenger that mends a failing champion can show it, and one that fails on the same requests is seen to."""
    shadow.add("v0", model=failing)
    shadow.route("v0", "v2", mode="shadow")
    assert shadow.predict(*keys(shadow, 3)).status_code == 500
    shadow.drain_shadow()
    failed, mended = shadow.captured
    assert (failed.version, failed.stage, failed.error is None) == ("v0", "champion", False)
    assert (mended.version, mended.stage, mended.scores) == ("v2", "shadow", (0.9, 0.9, 0.9))
    assert mended.ids == failed.ids


def takes_no_gaps(rows: Any) -> Any:
    if rows["seats"].null_count():
        raise ValueError("seats must not be null")
    return np.full(rows.height, 0.1)


def test_what_is_the_callers_fault_counts_for_nobody(shadow: Any) -> None:
    """The shadow is asked whether it is: where it fails as well, it is."""
    shadow.add("v0", model=takes_no_gaps)
    shadow.add("v3", model=takes_no_gaps)
    shadow.route("v0", "v3", mode="shadow")
    assert shadow.predict().status_code == 200
    assert shadow.predict({**shadow.row, "seats": None}).status_code == 422
    assert shadow.predict({**shadow.row, "distance": "far"}).status_code == 422
    shadow.drain_shadow()
    assert [(batch.version, batch.error) for batch in shadow.captured] == [("v0", None), ("v3", None)]


def test_what_the_shadow_answers_was_the_fault_of_the_version_that_failed(shadow: Any) -> None:
    shadow.add("v0", model=takes_no_gaps)
    shadow.route("v0", "v2", mode="shadow")
    assert shadow.predict().status_code == 200
    assert shadow.predict({**shadow.row, "seats": None}).status_code == 422
    shadow.drain_shadow()
    found = {(batch.version, batch.stage, batch.ids): batch.error for batch in shadow.captured[2:]}
    (failed, answered) = sorted(found)
    assert (failed[:2], answered[:2]) == (("v0", "champion"), ("v2", "shadow"))
    assert failed[2] == answered[2]
    assert (found[failed], found[answered]) == ("ValueError: seats must not be null", None)


def test_a_witness_that_cannot_read_the_rows_says_nothing(shadow: Any) -> None:
    shadow.add("v0", model=takes_no_gaps)
    shadow.add("v3", also=(Column(name="terminal", dtype="str", nullable=False, required=True),))
    shadow.route("v0", "v3", mode="shadow")
    assert shadow.predict().status_code == 200
    assert shadow.predict({**shadow.row, "seats": None}).status_code == 422
    shadow.drain_shadow()
    assert [batch.version for batch in shadow.captured] == ["v0", "v3"]
    assert len({batch.ids for batch in shadow.captured}) == 1, "of the first request"


def test_a_shadow_is_not_asked_what_could_not_be_written_down(shadow: Any) -> None:
    shadow.add("v0", model=failing)
    shadow.route("v0", "v2", mode="shadow")
    shadow.sink.refuses = "unwritten"
    assert shadow.predict(request_id="unwritten").status_code == 503
    shadow.sink.refuses = ""
    shadow.drain_shadow()
    assert shadow.captured == []


def test_rows_that_only_the_shadow_refuses_are_its_failures(shadow: Any) -> None:
    """A version that refuses what the champion accepts must not pass the stage as one that never failed."""
    shadow.add("v3", also=(Column(name="terminal", dtype="str", nullable=False, required=True),))
    shadow.route("v1", "v3", mode="shadow")
    assert shadow.predict(*keys(shadow, 2)).status_code == 200
    shadow.drain_shadow()
    refused = shadow.captured[1]
    assert (refused.version, refused.stage, len(refused.ids)) == ("v3", "shadow", 2)
    assert "refuses rows that the champion accepts" in str(refused.error)
    assert shadow.metric('windlass_shadow_dropped_rows_total{product="flights"}') == 0


def test_a_shadow_that_cannot_be_written_down_is_counted(shadow: Any) -> None:
    began, go_on = threading.Event(), threading.Event()

    def waits(rows: Any) -> Any:
        began.set()
        assert go_on.wait(600)
        return np.full(rows.height, 0.5)

    shadow.add("v3", model=waits)
    shadow.route("v1", "v3", mode="shadow")
    assert shadow.predict().status_code == 200
    assert began.wait(120)
    shadow.sink.broken = True
    go_on.set()
    shadow.drain_shadow()
    assert shadow.metric('windlass_shadow_dropped_rows_total{product="flights"}') == 1


def test_a_slow_shadow_neither_holds_up_callers_nor_grows_without_bound(
    shadow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("windlass.serving.shadows.mirror.SHADOW_AT_ONCE", 1e9)
    go_on = threading.Event()

    def waits(rows: Any) -> Any:
        assert go_on.wait(600)
        return np.full(rows.height, 0.5)

    shadow.add("v3", model=waits)
    shadow.route("v1", "v3", mode="shadow")
    for _ in range(600):
        assert shadow.predict().status_code == 200
    shadow.parts.shadow.tell()
    dropped = shadow.metric('windlass_shadow_dropped_rows_total{product="flights"}')
    assert 600 - 256 - 256 <= dropped <= 600 - 256, "a queue of 256, and one batch that the challenger holds"
    go_on.set()
    shadow.drain_shadow()
    assert len([batch for batch in shadow.captured if batch.stage == "shadow"]) == 600 - dropped


def test_shadow_work_is_handed_on_many_at_a_time_and_soon() -> None:
    given: list[int] = []
    done = threading.Event()

    def take(works: Any) -> None:
        given.append(len(works))
        if sum(given) == 3:
            done.set()

    shadow = Shadow(take, metrics=Metrics(), most=3)
    asked = _asked()
    assert all(shadow.offer(*asked) for _ in range(3))
    assert not shadow.offer(*asked), "a fourth does not fit"
    shadow.start()
    assert done.wait(120)
    assert given == [3]
    assert shadow.close(120)


def test_a_shadow_is_given_so_many_rows_a_second_and_what_gathered_in_a_pause() -> None:
    allowance = Allowance(per_second=10, at_once=20)
    assert [allowance.take(5, 100.0) for _ in range(5)] == [True] * 4 + [False]
    assert [allowance.take(5, 100.5), allowance.take(5, 100.5)] == [True, False]
    assert [allowance.take(5, 1000.0) for _ in range(5)] == [True] * 4 + [False], "no more than at once after a pause"
    assert allowance.take(100, 1001.0), "a request is never divided"
    assert not allowance.take(1, 1009.9), "and those after it wait until it is made good"
    assert allowance.take(1, 1010.2)


@given(
    steps=st.lists(st.tuples(st.floats(0, 5), st.integers(1, 50)), min_size=1, max_size=200),
    per_second=st.floats(1, 100),
    at_once=st.floats(1, 100),
)
def test_a_shadow_is_never_given_more_than_it_is_allowed(
    steps: list[tuple[float, int]], per_second: float, at_once: float
) -> None:
    allowance, now, given_rows, largest = Allowance(per_second=per_second, at_once=at_once), 0.0, 0, 0
    for pause, rows in steps:
        now += pause
        if allowance.take(rows, now):
            given_rows, largest = given_rows + rows, max(largest, rows)
        assert given_rows <= at_once + per_second * now + largest + 1e-6


def test_what_is_beyond_the_allowance_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("windlass.serving.shadows.mirror.SHADOW_AT_ONCE", 2.0)
    monkeypatch.setattr("windlass.serving.shadows.mirror.SHADOW_PER_SECOND", 1e-9)
    metrics = Metrics()
    shadow = Shadow(lambda _: None, metrics=metrics)
    assert [shadow.offer(*_asked()) for _ in range(4)] == [True, True, False, False]
    shadow.tell()
    shadow.tell()
    assert 'windlass_shadow_dropped_rows_total{product="flights"} 2.0' in metrics.render().decode()


def _asked() -> tuple[Inquiry, Question]:
    """What a champion was asked beside a challenger in shadow."""
    decoded = Decoded(rows=(b"{}",), structs=(None,), fields={}, make_frame=lambda _: pl.DataFrame())
    question = Question(
        request_id="r", at=datetime(2013, 3, 1, tzinfo=UTC), stage="champion", ids=("p-0",), decoded=decoded
    )
    version: Any = SimpleNamespace(reads_rows_like=lambda _: True)
    routing = Routing(
        product="flights",
        sequence=1,
        champion=Target(version="v1", digest="d-v1"),
        challenger=Target(version="v2", digest="d-v2"),
        mode="shadow",
    )
    lineup = Lineup(product="flights", routing=routing, champion=version, challenger=version)
    return Inquiry(lineup=lineup, decoded=decoded, read=lambda _: decoded), question


def test_a_version_asked_for_by_name_is_not_repeated_in_shadow(shadow: Any) -> None:
    body = {
        "inputs": [{"name": name, "shape": [1], "datatype": kind, "data": [value]} for name, kind, value in TENSORS]
    }
    reply = shadow.client.post("/v2/models/flights/versions/v2/infer", json=body)
    assert reply.json()["model_version"] == "v2"
    shadow.drain_shadow()
    assert [(batch.version, batch.stage) for batch in shadow.captured] == [("v2", "direct")]


TENSORS = [
    ("flight", "BYTES", "f1"),
    ("at", "BYTES", "2013-03-01T10:00:00Z"),
    ("distance", "FP64", 0.25),
    ("seats", "INT64", 3),
    ("carrier", "BYTES", "AA"),
]


# -- probation ---------------------------------------------------------------------------------------------------


def of_control(stage: Any) -> list[Any]:
    return [batch for batch in stage.captured if batch.stage == "control"]


@pytest.mark.parametrize("own", [True, False], ids=["user code, in a thread", "none, on the event loop"])
def test_on_probation_the_champion_before_is_timed_now_and_then_by_the_worker(stage: Any, own: bool) -> None:
    for version, value in (("v1", 0.1), ("v2", 0.9)):
        stage.add(version, model=constant(value), runs_user_code=own)
    stage.route("v2", "v1", mode="shadow", control=True)
    pace = Pace(stage.board.of("flights"))
    pace._left = 0
    stage.parts.batcher._paces["flights"] = pace
    answers = stage.predict(*keys(stage, 3)).json()["predictions"]
    for _ in range(5):
        stage.predict()
    stage.parts.batcher.close()
    (timed,) = of_control(stage)
    assert (timed.version, timed.scores, timed.ids) == ("v1", (0.1,), (answers[0]["id"],))
    assert {answer["version"] for answer in answers} == {"v2"}


def test_a_challenger_in_shadow_is_never_asked_by_the_worker_itself(stage: Any) -> None:
    stage.add("v1", model=constant(0.1))
    stage.add("v2", model=constant(0.9))
    stage.route("v1", "v2", mode="shadow")
    stage.predict()
    stage.parts.batcher.close()
    assert of_control(stage) == []


def test_a_champion_before_that_fails_by_now_tells_no_time_and_is_felt_by_nobody(stage: Any) -> None:
    stage.add("v1", model=failing)
    stage.add("v2", model=constant(0.9))
    stage.route("v2", "v1", mode="shadow", control=True)
    assert stage.predict().status_code == 200
    stage.parts.batcher.close()
    assert of_control(stage) == []


def test_the_champion_before_is_asked_for_a_two_hundredth_of_the_time() -> None:
    control = Control()
    assert control.is_due(100.0)
    control.took(0.005, 1000.0)
    assert [control.is_due(1000.0 + later) for later in (2.9, 3.0)] == [False, True]
    control.took(0.5, 2000.0)
    assert [control.is_due(2000.0 + later) for later in (99.0, 101.0)] == [False, True]


def test_one_that_ends_in_an_unforeseen_way_leaves_the_callers_their_turn(stage: Any, monkeypatch: Any) -> None:
    for version in ("v1", "v2"):
        stage.add(version, model=constant(0.5), runs_user_code=True)
    stage.route("v2", "v1", mode="shadow", control=True)
    monkeypatch.setattr(stage.parts.answering, "ask_control", lambda *_args, **_more: failing(None))
    assert [stage.predict().status_code for _ in range(3)] == [200, 200, 200]
