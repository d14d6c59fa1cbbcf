"""What a project deploys by a program of its own, and what decides on it."""

from __future__ import annotations

import json

import pytest

from windlass.assessment.assess import open_project
from windlass.assessment.facts import Facts
from windlass.assessment.kind import kind_of
from windlass.assessment.records import State

from .conftest import FIT, Ask, Write, on_push

CLIENT = "from azure.ai.ml import MLClient\nclient = MLClient.from_config()\n"


class TestPrograms:
    @pytest.mark.parametrize(
        ("call", "state"),
        [
            ("client.online_deployments.begin_create_or_update(deployment)", State.WIRED),
            ("client.online_endpoints.get('team')", State.ABSENT),
            ("client.compute.begin_create_or_update(cluster)", State.ABSENT),
        ],
    )
    def test_a_program_of_ci_that_deploys_to_azure(self, ask: Ask, call: str, state: State) -> None:
        assert ask("service-cd", {"deploy.py": CLIENT + call + "\n", **on_push("python deploy.py")}).state is state

    @pytest.mark.parametrize(
        ("command", "state"),
        [
            ("az ml online-deployment create --file blue.yml", State.WIRED),
            ("az ml online-deployment get-logs --name blue", State.ABSENT),
            ("curl -X POST https://api.render.com/v1/services/team/deploys", State.WIRED),
            ("curl -X GET https://api.render.com/v1/services/team", State.ABSENT),
        ],
    )
    def test_commands_that_deploy_and_those_that_only_ask(self, ask: Ask, command: str, state: State) -> None:
        assert ask("service-cd", on_push(command)).state is state


class TestServing:
    @pytest.mark.parametrize(("kind", "state"), [("InferenceService", State.PRESENT), ("Secret", State.ABSENT)])
    def test_a_manifest_that_a_step_of_argo_applies(self, ask: Ask, kind: str, state: State) -> None:
        steps = f"""
            kind: Workflow
            spec:
              templates:
                - name: serve
                  resource:
                    action: apply
                    manifest: |
                      apiVersion: serving.kserve.io/v1beta1
                      kind: {kind}
        """
        assert ask("model-serving", {"serve.yaml": steps}).state is state

    @pytest.mark.parametrize(
        ("block", "state"), [("model.predict(frame)", State.PRESENT), ("model.describe(frame)", State.ABSENT)]
    )
    def test_a_block_of_mage_that_answers_for_a_batch(self, ask: Ask, block: str, state: State) -> None:
        text = f"""
            if 'transformer' not in globals():
                from mage_ai.data_preparation.decorators import transformer
            @transformer
            def transform(frame, model):
                return {block}
        """
        assert ask("model-serving", {"transformers/batch_inference.py": text}).state is state


class TestPipelines:
    @pytest.mark.parametrize(("file", "state"), [("train", State.PRESENT), ("join", State.ABSENT)])
    def test_components_whose_files_a_program_puts_together(self, ask: Ask, file: str, state: State) -> None:
        text = f"""
            from azure.ai.ml import dsl, load_component
            def steps(folder):
                return {{
                    "prepare": load_component(source=str(folder / "prepare.yaml")),
                    "second": load_component(source=str(folder / "{file}.yaml")),
                }}
        """
        assert ask("pipeline-orchestrated", {"run.py": text}).state is state


