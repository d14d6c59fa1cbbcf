from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest

from windlass.errors import EngineError, UsageError
from windlass.serving.supervisor import Server

from .waiting import until  # type: ignore[import-not-found]


def hammer(port: int, caller: Any, until: threading.Event, results: list[tuple[int, Any]]) -> None:
    """One caller that asks over one connection until it is told to stop."""
    client = caller(port)
    while not until.is_set():
        results.append(client.predict())
    client.close()


def under_load(port: int, caller: Any, act: Callable[[], None], threads: int = 4) -> list[tuple[int, Any]]:
    """The replies that callers got while `act` was done to the server."""
    until, results = threading.Event(), []
    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(hammer, port, caller, until, results) for _ in range(threads)]
        try:
            act()
        finally:
            until.set()
        for future in futures:
            future.result()
    return results


def test_a_real_bundle_is_served_and_every_answer_is_in_a_segment(world: Any, caller: Any) -> None:
    with world.server() as server:
        client = caller(server.port)
        status, body = client.predict()
        assert status == 200
        assert client("/readyz")[1]["products"]["flights"]["champion"] == "v1"
        assert client("/flights/outcomes", {"outcomes": [{"key": "f1", "value": True}]})[0] == 202
        assert (
            b'windlass_predictions_total{product="flights",stage="champion",version="v1"} 1.0' in client("/metrics")[1]
        )
        client.close()
    (batch,) = world.captured()
    assert batch.ids == (body["predictions"][0]["id"],)
    assert batch.scores == (body["predictions"][0]["score"],)
    assert batch.features is not None
    assert len(world.read_segments()) == 2


def test_the_champion_is_swapped_under_load_without_a_failed_request(world: Any, caller: Any) -> None:
    versions = ["v1", "v2", "v3"]
    world.publish("v2", factor=2.0)
    world.publish("v3", factor=3.0)

    def swap() -> None:
        for version in ("v2", "v3", "v1", "v2"):
            told = f"{version} as champion"
            count = sum(event.detail == told for event in world.events) + 1
            world.route(version)
            world.wait_for(lambda event, told=told: event.detail == told, count)  # type: ignore[misc]

    with world.server() as server:
        results = under_load(server.port, caller, swap)
    assert {status for status, _ in results} == {200}
    seen = {answer["version"]: answer["score"] for _, body in results for answer in body["predictions"]}
    assert set(seen) == set(versions)
    assert len(set(seen.values())) == 3, "each version runs its own source and model"
    answered = {answer["id"]: answer["version"] for _, body in results for answer in body["predictions"]}
    assert {batch.ids[0]: batch.version for batch in world.captured()} == answered


def test_sigterm_under_load_finishes_what_was_asked(world: Any, caller: Any) -> None:
    answered: list[str] = []
    started = threading.Barrier(5)

    def call(port: int) -> None:
        client = caller(port)
        answered.append(client.predict()[1]["predictions"][0]["id"])
        started.wait()
        try:
            while True:
                status, body = client.predict()
                assert status == 200
                answered.append(body["predictions"][0]["id"])
        except (ConnectionError, http.client.HTTPException):
            return  # the connection was closed between two requests

    server = world.server(workers=2).start()
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(call, server.port) for _ in range(4)]
        started.wait()
        server.stop()
        for future in futures:
            future.result()
    captured = {identity for batch in world.captured() for identity in batch.ids}
    assert set(answered) <= captured
    assert server.pids == ()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


def test_a_worker_that_ends_answers_each_connection_once_more_and_says_that_it_was_the_last_time(world: Any) -> None:
    """Also those on which nothing has been asked yet: one of many, or their callers would find them closed."""
    body, headers = json.dumps({"rows": [world.row]}), {"Content-Type": "application/json"}
    with world.server(limits={"LAST_SECONDS": 600.0}) as server:
        callers = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=120) for _ in range(8)]
        for place, connection in enumerate(callers):
            connection.connect()
            connection.auto_open = 0  # what is closed stays closed
            if place % 2:
                connection.request("POST", "/flights/predict", body, headers)
                connection.getresponse().read()
        os.kill(server.pids[0], signal.SIGTERM)
        waiting = callers
        while waiting:
            goes_on = []
            for connection in waiting:
                connection.request("POST", "/flights/predict", body, headers)
                answer = connection.getresponse()
                assert (answer.status, bool(answer.read())) == (200, True)
                if answer.headers["connection"] != "close":
                    goes_on.append(connection)
            waiting = goes_on
        world.wait_for(lambda event: event.kind == "died")
    assert [event.detail for event in world.events if event.kind == "died"] == ["worker w0 ended with code 0"]


def test_a_killed_worker_is_replaced_and_told_of_and_callers_wait_instead_of_failing(world: Any, caller: Any) -> None:
    with world.server() as server:
        client = caller(server.port)
        assert client.predict()[0] == 200
        (pid,) = server.pids
        os.kill(pid, signal.SIGKILL)
        world.wait_for(lambda event: event.kind == "died")
        fresh = caller(server.port)  # goes into the listening socket's queue, which the parent holds
        assert fresh.predict()[0] == 200
        (new,) = server.pids
        assert new != pid
        gauge = 'windlass_loaded_version{product="flights",role="champion",version="v1"} 1.0'
        assert gauge.encode() in fresh("/metrics")[1], "the dead worker is not counted any more"
    assert any("signal 9" in event.detail for event in world.events if event.kind == "died")
    assert len(world.captured()) == 2


