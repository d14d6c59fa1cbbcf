"""How long `windlass assess` takes and what it needs: `python bench/assess_speed.py [--files 5000] [--path FOLDER]`.

Makes a tree of a realistic mixture (two fifths Python of 50 to 400 lines, notebooks, YAML, Markdown, data; seeded) or
takes a folder, and prints for a process of its own each: seconds of wall and CPU, peak resident memory, and beside them
the floor, which is to read every text and to build the syntax tree of every Python file and nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_SHARES = {"py": 0.40, "ipynb": 0.03, "yaml": 0.09, "md": 0.13, "data": 0.35}
_IMPORTS = """\
import argparse
import json
import logging
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from team_{other}.part_{other_part} import prepare_{other_part}_0, Keeper{other_part}

logger = logging.getLogger(__name__)
THRESHOLD = {number} / 100
"""
_FUNCTIONS = (
    '''

def prepare_{part}_{n}(frame: pd.DataFrame, columns: list[str], *, limit: float = 0.{number}) -> pd.DataFrame:
    """Clean the rows of {part}."""
    kept = frame.dropna(subset=columns)
    for column in columns:
        if column.startswith("amount") and kept[column].max() > limit * {number}:
            kept[column] = kept[column].clip(upper=kept[column].quantile(0.99))
        elif kept[column].dtype == object:
            kept[column] = kept[column].str.strip().str.lower().fillna("missing")
    kept["ratio_{n}"] = kept[columns[0]] / (kept[columns[-1]] + 1e-9)
    logger.info("kept %s of %s rows", len(kept), len(frame))
    return kept.reset_index(drop=True)
''',
    """

def train_{part}_{n}(path: Path, out: Path) -> float:
    frame = prepare_{part}_{before}(pd.read_csv(path), ["amount", "age", "tenure"])
    features, target = frame.drop(columns=["target"]), frame["target"]
    x_train, x_test, y_train, y_test = train_test_split(features, target, test_size=0.2, random_state={number})
    with mlflow.start_run(run_name="run {n}"):
        model = RandomForestClassifier(n_estimators={number}, max_depth=8, n_jobs=2)
        model.fit(x_train, y_train)
        score = roc_auc_score(y_test, model.predict_proba(x_test)[:, 1])
        mlflow.log_params({{"n_estimators": {number}, "depth": 8}})
        mlflow.log_metric("auc", score)
    if score < THRESHOLD:
        raise ValueError(f"auc {{score:.3f}} is below {{THRESHOLD}}")
    (out / "metrics.json").write_text(json.dumps({{"auc": score, "rows": len(frame)}}))
    return float(score)
""",
    '''

class Keeper{part}_{n}:
    """Keeps what was seen of {part}."""

    def __init__(self, root: Path, size: int = {number}) -> None:
        self.root = root
        self.size = size
        self.rows: list[dict[str, object]] = []

    def add(self, row: dict[str, object]) -> None:
        try:
            self.rows.append({{key: value for key, value in row.items() if value is not None}})
        except (TypeError, AttributeError) as error:
            logger.warning("row %s left out: %s", row, error)
        if len(self.rows) >= self.size:
            self.flush_{n}()

    def flush_{n}(self) -> int:
        count = len(self.rows)
        pd.DataFrame(self.rows).to_parquet(self.root / f"rows-{{count}}.parquet")
        self.rows.clear()
        return prepare_{part}_{before}(pd.DataFrame(), []).shape[0] + count
''',
    """

def test_prepare_{part}_{n}() -> None:
    frame = pd.DataFrame({{"amount": [1.0, {number}.0], "age": [30, 40], "tenure": [1, 2]}})
    found = prepare_{part}_{before}(frame, ["amount", "age"])
    assert len(found) == 2
    assert np.isclose(found["ratio_0"].iloc[0], {number} / 30, atol={number})
""",
)
_MAIN = """

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("data.csv"))
    arguments = parser.parse_args()
    print(prepare_{part}_0(pd.read_csv(arguments.data), ["amount", "age"]).describe())
"""
_WORKFLOW = """\
name: part {part}
on:
  push:
    branches: [main]
  schedule:
    - cron: "0 {hour} * * *"
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: pip install -r requirements.txt
      - run: python -m pytest team_{team}
      - name: train
        run: |
          python -m team_{team}.part_{part} --data data/{part}.csv
"""
_SETTINGS = """\
model:
  name: part-{part}
  parameters: {{depth: 8, trees: {number}, rate: 0.{number}}}
