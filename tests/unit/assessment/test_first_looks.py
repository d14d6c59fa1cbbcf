"""Forms that repositories had which no detector had met: each as small as it goes, beside what only looks like it."""

from __future__ import annotations

from textwrap import dedent

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


BUILD = """
    steps:
      - name: 'gcr.io/cloud-builders/git'
        args: ['clone', '$_ADDRESS']
      - name: '$_IMAGE'
        entrypoint: 'pytest'
        args: ['tests']
        dir: 'churn'
"""


@pytest.mark.parametrize(
    ("path", "text", "state"),
    [
        ("build/release.yaml", BUILD, State.WIRED),
        ("build/release.yaml", "kind: Task\n" + dedent(BUILD), State.ABSENT),
        ("examples/release.yaml", BUILD, State.ABSENT),
    ],
)
def test_a_build_of_google_cloud_under_another_name(ask: Ask, path: str, text: str, state: State) -> None:
    files = {"model.py": FIT, "tests/test_model.py": TEST, path: text}
    assert ask("tests-in-ci", files).state is state


AZURE = """
    trigger: [main]
    jobs:
      - template: templates/release.yml
"""
RELEASE = "jobs:\n  - template: inner/deploy.yml\n    parameters:\n      script: {script}\n"
DEPLOY = """
    parameters:
      - name: script
        type: string
    jobs:
      - job: deploy
        steps:
          - bash: python $(System.ArtifactsDirectory)/code/${{parameters.script}}
"""
DEPLOYS = (
    "from azureml.core import Model\nif __name__ == '__main__':\n    Model.deploy(None, 'churn', [], None, None)\n"
)


@pytest.mark.parametrize(("script", "state"), [("ops/deploy.py", State.WIRED), ("ops/gone.py", State.ABSENT)])
def test_a_template_of_a_template_runs_what_an_artifact_holds(ask: Ask, script: str, state: State) -> None:
    files = {
        "ci/azure-pipelines.yml": AZURE,
        "ci/templates/release.yml": RELEASE.format(script=script),
        "ci/templates/inner/deploy.yml": DEPLOY,
        "ops/deploy.py": DEPLOYS,
        "score.py": "def init():\n    pass\ndef run(rows):\n    return rows\n",
    }
    files["azure-pipelines.yml"] = AZURE.replace("templates/", "ci/templates/")
    assert ask("service-cd", files).state is state


STACK = """
    Resources:
      Answers:
        Type: AWS::Serverless::Function
        Properties:
          Events:
            Asked:
              Type: {event}
      Errors:
        Type: AWS::CloudWatch::Alarm
        Properties:
          Namespace: AWS/Lambda
          MetricName: Errors
"""


@pytest.mark.parametrize(("event", "state"), [("Api", State.PRESENT), ("Schedule", State.ABSENT)])
def test_an_alarm_on_a_function_that_answers_requests(ask: Ask, event: str, state: State) -> None:
    assert ask("service-monitoring", {"stack.yml": STACK.format(event=event)}).state is state


MACHINE = """
    from stepfunctions import steps

    def main():
        training = steps.TrainingStep("train", job_name="churn"{given})
        rule = steps.choice_rule.ChoiceRule.NumericLessThan(variable="$.rmse", value=10)
        choice = steps.states.Choice("RMSE < 10")
        choice.add_choice(rule=rule, next_step=steps.states.Succeed("good"))
        choice.default_choice(next_step=steps.states.{otherwise}("bad"))
        return steps.states.Chain([training, choice])

    if __name__ == "__main__":
        main()
"""
ON_AN_ALARM = """
    Resources:
      Again:
        Type: AWS::Events::Rule
        Properties:
          EventPattern: {{source: [{source}]}}
          Targets:
            - Arn: !Sub "arn:aws:codepipeline:eu:1:churn"
"""


@pytest.mark.parametrize(("otherwise", "state"), [("Fail", State.PRESENT), ("Pass", State.ABSENT)])
def test_a_choice_of_a_state_machine(ask: Ask, otherwise: str, state: State) -> None:
    assert ask("model-validation-gate", {"flow.py": MACHINE.format(given="", otherwise=otherwise)}).state is state


@pytest.mark.parametrize(
    ("given", "state"), [(", experiment_config={'TrialName': 'a'}", State.PRESENT), ("", State.ABSENT)]
)
def test_a_step_that_is_given_its_experiment(ask: Ask, given: str, state: State) -> None:
    assert ask("experiment-tracking", {"flow.py": MACHINE.format(given=given, otherwise="Fail")}).state is state


@pytest.mark.parametrize(("source", "state"), [("aws.cloudwatch", State.WIRED), ("aws.codecommit", State.ABSENT)])
def test_an_alarm_starts_the_code_pipeline_that_trains(ask: Ask, source: str, state: State) -> None:
    files = {"flow.py": MACHINE.format(given="", otherwise="Fail"), "stack.yml": ON_AN_ALARM.format(source=source)}
    assert ask("ct-trigger-threshold", files).state is state


@pytest.mark.parametrize(("copies", "state"), [("cp", State.WIRED), ("ls", State.ABSENT)])
def test_a_pipeline_of_tfx_that_ci_compiles_and_copies(ask: Ask, copies: str, state: State) -> None:
    compiles = """
        from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner as runner
        if __name__ == "__main__":
            runner.KubeflowV2DagRunner(output_filename="p.json").run(None)
    """
    run = f"python compile.py && gsutil {copies} p.json gs://pipelines"
    assert ask("pipeline-cd", {"compile.py": compiles, **on_push(run)}).state is state


