"""Commands that code puts together, settings that reach a program, and schedules beside those of engines."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import FIT, Ask

TRAIN = {"train.py": f"{FIT}if __name__ == '__main__':\n    train([[1]], [1])\n"}
NIGHTLY = """
    on:
      schedule:
        - cron: "0 2 * * *"
    jobs:
      a:
        runs-on: ubuntu-latest
        steps:
          - run: {run}
"""


def nightly(run: str, **files: str) -> dict[str, str]:
    return {**TRAIN, **files, ".github/workflows/nightly.yml": NIGHTLY.format(run=run)}


@pytest.mark.parametrize(
    ("body", "trains"),
    [
        ("cmd = [sys.executable]\ncmd.append('train.py')\nsubprocess.run(cmd, check=True)", True),
        ("cmd = [sys.executable]\ncmd.append('other.py')\nsubprocess.run(cmd, check=True)", False),
        ("cmd = []\ncmd.append('python')\ncmd.append('train.py')\nsubprocess.run(cmd, check=True)", True),
        ("cmd = ['python']\ncmd.extend(['train.py', '--fast'])\nsubprocess.run(cmd, check=True)", True),
        ("cmd = ['python']\ncmd += ['train.py']\nsubprocess.run(cmd, check=True)", True),
        ("cmd = ['python']\ncmd = cmd + ['train.py']\nsubprocess.run(cmd, check=True)", True),
        ("cmd = ['python', 'train.py']\nsubprocess.run(' '.join(cmd), shell=True, check=True)", True),
        ("cmd = 'python train.py --fast'\nsubprocess.run(shlex.split(cmd), check=True)", True),
        ("cmd = 'python '\ncmd += 'train.py'\nos.system(cmd)", True),
        ("cmd = 'python train.py'\ncmd = 'python other.py'\nos.system(cmd)", False),
        ("os.system('python other.py')\ncmd = 'python train.py'\nprint(cmd)", False),
        ("subprocess.run('python train.py --fast'.split(), check=True)", True),
    ],
)
def test_a_command_that_a_program_puts_together(ask: Ask, body: str, trains: bool) -> None:
    inner = "".join(f"    {line}\n" for line in body.splitlines())
    program = f"import os, shlex, subprocess, sys\ndef main():\n{inner}if __name__ == '__main__':\n    main()\n"
    files = nightly("python start.py", **{"start.py": program, "other.py": "print('nothing')\n"})
    assert (ask("training-automated", files).state is State.WIRED) is trains


def test_a_program_that_is_loaded_by_its_path(ask: Ask) -> None:
    loads = (
        "import importlib.util\nfrom pathlib import Path\nscript = Path(__file__).parent / 'jobs/{name}.py'\n"
        "spec = importlib.util.spec_from_file_location('loaded', script)\n"
        "spec.loader.exec_module(importlib.util.module_from_spec(spec))\n"
    )
    files = {"jobs/fit.py": f"{FIT}train([[1]], [1])\n", "jobs/none.py": "x = 1\n"}
    for name, state in (("fit", State.WIRED), ("none", State.PRESENT)):
        found = ask("training-automated", nightly("python start.py", **files, **{"start.py": loads.format(name=name)}))
        assert found.state is state


JENKINS = """
    pipeline {{
      agent any
      triggers {{ cron('H 2 * * *') }}
      {around}
      stages {{
        stage('other') {{ {beside} steps {{ sh 'ls' }} }}
        stage('train') {{ {within} steps {{ {step} }} }}
      }}
    }}
