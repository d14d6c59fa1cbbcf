"""What stands within something else: functions within `with DAG(...):`, verdicts in a list, names within an address."""

from __future__ import annotations

from textwrap import dedent

import pytest

from windlass.assessment.records import State

from .conftest import FIT, Ask, on_push

WATCH = """
    from airflow import DAG
    from airflow.operators.python import PythonOperator
    with DAG("watch", schedule="@hourly") as dag:
        def look():
            from drift import measure
            measure(1, 2)
        PythonOperator(task_id="look", python_callable={step})
"""
MEASURE = """
    from evidently.report import Report
    from evidently.metric_preset import DataDriftPreset
    def measure(before, after):
        report = Report(metrics=[DataDriftPreset()])
        report.run(reference_data=before, current_data=after)
"""


@pytest.mark.parametrize(("step", "state"), [("look", State.WIRED), ("print", State.ABSENT)])
def test_a_function_within_the_block_of_a_dag_is_run_by_its_step(ask: Ask, step: str, state: State) -> None:
    files = {"dags/watch.py": WATCH.format(step=step), "drift.py": MEASURE}
    assert ask("drift-monitoring", files).state is state


GATE = """
    import mlflow
    from sklearn.linear_model import LinearRegression
    def main(x, y, metrics, rows):
        model = LinearRegression().fit(x, y)
        failures = []
        if {condition}:
            failures.append("too low")
        if failures:
            raise SystemExit(1)
        mlflow.register_model("runs:/1/model", "churn")
    main(1, 2, 3, 4)
"""


@pytest.mark.parametrize(
    ("condition", "state"), [("metrics['auc'] < 0.8", State.PRESENT), ("len(rows) < 100", State.ABSENT)]
)
def test_a_list_of_what_falls_short_of_a_floor_is_a_verdict(ask: Ask, condition: str, state: State) -> None:
    assert ask("model-validation-gate", {"train.py": GATE.format(condition=condition)}).state is state


@pytest.mark.parametrize(("address", "state"), [("models:/", State.WIRED), ("/models/", State.ABSENT)])
def test_an_address_in_the_registry_may_stand_in_a_line_of_its_own(ask: Ask, address: str, state: State) -> None:
    serve = f"""
        import mlflow
        from fastapi import FastAPI
        app = FastAPI()
        def load(name, stage):
            uri = f"{address}{{name}}/{{stage}}"
            return mlflow.xgboost.load_model(uri)
        model = load("churn", "Staging")
        @app.post("/predict")
        def predict(row: list[float]):
            return model.predict([row])
    """
    files = {"app.py": serve, "Dockerfile": "FROM python:3.12\nCMD uvicorn app:app\n"}
    assert ask("serve-from-registry", files).state is state


BUILD = """
    steps:
      - name: gcr.io/cloud-builders/docker
        args: [build, ., -t, "pkg.dev/$PROJECT_ID/churn/train", -f, docker/train.dockerfile]
      - name: gcr.io/cloud-builders/gcloud
        args: [ai, custom-jobs, create, --config, job.yaml]
"""


@pytest.mark.parametrize(
    ("image", "state"),
    [
        ("pkg.dev/team/churn/train", State.WIRED),
        ("pkg.dev/team/churn/other", State.PRESENT),
        ("pkg.dev/team/other/train", State.PRESENT),
        ("hub.io/team/churn/train", State.PRESENT),
    ],
)
def test_a_part_of_the_name_of_an_image_may_be_a_variable(ask: Ask, image: str, state: State) -> None:
    files = {
        **on_push("gcloud builds submit --config cloudbuild/build.yaml"),
        "cloudbuild/build.yaml": BUILD,
        "job.yaml": f"workerPoolSpecs:\n  containerSpec:\n    imageUri: {image}\n",
        "docker/train.dockerfile": "FROM python:3.12\nENTRYPOINT python train.py\n",
        "train.py": FIT + "train([1], [2])\n",
    }
    assert ask("training-automated", files).state is state


STAGES = """
    stages:
      watch:
        cmd: python drift.py
"""
MORE = STAGES + "      predict:\n        cmd: python predict.py\n"


@pytest.mark.parametrize(("stages", "state"), [(MORE, State.PRESENT), (STAGES, State.ABSENT)])
def test_one_of_several_stages_of_dvc_may_watch(ask: Ask, stages: str, state: State) -> None:
    files = {"drift.py": MEASURE + "    measure(1, 2)\n", "predict.py": "print(1)\n", "dvc.yaml": stages}
    assert ask("drift-monitoring", files).state is state


