"""What one thing hands on to another: CI to a runner, one DAG to the next, a test to what it patches."""

from __future__ import annotations

import json

import pytest

from windlass.assessment.assess import open_project
from windlass.assessment.facts import Facts
from windlass.assessment.kind import kind_of
from windlass.assessment.records import State

from .conftest import FIT, Ask, Write, on_push

MAIN = FIT + "if __name__ == '__main__':\n    train(1, 2)\n"
TESTS = {"team.py": FIT, "tests/test_team.py": "from team import train\ndef test_it():\n    assert train([[1]], [1])\n"}


class TestCi:
    @pytest.mark.parametrize(
        ("said", "step", "state"),
        [
            ("trigger:\n  ref: [refs/tags/v*]\n", "", State.WIRED),
            ("trigger:\n  event: [push]\n", "", State.WIRED),
            ("", "", State.WIRED),
            ("trigger:\n  event: [promote]\n", "", State.PRESENT),
            ("", "    when: {event: promote}\n", State.PRESENT),
            ("", "    failure: ignore\n", State.PRESENT),
        ],
    )
    def test_pipelines_of_drone(self, ask: Ask, said: str, step: str, state: State) -> None:
        first = "kind: pipeline\nname: lint\nsteps:\n  - name: a\n    commands: [ruff check]\n"
        tests = f"kind: pipeline\nname: tests\n{said}steps:\n  - name: b\n    commands: [pytest]\n{step}"
        assert ask("tests-in-ci", {".drone.yml": f"{first}---\n{tests}", **TESTS}).state is state

    def test_steps_of_woodpecker(self, ask: Ask) -> None:
        steps = "when:\n  - event: push\nsteps:\n  tests:\n    image: python\n    commands: [pytest]\n"
        assert ask("tests-in-ci", {".woodpecker/ci.yml": steps, **TESTS}).state is State.WIRED

    def test_a_plugin_of_drone_that_publishes_an_image(self, ask: Ask) -> None:
        steps = "kind: pipeline\nsteps:\n  - name: a\n    image: plugins/docker\n    settings: {repo: team/app}\n"
        assert ask("automated-build", {".drone.yml": steps, "Dockerfile": "FROM python\n"}).state is State.WIRED

    @pytest.mark.parametrize(("trigger", "state"), [("\n- none", State.PRESENT), ("\n- main", State.WIRED)])
    def test_a_trigger_of_azure_that_is_a_list(self, ask: Ask, trigger: str, state: State) -> None:
        files = {"azure-pipelines.yml": f"trigger:{trigger}\nsteps:\n  - script: pytest\n", **TESTS}
        assert ask("tests-in-ci", files).state is state

    @pytest.mark.parametrize(("name", "state"), [("py311-unit", State.WIRED), ("py311-lint", State.ABSENT)])
    def test_the_factors_of_an_environment_of_tox(self, ask: Ask, name: str, state: State) -> None:
        tox = "[testenv]\ncommands =\n    unit: pytest tests/\n    lint: ruff check\n"
        assert ask("tests-in-ci", {**on_push(f"tox -e {name}"), "tox.ini": tox, **TESTS}).state is state


class TestBodywork:
    STAGES = "stages:\n  learn:\n    executable_module_path: jobs/train.py\n    batch: {retries: 1}\n"

    @pytest.mark.parametrize(("verb", "state"), [("create deployment", State.WIRED), ("get deployment", State.PRESENT)])
    def test_a_deployment_runs_its_stages(self, ask: Ask, verb: str, state: State) -> None:
        files = {**on_push(f"bodywork {verb} https://example.org"), "bodywork.yaml": self.STAGES, "jobs/train.py": MAIN}
        assert ask("training-automated", files).state is state
        wired = ask("service-cd", files).state is State.WIRED
        assert wired == (state is State.WIRED)

    @pytest.mark.parametrize(
        ("otherwise", "state"), [("raise RuntimeError(score)", State.WIRED), ("print(score)", State.ABSENT)]
    )
    def test_it_fails_below_a_floor_after_what_it_does_above(self, ask: Ask, otherwise: str, state: State) -> None:
        above = "".join(f"        print({number})\n" for number in range(8))
        train = (
            f"{FIT}def main(threshold):\n"
            "    score = train(1, 2).score(1, 2)\n"
            f"    if score >= threshold:\n{above}"
            f"    else:\n        {otherwise}\n"
            "if __name__ == '__main__':\n    main(0.9)\n"
        )
        files = {**on_push("bodywork create deployment x"), "bodywork.yaml": self.STAGES, "jobs/train.py": train}
        assert ask("model-validation-gate", files).state is state


