"""Forms that a blind reading of strangers' repositories showed: ways to code, engines, clouds."""

from __future__ import annotations

import json

import pytest

from windlass.assessment.automation.conditions import may_run
from windlass.assessment.records import State

from .conftest import Ask

FIT = "from sklearn.linear_model import LinearRegression\ndef train(x, y):\n    return LinearRegression().fit(x, y)\n"
ON_PUSH = """
    on: push
    jobs:
      a:
        runs-on: ubuntu-latest
        steps:
          - run: {run}
"""


def on_push(run: str) -> dict[str, str]:
    return {".github/workflows/ci.yml": ON_PUSH.format(run=run)}


class TestWays:
    def test_a_command_that_is_kept_in_a_variable_first(self, ask: Ask) -> None:
        run = "import subprocess\ncommand = ['python', 'train.py']\nsubprocess.run(command, check=True)\n"
        train = FIT + "if __name__ == '__main__':\n    train(1, 2)\n"
        files = {**on_push("python run.py"), "run.py": run, "train.py": train}
        assert ask("training-automated", files).state is State.WIRED

    def test_steps_that_start_scripts_are_a_pipeline_that_trains(self, ask: Ask) -> None:
        flow = """
            import subprocess
            from prefect import flow, task
            @task
            def prepare():
                subprocess.run(["python", "prepare.py"], check=True)
            @task
            def learn():
                subprocess.run(["python", "SCRIPT"], check=True)
            @flow
            def whole():
                prepare()
                learn()
        """
        train = FIT + "if __name__ == '__main__':\n    train(1, 2)\n"
        files = {"flow.py": flow.replace("SCRIPT", "train.py"), "train.py": train, "prepare.py": "x = 1\n"}
        assert ask("pipeline-orchestrated", files).state is State.PRESENT
        files["flow.py"] = flow.replace("SCRIPT", "prepare.py")
        assert ask("pipeline-orchestrated", files).state is State.ABSENT

    @pytest.mark.parametrize("call", ["train.delay(1, 2)", "train.submit(1, 2)", "train.with_options(a=1)(1, 2)"])
    def test_a_function_that_a_queue_or_an_engine_runs(self, ask: Ask, call: str) -> None:
        files = {**on_push("python run.py"), "team.py": FIT, "run.py": f"from team import train\n{call}\n"}
        assert ask("training-automated", files).state is State.WIRED

    def test_a_package_on_a_search_path_that_a_file_adds(self, ask: Ask) -> None:
        run = "import os, sys\nsys.path.append(os.path.join('..', 'tools'))\nfrom fitting import train\ntrain(1, 2)\n"
        files = {
            **on_push("python jobs/run.py"),
            "jobs/run.py": run,
            "tools/__init__.py": "x = 1\n",
            "tools/fitting.py": FIT,
        }
        assert ask("training-automated", files).state is State.WIRED
        files["jobs/run.py"] = run.replace("sys.path.append", "print")
        assert ask("training-automated", files).state is not State.WIRED

    def test_a_package_that_gives_a_function_the_name_of_its_module(self, ask: Ask) -> None:
        files = {
            **on_push("python run.py"),
            "team/__init__.py": "from .train import train\n",
            "team/train.py": FIT,
            "run.py": "from team import train\ntrain(1, 2)\n",
        }
        assert ask("training-automated", files).state is State.WIRED

    def test_what_the_class_above_does(self, ask: Ask) -> None:
        code = """
            from sklearn.linear_model import LinearRegression
            class Base:
                def go(self, x, y):
                    return LinearRegression().fit(x, y)
            class Job(Base):
                def go(self, x, y):
                    return super().go(x, y)
            if __name__ == "__main__":
                Job().go(1, 2)
        """
        assert ask("training-automated", {**on_push("python job.py"), "job.py": code}).state is State.WIRED

    @pytest.mark.parametrize("run", ["uv run -m jobs.train", "uv run --module jobs.train", "python -m jobs.$MODEL"])
    def test_modules_by_their_names(self, ask: Ask, run: str) -> None:
        train = FIT + "if __name__ == '__main__':\n    train(1, 2)\n"
        files = {**on_push(run), "jobs/__init__.py": "", "jobs/train.py": train}
        assert ask("training-automated", files).state is State.WIRED

    def test_a_task_of_invoke_that_calls_the_project_itself(self, ask: Ask) -> None:
        tasks = "from invoke import task\nfrom team import train\n@task\ndef fit_it(c):\n    train(1, 2)\n"
        files = {**on_push("uv run -m invoke fit-it --fast"), "tasks.py": tasks, "team.py": FIT}
        assert ask("training-automated", files).state is State.WIRED

    def test_an_action_is_given_the_file_of_the_job(self, ask: Ask) -> None:
        workflow = """
            on: push
            jobs:
              a:
                runs-on: ubuntu-latest
                steps:
                  - uses: ./.github/actions/run
                    with: {file: jobs/train.yml}
        """
        action = """
            runs:
              using: composite
              steps:
                - run: az ml job create --file ${{ inputs.file }}
                  shell: bash
        """
        files = {
            ".github/workflows/ci.yml": workflow,
            ".github/actions/run/action.yml": action,
            "jobs/train.yml": "command: python train.py\ncode: ..\n",
            "train.py": FIT + "train(1, 2)\n",
        }
        assert ask("training-automated", files).state is State.WIRED

    @pytest.mark.parametrize("path", ["cloudbuild/checks.yaml", "build/cloudbuild-ci.yaml", ".cloudbuild/x.yml"])
    def test_where_cloud_build_keeps_its_files(self, ask: Ask, path: str) -> None:
        build = "steps:\n- name: python:3.11\n  entrypoint: bash\n  args: [-c, python train.py]\n"
        files = {path: build, "train.py": FIT + "train(1, 2)\n"}
        assert ask("training-automated", files).state is State.WIRED

    def test_an_example_that_ci_tries_out_is_no_training_that_anybody_gets(self, ask: Ask) -> None:
        files = {**on_push("python examples/train.py"), "examples/train.py": FIT + "train(1, 2)\n"}
        assert ask("training-automated", files).state is State.PRESENT

    @pytest.mark.parametrize(("name", "state"), [("Smoke test", State.ABSENT), ("Fit", State.WIRED)])
    def test_a_step_that_only_sees_whether_training_runs(self, ask: Ask, name: str, state: State) -> None:
        flow = f"""
            on: push
            jobs:
              a:
                runs-on: ubuntu-latest
                steps:
                  - name: {name}
                    run: python train.py
        """
        files = {".github/workflows/ci.yml": flow, "train.py": FIT + "train(1, 2)\n"}
        assert ask("ct-trigger-code", files).state is state

    def test_a_pipeline_that_ci_compiles_has_still_to_be_run(self, ask: Ask) -> None:
        code = """
            from kfp import compiler
            from sklearn.linear_model import LinearRegression
            def pipeline(x, y):
                LinearRegression().fit(x, y)
            compiler.Compiler().compile(pipeline_func=pipeline, package_path="p.json")
        """
        files = {**on_push("python pipe.py"), "pipe.py": code}
        assert ask("training-automated", files).state is State.PRESENT
        copied = {**on_push("python pipe.py && gsutil cp p.json gs://pipelines/"), "pipe.py": code}
        assert ask("pipeline-cd", files).state is not State.WIRED
        assert ask("pipeline-cd", copied).state is State.WIRED


