"""What is handed to something else that runs it: services, machines, jobs of clouds, tasks of a DAG."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import FIT, Ask, on_push

CALLED = FIT + "train(1, 2)\n"
SERVICE = (
    "from fastapi import FastAPI\nfrom train import train\napp = FastAPI()\n"
    "@app.post('/train-model')\ndef retrain(rows: list):\n    return train(rows, 2)\n"
)
HOURLY = (
    "import requests\nfrom airflow.decorators import dag, task\n"
    "@task\ndef ask():\n    url = 'http://trainer:8000{path}'\n    requests.post(url, json={{}})\n"
    "@dag(schedule='@hourly')\ndef hourly():\n    ask()\nhourly()\n"
)


@pytest.mark.parametrize(("path", "state"), [("/train-model", State.WIRED), ("/predict", State.PRESENT)])
def test_a_schedule_asks_the_service_that_trains(ask: Ask, path: str, state: State) -> None:
    files = {"train.py": FIT, "service.py": SERVICE, "dags/hourly.py": HOURLY.format(path=path)}
    assert ask("training-automated", files).state is state


THERE = "|\n                ssh team@host << 'EOF'\n                sudo docker {does}\n                EOF"


@pytest.mark.parametrize(
    ("does", "state"), [("run -d team/churn", State.WIRED), ("compose down", State.ABSENT), ("ps", State.ABSENT)]
)
def test_what_another_machine_is_given_to_run(ask: Ask, does: str, state: State) -> None:
    assert ask("service-cd", on_push(THERE.format(does=does))).state is state


BRANCH = (
    "from airflow.decorators import dag, task\nfrom train import train\n"
    "@dag(schedule='@daily')\ndef daily():\n"
    "    @task.branch()\n    def decide():\n        found = look()\n"
    "        return '{follows}' if found['{sign}'] else 'skip'\n"
    "    @task()\n    def again():\n        train(1, 2)\n"
    "    @task()\n    def skip():\n        print('nothing to do')\n"
    "    decide() >> [again(), skip()]\n"
    "daily()\n"
)


@pytest.mark.parametrize(
    ("follows", "sign", "state"),
    [("again", "is_drift", State.WIRED), ("again", "is_monday", State.ABSENT), ("alarm", "is_drift", State.ABSENT)],
)
def test_tasks_written_as_functions_after_a_branch(ask: Ask, follows: str, sign: str, state: State) -> None:
    files = {"train.py": FIT, "dags/daily.py": BRANCH.format(follows=follows, sign=sign)}
    assert ask("ct-trigger-threshold", files).state is state


JOB = """
resource "databricks_job" "nightly" {{
  task {{
    task_key = "Prepare"
    notebook_task {{
      notebook_path = "notebooks/Prepare"
    }}
  }}
  task {{
    task_key = "Train"
    notebook_task {{
      notebook_path = "notebooks/Train"
    }}
  }}
  {when}
}}
"""
SCHEDULE = 'schedule {\n    quartz_cron_expression = "0 0 9 * * ?"\n  }'
NOTEBOOK = "# Databricks notebook source\n%pip install churn\n\n# COMMAND ----------\n" + CALLED


@pytest.mark.parametrize(("when", "state"), [(SCHEDULE, State.WIRED), ("", State.PRESENT)])
def test_jobs_of_databricks_in_terraform(ask: Ask, when: str, state: State) -> None:
    files = {"jobs.tf": JOB.format(when=when), "notebooks/Train.py": NOTEBOOK, "notebooks/Prepare.py": "x = 1\n"}
    assert ask("training-automated", files).state is state
    assert ask("pipeline-orchestrated", files).state is State.PRESENT


@pytest.mark.parametrize(("job", "state"), [("databricks_job", State.WIRED), ("databricks_cluster", State.ABSENT)])
def test_terraform_that_ci_applies_brings_the_pipeline_it_declares(ask: Ask, job: str, state: State) -> None:
    files = {"jobs.tf": JOB.format(when="").replace("databricks_job", job), **on_push("terraform apply -auto-approve")}
    assert ask("pipeline-cd", files).state is state


OTHER = """
resources:
  jobs:
    watch:
      schedule: {{quartz_cron_expression: '0 0 9 * * ?'}}
      tasks:
        - task_key: again
          run_job_task: {{job_id: '${{resources.jobs.{name}.id}}'}}
