"""Verdicts on models and data: what they are held to, and verdicts that are none."""

from __future__ import annotations

import subprocess

import pytest

from windlass.assessment.assess import open_project
from windlass.assessment.facts import Facts
from windlass.assessment.probes import PROBES
from windlass.assessment.records import State

from .conftest import FIT, Ask, Write

MAIN = f"{FIT}if __name__ == '__main__':\n    train([[1]], [1])\n"


def judged(body: str) -> dict[str, str]:
    inner = "".join(f"    {line}\n" for line in body.splitlines())
    return {
        "train.py": "import boto3, mlflow\nfrom sklearn.linear_model import LinearRegression\n"
        "from sklearn.metrics import r2_score\ndef main(best_r2=0.5):\n"
        "    model = LinearRegression().fit([[1]], [1])\n    r2 = r2_score([1], model.predict([[1]]))\n"
        "    best_r2_new = r2\n"
        f"{inner}if __name__ == '__main__':\n    main()\n"
    }


UPLOAD = "boto3.client('s3').upload_file('model.pkl', 'bucket', 'model.pkl')"


@pytest.mark.parametrize(
    ("body", "gated"),
    [
        ("assert r2 > 0.8, 'too low'\nmlflow.register_model('runs:/1/m', 'churn')", True),
        ("mlflow.register_model('runs:/1/m', 'churn')\nassert r2 > 0.8, 'too low'", False),
        ("assert len([1]) > 0\nmlflow.register_model('runs:/1/m', 'churn')", False),
        (f"if r2 > 0.8:\n    {UPLOAD}", True),
        (f"if best_r2_new > best_r2:\n    {UPLOAD}", True),
        (f"if r2 > best_r2:\n    {UPLOAD}", False),
        (f"if len([1]) > 0:\n    {UPLOAD}", False),
        (UPLOAD, False),
    ],
)
def test_what_a_release_is_held_to(ask: Ask, body: str, gated: bool) -> None:
    assert (ask("model-validation-gate", judged(body)).state is State.PRESENT) is gated


@pytest.mark.parametrize(
    ("check", "gated"),
    [
        ('R2=$(jq .r2 metrics.json)\n          if (( $(echo "$R2 < 0.8" | bc -l) )); then exit 1; fi', True),
        ('R2=$(jq .r2 metrics.json)\n          if (( $(echo "$R2 < 0.8" | bc -l) )); then echo low; fi', False),
    ],
)
def test_a_shell_that_ends_the_job_before_it_deploys(ask: Ask, check: str, gated: bool) -> None:
    flow = (
        "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: python train.py\n"
        f"      - run: |\n          {check}\n      - run: gcloud run deploy churn --image x\n"
    )
    files = {"train.py": MAIN, ".github/workflows/ci.yml": flow}
    assert (ask("model-validation-gate", files).state is State.WIRED) is gated


@pytest.mark.parametrize(("verdict", "gated"), [("APPROVED = True", False), ("APPROVED = compare_models()", True)])
def test_a_verdict_that_somebody_wrote_down(ask: Ask, verdict: str, gated: bool) -> None:
    files = {
        "promote.py": "import mlflow\ndef promote_model(version, approved):\n    if not approved:\n        return\n"
        "    mlflow.MlflowClient().set_registered_model_alias('churn', 'champion', version)\n",
        "gate.py": "def compare_models(new_accuracy=1, champion_accuracy=0):\n"
        "    return new_accuracy > champion_accuracy\n",
        "run.py": "from promote import promote_model\nfrom gate import compare_models\n"
        f"{verdict}\nprint(compare_models())\npromote_model(version=1, approved=APPROVED)\n",
    }
    assert (ask("model-validation-gate", files).state is State.PRESENT) is gated


EVALUATED = """
    import mlflow
    from mlflow.models import MetricThreshold
    dry_run = "{mode}"
    mlflow.evaluate(model="m", data=1, validation_thresholds={{"r2": MetricThreshold(threshold=0.8)}})
"""


@pytest.mark.parametrize(("mode", "gated"), [("dry_run", False), ("enabled", True)])
def test_thresholds_that_an_evaluation_may_be_told_to_let_pass(ask: Ask, mode: str, gated: bool) -> None:
    files = {"validate.py": EVALUATED.format(mode=mode), "job.yml": f"run_mode: {mode}\n"}
    assert (ask("model-validation-gate", files).state is State.PRESENT) is gated


SERVES = (
    "from fastapi import FastAPI\nimport mlflow\napp = FastAPI()\nURI = '{uri}'\nm = mlflow.pyfunc.load_model(URI)\n"
    "@app.post('/predict')\ndef predict(x: dict):\n    return m.predict([x])\n"
)
NIGHTLY = (
    "on:\n  schedule:\n  - cron: '0 2 * * *'\njobs:\n  a:\n    runs-on: x\n    steps:\n    - run: python train.py\n"
)