class TestEngines:
    def test_zenml_keeps_runs_and_stages_of_models(self, ask: Ask) -> None:
        run = "from zenml import log_metadata\nlog_metadata(metadata={'r2': 0.9})\n"
        assert ask("experiment-tracking", {"run.py": run}).state is State.PRESENT
        promote = "from zenml.client import Client\nClient().get_model_version('m', '1').set_stage('production')\n"
        assert ask("model-registry", {"promote.py": promote}).state is State.PRESENT
        other = "from theatre import Client\nClient().get_model_version('m', '1').set_stage('left')\n"
        assert ask("model-registry", {"promote.py": other}).state is State.ABSENT

    def test_the_model_that_a_decorator_names(self, ask: Ask) -> None:
        code = "from zenml import Model, pipeline\n@pipeline(model=Model(name='price'))\ndef whole():\n    pass\n"
        assert ask("model-registry", {"pipe.py": code}).state is State.PRESENT

    def test_a_snapshot_of_the_pipeline_that_ci_makes(self, ask: Ask) -> None:
        code = """
            from zenml import pipeline
            @pipeline
            def whole():
                pass
            whole.with_options(config_path="c.yml").create_snapshot(name="x")
        """
        assert ask("pipeline-cd", {**on_push("python build.py"), "build.py": code}).state is State.WIRED
        assert not ask("pipeline-cd", {**on_push("echo hello"), "build.py": code}).state.holds

    def test_a_job_of_vertex_uploads_what_it_trained(self, ask: Ask) -> None:
        code = """
            from google.cloud import aiplatform as aip
            job = aip.CustomTrainingJob(display_name="x", script_path="t.py")
            job.run(model_display_name="price", parent_model="1")
        """
        assert ask("model-registry", {"job.py": code}).state is State.PRESENT

    def test_a_pipeline_of_azure_whose_steps_have_other_names(self, ask: Ask) -> None:
        job = """
            $schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
            type: pipeline
            jobs:
              prepare_step: {command: python src/prepare.py, code: ..}
              sweep_step: {trial: sweep.yml}
        """
        files = {
            "jobs/whole.yml": job,
            "jobs/sweep.yml": "command: python src/search.py\ncode: ..\n",
            "src/prepare.py": "x = 1\n",
            "src/search.py": FIT + "train(1, 2)\n",
        }
        assert ask("pipeline-orchestrated", files).state is State.PRESENT
        files["jobs/sweep.yml"] = files["jobs/sweep.yml"].replace("search.py", "prepare.py")
        assert ask("pipeline-orchestrated", files).state is State.ABSENT

    @pytest.mark.parametrize(("said", "state"), [("true", State.PRESENT), ("false", State.ABSENT)])
    def test_an_endpoint_that_the_platform_watches(self, ask: Ask, said: str, state: State) -> None:
        deployment = f"name: main\nendpoint_name: e\napp_insights_enabled: {said}\n"
        assert ask("service-monitoring", {"deployment.yml": deployment}).state is state

    def test_a_check_that_is_handed_to_an_operator(self, ask: Ask) -> None:
        dag = """
            import pandas as pd
            from airflow import DAG
            from airflow.operators.python import PythonOperator
            def check_data_quality():
                frame = pd.read_csv("raw.csv")
                if frame.isnull().sum().sum() > 10:
                    raise ValueError("too many missing values")
            with DAG("train", schedule="@daily"):
                PythonOperator(task_id="check", python_callable=check_data_quality)
        """
        assert ask("data-tests", {"dags/train.py": dag}).state is State.WIRED
        assert not ask("data-tests", {"dags/train.py": dag.replace("raise ValueError", "print")}).state.holds

    def test_answers_that_a_schedule_keeps_in_a_file(self, ask: Ask) -> None:
        code = """
            import joblib
            import pandas as pd
            model = joblib.load("model.pkl")
            frame = pd.read_parquet("rows.parquet")
            frame.assign(y=model.predict(frame)).to_parquet("answers.parquet")
        """
        assert ask("model-serving", {"jobs.py": code}).state is State.ABSENT
        assert ask("model-serving", {"jobs.py": code, "crontab": "0 1 * * * python jobs.py\n"}).state is State.WIRED

    def test_a_verdict_that_is_a_word(self, ask: Ask) -> None:
        code = """
            import mlflow
            from sklearn.metrics import accuracy_score
            def judge(model, x, y):
                accuracy = accuracy_score(y, model.predict(x))
                result = {"validation_status": "PASSED" if accuracy > 0.75 else "FAILED"}
                if result["validation_status"] == "FAILED":
                    raise ValueError("too low")
            def main(model, x, y):
                judge(model, x, y)
                mlflow.register_model("runs:/1/model", "price")
            if __name__ == "__main__":
                main(1, 2, 3)
        """
        assert ask("model-validation-gate", {"train.py": code}).state is State.PRESENT
        warned = code.replace('raise ValueError("too low")', 'print("too low")')
        assert ask("model-validation-gate", {"train.py": warned}).state is State.ABSENT


