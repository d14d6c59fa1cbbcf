"""CI systems other than GitHub's, in the forms in which repositories use them."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import Ask

SERVICE = """
    import joblib
    from fastapi import FastAPI
    app = FastAPI()
    model = joblib.load("model.joblib")
    @app.post("/predict")
    def predict(x: float):
        return model.predict([[x]])
"""
IMAGE = {"Dockerfile": "FROM python\nCOPY app.py .\nCMD uvicorn app:app\n", "app.py": SERVICE}
JENKINS = "pipeline {{ stages {{ stage('Image') {{ steps {{ script {{ {} }} }} }} }} }}"


class TestJenkins:
    @pytest.mark.parametrize(
        ("says", "state"),
        [
            ("image = docker.build('churn')\n docker.withRegistry('') { image.push('latest') }", State.WIRED),
            ("docker.build('churn')\n sh 'ls'", State.ABSENT),
            ("names.push('latest')\n sh 'ls'", State.ABSENT),
            ("sh(label: 'push it', script: 'docker push team/churn')", State.WIRED),
            ("sh(script: 'docker push team/churn', returnStatus: true)", State.WIRED),
            ("powershell 'docker push team/churn'", State.WIRED),
        ],
    )
    def test_what_is_pushed(self, ask: Ask, says: str, state: State) -> None:
        assert ask("automated-build", {**IMAGE, "Jenkinsfile": JENKINS.format(says)}).state is state


CIRCLE = """
    version: 2.1
    jobs:
      train:
        steps:
          - run: python train.py
      kept:
        steps:
          - run: docker push team/churn
    workflows:
      all:
        jobs:
          - train
          - {job}
"""
ORB = "aws-ecr/build-and-push-image:\n              repo: churn\n              requires: [train]"


class TestCircle:
    @pytest.mark.parametrize(("job", "state"), [(ORB, State.WIRED), ("kept", State.WIRED), ("node/test", State.ABSENT)])
    def test_the_jobs_that_a_workflow_names(self, ask: Ask, job: str, state: State) -> None:
        files = {**IMAGE, ".circleci/config.yml": CIRCLE.format(job=job)}
        assert ask("automated-build", files).state is state

    def test_an_orb_that_waits_for_a_person(self, ask: Ask) -> None:
        job = "hold:\n              type: approval\n          - heroku/deploy-via-git:\n              requires: [hold]"
        assert ask("service-cd", {**IMAGE, ".circleci/config.yml": CIRCLE.format(job=job)}).state is State.PRESENT
        free = "heroku/deploy-via-git"
        assert ask("service-cd", {**IMAGE, ".circleci/config.yml": CIRCLE.format(job=free)}).state is State.WIRED


class TestTravis:
    @pytest.mark.parametrize(
        ("deploy", "state"),
        [
            ("deploy:\n  provider: heroku\n  app: churn\n", State.WIRED),
            ("deploy:\n  - provider: script\n    script: kubectl apply -f k8s\n", State.WIRED),
            ("deploy:\n  provider: pages\n", State.ABSENT),
            ("jobs:\n  include:\n    - stage: deploy\n      script: kubectl apply -f k8s\n", State.WIRED),
        ],
    )
    def test_where_it_deploys(self, ask: Ask, deploy: str, state: State) -> None:
        assert ask("service-cd", {**IMAGE, ".travis.yml": f"script: pytest\n{deploy}"}).state is state


def test_a_pipe_of_bitbucket(ask: Ask) -> None:
    step = "pipelines:\n  default:\n    - step:\n        script:\n          - pipe: {}\n"
    deployed = {**IMAGE, "bitbucket-pipelines.yml": step.format("atlassian/aws-ecs-deploy:1.6.0")}
    told = {**IMAGE, "bitbucket-pipelines.yml": step.format("atlassian/slack-notify:2.0.0")}
    assert ask("service-cd", deployed).state is State.WIRED
    assert ask("service-cd", told).state is State.ABSENT


@pytest.mark.parametrize(("command", "state"), [("pytest", State.WIRED), ("ls", State.ABSENT)])
def test_a_command_that_runs_in_the_container_of_an_editor(ask: Ask, command: str, state: State) -> None:
    step = f"{{uses: devcontainers/ci@v0.3, with: {{runCmd: {command}}}}}"
    files = {
        ".github/workflows/ci.yml": f"on: push\njobs: {{a: {{runs-on: x, steps: [{step}]}}}}\n",
        "rows.py": "def clean(x):\n    return x\n",
        "tests/test_rows.py": "from rows import clean\ndef test_clean():\n    assert clean(1) == 1\n",
    }
    assert ask("tests-in-ci", files).state is state


@pytest.mark.parametrize(
    ("address", "state"),
    [
        ("https://api.render.com/v1/services/$ID/deploys", State.WIRED),
        ("https://api.render.com/v1/owners", State.ABSENT),
    ],
)
def test_a_host_that_is_told_to_deploy(ask: Ask, address: str, state: State) -> None:
    workflow = f"on: push\njobs: {{a: {{runs-on: x, steps: [{{run: curl -X POST {address}}}]}}}}\n"
    assert ask("service-cd", {**IMAGE, ".github/workflows/cd.yml": workflow}).state is state


SHINY = "library(shiny)\n{}\nshinyServer(function(input, output) {{ output$x <- renderText(answer(input)) }})\n"


class TestR:
    @pytest.mark.parametrize(
        ("helper", "state"),
        [
            ('source("helpers.R")', State.PRESENT),
            ('source(here::here("helpers.R"))', State.PRESENT),
            ('source("other.R")', State.ABSENT),
            ("", State.ABSENT),
        ],
    )
    def test_a_page_whose_helpers_predict(self, ask: Ask, helper: str, state: State) -> None:
        files = {
            "server.R": SHINY.format(helper),
            "helpers.R": "answer <- function(input) predict(readRDS('model.rds'), input)\n",
            "other.R": "answer <- function(input) input\n",
        }
        assert ask("model-serving", files).state is state

    @pytest.mark.parametrize("fit", ["h2o.gbm(x, y, rows)", "naiveBayes(y ~ ., rows)", "tune_bayes(flow, folds)"])
    def test_more_that_fits(self, ask: Ask, fit: str) -> None:
        assert ask("modular-code", {"train.R": f"model <- {fit}\n"}).state.rank >= State.PRESENT.rank


@pytest.mark.parametrize(
    ("condition", "state"), [("steps.check-secrets.outputs.there == 'yes'", State.WIRED), ("secrets.KEY", State.ABSENT)]
)
def test_a_step_that_only_has_secrets_in_its_name(ask: Ask, condition: str, state: State) -> None:
    step = f'{{run: docker push team/churn, if: "{condition}"}}'
    files = {**IMAGE, ".github/workflows/cd.yml": f"on: push\njobs: {{a: {{runs-on: x, steps: [{step}]}}}}\n"}
    assert ask("automated-build", files).state is state
