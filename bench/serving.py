"""Requests a second, latency and processor time of a serving worker, beside a bare handler and others, in one run.

    python bench/serving.py [--seconds 5] [--connections 64] [--rounds 3] [--peers FOLDER] [--only line,forest]

Single-row JSON of 30 numbers, put to a logistic-regression pipeline and to a forest of 100 trees, and a contract of ten
columns with eight feature expressions; and once more the pipeline as `windlass up` trains, serves, captures and watches
it, the loop beside. Windlass validates, captures (durability `process`) and counts; the bare
handler around the same model in ONNX Runtime does none of it. Processor time is that of all processes of a server, user
and system, for each request: it hangs less on what else the machine does than the rate. Each peer gets an environment
of its own in the folder of `--peers`, made from PyPI once. The load is `wrk` (Debian package). Needs granian,
onnxruntime and skl2onnx.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import skl2onnx
from skl2onnx.common.data_types import FloatTensorType

sys.path.insert(0, str(Path(__file__).parent))
from served import models, others, versions, watched

from windlass.records.paths import Paths
from windlass.serving.supervisor import Server
from windlass.settings import Settings

HERE = Path(__file__).parent / "served"
LUA = """
local bodies, asked, place = {%s}, {}, 0
function init(args)
  for each, body in ipairs(bodies) do
    asked[each] = wrk.format("POST", nil, {["Content-Type"] = "application/json"}, body)
  end
end
function request()
  place = place %% #asked + 1
  return asked[place]
end
"""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""As Windlass's workers have it; with more the threads of every server here fight for the cores."""
_UNIT = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True, kw_only=True)
class Load:
    """What callers saw of a server."""

    requests: int
    rate: float
    """Requests a second."""
    p50: float
    """Milliseconds, as is `p99`."""
    p99: float
    errors: int
    """Answers that were no success, and broken connections."""


def load(url: str, bodies: Sequence[bytes], *, connections: int, seconds: float, folder: Path) -> Load:
    """What `connections` callers see, each of whom asks again as soon as he is answered, the next of the bodies."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk, which makes the load, is not installed; `apt-get install wrk`")
    script = folder / "body.lua"
    script.write_text(LUA % ", ".join(f"[==[{body.decode()}]==]" for body in bodies))
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds:g}s",
        "--latency",
        "--timeout",
        "20s",
        "-s",
        str(script),
        url,
    ]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def quantile(percent: int) -> float:
        found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", text)
        return float(found[1]) * _UNIT[found[2]] if found else float("nan")

    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    errors = (int(wrong[1]) if wrong else 0) + (sum(map(int, broken.groups())) if broken else 0)
    asked = re.search(r"(\d+) requests in", text)
    return Load(
        requests=int(asked[1]) if asked else 0,
        rate=float(rate[1]) if rate else 0.0,
        p50=quantile(50),
        p99=quantile(99),
        errors=errors,
    )


def processor_seconds(pid: int) -> float:
    """What the process and all below it have used, user and system."""
    process = psutil.Process(pid)
    taken = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return float(sum(each.user + each.system for each in taken))


@contextmanager
def process(command: list[str], *, port: int, **environment: str) -> Iterator[int]:
    """A server that answers on `port` until the block ends; its process id."""
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            command,
            env={**os.environ, **ONE_THREAD, **environment},
            cwd=HERE,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        try:
            until = time.monotonic() + 120
            while child.poll() is None and time.monotonic() < until:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.2)
            else:
                said.seek(0)
                words = said.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
                raise SystemExit(f"{' '.join(command)} does not listen on {port}: {words[-1]}")
            yield child.pid
        finally:
            if child.poll() is None:
                os.killpg(child.pid, 15)
            child.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def post(url: str, body: bytes) -> bytes:
    asked = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return bytes(answer.read())


class Run:
    """One table: every server under the same load in turn, the median of the rounds."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self.found: dict[str, tuple[float, float]] = {}
        """By server, at the most callers: requests a second, microseconds of processor time for each."""

    def measure(self, name: str, url: str, bodies: Sequence[bytes], *, pid: int) -> None:
        post(url, bodies[0])
        for connections in (1, self._options.connections):
            taken = [self._once(url, bodies, connections, pid) for _ in range(self._options.rounds + 1)][
                1:
            ]  # one warms up
            middle = len(taken) // 2
            seen = sorted((load for load, _ in taken), key=lambda load: load.rate)[middle]
            used = sorted(used for _, used in taken)[middle]
            errors = sum(load.errors for load, _ in taken)
            self.found[name] = seen.rate, used
            told = f"{name:30} {connections:4} callers {seen.rate:9.0f} requests/s  {used:7.0f} us of a processor each"
            told += f"  p50 {seen.p50:7.2f}  p99 {seen.p99:7.2f} ms"
            print(told + (f"  {errors} FAILED" if errors else ""), flush=True)

    def _once(self, url: str, bodies: Sequence[bytes], connections: int, pid: int) -> tuple[Load, float]:
        before = processor_seconds(pid)
        seen = load(url, bodies, connections=connections, seconds=self._options.seconds, folder=self._folder)
        return seen, (processor_seconds(pid) - before) / max(1, seen.requests) * 1e6


