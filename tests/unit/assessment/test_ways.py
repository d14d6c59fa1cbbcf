"""How code is reached: ways that a blind reading of strangers' repositories showed, and where they end."""

from __future__ import annotations

import pytest

from windlass.assessment.automation.conditions import may_run
from windlass.assessment.records import State

from .conftest import FIT, ON_PUSH, Ask, on_push


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