class TestDags:
    TRAINING = """
        from airflow import DAG
        from airflow.operators.python import PythonOperator
        from team import train
        with DAG("training", schedule=None):
            PythonOperator(task_id="fit", python_callable=train)
    """
    ASKING = """
        import os
        from datetime import datetime
        from airflow import DAG
        from airflow.operators.python import ShortCircuitOperator
        from airflow.operators.trigger_dagrun import TriggerDagRunOperator
        TARGET = {"dag": os.getenv("TARGET", "NAMED")}
        def decide():
            if SIGN:
                return True
            return False
        with DAG("asking", schedule="@hourly"):
            ShortCircuitOperator(task_id="ask", python_callable=decide)
            TriggerDagRunOperator(task_id="go", trigger_dag_id=GIVEN)
    """

    def _files(self, given: str, *, named: str = "training", sign: str = "drift_detected") -> dict[str, str]:
        asking = self.ASKING.replace("GIVEN", given).replace("NAMED", named).replace("SIGN", sign)
        return {"team.py": FIT, "dags/training.py": self.TRAINING, "dags/asking.py": asking}

    @pytest.mark.parametrize(
        ("given", "named", "state"),
        [
            ("'training'", "other", State.WIRED),
            ("TARGET['dag']", "training", State.WIRED),
            ("'cleaning'", "other", State.PRESENT),
        ],
    )
    def test_a_schedule_that_starts_another_one(self, ask: Ask, given: str, named: str, state: State) -> None:
        assert ask("training-automated", self._files(given, named=named)).state is state

    @pytest.mark.parametrize(
        ("sign", "state"), [("drift_detected", State.WIRED), ("datetime.now().weekday()", State.ABSENT)]
    )
    def test_a_step_before_decides_by_a_sign_of_drift(self, ask: Ask, sign: str, state: State) -> None:
        assert ask("ct-trigger-threshold", self._files("'training'", sign=sign)).state is state

    STEPS = """
        from airflow import DAG
        from airflow.operators.bash import BashOperator
        from airflow.operators.python import BranchPythonOperator
        def choose(ti):
            SIGN = ti.xcom_pull()
            return "fit" if SIGN else "wait"
        with DAG("watch", schedule="@weekly"):
            BranchPythonOperator(task_id="choose", python_callable=choose)
            BashOperator(task_id="fit", bash_command="export A={} && python fit.py".format(1))
    """

    @pytest.mark.parametrize(("sign", "state"), [("is_drift", State.WIRED), ("is_monday", State.ABSENT)])
    def test_a_step_that_is_chosen_by_a_sign_of_drift(self, ask: Ask, sign: str, state: State) -> None:
        files = {"dags/watch.py": self.STEPS.replace("SIGN", sign), "fit.py": MAIN}
        assert ask("ct-trigger-threshold", files).state is state
        assert ask("training-automated", files).state is State.WIRED  # by a text that `format` fills


