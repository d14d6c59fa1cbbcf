"""Work that goes behind all others of a machine that has room, and not where it would starve."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time

import pytest

from windlass.engines import behind
from windlass.engines.behind import Behind, Helpers, ProcessorTime, processor_time_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such rank")
ENOUGH, CROWDED = 0.5, 5.0


def some() -> Behind:
    return Behind(enough=ENOUGH, crowded=CROWDED)


def rank_of(calls: Behind) -> int:
    """The scheduling policy of the next call."""
    return calls.work(lambda: os.sched_getscheduler(0))


def test_the_first_call_is_not_behind_all_others() -> None:
    assert rank_of(some()) == os.sched_getscheduler(0)


@pytest.mark.parametrize("worked", [0.0005, 0.01, 2.0])
@pytest.mark.parametrize(
    ("waits", "rank"),
    [
        ([0.9 * ENOUGH], "SCHED_IDLE"),
        ([1.1 * ENOUGH], "its own"),
        ([0.0, 0.9 * CROWDED], "SCHED_IDLE"),
        ([0.0, 1.1 * CROWDED], "its own"),
        ([0.0, 1.1 * CROWDED, 1.1 * ENOUGH], "its own"),
        ([0.0, 1.1 * CROWDED, 0.9 * ENOUGH], "SCHED_IDLE"),
    ],
)
def test_it_goes_behind_all_others_as_long_as_that_gets_it_on(worked: float, waits: list[float], rank: str) -> None:
    """`waits`: of the calls so far, for each second that they worked."""
    calls = some()
    for each in waits:
        calls.took(worked=worked, waited=each * worked)
    assert rank_of(calls) == (os.sched_getscheduler(0) if rank == "its own" else os.SCHED_IDLE)


def test_the_thread_that_called_keeps_its_rank() -> None:
    calls = some()
    calls.took(worked=0.01, waited=0.0)
    before = os.sched_getscheduler(0)
    calls.work(lambda: None)
    assert os.sched_getscheduler(0) == before


RANKS = """
import os
import re
from pathlib import Path

import polars as pl

from windlass.engines.behind import Helpers

def ranks():
    tasks = Path("/proc/self/task").iterdir()
    own = [task.name for task in tasks if re.match("polars-[0-9]", task.joinpath("comm").read_text())]
    return sorted({os.sched_getscheduler(int(name)) for name in own})

pl.DataFrame({"a": range(10_000)}).lazy().filter(pl.col("a") % 7 == 1).collect()  # who asks first starts the threads
helpers, told = Helpers(), [ranks()]
for behind in (True, False):
    helpers.stand(behind=behind)
    told.append(ranks())
print(told)
"""


def test_threads_of_libraries_go_behind_with_the_calls_and_come_back_if_they_may() -> None:
    told = subprocess.run([sys.executable, "-c", RANKS], capture_output=True, text=True, check=True).stdout.strip()
    own, last = os.sched_getscheduler(0), os.SCHED_IDLE
    assert told == str([[own], [last], [own]] if may_come_back() else [[own], [own], [own]])


def may_come_back() -> bool:
    there_and_back = f"import os; os.sched_setscheduler(0, {os.SCHED_IDLE}, os.sched_param(0)); " + (
        f"os.sched_setscheduler(0, {os.sched_getscheduler(0)}, os.sched_param(0))"
    )
    return subprocess.run([sys.executable, "-c", there_and_back], capture_output=True, check=False).returncode == 0


def test_who_may_not_come_back_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_thread: int, _rank: int, _parameter: os.sched_param) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refused)
    Helpers().stand(behind=True)  # or it would raise


def test_helpers_that_starve_come_back_at_once_and_the_next_call_is_of_the_own_rank(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over, told, stood = threading.Event(), list[int](), list[bool]()
    looks = itertools.count()

    def waits(_self: Helpers) -> ProcessorTime:
        look = next(looks)
        if look == 5:
            over.set()
        return ProcessorTime(worked=0.0, waited=0.9 * look)

    monkeypatch.setattr(Helpers, "time", waits)
    monkeypatch.setattr(Helpers, "stand", lambda _self, *, behind: stood.append(behind))
    monkeypatch.setattr(behind, "_LOOK_SECONDS", 0.001)
    calls = some()
    calls.took(worked=0.01, waited=0.0)
    calls.work(over.wait, starving=lambda: told.append(1))
    assert stood[:2] == [True, False]
    assert told
    assert rank_of(calls) == os.sched_getscheduler(0)


def test_what_a_call_raises_is_raised_and_the_next_one_is_made() -> None:
    def fails() -> None:
        raise ValueError("nothing")

    calls = some()
    with pytest.raises(ValueError, match="nothing"):
        calls.work(fails)
    assert calls.work(lambda: 1) == 1


def test_a_thread_is_told_what_it_worked() -> None:
    before, began = processor_time_of(threading.get_native_id()), time.thread_time()
    while time.thread_time() < began + 0.05:
        pass
    after = processor_time_of(threading.get_native_id())
    assert before is not None
    assert after is not None
    assert after.worked - before.worked == pytest.approx(0.05, abs=0.02)


def test_nothing_is_known_of_a_thread_that_is_not_there() -> None:
    assert processor_time_of(2**22 + 1) is None


@pytest.mark.parametrize(("waits", "starves"), [(0.9, True), (0.0, False)])
def test_a_call_that_waits_for_a_processor_starves_and_one_that_waits_for_anything_else_does_not(
    monkeypatch: pytest.MonkeyPatch, waits: float, starves: bool
) -> None:
    over, told = threading.Event(), list[int]()
    looks = itertools.count()

    def turn(_thread: int) -> ProcessorTime:
        look = next(looks)
        if look == 5:
            over.set()
        return ProcessorTime(worked=0.0, waited=waits * look)

    monkeypatch.setattr(behind, "processor_time_of", turn)
    monkeypatch.setattr(Helpers, "time", lambda _self: ProcessorTime(worked=0.0, waited=0.0))
    monkeypatch.setattr(behind, "_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(behind, "_STARVED", 0.5)
    some().work(over.wait, starving=lambda: told.append(1))
    assert bool(told) is starves