@contextmanager
def bare_handler(server: str, model: Any, folder: Path) -> Iterator[tuple[str, int]]:
    """`model` behind a few lines of ASGI on `server` (granian or uvicorn); its address and process id."""
    if find_spec(server) is None:
        raise SystemExit(f"{server} is not installed here; `{sys.executable} -m pip install {server}`")
    kind = [("rows", FloatTensorType([None, models.WIDTH]))]
    graph = skl2onnx.convert_sklearn(model, initial_types=kind, options={"zipmap": False})
    file, port = folder / f"bare-{server}.onnx", free_port()
    file.write_bytes(graph.SerializeToString())
    with process([sys.executable, "bare.py", server, "model", str(port)], port=port, BARE_MODEL=str(file)) as pid:
        yield f"http://127.0.0.1:{port}/", pid


def bare(run: Run, folder: Path, names: list[str]) -> None:
    for name, model in models.fitted().items():
        for server in ("granian", "uvicorn") if name in names else ():
            with bare_handler(server, model, folder) as (url, pid):
                run.measure(f"{name}: bare, {server}", url, versions.bodies(), pid=pid)


def windlass(run: Run, folder: Path, names: list[str]) -> None:
    paths = Paths(folder / "workspace")
    versions.publish(paths)
    with Server(Settings(workspace=paths.root, port=0), paths, log=folder / "windlass.log") as server:
        for name in names:
            url = f"{server.url}/{name}/predict"
            run.measure(f"{name}: windlass", url, versions.bodies(models.width(name)), pid=server.pids[0])
    if "line" in names:
        with watched.watched(folder / "watched") as (url, pid):
            run.measure("line: windlass, its loop beside", url, versions.bodies(), pid=pid)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="line,forest,contract")
    parser.add_argument("--beside", default=",".join(others.PEERS), help="which of the peers")
    parser.add_argument("--peers", type=Path, help="folder of the peers' environments; without it they are left out")
    options = parser.parse_args()
    names = options.only.split(",")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        run = Run(options, folder)
        bare(run, folder, names)
        windlass(run, folder, names)
        if options.peers is not None:
            asked = [(peer, name) for peer in options.beside.split(",") for name in names]
            for peer, name in asked:
                with others.serving(peer, options.peers, name=name, port=free_port(), process=process) as (
                    url,
                    body,
                    pid,
                ):
                    run.measure(f"{name}: {peer}", url, [body], pid=pid)
        for name in names:
            rate, used = run.found[f"{name}: windlass"]
            for other, (its_rate, its_use) in run.found.items():
                if other.startswith(f"{name}: ") and not other.endswith("windlass"):
                    told = f"{rate / its_rate:.2f} by the rate, {its_use / used:.2f} by processor time"
                    print(f"{name}: windlass / {other.partition(': ')[2]}: {told}")


if __name__ == "__main__":
    main()
