"""What runs somewhere else than where it is written: images of an action, machines of a cloud, hosts of a Space."""

from __future__ import annotations

import pytest

from windlass.assessment.reading.shell import read_shell
from windlass.assessment.records import State

from .conftest import FIT, SERVED, Ask, on_push

TRAIN = f"{FIT}if __name__ == '__main__':\n    train([[0], [1]], [0, 1])\n"
IMAGE = 'FROM python:3.12\nCOPY train.py .\nCMD ["python", "train.py"]\n'


@pytest.mark.parametrize(
    ("line", "argv"),
    [
        ("sudo -S docker push team/churn", ("docker", "push", "team/churn")),
        ("sudo DOCKER_BUILDKIT=1 docker build .", ("docker", "build", ".")),
        ("sudo -E -u app python train.py", ("python", "train.py")),
        ('ID="$(aws ssm send-command --parameters "x=1")"', ("aws", "ssm", "send-command", "--parameters", "x=1")),
    ],
)
def test_what_a_shell_runs(line: str, argv: tuple[str, ...]) -> None:
    assert [each.argv for each in read_shell(line)] == [argv]


@pytest.mark.parametrize("line", ['echo "$(date)"', 'ID="$((1 + 2))"', 'WHERE="$(cd "$(dirname "$0")" && pwd)"'])
def test_what_is_only_told_or_counted_is_no_command_of_its_own(line: str) -> None:
    assert [each.argv[0] for each in read_shell(line) if each.argv[0] != "echo"] == []


CHAIN = """
    name: build
    on: push
    jobs:
      build:
        runs-on: ubuntu-latest
        steps:
          - uses: docker/build-push-action@v5
            with:
              file: training/Dockerfile
              tags: trainer:1
          - run: docker tag trainer:1 ghcr.io/team/{renamed}:1
"""
RUNS = """
    name: train
    on:
      workflow_run:
        workflows: [build]
    jobs:
      train:
        runs-on: ubuntu-latest
        steps:
          - run: docker run --rm -e KEY ghcr.io/team/trainer:1
"""


@pytest.mark.parametrize(("renamed", "state"), [("trainer", State.WIRED), ("other", State.PRESENT)])
def test_an_image_that_an_action_built_and_a_command_renamed(ask: Ask, renamed: str, state: State) -> None:
    files = {"train.py": TRAIN, "training/Dockerfile": IMAGE, ".github/workflows/train.yml": RUNS}
    files[".github/workflows/build.yml"] = CHAIN.format(renamed=renamed)
    assert ask("training-automated", files).state is state


@pytest.mark.parametrize(
    ("command", "practice", "state"),
    [
        ("az ml run submit-script -e churn -c train train.py", "training-automated", State.WIRED),
        ("az ml run submit-script -e churn -c train other.py", "training-automated", State.PRESENT),
        ("az ml model deploy -n churn --dc aks.yml", "service-cd", State.WIRED),
        ("az ml model list -g group", "service-cd", State.ABSENT),
    ],
)
def test_the_first_client_of_azure_ml(ask: Ask, command: str, practice: str, state: State) -> None:
    assert ask(practice, {"train.py": TRAIN, "app.py": SERVED, **on_push(command)}).state is state


SPACE = """
    set -e
    git clone "https://user:$TOKEN@{host}/team/churn" "$THERE"
    git archive HEAD | tar -x -C "$THERE"
    cd "{folder}"
    git commit -am "a new version"
    git push
"""


@pytest.mark.parametrize(
    ("host", "folder", "state"),
    [
        ("huggingface.co/spaces", "$THERE", State.WIRED),
        ("github.com", "$THERE", State.ABSENT),
        ("huggingface.co/spaces", "elsewhere", State.ABSENT),
    ],
)
def test_a_script_that_pushes_into_the_clone_of_a_space(ask: Ask, host: str, folder: str, state: State) -> None:
    files = {"app.py": SERVED, "push.sh": SPACE.format(host=host, folder=folder), **on_push("bash push.sh")}
    assert ask("service-cd", files).state is state


ROLL = """
    on: push
    jobs:
      {job}:
        runs-on: ubuntu-latest
        steps:
          - name: Call the machines
            run: bash there.sh
"""