"""


@pytest.mark.parametrize(
    ("parts", "trains"),
    [
        ({"around": "environment { SCRIPT = 'train.py' }"}, True),
        ({"within": "environment { SCRIPT = 'train.py' }"}, True),
        ({"beside": "environment { SCRIPT = 'train.py' }"}, False),
        ({"around": "environment { SCRIPT = 'train.py' }", "within": "environment { SCRIPT = 'other.py' }"}, False),
        ({"step": "withEnv(['SCRIPT=train.py']) { sh 'python start.py' }"}, True),
        ({}, False),
    ],
)
@pytest.mark.parametrize("command", ["python start.py", "python $SCRIPT"])
def test_what_jenkins_puts_into_the_environment(ask: Ask, parts: dict[str, str], trains: bool, command: str) -> None:
    given = {"around": "", "beside": "", "within": "", "step": "sh 'python start.py'", **parts}
    files = {
        **TRAIN,
        "other.py": "x = 1\n",
        "start.py": "import os, subprocess\nsubprocess.run(['python', os.environ['SCRIPT']], check=True)\n",
        "Jenkinsfile": JENKINS.format(**given).replace("python start.py", command),
    }
    assert (ask("training-automated", files).state is State.WIRED) is trains


@pytest.mark.parametrize(
    ("given", "trains"), [("-e SCRIPT=train.py", True), ("--env=SCRIPT=train.py", True), ("", False)]
)
def test_what_a_container_is_given(ask: Ask, given: str, trains: bool) -> None:
    files = {
        "start.py": "import os, runpy\nrunpy.run_path(os.environ['SCRIPT'])\n",
        "other.py": "x = 1\n",
        "Dockerfile": 'FROM python:3.12\nCOPY . .\nENV SCRIPT=other.py\nCMD ["python", "start.py"]\n',
    }
    found = ask("training-automated", nightly(f"docker build -t job . && docker run {given} job", **files))
    assert (found.state is State.WIRED) is trains


@pytest.mark.parametrize(
    ("run", "trains"),
    [
        ("python train.py", True),
        ("python train.py --help", False),
        ("docker build -t job . && docker run job", True),
        ("docker build -t job . && docker run job --help", False),
    ],
)
def test_what_only_tells_about_itself_does_nothing(ask: Ask, run: str, trains: bool) -> None:
    image = 'FROM python:3.12\nCOPY . .\nENTRYPOINT ["python", "train.py"]\n'
    assert (ask("training-automated", nightly(run, Dockerfile=image)).state is State.WIRED) is trains


@pytest.mark.parametrize(
    ("files", "trains"),
    [
        (
            {"Dockerfile": "FROM python:3.12\nRUN echo '0 2 * * * python /app/train.py' | crontab -\nCMD cron -f\n"},
            True,
        ),
        ({"Dockerfile": "FROM python:3.12\nRUN echo 'python /app/train.py'\nCMD cron -f\n"}, False),
        ({"render.yaml": "services:\n- type: cron\n  schedule: 0 2 * * *\n  startCommand: python train.py\n"}, True),
        ({"render.yaml": "services:\n- type: cron\n  schedule: 0 2 * * *\n  startCommand: python -V\n"}, False),
    ],
)
def test_schedules_that_no_engine_has(ask: Ask, files: dict[str, str], trains: bool) -> None:
    assert (ask("training-automated", {**TRAIN, **files}).state is State.WIRED) is trains


@pytest.mark.parametrize(("job", "trains"), [("train", True), ("clean", False)])
def test_a_job_of_a_bundle_that_ci_runs(ask: Ask, job: str, trains: bool) -> None:
    task = "      tasks:\n        - task_key: a\n          notebook_task:\n            notebook_path: ./{file}\n"
    bundle = "bundle:\n  name: x\nresources:\n  jobs:\n    train:\n" + task.format(file="train.py")
    bundle += "    clean:\n" + task.format(file="other.py")
    files = {"databricks.yml": bundle, "other.py": "x = 1\n"}
    assert (ask("training-automated", nightly(f"databricks bundle run {job}", **files)).state is State.WIRED) is trains


TOPIC = """
    resource "aws_cloudwatch_metric_alarm" "drift" {{
      metric_name = "feature_drift"
      {action}
    }}
    resource "aws_sns_topic_subscription" "s" {{
      topic_arn = aws_sns_topic.alarms.arn
      protocol = "lambda"
      endpoint = aws_lambda_function.retrain.arn
    }}
    resource "aws_lambda_function" "retrain" {{
      handler = "retrain.handler"
    }}
"""


@pytest.mark.parametrize(("action", "starts"), [("alarm_actions = [aws_sns_topic.alarms.arn]", True), ("", False)])
def test_an_alarm_starts_a_function_by_way_of_a_topic(ask: Ask, action: str, starts: bool) -> None:
    files = {
        "main.tf": TOPIC.format(action=action),
        "retrain.py": "import boto3\ndef handler(event, context):\n"
        "    boto3.client('sagemaker').create_training_job(TrainingJobName='x')\n",
    }
    assert (ask("training-automated", files).state is State.WIRED) is starts
    assert (ask("ct-trigger-threshold", files).state is State.WIRED) is starts


@pytest.mark.parametrize(
    ("step", "asked"),
    [
        (
            "run: |\n              if grep -q True drift.txt; then\n                python train.py\n              fi",
            True,
        ),
        (
            "run: |\n              if grep -q True flag.txt; then\n                python train.py\n              fi",
            False,
        ),
        ("run: python monitor.py || python train.py", True),
        ("if: steps.drift.outcome == 'failure'\n            run: python train.py", True),
        ("if: steps.lint.outcome == 'failure'\n            run: python train.py", False),
        ("run: python train.py", False),
    ],
)
def test_a_sign_of_drift_that_a_shell_asks_for(ask: Ask, step: str, asked: bool) -> None:
    files = {
        **TRAIN,
        "monitor.py": "import sys\nsys.exit(0)\n",
        ".github/workflows/m.yml": NIGHTLY.replace("run: {run}", step),
    }
    assert (ask("ct-trigger-threshold", files).state is State.WIRED) is asked