def test_a_release_in_a_later_step_of_the_job_that_trains(ask: Ask) -> None:
    promote = (
        "import mlflow\ndef promote_model(accuracy=1, champion_accuracy=0):\n    if accuracy > champion_accuracy:\n"
        "        mlflow.MlflowClient().set_registered_model_alias('churn', 'champion', 1)\npromote_model()\n"
    )
    files = {"train.py": MAIN, "promote.py": promote, "app.py": SERVES.format(uri="models:/churn@champion")}
    both = f"{NIGHTLY}    - run: python promote.py\n"
    assert ask("model-release-automated", {**files, ".github/workflows/n.yml": both}).state is State.WIRED
    assert ask("model-release-automated", {**files, ".github/workflows/n.yml": NIGHTLY}).state is State.ABSENT


COMPARES = (
    "import os, boto3, requests\ndef main(f1_new=1, f1=0):\n    if f1_new > f1:\n"
    "        boto3.client('s3').upload_file('model.joblib', 'b', 'model.joblib')\n"
    "        requests.post(f\"{os.environ['API']}/%s\")\nmain()\n"
)


@pytest.mark.parametrize(("route", "released"), [("reload", True), ("report", False)])
def test_a_better_model_that_the_service_is_told_to_load(ask: Ask, route: str, released: bool) -> None:
    program = f"{FIT}import runpy\ntrain([[1]], [1])\nimport compare\n"
    files = {"train.py": program, "compare.py": COMPARES % route, ".github/workflows/n.yml": NIGHTLY}
    assert (ask("model-release-automated", files).state is State.WIRED) is released


@pytest.mark.parametrize(("name", "counts"), [("Deploy to staging", False), ("Deploy the endpoint", True)])
def test_what_is_only_tried_out_is_no_release(ask: Ask, name: str, counts: bool) -> None:
    train = (
        "from sklearn.linear_model import LinearRegression\nm = LinearRegression().fit([[1]], [1])\n"
        "score = m.score([[1]], [1])\nif score < 0.8:\n    raise SystemExit(1)\n"
    )
    flow = (
        "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n    - run: python train.py\n"
        f"    - name: {name}\n      run: gcloud run deploy churn --image x\n"
    )
    files = {"train.py": train, ".github/workflows/ci.yml": flow}
    assert (ask("model-release-automated", files).state is State.WIRED) is counts


@pytest.mark.parametrize(
    ("call", "taken"),
    [
        ("mlflow.pyfunc.load_model('models:/churn/1')", True),
        ("re.compile('models:/(.*)')", False),
        ("str(x).startswith('models:/churn')", False),
        ("print('models:/churn/1')", False),
        ("ValueError('models:/churn/1')", False),
    ],
)
def test_an_address_of_a_registry_that_is_only_read(ask: Ask, call: str, taken: bool) -> None:
    app = (
        "from fastapi import FastAPI\nimport joblib, mlflow, re\napp = FastAPI()\nm = joblib.load('m.pkl')\n"
        f"@app.post('/predict')\ndef predict(x: dict):\n    {call}\n    return m.predict([x])\n"
    )
    assert (ask("serve-from-registry", {"app.py": app}).state is State.PRESENT) is taken


@pytest.mark.parametrize(
    ("body", "checked"),
    [
        ("[Row(**each) for each in df.to_dict('records')]", True),
        ("[Row.model_validate(each) for each in df.to_dict('records')]", True),
        ("Row(a=len(df.to_dict('records')))", False),
        ("assert df['a'].notna().all()", False),
        ("if 'label' not in df.columns:\n    raise ValueError('label')\ny = df['label']", False),
        ("if 'churned' not in df.columns:\n    raise ValueError('churned')\ny = df['churned']", False),
        (
            "if 'churned' not in df.columns or 'age' not in df.columns:\n    raise ValueError('lost')\ny = df['age']",
            True,
        ),
    ],
)
def test_rows_and_columns_that_are_checked(ask: Ask, body: str, checked: bool) -> None:
    inner = "".join(f"    {line}\n" for line in body.splitlines())
    prepare = (
        "import pandas as pd\nfrom pydantic import BaseModel\nclass Row(BaseModel):\n    a: int\n"
        f"def prepare():\n    df = pd.read_csv('x.csv')\n{inner}    return df\n"
        "if __name__ == '__main__':\n    prepare()\n"
    )
    assert (ask("data-tests", {"train.py": MAIN, "prepare.py": prepare}).state is State.PRESENT) is checked


