"""Ways by which a sign of drift, a schedule or a platform has a model trained again."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import FIT, ON_PUSH, Ask, on_push

TRAINS = {"train.py": FIT + "if __name__ == '__main__':\n    train([1], [2])\n"}
DAILY = ON_PUSH.replace("on: push", "on:\n      schedule:\n        - cron: '0 5 * * *'")
BY_HAND = ON_PUSH.replace("on: push", "on: workflow_dispatch").replace("    on:", "    name: Train\n    on:")
WATCH = """
    on:
      schedule:
        - cron: "0 5 * * *"
    jobs:
      watch:
        runs-on: x
        steps:
          - id: check
            run: python watch.py
          - if: steps.check.outputs.{output} == 'true'
            {start}
"""


@pytest.mark.parametrize(
    ("output", "start", "state"),
    [
        ("drift", "uses: benc-uk/workflow-dispatch@v1\n            with:\n              workflow: Train", State.WIRED),
        ("drift", "run: gh workflow run train.yml", State.WIRED),
        ("drift", "run: gh workflow run lint.yml", State.ABSENT),
        ("changed", "run: gh workflow run train.yml", State.ABSENT),
    ],
)
def test_a_schedule_starts_the_workflow_that_trains(ask: Ask, output: str, start: str, state: State) -> None:
    files = {
        **TRAINS,
        "watch.py": "print('?')\n",
        ".github/workflows/train.yml": BY_HAND.format(run="python train.py"),
        ".github/workflows/watch.yml": WATCH.format(output=output, start=start),
    }
    assert ask("ct-trigger-threshold", files).state is state


def test_that_a_model_should_be_deployed_is_no_sign_to_train(ask: Ask) -> None:
    flow = """
        on:
          schedule:
            - cron: "0 5 * * 1"
        jobs:
          train:
            runs-on: x
            outputs:
              should_deploy: ${{ steps.a.outputs.should_deploy }}
            steps:
              - run: python train.py
          deploy:
            needs: train
            if: needs.train.outputs.should_deploy == 'true'
            runs-on: x
            steps:
              - run: python train.py
    """
    assert ask("ct-trigger-threshold", {**TRAINS, ".github/workflows/a.yml": flow}).state is State.ABSENT


FLAG = """
    from train import train
    from watch import look

    def monitor_and_retrain():
        trigger = look().get("trigger")
        if trigger:
            train([1], [2])

    if __name__ == "__main__":
        monitor_and_retrain()
"""


def test_a_function_about_retraining_asks_for_a_flag(ask: Ask) -> None:
    files = {
        **TRAINS,
        "watch.py": "def look():\n    return {}\n",
        ".github/workflows/a.yml": DAILY.format(run="python go.py"),
    }
    assert (
        ask("ct-trigger-threshold", {**files, "go.py": FLAG.replace("monitor_and_retrain", "main")}).state
        is State.ABSENT
    )
    assert ask("ct-trigger-threshold", {**files, "go.py": FLAG}).state is State.WIRED


def test_what_refuses_its_arguments_decides_on_no_training(ask: Ask) -> None:
    code = """
        from train import train

        def main(write_drift, drift_data):
            if write_drift:
                if not drift_data:
                    raise ValueError("--drift-data is required")
            train([1], [2])

        main(False, None)
    """
    assert ask("ct-trigger-threshold", {**TRAINS, "go.py": code, **on_push("python go.py")}).state is State.ABSENT


SERVICE = """
    from fastapi import FastAPI
    from train import train
    app = FastAPI()

    @app.post("/retrain")
    def again():
        train([1], [2])
"""
ASKS = """
    import time
    import requests
    from settings import RETRAINER_URL

    def fire(score):
        requests.post(RETRAINER_URL, json={"score": score})

    def main():
        while True:
            score = 0.3
            if drifted(score):
                fire(score)
            time.sleep(60)

    def drifted(score):
        return score > 0.2

    if __name__ == "__main__":
        main()