class TestGates:
    @pytest.mark.parametrize(
        ("bound", "state"), [("acc_thres", State.PRESENT), ("cutoff", State.PRESENT), ("width", State.ABSENT)]
    )
    def test_words_for_a_bound(self, ask: Ask, bound: str, state: State) -> None:
        text = f"""
            import mlflow
            def register(run, {bound}):
                if run.metrics["val_acc"] >= {bound}:
                    mlflow.register_model(run.uri, "team")
            if __name__ == "__main__":
                register(None, 1)
        """
        assert ask("model-validation-gate", {"register.py": text}).state is state

    @pytest.mark.parametrize(("alias", "state"), [("alias", State.PRESENT), ("'challenger'", State.ABSENT)])
    def test_an_alias_that_a_comparison_has_answered(self, ask: Ask, alias: str, state: State) -> None:
        text = f"""
            from mlflow import MlflowClient
            def compare_models(current_f1, production_f1):
                if current_f1 > production_f1:
                    return "champion", "better"
                return "challenger", "not better"
            def move(version, f1, before):
                alias, why = compare_models(f1, before)
                MlflowClient().set_registered_model_alias("team", alias={alias}, version=version)
            if __name__ == "__main__":
                move(1, 0.5, 0.4)
        """
        assert ask("model-validation-gate", {"move.py": text}).state is state

    @pytest.mark.parametrize(("answer", "state"), [("test_acc > 0.9", State.PRESENT), ("True", State.ABSENT)])
    def test_a_step_that_evaluates_whether_to_deploy(self, ask: Ask, answer: str, state: State) -> None:
        text = f"""
            from zenml.steps import step
            @step
            def evaluate_deployment(test_acc):
                return {answer}
            @step
            def deploy_model(decision, model):
                if decision:
                    model.save()
        """
        program = "from steps import deploy_model, evaluate_deployment\ndeploy_model(evaluate_deployment(1), 2)\n"
        assert ask("model-validation-gate", {"steps.py": text, "run.py": program}).state is state


class TestStarted:
    @pytest.mark.parametrize(("name", "state"), [("training", State.WIRED), ("report", State.PRESENT)])
    def test_a_dag_that_a_function_of_another_starts(self, ask: Ask, name: str, state: State) -> None:
        files = {
            "team.py": FIT,
            "dags/training.py": """
                from airflow import DAG
                from airflow.operators.python import PythonOperator
                from team import train
                with DAG("training", schedule=None):
                    PythonOperator(task_id="train", python_callable=train)
            """,
            "dags/watch.py": f"""
                from airflow import DAG
                from airflow.api.common.trigger_dag import trigger_dag
                from airflow.operators.python import PythonOperator
                def look():
                    trigger_dag(dag_id="{name}")
                with DAG("watch", schedule="@daily"):
                    PythonOperator(task_id="look", python_callable=look)
            """,
        }
        assert ask("training-automated", files).state is state

    @pytest.mark.parametrize(("name", "state"), [("training/daily", State.WIRED), ("report/daily", State.PRESENT)])
    def test_a_deployment_of_prefect_that_another_flow_runs(self, ask: Ask, name: str, state: State) -> None:
        text = f"""
            from prefect import flow
            from prefect.deployments import run_deployment
            from team import train
            @flow
            def training():
                train(1, 2)
            @flow
            def report():
                print("all is well")
            @flow
            def watch():
                run_deployment(name="{name}")
            if __name__ == "__main__":
                watch.serve(name="watch", cron="0 3 * * *")
        """
        assert ask("training-automated", {"team.py": FIT, "flows.py": text}).state is state


class TestVerdicts:
    @pytest.mark.parametrize(
        ("accepted", "state"), [("f1_score > tmp_best_model_score", State.PRESENT), ("True", State.ABSENT)]
    )
    def test_a_verdict_that_is_compared_where_it_is_handed_over(self, ask: Ask, accepted: str, state: State) -> None:
        text = f"""
            class Evaluation:
                def evaluate(self, f1_score, tmp_best_model_score):
                    return Response(is_model_accepted={accepted})
            class Pipeline:
                def start_model_pusher(self, verdict):
                    print(verdict)
                def run(self):
                    verdict = Evaluation().evaluate(1, 2)
                    if not verdict.is_model_accepted:
                        return None
                    self.start_model_pusher(verdict)
            if __name__ == "__main__":
                Pipeline().run()
        """
        assert ask("model-validation-gate", {"pipeline.py": text}).state is state


