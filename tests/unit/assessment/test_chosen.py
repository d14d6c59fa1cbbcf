"""What an argument, a table or a collection of tasks chooses, scripts that go on, and images that lack a file."""

from __future__ import annotations

import pytest

from windlass.assessment.assess import open_project
from windlass.assessment.facts import Facts
from windlass.assessment.kind import kind_of
from windlass.assessment.records import State

from .conftest import FIT, Ask, Write, on_push

CHOOSER = """
import sys


def run(name):
    if name == "train":
        from jobs import {first} as job
    elif name == "report":
        from jobs import report as job
    else:
        raise ValueError(name)
    job.main()


if __name__ == "__main__":
    run(sys.argv[1])
"""
JOB = "from model import train\ndef main():\n    train([[1], [2]], [1, 2])\n"


@pytest.mark.parametrize(("first", "state"), [("fit", State.WIRED), ("show", State.PRESENT)])
def test_each_branch_takes_in_another_module_under_one_name(ask: Ask, first: str, state: State) -> None:
    quiet = "def main():\n    print('nothing')\n"
    files = {
        **on_push("python run.py train"),
        "run.py": CHOOSER.format(first=first),
        "model.py": FIT,
        "jobs/__init__.py": "",
        "jobs/fit.py": f"{JOB}if __name__ == '__main__':\n    main()\n",
        "jobs/report.py": quiet,
        "jobs/show.py": quiet,
    }
    assert ask("training-automated", files).state is state


def test_two_functions_that_take_in_the_same_name_do_not_choose(ask: Ask) -> None:
    run = (
        "def fit():\n    from jobs import fit as job\n    return 1\n"
        "def show():\n    from jobs import show as job\n    job.main()\n"
        "if __name__ == '__main__':\n    show()\n"
    )
    files = {
        **on_push("python run.py"),
        "run.py": run,
        "model.py": FIT,
        "jobs/__init__.py": "",
        "jobs/fit.py": JOB,
        "jobs/show.py": "def main():\n    print('nothing')\n",
    }
    assert ask("training-automated", files).state is not State.WIRED


BASE = "from model import train\nclass Problem:\n    def run_all(self):\n        train([[1], [2]], [1, 2])\n"
TABLE = "from houses import {made}\nfrom irises import Irises\nKNOWN = {{'houses': {made}, 'irises': Irises}}\n"
MAKE = "from table import KNOWN\ndef get_problem(name):\n    make = KNOWN.get(name)\n    return make()\n"
RUN = "import sys\nfrom make import get_problem\nproblem = get_problem(sys.argv[1])\nproblem.run_all()\n"


@pytest.mark.parametrize(("base", "state"), [("Problem", State.WIRED), ("Other", State.PRESENT)])
def test_a_table_tells_which_class_and_its_base_has_the_method(ask: Ask, base: str, state: State) -> None:
    derived = "from base import Problem, Other\nclass {name}({base}):\n    kind = 1\n"
    files = {
        **on_push("python run.py houses"),
        "run.py": RUN,
        "make.py": MAKE,
        "table.py": TABLE.format(made="Houses"),
        "houses.py": derived.format(name="Houses", base=base),
        "irises.py": derived.format(name="Irises", base=base),
        "base.py": f"{BASE}class Other:\n    pass\nif __name__ == '__main__':\n    Problem().run_all()\n",
        "model.py": FIT,
    }
    assert ask("training-automated", files).state is state


CHECKS = """
from invoke import task

@task
def types(ctx):
    ctx.run("mypy src")

@task
def unit_tests(ctx):
    ctx.run("pytest tests")

@task(pre=[{pre}], default=True)
def all(ctx):
    pass
"""
PYTHON = {
    "model.py": FIT,
    "tests/test_model.py": "from model import train\ndef test_it():\n    assert train([[1]], [1])\n",
}
DOCS = "from invoke import task\n@task\ndef all(ctx):\n    ctx.run('mkdocs build')\n"