"""
TRAINING = (
    "resources:\n  jobs:\n    training:\n      tasks:\n        - task_key: fit\n"
    "          notebook_task: {notebook_path: ../notebooks/train.py}\n"
)


@pytest.mark.parametrize(("name", "state"), [("training", State.WIRED), ("report", State.PRESENT)])
def test_a_task_of_databricks_that_starts_another_job(ask: Ask, name: str, state: State) -> None:
    files = {"watch.yml": OTHER.format(name=name), "training.yml": TRAINING, "notebooks/train.py": CALLED}
    assert ask("training-automated", files).state is state


BUILD = "steps:\n- name: gcr.io/cloud-builders/docker\n  args: [build, ., -t, 'repo/${_IMAGE}', -f, '${_FILE}']\n"
VERTEX = (
    "substitutions:\n  _CONFIG: job.yaml\nsteps:\n- name: gcr.io/cloud-builders/gcloud\n"
    "  args: [ai, custom-jobs, create, '--config=${_CONFIG}']\n"
)


@pytest.mark.parametrize(("image", "state"), [("train", State.WIRED), ("other", State.PRESENT)])
def test_what_is_put_into_a_file_of_cloud_build(ask: Ask, image: str, state: State) -> None:
    submit = (
        "gcloud builds submit . --config=ci/build.yaml --substitutions=_FILE=docker/train.dockerfile,_IMAGE=train "
        "&& gcloud builds submit . --config=ci/vertex.yaml"
    )
    files = {
        **on_push(submit),
        "ci/build.yaml": BUILD,
        "ci/vertex.yaml": VERTEX,
        "job.yaml": f"workerPoolSpecs:\n  containerSpec:\n    imageUri: repo/{image}\n",
        "docker/train.dockerfile": "FROM python:3.12\nCOPY train.py .\nENTRYPOINT python train.py\n",
        "train.py": CALLED,
    }
    assert ask("training-automated", files).state is state


@pytest.mark.parametrize(("schedule", "state"), [("IntervalSchedule(5)", State.WIRED), ("None", State.PRESENT)])
def test_a_specification_of_the_older_prefect(ask: Ask, schedule: str, state: State) -> None:
    code = (
        "from prefect import flow\nfrom prefect.deployments import DeploymentSpec\n"
        "from prefect.orion.schemas.schedules import IntervalSchedule\nfrom train import train\n"
        f"@flow\ndef main():\n    train(1, 2)\nDeploymentSpec(flow=main, name='a', schedule={schedule})\n"
    )
    assert ask("training-automated", {"train.py": FIT, "flow.py": code}).state is state


@pytest.mark.parametrize(("folder", "state"), [("service/", State.WIRED), ("gone/", State.ABSENT)])
def test_a_folder_with_a_stroke_at_its_end(ask: Ask, folder: str, state: State) -> None:
    text = (
        f"on: push\ndefaults:\n  run:\n    working-directory: {folder}\njobs:\n  a:\n    runs-on: x\n    steps:\n"
        "      - run: docker build -t team/churn . && docker push team/churn\n"
    )
    files = {".github/workflows/ci.yml": text, "service/Dockerfile": "FROM python:3.12\n"}
    assert ask("automated-build", files).state is state


SETTINGS = "class Settings:\n    trainer_url = 'http://trainer:8000{path}'\nsettings = Settings()\n"
WATCHER = (
    "import time\nimport requests\nfrom settings import settings\ndef main():\n    while True:\n"
    "        requests.post(settings.trainer_url, json={})\n        time.sleep(60)\n"
    "if __name__ == '__main__':\n    main()\n"
)


@pytest.mark.parametrize(("path", "state"), [("/train-model", State.WIRED), ("/predict", State.PRESENT)])
def test_the_address_of_a_service_stands_in_the_settings(ask: Ask, path: str, state: State) -> None:
    files = {"train.py": FIT, "service.py": SERVICE, "watch.py": WATCHER, "settings.py": SETTINGS.format(path=path)}
    assert ask("training-automated", files).state is state


@pytest.mark.parametrize(
    ("asks", "state"), [("create_training_job", State.PRESENT), ("describe_training_job", State.ABSENT)]
)
def test_training_that_a_client_of_aws_asks_for(ask: Ask, asks: str, state: State) -> None:
    code = f"import boto3\nplatform = boto3.client('sagemaker')\nplatform.{asks}(TrainingJobName='a')\n"
    assert ask("training-automated", {"run.py": code}).state is state


DAG = (
    "from airflow import DAG\nfrom airflow.operators.bash import BashOperator\n"
    "from airflow.operators.python import PythonOperator\n"
    "def get_training_dates():\n    return 1\ndag = DAG('a', schedule='@daily')\n"
    "PythonOperator(task_id='dates', python_callable=get_training_dates, dag=dag)\n"
    "BashOperator(task_id='last', bash_command='{does}', dag=dag)\n"
)


@pytest.mark.parametrize(
    ("does", "state"), [("rm -f /tmp/train.parquet", State.ABSENT), ("docker run team/train", State.WIRED)]
)
def test_steps_that_only_speak_of_training(ask: Ask, does: str, state: State) -> None:
    assert ask("pipeline-orchestrated", {"dags/a.py": DAG.format(does=does)}).state is state


@pytest.mark.parametrize(("when", "state"), [("push", State.WIRED), ("pull_request", State.ABSENT)])
def test_a_store_of_features_that_is_only_tried(ask: Ask, when: str, state: State) -> None:
    files = {path: text.replace("on: push", f"on: {when}") for path, text in on_push("feast apply").items()}
    assert ask("service-cd", files).state is state


PROMOTES = (
    "import mlflow\ndef {name}(outcome):\n    lower, upper = outcome['ci']\n    if lower > 0:\n"
    "        mlflow.MlflowClient().set_registered_model_alias('churn', 'champion', 2)\n{name}({{'ci': (1, 2)}})\n"
)


@pytest.mark.parametrize(("name", "state"), [("promote_or_reject", State.PRESENT), ("draw", State.ABSENT)])
def test_the_lower_end_of_an_interval_decides(ask: Ask, name: str, state: State) -> None:
    assert ask("model-validation-gate", {"promote.py": PROMOTES.format(name=name)}).state is state