PIPELINE = """
    from sagemaker.workflow.pipeline import Pipeline
    from sagemaker.workflow.steps import TrainingStep
    def make(estimator):
        return Pipeline(name="p", steps=[TrainingStep(name="train", estimator=estimator)])
"""
STACK = """
    import aws_cdk as cdk
    from aws_cdk import aws_codepipeline_actions as actions, aws_events as events, aws_sagemaker as sagemaker

    class Stack(cdk.Stack):
        def __init__(self, scope, sagemaker_pipeline_arn):
            super().__init__(scope)
            {body}

    Stack(cdk.App(), "arn:pipeline")
"""


def stack(body: str) -> dict[str, str]:
    return {"app.py": STACK.format(body=body), "pipe.py": PIPELINE}


class TestAmazon:
    def test_resources_of_cdk(self, ask: Ask) -> None:
        assert ask("model-serving", stack('sagemaker.CfnEndpoint(self, "e")')).state is State.PRESENT
        assert ask("drift-monitoring", stack('sagemaker.CfnMonitoringSchedule(self, "m")')).state is State.PRESENT
        assert ask("model-serving", stack("pass")).state is State.ABSENT

    def test_resources_of_cdk_in_typescript(self, ask: Ask) -> None:
        text = "import * as sagemaker from 'aws-cdk-lib/aws-sagemaker';\n{}new sagemaker.CfnEndpoint(this, 'e');\n"
        assert ask("model-serving", {"lib/stack.ts": text.format("")}).state is State.PRESENT
        assert ask("model-serving", {"lib/stack.ts": text.format("// ")}).state is State.ABSENT

    def test_a_rule_on_a_schedule_starts_the_pipeline(self, ask: Ask) -> None:
        files = stack('events.Rule(self, "r", schedule=events.Schedule.rate(1))')
        assert ask("training-automated", files).state is State.WIRED
        assert not ask("training-automated", {**files, "pipe.py": "x = 1\n"}).state.holds

    @pytest.mark.parametrize(("source", "holds"), [("aws.cloudwatch", True), ("aws.codepipeline", False)])
    def test_a_rule_on_an_alarm_is_a_threshold(self, ask: Ask, source: str, holds: bool) -> None:
        files = stack(f'events.Rule(self, "r", event_pattern=events.EventPattern(source=["{source}"]))')
        assert ask("ct-trigger-threshold", files).state.holds is holds
        assert ask("training-automated", files).state is State.WIRED

    @pytest.mark.parametrize(("target", "holds"), [("arn:aws:sagemaker:x:pipeline/p", True), ("arn:aws:sns:x", False)])
    def test_a_rule_of_cloud_formation(self, ask: Ask, target: str, holds: bool) -> None:
        template = f"""
            AWSTemplateFormatVersion: "2010-09-09"
            Resources:
              Rule:
                Type: AWS::Events::Rule
                Properties:
                  ScheduleExpression: rate(1 day)
                  Targets: [{{Arn: "{target}", Id: a}}]
        """
        files = {"template.yml": template, "pipe.py": PIPELINE}
        assert ask("training-automated", files).state.holds is holds

    def test_a_pipeline_of_aws_deploys(self, ask: Ask) -> None:
        body = 'actions.CloudFormationCreateUpdateStackAction(action_name="a"); sagemaker.CfnEndpoint(self, "e")'
        assert ask("service-cd", stack(body)).state is State.WIRED
        assert ask("pipeline-cd", stack(body)).state is State.WIRED
        assert not ask("service-cd", stack('sagemaker.CfnEndpoint(self, "e")')).state.holds
        template = """
            AWSTemplateFormatVersion: "2010-09-09"
            Resources:
              Endpoint: {Type: AWS::SageMaker::Endpoint}
              Pipeline:
                Type: AWS::CodePipeline::Pipeline
                Properties:
                  Stages:
                    - Actions: [{Name: s, ActionTypeId: {Category: Source, Provider: CodeCommit}}]
                    - Actions: [{Name: d, ActionTypeId: {Category: CATEGORY, Provider: CloudFormation}}]
        """
        assert ask("service-cd", {"t.yml": template.replace("CATEGORY", "Deploy")}).state is State.WIRED
        assert not ask("service-cd", {"t.yml": template.replace("CATEGORY", "Test")}).state.holds


class TestConditions:
    """Jobs that never run on the event that seems to start them."""

    @pytest.mark.parametrize(
        ("condition", "kind", "runs"),
        [
            ("github.event_name == 'schedule'", "push", False),
            ("github.event_name == 'schedule'", "schedule", True),
            ("${{ github.event_name != 'pull_request' }}", "pull_request", False),
            ("github.ref == 'refs/heads/main' || github.event_name == 'workflow_dispatch'", "push", True),
            ("(github.event_name != 'workflow_dispatch' || inputs.go == 'yes') && github.ref == 'x'", "push", True),
            ("inputs.deploy", "push", False),
            ("github.event.inputs.action == 'train'", "push", False),
            ("github.event.inputs.force != 'true'", "push", True),
            ("!(github.event_name == 'push')", "push", False),
            ("contains(github.event.head_commit.message, '(x)') && github.event_name == 'push'", "push", True),
            ("success() && false", "push", False),
            ("", "push", True),
        ],
    )
    def test_what_an_event_decides(self, condition: str, kind: str, runs: bool) -> None:
        assert may_run(condition, kind) is runs

    @pytest.mark.parametrize(("extra", "state"), [("", State.PRESENT), ("always() && ", State.WIRED)])
    def test_a_job_that_needs_one_that_is_skipped_is_skipped(self, ask: Ask, extra: str, state: State) -> None:
        workflow = f"""
            on:
              push:
              schedule: [{{cron: "0 4 * * 6"}}]
            jobs:
              quick:
                if: github.event_name != 'schedule'
                steps: [{{run: "true"}}]
              train:
                needs: quick
                if: {extra}github.event_name == 'schedule'
                steps: [{{run: python train.py}}]
        """
        files = {".github/workflows/ci.yml": workflow, "train.py": FIT + "train(1, 2)\n"}
        assert ask("training-automated", files).state is state


