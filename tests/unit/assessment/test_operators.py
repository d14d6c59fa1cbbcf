"""Steps of Airflow that a project writes itself: operators, branches, checks, scripts under the name of a variable."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import FIT, Ask

OPERATOR = """
    from airflow.models import BaseOperator
    from sklearn.linear_model import LinearRegression
    class TrainOperator({base}):
        def execute(self, context):
            LinearRegression().fit(context["x"], context["y"])
"""
DAG = """
    from airflow import DAG
    from plugins.operators import TrainOperator
    with DAG("churn", schedule="@daily") as dag:
        TrainOperator(task_id="t")
"""


class TestOwnOperators:
    @pytest.mark.parametrize(("base", "state"), [("BaseOperator", State.WIRED), ("object", State.PRESENT)])
    def test_a_schedule_runs_what_an_operator_does(self, ask: Ask, base: str, state: State) -> None:
        files = {"dags/churn.py": DAG, "plugins/operators.py": OPERATOR.format(base=base)}
        assert ask("training-automated", files).state is state


BRANCH = """
    from airflow import DAG
    from airflow.operators.python import BranchPythonOperator, PythonOperator
    from mlflow.tracking import MlflowClient
    from train import train

    def choose(ti):
        recall = ti.xcom_pull(key="recall")
        before = ti.xcom_pull(key="before")
        if {condition}:
            return "{follows}"
        return "stop"

    def move(**context):
        MlflowClient().transition_model_version_stage("churn", 1, "Production")

    with DAG("churn", schedule="@daily") as dag:
        PythonOperator(task_id="train", python_callable=train)
        BranchPythonOperator(task_id="choose", python_callable=choose)
        PythonOperator(task_id="promote", python_callable=move)
"""


class TestBranches:
    @pytest.mark.parametrize(
        ("condition", "state"),
        [("recall >= RECALL_THRESHOLD", State.WIRED), ("recall > prod_recall", State.WIRED), ("before", State.ABSENT)],
    )
    def test_metrics_choose_whether_the_model_is_promoted(self, ask: Ask, condition: str, state: State) -> None:
        files = {"dags/churn.py": BRANCH.format(condition=condition, follows="promote"), "train.py": FIT}
        assert ask("model-validation-gate", files).state is state

    def test_a_branch_that_releases_nothing(self, ask: Ask) -> None:
        code = BRANCH.format(condition="recall >= RECALL_THRESHOLD", follows="report")
        code = code.replace('"Production"', "1").replace("transition_model_version_stage", "get_run")
        code = code.replace('"promote"', '"tell"')
        files = {"dags/churn.py": code, "train.py": FIT}
        assert not ask("model-validation-gate", files).state.holds


SCRIPTS = """
    import subprocess, sys
    from pathlib import Path
    from airflow import DAG
    from airflow.operators.python import PythonOperator
    ROOT = Path(__file__).parents[1]
    SCRIPT = ROOT / "jobs" / "{name}"

    def run():
        {call}

    with DAG("churn", schedule="@daily") as dag:
        PythonOperator(task_id="t", python_callable=run)
"""


class TestScriptsOfVariables:
    @pytest.mark.parametrize(
        "call",
        [
            "subprocess.run([sys.executable, str(SCRIPT)], check=True)",
            "subprocess.run(f'python {SCRIPT}', shell=True)",
            "command = ['python', SCRIPT]; subprocess.run(command)",
        ],
    )
    @pytest.mark.parametrize(("name", "state"), [("train.py", State.WIRED), ("report.py", State.PRESENT)])
    def test_the_script_that_a_variable_names(self, ask: Ask, call: str, name: str, state: State) -> None:
        files = {
            "dags/churn.py": SCRIPTS.format(name=name, call=call),
            "jobs/train.py": f"{FIT}\nif __name__ == '__main__':\n    train(1, 2)\n",
            "jobs/report.py": "print(1)\n",
        }
        assert ask("training-automated", files).state is state

    def test_a_variable_that_is_given_another_value_since(self, ask: Ask) -> None:
        call = "SCRIPT = other(); subprocess.run(['python', SCRIPT])"
        files = {
            "dags/churn.py": SCRIPTS.format(name="train.py", call=call),
            "jobs/train.py": f"{FIT}\nif __name__ == '__main__':\n    train(1, 2)\n",
        }
        assert ask("training-automated", files).state is State.PRESENT


CHECK = """
    import pandas as pd
    def prepare():
        rows = pd.read_parquet("rows.parquet")
        columns_diff = {{"age"}} - set(rows.columns)
        if {condition}:
            raise RuntimeError("no such rows")
        rows.to_parquet("clean.parquet")
"""
STEPS = """
    from airflow import DAG
    from airflow.operators.python import PythonOperator
    from prepare import prepare
    from train import train
    with DAG("churn", schedule="@daily") as dag:
        PythonOperator(task_id="prepare", python_callable=prepare)
        PythonOperator(task_id="train", python_callable=train)
