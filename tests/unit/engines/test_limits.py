"""What user code may take, with real processes that take more."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from windlass.engines.lifeline import be_first_to_go
from windlass.engines.limits import SHARE, Guard, Limits, machine_memory, memory_of
from windlass.engines.local import LocalEngine
from windlass.errors import EngineError

HERE = Path(__file__).parent
MB = 1_000_000


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Callable[..., LocalEngine]]:
    engines: list[LocalEngine] = []

    def make(**limits: float) -> LocalEngine:
        engine = LocalEngine(
            preload=(),
            log=tmp_path / "engine.log",
            environment={"PYTHONPATH": str(HERE)},
            limits=Limits(**limits),  # type: ignore[arg-type]
        )
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        engine.close()


def test_a_job_that_hangs_is_ended_and_the_next_one_runs(limited: Callable[..., LocalEngine]) -> None:
    engine, now = limited(), [0.0]
    engine._guard = Guard(Limits(seconds=2.0), now=lambda: now[0])  # how long a process takes to start must not decide
    job = engine.submit("engine_functions:hang")
    now[0] += 2.5
    with pytest.raises(EngineError, match="within 2 s") as told:
        job.result()
    assert told.value.where == "engine_functions:hang"
    assert "run_seconds" in told.value.remedy
    assert engine.submit("engine_functions:double", 4).result() == 8


def test_a_job_that_eats_memory_is_ended_together_with_its_children(limited: Callable[..., LocalEngine]) -> None:
    """Neither the process nor its child is beyond the limit alone."""
    engine = limited(memory=400 * MB)
    assert engine.submit("engine_functions:double", 4).result() == 8
    parent = engine.pid
    assert parent is not None
    with pytest.raises(EngineError, match="may have 400 MB") as told:
        engine.submit("engine_functions:hoard", 600).result()
    assert "run_memory_mb" in told.value.remedy
    assert engine.submit("engine_functions:double", 5).result() == 10
    assert parent not in {process.info["ppid"] for process in psutil.process_iter(["ppid"])}


def test_time_between_jobs_does_not_count() -> None:
    moments = iter([0.0, 100.0, 101.0, 103.0])
    guard = Guard(Limits(seconds=2.0, memory=10**15), now=lambda: next(moments))
    guard.begin()
    began = guard.begin()
    assert guard.excess(pid=os.getpid(), began=began, function="f") is None
    excess = guard.excess(pid=os.getpid(), began=began, function="f")
    assert excess is not None
    assert "within 2 s" in excess.what


def test_without_a_word_a_run_may_have_most_of_the_machine() -> None:
    total = machine_memory()
    assert 0 < total <= psutil.virtual_memory().total
    guard = Guard(Limits())
    assert guard.excess(pid=os.getpid(), began=guard.begin(), function="f") is None
    assert SHARE < 1


def test_the_memory_of_a_process_that_is_gone_is_none() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert memory_of(gone.pid) == 0
    assert memory_of(os.getpid()) > 10 * MB


def test_linux_is_asked_to_spare_what_serves(tmp_path: Path) -> None:
    (tmp_path / "score").write_text("0")
    be_first_to_go(tmp_path / "score")
    assert (tmp_path / "score").read_text() == "800"
    be_first_to_go(tmp_path / "no such system" / "score")