@pytest.mark.parametrize(("bound", "tells"), [("0.8", True), ("0.0", False)])
def test_metrics_of_a_run_that_a_test_reads(ask: Ask, bound: str, tells: bool) -> None:
    test = (
        "import json\ndef test_accuracy():\n    m = json.load(open('metrics.json'))\n"
        f"    assert m['accuracy'] > {bound}\n"
    )
    assert (ask("model-quality-tests", {"tests/test_metrics.py": test}).state is State.PRESENT) is tells


@pytest.mark.parametrize(("asked", "kept"), [("DESCRIBE HISTORY sales", True), ("SELECT * FROM sales", False)])
def test_the_version_of_a_table_is_kept_with_the_run(ask: Ask, asked: str, kept: bool) -> None:
    program = f"import mlflow\nversion = spark.sql('{asked}').first()\nmlflow.log_param('delta_version', version)\n"
    assert (ask("data-versioned", {"train.py": program}).state is State.PRESENT) is kept


@pytest.mark.parametrize(
    ("step", "trains"), [("Create test models", False), ("Smoke test", False), ("Create the model", True)]
)
def test_models_that_only_tests_need(ask: Ask, step: str, trains: bool) -> None:
    flow = f"on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n    - name: {step}\n      run: python train.py\n"
    assert (
        ask("training-automated", {"train.py": MAIN, ".github/workflows/ci.yml": flow}).state is State.WIRED
    ) is trains


@pytest.mark.parametrize(("step", "released"), [("Create test models", False), ("Train and promote", True)])
def test_models_that_only_tests_need_are_not_released(ask: Ask, step: str, released: bool) -> None:
    program = (
        f"{FIT}import mlflow\ndef promote_model(accuracy=1, champion_accuracy=0):\n    train([[1]], [1])\n"
        "    if accuracy > champion_accuracy:\n"
        "        mlflow.MlflowClient().set_registered_model_alias('churn', 'champion', 1)\npromote_model()\n"
    )
    flow = f"on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n    - name: {step}\n      run: python train.py\n"
    files = {"train.py": program, "app.py": SERVES.format(uri="models:/churn@champion")}
    found = ask("model-release-cicd", {**files, ".github/workflows/ci.yml": flow})
    assert (found.state is State.WIRED) is released


@pytest.mark.parametrize("fits", [True, False])
def test_a_schedule_that_fits_a_model_watches_none(ask: Ask, fits: bool) -> None:
    made = "LinearRegression().fit([[1]], [1])" if fits else "joblib.load('model.pkl')"
    program = (
        "import joblib\nfrom sklearn.linear_model import LinearRegression\n"
        f"from sklearn.metrics import mean_squared_error\nmodel = {made}\n"
        "print(mean_squared_error([1], model.predict([[1]])))\n"
    )
    flow = NIGHTLY.replace("train.py", "production_model.py")
    files = {"production_model.py": program, ".github/workflows/n.yml": flow}
    assert (ask("model-performance-monitoring", files).state is State.WIRED) is not fits


@pytest.mark.parametrize(
    ("name", "called", "checked"), [("prepare", "prepare(df)", True), ("shown", "shown(df)", False)]
)
def test_columns_asked_for_where_rows_are_handed_over(ask: Ask, name: str, called: str, checked: bool) -> None:
    files = {
        "rows.py": f"def {name}(df):\n    missing = [c for c in ('a', 'b') if c not in df.columns]\n"
        "    if missing:\n        raise ValueError(str(missing))\n    return df\n",
        "train.py": f"{FIT}from rows import {name}\ndef main(df=None):\n    df = {called}\n    train(df, df)\n"
        "if __name__ == '__main__':\n    main()\n",
    }
    assert (ask("data-tests", files).state is State.PRESENT) is checked


PIPELINE = (
    "from clearml import PipelineController\npipe = PipelineController(name='p', project='x')\n"
    "for name in NAMES:\n    pipe.add_step(name=name, base_task_project='x', base_task_name=name)\n"
    "pipe.add_step(name=last, base_task_project='x', base_task_name=last)\npipe.start_locally()\n"
)


@pytest.mark.parametrize("trains", [True, False])
def test_steps_of_clearml_run_a_task_again(ask: Ask, trains: bool) -> None:
    fits = "LinearRegression().fit([[1]], [1])" if trains else "print('none')"
    task = f"from clearml import Task\nfrom sklearn.linear_model import LinearRegression\nTask.init('x', 'y')\n{fits}\n"
    found = ask("pipeline-orchestrated", {"pipeline.py": PIPELINE, "task.py": task})
    assert (found.state is State.PRESENT) is trains


def test_a_program_of_an_image_that_ends_watches_nothing(ask: Ask) -> None:
    drift = "from scipy.stats import ks_2samp\ndef measure_drift():\n    return ks_2samp([0], [1])\n"
    image = "FROM python:3.12\nCOPY . .\nCMD python drift.py\n"
    assert ask("drift-monitoring", {"drift.py": f"{drift}measure_drift()\n", "Dockerfile": image}).state is State.ABSENT
    again = f"import time\n{drift}while True:\n    measure_drift()\n    time.sleep(60)\n"
    assert ask("drift-monitoring", {"drift.py": again, "Dockerfile": image}).state is State.WIRED