def test_two_workers_share_the_load_and_the_figures(world: Any, caller: Any) -> None:
    with world.server(workers=2) as server:
        assert len(server.pids) == 2
        results = under_load(server.port, caller, lambda: threading.Event().wait(0.5), threads=6)
        line = f'windlass_predictions_total{{product="flights",stage="champion",version="v1"}} {float(len(results))}'
        client = caller(server.port)
        until(lambda: line in client("/metrics")[1].decode())  # the other worker tells a few times a second
        metrics = client("/metrics")[1].decode()
    assert {status for status, _ in results} == {200}
    assert 'windlass_loaded_version{product="flights",role="champion",version="v1"} 2.0' in metrics
    folders = {folder.name for folder in world.paths.segments("flights").iterdir()}
    assert folders <= {"w0", "w1"}


def test_a_tampered_bundle_stays_out_and_the_previous_version_goes_on(world: Any, caller: Any) -> None:
    digest = world.publish("v2", factor=2.0)
    model = world.paths.bundle("flights", digest) / "model.skops"
    model.chmod(0o600)
    model.write_bytes(model.read_bytes() + b"\0")
    with world.server() as server:
        client = caller(server.port)
        world.route("v2")
        world.wait_for(lambda event: event.kind == "refused" and "v2" in event.detail)
        status, body = client.predict()
        assert (status, body["version"]) == (200, "v1")
        ready, told = client("/readyz")
        assert ready == 200
        assert "v2 cannot be loaded" in told["products"]["flights"]["problems"][0]
        assert b'windlass_refused_version{product="flights",version="v2"} 1.0' in client("/metrics")[1]


def test_a_tampered_first_version_never_answers(world: Any, caller: Any) -> None:
    source = world.paths.bundle("flights", world.digests["v1"]) / "source" / "flights.py"
    source.chmod(0o600)
    source.write_text(source.read_text() + "\n# harmless")
    with world.server() as server:
        client = caller(server.port)
        assert client.predict()[0] == 503
        assert client("/readyz")[0] == 503
        assert client("/livez")[0] == 200


def held_by(processes: list[psutil.Process]) -> list[Any]:
    """Segments that they have open, and sockets that they listen at."""
    files = [file.path for process in processes for file in process.open_files()]
    sockets = [each for process in processes for each in process.net_connections() if each.status == "LISTEN"]
    return [path for path in files if path.endswith(".segment")] + sockets


def over(process: psutil.Process) -> bool:
    """Whether it has ended, though nobody may have asked how."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    "then",
    [
        pytest.param("", id="comes out"),
        pytest.param("; os.getpid() != pid and time.sleep(1e6)", id="goes on"),
    ],
)
def test_what_user_code_forks_answers_nothing_and_keeps_nothing(world: Any, caller: Any, then: str) -> None:
    forks = "sys.argv[0].endswith('worker.py') and os.fork()"
    code = f"import os, sys, time; pid = os.getpid(); {forks}{then}; os.getpid() != pid and sys.exit('a copy')"
    world.publish("v2", extra=code)
    world.route("v2")
    forked: list[psutil.Process] = []
    try:
        with world.server() as server:
            client = caller(server.port)
            told = [client("/flights/predict", {"rows": [world.row]}) for _ in range(3)]
            forked = psutil.Process(server.pids[0]).children()
            if then:
                until(lambda: not held_by(forked))  # a copy closes what it was born with when it gets its turn
        assert [status for status, _ in told] == [200] * 3
        assert len(forked) >= 3
        ids = [answer["id"] for _, body in told for answer in body["predictions"]]
        assert sorted(batch.ids[0] for batch in world.captured()) == sorted(ids)
        if not then:
            until(lambda: all(map(over, forked)))
    finally:
        for process in forked:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def test_a_worker_ends_with_its_parent(world: Any) -> None:
    code = (
        "import sys, time; from pathlib import Path;"
        "from windlass.serving.supervisor import Server; from windlass.settings import Settings;"
        f"server = Server(Settings(workspace=Path({str(world.paths.root)!r}), port=0)).start();"
        "print(server.pids[0], flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    worker = os.pidfd_open(pid)
    parent.kill()
    parent.communicate()
    assert select.select([worker], [], [], 120)[0], "the worker lives on"
    os.close(worker)


def test_a_port_that_is_taken_is_one_clear_error(world: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{port}"):
            Server(world.settings().__class__(workspace=world.paths.root, port=port), world.paths).start()


def test_a_worker_that_cannot_start_is_told_at_once(world: Any) -> None:
    server = Server(world.settings(), world.paths, command=(sys.executable, "-c", "raise SystemExit(3)"))
    with pytest.raises(EngineError, match="ended with code 3"):
        server.start()
    assert server.pids == ()