class TestTests:
    SERVICE = """
        import joblib
        from fastapi import FastAPI
        app = FastAPI()
        model = joblib.load("model.pkl")
        @app.post("/predict")
        def predict(row: dict):
            return model.predict([row])
    """

    @pytest.mark.parametrize(
        ("asks", "does", "holds"),
        [
            ("client", "assert client.post('/predict').ok", True),
            ("other", "assert other == 1", False),
            ("", "assert patch('service.app.model')", True),
            ("", "assert patch('team.train')", False),
        ],
    )
    def test_what_scores_is_tested_through_a_fixture_or_a_patch(
        self, ask: Ask, asks: str, does: str, holds: bool
    ) -> None:
        files = {
            **on_push("pytest"),
            "team.py": FIT,
            "service/app.py": self.SERVICE,
            "tests/conftest.py": "from service.app import app\ndef client():\n    return app\n",
            "tests/test_api.py": (
                f"from unittest.mock import patch\nfrom team import train\ndef test_it({asks}):\n    {does}\n"
            ),
        }
        assert ask("scoring-code-versioned-tested", files).state.holds is holds

    @pytest.mark.parametrize(("asked", "state"), [("client", State.PRESENT), ("other", State.ABSENT)])
    def test_a_test_that_uses_a_fixture_alone(self, ask: Ask, asked: str, state: State) -> None:
        fixture = (
            "import pytest\nfrom service.app import app\n@pytest.fixture(name='client')\ndef made():\n    return app\n"
        )
        files = {
            "service/app.py": self.SERVICE,
            "tests/conftest.py": fixture,
            "tests/api/test_api.py": f"def test_it({asked}):\n    assert {asked}.get('/').status_code == 200\n",
        }
        assert ask("unit-tests-code", files).state is state

    def test_a_function_of_metrics_is_no_model(self, ask: Ask) -> None:
        code = "def precision_at(y, k):\n    return 1\n"
        test = "from metrics import precision_at\ndef test_it():\n    assert precision_at([1], 2) >= 0.5\n"
        assert ask("model-quality-tests", {"metrics.py": code, "tests/test_m.py": test}).state is State.ABSENT

    @pytest.mark.parametrize(("made", "state"), [("cookies.bake()", State.WIRED), ("cookies.count()", State.ABSENT)])
    def test_a_template_is_tested_by_what_is_made_of_it(self, ask: Ask, made: str, state: State) -> None:
        test = f"def test_it(cookies):\n    result = {made}\n    assert result.exit_code == 0\n"
        files = {**on_push("pytest"), "cookiecutter.json": "{}", "tests/test_cookiecutter.py": test}
        assert ask("unit-tests-code", files).state is state

    def test_a_program_that_a_test_starts(self, ask: Ask) -> None:
        test = "import subprocess\ndef test_it():\n    assert subprocess.Popen('python train.py').wait() == 0\n"
        assert ask("unit-tests-code", {"train.py": MAIN, "tests/test_train.py": test}).state is State.PRESENT


class TestData:
    LOADS = """
        import pandas as pd
        from team import train
        def load(path):
            frame = pd.read_csv(path)
            if MISSED:
                raise ValueError("id")
            return frame
        def main():
            ASKS
        if __name__ == "__main__":
            main()
    """

    @pytest.mark.parametrize(
        ("asks", "missed", "state"),
        [
            ("train(load('a.csv'), 1)", '"id" not in frame.columns', State.PRESENT),
            ("print(load('a.csv'))", '"id" not in frame.columns', State.ABSENT),
            ("train(load('a.csv'), 1)", "frame.empty", State.ABSENT),
        ],
    )
    def test_what_training_reads_is_looked_at_where_it_is_read(
        self, ask: Ask, asks: str, missed: str, state: State
    ) -> None:
        code = self.LOADS.replace("ASKS", asks).replace("MISSED", missed)
        assert ask("data-tests", {"team.py": FIT, "run.py": code}).state is state

    @pytest.mark.parametrize(
        ("place", "state"), [("churn_prediction/data/features.py", State.PRESENT), ("app/features.py", State.ABSENT)]
    )
    def test_the_name_of_the_package_does_not_say_what_a_file_is_for(self, ask: Ask, place: str, state: State) -> None:
        check = "import pandera as pa\ndef load(frame):\n    return pa.DataFrameSchema({}).validate(frame)\nload(1)\n"
        files = {"churn_prediction/train.py": FIT, "churn_prediction/__init__.py": "", place: check}
        assert ask("data-tests", files).state is state

    @pytest.mark.parametrize(
        ("name", "state"), [("population_stability_index", State.WIRED), ("population_size", State.ABSENT)]
    )
    def test_the_index_of_stability_is_one_of_drift(self, ask: Ask, name: str, state: State) -> None:
        code = f"import numpy as np\ndef {name}(a, b):\n    return np.histogram(a)[0].sum()\n{name}(1, 2)\n"
        assert ask("drift-monitoring", {**on_push("python watch.py"), "watch.py": code}).state is state

    @pytest.mark.parametrize(("bound", "state"), [("0.5", State.PRESENT), ("0", State.ABSENT)])
    def test_that_a_metric_is_above_nothing_says_nothing(self, ask: Ask, bound: str, state: State) -> None:
        test = f"from team import train\ndef test_it():\n    assert train([], [])['threshold_free']['auc'] > {bound}\n"
        assert ask("model-quality-tests", {"team.py": FIT, "tests/test_model.py": test}).state is state

    @pytest.mark.parametrize(("given", "state"), [("mlflow", State.PRESENT), ("recorder", State.DECLARED)])
    def test_a_tracker_that_is_handed_over_whole(self, ask: Ask, given: str, state: State) -> None:
        runs = f"from sklearn.svm import SVC\ndef fit({given}):\n    SVC().fit(1, 2)\n    {given}.log_metrics(1)\n"
        main = f"import mlflow\nfrom team import fit\nfit({given}=mlflow)\n"
        files = {"team.py": runs, "run.py": main, "requirements.txt": "mlflow\n"}
        assert ask("experiment-tracking", files).state is state