class TestJobs:
    @pytest.mark.parametrize(
        ("run", "state"),
        [
            ("gcloud run jobs deploy train --image x --execute-now", State.WIRED),
            ("gcloud run jobs execute train", State.WIRED),
            ("aws ecs run-task --task-definition train", State.WIRED),
            ("gcloud run jobs deploy train --image x", State.PRESENT),
        ],
    )
    def test_a_platform_runs_the_image(self, ask: Ask, run: str, state: State) -> None:
        image = 'FROM python:3.11\nCOPY . .\nCMD ["python", "train.py"]\n'
        files = {**on_push(run), "Dockerfile": image, "train.py": FIT + "train(1, 2)\n"}
        assert ask("training-automated", files).state is state

    def test_a_script_that_is_handed_to_what_starts_it(self, ask: Ask) -> None:
        code = """
            import subprocess
            def run_job(name):
                subprocess.run(["spark-submit", f"/opt/jobs/{name}"], check=True)
            run_job("train.py")
        """
        files = {**on_push("python run.py"), "run.py": code, "jobs/train.py": FIT + "train(1, 2)\n"}
        assert ask("training-automated", files).state is State.WIRED
        files["run.py"] = code.replace("subprocess.run", "print")
        assert ask("training-automated", files).state is not State.WIRED

    def test_spark_submit(self, ask: Ask) -> None:
        files = {**on_push("spark-submit --master local jobs/train.py"), "jobs/train.py": FIT + "train(1, 2)\n"}
        assert ask("training-automated", files).state is State.WIRED

    def test_answers_of_spark(self, ask: Ask) -> None:
        code = """
            from pyspark.ml import PipelineModel
            def load():
                return PipelineModel.load("model")
            def score(frame):
                model = load()
                model.transform(frame).write.format("mongodb").option("a", "b").save()
            if __name__ == "__main__":
                score(1)
        """
        assert ask("model-serving", {"score.py": code}).state is State.PRESENT
        assert ask("model-serving", {"score.py": code.replace(".write.format", ".show")}).state is State.ABSENT

    def test_telemetry_that_is_sent_needs_nobody_to_collect_it(self, ask: Ask) -> None:
        code = """
            import joblib
            from azure.monitor.opentelemetry import configure_azure_monitor
            from flask import Flask
            configure_azure_monitor(connection_string="x")
            app = Flask("x")
            model = joblib.load("m.pkl")
            @app.post("/predict")
            def predict():
                return model.predict([1])
        """
        assert ask("service-monitoring", {"server.py": code}).state is State.PRESENT
        job = "from azure.monitor.opentelemetry import configure_azure_monitor\nconfigure_azure_monitor()\n"
        assert ask("service-monitoring", {"server.py": job}).state is State.DECLARED

    def test_data_that_another_workflow_fetches_are_not_what_tests_see(self, ask: Ask) -> None:
        test = "from team import load\ndef test_rows():\n    assert load().shape == (10, 2)\n"
        files = {
            "team.py": "def load():\n    return 1\n",
            "tests/test_data.py": test,
            **on_push("dvc pull && pytest tests"),
        }
        assert ask("data-tests", files).state is State.WIRED
        files |= {**on_push("pytest tests"), ".github/workflows/pull.yml": ON_PUSH.format(run="dvc pull")}
        assert ask("data-tests", files).state is State.ABSENT


