"""What is only named where it is started: by a variable, a loop, a moved file, a client of an engine, a cloud."""

from __future__ import annotations

import json

import pytest

from windlass.assessment.reading.shell import read_shell
from windlass.assessment.reading.variables import spread
from windlass.assessment.records import State

from .conftest import FIT, Ask

MAIN = FIT + "if __name__ == '__main__':\n    train(1, 2)\n"
FILES = {"fit.py": MAIN, "other.py": "x = 1\n"}
NOTEBOOK = json.dumps(
    {"cells": [{"cell_type": "code", "source": [FIT, "train(1, 2)\n"], "metadata": {}}], "metadata": {}, "nbformat": 4}
)


def _ci(run: str, *, job: str = "") -> dict[str, str]:
    lines = "".join(f"          {line}\n" for line in run.split("\n"))
    text = f"on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n{job}    steps:\n      - run: |\n{lines}"
    return {".github/workflows/ci.yml": text}


class TestNames:
    @pytest.mark.parametrize(
        ("run", "state"),
        [
            ("SCRIPT=fit.py\npython $SCRIPT", State.WIRED),
            ("SCRIPT=other.py\npython $SCRIPT", State.PRESENT),
            ("export SCRIPT='fit.py'\npython ${SCRIPT}", State.WIRED),
            ("export A=fit\nexport B=$A.py\npython $B", State.WIRED),
            ("python ${SCRIPT:-fit.py}", State.WIRED),
            ("SCRIPT=other.py\npython ${SCRIPT:-fit.py}", State.PRESENT),
            ("SCRIPT=$(ls *.py)\npython $SCRIPT", State.PRESENT),
            ("for s in other fit; do python $s.py; done", State.WIRED),
            ("for s in other; do\n  python $s.py\ndone", State.PRESENT),
            ("for s in fit; do\n  echo $s\ndone\npython $s.py", State.PRESENT),
        ],
    )
    def test_variables_and_loops_of_a_script(self, ask: Ask, run: str, state: State) -> None:
        assert ask("training-automated", {**_ci(run), **FILES}).state is state

    @pytest.mark.parametrize(
        ("job", "run", "state"),
        [
            ("    env: {SCRIPT: fit.py}\n", "python $SCRIPT", State.WIRED),
            ("    env: {SCRIPT: fit.py}\n", "python ${{ env.SCRIPT }}", State.WIRED),
            ("    env: {SCRIPT: other.py}\n", "python $SCRIPT", State.PRESENT),
            ("    strategy: {matrix: {script: [other, fit]}}\n", "python ${{ matrix.script }}.py", State.WIRED),
            ("    strategy: {matrix: {include: [{s: fit.py}]}}\n", "python ${{ matrix.s }}", State.WIRED),
            ("    strategy: {matrix: {exclude: [{s: fit.py}]}}\n", "python ${{ matrix.s }}", State.PRESENT),
        ],
    )
    def test_what_a_job_of_github_knows(self, ask: Ask, job: str, run: str, state: State) -> None:
        assert ask("training-automated", {**_ci(run, job=job), **FILES}).state is state

    def test_variables_of_gitlab(self, ask: Ask) -> None:
        text = "variables: {SCRIPT: other.py}\ntrain:\n  variables: {SCRIPT: fit.py}\n  script: [python $SCRIPT]\n"
        assert ask("training-automated", {".gitlab-ci.yml": text, **FILES}).state is State.WIRED

    @pytest.mark.parametrize(
        ("given", "state"),
        [("{script: fit.py}", State.WIRED), ("{script: other.py}", State.PRESENT), ("{}", State.WIRED)],
    )
    def test_parameters_of_a_template_of_azure(self, ask: Ask, given: str, state: State) -> None:
        template = """
            parameters:
              - {name: script, default: $(usual)}
            steps:
              - script: python ${{ parameters.script }}
        """
        main = (
            f"trigger: [main]\nvariables: {{usual: fit.py}}\nsteps:\n  - template: run.yml\n    parameters: {given}\n"
        )
        assert ask("training-automated", {"azure-pipelines.yml": main, "run.yml": template, **FILES}).state is state

    @pytest.mark.parametrize(
        ("run", "state"),
        [
            ("mv jobs/a.py run.py\npython run.py", State.WIRED),
            ("cp jobs/a.py build/\npython build/a.py", State.WIRED),
            ("cp -r jobs build\ncd build\npython a.py", State.WIRED),
            ("cp jobs/b.py build/a.py\npython build/a.py", State.PRESENT),
        ],
    )
    def test_files_that_were_moved_before(self, ask: Ask, run: str, state: State) -> None:
        files = {"jobs/a.py": MAIN, "jobs/b.py": "x = 1\n", "old/a.py": "x = 1\n"}
        assert ask("training-automated", {**_ci(run), **files}).state is state

    def test_a_verb_is_no_place_that_something_was_moved_to(self) -> None:
        last = read_shell("cp -r src build\ndocker build .")[-1]
        assert last.argv == ("docker", "build", ".")

    def test_names_that_are_not_known_stay_and_values_are_bounded(self) -> None:
        assert spread(("run", "$A", "${{ secrets.B }}"), {}) == [("run", "$A", "${{ secrets.B }}")]
        assert len(spread(("run", "$A"), {"A": tuple(map(str, range(40)))})) == 12
        assert spread(("run", "$A"), {"A": ("x y",)}) == [("run", "x", "y")]


