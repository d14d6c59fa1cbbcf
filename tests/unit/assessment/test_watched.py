"""What is watched, what is kept of it, and which release is only a proposal."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import FIT, ON_PUSH, Ask, on_push

DRIFT = """
    from evidently.report import Report
    from store import save

    def compare(reference, current):
        report = Report(metrics=[])
        report.run(reference_data=reference, current_data=current)
        return report

    if __name__ == "__main__":
        save(compare([1], [2]))
"""


@pytest.mark.parametrize(
    ("store", "state"),
    [
        ("def save(report):\n    session.add(report)\n    session.commit()\n", State.PRESENT),
        ("def save(report):\n    print(report)\n", State.DECLARED),
    ],
)
def test_drift_in_rows_of_a_mapper_is_kept(ask: Ask, store: str, state: State) -> None:
    found = ask("drift-monitoring", {"watch.py": DRIFT, "store.py": store, "requirements.txt": "evidently\n"})
    assert found.state is state


def test_a_service_that_flask_finds_by_its_name_is_reached(ask: Ask) -> None:
    files = {
        "watch/Dockerfile": 'FROM python\nCOPY app.py .\nCMD ["python3", "-m", "flask", "run"]\n',
        "watch/app.py": "from flask import Flask\nfrom evidently.model_monitoring import ModelMonitoring\n"
        "app = Flask(__name__)\n@app.route('/iterate', methods=['POST'])\ndef iterate():\n"
        "    return ModelMonitoring(monitors=[]).execute([1], [2])\n",
    }
    assert ask("drift-monitoring", files).state is State.WIRED


def test_answers_for_a_batch_are_held_to_the_data_before(ask: Ask) -> None:
    step = "from sagemaker.workflow.monitor_batch_transform_step import MonitorBatchTransformStep\n"
    step += "def make():\n    return MonitorBatchTransformStep(name='watch')\nif __name__ == '__main__':\n    make()\n"
    assert ask("drift-monitoring", {"pipeline.py": step, **on_push("python pipeline.py")}).state is State.WIRED


ALARM = """
    resource "aws_cloudwatch_metric_alarm" "a" {{
      namespace   = "{namespace}"
      metric_name = "{metric}"
    }}
"""
SERVED = (
    "import joblib\nfrom fastapi import FastAPI\napp = FastAPI()\nmodel = joblib.load('m')\n"
    "@app.post('/predict')\ndef ask(x):\n    return model.predict(x)\n"
)


@pytest.mark.parametrize(
    ("namespace", "metric", "files", "state"),
    [
        ("team/api", "PredictErrors", {"app.py": SERVED}, State.PRESENT),
        ("team/api", "DriftScore", {"app.py": SERVED}, State.ABSENT),
        ("team/api", "PredictErrors", {"x.py": "x = 1\n"}, State.ABSENT),
        ("AWS/Billing", "EstimatedChargesError", {"app.py": SERVED}, State.ABSENT),
    ],
)
def test_alarms_on_what_the_service_counts(
    ask: Ask, namespace: str, metric: str, files: dict[str, str], state: State
) -> None:
    alarm = {"infra/a.tf": ALARM.format(namespace=namespace, metric=metric)}
    assert ask("service-monitoring", {**files, **alarm}).state is state


def test_a_command_on_a_machine_of_a_cloud_deploys(ask: Ask) -> None:
    there = "aws ssm send-command --targets Key=tag:App,Values=api --parameters 'commands=[{what}]'"
    assert ask("service-cd", on_push(there.format(what="uptime"))).state is State.ABSENT
    assert ask("service-cd", on_push(there.format(what="docker compose pull"))).state is State.WIRED


RELEASE = """
    import mlflow
    from fit import train

    def register_model(uri, alias):
        version = mlflow.register_model(uri, "churn").version
        mlflow.MlflowClient().set_registered_model_alias("churn", alias, version)

    if __name__ == "__main__":
        score = train([1], [2])
        if score > 0.8:
            register_model("runs:/1/model", alias="{alias}")