class TestMoreForms:
    @pytest.mark.parametrize(("folder", "state"), [("jobs", State.WIRED), ("06-best-practices/jobs", State.PRESENT)])
    def test_a_step_that_works_where_nothing_is_fails(self, ask: Ask, folder: str, state: State) -> None:
        workflow = f"""
            on: push
            jobs:
              a:
                steps:
                  - run: python train.py
                    working-directory: {folder}
        """
        files = {".github/workflows/ci.yml": workflow, "jobs/train.py": FIT + "train(1, 2)\n"}
        assert ask("training-automated", files).state is state

    def test_a_folder_that_the_job_fetches_may_be_there(self, ask: Ask) -> None:
        workflow = """
            on: push
            jobs:
              a:
                steps:
                  - run: git clone https://example.org/other
                  - run: pytest
                    working-directory: other
                  - run: python train.py
        """
        files = {".github/workflows/ci.yml": workflow, "train.py": FIT + "train(1, 2)\n"}
        assert ask("training-automated", files).state is State.WIRED

    def test_training_that_raises_itself_if_columns_are_missing(self, ask: Ask) -> None:
        code = """
            import pandas as pd
            from sklearn.linear_model import LinearRegression
            frame = pd.read_csv("rows.csv")
            missing = [name for name in ("a", "b") if name not in frame.columns]
            if missing:
                raise ValueError(f"columns are missing: {missing}")
            LinearRegression().fit(frame[["a"]], frame["b"])
        """
        assert ask("data-tests", {"train.py": code}).state is State.PRESENT
        assert ask("data-tests", {"train.py": code.replace("raise ValueError", "print")}).state is State.ABSENT

    def test_a_schema_that_checks_in_a_method_of_its_own(self, ask: Ask) -> None:
        code = """
            import pandas as pd
            import pandera as pa
            from sklearn.linear_model import LinearRegression
            class Rows(BASE):
                a: int
                @classmethod
                def checked(cls, frame):
                    return cls.validate(frame)
            frame = Rows.checked(pd.read_csv("rows.csv"))
            LinearRegression().fit(frame[["a"]], frame["b"])
        """
        assert ask("data-tests", {"train.py": code.replace("BASE", "pa.DataFrameModel")}).state is State.PRESENT
        assert ask("data-tests", {"train.py": code.replace("BASE", "dict")}).state is State.ABSENT

    @pytest.mark.parametrize(("base", "state"), [("kserve.Model", State.PRESENT), ("dict", State.ABSENT)])
    def test_a_class_of_a_model_server(self, ask: Ask, base: str, state: State) -> None:
        code = f"import kserve\nclass Churn({base}):\n    def predict(self, rows):\n        return self.model(rows)\n"
        assert ask("model-serving", {"server.py": code}).state is state

    @pytest.mark.parametrize(("said", "state"), [("recall > 0.7", State.PRESENT), ("True", State.ABSENT)])
    def test_a_step_that_decides_whether_to_deploy(self, ask: Ask, said: str, state: State) -> None:
        code = f"""
            from zenml import pipeline, step
            from zenml.integrations.mlflow.steps import mlflow_model_deployer_step
            @step
            def deployment_trigger(recall: float) -> bool:
                return {said}
            @pipeline
            def whole(model, recall):
                mlflow_model_deployer_step(deploy_decision=deployment_trigger(recall), model=model)
            if __name__ == "__main__":
                whole(1, 2)
        """
        assert ask("model-validation-gate", {"pipe.py": code}).state is state
        assert ask("model-serving", {"pipe.py": code}).state is State.PRESENT

    @pytest.mark.parametrize(("target", "state"), [("team.fit.train", State.WIRED), ("team.fit.other", State.PRESENT)])
    def test_what_a_configuration_of_hydra_names(self, ask: Ask, target: str, state: State) -> None:
        files = {
            **on_push("python run.py"),
            "run.py": "import hydra\n@hydra.main()\ndef main(cfg):\n    hydra.utils.call(cfg.job)\nmain()\n",
            "conf/job.yaml": f"job:\n  _target_: {target}\n  x: 1\n",
            "team/fit.py": FIT + "def other():\n    pass\n",
        }
        assert ask("training-automated", files).state is state

    @pytest.mark.parametrize(("schedule", "state"), [("'@daily'", State.WIRED), ("None", State.PRESENT)])
    def test_dags_that_a_factory_makes_from_yaml(self, ask: Ask, schedule: str, state: State) -> None:
        dags = f"""
            churn:
              schedule_interval: {schedule}
              tasks:
                fit:
                  operator: airflow.operators.python.PythonOperator
                  python_callable_name: train
                  python_callable_file: /opt/airflow/dags/jobs/fit.py
        """
        assert ask("training-automated", {"dags/all.yml": dags, "dags/jobs/fit.py": FIT}).state is state

    def test_dags_that_a_function_makes(self, ask: Ask) -> None:
        factory = """
            from airflow import DAG
            from airflow.operators.python import PythonOperator
            from team import train
            def make(name, every):
                with DAG(name, schedule=every) as dag:
                    PythonOperator(task_id="fit", python_callable=train)
                return dag
            for name in ("a", "b"):
                globals()[name] = make(name, "@daily")
        """
        assert ask("training-automated", {"dags/all.py": factory, "team.py": FIT}).state is State.WIRED

    def test_the_place_in_a_notebook_is_the_cell_of_the_call(self, ask: Ask) -> None:
        cells = [
            {"cell_type": "code", "source": "import mlflow\nx = 1\n"},
            {"cell_type": "markdown", "source": "then"},
            {"cell_type": "code", "source": "y = 2\nmlflow.log_metric('auc', 0.9)\n"},
        ]
        found = ask("experiment-tracking", {"look.ipynb": json.dumps({"cells": cells})})
        assert found.evidence[0].line == 3


class TestValuesAndPrograms:
    """Tests that take in a value, programs that declare infrastructure, a project that its framework runs."""

    @pytest.mark.parametrize(("name", "state"), [("app", State.WIRED), ("application", State.ABSENT)])
    def test_a_test_that_takes_in_only_a_value(self, ask: Ask, name: str, state: State) -> None:
        test = f"""
            from fastapi.testclient import TestClient
            from service.main import {name}
            def test_health():
                assert TestClient({name}).get("/health").status_code == 200
        """
        main = "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/health')\ndef health():\n    return {}\n"
        files = {**on_push("pytest"), "service/__init__.py": "", "service/main.py": main, "tests/test_main.py": test}
        assert ask("tests-in-ci", files).state is state

    @pytest.mark.parametrize(("made", "state"), [("s3.Bucket('data')", State.PRESENT), ("Provider('p')", State.ABSENT)])
    def test_a_program_of_pulumi(self, ask: Ask, made: str, state: State) -> None:
        files = {"infra.py": f"import pulumi_aws as aws\ndef program():\n    aws.{made}\n"}
        assert ask("infra-as-code", files).state is state

    @pytest.mark.parametrize(
        ("session", "state"),
        [("kedro.framework.session", State.PRESENT), ("somebody.session", State.DECLARED)],
    )
    def test_a_test_that_runs_the_kedro_project(self, ask: Ask, session: str, state: State) -> None:
        test = f"""
            from {session} import KedroSession
            def test_run():
                with KedroSession.create() as session:
                    assert session.run()["auc"] > 0
        """
        files = {"requirements.txt": "pytest\n", "src/team/nodes.py": FIT, "tests/test_run.py": test}
        assert ask("unit-tests-code", files).state is state


class TestCommittedImages:
    """CI writes the image into a manifest and pushes; Argo CD or Flux do the rest."""

    KUSTOMIZE = "cd k8s && kustomize edit set image api=ghcr.io/team/api:$TAG && git commit -am new && git push"
    HELM = "yq -i '.image.tag = \"1\"' chart/values.yaml && git commit -am new && git push"
    SED = "sed -i 's|image:.*|image:api|' k8s/api.yaml && git commit -am new && git push"
    FLUX = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nspec:\n  path: ./k8s\n"
    ARGO = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec:\n  syncPolicy:\n    automated: {}\n"

    @pytest.mark.parametrize("run", [KUSTOMIZE, HELM, SED])
    @pytest.mark.parametrize("app", [FLUX, ARGO, "{{- if .Values.on }}\n" + ARGO + "{{- end }}\n"])
    def test_it_is_a_deployment(self, ask: Ask, run: str, app: str) -> None:
        assert ask("service-cd", {**on_push(run), "apps/api.yaml": app}).state is State.WIRED

    @pytest.mark.parametrize(
        ("run", "app"),
        [
            (KUSTOMIZE.replace(" && git push", ""), FLUX),  # nobody sees it
            ("sed -i 's/version/1/' setup.cfg && git push", FLUX),  # no image
            (KUSTOMIZE, "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"),  # nothing syncs
            (KUSTOMIZE, ARGO.replace("automated", "retry")),  # a person syncs
            (KUSTOMIZE, ARGO.replace("Application", "Workflow")),
        ],
    )
    def test_it_is_none(self, ask: Ask, run: str, app: str) -> None:
        assert not ask("service-cd", {**on_push(run), "apps/api.yaml": app}).state.holds


