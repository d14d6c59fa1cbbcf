"""What tools and programs start: hooks, provisioners, projects of MLflow, helpers that run commands."""

from __future__ import annotations

import json

import pytest

from windlass.assessment.records import State

from .conftest import FIT, Ask, on_push

MAIN = FIT + "if __name__ == '__main__':\n    train(1, 2)\n"
TESTS = {"team.py": FIT, "tests/test_team.py": "from team import train\ndef test_it():\n    assert train([[1]], [1])\n"}


class TestTools:
    @pytest.mark.parametrize(
        ("run", "stages", "state"),
        [
            ("pre-commit run --all-files", "", State.WIRED),
            ("pre-commit run --all-files", "stages: [pre-push]", State.ABSENT),
            ("pre-commit run --all-files --hook-stage pre-push", "stages: [pre-push]", State.WIRED),
            ("pre-commit run lint", "", State.ABSENT),
            ("pre-commit install", "", State.ABSENT),
        ],
    )
    def test_a_hook_that_runs_the_tests(self, ask: Ask, run: str, stages: str, state: State) -> None:
        hooks = f"""
            repos:
              - repo: local
                hooks:
                  - id: tests
                    entry: pytest
                    language: system
                    {stages}
                  - id: lint
                    entry: ruff check
                    language: system
        """
        files = {**on_push(run), **TESTS, ".pre-commit-config.yaml": hooks}
        assert ask("tests-in-ci", files).state is state

    @pytest.mark.parametrize("repo", ["local", "https://github.com/others/hooks"])
    def test_the_action_of_pre_commit_runs_hooks_of_the_project(self, ask: Ask, repo: str) -> None:
        flow = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: pre-commit/action@v3\n"
        hooks = f"repos:\n  - repo: {repo}\n    hooks:\n      - {{id: tests, entry: pytest, language: system}}\n"
        files = {".github/workflows/ci.yml": flow, **TESTS, ".pre-commit-config.yaml": hooks}
        assert ask("tests-in-ci", files).state is (State.WIRED if repo == "local" else State.ABSENT)

    @pytest.mark.parametrize(
        ("run", "state"),
        [
            ("mlflow run .", State.WIRED),
            ("mlflow run . -e main", State.WIRED),
            ("mlflow run . -e check", State.PRESENT),
            ("mlflow run . --entry-point=check", State.PRESENT),
        ],
    )
    def test_one_entry_point_of_a_project_of_mlflow(self, ask: Ask, run: str, state: State) -> None:
        project = "entry_points:\n  main:\n    command: python train.py\n  check:\n    command: python check.py\n"
        files = {**on_push(run), "MLproject": project, "train.py": MAIN, "check.py": "print(1)\n"}
        assert ask("training-automated", files).state is state

    @pytest.mark.parametrize(("step", "state"), [("fit", State.WIRED), ("check", State.PRESENT)])
    def test_a_program_that_runs_projects_of_mlflow(self, ask: Ask, step: str, state: State) -> None:
        files = {
            **on_push("python main.py"),
            "main.py": f"import mlflow\nmlflow.run(f'{{root}}/{step}', 'main', parameters={{}})\n",
            "steps/fit/MLproject": "entry_points:\n  main:\n    command: python run.py\n",
            "steps/fit/run.py": MAIN,
            "steps/check/MLproject": "entry_points:\n  main:\n    command: python run.py\n",
            "steps/check/run.py": "print(1)\n",
        }
        assert ask("training-automated", files).state is state

    @pytest.mark.parametrize(("act", "state"), [("apply -auto-approve", State.WIRED), ("plan", State.ABSENT)])
    @pytest.mark.parametrize(
        "command", ['"docker push $R"', "<<EOF\n    docker build -t $R .\n    docker push $R\n  EOF"]
    )
    def test_what_terraform_runs_beside_what_it_makes(self, ask: Ask, command: str, act: str, state: State) -> None:
        image = f'resource "null_resource" "image" {{\n  provisioner "local-exec" {{\n  command = {command}\n  }}\n}}\n'
        files = {**on_push(f"terraform -chdir=infra {act}"), "infra/modules/image/main.tf": image}
        assert ask("automated-build", files).state is state

    @pytest.mark.parametrize(
        ("code", "state"),
        [
            ("sys.exit(pytest.main(['tests']))", State.WIRED),
            ("code = pytest.main(['tests'])\nsys.exit(code)", State.WIRED),
            ("pytest.main(['tests'])", State.PRESENT),
            ("print('pytest.main')", State.ABSENT),
        ],
    )
    def test_a_program_that_runs_the_tests(self, ask: Ask, code: str, state: State) -> None:
        files = {**on_push("python run_tests.py"), **TESTS, "run_tests.py": f"import sys\nimport pytest\n{code}\n"}
        assert ask("tests-in-ci", files).state is state

    @pytest.mark.parametrize(("place", "state"), [("tests", State.WIRED), ("../tests", State.ABSENT)])
    def test_tests_that_lie_above_the_repository_are_not_there(self, ask: Ask, place: str, state: State) -> None:
        assert ask("tests-in-ci", {**on_push(f"pytest {place}"), **TESTS}).state is state

    @pytest.mark.parametrize(
        ("does", "state"), [("subprocess.run(command, check=True)", State.WIRED), ("print(command)", State.ABSENT)]
    )
    def test_a_helper_that_runs_commands(self, ask: Ask, does: str, state: State) -> None:
        code = f"""
            import subprocess
            def run(command):
                {does}
            def deploy(name, image):
                words = ["gcloud", "run", "deploy", name, "--image", image]
                run(words)
            if __name__ == "__main__":
                deploy("a", "b")
        """
        assert ask("service-cd", {**on_push("python deploy.py"), "deploy.py": code}).state is state

    @pytest.mark.parametrize(
        ("address", "state"),
        [("https://me:$T@huggingface.co/spaces/me/app", State.WIRED), ("https://github.com/me/app", State.ABSENT)],
    )
    def test_a_push_to_a_remote_that_the_job_adds(self, ask: Ask, address: str, state: State) -> None:
        run = f"git remote add there {address} && git push --force there HEAD:main"
        assert ask("service-cd", {**on_push(run), "app.py": "print(1)\n"}).state is state

    @pytest.mark.parametrize(("schedule", "state"), [("'@daily'", State.WIRED), ("None", State.PRESENT)])
    def test_a_file_that_a_step_submits_to_spark(self, ask: Ask, schedule: str, state: State) -> None:
        dag = f"""
            from airflow import DAG
            from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
            with DAG("d", schedule={schedule}):
                SparkSubmitOperator(task_id="a", application="/opt/airflow/jobs/train.py")
        """
        assert ask("training-automated", {"dags/d.py": dag, "jobs/train.py": MAIN}).state is state


