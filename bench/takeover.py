"""How long nobody acts: from the end of the holder of the lease until another one holds it, and has done a deed.

    python bench/takeover.py [--times 5] [--lease 10 --lease 2]

Two real `windlass up` on one workspace, on SQLite and on PostgreSQL. The holder is killed (SIGKILL) or stopped
(SIGSTOP) at a random moment, and a person asks for something in the same moment. Two times are measured: until the
ledger names the other one as acting (`controller.started`, with every store taken over), and until the person has an
answer. Prints medians and the longest; a stopped one is woken up at the end and must stand by again.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from lateness import PRODUCT, line, write_project

from windlass.ledger.ledger import Ledger
from windlass.ledger.lock_holder import find_lock_holder
from windlass.records.event import ChampionChanged, CommandFinished, CommandRequested, ControllerStarted
from windlass.records.paths import Paths

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from postgres_server import PostgresServer

PORTS = (18441, 18442)
POLL_SECONDS = 0.5
Up = subprocess.Popen[str]


def main() -> None:
    """Measure each database, lease and way to end, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--lease", type=float, action="append", help="seconds; 10 (the default setting) and 2")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    dice = random.Random(options.seed)
    print(f"poll_seconds {POLL_SECONDS}; seconds: median (longest) of {options.times}")
    print(f"{'':<12} {'lease_seconds':>13}  {'ended by':<8}  {'holds the lease':>16}  {'has answered':>16}")
    with tempfile.TemporaryDirectory() as folder, PostgresServer(durable=True) as server:
        for database, url in {"SQLite": "", "PostgreSQL": server.new_url()}.items():
            with Project(Path(folder) / database, url) as project:
                for lease in options.lease or [10.0, 2.0]:
                    for how in (signal.SIGKILL, signal.SIGSTOP):
                        pairs = [project.take_over(how, lease, dice) for _ in range(options.times)]
                        held, answered = (summary(column) for column in zip(*pairs, strict=True))
                        print(f"{database:<12} {lease:>13g}  {how.name[3:]:<8}  {held:>16}  {answered:>16}", flush=True)
    print(f"load {os.getloadavg()[0]:.1f} at the end")


def summary(seconds: tuple[float, ...]) -> str:
    return f"{statistics.median(seconds):.1f} ({max(seconds):.1f})"


class Project:
    """A project whose first version answers, and the processes that run it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.paths = Paths(folder / ".windlass")
        write_project(folder, ledger=url, poll_seconds=POLL_SECONDS)
        self.processes: list[Up] = []
        self.ledger = Ledger(self.paths.ledger_url(url))

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()
        self.ledger.close()

    def take_over(self, how: signal.Signals, lease: float, dice: random.Random) -> tuple[float, float]:
        """Seconds until another one holds the lease, and until it has done what was asked for."""
        before = self.starts
        first, lines = self.up(PORTS[0], lease)
        wait_for(lambda: self.starts > before and self.ledger.events((ChampionChanged,)), self.processes, lines)
        _, waiting = self.up(PORTS[1], lease)
        wait_for(lambda: any("standing by" in line for line in waiting), self.processes)
        time.sleep(dice.uniform(0, lease / 2))
        began = self.end(first, how)
        command = f"{how.name}-{self.ledger.head()}"
        asked = CommandRequested(command=command, name="pause", reason="a bench")
        self.ledger.append(asked, at=datetime.now(UTC), actor="bench", product=PRODUCT)
        wait_for(lambda: self.starts > before + 1, self.processes)
        held = time.monotonic() - began
        wait_for(lambda: self.ledger.events((CommandFinished,), subject=command), self.processes)
        answered = time.monotonic() - began
        if how == signal.SIGSTOP:
            first.send_signal(signal.SIGCONT)
            wait_for(lambda: any("standing by again" in line for line in lines), self.processes)
        self.leave()
        return held, answered

    @property
    def starts(self) -> int:
        """How many controllers have come to act."""
        return len(self.ledger.events((ControllerStarted,)))

    def end(self, process: Up, how: signal.Signals) -> float:
        """When it ended. Not stopped in the millisecond of a write to SQLite, whose lock it would keep."""
        while True:
            began = time.monotonic()
            process.send_signal(how)
            if how == signal.SIGKILL:
                process.wait()
                return began
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)
            holder = find_lock_holder(self.paths.ledger)
            if holder is None or not holder.stopped:
                return began
            process.send_signal(signal.SIGCONT)

    def up(self, port: int, lease: float) -> tuple[Up, list[str]]:
        """A `windlass up`, once it has said whether it acts or stands by; what it says comes into the list."""
        process = subprocess.Popen(
            line(self.folder, "up"),
            env={**os.environ, "WINDLASS_PORT": str(port), "WINDLASS_LEASE_SECONDS": str(lease)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        lines: list[str] = []
        threading.Thread(target=lambda: lines.extend(process.stdout or ()), daemon=True).start()
        return process, lines

    def leave(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()
        self.processes.clear()


def wait_for(look: Callable[[], object], processes: list[Up], lines: Sequence[str] = ()) -> None:
    """Look again and again until there is something; a process that is no longer needed may have ended."""
    while not look():
        if all(process.poll() is not None for process in processes):
            raise RuntimeError("every windlass up has ended: " + "".join(lines))
        time.sleep(0.01)


if __name__ == "__main__":
    main()