class TestWhatStopsNothing:
    """Checks that nobody heeds, images and deployments that are no release of the project's own."""

    CHECK = """
        import great_expectations as ge
        import pandas as pd
        from sklearn.linear_model import LinearRegression
        def train():
            frame = pd.read_csv("rows.csv")
            results = ge.get_context().run_checkpoint(checkpoint_name="rows")
            HEED
            LinearRegression().fit(frame[["a"]], frame["b"])
        if __name__ == "__main__":
            train()
    """

    @pytest.mark.parametrize(
        ("heed", "state"),
        [
            ("print(results)", State.ABSENT),
            ("assert results.success", State.PRESENT),
            ("if not results.success: raise ValueError(results)", State.PRESENT),
        ],
    )
    def test_a_check_whose_answer_is_or_is_not_heeded(self, ask: Ask, heed: str, state: State) -> None:
        found = ask("data-tests", {"train.py": self.CHECK.replace("HEED", heed)})
        assert found.state is state
        assert any("nobody heeds" in each.why for each in found.turned_down) is (state is State.ABSENT)

    @pytest.mark.parametrize(
        ("loud", "state"), [("raise ValueError(gone)", State.PRESENT), ("print(gone)", State.ABSENT)]
    )
    @pytest.mark.parametrize("held", ["check_columns", "logged(check_columns)"])
    def test_checks_that_are_looked_up_in_a_table(self, ask: Ask, held: str, loud: str, state: State) -> None:
        checks = f"""
            def check_columns(frame):
                gone = [name for name in ("a", "b") if name not in frame.columns]
                if gone:
                    {loud}
                return frame
        """
        step = f"""
            import pandas as pd
            from sklearn.linear_model import LinearRegression
            from checks import check_columns
            def logged(function):
                return function
            TESTS = {{"columns": {held}}}
            def train_step(name):
                frame = TESTS[name](pd.read_csv("rows.csv"))
                LinearRegression().fit(frame[["a"]], frame["b"])
            if __name__ == "__main__":
                train_step("columns")
        """
        assert ask("data-tests", {"checks.py": checks, "train_step.py": step}).state is state

    @pytest.mark.parametrize(
        ("image", "state"),
        [
            ("FROM apache/airflow:2.11.0\nRUN pip install boto3\nCOPY entrypoint.sh /entrypoint.sh\n", State.ABSENT),
            ("FROM ghcr.io/mlflow/mlflow:v3.2.0\nRUN pip install psycopg2-binary\n", State.ABSENT),
            ("FROM apache/airflow:2.11.0\nCOPY dags/ /opt/airflow/dags/\n", State.PRESENT),
            ("FROM team/mlflow-model:1\n", State.PRESENT),
            ("FROM python:3.12\nCOPY requirements.txt .\n", State.PRESENT),
        ],
    )
    def test_the_program_of_others_with_packages(self, ask: Ask, image: str, state: State) -> None:
        assert ask("container-images", {"Dockerfile": image}).state is state

    @pytest.mark.parametrize(("last", "state"), [("push", State.WIRED), ("workflow_dispatch", State.ABSENT)])
    def test_a_deployment_for_development_before_a_person_deploys(self, ask: Ask, last: str, state: State) -> None:
        code = """
            import mlflow
            from sklearn.linear_model import LogisticRegression
            from sklearn.metrics import accuracy_score
            def main(x, y):
                model = LogisticRegression().fit(x, y)
                accuracy = accuracy_score(y, model.predict(x))
                if accuracy > 0.8:
                    mlflow.register_model("runs:/1/model", "m")
            if __name__ == "__main__":
                main([[0], [1]], [0, 1])
        """
        job = "jobs:\n  {0}:\n    environment: {0}\n    steps:\n{1}      - run: kubectl apply -f k8s/api.yaml\n"
        files = {
            "train.py": code,
            ".github/workflows/dev.yml": "on: push\n" + job.format("dev", "      - run: python train.py\n"),
            ".github/workflows/prod.yml": f"on: {last}\n" + job.format("production", ""),
        }
        assert ask("model-release-automated", files).state is state

    @pytest.mark.parametrize(
        ("path", "line", "state"),
        [
            ("infra/test/stack.test.ts", "import { Stack } from '../lib/stack'", State.PRESENT),
            ("infra/test/stack.test.ts", "// import { Stack } from 'aws-cdk-lib'", State.ABSENT),
            ("infra/test/stack.ts", "import { Stack } from '../lib/stack'", State.ABSENT),
        ],
    )
    def test_a_test_in_typescript(self, ask: Ask, path: str, line: str, state: State) -> None:
        text = f"{line}\ntest('it is there', () => {{\n  expect(Stack).toBeDefined()\n}})\n"
        assert ask("unit-tests-code", {path: text}).state is state

    @pytest.mark.parametrize(("schedule", "state"), [("train", State.WIRED), ("data_drift", State.ABSENT)])
    def test_a_schedule_that_only_watches(self, ask: Ask, schedule: str, state: State) -> None:
        files = on_push(f"az ml schedule create --file jobs/{schedule}.yml")
        assert ask("pipeline-cd", files).state is state

    @pytest.mark.parametrize(("package", "state"), [("sklearn", State.WIRED), ("team", State.ABSENT)])
    def test_cross_validation_fits_models(self, ask: Ask, package: str, state: State) -> None:
        code = f"from {package}.model_selection import cross_val_score\ncross_val_score(1, 2, 3)\n"
        assert ask("training-automated", {**on_push("python fit.py"), "fit.py": code}).state is state

    @pytest.mark.parametrize(
        ("copies", "state"), [("gsutil cp -r out gs://pipelines", State.WIRED), ("ls", State.ABSENT)]
    )
    def test_a_compiled_pipeline_that_ci_keeps(self, ask: Ask, copies: str, state: State) -> None:
        code = (
            "from kfp import compiler\nfrom pipe import whole\ncompiler.Compiler().compile(whole, 'out/whole.json')\n"
        )
        files = {**on_push(f"python compile.py && {copies}"), "compile.py": code, "pipe.py": "def whole(): ...\n"}
        assert ask("automated-build", files).state is state

    @pytest.mark.parametrize(("does", "state"), [("predict", State.PRESENT), ("collect", State.DECLARED)])
    def test_metrics_that_nothing_collects(self, ask: Ask, does: str, state: State) -> None:
        code = f"""
            import kserve
            from prometheus_client import Counter, start_http_server
            DONE = Counter("done", "Rows")
            class Churn({"kserve.Model" if does == "predict" else "dict"}):
                def {does}(self, rows):
                    DONE.inc()
                    return self.model.{does}(rows)
            if __name__ == "__main__":
                start_http_server(8001)
        """
        assert ask("service-monitoring", {"server.py": code}).state is state