@pytest.mark.parametrize(
    ("job", "said", "state"),
    [
        ("roll", "commands=[$TOLD]", State.WIRED),
        ("roll", "commands=[uptime]", State.ABSENT),
        ("tidy", "commands=[$TOLD]", State.ABSENT),
    ],
)
def test_a_job_that_deploys_by_what_machines_are_told(ask: Ask, job: str, said: str, state: State) -> None:
    script = f'ID="$(aws ssm send-command --document-name AWS-RunShellScript --parameters "{said}")"\n'
    files = {"app.py": SERVED, "there.sh": script, ".github/workflows/cd.yml": ROLL.format(job=job)}
    assert ask("service-cd", files).state is state


@pytest.mark.parametrize(("told", "state"), [("docker restart serving", State.WIRED), ("uptime", State.ABSENT)])
def test_a_program_that_has_a_machine_restart_what_serves(ask: Ask, told: str, state: State) -> None:
    program = f"import paramiko\nclient = paramiko.SSHClient()\nclient.exec_command('{told}')\n"
    assert ask("service-cd", {"app.py": SERVED, "roll.py": program, **on_push("python roll.py")}).state is state


def test_a_ready_server_that_a_script_starts(ask: Ask) -> None:
    started = "docker run -p 8501:8501 -e MODEL_NAME=churn tensorflow/serving:2.15\n"
    assert ask("model-serving", {"install.sh": started}).state is State.PRESENT
    assert ask("model-serving", {"install.sh": started.replace("/serving", "/tensorboard")}).state is State.ABSENT


SYNCED = """
    apiVersion: argoproj.io/v1alpha1
    kind: Application
    spec:
      source:
        path: deploy
      syncPolicy:
        automated: {}
"""


@pytest.mark.parametrize(
    ("manifest", "state"),
    [("kind: Deployment\nspec:\n  image: churn:1\n", State.WIRED), ("kind: StorageClass\n", State.ABSENT)],
)
def test_a_folder_that_argo_cd_brings_to_a_cluster(ask: Ask, manifest: str, state: State) -> None:
    files = {"app.py": SERVED, "Dockerfile": "FROM python:3.12\nCOPY app.py .\nCMD uvicorn app:app\n"}
    assert ask("service-cd", {**files, "argo.yaml": SYNCED, "deploy/it.yaml": manifest}).state is state


def test_options_of_a_runner_of_tests_on_lines_of_their_own(ask: Ask) -> None:
    tested = {"model.py": FIT, "tests/test_model.py": "from model import train\ndef test_it():\n    assert train\n"}
    tox = "[testenv]\ncommands =\n    pytest \\\n        -s \\\n        tests\n"
    assert ask("tests-in-ci", {**tested, "tox.ini": tox, **on_push("tox -e py312")}).state is State.WIRED
    leaves = tox.replace("pytest", "- pytest")
    assert ask("tests-in-ci", {"tox.ini": leaves}).state is State.PRESENT


@pytest.mark.parametrize(
    ("asked", "state"), [("tests.TestModel.test_it", State.ABSENT), ("tests.test_it", State.WIRED)]
)
def test_names_that_unittest_is_given(ask: Ask, asked: str, state: State) -> None:
    tested = {"model.py": FIT, "tests/__init__.py": "", "tests/test_it.py": TESTED}
    assert ask("tests-in-ci", {**tested, **on_push(f"python -m unittest {asked}")}).state is state


TESTED = """
    import unittest
    from model import train

    class TestIt(unittest.TestCase):
        def test_it(self):
            self.assertIsNotNone(train([[0], [1]], [0, 1]))
"""


@pytest.mark.parametrize(("first", "state"), [("prepare.py", State.PRESENT), ("gone.py", State.ABSENT)])
def test_a_stage_whose_script_is_nowhere(ask: Ask, first: str, state: State) -> None:
    stages = f"stages:\n  prepare:\n    cmd: python {first}\n  train:\n    cmd: python train.py\n"
    files = {"dvc.yaml": stages, "prepare.py": "print('rows')\n", "train.py": TRAIN}
    assert ask("pipeline-orchestrated", files).state is state


