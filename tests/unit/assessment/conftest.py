"""Small projects written into a folder, and what the probes say of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from windlass.assessment.assess import open_project
from windlass.assessment.facts import Facts
from windlass.assessment.probes import PROBES
from windlass.assessment.records import Finding

Write = Callable[[Mapping[str, str]], Path]
Ask = Callable[..., Finding]

FIT = "from sklearn.linear_model import LinearRegression\ndef train(x, y):\n    return LinearRegression().fit(x, y)\n"
ON_PUSH = """
    on: push
    jobs:
      a:
        runs-on: ubuntu-latest
        steps:
          - run: {run}
"""

SERVED = """
    import joblib
    from fastapi import FastAPI
    app = FastAPI()
    model = joblib.load("model.pkl")

    @app.post("/predict")
    def predict(row: dict) -> float:
        return model.predict([list(row.values())])[0]
"""


def on_push(run: str) -> dict[str, str]:
    """A workflow that runs a command on each push."""
    return {".github/workflows/ci.yml": ON_PUSH.format(run=run)}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Put files into a folder and give the folder."""

    def put(files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / "project" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        return tmp_path / "project"

    return put


@pytest.fixture
def ask(write: Write) -> Ask:
    """What the probe of a practice says of a project with these files."""

    def say(practice: str, files: Mapping[str, str]) -> Finding:
        return PROBES[practice](Facts(open_project(write(files))))

    return say
