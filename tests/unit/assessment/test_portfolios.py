"""Forms of projects by one person: verdicts that leave by a number, floors, pages of metrics, loops with a bound."""

from __future__ import annotations

import pytest

from windlass.assessment.assess import open_project
from windlass.assessment.facts import Facts
from windlass.assessment.kind import kind_of
from windlass.assessment.records import State

from .conftest import FIT, Ask, Write, on_push

RELEASE = "import mlflow\nmlflow.register_model('runs:/1/m', 'churn')\n"
VERDICT = """
    import sys

    def check_gate(champion_auc, challenger_auc):
        better = challenger_auc >= champion_auc - 0.01
        if better:
            return True
        return False

    if __name__ == "__main__":
        passed = check_gate(0.8, 0.9)
        sys.exit({leaves})
"""


@pytest.mark.parametrize(("leaves", "state"), [("0 if passed else 1", State.WIRED), ("0", State.ABSENT)])
def test_a_verdict_that_leaves_by_a_number(ask: Ask, leaves: str, state: State) -> None:
    files = {"gate.py": VERDICT.format(leaves=leaves), "release.py": RELEASE, **on_push("python gate.py")}
    assert ask("model-validation-gate", files).state is state


@pytest.mark.parametrize(("name", "state"), [("check_gate", State.WIRED), ("main", State.ABSENT)])
def test_only_what_is_named_as_a_judge_leaves_by_its_answer(ask: Ask, name: str, state: State) -> None:
    code = VERDICT.format(leaves="0 if passed else 1").replace("check_gate", name)
    files = {"gate.py": code, "release.py": RELEASE, **on_push("python gate.py")}
    assert ask("model-validation-gate", files).state is state


GATED = """
    on: push
    jobs:
      checks:
        runs-on: ubuntu-latest
        steps:
          - run: |
              python - <<'EOF'
              import json, sys
              auc = json.load(open("metrics.json"))["auc"]
              ok = auc >= 0.8
              print(ok)
              print("told at length")
              print("to whoever reads the log")
              print("before it ends")
              sys.exit({leaves})
              EOF
      deploy:
        needs: checks
        runs-on: ubuntu-latest
        steps:
          - run: kubectl apply -f k8s/
"""


@pytest.mark.parametrize(("leaves", "state"), [("0 if ok else 1", State.WIRED), ("0", State.ABSENT)])
def test_a_program_within_ci_that_leaves_by_a_number(ask: Ask, leaves: str, state: State) -> None:
    files = {".github/workflows/ci.yml": GATED.format(leaves=leaves)}
    assert ask("model-validation-gate", files).state is state


STEP = """
    from airflow import DAG
    from airflow.exceptions import AirflowFailException
    from airflow.operators.python import PythonOperator
    import mlflow

    def promotion_gate(new_auc, old_auc):
        return new_auc > old_auc, "why"

    def _gate():
        passed, reason = promotion_gate(0.9, 0.8)
        if not {asked}:
            raise AirflowFailException(reason)

    def _promote():
        mlflow.MlflowClient().set_registered_model_alias("churn", "champion", "3")

    with DAG("retrain", schedule="@daily"):
        PythonOperator(task_id="gate", python_callable=_gate) >> PythonOperator(task_id="p", python_callable=_promote)
"""


@pytest.mark.parametrize(("asked", "state"), [("passed", State.WIRED), ("STARTED", State.ABSENT)])
def test_a_step_that_fails_by_what_it_asked(ask: Ask, asked: str, state: State) -> None:
    assert ask("model-validation-gate", {"dags/retrain.py": STEP.format(asked=asked)}).state is state


@pytest.mark.parametrize(
    ("does", "state"),
    [
        ("if recall > 0.65:\n        joblib.dump(model, 'm.pkl')", State.PRESENT),
        ("if recall > best_recall:\n        joblib.dump(model, 'm.pkl')", State.ABSENT),
        ("if loss < 0.3:\n        joblib.dump(model, 'm.pkl')", State.ABSENT),
        ("if recall < 0.65:\n        model.fit(1, 2)\n        joblib.dump(model, 'm.pkl')", State.ABSENT),
    ],
)
def test_a_model_that_is_kept_above_a_floor(ask: Ask, does: str, state: State) -> None:
    code = f"import joblib\ndef keep(model, recall, best_recall, loss):\n    {does}\nkeep(1, 2, 3, 4)\n"
    assert ask("model-validation-gate", {"train.py": code}).state is state


