"""A canary that hangs in a real worker: the champion answers its callers, and the worker still ends in good order."""

from __future__ import annotations

import os
import select
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .waiting import until  # type: ignore[import-not-found]

HANGS = "import sys, time; sys.argv[0].endswith('serving/worker.py') and rows['seats'].max() > 50 and time.sleep(1e6)"


def test_callers_are_answered_and_the_worker_ends_when_it_is_asked_to(world: Any, caller: Any) -> None:
    world.publish("v2", factor=2.0, extra=HANGS)
    world.route("v1", "v2", mode="canary", share=0.5, salt="salt")
    with world.server() as server:
        world.wait_for(lambda event: event.detail == "v1 as champion, v2 as canary")
        asked = [(f"f{place}", 99 if place % 10 == 0 else 1) for place in range(60)]

        def answer(flight: str, seats: int) -> dict[str, Any]:
            client = caller(server.port)
            try:
                status, told = client.predict(flight=flight, seats=seats)
            finally:
                client.close()
            assert status == 200, told
            return dict(told["predictions"][0])

        first = [answer(f"f{place}", 1) for place in range(20)]  # a first call might take long and not be blamed for it
        assert {told["version"] for told in first} == {"v1", "v2"}
        with ThreadPoolExecutor(8) as callers:
            answers = first + list(callers.map(lambda each: answer(*each), asked))
        (worker,) = server.pids
        end = os.pidfd_open(worker)
        server.stop()
        assert select.select([end], [], [], 0)[0]
        os.close(end)
    assert {told["version"] for told in answers if told["stage"] == "champion"} == {"v1"}
    failed = [batch for batch in world.captured() if batch.stage == "canary" and batch.error is not None]
    assert any(batch.error.startswith("no answer in ") for batch in failed)
    assert {batch.request_id for batch in failed} == {
        batch.request_id
        for batch in world.captured()
        if batch.stage == "champion" and batch.request_id in {each.request_id for each in failed}
    }, "whom it has not answered the champion has"
    kept = {told["id"] for told in answers}
    assert kept == {name for batch in world.captured() if batch.error is None for name in batch.ids}
    assert not [event for event in world.events if event.crashed], "it was not killed, but has ended"


def test_a_worker_in_which_a_withdrawn_version_never_ends_is_replaced(world: Any, caller: Any) -> None:
    world.publish("v2", factor=2.0, extra=HANGS)
    with world.server() as server:
        client = caller(server.port)
        assert client.predict(flight="f1")[0] == 200
        world.route("v1", "v2", mode="canary", share=1.0, salt="salt")
        world.wait_for(lambda event: event.detail == "v1 as champion, v2 as canary")
        status, told = client.predict(seats=99)
        assert (status, told["predictions"][0]["version"]) == (200, "v1")
        client.close()
        before = server.pids
        world.route("v1")
        until(lambda: server.pids != before)
        client = caller(server.port)
        status, told = client.predict(flight="f2", seats=99)
        assert (status, told["predictions"][0]["version"]) == (200, "v1")
    assert [event.detail for event in world.events if event.kind == "died"] == ["worker w0 ended with code 0"]
    assert not [event for event in world.events if event.crashed]
    assert len({name for batch in world.captured() for name in batch.ids}) == 3
