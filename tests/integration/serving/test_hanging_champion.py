"""A champion that hangs on some rows, in real workers: who waits for it, what is told, and who takes its place."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from .waiting import until  # type: ignore[import-not-found]

HANGS = "import sys, time; sys.argv[0].endswith('serving/worker.py') and rows['seats'].max() > 50 and time.sleep(1e6)"
SPINS = "import sys\n        while sys.argv[0].endswith('serving/worker.py') and rows['seats'].max() > 50: pass"
HOLDS = (
    "import ctypes, sys; sys.argv[0].endswith('serving/worker.py') and rows['seats'].max() > 50"
    " and ctypes.PyDLL(None).sleep(100_000)"
)
"""The interpreter, all the while."""


def states_of(process: int) -> set[str]:
    """Of all its threads, as the system writes them."""
    return {file.read_text().rpartition(")")[2].split()[0] for file in Path(f"/proc/{process}/task").glob("*/stat")}


def told(world: Any, kind: str) -> list[str]:
    return [event.detail for event in world.events if event.kind == kind]


@pytest.mark.parametrize("hangs", [HANGS, SPINS], ids=["waits", "computes"])
def test_others_are_answered_beside_it_and_its_worker_is_replaced(world: Any, caller: Any, hangs: str) -> None:
    world.publish("v2", factor=2.0, extra=hangs)
    world.route("v2")
    # It stays for longer than is usual: to find out whose row it is takes a busy machine more than five seconds.
    made = world.server(answer_seconds=10.0, limits={"HANGS_SECONDS": 15.0})
    with made as server, ThreadPoolExecutor(24) as callers:

        def answer(place: int) -> tuple[int, Any]:
            client = caller(server.port)
            try:
                return client.predict(flight=f"f{place}", seats=99 if place == 7 else 1)
            finally:
                client.close()

        before = server.pids
        assert answer(1)[0] == 200
        replies = list(callers.map(answer, range(24)))
        assert [status for status, _ in replies] == [504 if place == 7 else 200 for place in range(24)]
        assert "version v2 gave no answer in 10 s" in replies[7][1]["error"]
        assert "answer_seconds" in replies[7][1]["error"]
        until(lambda: server.pids and server.pids != before)
        assert answer(26)[0] == 200
        client = caller(server.port)
        assert client("/readyz")[0] == 200
        client.close()
    assert told(world, "died") == ["worker w0 ended with code 0"]
    (hung,) = told(world, "hangs")
    assert hung.startswith("version v2: no answer in 10 s for 1 row, at line "), hung
    assert "flights.py (features)" in hung
    captured = world.captured()
    failed = [batch for batch in captured if batch.error is not None]
    assert [(batch.keys, batch.error) for batch in failed] == [(("f7",), "no answer in 10 s")]
    good = [key for batch in captured if batch.error is None for key in batch.keys]
    assert sorted(good) == sorted(f"f{place}" for place in [1, *range(24), 26] if place != 7), "each once"


def test_a_worker_whose_interpreter_is_held_is_replaced_by_its_parent(world: Any, caller: Any) -> None:
    world.publish("v2", factor=2.0, extra=HOLDS)
    world.route("v2")
    with world.server(answer_seconds=1.0, workers=2) as server, ThreadPoolExecutor(1) as callers:
        before = server.pids

        def poison() -> str:
            client = caller(server.port)
            try:
                return str(client.predict(seats=99)[0])
            except ConnectionError as error:
                return type(error).__name__
            finally:
                client.close()

        hanging = callers.submit(poison)
        until(lambda: set(server.pids) - set(before))
        assert hanging.result(120) in ("ConnectionResetError", "RemoteDisconnected")
        for _ in range(8):  # whichever worker takes it
            client = caller(server.port)
            assert client.predict(flight="f2")[0] == 200
            client.close()
    (died,) = [event for event in world.events if event.kind == "died"]
    assert "did not get on for 11 s" in died.detail
    assert died.crashed, "as a crash, it is held against what is being released"


def test_a_worker_that_was_stopped_for_longer_than_a_call_may_take_is_left_alone(world: Any, caller: Any) -> None:
    with world.server(answer_seconds=0.5) as server:
        client = caller(server.port)
        assert client.predict(flight="f1")[0] == 200
        (worker,) = server.pids
        os.kill(worker, signal.SIGSTOP)
        until(lambda: states_of(worker) == {"T"})
        _, pulse = server._pulses["w0"]
        looks: list[float] = []
        silence = pulse.silence
        pulse.silence = lambda: looks.append(silence()) or looks[-1]
        until(lambda: len(looks) >= 8)
        silent = list(looks)
        os.kill(worker, signal.SIGCONT)
        assert client.predict(flight="f2")[0] == 200
        client.close()
        assert server.pids == (worker,)
    assert silent == sorted(silent, reverse=True), "while it is stopped nothing adds up"
    assert told(world, "died") == []