class TestClients:
    @pytest.mark.parametrize(
        ("run", "state"),
        [
            ("papermill nb/fit.ipynb out.ipynb", State.WIRED),
            ("papermill nb/other.ipynb nb/fit.ipynb", State.ABSENT),
            ("python -m papermill nb/fit.ipynb out.ipynb -p a 1", State.WIRED),
            ("jupyter nbconvert --to notebook --execute nb/fit.ipynb", State.WIRED),
            ("jupyter nbconvert --to html nb/fit.ipynb", State.ABSENT),
            ("jupyter execute nb/fit.ipynb", State.WIRED),
            ("for f in nb/*.ipynb; do jupyter nbconvert --execute $f; done", State.WIRED),
        ],
    )
    def test_notebooks(self, ask: Ask, run: str, state: State) -> None:
        empty = NOTEBOOK.replace("train(1, 2)", "")
        assert ask("training-automated", {**_ci(run), "nb/fit.ipynb": NOTEBOOK, "nb/other.ipynb": empty}).state is state

    KEDRO = "from kedro.pipeline import Pipeline, node\nfrom team import NAME\ndef create_pipeline():\n"

    @pytest.mark.parametrize(
        ("run", "state"),
        [
            ("kedro run", State.WIRED),
            ("kedro run --pipeline=fitting", State.WIRED),
            ("kedro run --pipeline cleaning", State.PRESENT),
            ("kedro viz", State.PRESENT),
        ],
    )
    def test_kedro(self, ask: Ask, run: str, state: State) -> None:
        def made(name: str) -> str:
            return f"{self.KEDRO.replace('NAME', name)}    return Pipeline([node({name}, ['x', 'y'], 'z')])\n"

        files = {
            "team.py": FIT + "def clean(x, y):\n    return x\n",
            "pipelines/fitting/pipeline.py": made("train"),
            "pipelines/cleaning/pipeline.py": made("clean"),
        }
        assert ask("training-automated", {**_ci(run), **files}).state is state

    @pytest.mark.parametrize(
        ("run", "state"),
        [
            ("prefect deployment run fit-it/daily", State.WIRED),
            ("prefect deployment run other/daily", State.PRESENT),
            ("prefect deployment inspect fit-it/daily", State.PRESENT),
        ],
    )
    def test_flows_of_prefect(self, ask: Ask, run: str, state: State) -> None:
        flow = "from prefect import flow\nfrom team import train\n@flow\ndef fit_it():\n    train(1, 2)\n"
        files = {"team.py": FIT, "flow.py": f"{flow}@flow\ndef other():\n    print(1)\n"}
        assert ask("training-automated", {**_ci(run), **files}).state is state

    @pytest.mark.parametrize(
        ("run", "state"), [("airflow dags trigger fitting", State.WIRED), ("airflow dags list", State.PRESENT)]
    )
    def test_dags_of_airflow(self, ask: Ask, run: str, state: State) -> None:
        dag = "from airflow.decorators import dag\nfrom team import train\n@dag\ndef fitting():\n    train(1, 2)\n"
        assert ask("training-automated", {**_ci(run), "team.py": FIT, "dags/a.py": dag}).state is state

    @pytest.mark.parametrize(
        ("run", "state"),
        [("pyflyte run --remote flow.py fit_it", State.WIRED), ("pyflyte run --remote flow.py other", State.PRESENT)],
    )
    def test_workflows_of_flyte(self, ask: Ask, run: str, state: State) -> None:
        flow = (
            "from flytekit import workflow\nfrom team import train\n"
            "@workflow\ndef fit_it():\n    train(1, 2)\n@workflow\ndef other():\n    print(1)\n"
        )
        assert ask("training-automated", {**_ci(run), "team.py": FIT, "flow.py": flow}).state is state

    @pytest.mark.parametrize(
        ("run", "state"),
        [
            ("docker compose run --rm trainer", State.WIRED),
            ("docker-compose -f compose.yml run -e A=1 api python fit.py", State.WIRED),
            ("docker compose up trainer", State.WIRED),
            ("docker compose up -d trainer", State.PRESENT),
            ("docker compose run --rm api", State.PRESENT),
            ("docker compose exec -T api python fit.py", State.WIRED),
            ("docker exec -e A=1 api python fit.py", State.WIRED),
            ("docker exec api ls", State.PRESENT),
            ("ssh -i key me@host 'cd app && python fit.py'", State.WIRED),
            ("ssh me@host << EOF\npython fit.py\nEOF", State.WIRED),
            ("ssh me@host ls", State.PRESENT),
        ],
    )
    def test_containers_and_other_machines(self, ask: Ask, run: str, state: State) -> None:
        compose = "services:\n  trainer: {image: a, command: python fit.py}\n  api: {image: b, command: sleep 1}\n"
        assert ask("training-automated", {**_ci(run), "compose.yml": compose, **FILES}).state is state


