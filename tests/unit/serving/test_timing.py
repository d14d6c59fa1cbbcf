from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import pytest

from windlass.serving.versions import timing
from windlass.serving.versions.timing import undisturbed_time, wall_time


def test_waiting_for_something_else_than_a_processor_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "_waited", dict)  # other threads of this process may wait for one meanwhile
    for begin in (wall_time, undisturbed_time):
        elapsed = begin()
        threading.Event().wait(0.2)
        assert elapsed() > 0.15


def test_what_a_thread_had_waited_before_is_not_missed_when_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([{"1": 0, "2": 10**12}, {"1": 0}])
    monkeypatch.setattr(timing, "_waited", lambda: next(told))
    assert undisturbed_time()() < 500


def waited_here() -> float:
    """Seconds for which this thread has waited for a processor, as the system tells it."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


def _spin(stop: Event, begun: Barrier, cpu: int) -> None:
    os.sched_setaffinity(0, {cpu})
    begun.wait()
    while not stop.is_set():
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="the system tells it on Linux alone")
def test_waiting_for_a_processor_that_others_have_does_not_count() -> None:
    spawn = multiprocessing.get_context("spawn")
    stop, begun, allowed = spawn.Event(), spawn.Barrier(5), os.sched_getaffinity(0)
    cpu = min(allowed)
    others = [spawn.Process(target=_spin, args=(stop, begun, cpu)) for _ in range(4)]
    for each in others:
        each.start()
    try:
        begun.wait(60)
        os.sched_setaffinity(0, {cpu})
        worked, wall, undisturbed, waited = time.process_time(), wall_time(), undisturbed_time(), waited_here()
        began = time.process_time()
        while time.process_time() - began < 0.2:
            pass
        waited, counted, took, worked = waited_here() - waited, undisturbed(), wall(), time.process_time() - worked
    finally:
        os.sched_setaffinity(0, allowed)
        stop.set()
        for each in others:
            each.join()
    assert waited > 0.2, "four others were to have the processor as well"
    assert 0.2 <= counted <= max(worked, took - waited)