class TestAssets:
    @pytest.mark.parametrize(
        ("practice", "made", "state"),
        [
            ("data-versioned", "Data(name='rows', version='1')", State.PRESENT),
            ("data-versioned", "AmlCompute(name='rows')", State.ABSENT),
            ("model-registry", "Model(name='team', path='out')", State.PRESENT),
            ("model-registry", "Model(path='out')", State.ABSENT),
            ("model-serving", "ManagedOnlineDeployment(name='blue')", State.PRESENT),
        ],
    )
    def test_entities_of_azure(self, ask: Ask, practice: str, made: str, state: State) -> None:
        text = f"from azure.ai.ml.entities import {made.partition('(')[0]}\ndef make(client):\n    return {made}\n"
        assert ask(practice, {"make.py": text + "make(None)\n"}).state is state


class TestFiles:
    @pytest.mark.parametrize(("name", "state"), [("tests.py", State.WIRED), ("checks.py", State.ABSENT)])
    def test_a_file_of_tests_by_its_name_alone(self, ask: Ask, name: str, state: State) -> None:
        test = "from team import train\ndef test_it():\n    assert train([[1]], [1])\n"
        files = {"team.py": FIT, f"unit/{name}": test, **on_push("cd unit && pytest tests.py")}
        assert ask("tests-in-ci", files).state is state

    @pytest.mark.parametrize("entry", ["./flows/train.py:run", "train.py:run", "flows/train.py:run"])
    def test_an_entry_of_prefect_however_its_path_is_written(self, ask: Ask, entry: str) -> None:
        files = {
            "flows/train.py": "from prefect import flow\n" + FIT + "@flow\ndef run():\n    train(1, 2)\n",
            "flows/run-deployment.yaml": f"flow_name: run\nentrypoint: {entry}\nschedule:\n  cron: 0 1 * * *\n",
        }
        assert ask("training-automated", files).state is State.WIRED


class TestSubstitutions:
    @pytest.mark.parametrize(
        ("line", "state"),
        [
            ("ANSWER=$(gcloud run deploy team --image team)", State.WIRED),
            ("ANSWER=$(gcloud run services list)", State.ABSENT),
            ("N=$((1 + 2))", State.ABSENT),
        ],
    )
    def test_a_command_whose_answer_is_kept(self, ask: Ask, line: str, state: State) -> None:
        assert ask("service-cd", on_push(line)).state is state

    def test_commands_within_commands_without_end(self, ask: Ask) -> None:
        assert ask("service-cd", on_push("A=" + "$(echo " * 5_000 + ")" * 5_000)).state is State.ABSENT


class TestKubeflow:
    FLOW = """
        from kfp import dsl
        from team import train
        @dsl.pipeline(name="team")
        def flow(rows):
            train(rows, rows)
    """
    DAG = """
        from airflow import DAG
        from airflow.providers.google.cloud.operators.vertex_ai.pipeline_job import {0}
        with DAG("daily", schedule="@daily"):
            {0}(task_id="go", template_path="gs://team/flow.json")
    """

    @pytest.mark.parametrize(
        ("operator", "state"), [("RunPipelineJobOperator", State.WIRED), ("GetPipelineJobOperator", State.PRESENT)]
    )
    def test_a_dag_that_runs_what_was_compiled(self, ask: Ask, operator: str, state: State) -> None:
        files = {"team.py": FIT, "flow.py": self.FLOW, "dags/daily.py": self.DAG.format(operator)}
        assert ask("training-automated", files).state is state

    def test_a_person_runs_a_pipeline_that_nothing_here_compiles(self, ask: Ask) -> None:
        files = {"team.py": FIT, "flow.py": self.FLOW, "other.py": "from flow import flow\n"}
        assert ask("training-scripted", files).state is State.PRESENT


def test_a_report_on_test_rows_is_no_monitor(ask: Ask) -> None:
    text = "from evidently import Report\ndef {}(rows):\n    return Report([]).run(rows, rows)\n"
    dag = "from airflow.operators.python import PythonOperator\nfrom team import {0}\n"
    dag += "PythonOperator(task_id='a', python_callable=print)\nPythonOperator(task_id='b', python_callable={0})\n"
    for name, state in (("evaluate", State.ABSENT), ("watch", State.PRESENT)):
        assert ask("drift-monitoring", {"team.py": text.format(name), "dag.py": dag.format(name)}).state is state