@pytest.mark.parametrize(("after", "state"), [("pytest", State.PRESENT), ("python send.py", State.WIRED)])
def test_an_environment_of_tests_that_trains_for_them(ask: Ask, after: str, state: State) -> None:
    tox = f"[testenv:all]\ncommands =\n    python train.py\n    {after}\n"
    files = {"train.py": TRAIN, "send.py": "print('sent')\n", "tox.ini": tox, **on_push("tox -e all")}
    assert ask("training-automated", files).state is state


def test_training_of_a_script_that_goes_on_when_it_fails(ask: Ask) -> None:
    files = {"train.py": TRAIN, "all.sh": "python train.py\npython other.py\n", **on_push("bash all.sh")}
    assert ask("training-automated", files).state is State.WIRED


FOLLOWS = """
    name: {name}
    on:
      workflow_run:
        workflows: [{before}]
    jobs:
      {job}:
        runs-on: ubuntu-latest
        steps:
          - run: python evaluate.py
"""


@pytest.mark.parametrize(
    ("before", "job", "state"),
    [("train", "evaluate", State.WIRED), ("train", "announce", State.ABSENT), ("lint", "evaluate", State.ABSENT)],
)
def test_a_workflow_that_follows_the_one_that_trains(ask: Ask, before: str, job: str, state: State) -> None:
    trains = on_push("python train.py")[".github/workflows/ci.yml"].replace("on: push", "name: train\n    on: push")
    after = FOLLOWS.format(name="after", before=before, job=job)
    files = {"train.py": TRAIN, "evaluate.py": "print('well')\n", ".github/workflows/train.yml": trains}
    assert ask("pipeline-orchestrated", {**files, ".github/workflows/after.yml": after}).state is state


R_TRAINS = """
    library(azuremlsdk)
    run <- submit_experiment(experiment(ws, "churn"), estimator(entry_script = "fit.R"))
"""
R_DEPLOYS = """
    library(azuremlsdk)
    model <- register_model(ws, model_path = "model.rds", model_name = "churn")
    service <- deploy_model(ws, "churn", list(model), config, aci_webservice_deployment_config(cpu_cores = 1))
"""
R_LOGS = "library(azuremlsdk)\nfit <- glm(late ~ ., data = rows)\nlog_metric_to_run('accuracy', 0.9)\n"
MACHINE = """
    on: push
    jobs:
      train:
        runs-on: ubuntu-latest
        steps:
          - uses: JimCronqvist/action-ssh@master
            with:
              hosts: there
              command: |
                cd churn/model
                Rscript {script}
"""


@pytest.mark.parametrize(
    ("script", "practice", "state"),
    [
        ("train.R", "training-automated", State.WIRED),
        ("other.R", "training-automated", State.PRESENT),
        ("deploy.R", "service-cd", State.WIRED),
        ("train.R", "service-cd", State.ABSENT),
        ("deploy.R", "model-registry", State.WIRED),
        ("deploy.R", "model-serving", State.WIRED),
        ("train.R", "experiment-tracking", State.PRESENT),
    ],
)
def test_scripts_of_r_on_a_machine_that_an_action_enters(ask: Ask, script: str, practice: str, state: State) -> None:
    files = {"model/train.R": R_TRAINS, "model/deploy.R": R_DEPLOYS, "model/fit.R": R_LOGS}
    assert ask(practice, {**files, ".github/workflows/ci.yml": MACHINE.format(script=script)}).state is state


SEEDED = """
    from aws_cdk import aws_codebuild, aws_codecommit
    code = aws_codecommit.Code.from_zip_file(f"{folder}/{{name}}.zip")
    repository = aws_codecommit.Repository(stack, "churn", code=code)
    build = aws_codebuild.Project(stack, "build")
"""


@pytest.mark.parametrize(("folder", "state"), [("seeds", State.WIRED), ("others", State.ABSENT)])
def test_a_repository_that_a_stack_fills_with_a_folder(ask: Ask, folder: str, state: State) -> None:
    spec = "version: 0.2\nphases:\n  build:\n    commands:\n      - docker push $HOST/churn\n"
    files = {"stack.py": SEEDED.format(folder=folder), "seeds/image/buildspec.yml": spec}
    assert ask("automated-build", files).state is state