@pytest.mark.parametrize(("other", "state"), [("champ_run_cost", State.PRESENT), ("last_run_cost", State.ABSENT)])
def test_rivals_in_short(ask: Ask, other: str, state: State) -> None:
    code = f"import shutil\ndef swap(chall_run_cost, {other}):\n    if chall_run_cost < {other}:\n"
    code += "        shutil.copy2('challenger.pkl', 'champion.pkl')\nswap(1, 2)\n"
    assert ask("model-validation-gate", {"swap.py": code}).state is state


@pytest.mark.parametrize(
    ("between", "state"), [("    else:\n        deploy = True\n", State.PRESENT), ("    deploy = True\n", State.ABSENT)]
)
def test_a_verdict_of_another_branch_is_not_overwritten(ask: Ask, between: str, state: State) -> None:
    code = (
        "import mlflow\ndef release(champion, new_auc, old_auc):\n    deploy = False\n    if champion:\n"
        f"        deploy = new_auc > old_auc\n{between}    if deploy:\n"
        "        mlflow.register_model('runs:/1/m', 'churn')\nrelease(1, 2, 3)\n"
    )
    assert ask("model-validation-gate", {"release.py": code}).state is state


PAGE = """
    import joblib
    from fastapi import FastAPI

    app = FastAPI()
    model = joblib.load("model.pkl")

    @app.post("/predict")
    def predict(x: float):
        return model.predict([[x]])

    @app.get("/internal/counts")
    def counts():
        return "requests_total 3"
"""


@pytest.mark.parametrize(("path", "state"), [("/internal/counts", State.WIRED), ("/elsewhere", State.ABSENT)])
def test_a_page_of_metrics_at_the_address_that_is_collected(ask: Ask, path: str, state: State) -> None:
    scrape = f"scrape_configs:\n  - job_name: api\n    metrics_path: {path}\n"
    docker = "FROM python\nCOPY . .\nCMD uvicorn service:app\n"
    files = {"service.py": PAGE, "prometheus.yml": scrape, "Dockerfile": docker}
    assert ask("service-monitoring", files).state is state


@pytest.mark.parametrize(
    ("command", "state"),
    [
        ("kubectl exec deploy/trainer -- python /app/train.py", State.WIRED),
        ("kubectl logs deploy/trainer", State.PRESENT),
        ("su jovyan -c 'python train.py'", State.WIRED),
        ("su jovyan", State.PRESENT),
    ],
)
def test_commands_for_others(ask: Ask, command: str, state: State) -> None:
    files = {"train.py": f"{FIT}train(1, 2)\n", **on_push(command)}
    assert ask("training-automated", files).state is state


@pytest.mark.parametrize(
    ("until", "state"),
    [("ticks is None or done < ticks", State.WIRED), ("node is None or node.next", State.PRESENT)],
)
def test_a_loop_that_ends_for_those_who_bound_it(ask: Ask, until: str, state: State) -> None:
    code = f"import time\n{FIT}def run(ticks=None, node=None, done=0):\n    while {until}:\n        train(1, 2)\n"
    code += "        time.sleep(60)\nif __name__ == '__main__':\n    run()\n"
    assert ask("training-automated", {"loop.py": code}).state is state


TABLE = """
    from sqlalchemy.orm import declarative_base

    class ModelVersion(declarative_base()):
        __tablename__ = "models"

    def keep(db, path):
        row = ModelVersion(path=path)
        db.add(row)

    def active(db):
        return db.query({asked}).first()

    keep(1, 2)
    active(1)
"""


@pytest.mark.parametrize(("asked", "state"), [("ModelVersion", State.PRESENT), ("Customer", State.ABSENT)])
def test_a_table_of_versions(ask: Ask, asked: str, state: State) -> None:
    assert ask("model-registry", {"models.py": TABLE.format(asked=asked)}).state is state


FLOW = """
    from prefect import flow, task
    from scipy.stats import ks_2samp

    def measure_drift(old, new):
        return ks_2samp(old, new)

    @task
    def drift(old, new):
        return measure_drift(old, new)

    @task
    def tell(db, found):
        {tells}

    @flow
    def watch(db):
        tell(db, drift(1, 2))

    if __name__ == "__main__":
        watch(1)
"""


