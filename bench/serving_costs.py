"""The tail at half load, and what of it capture and a shadow are.

    python bench/serving_costs.py [--rounds 5] [--seconds 4] [--part 0.5 | --rate 4000]

One worker, one row of 30 numbers a request, a logistic-regression pipeline. `wrk` says how many requests a second 64
callers get of Windlass; then requests come at half of that rate, timed from the moment they were due (`served.paced`),
in turn to

    granian, uvicorn   a bare handler around the same model in ONNX Runtime: what machine and load generator make of it
    captured           Windlass as it serves
    nothing            with a policy of capture that keeps nothing
    shadowed           captured, and asked once more of a second version behind the answer

so that whatever else the machine does falls on all of them. Medians over the rounds, and of the ratios within each
round. `late` is the p99 of what the load generator itself was late by, part of every figure before it. Needs granian,
onnxruntime and skl2onnx.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parent))
from served import models, versions
from served.paced import Paced, paced
from serving import bare_handler, load, processor_seconds

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
    parser.add_argument("--part", type=float, default=0.5, help="of the rate that 64 callers get")
    parser.add_argument("--rate", type=float, help="requests a second, in place of a part")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made, ExitStack() as running:
        folder = Path(made)
        paths, body = Paths(folder / "workspace"), versions.body()
        publish(paths)
        server = Server(Settings(workspace=paths.root, port=0), paths, log=folder / "windlass.log")
        running.enter_context(server)
        urls = {kind: f"{server.url}/{kind}/predict" for kind in KINDS}
        pids = dict.fromkeys(KINDS, server.pids[0])
        rates = [
            load(urls["captured"], body, connections=64, seconds=options.seconds, folder=folder).rate for _ in range(3)
        ]
        rate = options.rate or median(rates) * options.part
        print(f"64 callers get {median(rates):,.0f} requests a second; {rate:,.0f} of them come now")
        for name in ("uvicorn", "granian"):
            url, pid = running.enter_context(bare_handler(name, models.fitted()["line"], folder))
            urls, pids = {name: url, **urls}, {**pids, name: pid}
        for url in urls.values():
            paced(url, body, rate=rate, seconds=1)
        found: dict[str, list[tuple[float, ...]]] = {kind: [] for kind in urls}
        for number in range(options.rounds):
            for kind, url in urls.items():
                before = processor_seconds(pids[kind])
                seen = paced(url, body, rate=rate, seconds=options.seconds, seed=number)
                used = (processor_seconds(pids[kind]) - before) / len(seen.took) * 1e6
                found[kind].append((*_quantiles(seen), used))
    _print(found)


def _quantiles(seen: Paced) -> tuple[float, ...]:
    """Milliseconds: p50, p99 and p99.9 of the requests, p99 of the generator's lateness; then the part of a processor
    that it took."""
    return (*np.quantile(seen.took, [0.5, 0.99, 0.999]).tolist(), float(np.quantile(seen.late, 0.99)), seen.busy)


def _print(found: dict[str, list[tuple[float, ...]]]) -> None:
    print("| | p50, ms | p99, ms | p99.9, ms | late, ms | us of a processor each | p99 beside `captured` |")
    print("|---|---|---|---|---|---|---|")
    for kind, rounds in found.items():
        p50, p99, p999, late, busy, used = (median(column) for column in zip(*rounds, strict=True))
        ratio = median(mine[1] / other[1] for mine, other in zip(rounds, found["captured"], strict=True))
        print(f"| {kind} | {p50:.2f} | {p99:.2f} | {p999:.2f} | {late:.2f} | {used:.0f} | {ratio:.2f} |")
    print(f"the load generator took {busy:.2f} of a processor")


if __name__ == "__main__":
    main()