JOBS = """
    version: 2.1
    jobs:
      train:
        steps:
          - run: python 2_train.py
      try:
        steps:
          - run: python {script}
    workflows:
      all:
        jobs:
          - train
          - try:
              requires: [train]
"""


@pytest.mark.parametrize(("script", "state"), [("3_test.py", State.WIRED), ("3_send.py", State.ABSENT)])
def test_a_job_that_judges_after_the_one_that_trains(ask: Ask, script: str, state: State) -> None:
    judges = "accuracy = 0.7\nif accuracy < 0.8:\n    raise RuntimeError('too bad')\n"
    files = {"2_train.py": TRAIN, "3_test.py": judges, "3_send.py": "print('sent')\n"}
    assert ask("pipeline-orchestrated", {**files, ".circleci/config.yml": JOBS.format(script=script)}).state is state


ROUTE = """
    from fastapi import FastAPI
    from train import train
    app = FastAPI()

    @app.post("/retrain")
    def retrain():
        train([[0], [1]], [0, 1])
"""
GOOGLE = "gcloud scheduler jobs create http nightly --schedule='0 3 * * *' --uri=$URL{route} --http-method=POST\n"
AMAZON = """
    aws lambda create-function --function-name churn --handler jobs.{handler} --zip-file fileb://churn.zip
    aws events put-rule --name nightly {when}
    aws events put-targets --rule nightly --targets "Id=1,Arn=$ARN"
"""
HANDLER = f"{FIT}def handler(event, context):\n    train([[0], [1]], [0, 1])\ndef other(event, context):\n    pass\n"


@pytest.mark.parametrize(
    ("script", "state"),
    [
        (GOOGLE.format(route="/retrain"), State.WIRED),
        (GOOGLE.format(route="/health"), State.ABSENT),
        (GOOGLE.format(route="/retrain").replace("create http", "describe"), State.ABSENT),
    ],
)
def test_a_route_that_a_scheduler_is_told_to_ask(ask: Ask, script: str, state: State) -> None:
    files = {"train.py": FIT, "app.py": ROUTE, "deploy.sh": script}
    assert ask("ct-trigger-schedule", files).state is state


def test_a_job_that_a_scheduler_is_told_to_run(ask: Ask) -> None:
    job = GOOGLE.format(route="/apis/run.googleapis.com/v1/namespaces/team/jobs/churn-train:run")
    files = {"train.py": TRAIN, "Dockerfile": IMAGE}
    assert ask("ct-trigger-schedule", {**files, "deploy.sh": job}).state is State.WIRED
    assert ask("ct-trigger-schedule", {**files, "deploy.sh": job.replace(":run", ":show")}).state is State.ABSENT


@pytest.mark.parametrize(
    ("handler", "when", "state"),
    [
        ("handler", "--schedule-expression 'rate(1 day)'", State.WIRED),
        ("handler", "--schedule-expression 'rate(1 day)' --state DISABLED", State.ABSENT),
        ("handler", "--event-pattern '{}'", State.ABSENT),
        ("other", "--schedule-expression 'rate(1 day)'", State.ABSENT),
    ],
)
def test_a_function_that_a_rule_of_a_script_starts(ask: Ask, handler: str, when: str, state: State) -> None:
    script = AMAZON.format(handler=handler, when=when)
    assert ask("ct-trigger-schedule", {"jobs.py": HANDLER, "rules.sh": script}).state is state


JOB = """
    resource "google_cloud_scheduler_job" "nightly" {
      schedule = "0 3 * * *"
      http_target {
        http_method = "POST"
        uri         = "${google_cloud_run_service.churn.status[0].url}/ROUTE"
      }
    }
"""


@pytest.mark.parametrize(("route", "state"), [("retrain", State.WIRED), ("health", State.ABSENT)])
def test_a_route_that_terraform_has_a_scheduler_ask(ask: Ask, route: str, state: State) -> None:
    files = {"train.py": FIT, "app.py": ROUTE, "main.tf": JOB.replace("ROUTE", route)}
    assert ask("ct-trigger-schedule", files).state is state
