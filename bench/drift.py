"""What a comparison costs: Windlass and Evidently on the same files, one after the other, each in processes of its own.

    python bench/drift.py [--rows 200000] [--columns 50] [--runs 3] [--environments DIR] [--folder DIR] [--no-peer]
    python bench/drift.py --large [--rows 3000000] [--columns 1000] [--folder DIR]

Evidently gets a virtual environment of its own, made here (it needs pandas < 3). Each comparison reads two parquet
files and comes to its verdict; the time inside of it is reported, and the whole process with its start. `--large` makes
one parquet file (24 GB of numbers by default), profiles it, compares it with its own profile, and says how much memory
that took.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

_GROUP = 250_000
EVIDENTLY = """
import sys, time
started = time.perf_counter()
import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset
imported = time.perf_counter()
reference, current = pd.read_parquet(sys.argv[1]), pd.read_parquet(sys.argv[2])
Report([DataDriftPreset()]).run(current, reference).json()
print(time.perf_counter() - imported)
"""
WINDLASS = """
import os, sys, time
from pathlib import Path
import numpy, polars, scipy.special, msgspec
from windlass.cli.drift import compare_files
started = time.perf_counter()
found = compare_files(Path(sys.argv[1]), Path(sys.argv[2]), state=None, seasons=False)
held = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(time.perf_counter() - started, int(held[0]) / 1024, sum(os.times()[:2]))
"""
PROFILE = """
import os, sys, time
from pathlib import Path
from windlass.monitoring import save_profile, scan_parquet
started = time.perf_counter()
save_profile(scan_parquet(Path(sys.argv[1])), Path(sys.argv[2]))
held = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(time.perf_counter() - started, int(held[0]) / 1024, sum(os.times()[:2]))
"""


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=None)
    parser.add_argument("--columns", type=int, default=None)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--environments", type=Path, default=Path(tempfile.gettempdir()) / "windlass-peers")
    parser.add_argument("--folder", type=Path, default=None, help="where the files go; default: the temporary folder")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--large", action="store_true")
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, polars {pl.__version__}")
    print(f"load {os.getloadavg()[0]:.1f} at the start\n")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if options.large:
            large(Path(folder), options.rows or 3_000_000, options.columns or 1000)
        else:
            peers(Path(folder), options)


def peers(folder: Path, options: argparse.Namespace) -> None:
    """Two files, compared by both in turns."""
    rows, columns = options.rows or 200_000, options.columns or 50
    files = [str(written(folder / f"{seed}.parquet", rows, columns, seed=seed)) for seed in (1, 2)]
    saved = str(folder / "reference.profile.json")
    asked(sys.executable, PROFILE, files[0], saved)
    calls: dict[str, Callable[[], list[float]]] = {
        "windlass, two files": lambda: asked(sys.executable, WINDLASS, *files),
        "windlass, saved profile": lambda: asked(sys.executable, WINDLASS, saved, files[1]),
    }
    if not options.no_peer:
        python = str(environment(options.environments / "evidently", "evidently==0.7.23", "pandas<3", "pyarrow"))
        calls["evidently"] = lambda: asked(python, EVIDENTLY, *files)
    inside: dict[str, list[float]] = {name: [] for name in calls}
    whole: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(options.runs):
        for name, call in calls.items():
            started = time.perf_counter()
            inside[name].append(call()[0])
            whole[name].append(time.perf_counter() - started)
    print(f"{rows:,} + {rows:,} rows x {columns} columns, medians of {options.runs} runs")
    for name, seconds in inside.items():
        process = statistics.median(whole[name])
        line = f"  {name:<26} {statistics.median(seconds):7.2f} s, with process start {process:7.2f} s"
        if "evidently" in inside and name != "evidently":
            ratio = statistics.median(inside["evidently"]) / statistics.median(seconds)
            line += f"; evidently takes {ratio:.0f} times as long"
        print(line)


def large(folder: Path, rows: int, columns: int) -> None:
    """One file that does not fit into memory, profiled and compared."""
    path, saved = folder / "large.parquet", folder / "large.profile.json"
    started = time.perf_counter()
    written(path, rows, columns, seed=1)
    print(f"made {path.stat().st_size / 2**30:.1f} GiB in {time.perf_counter() - started:.0f} s")
    for name, found in (
        ("profile", asked(sys.executable, PROFILE, str(path), str(saved))),
        ("compare", asked(sys.executable, WINDLASS, str(saved), str(path))),
    ):
        print(
            f"{rows:,} rows x {columns} columns, {name}: {found[0]:.0f} s ({found[2]:.0f} s of processor time), "
            f"at most {found[1]:,.0f} MiB of memory"
        )
    print(f"the profile: {saved.stat().st_size / columns:,.0f} bytes a column")


def written(path: Path, rows: int, columns: int, *, seed: int) -> Path:
    """A file of numbers of several shapes, and categories in every tenth column; in row groups of 250,000 rows."""
    rng = np.random.default_rng(seed)
    schema = {f"c{place}": pl.String() if place % 10 == 9 else pl.Float64() for place in range(columns)}

    def parts(*_: object) -> Iterator[pl.DataFrame]:
        for start in range(0, rows, _GROUP):
            count = min(_GROUP, rows - start)
            yield pl.DataFrame({name: column(rng, place, count) for place, name in enumerate(schema)}, schema=schema)

    lazy = register_io_source(parts, schema=schema)
    lazy.sink_parquet(path, row_group_size=_GROUP, compression="lz4", maintain_order=True)
    return path


def column(rng: np.random.Generator, place: int, count: int) -> np.ndarray:
    """Normal, lognormal, with gaps, counts; or text."""
    if place % 10 == 9:
        return rng.choice(np.array(["red", "green", "blue", "grey", "pink"]), count)
    kinds = (
        lambda: rng.standard_normal(count),
        lambda: np.exp(rng.standard_normal(count)),
        lambda: np.where(rng.random(count) < 0.05, np.nan, rng.random(count)),
        lambda: rng.poisson(4, count).astype(np.float64),
    )
    return kinds[place % 4]()


def environment(folder: Path, *packages: str) -> Path:
    """The Python of a virtual environment with these packages, made if it is not there."""
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        (folder / "ready").touch()
    return python


def asked(python: str, code: str, *arguments: str) -> list[float]:
    """The numbers that the code prints last."""
    done = subprocess.run([python, "-c", code, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return [float(figure) for figure in done.stdout.split("\n")[-2].split()]


if __name__ == "__main__":
    main()