@pytest.mark.parametrize(
    ("tells", "state"),
    [("db.execute('INSERT INTO drift VALUES (?)', found)", State.PRESENT), ("print(found)", State.ABSENT)],
)
def test_drift_that_another_step_of_the_flow_keeps(ask: Ask, tells: str, state: State) -> None:
    assert ask("drift-monitoring", {"watch.py": FLOW.format(tells=tells)}).state is state


@pytest.mark.parametrize(("code", "kind"), [(PAGE, "project"), (FIT, "library")])
def test_what_answers_is_no_library_for_its_classifiers(write: Write, code: str, kind: str) -> None:
    marks = '[project]\nname = "churn"\nclassifiers = ["Intended Audience :: Developers"]\n'
    assert kind_of(Facts(open_project(write({"service.py": code, "pyproject.toml": marks})))).name == kind


STEPS = """
    resource "aws_sagemaker_pipeline" "churn" {{
      pipeline_definition = jsonencode({{
        Steps = [
          {{ Name = "Prepare", Type = "Processing" }},
          {{ Name = "Train", Type = "{kind}" }}
        ]
      }})
    }}
"""


@pytest.mark.parametrize(("kind", "state"), [("Training", State.PRESENT), ("Transform", State.ABSENT)])
def test_a_pipeline_of_sagemaker_in_terraform(ask: Ask, kind: str, state: State) -> None:
    assert ask("pipeline-orchestrated", {"infra/pipeline.tf": STEPS.format(kind=kind)}).state is state


SHOWN = """
    resource "aws_cloudwatch_dashboard" "churn" {{
      dashboard_body = jsonencode({{ widgets = [{{ properties = {{ metrics = [["AWS/SageMaker", "{metric}"]] }} }}] }})
    }}
"""


@pytest.mark.parametrize(
    ("metric", "state"), [("EndpointInvocationErrors", State.PRESENT), ("TrainingJobsCompleted", State.ABSENT)]
)
def test_a_page_of_a_platform(ask: Ask, metric: str, state: State) -> None:
    assert ask("service-monitoring", {"infra/page.tf": SHOWN.format(metric=metric)}).state is state


POSTERIOR = """
    import joblib
    import pymc3 as pm
    from fastapi import FastAPI

    app = FastAPI()
    model = joblib.load("model.joblib")

    @app.post("/predict")
    def predict(x: float):
        return pm.{asks}(model)
"""


@pytest.mark.parametrize(("asks", "state"), [("sample_posterior_predictive", State.PRESENT), ("hdi", State.ABSENT)])
def test_a_service_that_samples_a_posterior(ask: Ask, asks: str, state: State) -> None:
    assert ask("model-serving", {"service.py": POSTERIOR.format(asks=asks)}).state is state


@pytest.mark.parametrize(("package", "state"), [("pymc", State.PRESENT), ("random", State.ABSENT)])
def test_sampling_a_model_is_training(ask: Ask, package: str, state: State) -> None:
    code = f"import {package} as pm\ndef train():\n    return pm.sample(1000)\ntrain()\n"
    assert ask("training-automated", {"train.py": code}).state is state


CHECKED = """
    from deepchecks.tabular.checks import {check}
    from pkg.train import train

    def test_model():
        assert {check}().run(train(1, 2)).passed_conditions()
"""


@pytest.mark.parametrize(("check", "state"), [("TrainTestPerformance", State.PRESENT), ("MixedNulls", State.ABSENT)])
def test_checks_of_deepchecks_that_judge_a_model(ask: Ask, check: str, state: State) -> None:
    files = {"pkg/__init__.py": "", "pkg/train.py": FIT, "tests/test_model.py": CHECKED.format(check=check)}
    assert ask("model-quality-tests", files).state is state


WATCHED = """
    from fastapi import FastAPI
    from watch.stat_tests import {name}

    app = FastAPI()

    @app.post("/measure")
    def measure(old: list, new: list):
        return {name}(old, new)
"""


@pytest.mark.parametrize(("name", "state"), [("ks_distance", State.WIRED), ("test_ks", State.ABSENT)])
def test_tests_of_statistics_are_no_tests(ask: Ask, name: str, state: State) -> None:
    files = {
        "watch/__init__.py": "",
        "watch/stat_tests.py": f"from scipy.stats import ks_2samp\ndef {name}(a, b):\n    return ks_2samp(a, b)\n",
        "watch/service.py": WATCHED.format(name=name),
        "Dockerfile": "FROM python\nCOPY . .\nCMD uvicorn watch.service:app\n",
    }
    assert ask("drift-monitoring", files).state is state