class TestWhatCiOnlyTries:
    @pytest.mark.parametrize(("name", "state"), [("smoke-testing-train", State.PRESENT), ("train", State.WIRED)])
    def test_a_smoke_test_is_one_on_a_schedule_too(self, ask: Ask, name: str, state: State) -> None:
        text = f"on:\n  schedule:\n    - cron: '0 0 * * *'\njobs:\n  {name}:\n    steps:\n      - run: python fit.py\n"
        assert ask("training-automated", {".github/workflows/ci.yml": text, "fit.py": MAIN}).state is state

    @pytest.mark.parametrize(
        ("before", "env", "state"),
        [
            ("", "", State.ABSENT),
            ("", "env: {USER: me}\n", State.WIRED),
            ("      - run: echo USER=a >> $GITHUB_ENV\n", "", State.WIRED),
        ],
    )
    def test_a_step_that_waits_for_a_variable_that_nobody_sets(
        self, ask: Ask, before: str, env: str, state: State
    ) -> None:
        step = "      - if: env.USER != ''\n        run: docker push team/app\n"
        text = f"on: push\n{env}jobs:\n  a:\n    steps:\n{before}{step}"
        assert ask("automated-build", {".github/workflows/ci.yml": text, "Dockerfile": "FROM python\n"}).state is state

    @pytest.mark.parametrize(("asks", "state"), [("accepted", State.PRESENT), ("verbose", State.ABSENT)])
    def test_a_model_that_is_kept_by_a_verdict(self, ask: Ask, asks: str, state: State) -> None:
        code = f"""
            from team import train
            def check_better(f1, previous_f1):
                return f1 > previous_f1
            def save_bundle(model):
                print(model)
            def main():
                model = train(1, 2)
                {asks} = check_better(model.f1, 0.5)
                if {asks}:
                    save_bundle(model)
            main()
        """
        assert ask("model-validation-gate", {"team.py": FIT, "run.py": code}).state is state

    @pytest.mark.parametrize(("file", "kind"), [("explore/a.ipynb", "project"), ("explore/a.py", "monorepo")])
    def test_a_folder_of_notebooks_is_no_project_beside_a_program(self, write: Write, file: str, kind: str) -> None:
        notebook = {"cells": [{"cell_type": "code", "source": [MAIN], "metadata": {}}], "metadata": {}, "nbformat": 4}
        files = {
            "explore/requirements.txt": "scikit-learn\n",
            file: json.dumps(notebook) if file.endswith("ipynb") else MAIN,
            "back/requirements.txt": "scikit-learn\n",
            "back/fit.py": MAIN,
        }
        assert kind_of(Facts(open_project(write(files)))).name == kind
