"""Requests that come together are asked about together, and none of them can tell."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from windlass.serving.answers import batching
from windlass.serving.answers.latency import Latency
from windlass.serving.limits import LAST_BATCHES, MOST_IN_THREADS, SHORT_SECONDS, TRIALS


class Held:
    """A model that waits in its first call until the test lets it go, and remembers how many rows each call had."""

    def __init__(self, answer: Any = lambda rows: rows["distance"].to_numpy()) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()
        self.calls: list[int] = []
        self._answer = answer

    def __call__(self, rows: pl.DataFrame) -> Any:
        self.calls.append(len(rows))
        self.began.set()
        assert self.go_on.wait(600)
        return self._answer(rows)


def gathered(stage: Any, held: Held, bodies: list[dict[str, Any]]) -> list[Any]:
    """The replies to `bodies`, all of which came while the version was busy with a request before them."""
    with ThreadPoolExecutor(len(bodies) + 1) as callers:
        first = callers.submit(stage.predict)
        assert held.began.wait(120)
        replies = [callers.submit(stage.client.post, "/flights/predict", json=body) for body in bodies]
        queue = stage.parts.batcher._queues["flights"]
        deadline = threading.Event()
        while len(queue) < len(bodies):
            assert not deadline.wait(0.001)
        held.go_on.set()
        assert first.result(120).status_code == 200
        return [reply.result(120) for reply in replies]


def row(stage: Any, **fields: Any) -> dict[str, Any]:
    return {**stage.row, **fields}


def test_those_who_come_meanwhile_share_one_call_and_each_gets_its_own_answer(stage: Any) -> None:
    held = Held()
    stage.add("v1", model=held)
    stage.route("v1")
    stage.board.lineups["flights"].leader().company._trials = 0
    bodies = [
        {
            "rows": [row(stage, flight=f"f{place}", distance=place / 100 + extra) for extra in (0.0, 0.001)][
                : 1 + place % 2
            ]
        }
        for place in range(20)
    ]
    replies = gathered(stage, held, bodies)
    assert held.calls == [1, 30], "one call for the first, one for all who came meanwhile"
    for body, reply in zip(bodies, replies, strict=True):
        assert [each["score"] for each in reply.json()["predictions"]] == [each["distance"] for each in body["rows"]]
    captured = {batch.ids: batch for batch in stage.captured}
    for body, reply in zip(bodies, replies, strict=True):
        batch = captured[tuple(each["id"] for each in reply.json()["predictions"])]
        assert batch.keys == tuple(each["flight"] for each in body["rows"])
        assert batch.scores == tuple(each["distance"] for each in body["rows"])
    assert len({batch.request_id for batch in stage.captured}) == 21


def test_a_row_that_a_version_fails_on_fails_nobody_else(stage: Any) -> None:
    def fails(rows: pl.DataFrame) -> Any:
        if (rows["carrier"] == "XX").any():
            raise ValueError("no such carrier")
        return rows["distance"].to_numpy()

    held = Held(fails)
    stage.add("v1", model=held)
    stage.route("v1")
    stage.board.lineups["flights"].leader().company._trials = 0
    carriers = ["AA", "XX", "AA", "AA", "XX", "AA", "AA"]
    replies = gathered(stage, held, [{"rows": [row(stage, carrier=carrier)]} for carrier in carriers])
    assert [reply.status_code for reply in replies] == [422 if carrier == "XX" else 200 for carrier in carriers]
    assert replies[1].json()["fields"][0]["field"] == "carrier"
    assert len(stage.captured) == 1 + carriers.count("AA")


def test_a_version_whose_answers_depend_on_the_neighbours_is_asked_about_each_request_alone(stage: Any) -> None:
    held = Held(lambda rows: np.full(rows.height, rows["distance"].mean()))
    stage.add("v1", model=held)
    stage.route("v1")
    distances = [0.1, 0.9, 0.5, 0.3]
    replies = gathered(stage, held, [{"rows": [row(stage, distance=distance)]} for distance in distances])
    assert [reply.json()["predictions"][0]["score"] for reply in replies] == distances
    assert not stage.board.lineups["flights"].leader().company.allowed


def test_rows_of_numbers_are_asked_about_as_a_matrix_in_the_models_order(stage: Any) -> None:
    """A bad row is found by frames, as with any other version."""
    asked: list[Any] = []

    def scores(given: Any) -> Any:
        asked.append(given)
        seats, distance = given["seats", "distance"].to_numpy().T if isinstance(given, pl.DataFrame) else given.T
        if (distance > 1).any():
            raise ValueError("too far")
        return np.where(np.isnan(seats), distance, seats / 10)

    manifest = msgspec.structs.replace(stage.manifest(), features=("seats", "distance"))
    held = Held(scores)
    stage.add("v1", stage.fake(manifest, model=held, takes_matrix=True, computes_features=False))
    stage.route("v1")
    stage.board.lineups["flights"].leader().company._trials = 0
    bodies = [(1, 0.5), (2, 0.5), (None, 0.25), (3, 1.5), (None, 0.75)]
    replies = gathered(stage, held, [{"rows": [row(stage, seats=seats, distance=far)]} for seats, far in bodies])
    assert [reply.status_code for reply in replies] == [200, 200, 200, 422, 200]
    assert replies[3].json()["fields"][0]["field"] == "distance"
    good = [reply.json()["predictions"][0]["score"] for reply in replies if reply.status_code == 200]
    assert good == [0.1, 0.2, 0.25, 0.75]
    assert isinstance(asked[0], np.ndarray)
    assert sorted({batch.keys for batch in stage.captured}) == [("f1",)]
    assert all(batch.features is None for batch in stage.captured)


def test_a_batch_is_of_one_lineup(stage: Any) -> None:
    """Whoever came before a swap is answered by the version they came for."""
    held = Held()
    stage.add("v1", model=held)
    stage.add("v2", model=lambda rows: 1 - rows["distance"].to_numpy())
    stage.route("v1")
    with ThreadPoolExecutor(8) as callers:
        first = callers.submit(stage.predict)
        assert held.began.wait(120)
        queue = stage.parts.batcher._queues["flights"]
        wait = threading.Event()

        def send(count: int) -> list[Any]:
            before = len(queue)
            sent = [callers.submit(stage.predict, row(stage, distance=0.2)) for _ in range(count)]
            while len(queue) < before + count:
                assert not wait.wait(0.001)
            return sent

        old = send(3)
        stage.route("v2")
        new = send(3)
        held.go_on.set()
        assert first.result(120).status_code == 200
        told = [reply.result(120).json()["predictions"][0] for reply in (*old, *new)]
    assert [(each["version"], each["score"]) for each in told] == [("v1", 0.2)] * 3 + [("v2", 0.8)] * 3


@pytest.mark.parametrize("limit", ["count", "patience"])
def test_more_than_can_be_answered_is_refused_at_once_and_told_when_to_come_back(
    stage: Any, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    if limit == "count":
        monkeypatch.setattr(batching, "MOST_WAITING", 3)
    else:
        stage.parts.batcher._latencies["flights"] = Latency(-1.0)
    held = Held()
    stage.add("v1", model=held)
    stage.route("v1")
    waiting = 3 if limit == "count" else 1
    with ThreadPoolExecutor(8) as callers:
        first = callers.submit(stage.predict)
        assert held.began.wait(120)
        replies = [callers.submit(stage.predict) for _ in range(waiting)]
        wait = threading.Event()
        while len(stage.parts.batcher._queues["flights"]) < waiting:
            assert not wait.wait(0.001)
        refused = stage.predict()
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert "more requests than it can answer" in refused.json()["error"]
        held.go_on.set()
        assert [reply.result(120).status_code for reply in (first, *replies)] == [200] * (1 + waiting)
    assert stage.predict().status_code == 200


def test_batches_and_those_who_wait_are_as_many_as_the_latency_budget_has_room_for(stage: Any) -> None:
    latency = stage.parts.batcher._latencies["flights"] = Latency(25.0)
    for rows in (5, 10) * 200:
        latency.took(0.98 * rows, rows)  # so that twelve rows take no longer than half of it
    held = Held()
    stage.add("v1", model=held)
    stage.route("v1")
    stage.board.lineups["flights"].leader().company._trials = 0
    with ThreadPoolExecutor(32) as callers:
        first = callers.submit(stage.predict)
        assert held.began.wait(120)
        replies = [callers.submit(stage.predict) for _ in range(23)]
        wait = threading.Event()
        while len(stage.parts.batcher._queues["flights"]) < 23:
            assert not wait.wait(0.001)
        replies.append(callers.submit(stage.predict))
        while len(stage.parts.batcher._queues["flights"]) < 24:
            assert not wait.wait(0.001)
        refused = stage.predict()
        assert (refused.status_code, refused.headers["Retry-After"] in ("24", "25")) == (503, True)
        held.go_on.set()
        assert [reply.result(120).status_code for reply in (first, *replies)] == [200] * 25
    assert held.calls == [1, 12, 12]


def test_what_cannot_be_written_down_for_one_is_answered_for_the_others(stage: Any) -> None:
    held = Held()
    stage.add("v1", model=held)
    stage.route("v1")
    stage.board.lineups["flights"].leader().company._trials = 0
    stage.sink.refuses = "cursed"
    names = ["a", "cursed", "b"]
    replies = gathered(stage, held, [{"rows": [stage.row], "request_id": name} for name in names])
    assert [reply.status_code for reply in replies] == [200, 503, 200]
    assert {batch.request_id for batch in stage.captured} >= {"a", "b"}


def in_threads(pace: batching.Pace) -> int:
    """How many batches go to threads before one is tried on the event loop."""
    return next(count for count in range(2 * MOST_IN_THREADS) if pace.is_short())


def on_the_loop(pace: batching.Pace, seconds: float, *, most: int = 10_000) -> int:
    """How many batches that take so long are answered on the event loop before threads have the next."""
    for count in range(1, most + 1):
        pace.took(seconds)
        if not pace.is_short():
            return count
    return most


def test_batches_are_tried_on_the_event_loop_after_some_and_ever_more_seldom_while_they_are_long() -> None:
    pace = batching.Pace()
    waits = [in_threads(pace)]
    for _ in range(7):
        assert on_the_loop(pace, 3 * SHORT_SECONDS) <= LAST_BATCHES
        waits.append(in_threads(pace) + 1)  # one was counted by `on_the_loop`
    assert waits == [min(TRIALS * 2**trial, MOST_IN_THREADS) for trial in (0, *range(7))]
    pace.took(SHORT_SECONDS / 2)
    on_the_loop(pace, 3 * SHORT_SECONDS)
    assert in_threads(pace) + 1 == TRIALS, "a short one between them is a new beginning"


def test_single_long_batches_do_not_send_a_product_back_to_threads() -> None:
    pace = batching.Pace()
    in_threads(pace)
    for number in range(1000):
        pace.took(10.0 if number % 10 == 0 else SHORT_SECONDS / 10)
        assert pace.is_short()
    assert on_the_loop(pace, 0.9 * SHORT_SECONDS, most=1000) == 1000
    assert on_the_loop(pace, 10.0) < LAST_BATCHES / 2, "but when all are, that is soon known"


def test_batches_are_answered_on_the_event_loop_once_they_are_known_to_be_short(
    stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "SHORT_SECONDS", 10.0)
    where: list[str] = []

    def model(rows: pl.DataFrame) -> Any:
        where.append(threading.current_thread().name.partition("_")[0])
        return rows["distance"].to_numpy()

    stage.add("v1", model=model)
    stage.route("v1")
    for _ in range(2 * TRIALS):
        assert stage.predict().status_code == 200
    assert where[:TRIALS] == ["answer"] * TRIALS
    assert "answer" not in where[TRIALS:]
    pace = stage.parts.batcher._paces["flights"]
    for _ in range(LAST_BATCHES):
        pace.took(40.0)
    where.clear()
    assert stage.predict().status_code == 200
    assert where == ["answer"], "and in threads again once they are not"


def test_user_code_is_never_run_on_the_event_loop(stage: Any) -> None:
    where: list[str] = []

    def model(rows: pl.DataFrame) -> Any:
        where.append(threading.current_thread().name.partition("_")[0])
        return rows["distance"].to_numpy()

    stage.add("v1", model=model, runs_user_code=True)
    stage.route("v1")
    for _ in range(2 * TRIALS):
        assert stage.predict().status_code == 200
    assert set(where) == {"answer"}


def test_a_batch_that_is_very_long_in_a_thread_puts_the_trial_off() -> None:
    pace = batching.Pace()
    assert [pace.is_short() for _ in range(TRIALS)] == [False] * TRIALS
    pace.took_in_thread(11 * SHORT_SECONDS)
    assert in_threads(pace) == TRIALS
    pace.took_in_thread(9 * SHORT_SECONDS)
    assert pace.is_short(), "which may be what it waited for others"


def test_answers_go_out_before_the_next_batch_which_has_all_who_came_meanwhile(
    stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching.Pace, "is_short", lambda _: True)
    stage.add("v1")
    stage.route("v1")
    lineup, body = stage.board.of("flights"), json.dumps({"rows": [stage.row]}).encode()
    told: list[str | int] = []

    async def ask(name: str) -> None:
        await stage.parts.batcher.answer(lineup, lambda decoder: decoder.read(body), size=len(body))
        told.append(name)

    async def all_of_them() -> None:
        loop, callers, answer = asyncio.get_running_loop(), asyncio.TaskGroup(), stage.parts.answering.answer

        def answering(inquiries: Any, **how: Any) -> Any:
            if not told:  # the second comes during this batch, the third is read from its socket just after it
                callers.create_task(ask("second"))
                loop.call_soon(lambda: callers.create_task(ask("third")))
            told.append(len(inquiries))
            return answer(inquiries, **how)

        monkeypatch.setattr(stage.parts.answering, "answer", answering)
        async with callers:
            callers.create_task(ask("first"))

    asyncio.run(all_of_them())
    assert told == [1, "first", 2, "second", "third"]


def test_what_a_batch_on_the_event_loop_raises_reaches_its_callers(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.add("v1")
    stage.route("v1")
    monkeypatch.setattr(batching.Pace, "is_short", lambda _: True)
    monkeypatch.setattr(stage.parts.answering, "answer", lambda *_, **__: 1 / 0)
    assert stage.predict().status_code == 500
    monkeypatch.undo()
    assert stage.predict().status_code == 200
