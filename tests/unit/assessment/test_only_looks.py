"""What only looks like a practice: steps that cannot run, verdicts of people, pages and tests of others."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import FIT, Ask, on_push

TEST = "from model import train\ndef test_train():\n    assert train([[1], [2]], [1, 2]) is not None\n"
GITHUB = """
    on: push
    jobs:
      test:
        runs-on: ubuntu-latest
        steps:
          - run: {before}
          - run: pip install -r {listed}{more}
          - run: pytest
"""
HERE = {"model.py": FIT, "tests/test_model.py": TEST}


@pytest.mark.parametrize(
    ("listed", "before", "more", "state"),
    [
        ("requirements.txt", "echo", "", State.WIRED),
        ("dev/requirements.txt", "echo", "", State.WIRED),  # a file of that name is somewhere: where, nobody knows
        ("test-requirements.txt", "echo", "", State.ABSENT),
        ("test-requirements.txt", "echo", " || true", State.WIRED),
        ("test-requirements.txt", "poetry export -o test-requirements.txt", "", State.WIRED),
        ("test-requirements.txt", "git clone https://host/team/lists lists", "", State.WIRED),
        ("$LISTS/test.txt", "echo", "", State.WIRED),
    ],
)
def test_a_job_that_installs_what_no_file_lists(ask: Ask, listed: str, before: str, more: str, state: State) -> None:
    text = GITHUB.format(listed=listed, before=before, more=more)
    found = ask("tests-in-ci", {**HERE, "requirements.txt": "pytest\n", ".github/workflows/ci.yml": text})
    assert found.state is state


@pytest.mark.parametrize(
    ("run", "state"),
    [
        ("curl -f http://localhost:8080/predict -d @row.json", State.WIRED),
        ("wget -qO- http://127.0.0.1:8080/health", State.WIRED),
        ("curl -sf $SERVICE_URL/predict", State.WIRED),
        ("curl -s -o /dev/null $SERVICE_URL/predict", State.WIRED),
        ("curl -X POST $SCORING_URL --data @row.json", State.WIRED),
        ("wget -q $(helmDownloadURL) -O /tmp/helm.tar.gz", State.ABSENT),
        ("curl -fsSLo tool.tgz $TOOL_URL/tool.tgz", State.ABSENT),
        ("curl -sSO ${TOOL_URL}/tool.tgz", State.ABSENT),
        ("curl -s $TOOL_URL", State.ABSENT),
        ("curl -X POST $SERVICE_URL/predict -d @row.json -o answer.json", State.WIRED),
        ("curl -fs https://my-model.example.org/predict -d @row.json", State.WIRED),
        ("curl -f https://my-model.example.org/health", State.WIRED),
        ("curl -O https://example.org/healthcare-dataset.csv", State.ABSENT),
        ("wget https://zenodo.org/health.csv", State.ABSENT),
        ("curl --output=/tmp/t.tgz $TOOL_URL/t.tgz", State.ABSENT),
        ("wget --output-document=/tmp/t.tgz $TOOL_URL/t.tgz", State.ABSENT),
        ("wget -q $DATA_URL/train.csv", State.ABSENT),
        ("wget -P data $DATA_URL/train.csv", State.ABSENT),
        ("curl -sSL $INSTALL_URL/install.sh", State.ABSENT),
        ("curl -X POST $SLACK_WEBHOOK_URL -d '{}'", State.ABSENT),
    ],
)
def test_a_download_is_no_request_to_the_service(ask: Ask, run: str, state: State) -> None:
    assert ask("integration-tests-service", {"model.py": FIT, **on_push(run)}).state is state


AZURE = """
    trigger: [main]
    variables:
      - name: where
        value: {value}
    steps:
      - script: |
          pip install -r {first}
          pip install -r {second}
      - script: pytest
        workingDirectory: $(where)