@pytest.mark.parametrize(
    ("run", "pre", "state"),
    [
        ("inv checks", "types, unit_tests", State.WIRED),
        ("inv checks", "types", State.ABSENT),
        ("inv checks.all", "types, unit_tests", State.WIRED),
        ("inv checks.unit-tests", "types", State.WIRED),
        ("inv docs.all", "types, unit_tests", State.ABSENT),
        ("inv docs", "types, unit_tests", State.ABSENT),
    ],
)
def test_a_collection_of_invoke_and_what_its_tasks_need(ask: Ask, run: str, pre: str, state: State) -> None:
    collection = "from invoke import Collection\nfrom . import checks, docs\nns = Collection(checks, docs)\n"
    files = {
        **PYTHON,
        **on_push(run),
        "tasks/__init__.py": collection,
        "tasks/checks.py": CHECKS.format(pre=pre),
        "tasks/docs.py": DOCS,
    }
    assert ask("tests-in-ci", files).state is state


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ('eval "$command"', State.WIRED),
        ('eval "pytest tests"', State.WIRED),
        ('echo "$command"', State.ABSENT),
        ('eval "$(cat command)"', State.ABSENT),
    ],
)
def test_a_script_that_evaluates_what_it_said_before(ask: Ask, line: str, state: State) -> None:
    script = f'command="python -m pytest tests"\n{line}\n'
    assert ask("tests-in-ci", {**PYTHON, **on_push("./check.sh"), "check.sh": script}).state is state


@pytest.mark.parametrize(
    ("run", "script", "lost"),
    [
        ("./check.sh", "#!/bin/bash\npytest tests\nflake8 src\n", True),
        ("./check.sh", "#!/bin/bash\n# no set -e: all is to be seen\npytest tests\nflake8 src\n", True),
        ("./check.sh", "#!/bin/bash\nset -e\npytest tests\nflake8 src\n", False),
        ("./check.sh", "#!/bin/bash -eu\npytest tests\nflake8 src\n", False),
        ("bash -e check.sh", "pytest tests\nflake8 src\n", False),
        ("source check.sh", "pytest tests\nflake8 src\n", False),
        ("./check.sh", "flake8 src\npytest tests\n", False),
        ("./check.sh", "pytest tests || exit 1\nflake8 src\n", False),
        ("./check.sh", "pytest tests\nstatus=$?\nflake8 src\nexit $status\n", False),
        ("./check.sh", "if ! pytest tests; then\n  exit 1\nfi\nflake8 src\n", False),
    ],
)
def test_without_set_e_the_last_command_decides(ask: Ask, run: str, script: str, lost: bool) -> None:
    found = ask("tests-in-ci", {**PYTHON, **on_push(run), "check.sh": script})
    assert (found.state is State.WIRED) is not lost


IMAGE = """
    on: push
    jobs:
      build:
        runs-on: ubuntu-latest
        steps:
          - uses: actions/checkout@v4{given}
          - {before}
          - uses: docker/build-push-action@v5
            with: {{context: ., file: docker/Dockerfile, push: true}}
"""
LOGIN = "uses: docker/login-action@v3"


@pytest.mark.parametrize(
    ("copied", "before", "given", "state"),
    [
        ("metrics.json", LOGIN, "", State.ABSENT),
        ("there.json", LOGIN, "", State.WIRED),
        ("./there.json", LOGIN, "", State.WIRED),
        ("*.json", LOGIN, "", State.WIRED),
        ("dist/app.json", LOGIN, "", State.WIRED),
        ("metrics.json", "run: python train.py", "", State.WIRED),
        ("metrics.json", "uses: actions/download-artifact@v4", "", State.WIRED),
        ("metrics.json", LOGIN, "\n            with: {repository: team/other}", State.WIRED),
    ],
)
def test_an_image_that_takes_a_file_which_is_not_there(
    ask: Ask, copied: str, before: str, given: str, state: State
) -> None:
    files = {
        ".github/workflows/build.yml": IMAGE.format(before=before, given=given),
        "docker/Dockerfile": f"FROM python:3.12\nCOPY {copied} /app/\nCMD python app.py\n",
        "there.json": "{}",
        "model.py": FIT,
    }
    assert ask("automated-build", files).state is state