@pytest.mark.parametrize(("path", "state"), [("Dockerfile", State.PRESENT), ("templates/Dockerfile.j2", State.ABSENT)])
def test_the_template_of_an_image_is_none(ask: Ask, path: str, state: State) -> None:
    assert ask("container-images", {path: "FROM python:3.11\nCOPY . .\n"}).state is state


@pytest.mark.parametrize(("path", "state"), [("src/service.py", State.PRESENT), ("src/other.py", State.ABSENT)])
def test_a_bento_whose_service_is_nowhere(ask: Ask, path: str, state: State) -> None:
    files = {"bentofile.yaml": 'service: "src/service.py:svc"\n', path: "svc = None\n"}
    assert ask("container-images", files).state is state
    assert ask("model-serving", files).state is state


@pytest.mark.parametrize(("path", "state"), [("data/a.png", State.PRESENT), ("docs/a.png", State.ABSENT)])
def test_pictures_under_git_lfs(ask: Ask, path: str, state: State) -> None:
    files = {".gitattributes": "*.png filter=lfs diff=lfs merge=lfs -text\n", path: "a"}
    assert ask("data-versioned", files).state is state


@pytest.mark.parametrize(("raised", "state"), [("ValueError", State.ABSENT), ("MeanSquaredError", State.PRESENT)])
def test_what_is_raised_is_no_metric(ask: Ask, raised: str, state: State) -> None:
    text = f"""
        from mlflow import register_model
        def validate_settings(settings, floor):
            kind = {raised}
            if settings.days < floor:
                raise kind("too few")
        if __name__ == "__main__":
            validate_settings(None, 1)
            register_model("runs:/1/model", "churn")
    """
    assert ask("model-validation-gate", {"run.py": text}).state is state


BLOCK = """
    if 'test' not in globals():
        from mage_ai.data_preparation.decorators import test

    @test
    def test_output(output, *args):
        assert {asked}
"""


@pytest.mark.parametrize(
    ("asked", "state"), [("'target' in output.columns", State.PRESENT), ("output is not None", State.ABSENT)]
)
def test_a_test_of_a_block_of_mage(ask: Ask, asked: str, state: State) -> None:
    assert ask("data-tests", {"data_loaders/rows.py": BLOCK.format(asked=asked)}).state is state


@pytest.mark.parametrize(
    ("folder", "pull", "state"),
    [("data/raw", "dvc pull", State.WIRED), ("data/raw", "ls", State.ABSENT), ("logs", "dvc pull", State.ABSENT)],
)
def test_tests_of_files_that_ci_fetches(ask: Ask, folder: str, pull: str, state: State) -> None:
    tests = f"""
        FOLDER = "{folder}"
        def test_rows():
            with open(FOLDER + "/rows.txt") as file:
                assert file.read()
    """
    flow = on_push(f"{pull} && pytest")
    files = {"model.py": FIT, "tests/test_model.py": TEST, "tests/test_data.py": tests, **flow}
    assert ask("data-tests", files).state is state


@pytest.mark.parametrize(("given", "state"), [("cron='0 0 * * *'", State.WIRED), ("name='a'", State.PRESENT)])
def test_a_flow_of_another_file_is_served_on_a_schedule(ask: Ask, given: str, state: State) -> None:
    flow = "from prefect import flow\nfrom model import train\n@flow\ndef churn():\n    train([[1]], [1])\n"
    serve = f"from flows import churn\nif __name__ == '__main__':\n    churn.serve({given})\n"
    files = {"model.py": FIT, "flows.py": flow, "serve.py": serve}
    assert ask("training-automated", files).state is state


@pytest.mark.parametrize(("asks", "state"), [("predict", State.PRESENT), ("fit_predict", State.ABSENT)])
def test_a_step_that_groups_the_rows_it_is_fitted_to(ask: Ask, asks: str, state: State) -> None:
    text = f"""
        from prefect import flow, task

        @task
        def predict_groups(rows, model):
            return model.{asks}(rows)

        @flow
        def main():
            predict_groups([[1]], None)

        if __name__ == "__main__":
            main()
    """
    assert ask("model-serving", {"segment.py": text}).state is state


@pytest.mark.parametrize(
    ("path", "state"), [("src/data_validation/run.py", State.PRESENT), ("src/tools/run.py", State.ABSENT)]
)
def test_a_program_for_the_validation_of_data(ask: Ask, path: str, state: State) -> None:
    text = """
        import pandas as pd

        def validate_columns(frame, schema):
            if set(frame.columns) != set(schema):
                raise ValueError("other columns")

        if __name__ == "__main__":
            validate_columns(pd.read_csv("rows.csv"), ["a"])
    """
    assert ask("data-tests", {path: text}).state is state


@pytest.mark.parametrize(
    ("package", "state"),
    [("sagemaker.workflow.model_step", State.PRESENT), ("stepfunctions.steps.sagemaker", State.ABSENT)],
)
def test_a_step_that_only_makes_a_model_ready_to_answer(ask: Ask, package: str, state: State) -> None:
    text = f"from {package} import ModelStep\nModelStep('save', model=None, model_name='churn-1')\n"
    assert ask("model-registry", {"flow.py": text}).state is state
