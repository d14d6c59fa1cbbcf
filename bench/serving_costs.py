"""What capture and a shadow cost the caller at half load: `python bench/serving_costs.py [--rounds 5] [--seconds 4]`.

One worker, one row of 30 numbers a request, a logistic-regression pipeline. `wrk` says how many requests a second 64
callers get; then requests come at half of that rate, timed from the moment they were due (`served.paced`), in turn to

    captured   as it is served
    nothing    with a policy of capture that keeps nothing
    shadowed   captured, and asked once more of a second version behind the answer

so that whatever else the machine does falls on all three. Medians over the rounds, and of the ratios within each round.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parent))
from served import models, versions
from served.paced import latencies
from serving import load

from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.registry.registry import Registry
from windlass.serving.supervisor import Server
from windlass.settings import Settings
from windlass.staging import Staging

KINDS = ("captured", "nothing", "shadowed")
NONE_KEPT = {"capture": {"sample": 1e-12}}


def publish(paths: Paths) -> None:
    """A product of each kind."""
    fence = Fence(holder="bench", token=1)
    paths.registry.mkdir(parents=True, exist_ok=True)
    Staging(paths.registry, fence).begin()
    registry = Registry(paths, fence)
    frame = pl.DataFrame({f"x{place}": column for place, column in enumerate(models.sample()[0].T)})
    model = models.fitted()["line"]
    for kind in KINDS:
        digests = [
            versions.publish_one(
                paths,
                registry,
                name=kind,
                source=versions.PLAIN.format(name=kind.title()) + note,
                frame=frame,
                fit=lambda _features: model,
                policies=NONE_KEPT if kind == "nothing" else {},
            )
            for note in ("", "# the challenger\n")
        ]
        versions.route(paths, kind, digests[0], shadow=digests[1] if kind == "shadowed" else None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        paths, body = Paths(folder / "workspace"), versions.body()
        publish(paths)
        with Server(Settings(workspace=paths.root, port=0), paths, log=folder / "windlass.log") as server:
            urls = {kind: f"{server.url}/{kind}/predict" for kind in KINDS}
            rates = [
                load(urls["captured"], body, connections=64, seconds=options.seconds, folder=folder).rate
                for _ in range(3)
            ]
            rate = median(rates) / 2
            print(f"64 callers get {median(rates):,.0f} requests a second; half of it is {rate:,.0f}")
            for url in urls.values():
                latencies(url, body, rate=rate, seconds=1)
            found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
            for number in range(options.rounds):
                for kind, url in urls.items():
                    took = latencies(url, body, rate=rate, seconds=options.seconds, seed=number)
                    p50, p99 = np.quantile(took, [0.5, 0.99])
                    found[kind].append((float(p50), float(p99)))
    print("| | p50, ms | p99, ms | p99 beside `captured` in the same round |\n|---|---|---|---|")
    for kind, rounds in found.items():
        ratio = median(mine[1] / other[1] for mine, other in zip(rounds, found["captured"], strict=True))
        p50, p99 = median(each[0] for each in rounds), median(each[1] for each in rounds)
        print(f"| {kind} | {p50:.2f} | {p99:.2f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