columns:
{columns}
"""


def make_tree(root: Path, files: int, seed: int = 7) -> None:
    """Write `files` files below `root`."""
    dice = random.Random(seed)
    counts = {name: int(files * share) for name, share in _SHARES.items()}
    parts = [(part // 20, part) for part in range(counts["py"])]
    for team, part in parts:
        tested = part % 6 == 5
        name = f"team_{team}/tests/test_part_{part}.py" if tested else f"team_{team}/part_{part}.py"
        _write(root / name, _python(dice, part, len(parts), tested=tested))
    for number in range(counts["ipynb"]):
        cells = [_cell(line) for line in _python(dice, number, len(parts), tested=False).split("\n\n\n")]
        _write(root / f"notebooks/explore_{number}.ipynb", json.dumps({"cells": cells, "nbformat": 4}))
    for number in range(counts["yaml"]):
        if number % 12 == 0:
            team, part = dice.choice(parts)
            text = _WORKFLOW.format(part=part, team=team, hour=number % 24)
            _write(root / f".github/workflows/part_{number}.yml", text)
        else:
            columns = "\n".join(f"  - {{name: c{each}, type: float}}" for each in range(dice.randint(5, 60)))
            _write(
                root / f"conf/{number % 30}/part_{number}.yaml",
                _SETTINGS.format(part=number, number=number + 10, columns=columns),
            )
    for number in range(counts["md"]):
        text = "\n\n".join(f"Part {number} is trained on the rows of day {day}." for day in range(dice.randint(5, 80)))
        _write(root / f"docs/{number % 20}/page_{number}.md", f"# Page {number}\n\n{text}\n")
    for number in range(files - sum(counts[name] for name in ("py", "ipynb", "yaml", "md"))):
        rows = "\n".join(f"{dice.random():.6f},{dice.random():.6f},{row}" for row in range(dice.randint(10, 300)))
        _write(root / f"data/{number % 50}/rows_{number}.csv", f"amount,age,tenure\n{rows}\n")


def _python(dice: random.Random, part: int, parts: int, *, tested: bool) -> str:
    other = dice.randrange(max(parts, 1))
    text = _IMPORTS.format(other=other // 20, other_part=other, number=dice.randint(50, 95))
    text += _FUNCTIONS[0].format(part=part, n=0, before=0, number=dice.randint(10, 99))
    lines = int(dice.triangular(50, 400, 90))
    n = 1
    while text.count("\n") < lines:
        kinds = _FUNCTIONS if tested else _FUNCTIONS[:3]
        text += dice.choice(kinds).format(part=part, n=n, before=0, number=dice.randint(10, 99))
        n += 1
    return text + ("" if tested else _MAIN.format(part=part))


def _cell(source: str) -> dict[str, object]:
    output = {"output_type": "stream", "text": ["amount  age\n"] * 40}
    return {"cell_type": "code", "source": source.splitlines(keepends=True), "outputs": [output], "metadata": {}}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


_FLOOR = """
import ast, pathlib, sys, warnings
warnings.simplefilter("ignore")
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*")):
    if path.suffix in (".py", ".ipynb", ".yaml", ".yml", ".md"):
        text = path.read_text(errors="replace")
        if path.suffix == ".py":
            try:
                ast.parse(text)
            except SyntaxError:
                pass
"""
_ASSESS = """
import datetime, pathlib, sys
from windlass.assessment.assess import assess
found = assess(pathlib.Path(sys.argv[1]), now=datetime.datetime.now(datetime.UTC))
print(found.kind, "of", found.files, "files")
"""


def measure(name: str, program: str, folder: Path) -> None:
    """Run a program in a process of its own and print what it took, its children included."""
    begun, before = time.perf_counter(), os.times()
    process = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True)
    said = process.stdout.read().strip() if process.stdout is not None else ""
    _, status, used = os.wait4(process.pid, 0)
    wall, after = time.perf_counter() - begun, os.times()
    if status:
        raise SystemExit(f"{name} ended with {os.waitstatus_to_exitcode(status)}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    peak = used.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    print(f"{name:8}{wall:>8.1f} s wall{cpu:>8.1f} s CPU{peak:>8.0f} MB peak  {said}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=5_000)
    parser.add_argument("--path", type=Path, help="a folder to take instead of one that is made")
    parser.add_argument("--keep", type=Path, help="where to make the tree, which is then kept")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.path or arguments.keep or Path(temporary)
        if arguments.path is None:
            make_tree(folder, arguments.files)
        lines = sum(path.read_bytes().count(b"\n") for path in folder.rglob("*.py"))
        print(f"{lines:,} lines of Python; limit of cores {len(os.sched_getaffinity(0))}")
        measure("floor", _FLOOR, folder)
        measure("assess", _ASSESS, folder)


if __name__ == "__main__":
    main()