class TestDatabricks:
    JOB = """
        environments:
          default:
            workflows:
              - name: nightly
                tasks:
                  - {task_key: data, spark_python_task: {python_file: "file://jobs/data.py"}}
                  - {task_key: model, spark_python_task: {python_file: "file://jobs/train.py"}}
    """

    @pytest.mark.parametrize(("act", "state"), [("execute nightly", State.WIRED), ("deploy", State.PRESENT)])
    def test_dbx_runs_a_workflow_or_only_brings_it(self, ask: Ask, act: str, state: State) -> None:
        run = on_push(f"dbx {act} --deployment-file=conf/job.yml")
        files = {**run, "conf/job.yml": self.JOB, "jobs/train.py": MAIN, "jobs/data.py": "print(1)\n"}
        assert ask("training-automated", files).state is state
        assert ask("pipeline-orchestrated", files).state.rank >= State.PRESENT.rank

    @pytest.mark.parametrize(("then", "state"), [(" && dbx deploy", State.WIRED), ("", State.ABSENT)])
    def test_a_wheel_that_goes_with_the_workflow(self, ask: Ask, then: str, state: State) -> None:
        assert ask("automated-build", {**on_push(f"python -m build{then}"), "a.py": "x = 1\n"}).state is state

    @pytest.mark.parametrize(("guard", "state"), [("if new_auc > old_auc:", State.WIRED), ("if True:", State.ABSENT)])
    def test_a_job_that_gives_an_endpoint_the_better_model(self, ask: Ask, guard: str, state: State) -> None:
        job = """
            bundle: {name: a}
            resources:
              jobs:
                nightly:
                  schedule: {quartz_cron_expression: "0 0 6 * * ?"}
                  tasks:
                    - {task_key: train, spark_python_task: {python_file: train.py}}
                    - {task_key: deploy, spark_python_task: {python_file: deploy.py}}
        """
        train = f"{FIT}import mlflow\nmodel = train(1, 2)\n{guard}\n    mlflow.register_model('runs:/1/m', 'm')\n"
        deploy = """
            from databricks.sdk import WorkspaceClient
            workspace = WorkspaceClient()
            workspace.serving_endpoints.update_config_and_wait(name="e", served_entities=[])
        """
        files = {"databricks.yml": job, "train.py": train}
        assert ask("model-release-automated", {**files, "deploy.py": deploy}).state is state

    @pytest.mark.parametrize(("does", "state"), [("run_refresh", State.WIRED), ("get", State.ABSENT)])
    def test_a_monitor_that_a_job_refreshes(self, ask: Ask, does: str, state: State) -> None:
        bundle = """
            resources:
              jobs:
                weekly:
                  schedule: {quartz_cron_expression: "0 0 6 ? * MON"}
                  tasks:
                    - {task_key: refresh, spark_python_task: {python_file: refresh.py}}
        """
        code = (
            f"from databricks.sdk import WorkspaceClient\nWorkspaceClient().quality_monitors.{does}(table_name='t')\n"
        )
        assert ask("drift-monitoring", {"databricks.yml": bundle, "refresh.py": code}).state is state

    @pytest.mark.parametrize(("trigger", "state"), [("trigger:\n- main", State.WIRED), ("name: x", State.ABSENT)])
    def test_a_pipeline_of_azure_with_templates_by_windows_paths(self, ask: Ask, trigger: str, state: State) -> None:
        pipeline = f"{trigger}\njobs:\n- template: ..\\jobs\\tests.yaml\n"
        files = {
            "ado/main/ci.yaml": pipeline,
            "ado/jobs/tests.yaml": "jobs:\n- job: a\n  steps:\n  - script: pytest tests\n",
            **TESTS,
        }
        assert ask("tests-in-ci", files).state is state


