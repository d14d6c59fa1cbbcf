"""A version on trial that hangs: who waits for it, how long, and what is held against it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from weakref import WeakSet

import msgspec
import numpy as np
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.monitoring.reference import make_reference, save
from windlass.serving import limits
from windlass.serving.answers import batching
from windlass.serving.limits import FIRST_PATIENCE_SECONDS, LEAST_PATIENCE_SECONDS, MOST_PATIENCE_SECONDS, TIMES_AS_LONG
from windlass.serving.versions import lineup, patience
from windlass.serving.versions.patience import Calls, NoAnswer, left_behind


class Hangs:
    """A model that does not come back until the test lets it, and counts its calls; the first `quick` come back.

    Those are waited for as long as they take, and those that hang for a moment: whatever else the machine does.
    """

    def __init__(self, wait: Callable[[float], None]) -> None:
        self.calls, self.go_on = 0, threading.Event()
        self._wait = wait
        self.quick = 0

    @property
    def quick(self) -> int:
        return self._quick

    @quick.setter
    def quick(self, calls: int) -> None:
        self._quick = calls
        self._wait(600 if calls else 0.05)

    def come_back(self) -> None:
        self._wait(600)
        self.go_on.set()

    def __call__(self, rows: pl.DataFrame) -> Any:
        self.calls += 1
        if self.calls == self.quick:
            self._wait(0.05)
        if self.calls > self.quick:
            assert self.go_on.wait(600)
        return 1 - rows["distance"].to_numpy()


@pytest.fixture
def hangs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hangs]:
    def wait(seconds: float) -> None:
        for module in (limits, patience, lineup):
            for name in ("LEAST_PATIENCE_SECONDS", "FIRST_PATIENCE_SECONDS", "MOST_PATIENCE_SECONDS"):
                if hasattr(module, name):
                    monkeypatch.setattr(module, name, seconds)

    monkeypatch.setattr(patience, "HANGS_SECONDS", 0.0)
    model = Hangs(wait)
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
    return [name for name in map("f{}".format, range(1000)) if goes(name) == of_the_challenger][:count]


NOT_ASKED = "not asked, since this version has not answered an earlier call yet"


def failures(stage: Any) -> list[str]:
    return [batch.error for batch in stage.captured if batch.error is not None and batch.version == "v2"]


def come_back(stage: Any, hangs: Hangs) -> None:
    """Let its calls end, and wait until they have."""
    hangs.come_back()
    idle = threading.Event()
    while stage.board.of("flights").challenger.calls.overdue:
        assert not idle.wait(0.001)


def infer(stage: Any, version: str) -> Any:
    """One row, for the version of that name."""
    inputs = [
        {"name": "distance", "shape": [1], "datatype": "FP64", "data": [0.5]},
        {"name": "at", "shape": [1], "datatype": "BYTES", "data": ["2013-03-01T10:00:00Z"]},
        {"name": "seats", "shape": [1], "datatype": "INT64", "data": [3]},
        {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": ["AA"]},
    ]
    return stage.client.post(f"/v2/models/flights/versions/{version}/infer", json={"inputs": inputs})


def test_what_a_canary_does_not_answer_in_time_the_champion_answers(canary: Any, hangs: Hangs) -> None:
    ours, theirs = flights(canary, of_the_challenger=False)[0], flights(canary, of_the_challenger=True)
    both = canary.predict({**canary.row, "flight": ours}, {**canary.row, "flight": theirs[0]})
    assert both.status_code == 200
    assert [each["version"] for each in both.json()["predictions"]] == ["v1", "v1"]
    later = [canary.predict({**canary.row, "flight": theirs[1]}) for _ in range(3)]
    assert [reply.json()["predictions"][0]["version"] for reply in later] == ["v1"] * 3
    assert hangs.calls == 1, "while a call is overdue it is asked nothing more"
    assert failures(canary) == [NOT_ASKED] * 3, "its first call may take long"


def test_a_pause_is_one_failure_and_not_that_of_all_who_come_meanwhile(
    canary: Any, hangs: Hangs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "HANGS_SECONDS", 60)
    hangs.quick = 1
    names = flights(canary, of_the_challenger=True)
    told = [canary.predict({**canary.row, "flight": names[0]}).json()["predictions"][0] for _ in range(5)]
    assert [each["version"] for each in told] == ["v2", "v1", "v1", "v1", "v1"]
    assert failures(canary) == ["no answer in 0.1 s"]
    come_back(canary, hangs)
    assert canary.predict({**canary.row, "flight": names[0]}).json()["predictions"][0]["version"] == "v2"


def test_what_it_holds_up_says_nothing_of_how_long_batches_take(canary: Any, hangs: Hangs) -> None:
    """Or whoever comes next would be turned away, as one who waits for batches that long."""

    told = canary.learning()
    hangs.quick = 1
    ours, theirs = (flights(canary, of_the_challenger=each)[0] for each in (False, True))
    learned = []
    for name in (ours, theirs, theirs, ours):
        assert canary.predict({**canary.row, "flight": name}).status_code == 200
        learned.append(told.rows)
    assert hangs.calls == 2, "it answered its first call, and hangs in its second"
    come_back(canary, hangs)
    assert canary.predict().status_code == 200
    assert learned[1:] == [learned[1]] * 3
    assert told.rows == learned[-1] + 1


def test_once_it_has_come_back_it_is_asked_again(canary: Any, hangs: Hangs) -> None:
    name = flights(canary, of_the_challenger=True)[0]
    canary.predict({**canary.row, "flight": name})
    come_back(canary, hangs)
    told = canary.predict({**canary.row, "flight": name}).json()["predictions"][0]
    assert (told["version"], told["stage"], told["score"]) == ("v2", "canary", 0.75)


def test_a_version_asked_by_name_says_that_it_does_not_answer_and_is_not_asked_why(canary: Any, hangs: Hangs) -> None:
    replies = [infer(canary, "v2") for _ in range(2)]
    assert [reply.status_code for reply in replies] == [500, 500]
    assert "no answer in 0.1 s" in replies[0].text
    assert hangs.calls == 1


def test_one_that_fails_and_hangs_when_it_is_asked_why_is_given_up(stage: Any, hangs: Hangs) -> None:
    def fails(rows: pl.DataFrame) -> Any:
        hangs(rows)
        raise ValueError("cannot")

    stage.add("v1")
    stage.add("v2", model=fails)
    stage.route("v1", "v2", mode="canary", share=0.5, salt="salt")
    hangs.quick = 1
    reply = infer(stage, "v2")
    assert (reply.status_code, "ValueError: cannot" in reply.text) == (500, True)
    assert stage.board.of("flights").challenger.calls.overdue


def test_one_whose_contract_hangs_holds_up_nobody_who_asks_for_the_champion(stage: Any, hangs: Hangs) -> None:
    def check(_: pa.PolarsData) -> Any:
        assert hangs.go_on.wait(600)
        return pl.LazyFrame({"checked": [True]})

    contract = pa.DataFrameSchema({"distance": pa.Column(float, pa.Check(check))})
    stage.add("v1")
    stage.add("v2", product=SimpleNamespace(contract=contract))
    stage.route("v1", "v2", mode="canary", share=0.0, salt="salt")
    replies = [infer(stage, "v2") for _ in range(2)]
    assert [reply.status_code for reply in replies] == [500, 500]
    assert failures(stage) == ["no answer in 0.1 s", NOT_ASKED]
    assert stage.predict().status_code == 200


def test_one_that_hangs_when_it_is_to_explain_its_answer_is_given_up(stage: Any, hangs: Hangs, tmp_path: Path) -> None:
    features = pl.DataFrame({"distance": np.linspace(0, 1, 50), "seats": [3] * 50, "carrier": ["AA", "UA"] * 25})
    save(make_reference(features, kind="binary"), tmp_path)
    stage.add("v1", folder=tmp_path)
    stage.add("v2", folder=tmp_path, model=hangs)
    stage.route("v1", "v2", mode="canary", share=0.5, salt="salt")
    hangs.quick = 1
    row = {**stage.row, "flight": flights(stage, of_the_challenger=True)[0]}
    reply = stage.client.post("/flights/predict?explain=true", json={"rows": [row]})
    told = reply.json()["predictions"][0]
    assert (told["version"], told["explanation"]) == ("v2", {"problem": "no answer in 0.1 s"})


def test_one_that_hangs_is_not_asked_on_the_event_loop_either(
    canary: Any, hangs: Hangs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "SHORT_SECONDS", 10.0)
    row = {**canary.row, "flight": flights(canary, of_the_challenger=True)[0]}
    told = [canary.predict(row).json()["predictions"][0]["version"] for _ in range(limits.TRIALS + 2)]
    assert told == ["v1"] * (limits.TRIALS + 2)
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


def test_of_two_that_fail_alike_on_one_request_of_many_none_is_given_up(stage: Any) -> None:
    away, late = threading.Event(), threading.Event()

    def asks_a_service(rows: pl.DataFrame) -> Any:
        late.wait(0.1)
        if away.is_set() and 99 in rows["seats"]:
            raise RuntimeError("the service that it asks is away")
        return rows["distance"].to_numpy()

    stage.add("v1", model=asks_a_service)
    stage.add("v2", model=asks_a_service)
    stage.route("v1", "v2", mode="canary", share=0.5, salt="salt")
    assert stage.predict().status_code == 200
    lineup = stage.board.of("flights")
    lineup.champion.calls.took(0.1, 64)
    for each in lineup.served:
        each.company.allowed = True
        while each.company.on_trial:
            each.company.judge(same=True)
    away.set()
    names = flights(stage, of_the_challenger=True, count=64)

    async def ask_all() -> list[Any]:
        def ask(name: str, seats: int) -> Any:
            body = msgspec.json.encode({"rows": [{**stage.row, "flight": name, "seats": seats}]})
            return stage.parts.batcher.answer(lineup, lambda decoder: decoder.read(body), size=len(body))

        asked = (ask(name, 99 if name == names[40] else 3) for name in names)
        return await asyncio.gather(*asked, return_exceptions=True)

    told = asyncio.run(ask_all())
    answered = [each.answers[0].version for each in told if not isinstance(each, Exception)]
    assert answered == ["v2"] * 63, "thirteen calls are as many for the champion"


def test_no_call_stands_in_line_behind_others_while_it_is_waited_for() -> None:
    calls, all_at_once = Calls(), threading.Barrier(2 * limits.THREADS)
    with ThreadPoolExecutor(2 * limits.THREADS) as callers:
        places = list(
            callers.map(lambda _: calls.within(300, lambda: all_at_once.wait(120)), range(2 * limits.THREADS))
        )
    assert sorted(places) == list(range(2 * limits.THREADS))


def test_a_large_call_is_not_held_to_take_as_long_a_row_as_a_small_one() -> None:
    calls = Calls()
    for rows in (1, 2, 16, 200, 3):
        calls.took(0.03, rows)
    assert calls.patience(256) == LEAST_PATIENCE_SECONDS
    calls.took(2.5, 10_000)
    for _ in range(500):
        calls.took(0.03, 1)
    assert calls.patience(10_000) == pytest.approx(TIMES_AS_LONG * 2.5), "which is remembered beside many small ones"


def test_who_is_left_behind_by_a_version_that_is_served_no_more_is_known(
    hangs: Hangs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "_given_up", WeakSet())
    calls = Calls()
    with pytest.raises(NoAnswer):
        calls.within(0.01, lambda: hangs(pl.DataFrame({"distance": [0.5]})))
    assert calls.away > 0
    assert left_behind([]) > 0
    assert left_behind([calls]) == 0
    hangs.go_on.set()
    idle = threading.Event()
    while calls.overdue:
        assert not idle.wait(0.001)
    assert calls.away == 0


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
    assert 2.0 < calls.patience(1) < 3.0, "what the champion was borne with is borne for thousands of calls"
    for _ in range(20_000):
        calls.took(0.001, 1)
    assert calls.patience(1) == LEAST_PATIENCE_SECONDS


def test_a_first_call_that_took_long_is_forgotten_after_some_hundred_others() -> None:
    calls = Calls()
    calls.took(3.0, 1)
    assert calls.patience(1) == TIMES_AS_LONG * 3.0
    for _ in range(500):
        calls.took(0.001, 1)
    assert calls.patience(1) == LEAST_PATIENCE_SECONDS


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
