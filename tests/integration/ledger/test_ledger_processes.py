"""Many processes on one ledger, and processes that are killed in the middle of writing."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime
from itertools import groupby

import pytest

from windlass.ledger.ledger import Ledger
from windlass.records.event import RunLogged

AT = datetime(2013, 3, 1, 12, tzinfo=UTC)

# Waits for a line on its input, so that all begin together; then says each sequence once it is on disk.
WRITER = """
import sys
from datetime import datetime, UTC
from windlass.ledger.ledger import Ledger
from windlass.records.event import RunLogged
url, name, appends, at_once = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
print("ready", flush=True)
sys.stdin.readline()
ledger = Ledger(url)
for number in range(appends):
    bodies = [RunLogged(run=name, metrics={"n": float(number)}) for _ in range(at_once)]
    written = ledger.append(*bodies, at=datetime(2013, 3, 1, tzinfo=UTC), actor=name)
    print(written[-1].sequence, flush=True)
"""


def writer(url: str, name: str, appends: int, at_once: int = 1) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, url, name, str(appends), str(at_once)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_eight_processes_open_a_new_ledger_and_write_at_once(ledger_url: str) -> None:
    url = ledger_url
    writers = [writer(url, f"writer-{number}", appends=40, at_once=2) for number in range(8)]
    for process in writers:
        assert said(process) == "ready"
    for process in writers:
        go(process)
    errors = [process.communicate(timeout=300)[1] for process in writers]

    assert [process.returncode for process in writers] == [0] * 8, errors
    with Ledger(url) as ledger:
        events = ledger.events()
        assert [event.sequence for event in events] == list(range(1, 8 * 40 * 2 + 1))
        for number in range(8):
            own = [event.body.metrics["n"] for event in events if event.actor == f"writer-{number}"]  # type: ignore[attr-defined]
            assert own == [float(n) for n in range(40) for _ in range(2)]
        # What was appended together stands together.
        assert all(len(list(run)) % 2 == 0 for _, run in groupby(events, key=lambda event: event.actor))
        assert ledger.verify().ok


@pytest.mark.parametrize("after", [1, 7, 30])
def test_a_writer_killed_in_the_middle_leaves_a_whole_ledger(ledger_url: str, after: int) -> None:
    url = ledger_url
    victims = [writer(url, f"victim-{number}", appends=100_000, at_once=5) for number in range(2)]
    for process in victims:
        assert said(process) == "ready"
        go(process)
    acknowledged = 0
    for _ in range(after):
        acknowledged = max([acknowledged, *(int(said(process)) for process in victims)])
    for process in victims:
        process.send_signal(signal.SIGKILL)
        rest = process.communicate(timeout=120)[0].split("\n")
        acknowledged = max([acknowledged, *(int(line) for line in rest[:-1])])  # the last line may be half written

    with Ledger(url) as ledger:
        found = ledger.verify()
        assert found.ok, found.problems
        assert found.events >= acknowledged > 0
        assert found.events % 5 == 0
        (event,) = ledger.append(RunLogged(run="run-1"), at=AT, actor="ann")
        assert event.sequence == found.events + 1
        assert ledger.verify().ok
