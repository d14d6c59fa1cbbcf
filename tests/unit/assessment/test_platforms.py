"""Forms of engines, clouds and servers that a blind reading of strangers' repositories showed."""

from __future__ import annotations

import json

import pytest

from windlass.assessment.records import State

from .conftest import FIT, Ask, on_push


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