"""


@pytest.mark.parametrize(
    ("condition", "state"),
    [("len(columns_diff) > 0", State.WIRED), ("missing_columns", State.WIRED), ("stopped", State.ABSENT)],
)
def test_a_step_beside_training_that_checks_its_rows(ask: Ask, condition: str, state: State) -> None:
    files = {"dags/churn.py": STEPS, "prepare.py": CHECK.format(condition=condition), "train.py": FIT}
    assert ask("data-tests", files).state is state


@pytest.mark.parametrize(
    ("path", "state"), [("models/meta.json.dvc", State.ABSENT), ("data/rows.csv.dvc", State.PRESENT)]
)
def test_what_dvc_keeps_in_a_folder_of_models_is_no_data(ask: Ask, path: str, state: State) -> None:
    assert ask("data-versioned", {path: "outs:\n- md5: abc\n  path: x\n"}).state is state


ENDPOINT = """
    from airflow import DAG
    from airflow.providers.google.cloud.operators.vertex_ai.endpoint_service import DeployModelOperator
    from airflow.providers.google.cloud.operators.vertex_ai.model_service import {name}
    with DAG("churn", schedule="@daily") as dag:
        {name}(task_id="a", model={{}}) >> {deploys}
"""


class TestVertexByAirflow:
    @pytest.mark.parametrize(
        ("name", "state"), [("UploadModelOperator", State.WIRED), ("ListModelsOperator", State.ABSENT)]
    )
    def test_a_step_that_makes_a_version(self, ask: Ask, name: str, state: State) -> None:
        files = {"dags/churn.py": ENDPOINT.format(name=name, deploys="None")}
        assert ask("model-registry", files).state is state

    @pytest.mark.parametrize(
        ("deploys", "state"), [("DeployModelOperator(task_id='b')", State.WIRED), ("None", State.ABSENT)]
    )
    def test_a_step_that_brings_it_to_an_endpoint(self, ask: Ask, deploys: str, state: State) -> None:
        files = {"dags/churn.py": ENDPOINT.format(name="UploadModelOperator", deploys=deploys)}
        assert ask("model-serving", files).state is state


PREPARE = """
    import json
    import pandas as pd
    def main():
        rows = pd.read_csv("rows.csv")
        wanted = {{"age"}}
        about = json.load(open("about.json"))
        if {condition}:
            raise ValueError("these are no such rows")
        rows.to_csv("clean.csv")
    if __name__ == "__main__":
        main()
"""


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        ("not wanted.issubset(set(rows.columns))", State.PRESENT),
        ("'columns' in metadata", State.ABSENT),
        ("target not in rows.columns", State.ABSENT),
        ("about", State.ABSENT),
    ],
)
def test_a_script_that_prepares_rows_and_checks_them(ask: Ask, condition: str, state: State) -> None:
    files = {"src/data/preprocess.py": PREPARE.format(condition=condition), "src/train.py": FIT}
    assert ask("data-tests", files).state is state


DEPLOYS = """
    on: push
    jobs:
      {job}:
        runs-on: x
        steps: [{{run: {tests}}}]
      deploy:
        needs: {job}
        runs-on: x
        steps: [{{run: kubectl apply -f k8s}}]
"""
TESTED = {
    "model.py": "def answer(x):\n    return x\n",
    "tests/model/test_answer.py": "from model import answer\ndef test_answer():\n    assert answer(1) == 1\n",
}


@pytest.mark.parametrize(
    ("job", "tests", "state"),
    [
        ("inference", "pytest tests", State.WIRED),
        ("check", "pytest tests/model", State.WIRED),
        ("check", "pytest tests --cov=model", State.ABSENT),
        ("quality", "pytest tests", State.ABSENT),
    ],
)
def test_tests_of_a_model_before_a_deployment(ask: Ask, job: str, tests: str, state: State) -> None:
    files = {**TESTED, ".github/workflows/cd.yml": DEPLOYS.format(job=job, tests=tests)}
    assert ask("model-validation-gate", files).state is state


VALIDATES = """
    import mlflow
    def {name}(rows, scores):
        if len(rows) > MAX_SIZE:
            raise ValueError("too many")
    def main(rows, scores):
        {name}(rows, scores)
        mlflow.register_model("runs:/1/model", "churn")
    if __name__ == "__main__":
        main([], [])
"""


@pytest.mark.parametrize(
    ("name", "state"), [("validate_batch_request", State.ABSENT), ("validate_model", State.PRESENT)]
)
def test_what_validates_rows_is_no_gate(ask: Ask, name: str, state: State) -> None:
    assert ask("model-validation-gate", {"train.py": VALIDATES.format(name=name)}).state is state


BATCH = """
    from azureml.pipeline.steps import CommandStep
    CommandStep(name="batch_inference", command="python -m {module}", source_directory=".")
"""
SCORES = """
    import joblib
    import pandas as pd
    def main():
        rows = pd.read_parquet("rows.parquet")
        rows["answer"] = joblib.load("model.pkl").predict(rows)
        rows.to_parquet("answers.parquet")
    if __name__ == "__main__":
        main()
"""


@pytest.mark.parametrize(("module", "state"), [("src.inference", State.PRESENT), ("src.other", State.ABSENT)])
def test_a_step_of_azure_that_answers_for_a_batch(ask: Ask, module: str, state: State) -> None:
    files = {"pipeline.py": BATCH.format(module=module), "src/inference.py": SCORES, "src/other.py": "print(1)\n"}
    assert ask("model-serving", files).state is state
