"""What `windlass predict` costs, and that its memory does not grow with the file: `python bench/predict_file.py`.

Files of 30 columns, short and long, are answered by a logistic regression; each by the command in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import joblib
import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression

from windlass.app.debut import bring_in_model_files
from windlass.app.workspace import Workspace
from windlass.settings import load_settings

_COLUMNS = [f"x{place}" for place in range(30)]
_WINDLASS = [sys.executable, "-m", "windlass"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[50_000, 1_000_000])
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as name:
        project = make_project(Path(name))
        print("| file | rows | seconds | rows a second | MB at the most |\n|---|---|---|---|---|")
        for kind in ("parquet", "csv"):
            for count in rows:
                file = project / f"rows.{kind}"
                write(file, count)
                seconds, megabytes = answer(project, file)
                print(f"| {kind} | {count:,} | {seconds:.1f} | {count / seconds:,.0f} | {megabytes:,.0f} |", flush=True)


def make_project(folder: Path) -> Path:
    """A project whose champion is a logistic regression of 30 numbers."""
    chance = np.random.default_rng(1)
    model = LogisticRegression().fit(chance.normal(size=(500, len(_COLUMNS))), chance.integers(0, 2, 500))
    model.feature_names_in_ = np.array(_COLUMNS, dtype=object)
    joblib.dump(model, folder / "model.joblib")
    made = [*_WINDLASS, "init", "bench", "--from-model", "model.joblib", "--trust", "--target", "y"]
    subprocess.run(made, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    project = folder / "bench"
    with Workspace.open(load_settings(directory=project), create=True) as workspace:
        bring_in_model_files(workspace, say=print)
    return project


def write(file: Path, rows: int) -> None:
    chance = np.random.default_rng(0)
    frame = pl.DataFrame({name: chance.normal(size=rows) for name in _COLUMNS})
    if file.suffix == ".csv":
        frame.write_csv(file)
    else:
        frame.write_parquet(file)


def answer(project: Path, file: Path) -> tuple[float, float]:
    """Seconds, and the most memory in MB, of one command."""
    started = time.perf_counter()
    child = subprocess.Popen([*_WINDLASS, "predict", file.name], cwd=project, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"the command failed: {status}")
    return time.perf_counter() - started, used.ru_maxrss / 1024


if __name__ == "__main__":
    main()
