"""A challenger in shadow has a process of its own: neither its work nor its end reaches those who are answered."""

from __future__ import annotations

import os
import select
import signal
from typing import Any

import psutil
import pytest

from windlass.engines.behind import NICE
from windlass.serving.shadows.worker import SHARE, rest_after

from .waiting import until  # type: ignore[import-not-found]

IN_SHADOW = "import os, sys, time; sys.argv[0].endswith('shadows/worker.py') and {}"
"""Code that only the process of a shadow runs."""


def in_shadow(world: Any, extra: str = "") -> None:
    """Let `v2` be asked unseen; `extra` is a line of its features."""
    world.publish("v2", factor=2.0, extra=extra)
    world.route("v1", "v2", mode="shadow")


def follows(world: Any) -> None:
    world.wait_for(lambda event: event.detail == "v1 as champion, v2 as shadow")


def shadow_of(worker: int) -> psutil.Process:
    (found,) = psutil.Process(worker).children()
    return found


def ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_what_the_shadow_says_is_captured_and_its_process_ends_with_its_stage(world: Any, caller: Any) -> None:
    in_shadow(world)
    with world.server() as server:
        follows(world)
        client = caller(server.port)
        asked = [client.predict(flight=f"f{place}")[1]["predictions"][0] for place in range(50)]
        until(lambda: b'stage="shadow",version="v2"} 50.0' in client("/metrics")[1])
        assert world.captured(), "while the shadow is at work"
        process = shadow_of(server.pids[0])
        assert {os.getpriority(os.PRIO_PROCESS, thread.id) for thread in process.threads()} == {NICE}
        world.route("v1")
        until(lambda: ended(process))
    said = {(batch.ids[0], batch.stage): batch for batch in world.captured()}
    assert len(said) == 100
    for answer in asked:
        champion, shadow = said[answer["id"], "champion"], said[answer["id"], "shadow"]
        assert (champion.version, shadow.version) == ("v1", "v2")
        assert (shadow.rows, shadow.keys, shadow.at) == (champion.rows, champion.keys, champion.at)
        assert shadow.scores != champion.scores
    assert not [event for event in world.events if event.kind == "crashed"]


@pytest.mark.parametrize("worked", [0.001, 0.02, 1.0])
def test_a_shadow_works_for_its_share_of_the_time(worked: float) -> None:
    assert worked / (worked + rest_after(worked)) == pytest.approx(SHARE)


def test_one_long_call_does_not_put_a_shadow_to_sleep_for_long() -> None:
    assert rest_after(600) == 5


def test_a_shadow_that_takes_its_process_along_leaves_the_champion_alone(world: Any, caller: Any) -> None:
    in_shadow(world, extra=IN_SHADOW.format("os._exit(3)"))
    with world.server() as server:
        follows(world)
        pids = server.pids
        client = caller(server.port)
        assert client.predict()[0] == 200
        world.wait_for(lambda event: event.kind == "crashed")
        assert client.predict()[0] == 200, "on the same connection"
        assert server.pids == pids
    (first, *_) = [event for event in world.events if event.kind == "crashed"]
    assert (first.product, first.detail) == ("flights", "version v2 in shadow: its process ended with code 3")


@pytest.mark.parametrize("extra", ["", IN_SHADOW.format("time.sleep(1e6)")], ids=["idle", "held by user code"])
def test_a_shadow_ends_with_its_worker(world: Any, caller: Any, extra: str) -> None:
    in_shadow(world, extra=extra)
    with world.server() as server:
        follows(world)
        client = caller(server.port)
        assert client.predict()[0] == 200
        (worker,) = server.pids
        until(lambda: psutil.Process(worker).children())
        process = os.pidfd_open(shadow_of(worker).pid)
        os.kill(worker, signal.SIGKILL)
        assert select.select([process], [], [], 120)[0], "the shadow lives on"
        os.close(process)


def test_a_worker_waits_for_the_shadow_that_another_has_replaced(world: Any, caller: Any) -> None:
    """What a process writes down after its worker has ended would wait for the next one to be taken into the lake."""
    in_shadow(world)
    world.publish("v3", factor=3.0)
    with world.server() as server:
        follows(world)
        client = caller(server.port)
        assert client.predict()[0] == 200
        until(lambda: psutil.Process(server.pids[0]).children())
        first = shadow_of(server.pids[0])
        world.route("v1", "v3", mode="shadow")
        world.wait_for(lambda event: event.detail == "v1 as champion, v3 as shadow")
        assert client.predict()[0] == 200
        until(lambda: any(each != first for each in psutil.Process(server.pids[0]).children()))
        shadows = [first, *psutil.Process(server.pids[0]).children()]
    assert all(map(ended, shadows))