@pytest.mark.parametrize(
    ("path", "kind"), [("main.py", "project"), ("examples/main.py", "library"), ("team/main.py", "library")]
)
def test_a_project_whose_setup_was_copied_from_a_package(write: Write, path: str, kind: str) -> None:
    files = {
        "setup.py": "setup(name='team', classifiers=['Intended Audience :: Developers'])\n",
        "team/model.py": FIT,
        path: "from team.model import train\nif __name__ == '__main__':\n    train(1, 2)\n",
    }
    assert kind_of(Facts(open_project(write(files)))).name == kind


class TestAsTheFifteenthRoundHadIt:
    @pytest.mark.parametrize(("command", "state"), [("python model.py", State.PRESENT), ("echo done", State.ABSENT)])
    def test_a_stage_that_only_says_something_trains_nothing(self, ask: Ask, command: str, state: State) -> None:
        stages = f"stages:\n  prepare:\n    cmd: python prepare.py\n  model:\n    cmd: {command}\n"
        files = {"dvc.yaml": stages, "prepare.py": "print('rows')\n", "model.py": "print('model')\n"}
        assert ask("pipeline-orchestrated", files).state is state

    @pytest.mark.parametrize(("second", "state"), [("ParallelRunStep()", State.PRESENT), ("None", State.ABSENT)])
    def test_what_holds_the_steps_is_none(self, ask: Ask, second: str, state: State) -> None:
        text = "from azureml.pipeline.core import Pipeline\nfrom azureml.pipeline.steps import ParallelRunStep\n"
        text += f"Pipeline(steps=[ParallelRunStep(name='train'), {second}])\n"
        assert ask("pipeline-orchestrated", {"run.py": text}).state is state

    @pytest.mark.parametrize(("path", "state"), [("run.py", State.WIRED), ("run.ipynb", State.ABSENT)])
    def test_who_waits_in_a_notebook_for_a_job_runs_nothing_by_itself(self, ask: Ask, path: str, state: State) -> None:
        code = FIT + "import time\nwhile True:\n    train(1, 2)\n    time.sleep(5)\n"
        cells = {"cells": [{"cell_type": "code", "source": code}], "nbformat": 4, "metadata": {}}
        text = code if path.endswith(".py") else json.dumps(cells)
        assert ask("ct-trigger-schedule", {path: text}).state is state

    @pytest.mark.parametrize(("category", "state"), [("Deploy", State.WIRED), ("Build", State.ABSENT)])
    def test_a_pipeline_of_aws_that_terraform_declares(self, ask: Ask, category: str, state: State) -> None:
        files = {
            "cd.tf": 'resource "aws_codepipeline" "cd" {\n  action {\n    category = "Source"\n  }\n'
            f'  action {{\n    category = "{category}"\n  }}\n}}\n',
            "endpoint.yml": "Resources:\n  Endpoint:\n    Type: AWS::SageMaker::Endpoint\n",
        }
        assert ask("service-cd", files).state is state

    @pytest.mark.parametrize(
        ("practice", "line", "state"),
        [
            ("data-versioned", "Dataset.get_by_name(None, 'rows', '3')", State.PRESENT),
            ("data-versioned", "Dataset.get_by_name(None, 'rows')", State.ABSENT),
            ("model-registry", "next(Experiment(None, 'team').get_runs()).register_model('team')", State.PRESENT),
            ("model-registry", "next(Experiment(None, 'team').get_runs()).cancel()", State.ABSENT),
        ],
    )
    def test_the_older_client_of_azure(self, ask: Ask, practice: str, line: str, state: State) -> None:
        assert ask(practice, {"run.py": f"from azureml.core import Dataset, Experiment\n{line}\n"}).state is state