@pytest.mark.parametrize(("search", "state"), [("get_best_model", State.PRESENT), ("get_best_params", State.ABSENT)])
def test_a_factory_of_models_trains(ask: Ask, search: str, state: State) -> None:
    files = {"train.py": f"from neuro_mf import ModelFactory\nModelFactory('model.yaml').{search}(x, y)\n"}
    assert ask("modular-code", files).state is state


POEM = """
    import torch
    from fastapi import FastAPI
    app = FastAPI()
    @app.post("/poem")
    def poem(line: str):
        model = torch.load("model.pth")
        return {asks}
"""


@pytest.mark.parametrize(("asks", "state"), [("model.generate(line)", State.WIRED), ("line.title()", State.ABSENT)])
def test_a_loaded_model_that_generates_answers(ask: Ask, asks: str, state: State) -> None:
    files = {"app.py": POEM.format(asks=asks), "Dockerfile": "FROM python:3.12\nCMD uvicorn app:app\n"}
    assert ask("model-serving", files).state is state


PLAY = "- hosts: servers\n  {what}:\n    - docker\n"


@pytest.mark.parametrize(("what", "state"), [("roles", State.PRESENT), ("aliases", State.ABSENT)])
def test_a_playbook_declares_what_a_machine_has(ask: Ask, what: str, state: State) -> None:
    assert ask("infra-as-code", {"ansible/deploy.yml": PLAY.format(what=what)}).state is state


@pytest.mark.parametrize(
    ("given", "state"), [("log_system_metrics=True", State.PRESENT), ("nested=True", State.ABSENT)]
)
def test_a_run_that_logs_how_its_machine_does_is_tracked(ask: Ask, given: str, state: State) -> None:
    train = FIT + f"import mlflow\nwith mlflow.start_run({given}):\n    train(1, 2)\n"
    assert ask("experiment-tracking", {"train.py": train}).state is state


LOOK = """
    from airflow.api.common.trigger_dag import trigger_dag
    from airflow import DAG
    from airflow.operators.python import PythonOperator
    def look(drift):
        if drift > 0.2:
            trigger_dag(dag_id="{name}")
    with DAG("look", schedule="@hourly") as dag:
        PythonOperator(task_id="look", python_callable=look)
"""
AGAIN = """
    from airflow import DAG
    from airflow.operators.python import PythonOperator
    from train import train
    with DAG("training", schedule=None) as dag:
        PythonOperator(task_id="train", python_callable=train)
"""


@pytest.mark.parametrize(("name", "state"), [("training", State.WIRED), ("retraining", State.ABSENT)])
def test_drift_starts_a_dag_of_the_project_alone(ask: Ask, name: str, state: State) -> None:
    files = {"dags/look.py": LOOK.format(name=name), "dags/again.py": AGAIN, "train.py": FIT}
    assert ask("ct-trigger-threshold", files).state is state


SERVICE = """
    from fastapi import FastAPI
    from watch import monitor
    app = FastAPI()
    @app.post("/predict")
    def predict(row: list[float]):
        return {answer}
    {route}
    def drift():
        return monitor().measure()
    drift()
"""
WATCHES = """
    from evidently.report import Report
    from evidently.metric_preset import DataDriftPreset
    class Watch:
        def measure(self):
            Report(metrics=[DataDriftPreset()]).run(reference_data=1, current_data=2)
    held = None
    def monitor():
        global held
        held = held or Watch()
        return held
"""


@pytest.mark.parametrize(
    ("answer", "route", "state"),
    [
        ("model.predict([row])", '@app.post("/drift")', State.PRESENT),
        ("model.predict([row])", "@cached", State.ABSENT),
        ("row", '@app.post("/drift")', State.ABSENT),
    ],
)
def test_a_route_of_a_service_that_a_person_starts_watches(ask: Ask, answer: str, route: str, state: State) -> None:
    service = "import joblib\nmodel = joblib.load('m.pkl')\n" + dedent(SERVICE).format(answer=answer, route=route)
    files = {"app.py": service, "watch.py": WATCHES, "Makefile": "api:\n\tuvicorn app:app\n"}
    assert ask("drift-monitoring", files).state is state