@pytest.mark.parametrize("folder", ["__APP_NAME__", "inst/rmarkdown/templates/board/skeleton"])
def test_a_template_that_is_yet_to_be_filled_in(ask: Ask, folder: str) -> None:
    image = {f"{folder}/Dockerfile": "FROM python:3.12\nCOPY . .\n", f"{folder}/train.py": MAIN}
    assert ask("container-images", image).state is State.ABSENT
    assert ask("container-images", {"app/Dockerfile": "FROM python:3.12\nCOPY . .\n"}).state is State.PRESENT


@pytest.mark.parametrize("kept", [True, False])
def test_files_that_a_partial_checkout_has_left_out(write: Write, kept: bool) -> None:
    flow = (
        "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n    - uses: actions/checkout@v4\n"
        "    - run: |\n        docker build -t me/churn .\n        docker push me/churn\n"
    )
    root = write(
        {
            "Dockerfile": "FROM python:3.12\nCOPY data ./data\n",
            "data/rows.csv": "a\n1\n",
            ".github/workflows/ci.yml": flow,
        }
    )
    if kept:
        for words in (["init", "-q"], ["add", "-A"]):
            subprocess.run(["git", "-C", str(root), *words], check=True)
    (root / "data/rows.csv").unlink()
    (root / "data").rmdir()
    found = PROBES["automated-build"](Facts(open_project(root)))
    assert (found.state is State.WIRED) is kept


TRACKED = (
    "from sklearn.linear_model import LinearRegression\nimport mlflow\nwith mlflow.start_run():\n"
    "    m = LinearRegression().fit([[1]], [1])\n    mlflow.log_metric('r2', 1)\n"
    "    mlflow.sklearn.log_model(m, 'm', registered_model_name='churn')\n"
)


@pytest.mark.parametrize(
    ("more", "named"),
    [("", "MLflow"), ("from databricks import feature_store\nfeature_store.publish()\n", "Databricks")],
)
def test_a_platform_is_called_what_is_called_of_it(ask: Ask, more: str, named: str) -> None:
    found = ask("ml-platform", {"train.py": TRACKED + more, "app.py": SERVES.format(uri="models:/churn@champion")})
    assert found.state is State.PRESENT
    assert found.evidence[0].why.startswith(named)


BRANCHING = """
    from airflow import DAG
    from airflow.operators.bash import BashOperator
    from airflow.operators.python import BranchPythonOperator
    def choose(ti=None):
        return "deploy_model" if ti.xcom_pull(task_ids="{taken}") == "0" else "wait"
    with DAG("release") as dag:
        compare = BashOperator(task_id="compare", bash_command="python compare.py; echo $?")
        count = BashOperator(task_id="count", bash_command="python count.py; echo $?")
        branch = BranchPythonOperator(task_id="branch", python_callable=choose)
        deploy = BashOperator(task_id="deploy_model", bash_command="kubectl apply -f k8s")
        compare >> count >> branch >> deploy
"""


@pytest.mark.parametrize(("taken", "gated"), [("compare", True), ("count", False)])
def test_a_step_that_chooses_by_what_another_answered(ask: Ask, taken: str, gated: bool) -> None:
    files = {
        "dags/release.py": BRANCHING.format(taken=taken),
        "compare.py": "import sys\ndef is_better(challenger_f1=1, champion_f1=0):\n"
        "    return challenger_f1 > champion_f1\nsys.exit(0 if is_better() else 1)\n",
        "count.py": "import sys\nsys.exit(0 if len(sys.argv) > 1 else 1)\n",
    }
    assert (ask("model-validation-gate", files).state is State.PRESENT) is gated


@pytest.mark.parametrize(("stage", "released"), [("Staging", False), ("Production", True)])
def test_a_stage_to_try_a_model_out_is_no_release(ask: Ask, stage: str, released: bool) -> None:
    program = (
        f"{FIT}import mlflow\ndef move(version, stage='Staging'):\n"
        "    mlflow.MlflowClient().transition_model_version_stage('churn', version, stage)\n"
        "def main(accuracy=1):\n    train([[1]], [1])\n    if accuracy < 0.8:\n        raise ValueError('low')\n"
        f"    move(1, stage='{stage}')\nmain()\n"
    )
    files = {"train.py": program, "app.py": SERVES.format(uri="models:/churn/Production")}
    found = ask("model-release-automated", {**files, ".github/workflows/n.yml": NIGHTLY})
    assert (found.state is State.WIRED) is released
