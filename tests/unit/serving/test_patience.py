"""A version on trial that hangs: who waits for it, how long, and what is held against it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.serving import limits
from windlass.serving.answers import batching
from windlass.serving.limits import FIRST_PATIENCE_SECONDS, LEAST_PATIENCE_SECONDS, MOST_PATIENCE_SECONDS, TIMES_AS_LONG
from windlass.serving.versions import lineup, patience
from windlass.serving.versions.patience import Calls


class Hangs:
    """A model that does not come back until the test lets it, and counts its calls."""

    def __init__(self) -> None:
        self.calls, self.go_on, self.left = 0, threading.Event(), threading.Semaphore(0)

    def __call__(self, rows: pl.DataFrame) -> Any:
        self.calls += 1
        assert self.go_on.wait(60)
        self.left.release()
        return 1 - rows["distance"].to_numpy()


@pytest.fixture
def hangs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hangs]:
    for module in (limits, patience, lineup):
        for name in ("LEAST_PATIENCE_SECONDS", "FIRST_PATIENCE_SECONDS", "MOST_PATIENCE_SECONDS"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, 0.05)
    model = Hangs()
    yield model
    model.go_on.set()


@pytest.fixture
def canary(stage: Any, hangs: Hangs) -> Any:
    stage.add("v1")
    stage.add("v2", model=hangs)
    stage.route("v1", "v2", mode="canary", share=0.5, salt="salt")
    return stage


def flights(stage: Any, *, of_the_challenger: bool, count: int = 3) -> list[str]:
    goes = stage.board.of("flights").goes_to_challenger
    return [name for name in map("f{}".format, range(200)) if goes(name) == of_the_challenger][:count]


def test_what_a_canary_does_not_answer_in_time_the_champion_answers(canary: Any, hangs: Hangs) -> None:
    ours, theirs = flights(canary, of_the_challenger=False)[0], flights(canary, of_the_challenger=True)
    both = canary.predict({**canary.row, "flight": ours}, {**canary.row, "flight": theirs[0]})
    assert both.status_code == 200
    assert [each["version"] for each in both.json()["predictions"]] == ["v1", "v1"]
    later = [canary.predict({**canary.row, "flight": theirs[1]}) for _ in range(3)]
    assert [reply.json()["predictions"][0]["version"] for reply in later] == ["v1"] * 3
    assert hangs.calls == 1, "while a call is overdue it is asked nothing more"
    failures = [batch for batch in canary.captured if batch.stage == "canary"]
    assert [batch.error for batch in failures] == ["no answer in 0.1 s"] + [
        "not asked, since this version has not answered an earlier call yet"
    ] * 3
    assert {batch.version for batch in failures} == {"v2"}


def test_once_it_has_come_back_it_is_asked_again(canary: Any, hangs: Hangs) -> None:
    name = flights(canary, of_the_challenger=True)[0]
    canary.predict({**canary.row, "flight": name})
    challenger = canary.board.of("flights").challenger
    hangs.go_on.set()
    assert hangs.left.acquire(timeout=20)
    idle = threading.Event()
    while challenger.calls.overdue:
        assert not idle.wait(0.001)
    told = canary.predict({**canary.row, "flight": name}).json()["predictions"][0]
    assert (told["version"], told["stage"], told["score"]) == ("v2", "canary", 0.75)


def test_a_version_asked_by_name_says_that_it_does_not_answer_and_is_not_asked_why(canary: Any, hangs: Hangs) -> None:
    rows = {"inputs": [{"name": "distance", "shape": [1], "datatype": "FP64", "data": [0.5]}]}
    path = "/v2/models/flights/versions/v2/infer"
    inputs = [
        *rows["inputs"],
        {"name": "at", "shape": [1], "datatype": "BYTES", "data": ["2013-03-01T10:00:00Z"]},
        {"name": "seats", "shape": [1], "datatype": "INT64", "data": [3]},
        {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": ["AA"]},
    ]
    replies = [canary.client.post(path, json={"inputs": inputs}) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [500, 500]
    assert "no answer in 0.1 s" in replies[0].text
    assert hangs.calls == 1


def test_large_requests_that_a_canary_holds_up_leave_the_others_their_threads(
    canary: Any, hangs: Hangs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "ROWS_TOGETHER", 1)
    where: list[str] = []
    answer = canary.parts.answering.answer

    def seen(inquiries: Any, **how: Any) -> Any:
        where.append(threading.current_thread().name.partition("_")[0])
        return answer(inquiries, **how)

    monkeypatch.setattr(canary.parts.answering, "answer", seen)
    names = flights(canary, of_the_challenger=True)
    reply = canary.predict(*({**canary.row, "flight": name} for name in names))
    assert [each["version"] for each in reply.json()["predictions"]] == ["v1"] * 3
    assert where == ["trial"]


def test_what_a_challenger_raises_in_time_is_its_failure_as_before(stage: Any) -> None:
    def times_out(_: pl.DataFrame) -> Any:
        raise TimeoutError("the service that it asks is away")

    stage.add("v1")
    stage.add("v2", model=times_out)
    stage.route("v1", "v2", mode="canary", share=0.5, salt="salt")
    name = flights(stage, of_the_challenger=True)[0]
    assert stage.predict({**stage.row, "flight": name}).json()["predictions"][0]["version"] == "v1"
    failure = next(batch for batch in stage.captured if batch.stage == "canary")
    assert failure.error == "TimeoutError: the service that it asks is away"
    assert not stage.board.of("flights").challenger.calls.overdue


def test_patience_follows_what_the_champion_takes() -> None:
    calls = Calls()
    assert calls.patience(1) == FIRST_PATIENCE_SECONDS, "nothing is known of it yet"
    calls.took(0.001, 1)
    assert calls.patience(1) == LEAST_PATIENCE_SECONDS
    assert calls.patience(10_000) == MOST_PATIENCE_SECONDS, "10,000 rows at a thousandth each, four times"
    calls.took(2.0, 50)
    assert calls.patience(1) == TIMES_AS_LONG * 2.0
    for _ in range(500):
        calls.took(0.001, 1)
    assert calls.patience(1) == LEAST_PATIENCE_SECONDS, "a slow call is forgotten after some hundred others"


SECONDS = st.floats(0, 100)
ROWS = st.integers(1, 10_000)


@given(calls=st.lists(st.tuples(SECONDS, ROWS), min_size=1), rows=ROWS, more=ROWS)
def test_nobody_is_given_less_than_several_times_the_last_call_or_waited_for_longer_than_is_borne(
    calls: list[tuple[float, int]], rows: int, more: int
) -> None:
    champion = Calls()
    for seconds, answered in calls:
        champion.took(seconds, answered)
    patience = champion.patience(rows)
    assert LEAST_PATIENCE_SECONDS <= patience <= MOST_PATIENCE_SECONDS
    assert patience >= min(TIMES_AS_LONG * calls[-1][0], MOST_PATIENCE_SECONDS)
    assert champion.patience(rows + more) >= patience


def test_a_new_version_is_tried_in_threads_before_it_may_hold_up_the_event_loop(
    stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "SHORT_SECONDS", 10.0)
    where: list[str] = []

    def model(rows: pl.DataFrame) -> Any:
        where.append(threading.current_thread().name.partition("_")[0])
        return rows["distance"].to_numpy()

    def answered() -> str:
        assert stage.predict().status_code == 200
        return where[-1]

    stage.add("v1", model=model)
    stage.add("v2", model=model)
    stage.route("v1")
    assert [answered() for _ in range(limits.TRIALS)] == ["answer"] * limits.TRIALS
    assert answered() != "answer"
    stage.route("v1", "v2", mode="shadow")
    assert answered() == "answer"
    [answered() for _ in range(limits.TRIALS)]
    stage.route("v2")
    assert answered() != "answer", "it has been here before"
