"""A project of Windlass's own: what its class declares counts when something runs the command that does it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from windlass.assessment.assess import assess
from windlass.assessment.records import Assessment, Finding, State

from .conftest import Write

PRODUCT = """
    import pandera.polars as pa
    import windlass as wl
    from sklearn.linear_model import LogisticRegression


    class Sample(pa.DataFrameModel):
        id: str


    class Churn(wl.Product):
        task = wl.BinaryClassification(target="left", time="at", key="id")
        contract = Sample
        estimator = LogisticRegression()
        retrain = wl.Retrain({retrain})

        def extract(self, since):
            return read(since)
"""
IMAGE = """
    FROM python:3.12-slim
    COPY . /app
    CMD {command}
"""


def assessed(write: Write, *, command: str = "", retrain: str = 'every="30d"') -> dict[str, Finding]:
    found = whole(write, command=command, retrain=retrain)
    return {finding.id: finding for finding in found.practices}


def whole(write: Write, *, command: str, retrain: str) -> Assessment:
    files = {
        "churn.py": PRODUCT.format(retrain=retrain),
        "windlass.toml": "[alerts.team]\nurl = 'https://example.org'\n",
    }
    if command:
        files["Dockerfile"] = IMAGE.format(command=command)
    return assess(write(files), now=datetime(2026, 1, 1, tzinfo=UTC), models=["google"])


def test_a_class_alone_is_there_and_runs_nothing(write: Write) -> None:
    found = whole(write, command="", retrain="")
    assert (found.kind, found.models["google"].level) == ("project", 0)
    states = {finding.id: finding.state for finding in found.practices}
    assert states["closed-loop-retraining"] is states["model-registry"] is states["data-tests"] is State.PRESENT


@pytest.mark.parametrize("command", ['["windlass", "up"]', "python -m windlass up --host 0.0.0.0"])
def test_whoever_runs_up_runs_all_of_it(write: Write, command: str) -> None:
    found = assessed(write, command=command)
    for practice in ("ct-trigger-schedule", "closed-loop-retraining", "serve-from-registry", "data-tests"):
        assert found[practice].state is State.WIRED, practice
    assert found["alerting-on-model"].state is State.WIRED
    assert found["alerting-on-model"].evidence[0].path == "windlass.toml"
    ways = {(each.path, each.line) for each in found["drift-monitoring"].evidence}
    assert ways >= {("churn.py", 10), ("Dockerfile", 3)}


def test_a_server_alone_neither_trains_nor_closes_the_loop(write: Write) -> None:
    found = assessed(write, command='["windlass", "serve"]')
    assert found["model-serving"].state is found["production-data-captured"].state is State.WIRED
    assert found["training-automated"].state is found["drift-monitoring"].state is State.PRESENT


def test_what_the_policy_turns_off_does_not_count(write: Write) -> None:
    quiet = assessed(write, command='["windlass", "up"]', retrain="on_decay=False, on_drift=False, on_growth=None")
    assert quiet["ct-trigger-threshold"].state is quiet["ct-trigger-data"].state is State.ABSENT
    assert quiet["ct-trigger-schedule"].state is State.ABSENT
    assert quiet["model-validation-gate"].state is State.WIRED
    plain = assessed(write, command='["windlass", "up"]', retrain="")
    assert plain["ct-trigger-threshold"].state is plain["ct-trigger-data"].state is State.WIRED
