"""A process that is frozen or killed while it may write: what the others can do, and what it can when it wakes up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from windlass.errors import LedgerError
from windlass.ledger.ledger import Ledger
from windlass.records.event import RunLogged

AT = datetime(2013, 3, 1, 12, tzinfo=UTC)
LOGGED = RunLogged(run="run-1")

# Stops itself between the lock and the write, as a signal from outside might.
FROZEN = """
import os, signal, sys
from datetime import datetime, UTC
from windlass.errors import LedgerError
from windlass.ledger import heads, postgres
from windlass.ledger.ledger import Ledger
from windlass.records.event import RunLogged

postgres._IDLE = "1s"
ledger = Ledger(sys.argv[1])
append = heads.append

def stop_before_the_write(*arguments, **keywords):
    os.kill(os.getpid(), signal.SIGSTOP)
    return append(*arguments, **keywords)

heads.append = stop_before_the_write
try:
    print(ledger.append(RunLogged(run="frozen"), at=datetime(2013, 3, 1, tzinfo=UTC), actor="frozen")[0].sequence)
except LedgerError as error:
    print(error)
"""


@pytest.fixture
def frozen(ledger_url: str) -> Iterator[subprocess.Popen[str]]:
    """A process that stands still and holds the right to write."""
    Ledger(ledger_url).close()
    process = subprocess.Popen([sys.executable, "-c", FROZEN, ledger_url], stdout=subprocess.PIPE, text=True)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    yield process
    process.kill()
    process.wait()


def test_a_frozen_writer_is_passed_over_or_named(
    ledger_url: str, frozen: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("windlass.ledger.sqlite._LOOK_SECONDS", 0.1)
    with Ledger(ledger_url) as ledger:
        assert ledger.head() == 0  # readers do not wait
        if ledger_url.startswith("postgresql"):
            # The server ends its session. When it wakes up, it can write nothing.
            assert ledger.append(LOGGED, at=AT, actor="ann")[0].sequence == 1
            frozen.send_signal(signal.SIGCONT)
            said = frozen.communicate()[0]
            assert "lost: terminating connection due to idle-in-transaction timeout" in said
        else:
            # Nothing can take a file's lock from a living process; but it is known who has it.
            with pytest.raises(LedgerError, match=rf"locked by process {frozen.pid} .*stopped[\s\S]*kill -CONT"):
                ledger.append(LOGGED, at=AT, actor="ann")
            frozen.send_signal(signal.SIGCONT)
            assert frozen.communicate()[0].strip() == "1"
            assert ledger.append(LOGGED, at=AT, actor="ann")[0].sequence == 2
        assert ledger.verify().ok


def test_a_writer_that_is_killed_holds_nobody_up(ledger_url: str, frozen: subprocess.Popen[str]) -> None:
    frozen.kill()
    frozen.wait()
    with Ledger(ledger_url) as ledger:
        assert [event.actor for event in ledger.append(LOGGED, at=AT, actor="ann")] == ["ann"]
        assert ledger.verify().events == 1