class TestHowItIsWritten:
    """Syntax of a newer Python, errors passed on, files that a system refuses, templates of charts."""

    @pytest.mark.parametrize(
        ("line", "state"),
        [
            ('print(f"at {folder["name"]} and {", ".join(rows)}")', State.WIRED),
            ('print "at", folder', State.ABSENT),  # Python 2 stays unread
        ],
    )
    def test_quotes_of_an_f_string_within_it(self, ask: Ask, line: str, state: State) -> None:
        files = {**on_push("python train.py"), "train.py": f"{FIT}train(1, 2)\n{line}\n"}
        assert ask("training-automated", files).state is state

    @pytest.mark.parametrize(
        ("ends", "state"),
        [
            ("except OSError as error:\n        raise Failed(error, 'columns') from error", State.ABSENT),
            ("except OSError:\n        raise", State.ABSENT),
            ("except OSError as error:\n        raise error", State.ABSENT),
            ("finally:\n        if gone: raise ValueError(gone)", State.PRESENT),
        ],
    )
    def test_an_error_that_is_only_passed_on_judges_no_data(self, ask: Ask, ends: str, state: State) -> None:
        code = (
            "import pandas as pd\nfrom sklearn.linear_model import LinearRegression\n"
            "def validate_columns(path):\n    gone = []\n    try:\n        frame = pd.read_csv(path)\n"
            "        gone = [name for name in ('a', 'b') if name not in frame.columns]\n"
            f"        open('status.txt', 'w').write(str(gone))\n    {ends}\n"
            "def train_model(path):\n    validate_columns(path)\n    LinearRegression().fit([[1]], [1])\n"
            "if __name__ == '__main__':\n    train_model('rows.csv')\n"
        )
        assert ask("data-tests", {"train.py": code}).state is state

    @pytest.mark.parametrize(
        ("condition", "state"),
        [
            ("${{ secrets.KUBE != '' }}", State.ABSENT),
            ("${{ vars.KUBE != '' }}", State.WIRED),
            ("env.HAS == 'secrets.KUBE'", State.WIRED),
        ],
    )
    def test_a_condition_that_asks_for_secrets(self, ask: Ask, condition: str, state: State) -> None:
        steps = f"      - run: make\n        if: {condition}\n      - run: docker push team/api\n"
        flow = f"on: push\njobs:\n  a:\n    steps:\n{steps}"
        assert ask("automated-build", {".github/workflows/ci.yml": flow}).state is state

    @pytest.mark.parametrize(
        ("beside", "state"),
        [("plan:\n  runs-on: ubuntu-latest\n  steps: []\n", State.ABSENT), ("env:\n  STEPS: all\n", State.WIRED)],
    )
    def test_a_job_that_stands_beside_the_jobs(self, ask: Ask, beside: str, state: State) -> None:
        flow = f"on: push\njobs:\n  a:\n    steps:\n      - run: docker push team/api\n{beside}"
        assert ask("automated-build", {".github/workflows/ci.yml": flow}).state is state

    @pytest.mark.parametrize(("chart", "state"), [("chart/Chart.yaml", State.WIRED), ("chart/README.md", State.ABSENT)])
    def test_a_job_in_a_template_of_a_chart(self, ask: Ask, chart: str, state: State) -> None:
        job = """
            {{- if .Values.drift.enabled }}
            apiVersion: batch/v1
            kind: CronJob
            metadata:
              name: {{ include "app.name" . }}-drift
            spec:
              schedule: "{{ .Values.drift.schedule }}"
              jobTemplate:
                spec:
                  template:
                    spec:
                      containers:
                        - name: drift
                          image: "{{ .Values.image }}"
                          command: ["python", "-m", "watch.drift_job"]
            {{- end }}
        """
        code = """
            def compare_shares(before, now):
                return {name: abs(before[name] - now.get(name, 0)) for name in before}
            if __name__ == "__main__":
                print(compare_shares({"a": 1}, {"a": 2}))
        """
        files = {chart: "name: app\n", "chart/templates/drift.yaml": job, "watch/drift_job.py": code}
        assert ask("drift-monitoring", files).state is state

    @pytest.mark.parametrize(("asks", "state"), [("fetchall", State.WIRED), ("predict", State.ABSENT)])
    def test_a_schedule_that_measures_answers_from_a_store(self, ask: Ask, asks: str, state: State) -> None:
        dag = f"""
            from airflow import DAG
            from airflow.operators.python import PythonOperator
            from sklearn.metrics import accuracy_score
            def figures(cursor, model):
                cursor.execute("SELECT was, said FROM answers")
                rows = {"cursor.fetchall()" if asks == "fetchall" else "model.predict(cursor)"}
                cursor.execute("INSERT INTO figures VALUES (%s)", accuracy_score(rows[0], rows[1]))
            with DAG("figures", schedule="@monthly"):
                PythonOperator(task_id="figures", python_callable=figures)
        """
        assert ask("model-performance-monitoring", {"dags/figures.py": dag}).state is state


