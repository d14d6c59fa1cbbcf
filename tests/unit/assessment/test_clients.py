"""Clients and actions that bring something to where it runs, beside those that only look, try or prepare."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import Ask

APP = (
    "from fastapi import FastAPI\nimport joblib\napp = FastAPI()\nmodel = joblib.load('model.pkl')\n"
    "@app.post('/predict')\ndef predict(x: dict):\n    return model.predict([x])\n"
)
SERVED = {"app.py": APP, "Dockerfile": "FROM python:3.12\nCOPY . .\nCMD uvicorn app:app\n"}


def job(*steps: str) -> dict[str, str]:
    """A workflow of one job with these steps on each push."""
    inner = "".join(f"      - {step}\n" for step in steps)
    return {".github/workflows/ci.yml": f"on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n{inner}"}


def run(*commands: str) -> str:
    return "run: |\n" + "".join(f"          {each}\n" for each in commands)


def uses(action: str, **given: str) -> str:
    inner = "".join(f"          {name}: {value}\n" for name, value in given.items())
    return f"uses: {action}\n        with:\n{inner}"


@pytest.mark.parametrize(
    ("command", "deployed"),
    [
        ("gcloud beta run deploy churn --image x", True),
        ("gcloud run jobs deploy score --image x", True),
        ("gcloud run jobs update retrain --image x", False),
        ("az containerapp job update -n score --image x", True),
        ("aws lambda create-function --function-name churn --code ImageUri=x", True),
        ("aws apprunner start-deployment --service-arn x", True),
        ("aws cloudformation update-stack --stack-name churn", True),
        ("helmfile apply", True),
        ("kubectl apply -f k8s", True),
        ("kubectl apply --dry-run=client -f k8s", False),
        ("helm upgrade --dry-run churn ./chart", False),
        ("kubectl apply --dry-run=none -f k8s", True),
        ("docker service update --image x churn", True),
        ("docker --context remote compose up -d", True),
        ("docker --context remote compose ps", False),
        ("docker -H ssh://team@host run -d churn", True),
        ("docker compose up -d", False),
        ("ssh team@host 'bash deploy.sh'", True),
        ("ssh team@host 'ls /srv'", False),
        ("git push https://token@git.heroku.com/churn.git main", True),
        ("git push origin main", False),
        ("az aks command invoke --command 'kubectl apply -f x'", True),
    ],
)
def test_what_a_command_brings_somewhere(ask: Ask, command: str, deployed: bool) -> None:
    found = ask("service-cd", {**SERVED, **job(run(command))})
    assert (found.state is State.WIRED) is deployed


@pytest.mark.parametrize(
    ("before", "command", "deployed"),
    [
        ("docker context use remote", "docker compose up -d", True),
        ("docker context use default", "docker compose up -d", False),
        ("echo", "DOCKER_HOST=ssh://team@host docker compose up -d", True),
        ("echo", "DOCKER_HOST=unix docker compose up -d", False),
    ],
)
def test_containers_on_a_machine_that_docker_is_told(ask: Ask, before: str, command: str, deployed: bool) -> None:
    found = ask("service-cd", {**SERVED, **job(run(before, command))})
    assert (found.state is State.WIRED) is deployed


@pytest.mark.parametrize(
    ("step", "deployed"),
    [
        (uses("awslabs/amazon-app-runner-deploy@main", service="churn"), True),
        (uses("WyriHaximus/github-action-helm3@v3", exec="helm upgrade --install churn ./chart"), True),
        (uses("WyriHaximus/github-action-helm3@v3", exec="helm lint ./chart"), False),
        (uses("steebchen/kubectl@v2", command="set image deployment/churn churn=x"), True),
        (uses("pulumi/actions@v5", command="up"), True),
        (uses("pulumi/actions@v5", command="preview"), False),
        (uses("fjogeleit/http-request-action@v1", url="${{ secrets.RENDER_DEPLOY_HOOK }}"), True),
        (uses("fjogeleit/http-request-action@v1", url="https://team.example/ping"), False),
    ],
)
def test_what_an_action_brings_somewhere(ask: Ask, step: str, deployed: bool) -> None:
    assert (ask("service-cd", {**SERVED, **job(step)}).state is State.WIRED) is deployed


def test_who_goes_on_all_the_same_has_deployed(ask: Ask) -> None:
    step = "continue-on-error: true\n        run: railway up"
    assert ask("service-cd", {**SERVED, **job(step)}).state is State.WIRED


@pytest.mark.parametrize(("outputs", "kept"), [("type=image,push=true", True), ("type=docker,dest=x.tar", False)])
def test_an_image_is_kept_where_the_action_pushes_it(ask: Ask, outputs: str, kept: bool) -> None:
    found = ask("automated-build", {**SERVED, **job(uses("docker/build-push-action@v5", outputs=outputs))})
    assert (found.state is State.WIRED) is kept


ALARM = """
    resource "{kind}" "a" {{
      namespace = "{space}"
      metric_name = "{counted}"
    }}
"""
ANSWERS = {
    "h.py": "import joblib\nm = joblib.load('x')\ndef lambda_handler(event, context):\n    return m.predict(event)\n"
}
WRITES = {"h.py": "def lambda_handler(event, context):\n    return 'ok'\n"}


@pytest.mark.parametrize(
    ("kind", "space", "counted", "watched"),
    [
        ("aws_cloudwatch_metric_alarm", "AWS/Lambda", "Errors", (True, False)),
        ("aws_cloudwatch_metric_alarm", "AWS/SQS", "Errors", (False, False)),
        ("google_monitoring_alert_policy", "", "run.googleapis.com/request_latencies", (True, False)),
        ("google_monitoring_alert_policy", "", "storage.googleapis.com/bytes", (False, False)),
    ],
)
def test_alarms_on_what_is_counted_of_a_service(
    ask: Ask, kind: str, space: str, counted: str, watched: tuple[bool, bool]
) -> None:
    alarm = {"main.tf": ALARM.format(kind=kind, space=space, counted=counted)}
    for files, expected in zip((ANSWERS, WRITES), watched, strict=True):
        assert (ask("service-monitoring", {**files, **alarm}).state is State.PRESENT) is expected


def test_serving_that_terragrunt_bundles_and_functions_declare(ask: Ask) -> None:
    assert ask("infra-as-code", {"live/terragrunt.hcl": 'terraform {\n  source = "../net"\n}\n'}).state is State.PRESENT
    assert ask("infra-as-code", {"live/terragrunt.hcl": "inputs = {}\n"}).state is State.ABSENT
    bundle = "bundle:\n  name: x\nresources:\n  {kind}:\n    churn:\n      name: churn\n"
    declared = {"databricks.yml": bundle.format(kind="model_serving_endpoints")}
    assert ask("model-serving", declared).state is State.PRESENT
    assert ask("model-serving", {"databricks.yml": bundle.format(kind="schemas")}).state is State.ABSENT
    asks = (
        "import boto3\ndef lambda_handler(event, context):\n    return boto3.client('{of}').invoke_{what}(Name='x')\n"
    )
    assert ask("model-serving", {"h.py": asks.format(of="sagemaker-runtime", what="endpoint")}).state is State.PRESENT
    assert ask("model-serving", {"h.py": asks.format(of="lambda", what="async")}).state is State.ABSENT
