"""What follows something else: workflows, alarms, charts; and what a condition within an expression chooses."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import FIT, Ask

SERVICE = """
    import joblib
    from fastapi import FastAPI
    {imports}
    app = FastAPI()
    model = joblib.load("model.joblib")
    {metrics}
    @app.post("/predict")
    def predict(x: float):
        return model.predict([[x]])
"""
MAIN = f"{FIT}\nif __name__ == '__main__':\n    train(1, 2)\n"
IMAGE = {"Dockerfile": "FROM python\nCOPY app.py .\nCMD uvicorn app:app\n"}
SERVED = {**IMAGE, "app.py": SERVICE.format(imports="", metrics="")}
TRAINS = """
    name: Train
    on: push
    jobs:
      train:
        runs-on: x
        steps:
          - run: python train.py
          - run: |
              python - <<'EOF'
              import json, sys
              new = json.load(open("metrics.json"))["rmse"]
              base = json.load(open("before.json"))["rmse"]
              if {compared}:
                  {ends}
              EOF
"""
FOLLOWS = """
    on:
      workflow_run:
        workflows: ["{name}"]
        types: [completed]
    jobs:
      deploy:
        runs-on: x
        steps:
          - run: kubectl apply -f k8s
"""


class TestWorkflowsThatFollow:
    @pytest.mark.parametrize(
        ("compared", "ends", "name", "state"),
        [
            ("new > base * 1.05", "sys.exit(1)", "Train", State.WIRED),
            ("new > base * 1.05", "print(1)", "Train", State.ABSENT),
            ("rows > wanted", "sys.exit(1)", "Train", State.ABSENT),
            ("new > base * 1.05", "sys.exit(1)", "Other", State.ABSENT),
        ],
    )
    def test_what_deploys_hangs_on_a_comparison_in_what_trained(
        self, ask: Ask, compared: str, ends: str, name: str, state: State
    ) -> None:
        files = {
            **SERVED,
            "train.py": MAIN,
            ".github/workflows/train.yml": TRAINS.format(compared=compared, ends=ends),
            ".github/workflows/deploy.yml": FOLLOWS.format(name=name),
        }
        assert ask("model-validation-gate", files).state is state


WATCHES = """
    on:
      schedule:
        - cron: "0 6 * * *"
    jobs:
      watch:
        runs-on: x
        steps:
          - run: python {watches}.py --fail
          - if: {condition}
            uses: actions/github-script@v7
            with:
              script: |
                await github.rest.actions.{asks}({{workflow_id: 'train.yml', ref: 'main'}})
"""
ON_REQUEST = "on: workflow_dispatch\njobs: {a: {runs-on: x, steps: [{run: python train.py}]}}\n"


@pytest.mark.parametrize(
    ("watches", "condition", "asks", "state"),
    [
        ("drift", "failure()", "createWorkflowDispatch", State.WIRED),
        ("drift", "success()", "createWorkflowDispatch", State.ABSENT),
        ("backup", "failure()", "createWorkflowDispatch", State.ABSENT),
        ("drift", "failure()", "listWorkflowRuns", State.ABSENT),
    ],
)
def test_a_script_that_dispatches_training_where_a_watch_failed(
    ask: Ask, watches: str, condition: str, asks: str, state: State
) -> None:
    files = {
        "train.py": MAIN,
        "drift.py": "print(1)\n",
        ".github/workflows/train.yml": ON_REQUEST,
        ".github/workflows/watch.yml": WATCHES.format(watches=watches, condition=condition, asks=asks),
    }
    assert ask("ct-trigger-threshold", files).state is state


SYNCS = """
    apiVersion: argoproj.io/v1alpha1
    kind: Application
    spec:
      source:
        path: '{folder}'
      syncPolicy:
        {policy}:
          prune: true