class TestNotebooks:
    TRACKED = "import mlflow\ndef fit(x):\n    mlflow.log_metric('auc', 0.9)\n"

    def notebook(self, *cells: str) -> dict[str, str]:
        return {"a.ipynb": json.dumps({"cells": [{"cell_type": "code", "source": cell} for cell in cells]})}

    @pytest.mark.parametrize(("call", "state"), [("fit(1)", State.PRESENT), ("print(1)", State.ABSENT)])
    @pytest.mark.parametrize("between", ["x = 1", "this is ( no Python", "%%bash\nls"])
    def test_what_a_cell_defines_is_known_to_later_ones(self, ask: Ask, between: str, call: str, state: State) -> None:
        files = self.notebook(self.TRACKED, between, f"%time\n{call}")
        found = ask("experiment-tracking", files)
        assert found.state is state
        assert [each.line for each in found.evidence if each.path == "a.ipynb"][:1] == ([1] if call == "fit(1)" else [])

    @pytest.mark.parametrize(
        ("made", "state"), [("study.optimize(Objective(), n_trials=9)", State.PRESENT), ("", State.ABSENT)]
    )
    def test_what_is_made_may_be_called(self, ask: Ask, made: str, state: State) -> None:
        code = f"""
            import mlflow
            import optuna
            class Objective:
                def __init__(self):
                    self.x = 1
                def __call__(self, trial):
                    mlflow.log_metric("auc", 0.9)
                    return 0.9
            study = optuna.create_study()
            {made}
        """
        assert ask("experiment-tracking", {"search.py": code}).state is state