class TestClouds:
    CODE = FIT + "def handler(event, context):\n    train(1, 2)\n"

    @pytest.mark.parametrize(
        ("event", "state"),
        [("Type: Schedule", State.WIRED), ("Type: S3", State.WIRED), ("Type: Api", State.PRESENT)],
    )
    def test_functions_of_sam(self, ask: Ask, event: str, state: State) -> None:
        template = f"""
            Transform: AWS::Serverless-2016-10-31
            Resources:
              Fit:
                Type: AWS::Serverless::Function
                Properties:
                  CodeUri: src/
                  Handler: app.handler
                  Events:
                    When: {{{event}}}
        """
        files = {"template.yaml": template, "src/app.py": self.CODE, "app.py": "def handler(a, b):\n    return 1\n"}
        assert ask("training-automated", files).state is state

    @pytest.mark.parametrize(
        ("event", "state"), [("schedule: rate(1 day)", State.WIRED), ("http: get /", State.PRESENT)]
    )
    def test_functions_of_the_serverless_framework(self, ask: Ask, event: str, state: State) -> None:
        said = f"functions:\n  fit:\n    handler: src/app.handler\n    events:\n      - {event}\n"
        assert ask("training-automated", {"serverless.yml": said, "src/app.py": self.CODE}).state is state

    @pytest.mark.parametrize(("kind", "state"), [("timerTrigger", State.WIRED), ("httpTrigger", State.PRESENT)])
    def test_functions_of_azure(self, ask: Ask, kind: str, state: State) -> None:
        said = json.dumps({"bindings": [{"type": kind}, {"type": "blob"}]})
        code = FIT + "def main(timer):\n    train(1, 2)\n"
        assert ask("training-automated", {"fit/function.json": said, "fit/__init__.py": code}).state is state

    TERRAFORM = """
        resource "aws_cloudwatch_event_rule" "daily" {
          schedule_expression = "rate(1 day)"
          STATE
        }
        resource "aws_cloudwatch_event_target" "fit" {
          rule = aws_cloudwatch_event_rule.daily.name
          arn  = aws_lambda_function.TARGET.arn
        }
        resource "aws_lambda_function" "fit" {
          handler = "handler.handler"
        }
        resource "aws_lambda_function" "clean" {
          handler = "handler.handler"
        }
    """

    @pytest.mark.parametrize(
        ("target", "status", "state"),
        [("fit", "", State.WIRED), ("clean", "", State.PRESENT), ("fit", 'state = "DISABLED"', State.PRESENT)],
    )
    def test_rules_of_terraform(self, ask: Ask, target: str, status: str, state: State) -> None:
        files = {
            "infra/main.tf": self.TERRAFORM.replace("TARGET", target).replace("STATE", status),
            "functions/fit/handler.py": self.CODE,
            "functions/clean/handler.py": "def handler(event, context):\n    return 1\n",
        }
        assert ask("training-automated", files).state is state

    @pytest.mark.parametrize(("target", "state"), [("fit", State.WIRED), ("none", State.PRESENT)])
    def test_jobs_of_googles_scheduler(self, ask: Ask, target: str, state: State) -> None:
        said = (
            'resource "google_cloud_scheduler_job" "a" {\n  schedule = "0 3 * * *"\n  http_target {\n'
            f"    uri = google_cloudfunctions2_function.{target}.url\n  }}\n}}\n"
            'resource "google_cloudfunctions2_function" "fit" {\n  build_config {\n    entry_point = "fit_it"\n  }\n}\n'
        )
        code = FIT + "def fit_it(request):\n    train(1, 2)\n"
        assert ask("training-automated", {"main.tf": said, "functions/main.py": code}).state is state

    @pytest.mark.parametrize(
        ("code", "state"),
        [
            ("from apscheduler.schedulers.background import B\nb = B()\nb.add_job(train, 'interval')\n", State.WIRED),
            ("from team import queue\nqueue.add_job(train, 'interval')\n", State.PRESENT),
            ("import celery\napp = celery.Celery()\n@app.task\ndef fit():\n    train(1, 2)\n", State.PRESENT),
            (
                "import celery\napp = celery.Celery()\n@app.task\ndef fit():\n    train(1, 2)\n"
                "app.conf.beat_schedule = {'a': {'task': 'run.fit', 'schedule': 60}}\n",
                State.WIRED,
            ),
            (
                "import azure.functions as func\napp = func.FunctionApp()\n"
                "@app.timer_trigger(schedule='0 3 * * * *', arg_name='t')\ndef fit(t):\n    train(1, 2)\n",
                State.WIRED,
            ),
            (
                "from airflow import DAG\nfrom airflow.k import KubernetesPodOperator\n"
                "with DAG('a', schedule='@daily'):\n"
                "    KubernetesPodOperator(task_id='t', cmds=['python'], arguments=['fit.py'])\n",
                State.WIRED,
            ),
        ],
    )
    def test_schedules_in_code(self, ask: Ask, code: str, state: State) -> None:
        assert ask("training-automated", {"run.py": FIT + code, **FILES}).state is state


@pytest.mark.parametrize(
    ("taken", "state"),
    [("from team import *", State.PRESENT), ("from team.other import *", State.ABSENT), ("import team", State.ABSENT)],
)
def test_names_of_a_file_that_takes_in_everything(ask: Ask, taken: str, state: State) -> None:
    files = {
        "team/__init__.py": "from team.store import *\nfrom team.other import *\n",
        "team/store.py": "import mlflow\nclass Store:\n    def keep(self, uri):\n"
        "        mlflow.register_model(uri, 'team')\n",
        "team/other.py": "x = 1\n",
        "run.py": f"{taken}\nif __name__ == '__main__':\n    store = Store()\n    store.keep('a')\n",
    }
    assert ask("model-registry", files).state is state


def test_a_test_that_takes_in_everything_uses_the_project(ask: Ask) -> None:
    test = "from team import *\ndef test_it():\n    assert train([[1]], [1])\n"
    assert ask("unit-tests-code", {"team.py": FIT, "tests/test_team.py": test}).state is State.PRESENT
