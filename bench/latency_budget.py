"""What the latency budget does where a model does not keep up: a worker over HTTP, asked whether or not it answers.

    python bench/latency_budget.py [--budgets 0.1,0.5,2,1000] [--loads 0.5,1,2] [--seconds 8]

The model takes 5 ms a batch and 2 ms a row, so that batches of any size answer less than 500 rows a second. `load` is
in parts of what batches of half the budget answer. Requests of one row come as a Poisson process, each over a
connection of its own, and are timed from the moment they were due, by what the load generator was late, too. Printed
for each budget and load: how many came, and how many of these were answered, by the second in which they came; the part
within the budget, their p50 and p99; what was turned away with 503, and after how long; what broke. With a budget of
1,000 seconds there is none.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parent))
from served import models, versions

from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.registry.registry import Registry
from windlass.serving.limits import ROWS_TOGETHER
from windlass.serving.supervisor import Server
from windlass.settings import Settings
from windlass.staging import Staging

EACH, ROW = 0.005, 0.002
SLOW = f"""
    def features(self, rows):
        import sys
        import time

        if sys.argv[0].endswith("serving/worker.py"):
            time.sleep({EACH} + {ROW} * rows.height)
        return rows
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budgets", default="0.1,0.5,2,1000")
    parser.add_argument("--loads", default="0.5,1,2")
    parser.add_argument("--seconds", type=float, default=8)
    options = parser.parse_args()
    for budget in map(float, options.budgets.split(",")):
        rows = min(int((budget / 2 - EACH) / ROW), ROWS_TOGETHER)
        capacity = rows / (EACH + ROW * rows)
        with tempfile.TemporaryDirectory() as made, serve(Path(made), budget) as server:
            asyncio.run(send(server.port, rate=capacity, seconds=options.seconds / 2))  # it learns what batches take
            for load in map(float, options.loads.split(",")):
                came = asyncio.run(send(server.port, rate=load * capacity, seconds=options.seconds))
                tell(budget, load, came, options.seconds)


def serve(folder: Path, budget: float) -> Server:
    """One worker with the slow product."""
    paths, fence = Paths(folder / "workspace"), Fence(holder="bench", token=1)
    paths.registry.mkdir(parents=True, exist_ok=True)
    Staging(paths.registry, fence).begin()
    frame = pl.DataFrame({f"x{place}": column for place, column in enumerate(models.sample()[0].T)})
    digest = versions.publish_one(
        paths,
        Registry(paths, fence),
        name="slow",
        source=versions.PLAIN.format(name="Slow") + SLOW,
        frame=frame,
        fit=lambda _features: models.fitted()["line"],
    )
    versions.route(paths, "slow", digest)
    settings = Settings(workspace=paths.root, port=0, latency_budget_seconds=budget)
    return Server(settings, paths, log=folder / "windlass.log")


Came = list[tuple[int, float]]
"""Status and seconds since it was due, of each request."""


async def send(port: int, *, rate: float, seconds: float) -> Came:
    body, dice = versions.bodies(count=1)[0], np.random.default_rng(0)
    head = f"POST /slow/predict HTTP/1.1\r\nHost: bench\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    began, came = time.perf_counter(), Came()

    async def ask(due: float) -> None:
        await asyncio.sleep(began + due - time.perf_counter())
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode() + body)
        status = int((await reader.read()).split(b" ", 2)[1])
        writer.close()
        came.append((status, time.perf_counter() - began - due))

    async with asyncio.TaskGroup() as callers:
        for due in np.cumsum(dice.exponential(1 / rate, int(rate * seconds))):
            callers.create_task(ask(float(due)))
    return came


def tell(budget: float, load: float, came: Came, seconds: float) -> None:
    told = Counter(status for status, _ in came)
    answered, away = (np.array([took for status, took in came if status == wanted]) for wanted in (200, 503))
    p50, p99 = np.quantile(answered, (0.5, 0.99)) * 1000
    refused = f"{np.quantile(away, 0.5) * 1000:.0f} ms" if len(away) else "-"
    print(
        f"| {budget:g} s | {load:g} | {len(came) / seconds:.0f} | {len(answered) / seconds:.0f} | "
        f"{np.mean(answered <= budget):.3f} | {p50:.0f} | {p99:.0f} | {told[503] / len(came):.2f} | {refused} | "
        f"{sum(told.values()) - told[200] - told[503]} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