@pytest.mark.parametrize(
    ("command", "state"),
    [
        ("dvc run -n fit --force -d train.py -o m.pkl python train.py", State.WIRED),
        ("dvc run -n fit --no-exec -d train.py -o m.pkl python train.py", State.PRESENT),
        ("dvc run -n fit -d train.py python other.py", State.PRESENT),
    ],
)
def test_a_stage_of_dvc_that_is_run_as_it_is_added(ask: Ask, command: str, state: State) -> None:
    files = {**on_push(command), "train.py": FIT + "train(1, 2)\n", "other.py": "print(1)\n"}
    assert ask("training-automated", files).state is state


ROWS = """
    from db import execute_query
    def register(run_id):
        execute_query("INSERT INTO model_versions (run_id, role) VALUES (%s, 'champion')", (run_id,))
    def champion():
        return execute_query("SELECT run_id FROM {table} WHERE role = 'champion'")
    register(champion())
"""


@pytest.mark.parametrize(("table", "state"), [("model_versions", State.PRESENT), ("runs", State.ABSENT)])
def test_a_table_of_versions_by_sql_is_a_registry(ask: Ask, table: str, state: State) -> None:
    assert ask("model-registry", {"registry.py": ROWS.format(table=table)}).state is state


PUSH = """
    on: push
    jobs:
      a:
        runs-on: ubuntu-latest
        steps:
          - uses: docker/build-push-action@v5
            with: {context: ., push: true}
"""


@pytest.mark.parametrize(("name", "state"), [("Dockerfile", State.WIRED), ("README.md", State.ABSENT)])
def test_without_a_dockerfile_nothing_is_built(ask: Ask, name: str, state: State) -> None:
    files = {".github/workflows/ci.yml": PUSH, name: "FROM python:3.12\nCOPY . .\n"}
    assert ask("automated-build", files).state is state


@pytest.mark.parametrize(("step", "state"), [("ExampleValidator", State.PRESENT), ("StatisticsGen", State.ABSENT)])
def test_a_step_of_tfx_checks_data(ask: Ask, step: str, state: State) -> None:
    files = {"pipeline.py": f"from tfx import v1 as tfx\ntfx.components.{step}(statistics=1, schema=2)\n"}
    assert ask("data-tests", files).state is state


MONITOR = """
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import {kind}
    client = MLClient.from_config()
    client.schedules.begin_create_or_update({kind}(name="daily", trigger="0 0 * * *"))
"""


@pytest.mark.parametrize(("kind", "state"), [("MonitorSchedule", State.PRESENT), ("JobSchedule", State.ABSENT)])
def test_a_program_makes_a_monitor_of_the_platform(ask: Ask, kind: str, state: State) -> None:
    assert ask("drift-monitoring", {"monitor.py": MONITOR.format(kind=kind)}).state is state


JOB = """
    resources:
      jobs:
        weekly:
          tasks:
            - task_key: drift
              spark_python_task: {python_file: ../drift.py}
"""
ANOTHER = JOB + "            - task_key: predict\n              spark_python_task: {python_file: ../predict.py}\n"


@pytest.mark.parametrize(("job", "state"), [(ANOTHER, State.PRESENT), (JOB, State.ABSENT)])
def test_one_of_several_tasks_of_databricks_may_watch(ask: Ask, job: str, state: State) -> None:
    files = {"drift.py": MEASURE + "    measure(1, 2)\n", "predict.py": "print(1)\n", "resources/jobs.yml": job}
    assert ask("drift-monitoring", {**files, "databricks.yml": "include: [resources/*.yml]\n"}).state is state


STEPS = """
    from azure.ai.ml import command, dsl
    prepare = command(name="prepare", code="./src", command="python prepare.py")
    train = command(name="train", code="./src", command="python train.py")
    {decorator}
    def both():
        train(prepare())
    both()
"""


@pytest.mark.parametrize(("decorator", "state"), [("@dsl.pipeline(name='p')", State.PRESENT), ("", State.ABSENT)])
def test_jobs_of_azure_in_a_pipeline_are_its_steps(ask: Ask, decorator: str, state: State) -> None:
    files = {"pipeline.py": STEPS.format(decorator=decorator), "src/prepare.py": "print(1)\n", "src/train.py": FIT}
    assert ask("pipeline-orchestrated", files).state is state