@pytest.mark.parametrize(
    ("run", "state"),
    [
        ("dotnet nuget push *.nupkg", State.WIRED),
        ("npm publish", State.WIRED),
        ("cargo publish", State.WIRED),
        ("dotnet nuget list", State.ABSENT),
        ("npm run lint", State.ABSENT),
    ],
)
def test_packages_of_other_languages_are_published(ask: Ask, run: str, state: State) -> None:
    assert ask("automated-build", on_push(run)).state is state


SUITE = """
from zenml.steps import step
from deepchecks.vision.suites import full_suite

@step
def {name}(first, second, model):
    result = full_suite().run(first, second, model)
    result.save_as_html("result.html")
"""


@pytest.mark.parametrize(("name", "measured"), [("validate_model", False), ("measure_drift", True)])
def test_a_suite_over_both_parts_of_a_data_set_measures_no_drift(ask: Ask, name: str, measured: bool) -> None:
    text = SUITE.format(name=name)
    pipeline = (
        f"from zenml.pipelines import pipeline\nfrom steps import {name}\n@pipeline\ndef whole():\n    {name}()\n"
    )
    files = {"steps.py": text, "run.py": f"{pipeline}if __name__ == '__main__':\n    whole()\n", "model.py": FIT}
    assert (ask("drift-monitoring", files).state is State.PRESENT) is measured


@pytest.mark.parametrize(("path", "kind"), [("src/Score.cs", "project"), ("src/score.md", "documentation")])
def test_code_in_another_language_is_no_documentation(write: Write, path: str, kind: str) -> None:
    files = {"README.md": "# Scores\n", path: "public class Score { }\n"}
    found = kind_of(Facts(open_project(write(files))))
    assert (found.name, found.has_level) == (kind, False)


CHART = """
    apiVersion: batch/v1
    kind: Job
    metadata:
      name: {{{{ .Release.Name }}}}-train
      annotations:
        team: churn{hook}
    spec:
      template:
        spec:
          containers:
            - name: train
              image: "{{{{ .Values.image }}}}"
              command: ["python", "jobs/train.py"]
"""


@pytest.mark.parametrize(
    ("run", "hook", "state"),
    [
        ("helm upgrade --install churn ./chart", "post-install,post-upgrade", State.WIRED),
        ("helm upgrade --install churn chart --no-hooks", "post-install,post-upgrade", State.PRESENT),
        ("helm upgrade --install churn chart --dry-run", "post-install,post-upgrade", State.PRESENT),
        ("helm upgrade --install churn chart", "", State.WIRED),
        ("helm upgrade churn chart", "pre-delete", State.PRESENT),
        ("helm upgrade churn chart", "test", State.PRESENT),
        ("helm upgrade churn chart", "post-install", State.PRESENT),  # which an upgrade does not run
        ("helm upgrade churn other/chart", "post-upgrade", State.PRESENT),
        ("helm lint chart", "post-upgrade", State.PRESENT),
    ],
)
def test_a_job_of_a_chart_that_starts_with_it(ask: Ask, run: str, hook: str, state: State) -> None:
    files = {
        **on_push(run),
        "chart/Chart.yaml": "name: churn\n",
        "chart/templates/job.yaml": CHART.format(hook=f'\n        "helm.sh/hook": {hook}' if hook else ""),
        "model.py": FIT,
        "jobs/train.py": f"{JOB}if __name__ == '__main__':\n    main()\n",
    }
    assert ask("training-automated", files).state is state
