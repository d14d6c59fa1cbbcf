"""The engine with real processes: what comes back, and what happens when a process does not."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from windlass.engines.behind import NICE
from windlass.engines.local import LocalEngine
from windlass.errors import ContractViolated, EngineError, RunFailed, UsageError

LIMIT = 120.0


def test_result_comes_back_from_another_process(engine: LocalEngine) -> None:
    job = engine.submit("engine_functions:double", 21)
    assert job.result() == 42
    assert job.done
    assert engine.submit("engine_functions:pid").result() == engine.pid != os.getpid()


def test_process_stays_warm_between_jobs(engine: LocalEngine) -> None:
    assert len({engine.submit("engine_functions:pid").result() for _ in range(3)}) == 1


def test_jobs_let_others_go_first(engine: LocalEngine) -> None:
    assert engine.submit("os:nice", 0).result() == NICE


def test_jobs_run_in_the_order_they_came(engine: LocalEngine) -> None:
    jobs = [engine.submit("engine_functions:double", number) for number in range(20)]
    assert [job.result() for job in jobs] == [2 * number for number in range(20)]


def test_messages_are_drained_once_and_in_order(engine: LocalEngine) -> None:
    job = engine.submit("engine_functions:chatter", 1000)
    seen = []
    while not job.wait(0.001):
        seen += job.messages()
    seen += job.messages()
    assert [message["number"] for message in seen] == list(range(1000))
    assert job.messages() == []


def test_big_result(engine: LocalEngine) -> None:
    assert len(engine.submit("engine_functions:big", 50_000_000).result()) == 50_000_000


def test_big_argument_does_not_wait_for_the_imports(tmp_path: Path) -> None:
    with LocalEngine(preload=("sklearn.ensemble",)) as engine:
        job = engine.submit("builtins:len", b"x" * 20_000_000)
        assert job.result() == 20_000_000


def test_a_job_has_the_collector_which_passes_over_what_was_imported_before(engine: LocalEngine) -> None:
    assert engine.submit("engine_functions:collector").result() == (True, True)


def test_what_a_process_leaves_in_its_temporary_folder_goes_with_it(engine: LocalEngine) -> None:
    left = Path(engine.submit("engine_functions:leave_a_file").result())
    assert left.exists()
    with pytest.raises(EngineError):
        engine.submit("engine_functions:vanish", 1).result()
    assert not left.exists()
    assert not left.parent.exists()
    assert left.parent != Path(engine.submit("engine_functions:leave_a_file").result()).parent


@pytest.mark.parametrize("name", ["engine_functions:nothing", "engine_functions", ":", "os:environ"])
def test_unknown_function(engine: LocalEngine, name: str) -> None:
    with pytest.raises(UsageError, match="no function"):
        engine.submit(name).result()


def test_module_that_does_not_exist_names_itself(engine: LocalEngine) -> None:
    with pytest.raises(RunFailed, match="no_such_module"):
        engine.submit("no_such_module:f").result()


def test_exception_of_an_odd_class_comes_as_text(engine: LocalEngine) -> None:
    with pytest.raises(RunFailed, match="Stubborn") as caught:
        engine.submit("engine_functions:stubborn").result()
    assert "in stubborn" in "".join(caught.value.__notes__)
    assert engine.submit("engine_functions:double", 1).result() == 2


def test_our_error_keeps_class_place_and_remedy(engine: LocalEngine) -> None:
    with pytest.raises(ContractViolated) as caught:
        engine.submit("engine_functions:contract").result()
    assert (caught.value.what, caught.value.where, caught.value.remedy) == ("rows break it", "column `a`", "mend it")
    assert "in contract" in "".join(caught.value.__notes__)


def test_sys_exit_ends_the_job_and_not_the_worker(engine: LocalEngine) -> None:
    before = engine.submit("engine_functions:pid").result()
    with pytest.raises(RunFailed, match="SystemExit: 7"):
        engine.submit("engine_functions:leave").result()
    assert engine.submit("engine_functions:pid").result() == before


def test_result_that_does_not_pickle(engine: LocalEngine) -> None:
    with pytest.raises(EngineError, match="cannot be sent back"):
        engine.submit("engine_functions:lambda_result").result()


def test_argument_that_does_not_pickle(engine: LocalEngine) -> None:
    with pytest.raises(EngineError, match="argument cannot be sent"):
        engine.submit("engine_functions:double", lambda: None)


def test_result_of_a_class_that_only_the_worker_knows(engine: LocalEngine) -> None:
    with pytest.raises(EngineError, match="cannot be read here"):
        engine.submit("engine_functions:own_class").result()


@pytest.mark.parametrize(
    ("function", "argument", "words"),
    [
        ("vanish", 0, "exit code 0"),
        ("vanish", 3, "exit code 3"),
        ("kill_self", signal.SIGKILL, "SIGKILL"),
        ("kill_self", signal.SIGTERM, "SIGTERM"),
        ("segfault", None, "SIGSEGV"),
    ],
)
def test_death_is_told_and_survived(engine: LocalEngine, function: str, argument: object, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        engine.submit(f"engine_functions:{function}", argument).result()
    assert engine.submit("engine_functions:double", 2).result() == 4


def test_jobs_behind_a_dying_one_are_run(engine: LocalEngine) -> None:
    first = engine.submit("engine_functions:vanish", 1)
    second = engine.submit("engine_functions:double", 5)
    with pytest.raises(EngineError):
        first.result()
    assert second.result() == 10


def test_death_leaves_where_it_was_in_the_log(engine: LocalEngine, tmp_path: Path) -> None:
    with pytest.raises(EngineError):
        engine.submit("engine_functions:segfault").result()
    log = (tmp_path / "engine.log").read_text()
    assert "about to read at zero" in log
    assert "in segfault" in log


def test_messages_before_death_are_kept(engine: LocalEngine) -> None:
    job = engine.submit("engine_functions:emit_then_die")
    assert job.wait(LIMIT)
    assert job.messages() == ["last words"]


def test_a_forked_child_that_holds_the_socket_does_not_hang_the_parent(engine: LocalEngine, tmp_path: Path) -> None:
    job = engine.submit("engine_functions:fork_and_vanish", str(tmp_path / "pid"))
    assert job.wait(LIMIT)
    with pytest.raises(EngineError, match="exit code 3"):
        job.result()
    wait_for_end(int((tmp_path / "pid").read_text()))


def test_killed_while_idle(engine: LocalEngine) -> None:
    pid = engine.submit("engine_functions:pid").result()
    os.kill(pid, signal.SIGKILL)
    wait_for_end(pid)
    job = engine.submit("engine_functions:pid")
    assert job.wait(LIMIT)
    # Either the death was seen before the job was handed over, or the job is told of it: it never hangs.
    try:
        assert job.result() != pid
    except EngineError as error:
        assert "SIGKILL" in str(error)  # noqa: PT017


def test_cancel_kills_and_the_next_job_runs(engine: LocalEngine, tmp_path: Path) -> None:
    job = engine.submit("engine_functions:wait_for_ever", str(tmp_path / "pid"))
    waiting = engine.submit("engine_functions:double", 4)
    pid = read_pid(tmp_path / "pid")
    job.cancel()
    with pytest.raises(EngineError, match="cancelled"):
        job.result()
    wait_for_end(pid)
    assert waiting.result() == 8


def test_cancel_of_a_waiting_job_leaves_the_running_one(engine: LocalEngine, tmp_path: Path) -> None:
    running = engine.submit("engine_functions:wait_for_ever", str(tmp_path / "pid"))
    waiting = engine.submit("engine_functions:double", 4)
    waiting.cancel()
    with pytest.raises(EngineError, match="cancelled"):
        waiting.result()
    assert not running.done
    read_pid(tmp_path / "pid")


def test_cancel_after_the_end_changes_nothing(engine: LocalEngine) -> None:
    job = engine.submit("engine_functions:double", 4)
    assert job.result() == 8
    job.cancel()
    assert job.result() == 8
    assert engine.pid is not None


def test_close_fails_what_is_running_and_waiting(tmp_path: Path) -> None:
    engine = LocalEngine(preload=(), environment={"PYTHONPATH": str(Path(__file__).parent)})
    jobs = [engine.submit("engine_functions:wait_for_ever", str(tmp_path / "pid")) for _ in range(3)]
    pid = read_pid(tmp_path / "pid")
    engine.close()
    for job in jobs:
        with pytest.raises(EngineError, match="cancelled"):
            job.result()
    wait_for_end(pid)


def test_many_threads_submit(engine: LocalEngine) -> None:
    results: list[int] = []

    def work(start: int) -> None:
        results.extend(engine.submit("engine_functions:double", start + step).result() for step in range(10))

    threads = [threading.Thread(target=work, args=(100 * number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted(2 * (100 * number + step) for number in range(8) for step in range(10))


def test_nothing_reaches_the_terminal(engine: LocalEngine, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    engine.submit("engine_functions:shout").result()
    assert capfd.readouterr() == ("", "")
    log = (tmp_path / "engine.log").read_text()
    for words in ("to stdout", "from a shell", "and an error", "to stderr"):
        assert words in log


def test_missing_preload_is_noted_and_survived(tmp_path: Path) -> None:
    with LocalEngine(preload=("no_such_module",), log=tmp_path / "logs" / "engine.log") as engine:
        assert engine.submit("builtins:len", "abc").result() == 3
    assert "no_such_module" in (tmp_path / "logs" / "engine.log").read_text()


def test_no_descriptor_is_left_behind(engine: LocalEngine) -> None:
    def held() -> int:
        """By this process, while one works for it."""
        for _ in range(3):
            with pytest.raises(EngineError):
                engine.submit("engine_functions:vanish", 1).result()
        assert engine.submit("engine_functions:double", 1).result() == 2
        return len(list(Path("/proc/self/fd").iterdir()))

    before = held()
    assert held() <= before + 2


# Submitted from a thread that ends at once: the worker must outlive that thread, and not the process.
PARENT = """
import sys, threading
from windlass.engines.behind import NICE
from windlass.engines.local import LocalEngine
folder, function, path = sys.argv[1:]
engine = LocalEngine(preload=(), environment={"PYTHONPATH": folder})
thread = threading.Thread(target=engine.submit, args=("engine_functions:" + function, path))
thread.start()
thread.join()
threading.Event().wait()
"""


@pytest.mark.parametrize("function", ["wait_for_ever", "hold_the_lock"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_worker_dies_with_its_parent(tmp_path: Path, function: str, how: signal.Signals) -> None:
    path = tmp_path / "pid"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(Path(__file__).parent), function, str(path)])
    worker = read_pid(path)
    assert alive(worker)
    parent.send_signal(how)
    parent.wait()
    wait_for_end(worker)


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie that nobody reaps does not."""
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state not in "ZX"


def read_pid(path: Path) -> int:
    """The number that a job writes there when it begins."""
    deadline = threading.Event()
    for _ in range(int(LIMIT * 100)):
        if path.exists() and path.read_text():
            return int(path.read_text())
        deadline.wait(0.01)
    raise AssertionError(f"{path} was not written")


def wait_for_end(pid: int) -> None:
    """Until the process is gone; fails after the limit."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], LIMIT)[0], f"process {pid} is still alive"
    finally:
        os.close(descriptor)