"""
SERVES = SERVED.replace("joblib.load('m')", "mlflow.pyfunc.load_model('models:/churn@champion')").replace(
    "import joblib", "import mlflow"
)


@pytest.mark.parametrize(("alias", "state"), [("champion", State.WIRED), ("candidate", State.ABSENT)])
def test_a_candidate_is_no_release(ask: Ask, alias: str, state: State) -> None:
    weekly = ON_PUSH.replace("on: push", "on:\n      schedule:\n        - cron: '0 5 * * 1'").format(run="python go.py")
    files = {"fit.py": FIT, "go.py": RELEASE.format(alias=alias), "app.py": SERVES, ".github/workflows/c.yml": weekly}
    assert ask("model-release-automated", files).state is state


def test_a_page_of_metrics_in_a_router_of_its_own(ask: Ask) -> None:
    app = SERVED.replace("app = FastAPI()\n", "from pages import router\napp = FastAPI()\napp.include_router(router)\n")
    page = "from fastapi import APIRouter\nrouter = APIRouter()\n@router.get('/metrics')\ndef metrics():\n"
    told = page + "    return {'accuracy': 0.9}\n"
    assert ask("service-monitoring", {"app.py": app, "pages.py": told}).state is State.ABSENT
    counted = page + "    return f'request_latency_seconds {0.1}'\n"
    assert ask("service-monitoring", {"app.py": app, "pages.py": counted}).state is State.PRESENT


@pytest.mark.parametrize(("script", "state"), [("cd app && ./deploy.sh", State.WIRED), ("df -h", State.ABSENT)])
def test_a_script_on_another_machine_deploys(ask: Ask, script: str, state: State) -> None:
    action = "uses: appleboy/ssh-action@v1\n            with:\n              script: {}"
    flow = ON_PUSH.replace("run: {run}", action.format(script))
    assert ask("service-cd", {".github/workflows/d.yml": flow}).state is state


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        ("github.event.inputs.action == 'apply' || github.event_name == 'push'", State.PRESENT),
        ("github.event_name == 'pull_request'", State.WIRED),
        ("github.ref == 'refs/heads/main'", State.WIRED),
    ],
)
def test_a_step_that_its_condition_keeps_from_running_on_an_event(ask: Ask, condition: str, state: State) -> None:
    flow = f"""
        on: [pull_request, workflow_dispatch]
        jobs:
          a:
            runs-on: x
            steps:
              - if: ${{{{ {condition} }}}}
                run: kubectl apply -f k8s
    """
    assert ask("service-cd", {".github/workflows/d.yml": flow}).state is state


@pytest.mark.parametrize(
    ("engine", "state"),
    [
        ("from airflow.operators.python import PythonOperator as step", State.PRESENT),
        ("from threading import Timer as step", State.ABSENT),
    ],
)
def test_drift_that_a_step_of_a_pipeline_measures(ask: Ask, engine: str, state: State) -> None:
    dag = f"""
        {engine}
        from watch import compare
        load = step(task_id="load", python_callable=print)
        look = step(task_id="look", python_callable=compare)
    """
    assert ask("drift-monitoring", {"watch.py": DRIFT.partition("if __name__")[0], "dag.py": dag}).state is state


@pytest.mark.parametrize(
    ("step", "state"), [("evidently_profile_step", State.PRESENT), ("EvidentlyColumnMapping", State.ABSENT)]
)
def test_a_step_of_drift_that_zenml_brings(ask: Ask, step: str, state: State) -> None:
    text = f"from zenml.integrations.evidently.steps import {step}\nlook = {step}(name='look')\n"
    assert ask("drift-monitoring", {"watch.py": text}).state is state


@pytest.mark.parametrize(
    ("job", "state"),
    [
        ("command(code='./src', command='python watch.py --rows ${{inputs.rows}}')", State.PRESENT),
        ("command(code='./src', command='python other.py')", State.ABSENT),
    ],
)
def test_a_job_of_azure_whose_command_measures_drift(ask: Ask, job: str, state: State) -> None:
    files = {
        "src/watch.py": DRIFT.replace("from store import save", "save = print"),
        "src/other.py": "print(1)\n",
        "pipeline.py": f"from azure.ai.ml import command, dsl\n@dsl.pipeline()\ndef flow(rows):\n    first(rows)\n"
        f"    {job}\n@dsl.pipeline()\ndef second():\n    flow(1)\n",
    }
    assert ask("drift-monitoring", files).state is state