"""


@pytest.mark.parametrize(
    ("value", "first", "second", "state"),
    [
        ("tests", "requirements.txt", "requirements.txt", State.WIRED),
        ("churn", "requirements.txt", "requirements.txt", State.ABSENT),  # no such folder
        ("tests", "gone.txt", "requirements.txt", State.WIRED),  # Azure goes on to the last command
        ("tests", "requirements.txt", "gone.txt", State.ABSENT),
    ],
)
def test_a_job_of_azure(ask: Ask, value: str, first: str, second: str, state: State) -> None:
    text = AZURE.format(value=value, first=first, second=second)
    found = ask("tests-in-ci", {**HERE, "requirements.txt": "pytest\n", "azure-pipelines.yml": text})
    assert found.state is state


PROMOTES = """
    import argparse
    from mlflow import MlflowClient
    from model import train

    def is_better(accuracy, floor):
        return accuracy > floor

    def promote_champion():
        MlflowClient().set_registered_model_alias("churn", "champion", "1")

    def main():
        args = argparse.ArgumentParser().parse_args()
        passed = is_better(0.9, 0.8)
        if {asked}:
            promote_champion()

    if __name__ == "__main__":
        main()
"""


@pytest.mark.parametrize(
    ("asked", "state"),
    [
        ("passed", State.PRESENT),
        ("args.promote", State.ABSENT),
        ('args.command == "promote"', State.ABSENT),
        ("args.promote and accuracy > args.floor", State.PRESENT),
    ],
)
def test_what_a_person_asked_for_is_no_verdict(ask: Ask, asked: str, state: State) -> None:
    found = ask("model-validation-gate", {"model.py": FIT, "release.py": PROMOTES.format(asked=asked)})
    assert found.state is state


SERVICE = """
    import joblib
    from fastapi import FastAPI
    app = FastAPI()
    model = joblib.load("model.joblib")

    @app.post("/predict")
    def predict(rows: list):
        return model.predict(rows)

    @app.get("/metrics")
    def metrics():
        return {answer}
"""


@pytest.mark.parametrize(
    ("answer", "state"),
    [('"requests_total 1"', State.PRESENT), ('templates.TemplateResponse("metrics.html", {})', State.ABSENT)],
)
def test_a_page_for_people_has_no_metrics_to_collect(ask: Ask, answer: str, state: State) -> None:
    files = {"app.py": SERVICE.format(answer=answer), "Dockerfile": 'FROM python\nCMD ["uvicorn", "app:app"]'}
    assert ask("service-monitoring", files).state is state


KEDRO = """
    from kedro.framework.session import KedroSession
    def test_run():
        session = KedroSession.create()
        assert "{said}" in str(session.run())
"""


@pytest.mark.parametrize(("said", "state"), [("churn", State.PRESENT), ("Pipeline contains no nodes", State.ABSENT)])
def test_the_test_that_a_new_project_of_kedro_has(ask: Ask, said: str, state: State) -> None:
    assert ask("unit-tests-code", {"tests/test_run.py": KEDRO.format(said=said)}).state is state


CHECKS = """
    {takes}
    import pandas as pd
    from sklearn.linear_model import LinearRegression

    def validate_features(frame):
        if set(frame.columns) != {{"a", "b"}}:
            raise ValueError("other columns")

    def train():
        frame = pd.read_csv("rows.csv")
        validate_features(frame)
        LinearRegression().fit(frame[["a"]], frame["b"])

    if __name__ == "__main__":
        train()
"""


@pytest.mark.parametrize(("takes", "state"), [("import json", State.PRESENT), ("import ast", State.ABSENT)])
def test_a_check_of_code_is_none_of_data(ask: Ask, takes: str, state: State) -> None:
    assert ask("data-tests", {"train.py": CHECKS.format(takes=takes)}).state is state


JOB = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    command: Rscript {script} --data data
    code: src
"""
NIGHTLY = """
    on:
      schedule: [{cron: "0 0 * * *"}]
    jobs:
      a:
        runs-on: ubuntu-latest
        steps:
          - working-directory: nightly
            run: id=$(az ml job create -f job.yml --query name -o tsv)
"""
PENGUINS = 'library(caret)\nfit <- train(sex ~ ., data = rows, method = "rf")\n'


@pytest.mark.parametrize(("script", "state"), [("train.R", State.WIRED), ("plot.R", State.PRESENT)])
@pytest.mark.parametrize("practice", ["training-automated", "pipeline-cd"])
def test_a_job_of_r_in_a_folder_of_its_own(ask: Ask, practice: str, script: str, state: State) -> None:
    files = {
        ".github/workflows/nightly.yml": NIGHTLY,
        "nightly/job.yml": JOB.format(script=script),
        "nightly/src/train.R": PENGUINS,
        "nightly/src/plot.R": "plot(rows)\n",
    }
    found = ask(practice, files).state
    assert found is state if practice == "training-automated" else (found is State.WIRED) is (state is State.WIRED)
