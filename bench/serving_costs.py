"""The tail at half load, and what of it capture, a shadow, features of one's own and TLS are.

    python bench/serving_costs.py [--rounds 5] [--seconds 4] [--part 0.5 | --rate 4000] [--kinds captured,tls]

One worker, one row of 30 numbers a request, a logistic-regression pipeline. `wrk` says how many requests a second 64
callers get of each; then requests come at half of what `captured` gave, or at a rate of one's own, timed from the
moment they were due (`served.paced`), in turn to

    granian, uvicorn   a bare handler around the same model in ONNX Runtime: what machine and load generator make of it
    captured           Windlass as it serves
    watched            the same product as `windlass up` trains, serves, captures and watches it: the loop beside
    nothing            with a policy of capture that keeps nothing
    shadowed           captured, and asked once more of a second version behind the answer
    features           captured, of a product with `features` of its own, an expression that calculates one column
    code               the same, beside a call of a function of which nobody knows whether it waits
    tls                captured, over TLS, on connections that are kept
    power              captured with durability `power`: synced to the disk before the answer

so that whatever else the machine does falls on all of them: each round begins with another one, and between two of them
the loop has time to take in what the last one left. Medians over the rounds, and of the ratios within each
round. `late` is the p99 of what the load generator itself was late by, part of every figure before it. Needs granian,
onnxruntime and skl2onnx, and for `tls` the command openssl.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parent))
from served import models, versions, watched
from served.paced import Paced, paced
from serving import bare_handler, load, processor_seconds

from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.registry.registry import Registry
from windlass.serving.supervisor import Server
from windlass.settings import Settings
from windlass.staging import Staging

BARE = ("uvicorn", "granian")
KINDS = ("captured", "nothing", "shadowed", "features", "code", "tls", "power")
APART = ("tls", "power")
"""Those that need a server with settings of its own."""
BESIDE_THE_LOOP = "watched"
_REST = 2.0
"""Seconds in which a loop takes in what was captured: four looks."""
NONE_KEPT = {"capture": {"sample": 1e-12}}
FEATURES = {
    "features": """
    def features(self, rows):
        return rows.with_columns(rows["x0"] * 0.5)
""",
    "code": """
    def features(self, rows):
        import time

        time.monotonic()
        return rows.with_columns(rows["x0"] * 0.5)
""",
}


def publish(paths: Paths, kinds: Sequence[str] = KINDS) -> None:
    """A product of each kind."""
    fence = Fence(holder="bench", token=1)
    paths.registry.mkdir(parents=True, exist_ok=True)
    Staging(paths.registry, fence).begin()
    registry = Registry(paths, fence)
    frame = pl.DataFrame({f"x{place}": column for place, column in enumerate(models.sample()[0].T)})
    model = models.fitted()["line"]
    for kind in kinds:
        source = versions.PLAIN.format(name=kind.title()) + FEATURES.get(kind, "")
        digests = [
            versions.publish_one(
                paths,
                registry,
                name=kind,
                source=source + note,
                frame=frame,
                fit=lambda _features: model,
                policies=NONE_KEPT if kind == "nothing" else {},
            )
            for note in ("", "# the challenger\n")
        ]
        versions.route(paths, kind, digests[0], shadow=digests[1] if kind == "shadowed" else None)


def serve(folder: Path, kinds: Sequence[str], **settings: str) -> Server:
    """A server of these kinds, in a workspace of its own."""
    paths = Paths(folder / "workspace")
    publish(paths, kinds)
    return Server(Settings(workspace=paths.root, port=0, **settings), paths, log=folder / "windlass.log")  # type: ignore[arg-type]


def settings_of(name: str, folder: Path) -> dict[str, str]:
    """What is set for the server of this name."""
    if name == "tls":
        return certified(folder / name)
    return {"durability": name} if name == "power" else {}


def certified(folder: Path) -> dict[str, str]:
    """The settings of a server that shows a certificate of its own."""
    folder.mkdir()
    files = {"tls_certificate": str(folder / "certificate.pem"), "tls_key": str(folder / "key.pem")}
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=bench"
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    written = ["-out", files["tls_certificate"], "-keyout", files["tls_key"]]
    subprocess.run([*command.split(), *names, *written], check=True, capture_output=True)
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--part", type=float, default=0.5, help="of the rate that 64 callers get")
    parser.add_argument("--rate", type=float, help="requests a second, in place of a part")
    parser.add_argument(
        "--kinds",
        default=",".join((*BARE, *KINDS, BESIDE_THE_LOOP)),
        help="some of them; `captured` is always among them",
    )
    options = parser.parse_args()
    chosen = {"captured", *options.kinds.split(",")}
    with tempfile.TemporaryDirectory() as made, ExitStack() as running:
        folder, bodies = Path(made), versions.bodies()
        urls, pids, trusted = dict[str, str](), dict[str, int](), None
        for name in (name for name in BARE if name in chosen):
            urls[name], pids[name] = running.enter_context(bare_handler(name, models.fitted()["line"], folder))
        kinds = [kind for kind in KINDS if kind in chosen]
        servers = {"": [kind for kind in kinds if kind not in APART]} | {
            kind: [kind] for kind in APART if kind in kinds
        }
        for name, served in servers.items():
            if served:
                settings = settings_of(name, folder)
                trusted = settings.get("tls_certificate", trusted)
                server = running.enter_context(serve(folder / f"server{name}", served, **settings))
                urls |= {kind: f"{server.url}/{kind}/predict" for kind in served}
                pids |= dict.fromkeys(served, server.pids[0])
        if BESIDE_THE_LOOP in chosen:
            name = BESIDE_THE_LOOP
            urls[name], pids[name] = running.enter_context(watched.watched(folder / name))
        full: dict[str, list[float]] = {kind: [] for kind in urls}
        for number in range(3):
            for kind, url in in_turn(urls, number):
                full[kind].append(load(url, bodies, connections=64, seconds=options.seconds, folder=folder).rate)
        rate = options.rate or median(full["captured"]) * options.part
        told = ", ".join(f"{kind} {median(rates):,.0f}" for kind, rates in full.items())
        print(f"requests a second that 64 callers get: {told}; {rate:,.0f} come now")
        for url in urls.values():
            paced(url, bodies, rate=rate, seconds=1, trusted=trusted)
        found: dict[str, list[tuple[float, ...]]] = {kind: [] for kind in urls}
        for number in range(options.rounds):
            for kind, url in in_turn(urls, number):
                before = processor_seconds(pids[kind])
                seen = paced(url, bodies, rate=rate, seconds=options.seconds, seed=number, trusted=trusted)
                used = (processor_seconds(pids[kind]) - before) / len(seen.took) * 1e6
                found[kind].append((*_quantiles(seen), used))
    _print(found)


def in_turn(urls: dict[str, str], number: int) -> Iterator[tuple[str, str]]:
    """All of them, each round from another one on, with a rest before each."""
    kinds = list(urls)
    first = number % len(kinds)
    for kind in kinds[first:] + kinds[:first]:
        time.sleep(_REST)
        yield kind, urls[kind]


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