class TestWhereItAnswers:
    """Deployments without a tool of deployment, gates without an error, tests that are none of the project's."""

    @pytest.mark.parametrize(
        ("machine", "after", "state"),
        [
            ("self-hosted", "docker system prune -f", State.WIRED),
            ("[self-hosted, linux]", "docker image ls", State.WIRED),
            ("self-hosted", "docker stop api", State.ABSENT),
            ("ubuntu-latest", "docker system prune -f", State.ABSENT),
        ],
    )
    def test_a_container_left_running_on_a_machine_of_ones_own(
        self, ask: Ask, machine: str, after: str, state: State
    ) -> None:
        steps = f"      - run: docker run -d --name api team/api\n      - run: {after}\n"
        flow = f"on: push\njobs:\n  a:\n    runs-on: {machine}\n    steps:\n{steps}"
        assert ask("service-cd", {".github/workflows/cd.yml": flow}).state is state

    @pytest.mark.parametrize(("given", "state"), [("endpoint_name='churn'", State.WIRED), ("'docs'", State.ABSENT)])
    def test_a_program_of_ci_that_deploys_to_an_endpoint(self, ask: Ask, given: str, state: State) -> None:
        code = f"from sagemaker.estimator import Estimator\nEstimator.attach('job').deploy({given})\n"
        assert ask("service-cd", {**on_push("python deploy.py"), "deploy.py": code}).state is state

    @pytest.mark.parametrize(
        ("ends", "state"),
        [("sys.exit(main())", State.WIRED), ("raise SystemExit(main())", State.WIRED), ("main()", State.ABSENT)],
    )
    def test_a_floor_whose_verdict_is_the_exit_code(self, ask: Ask, ends: str, state: State) -> None:
        code = f"""
            import sys
            import mlflow
            from sklearn.metrics import average_precision_score
            PR_AUC_FLOOR = 0.6
            def main():
                model = mlflow.sklearn.load_model("models:/churn@champion")
                pr_auc = average_precision_score([0, 1], model.predict([0, 1]))
                if pr_auc < PR_AUC_FLOOR:
                    return 1
                return 0
            if __name__ == "__main__":
                {ends}
        """
        files = {**on_push("python check.py"), "check.py": code}
        files["register.py"] = "import mlflow\nmlflow.register_model('runs:/1/model', 'churn')\n"
        assert ask("model-validation-gate", files).state is state

    @pytest.mark.parametrize(("name", "state"), [("test_project_name", State.DECLARED), ("test_nodes", State.PRESENT)])
    def test_a_test_that_the_framework_wrote(self, ask: Ask, name: str, state: State) -> None:
        test = (
            f"from team.run import Context\ndef {name}(project_context):\n    assert project_context.name == 'team'\n"
        )
        files = {"requirements.txt": "pytest\n", "team/run.py": "class Context:\n    name = 'team'\n"}
        assert ask("unit-tests-code", {**files, "tests/test_run.py": test}).state is state

    @pytest.mark.parametrize(("word", "state"), [("accuracy", State.PRESENT), ("drift_score", State.ABSENT)])
    def test_a_bound_on_drift_is_no_quality_of_a_model(self, ask: Ask, word: str, state: State) -> None:
        test = f"from model import train\ndef test_model():\n    {word} = train(1, 2)\n    assert {word} > 0.6\n"
        assert ask("model-quality-tests", {"model.py": FIT, "tests/test_model.py": test}).state is state

    @pytest.mark.parametrize(("needs", "state"), [("train", State.WIRED), ("lint", State.ABSENT)])
    def test_an_image_that_waits_for_the_test_of_the_model(self, ask: Ask, needs: str, state: State) -> None:
        flow = f"""
            on: push
            jobs:
              lint:
                steps:
                  - run: ruff check .
              train:
                steps:
                  - run: python train.py
                  - run: pytest tests/test_model.py
              pack:
                needs: {needs}
                steps:
                  - run: docker push team/api
        """
        test = "from train import train\ndef test_model():\n    accuracy = train(1, 2)\n    assert accuracy > 0.7\n"
        files = {".github/workflows/ci.yml": flow, "train.py": f"{FIT}train(1, 2)\n", "tests/test_model.py": test}
        assert ask("model-validation-gate", files).state is state

    @pytest.mark.parametrize(("floor", "state"), [("raise ValueError(auc)", State.WIRED), ("print(auc)", State.ABSENT)])
    def test_answers_for_a_batch_behind_a_floor(self, ask: Ask, floor: str, state: State) -> None:
        dag = f"""
            import joblib
            import pandas as pd
            from airflow import DAG
            from airflow.operators.python import PythonOperator
            from sklearn.linear_model import LogisticRegression
            from sklearn.metrics import roc_auc_score
            import mlflow
            def train():
                model = LogisticRegression().fit([[0], [1]], [0, 1])
                mlflow.sklearn.log_model(model, "m", registered_model_name="m")
            def check():
                auc = roc_auc_score([0, 1], [0, 1])
                if auc < THRESHOLD:
                    {floor}
            def score_batch():
                rows = pd.read_parquet("rows.parquet")
                rows["said"] = joblib.load("model.pkl").predict(rows)
                rows.to_sql("answers", "db")
            with DAG("daily", schedule="@daily"):
                fit = PythonOperator(task_id="fit", python_callable=train)
                judge = PythonOperator(task_id="judge", python_callable=check)
                fit >> judge >> PythonOperator(task_id="answer", python_callable=score_batch)
        """
        assert ask("model-release-automated", {"dags/daily.py": dag}).state is state

    @pytest.mark.parametrize(("given", "state"), [("hyperparameters", State.PRESENT), ("recipients", State.ABSENT)])
    def test_a_table_of_runs_in_a_bucket(self, ask: Ask, given: str, state: State) -> None:
        code = f"""
            import boto3
            def update_report(metrics, {given}):
                boto3.resource("s3").Bucket("runs").upload_file("report.csv", "report.csv")
            if __name__ == "__main__":
                update_report(1, 2)
        """
        found = ask("experiment-tracking", {"train.py": code})
        assert (found.state.rank >= State.PRESENT.rank) is (state is State.PRESENT)
