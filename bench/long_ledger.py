"""What the commands cost on a ledger of a million events: `python bench/long_ledger.py [--events 1000000] [--times 5]`.
With `--kept` only the rows of a ledger whose state an earlier process kept.

A real project is trained, served and asked once. Its ledger then grows by the past of a product that retrained every
six hours for years, and each command is run as a person runs it, as a process of its own: beside a young ledger, with
the state that an earlier process kept, and without it. For both databases. Prints medians of the wall time, and of the
processor's time (of the command's own process), which depends less on who else uses the machine.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from history import START, fill
from lateness import PRODUCT, line, row_of, write_project

from windlass.ledger.ledger import Ledger
from windlass.ledger.view import StateView
from windlass.records.event import ChampionChanged
from windlass.records.lease import Fence
from windlass.records.paths import Paths

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from postgres_server import PostgresServer

PORT = 18437
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""The commands as they are installed: with bytecode, whatever this shell says of it."""
T = TypeVar("T")


def main() -> None:
    """Measure both databases, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--kept", action="store_true", help="only with the state that an earlier process kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, PostgresServer(durable=True) as server:
        for database, url in {"SQLite": "", "PostgreSQL": server.new_url()}.items():
            project = Project(Path(folder) / database, url)
            print(f"{database}, load {os.getloadavg()[0]:.1f}", flush=True)
            prediction = project.serve_one()
            if not options.kept:
                project.measure(prediction, "young", options.times)
            print(f"  {project.grow(options.events):,} events", flush=True)
            if not options.kept:
                project.measure(prediction, "nothing kept", options.times, before=project.forget)
            project.command("status").check_returncode()  # which keeps the state
            project.measure(prediction, "state kept", options.times)


class Project:
    """A project with one product, and its commands."""

    def __init__(self, folder: Path, ledger: str) -> None:
        self.folder = folder
        self.paths = Paths(folder / ".windlass")
        self.url = self.paths.ledger_url(ledger)
        write_project(folder, ledger=ledger, port=PORT)

    def serve_one(self) -> str:
        """Train the first version, have it answer once; the answer's id, once it can be traced."""
        with self.up():
            prediction = wait_for(self.ask)
            wait_for(lambda: self.command("trace", prediction).returncode == 0)
        return prediction

    def grow(self, events: int) -> int:
        """Give the product a long past; at its end the real version answers again."""
        with Ledger(self.url) as ledger:
            champion = StateView(ledger).refresh().products[PRODUCT].champion
            assert champion is not None
            fill(ledger, product=PRODUCT, events=events, first_version=2)
            fence = ledger.acquire("history", 60)
            assert fence is not None
            back = ChampionChanged(
                version=champion.version, digest=champion.digest, previous=None, release=None, reason="it is real"
            )
            ledger.append(back, at=START, actor="history", product=PRODUCT, fence=fence)
            ledger.release(fence)
            return ledger.head()

    def forget(self) -> None:
        self.paths.state.unlink(missing_ok=True)

    def measure(self, prediction: str, what: str, times: int, *, before: Callable[[], None] = lambda: None) -> None:
        commands = {
            "status": lambda: self.command("status").check_returncode(),
            "trace ID": lambda: self.command("trace", prediction).check_returncode(),
            "up, until it acts": self.start_up,
        }
        for name, command in commands.items():
            walls, processor = [], []
            for _ in range(times):
                before()
                wait_for(port_is_free)  # workers end a moment after a server that was killed
                used = resource.getrusage(resource.RUSAGE_CHILDREN)
                started = time.perf_counter()
                command()
                walls.append(time.perf_counter() - started)
                now = resource.getrusage(resource.RUSAGE_CHILDREN)
                processor.append(now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime)
            taken = f"{statistics.median(walls):6.2f} s"
            print(f"  {what:<14} {name:<20} {taken}, processor {statistics.median(processor):6.2f} s", flush=True)

    def start_up(self) -> None:
        """As far as its first deed, which needs the whole state: it sets the routing right. Then it is killed."""
        routing = self.paths.routing(PRODUCT)
        routing.write_text(routing.read_text().replace('"salt": ""', '"salt": "wrong"'))
        before = routing.stat().st_mtime_ns
        with self.up(ends=signal.SIGKILL):
            while routing.stat().st_mtime_ns == before:
                time.sleep(0.005)
        with Ledger(self.url) as ledger:  # the lease it leaves would be waited for
            lease = ledger.lease()
            if lease is not None:
                ledger.release(Fence(holder=lease.holder, token=lease.token))

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(line(self.folder, *words), env=ENVIRONMENT, check=False, capture_output=True, text=True)

    @contextmanager
    def up(self, *, ends: signal.Signals = signal.SIGTERM) -> Iterator[None]:
        wait_for(port_is_free)
        process = subprocess.Popen(
            line(self.folder, "up"), env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout is not None
        said = []
        for told in process.stdout:
            said.append(told)
            if "the loop runs as" in told:
                break
        else:
            raise RuntimeError("".join(said))
        yield
        process.send_signal(ends)
        process.communicate()

    def ask(self) -> str | None:
        row, _ = row_of(random.Random(0))
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
        headers = {"Content-Type": "application/json"}
        connection.request("POST", f"/{PRODUCT}/predict", json.dumps({"rows": [row]}), headers)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        return str(content["predictions"][0]["id"]) if answer.status == 200 else None


def port_is_free() -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", PORT)) != 0


def wait_for(look: Callable[[], T | None]) -> T:
    """Look again and again until there is something."""
    while not (found := look()):
        time.sleep(0.1)
    return found


if __name__ == "__main__":
    main()
