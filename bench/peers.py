"""What a step that does nothing costs beside Prefect, Dagster and DBOS: `python bench/peers.py [FOLDER] [rounds]`.

Each peer gets an environment of its own in FOLDER (made once, from PyPI; a temporary one by default), and runs the same
work in turn with the others, so that all see the same machine: steps one after the other, each writes a file of two
bytes. Windlass has its outputs and events synced to the disk when a step ends; the others' defaults are left as they
are. Windlass and DBOS, which can, run on SQLite and on one PostgreSQL server that waits for the disk. With TMPDIR on a
disk in memory (/dev/shm) the disk is left out for all others.
Prints JSON: milliseconds from the end of one step to the end of the next, median of the rounds, and the ratio to
Windlass. A loop as Windlass has one is not among what the others do, so there is nothing of it to compare.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from postgres_server import PostgresServer

HERE = Path(__file__).parent / "peers"
PEERS = ("dbos", "prefect", "dagster")
ON_POSTGRES = " on PostgreSQL"
STEPS = 50


def python_of(peer: str, folder: Path) -> Path:
    """The interpreter of an environment with the newest release of `peer`."""
    place = folder / peer
    python = place / "bin" / "python"
    if not python.exists():
        venv.create(place, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-qq", peer], check=True)
    return python


def version_of(peer: str, python: Path) -> str:
    asked = f"import importlib.metadata as m; print(m.version({peer!r}))"
    return subprocess.run([python, "-c", asked], check=True, capture_output=True, text=True).stdout.strip()


def measure(peer: str, python: Path, database: str = "") -> dict[str, float]:
    """`database`: a URL of PostgreSQL; empty: what the peer takes by itself, or SQLite."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
    command = [str(python), str(HERE / f"with_{peer}.py"), str(STEPS), database]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, timeout=900)
    found: dict[str, float] = next(
        json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"median"')
    )
    return found


def main(folder: Path, rounds: int) -> None:
    pythons = {"windlass": Path(sys.executable)} | {peer: python_of(peer, folder) for peer in PEERS}
    found: dict[str, list[dict[str, float]]] = {}
    with PostgresServer(durable=True) as server:
        server.execute("CREATE DATABASE dbos")
        databases: dict[str, Callable[[], str]] = {
            "windlass": server.new_url,
            "dbos": partial(server.url, database="dbos"),
        }
        for _ in range(rounds):
            for peer, python in pythons.items():
                found.setdefault(peer, []).append(measure(peer, python))
                if peer in databases:
                    found.setdefault(peer + ON_POSTGRES, []).append(measure(peer, python, databases[peer]()))
    told: dict[str, Any] = {}
    for peer, rows in found.items():
        median = statistics.median(row["median"] for row in rows)
        told[peer] = {
            "version": version_of(peer.removesuffix(ON_POSTGRES), pythons[peer.removesuffix(ON_POSTGRES)]),
            "step_ms": round(median, 2),
            "p99_ms": round(statistics.median(row["p99"] for row in rows), 2),
        }
    for row in told.values():
        row["times_windlass"] = round(row["step_ms"] / told["windlass"]["step_ms"], 1)
    print(json.dumps({"steps": STEPS, "rounds": rounds, "load": os.getloadavg()[0], "peers": told}, indent=1))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made), 3)
