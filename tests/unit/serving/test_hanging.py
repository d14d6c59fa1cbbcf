"""A champion that hangs: who waits for it, for how long, what they are told, and who goes on meanwhile."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil
import pytest

from windlass.monitoring.reference import make_reference, save
from windlass.serving import limits, pulse
from windlass.serving.answers import batching, crew
from windlass.serving.answers.crew import Crew
from windlass.serving.pulse import Pulse
from windlass.serving.refusal import Overloaded
from windlass.serving.versions import patience
from windlass.serving.versions.patience import Calls, NoAnswer
from windlass.serving.versions.turn import Asked, Turn


class Hangs:
    """A model that does not come back for rows of more than 50 seats until the test lets it."""

    def __init__(self) -> None:
        self.go_on, self.calls = threading.Event(), list[int]()

    def __call__(self, rows: pl.DataFrame) -> Any:
        self.calls.append(rows.height)
        if (rows["seats"].max() or 0) > 50:
            assert self.go_on.wait(600)
        return rows["distance"].to_numpy()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "GLANCE_SECONDS", 0.01)
    monkeypatch.setattr(crew, "FIRST_PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(patience, "LEAST_PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(patience, "FIRST_PATIENCE_SECONDS", 0.1)


@pytest.fixture
def hangs(quick: None) -> Iterator[Hangs]:
    model = Hangs()
    yield model
    model.go_on.set()


@pytest.fixture
def served(stage: Any, hangs: Hangs) -> Any:
    """`v1` has answered once, and is given half a second for each call."""
    stage.add("v1", model=hangs)
    stage.route("v1")
    assert stage.predict().status_code == 200
    stage.parts.crew._seconds = 0.5
    return stage


def calls_of(stage: Any) -> Calls:
    found: Calls = stage.board.of("flights").champion.calls
    return found


def until(holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(24_000):
        if holds():
            return
        pause.wait(0.005)
    raise AssertionError("it has not come about")


# -- as callers see it -------------------------------------------------------------------------------------------------


def test_every_protocol_says_that_it_has_not_answered_and_none_says_500(served: Any) -> None:
    row = {**served.row, "seats": 99}
    values = {"distance": ("FP64", 0.5), "at": ("BYTES", row["at"]), "seats": ("INT64", 99), "carrier": ("BYTES", "AA")}
    inputs = [
        {"name": name, "shape": [1], "datatype": datatype, "data": [value]}
        for name, (datatype, value) in values.items()
    ]
    replies = [
        served.predict(row),
        served.client.post("/flights/invocations", json={"dataframe_records": [row]}),
        served.client.post("/v2/models/flights/infer", json={"inputs": inputs}),
        served.client.post("/v2/models/flights/versions/v1/infer", json={"inputs": inputs}),
        served.predict(*[row] * (limits.ROWS_TOGETHER + 1)),
    ]
    assert [reply.status_code for reply in replies] == [504] * 5
    for reply in replies:
        assert "version v1 gave no answer in 0.5 s" in reply.text
        assert "`answer_seconds`" in reply.text
        assert "Retry-After" not in reply.headers
    failed = [batch for batch in served.captured if batch.error is not None]
    assert [batch.error for batch in failed] == ["no answer in 0.5 s"] * 5
    assert {batch.stage for batch in failed} == {"champion"}
    assert served.metric('windlass_prediction_failures_total{product="flights",stage="champion",version="v1"}') == 5


def test_others_who_share_its_call_are_answered_each_once(served: Any, hangs: Hangs) -> None:
    served.board.of("flights").champion.company._trials = 0
    replies: dict[int, Any] = {}
    with ThreadPoolExecutor(20) as callers:
        waiting = [
            callers.submit(
                served.predict, {**served.row, "flight": f"f{place}", "seats": 99 if place in (3, 11) else 3}
            )
            for place in range(20)
        ]
        replies = {place: reply.result(120) for place, reply in enumerate(waiting)}
    assert [replies[place].status_code for place in range(20)] == [
        504 if place in (3, 11) else 200 for place in range(20)
    ]
    hangs.go_on.set()
    until(lambda: not calls_of(served).overdue)
    answered = [key for batch in served.captured[1:] if batch.error is None for key in batch.keys]
    assert sorted(answered) == sorted(f"f{place}" for place in range(20) if place not in (3, 11))
    told = {each["id"] for place in replies if place not in (3, 11) for each in replies[place].json()["predictions"]}
    assert told == {name for batch in served.captured[1:] if batch.error is None for name in batch.ids}


def test_what_hangs_says_nothing_of_how_long_batches_take(served: Any) -> None:
    """Or those who come meanwhile would be turned away."""

    told = served.learning()
    assert served.predict().status_code == 200
    assert told.rows == 1
    assert served.predict(*[{**served.row, "seats": 99}] * 3).status_code == 504
    assert served.predict().status_code == 200
    assert told.rows == 2
    assert told.until_answered(1) < 1


def test_while_it_hangs_the_worker_is_not_ready_and_others_are_answered(served: Any, hangs: Hangs) -> None:
    assert served.predict({**served.row, "seats": 99}).status_code == 504
    ready = served.client.get("/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (503, False)
    (problem,) = ready.json()["products"]["flights"]["problems"]
    assert re.fullmatch(r"a call of version v1 hangs, and was given up \d+ s ago", problem), problem
    assert [served.client.get(path).status_code for path in ("/ping", "/v2/health/ready")] == [404, 503]
    assert served.predict().status_code == 200
    hangs.go_on.set()
    until(lambda: not calls_of(served).overdue)
    assert served.client.get("/readyz").status_code == 200


def test_a_first_call_that_hangs_is_of_one_request_and_one_other_is_tried_beside_it(stage: Any, hangs: Hangs) -> None:
    stage.add("v1", model=hangs)
    stage.route("v1")
    with ThreadPoolExecutor(9) as callers:
        first = callers.submit(stage.predict, {**stage.row, "seats": 99})
        until(lambda: hangs.calls == [1])
        others = [callers.submit(stage.predict) for _ in range(8)]
        assert {reply.result(120).status_code for reply in others} == {200}
        assert hangs.calls[:2] == [1, 1], "the second says that it can answer at all"
        hangs.go_on.set()
        assert first.result(120).status_code == 200, "it had not been given up"
    assert sum(len(batch.ids) for batch in stage.captured) == 9


def test_an_explanation_that_hangs_leaves_the_answer(stage: Any, hangs: Hangs, tmp_path: Path) -> None:
    features = pl.DataFrame({"distance": np.linspace(0, 1, 50), "seats": [60] * 50, "carrier": ["AA", "UA"] * 25})
    save(make_reference(features, kind="binary"), tmp_path)
    stage.add("v1", folder=tmp_path, model=hangs)
    stage.route("v1")
    stage.parts.crew._seconds = 0.5
    reply = stage.client.post("/flights/predict?explain=true", json={"rows": [stage.row]})
    assert reply.status_code == 200
    assert reply.json()["predictions"][0]["explanation"] == {"problem": "no answer in 0.5 s"}


def test_whose_rows_it_was_is_not_asked_for_ever(stage: Any, hangs: Hangs) -> None:
    asked: list[int] = []

    def fails(rows: pl.DataFrame) -> Any:
        asked.append(rows.height)
        if len(asked) > 1:
            assert hangs.go_on.wait(600)
        raise ValueError("cannot")

    stage.add("v1", model=fails)
    stage.route("v1")
    stage.parts.crew._seconds = 0.5
    reply = stage.predict()
    assert (reply.status_code, "ValueError: cannot" in reply.text) == (500, True)
    assert [batch.error for batch in stage.captured] == ["ValueError: cannot"]


def test_where_no_thread_can_be_had_callers_are_told_to_come_again(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.add("v1")
    stage.route("v1")
    start = threading.Thread.start

    def may_start(thread: threading.Thread) -> None:
        if thread.name.startswith("answer"):
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", may_start)
        reply = stage.predict()
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert "no room for another thread" in reply.text
    assert stage.predict().status_code == 200


def test_who_waits_for_what_is_late_is_told_when_the_worker_ends(served: Any, hangs: Hangs) -> None:
    served.parts.crew._seconds = 60
    with ThreadPoolExecutor(1) as callers:
        waiting = callers.submit(served.predict, {**served.row, "seats": 99})
        until(lambda: served.parts.crew._late == 1)
        served.client.portal.call(served.parts.batcher.end)
        reply = waiting.result(120)
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "1")
    assert "another worker answers" in reply.text


def test_those_who_are_turned_away_are_counted(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "MOST_WAITING", 0)
    assert [served.predict().status_code for _ in range(3)] == [503] * 3
    assert served.parts.batcher.turned_away == {"flights": 3}


# -- the threads -------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def begun() -> Calls:
    calls = Calls()
    calls.returned()
    calls.took(0.001, 1)
    return calls


def asking(calls: Calls, work: Callable[[], Any]) -> Callable[[], Any]:
    def ask() -> Any:
        turn = Turn.here()
        assert turn is not None
        return turn.ask(Asked("flights", "v1", calls, 1), work)

    return ask


def test_a_machine_that_stands_still_gives_nobody_up(quick: None) -> None:
    now, go_on, calls = Clock(), threading.Event(), begun()
    threads = Crew(name="answer", seconds=30, now=now)

    async def wait() -> Any:
        work = threads.begin(asking(calls, lambda: go_on.wait(600)))
        for _ in range(4):
            now.seconds += 3600
            await asyncio.sleep(0.02)
        assert threads._late == 0
        go_on.set()
        return await work

    assert asyncio.run(wait()) is True
    assert not calls.overdue


def test_what_the_model_does_not_do_is_not_held_against_it(quick: None) -> None:
    go_on = threading.Event()
    threads = Crew(name="answer", seconds=0.05)

    async def wait() -> Any:
        work = threads.begin(lambda: go_on.wait(600))  # a disk that is slow to write, say
        await asyncio.sleep(0.2)
        go_on.set()
        return await work

    assert asyncio.run(wait()) is True


def test_a_call_that_is_given_up_is_told_of_and_does_not_count_any_more(quick: None) -> None:
    go_on, calls, told, claimed = threading.Event(), begun(), list[str](), list[bool]()

    def work() -> Any:
        turn = Turn.here()
        assert turn is not None
        asking(calls, lambda: go_on.wait(600))()
        claimed.append(turn.claim())

    threads = Crew(name="answer", seconds=0.3, hung=lambda _, what: told.append(what))

    async def wait() -> None:
        with pytest.raises(NoAnswer, match=r"no answer in 0\.3 s"):
            await threads.begin(work)
        assert calls.away > 0
        go_on.set()
        while calls.overdue:
            await asyncio.sleep(0.005)

    asyncio.run(wait())
    assert claimed == [False]
    (what,) = told
    assert what.startswith("version v1: no answer in 0.3 s for 1 row, at line ")
    assert "test_hanging.py (<lambda>)" in what


def test_so_many_may_be_late_and_no_more(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "MOST_LATE", 3)
    go_on, calls, late = threading.Event(), begun(), list[Turn]()
    threads = Crew(name="answer")

    async def wait() -> None:
        works = [threads.begin(asking(calls, lambda: go_on.wait(600)), late=late.append) for _ in range(6)]
        while len(late) < 3:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.3)
        assert len(late) == 3
        go_on.set()
        await asyncio.gather(*works)

    asyncio.run(wait())
    assert threads.close(120)


def test_where_no_thread_can_be_had_the_others_do_the_work_and_the_next_one_asks_again(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, calls, late = threading.Event(), begun(), list[Turn]()
    threads = Crew(name="answer")
    start, room = threading.Thread.start, [True]

    def may_start(thread: threading.Thread) -> None:
        if not room[0]:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", may_start)

    async def wait() -> None:
        room[0] = False
        with pytest.raises(Overloaded, match="no room for another thread"):
            await threads.begin(lambda: None)
        room[0] = True
        hanging = threads.begin(asking(calls, lambda: go_on.wait(600)), late=late.append)
        assert await threads.begin(lambda: 1) == 1
        room[0] = False
        assert await threads.begin(lambda: 2) == 2
        while not late:  # its place is empty
            await asyncio.sleep(0.005)
        room[0] = True
        assert await threads.begin(lambda: 3) == 3
        go_on.set()
        await hanging

    asyncio.run(wait())
    assert threads.close(120)


def test_one_look_that_fails_does_not_end_the_watch(quick: None) -> None:
    go_on, calls, late = threading.Event(), begun(), list[Turn]()
    threads = Crew(name="answer")

    def fail(_: Turn) -> None:
        raise ValueError("a fault of ours")

    async def wait() -> list[str]:
        told = list[str]()
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(str(context["exception"])))
        first = threads.begin(asking(calls, lambda: go_on.wait(600)), late=fail)
        second = threads.begin(asking(calls, lambda: go_on.wait(600)), late=late.append)
        while not late:
            await asyncio.sleep(0.005)
        go_on.set()
        await asyncio.gather(first, second)
        return told

    assert asyncio.run(wait()) == ["a fault of ours"]


def test_what_hangs_does_not_hold_up_the_end(quick: None) -> None:
    go_on, calls = threading.Event(), begun()
    threads = Crew(name="answer", seconds=0.2)

    async def wait() -> None:
        with pytest.raises(NoAnswer):
            await threads.begin(asking(calls, lambda: go_on.wait(600)))

    asyncio.run(wait())
    assert not threads.close(0.2)
    go_on.set()


# -- signs of life -----------------------------------------------------------------------------------------------------


def test_one_that_has_ended_before_anybody_looked_could_not_speak() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert Pulse(ended.pid).silence() == 0.0


def test_silence_counts_while_the_worker_could_speak() -> None:
    now, could = Clock(), [True]
    felt = Pulse(0, now=now, could_speak=lambda _: could[0])

    def passes(seconds: float) -> float:
        now.seconds += seconds
        return felt.silence()

    assert [passes(1.0), passes(1.0)] == [1.0, 2.0]
    could[0] = False  # stopped, or without a processor
    assert [passes(1.0), passes(1.0)] == [2.0, 2.0]
    could[0] = True
    assert passes(3600.0) == 4.0, "the machine stood still"
    felt.beat()
    assert passes(1.0) == 1.0


@pytest.mark.parametrize(
    ("states", "worked", "could"),
    [
        ("S", 0.0, True),
        ("SR", 0.9, True),
        ("SR", 0.01, False),
        ("T", 0.0, False),
        ("St", 0.5, False),
        ("SD", 0.0, True),
    ],
    ids=["waits", "computes", "gets no processor", "was stopped", "is debugged", "waits for a disk"],
)
def test_who_could_have_spoken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, states: str, worked: float, could: bool
) -> None:
    for place, state in enumerate(states):
        (tmp_path / str(place)).mkdir()
        (tmp_path / str(place) / "stat").write_text(f"1 (a b) c) {state} 1 2")

    class Process:
        def __init__(self, _: int) -> None: ...

        def cpu_times(self) -> Any:
            return type("Times", (), {"user": worked, "system": 0.0})

    monkeypatch.setattr(psutil, "Process", Process)
    processor = pulse._Processor(1)
    processor._tasks = tmp_path
    assert processor(1.0) is could