"""


def test_a_monitor_asks_a_service_to_train(ask: Ask) -> None:
    files = {
        **TRAINS,
        "settings.py": "RETRAINER_URL = 'http://retrainer:8001/retrain'\n",
        "watch.py": ASKS,
        "compose.yml": "services:\n  watch:\n    image: x\n    command: python watch.py\n",
    }
    assert ask("ct-trigger-threshold", files).state is State.ABSENT
    assert ask("ct-trigger-threshold", {**files, "api.py": SERVICE}).state is State.WIRED


DAG = """
    from airflow import DAG
    from airflow.decorators import short_circuit, task
    from airflow.providers.databricks.operators.databricks import DatabricksRunNowOperator

    with DAG("models", schedule="@daily"):

        @short_circuit
        def go_on_if(drift):
            return drift

        go_on_if(True) >> DatabricksRunNowOperator(task_id="{task}", job_name="models")
"""


def test_a_step_has_a_platform_train(ask: Ask) -> None:
    exporting = {"dags/models.py": DAG.format(task="export_tables")}
    assert ask("training-automated", exporting).state is not State.WIRED
    training = {"dags/models.py": DAG.format(task="retrain_models")}
    assert ask("training-automated", training).state is State.WIRED
    assert ask("ct-trigger-threshold", training).state is State.WIRED


SCHEDULER = """
    resource "google_cloud_run_v2_job" "retrain" {
      name = "retrain"
    }
    resource "google_cloud_scheduler_job" "daily" {
      schedule = "0 6 * * *"
      http_target {
        uri = "https://run.googleapis.com/v1/namespaces/p/jobs/${google_cloud_run_v2_job.retrain.name}:run"
      }
    }
"""


def test_a_scheduler_of_a_cloud_runs_the_image_of_a_job(ask: Ask) -> None:
    files = {**TRAINS, "jobs/Dockerfile": "FROM python\nCOPY train.py .\nCMD python train.py\n"}
    assert ask("training-automated", files).state is not State.WIRED
    assert ask("training-automated", {**files, "infra/jobs.tf": SCHEDULER}).state is State.WIRED


MAGE = {
    "shop/pipelines/training/metadata.yaml": """
        blocks:
        - uuid: load_rows
          type: data_loader
          upstream_blocks: []
        - uuid: fit_model
          type: transformer
          upstream_blocks: [load_rows]
    """,
    "shop/data_loaders/load_rows.py": "@data_loader\ndef load(*args):\n    return [1]\n",
    "shop/transformers/fit_model.py": FIT + "@transformer\ndef fit(rows, *args):\n    return train(rows, rows)\n",
}
TRIGGER = """
    triggers:
    - name: weekly
      pipeline_uuid: training
      schedule_interval: '@weekly'
      schedule_type: time
      status: {status}
"""


@pytest.mark.parametrize(("status", "state"), [("active", State.WIRED), ("inactive", State.PRESENT)])
def test_a_trigger_of_mage_trains(ask: Ask, status: str, state: State) -> None:
    trigger = {"shop/pipelines/training/triggers.yaml": TRIGGER.format(status=status)}
    assert ask("training-automated", {**MAGE, **trigger}).state is state


def test_a_flow_of_the_first_prefect_has_a_schedule(ask: Ask) -> None:
    flow = """
        from prefect import Flow, task
        from prefect.schedules import CronSchedule
        from train import train

        @task
        def fit():
            return train([1], [2])

        with Flow("weekly"{schedule}) as flow:
            fit()
    """
    assert ask("training-automated", {**TRAINS, "flow.py": flow.format(schedule="")}).state is State.PRESENT
    timed = {"flow.py": flow.format(schedule=', schedule=CronSchedule("0 5 * * 1")')}
    assert ask("training-automated", {**TRAINS, **timed}).state is State.WIRED


@pytest.mark.parametrize(
    ("run", "state"),
    [
        ("gcloud run jobs update retrain-loop --image x", State.WIRED),
        ("gcloud run jobs update clean-up --image x", State.ABSENT),
    ],
)
def test_the_newest_image_of_a_job_that_trains(ask: Ask, run: str, state: State) -> None:
    assert ask("pipeline-cd", on_push(run)).state is state
