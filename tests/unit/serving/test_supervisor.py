"""The parent of the workers, with workers that only do what a test needs of them."""

from __future__ import annotations

import os
import queue
import select
import signal
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from windlass.errors import EngineError, UsageError
from windlass.serving import supervisor
from windlass.serving.options import TRY_LATER
from windlass.serving.supervisor import Server, ServingEvent
from windlass.settings import Settings

WORKER = """
import pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, lambda *_: None)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1e6)"])
pathlib.Path({folder!r}, "child").write_text(str(child.pid))
def wait_for(name):
    while not pathlib.Path({folder!r}, name).exists():
        time.sleep(0.001)
wait_for("may-be-ready")
print('{{"kind": "ready"}}', flush=True)
wait_for("may-end")
child.kill()
"""


def server(folder: Path, **more: float) -> Server:
    code = WORKER.format(folder=str(folder))
    return Server(Settings(workspace=folder, port=0), command=(sys.executable, "-c", code), **more)


def test_whoever_waits_for_the_workers_gets_to_do_something_else(tmp_path: Path) -> None:
    """A controller holds its lease that way: without it, these workers would neither start nor end."""
    made = server(tmp_path)
    made.start(meanwhile=(tmp_path / "may-be-ready").touch)
    assert len(made.pids) == 1
    made.stop(timeout=60, meanwhile=(tmp_path / "may-end").touch)
    assert made.pids == ()


def test_a_worker_is_not_given_up_for_what_its_machine_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    monkeypatch.setattr(
        supervisor, "Pulse", lambda _pid: SimpleNamespace(silence=lambda: looks.append(0.0) or 0.0, beat=lambda: None)
    )
    made = server(tmp_path, ready_seconds=0.0)
    made.start(meanwhile=lambda: (tmp_path / "may-be-ready").touch() if len(looks) > 3 else None)
    (tmp_path / "may-end").touch()
    made.stop()


def test_a_worker_that_does_not_get_ready_though_it_could_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([30.0, 60.0, 61.0])
    pulse = SimpleNamespace(silence=lambda: next(looks))
    monkeypatch.setattr(supervisor, "Pulse", lambda _pid: pulse)
    sleeps = (sys.executable, "-c", "import time; time.sleep(1e6)")
    with pytest.raises(EngineError, match="not ready within 60 s"):
        Server(Settings(workspace=tmp_path, port=0), command=sleeps).start()
    assert list(looks) == []


def test_a_worker_that_does_not_end_is_killed_with_what_it_started(tmp_path: Path) -> None:
    made = server(tmp_path)
    made.start(meanwhile=(tmp_path / "may-be-ready").touch)
    child = os.pidfd_open(int((tmp_path / "child").read_text()))
    made.stop(timeout=0.1)
    assert made.pids == ()
    assert select.select([child], [], [], 120)[0], "it lives on"
    os.close(child)


@pytest.mark.parametrize(("code", "crashed"), [(1, True), (TRY_LATER, False)])
def test_a_worker_that_the_machine_has_no_room_for_tells_nothing_against_a_version(
    tmp_path: Path, code: int, crashed: bool
) -> None:
    program = f'import sys; print(\'{{"kind": "ready"}}\', flush=True); sys.stdin.read(); sys.exit({code})'
    died: queue.Queue[ServingEvent] = queue.Queue()
    made = Server(
        Settings(workspace=tmp_path, port=0),
        command=(sys.executable, "-c", program),
        on_event=lambda event: died.put(event) if event.kind == "died" else None,
    )
    made.start()
    assert died.get(timeout=300).crashed == crashed
    made.stop()


DOOMED = """
import os, pathlib, signal, sys
times = pathlib.Path({folder!r}, "times")
with times.open("a") as file:
    file.write(".")
if times.stat().st_size <= {often}:
    os.kill(os.getpid(), {signal})
print('{{"kind": "ready"}}', flush=True)
sys.stdin.read()
signal.pause()
"""


@pytest.mark.parametrize(
    ("often", "by", "starts", "begun"),
    [(1, signal.SIGKILL, True, 2), (2, signal.SIGKILL, False, 2), (1, signal.SIGSEGV, False, 1)],
)
def test_a_worker_that_is_killed_before_it_is_ready_is_started_once_more(
    tmp_path: Path, often: int, by: signal.Signals, starts: bool, begun: int
) -> None:
    program = DOOMED.format(folder=str(tmp_path), often=often, signal=int(by))
    made = Server(Settings(workspace=tmp_path, port=0), command=(sys.executable, "-c", program))
    if starts:
        made.start()
        assert len(made.pids) == 1
        made.stop(timeout=60)
    else:
        with pytest.raises(EngineError, match=f"w0 was killed by signal {int(by)}"):
            made.start()
    assert (tmp_path / "times").stat().st_size == begun


def test_a_port_that_is_taken_is_told_with_its_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError) as told:
            Server(Settings(workspace=tmp_path, port=port)).start()
    assert told.value.what == f"cannot listen on 127.0.0.1:{port}: Address already in use"
    assert "another port" in told.value.remedy


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.7"])
def test_a_host_that_is_none_of_this_machine_is_not_told_to_take_another_port(tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageError, match=f"cannot listen on {host}:0: ") as told:
        Server(Settings(workspace=tmp_path, host=host, port=0)).start()
    assert (
        told.value.remedy == "give an address of this machine: 127.0.0.1 for itself alone, 0.0.0.0 for all that it has"
    )
