"""Forms that repositories had which no detector had met: each as small as it goes, beside what only looks like it."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import FIT, Ask, on_push

TEST = "from model import train\ndef test_train():\n    assert train([[1], [2]], [1, 2]) is not None\n"


@pytest.mark.parametrize(
    ("run", "project", "state"),
    [
        ("pip install -e '.[test]' && pytest", {}, State.ABSENT),
        ("python -m pip install . && pytest", {"other/pyproject.toml": "[project]\n"}, State.ABSENT),
        ("pip install . && pytest", {"setup.py": "from setuptools import setup\nsetup()\n"}, State.WIRED),
        ("pip install ./other && pytest", {"other/pyproject.toml": "[project]\n"}, State.WIRED),
        ("cd other && pip install . && cd .. && pytest", {"other/pyproject.toml": "[project]\n"}, State.WIRED),
        ("pip install . || true\npytest", {}, State.WIRED),
    ],
)
def test_what_comes_after_installing_a_project_that_is_nowhere(
    ask: Ask, run: str, project: dict[str, str], state: State
) -> None:
    files = {"model.py": FIT, "tests/test_model.py": TEST, **project}
    flow = f"on: push\njobs:\n  a:\n    steps:\n      - run: {run.partition(chr(10))[0]}\n      - run: pytest\n"
    assert ask("tests-in-ci", {**files, ".github/workflows/ci.yml": flow}).state is state


@pytest.mark.parametrize(("name", "state"), [("serverless.yaml", State.PRESENT), ("t-serverless.yaml", State.ABSENT)])
def test_infrastructure_by_the_whole_name_of_its_file(ask: Ask, name: str, state: State) -> None:
    assert ask("infra-as-code", {f"deploy/{name}": "service: churn\n"}).state is state


SERVICE = """
    from fastapi import FastAPI
    from prometheus_client import Counter, generate_latest
    app = FastAPI()
    asked = Counter("asked", "requests")

    @app.get("/predict")
    def predict():
        asked.inc()
        return generate_latest()
"""


@pytest.mark.parametrize(("folder", "holds"), [("monitoring", True), ("kubeflow/third-party", False)])
def test_prometheus_in_a_copy_of_others_watches_nothing_of_ours(ask: Ask, folder: str, holds: bool) -> None:
    files = {"app.py": SERVICE, f"{folder}/prometheus.yml": "scrape_configs:\n  - job_name: app\n"}
    found = ask("service-monitoring", files)
    assert any(f"{folder}/prometheus.yml" in each.path for each in found.evidence) is holds


@pytest.mark.parametrize(
    ("script", "state"),
    [
        ("#!/usr/bin/env bash\naz ml data create --file $1\n", State.PRESENT),
        ("#!/bin/sh\naz ml data create --file $1\n", State.PRESENT),
        ("#!/bin/sh\naz ml data list\n", State.ABSENT),
        ("az ml data create --file $1\n", State.ABSENT),  # a file of words
    ],
)
def test_a_script_without_an_ending_registers_data(ask: Ask, script: str, state: State) -> None:
    assert ask("data-versioned", {"bin/register": script}).state is state


SCORES = "import joblib\ndef predict(rows):\n    return joblib.load('model.pkl').predict(rows)\n"
ANSWERS = """
    import numpy as np
    from scores import predict

    def test_answers({given}):
        {before}
        assert np.isclose([16.3, 21.2], predict([[1], [2]]), rtol=0.04).all()
"""


@pytest.mark.parametrize(
    ("given", "before", "state"),
    [
        ("", "pass", State.PRESENT),
        ("monkeypatch", "monkeypatch.setattr('scores.joblib', None)", State.ABSENT),
        ("tmp_path", "joblib.dump(model, tmp_path / 'model.pkl')", State.ABSENT),
    ],
)
def test_answers_of_the_saved_model_held_to_kept_ones(ask: Ask, given: str, before: str, state: State) -> None:
    files = {"scores.py": SCORES, "tests/test_scores.py": ANSWERS.format(given=given, before=before)}
    assert ask("model-quality-tests", files).state is state


TRAINING = """
    from airflow import DAG
    from airflow.operators.python import PythonOperator
    from model import train
    with DAG(dag_id="training", schedule=None) as dag:
        PythonOperator(task_id="train", python_callable=train)
"""
WATCHING = """
    from airflow import DAG
    from airflow.operators.bash import BashOperator
    with DAG(dag_id="watching", schedule="@hourly") as dag:
        BashOperator(task_id="watch", bash_command="python watch.py")
"""
ASKING = """
    import requests
    from scipy.stats import ks_2samp

    def start(dag_id):
        address = f"http://airflow/api/v1/dags/{{dag_id}}/dagRuns"
        requests.{verb}(address, json={{}})

    if __name__ == "__main__":
        drift = ks_2samp([1], [2])
        if drift.pvalue < 0.05:
            start("{name}")
"""


@pytest.mark.parametrize(
    ("verb", "name", "state"),
    [("post", "training", State.WIRED), ("post", "report", State.ABSENT), ("get", "training", State.ABSENT)],
)
def test_airflow_is_asked_over_http_to_train(ask: Ask, verb: str, name: str, state: State) -> None:
    files = {"model.py": FIT, "dags/training.py": TRAINING, "dags/watching.py": WATCHING}
    asking = ASKING.format(verb=verb, name=name)
    assert ask("ct-trigger-threshold", {**files, "watch.py": asking}).state is state


@pytest.mark.parametrize(
    ("opens", "logs", "state"),
    [
        ("mlflow.start_run()", "mlflow.sklearn.log_model(model, 'model')", State.WIRED),
        ("mlflow.start_run()", "FeatureEngineeringClient().log_model(model=model)", State.WIRED),
        ("open('m')", "mlflow.sklearn.log_model(model, 'model')", State.DECLARED),
    ],
)
def test_a_run_that_keeps_its_model(ask: Ask, opens: str, logs: str, state: State) -> None:
    text = f"""
        import mlflow
        from databricks.feature_engineering import FeatureEngineeringClient
        from sklearn.svm import SVC
        with {opens}:
            model = SVC().fit([[1]], [1])
            {logs}
    """
    files = {"train.py": text, "requirements.txt": "mlflow\n", **on_push("python train.py")}
    assert ask("experiment-tracking", files).state is state