"""


@pytest.mark.parametrize(
    ("folder", "policy", "state"),
    [
        ("helm", "automated", State.WIRED),
        ("helm", "manual", State.ABSENT),
        ("charts/elsewhere", "automated", State.ABSENT),
    ],
)
def test_a_folder_that_argo_syncs(ask: Ask, folder: str, policy: str, state: State) -> None:
    files = {
        **SERVED,
        "argocd/app.yaml": SYNCS.format(folder=folder, policy=policy),
        "helm/values.yaml": "image: churn:1\n",
    }
    assert ask("service-cd", files).state is state


def test_a_folder_of_the_programs_of_others_that_argo_syncs(ask: Ask) -> None:
    files = {"argocd/app.yaml": SYNCS.format(folder="helm", policy="automated"), "helm/values.yaml": "image: churn:1\n"}
    assert ask("service-cd", files).state is State.ABSENT


@pytest.mark.parametrize("path", ["jenkins/jenkinsfile", "ci.Jenkinsfile", "JenkinsFile"])
def test_how_a_jenkinsfile_may_be_written(ask: Ask, path: str) -> None:
    files = {path: "pipeline { stages { stage('T') { steps { sh 'python train.py' } } } }", "train.py": MAIN}
    assert ask("training-automated", files).state is State.WIRED


def test_a_page_about_a_jenkinsfile(ask: Ask) -> None:
    files = {"Jenkinsfile.md": "`sh 'python train.py'`\n", "train.py": MAIN}
    assert ask("training-automated", files).state is State.PRESENT


CHOSEN = """
    from sklearn.linear_model import LinearRegression
    def daily(x):
        LinearRegression().fit(x, x)
    def hourly(x):
        return x
    def train(kind, x):
        {call}
    from airflow import DAG
    from airflow.operators.python import PythonOperator
    with DAG("a", schedule="@daily") as dag:
        PythonOperator(task_id="t", python_callable=train)
"""


@pytest.mark.parametrize(
    ("call", "state"),
    [('(daily if kind == "D" else hourly)(x)', State.WIRED), ('(hourly if kind == "D" else print)(x)', State.PRESENT)],
)
def test_a_function_that_a_condition_chooses(ask: Ask, call: str, state: State) -> None:
    assert ask("training-automated", {"dags/a.py": CHOSEN.format(call=call)}).state is state


PICKED = """
    from mlflow import MlflowClient
    def {name}(combos):
        prod_rmse = combos["prod"]
        best = min(combos, key=combos.get)
        return best if combos[best] {compared} prod_rmse else "prod"
    def promote(combos):
        source = {name}(combos)
        if source == "new":
            MlflowClient().set_registered_model_alias("churn", "production", 1)
    if __name__ == "__main__":
        promote({{}})
"""


@pytest.mark.parametrize(
    ("name", "compared", "state"),
    [
        ("choose_best", "<", State.PRESENT),
        ("choose_best", "is", State.ABSENT),
        ("fetch_it", "<", State.ABSENT),
    ],
)
def test_an_alias_that_moves_where_the_new_one_was_picked(ask: Ask, name: str, compared: str, state: State) -> None:
    assert ask("model-validation-gate", {"promote.py": PICKED.format(name=name, compared=compared)}).state is state


MANY = "from prometheus_client import Gauge\n" + "".join(
    f"G{number} = Gauge('drift_{number}', '')\n" for number in range(30)
)
MAP = """
    kind: ConfigMap
    data:
      prometheus.yml: |
        scrape_configs:
          - {said}: churn-api
"""


class TestExporters:
    METERED = SERVICE.format(
        imports="from prometheus_fastapi_instrumentator import Instrumentator",
        metrics="Instrumentator().instrument(app).expose(app)",
    )

    def test_that_of_the_service_is_seen_among_many(self, ask: Ask) -> None:
        assert (
            ask("service-monitoring", {**IMAGE, "app.py": self.METERED, "drift_exporter.py": MANY}).state
            is State.PRESENT
        )
        assert ask("service-monitoring", {**SERVED, "drift_exporter.py": MANY}).state is State.DECLARED

    @pytest.mark.parametrize(("said", "state"), [("job_name", State.WIRED), ("other", State.PRESENT)])
    def test_what_a_map_of_kubernetes_collects(self, ask: Ask, said: str, state: State) -> None:
        files = {**IMAGE, "app.py": self.METERED, "k8s/prometheus.yaml": MAP.format(said=said)}
        assert ask("service-monitoring", files).state is state
