"""Requests a second and latency of one serving worker, beside a bare handler and beside other servers, in one run.

    python bench/serving.py [--seconds 5] [--connections 64] [--rounds 3] [--peers FOLDER] [--only line,forest]

Single-row JSON of 30 numbers, put to a logistic-regression pipeline and to a forest of 100 trees, and a contract of ten
columns with eight feature expressions. Windlass validates, captures (durability `process`) and counts; the bare
handler around the same model in ONNX Runtime does none of it. Each peer gets an environment of its own in the folder
of `--peers`, made from PyPI once. The load is `wrk` (Debian package). Needs granian, onnxruntime and skl2onnx.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import skl2onnx
from skl2onnx.common.data_types import FloatTensorType

sys.path.insert(0, str(Path(__file__).parent))
from served import models, others, versions

from windlass.records.paths import Paths
from windlass.serving.supervisor import Server
from windlass.settings import Settings

HERE = Path(__file__).parent / "served"
LUA = 'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = [==[%s]==]\n'
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""As Windlass's workers have it; with more the threads of every server here fight for the cores."""
_UNIT = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def load(url: str, body: bytes, *, connections: int, seconds: float, folder: Path) -> tuple[float, float, float, int]:
    """Requests a second, p50 and p99 in ms, and answers that were no success."""
    script = folder / "body.lua"
    script.write_text(LUA % body.decode())
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
    return float(rate[1]) if rate else 0.0, quantile(50), quantile(99), errors


@contextmanager
def process(command: list[str], *, port: int, **environment: str) -> Iterator[None]:
    """A server that answers on `port` until the block ends."""
    child = subprocess.Popen(
        command,
        env={**os.environ, **ONE_THREAD, **environment},
        cwd=HERE,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
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
            raise SystemExit(f"{command} does not listen on {port}")
        yield
    finally:
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
        self.rates: dict[str, float] = {}

    def measure(self, name: str, url: str, body: bytes) -> None:
        post(url, body)
        for connections in (1, self._options.connections):
            taken = [
                load(url, body, connections=connections, seconds=self._options.seconds, folder=self._folder)
                for _ in range(self._options.rounds + 1)
            ][1:]  # the first one warms up
            rate, p50, p99, _ = sorted(taken)[len(taken) // 2]
            errors = sum(each[3] for each in taken)
            self.rates[name] = rate
            told = f"{name:30} {connections:4} callers {rate:9.0f} requests/s  p50 {p50:7.2f}  p99 {p99:7.2f} ms"
            print(told + (f"  {errors} FAILED" if errors else ""), flush=True)


def bare(run: Run, folder: Path, names: list[str]) -> None:
    for name, model in models.fitted().items():
        if name not in names:
            continue
        kind = [("rows", FloatTensorType([None, models.WIDTH]))]
        graph = skl2onnx.convert_sklearn(model, initial_types=kind, options={"zipmap": False})
        (folder / f"{name}.onnx").write_bytes(graph.SerializeToString())
        for server in ("granian", "uvicorn"):
            port = free_port()
            command = [sys.executable, "bare.py", server, "model", str(port)]
            with process(command, port=port, BARE_MODEL=str(folder / f"{name}.onnx")):
                run.measure(f"{name}: bare, {server}", f"http://127.0.0.1:{port}/", versions.body())


def windlass(run: Run, folder: Path, names: list[str]) -> None:
    paths = Paths(folder / "workspace")
    versions.publish(paths)
    with Server(Settings(workspace=paths.root, port=0), paths, log=folder / "windlass.log") as server:
        for name in names:
            width = 10 if name == "contract" else models.WIDTH
            run.measure(f"{name}: windlass", f"{server.url}/{name}/predict", versions.body(width))


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
            asked = [(peer, name) for peer in options.beside.split(",") for name in names if name != "contract"]
            for peer, name in asked:
                with others.serving(peer, options.peers, name=name, port=free_port(), process=process) as (url, body):
                    run.measure(f"{name}: {peer}", url, body)
        for name in names:
            floor = run.rates.get(f"{name}: bare, granian")
            mine = run.rates[f"{name}: windlass"]
            for other, rate in run.rates.items():
                if other.startswith(f"{name}: ") and not other.endswith("windlass"):
                    print(f"{name}: windlass / {other.partition(': ')[2]}: {mine / rate:.2f}")
            if floor is None:
                print(f"{name}: windlass {mine:.0f}")


if __name__ == "__main__":
    main()
