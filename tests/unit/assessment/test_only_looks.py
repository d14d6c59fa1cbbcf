"""What only looks like a practice: steps that cannot run, verdicts of people, pages and tests of others."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import FIT, SERVED, Ask, on_push

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
        ("curl -s -w '%{http_code}' -o /dev/null $SERVICE_URL/health", State.WIRED),
        ("curl -H 'Host:a' --max-time 5 --retry 3 $SERVICE_URL/predict", State.WIRED),
        ("curl -s -H http://localhost/predict https://example.org/page", State.ABSENT),  # a header is no place
        ("curl -fsSLo- $SERVICE_URL/health", State.WIRED),
        ("curl -T row.json $SERVICE_URL/predict", State.WIRED),
        ("wget --spider -q $SERVICE_URL/health", State.WIRED),
        ("wget -q -O - $SERVICE_URL/health", State.WIRED),
        ("wget -o log.txt $SERVICE_URL/health", State.ABSENT),  # the log; the page is kept beside it
        ("wget --post-data=a=1 -O answer.json $SERVICE_URL/predict", State.WIRED),
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


PREDICTIONS = """
import pickle
import pandas as pd
def predict(path):
    model = pickle.load(open("model.pkl", "rb"))
    frame = pd.read_csv(path)
    frame["predicted"] = model.predict(frame)
    {kept} = frame["cost"]
    frame["cost"] = {kept}
    frame.to_csv("predictions.csv")
if __name__ == "__main__":
    predict("rows.csv")
"""


@pytest.mark.parametrize(("kept", "state"), [("y_test", State.ABSENT), ("spent", State.WIRED)])
def test_answers_beside_the_truth_are_a_test_of_the_model(ask: Ask, kept: str, state: State) -> None:
    files = {"predict.py": PREDICTIONS.format(kept=kept), **on_push("python predict.py")}
    assert ask("model-serving", files).state is state


@pytest.mark.parametrize(("model", "state"), [("models:/churn/Production", State.PRESENT), ("m", State.ABSENT)])
def test_a_batch_that_a_person_starts(ask: Ask, model: str, state: State) -> None:
    code = f"""
        import mlflow
        import pandas as pd
        def score():
            model = mlflow.pyfunc.load_model("{model}")
            rows = pd.read_csv("rows.csv")
            rows["answer"] = model.predict(rows)
            rows.to_csv("answers.csv")
        if __name__ == "__main__":
            score()
    """
    assert ask("model-serving", {"score.py": code}).state is state


@pytest.mark.parametrize(("fits", "state"), [("", State.ABSENT), ("model.fit(rows, rows)", State.WIRED)])
def test_what_a_request_is_answered_is_no_experiment(ask: Ask, fits: str, state: State) -> None:
    code = f"""
        import joblib
        import mlflow
        from fastapi import FastAPI
        from sklearn.linear_model import LogisticRegression
        app = FastAPI()
        @app.post("/predict")
        def answer(rows: list):
            model = LogisticRegression()
            {fits}
            mlflow.log_metric("answer", model.predict(rows)[0])
    """
    files = {"app.py": code, "Dockerfile": "FROM python\nCOPY . .\nCMD uvicorn app:app\n"}
    compose = "services:\n  api:\n    build: .\n"
    assert ask("experiment-tracking", {**files, "docker-compose.yml": compose}).state is state


@pytest.mark.parametrize(
    ("name", "call", "state"),
    [
        ("validate_settings_schema", "validate(instance=text, schema=schema)", State.ABSENT),
        ("validate_data_schema", "validate(instance=text, schema=schema)", State.WIRED),
    ],
)
def test_a_check_of_settings_is_none_of_data(ask: Ask, name: str, call: str, state: State) -> None:
    code = f"""
        from jsonschema import validate
        def {name}(text, schema):
            {call}
            if not text:
                raise ValueError("empty")
        if __name__ == "__main__":
            {name}({{}}, {{}})
    """
    assert ask("data-tests", {"checks.py": code, "model.py": FIT, **on_push("python checks.py")}).state is state


@pytest.mark.parametrize(
    ("asked", "state"), [("[target]", State.ABSENT), ("['age', target]", State.WIRED), ("COLUMNS", State.WIRED)]
)
def test_the_column_to_learn_alone(ask: Ask, asked: str, state: State) -> None:
    code = f"""
        import pandas as pd
        from model import train
        COLUMNS = ["age", "spent"]
        def ensure_columns(frame, names):
            missing = [name for name in names if name not in frame.columns]
            if missing:
                raise ValueError(missing)
        def main(target):
            frame = pd.read_csv("rows.csv")
            ensure_columns(frame, {asked})
            train(frame[["age"]], frame[target])
        if __name__ == "__main__":
            main("spent")
    """
    assert ask("data-tests", {"pipeline.py": code, "model.py": FIT, **on_push("python pipeline.py")}).state is state


@pytest.mark.parametrize(
    ("name", "loaded", "state"),
    [
        ("test_higher_rate_scores_higher", "joblib.load('model.pkl')", State.PRESENT),
        ("test_higher_rate_scores_higher", "object()", State.ABSENT),
        ("test_two_rates", "joblib.load('model.pkl')", State.ABSENT),
    ],
)
def test_how_answers_to_two_rows_differ(ask: Ask, name: str, loaded: str, state: State) -> None:
    code = f"import joblib\ndef score(rows):\n    return {loaded}.predict(rows)\n"
    test = f"from scoring import score\ndef {name}():\n    low, high = score([[6], [26]])\n    assert high > low\n"
    assert ask("model-quality-tests", {"scoring.py": code, "tests/test_scoring.py": test}).state is state


ECS = """
    on: push
    jobs:
      deploy:
        runs-on: ubuntu-latest
        steps:
          - uses: actions/checkout@v4
          - run: {before}
          - id: task
            uses: aws-actions/amazon-ecs-render-task-definition@v1
            with:
              task-definition: {file}
              container-name: churn
              image: churn:1
          - uses: aws-actions/amazon-ecs-deploy-task-definition@v2
            with:
              task-definition: ${{{{ steps.task.outputs.task-definition }}}}
              service: churn
"""


@pytest.mark.parametrize(
    ("file", "before", "state"),
    [
        ("ecs/task.json", "echo", State.WIRED),
        ("gone.json", "echo", State.ABSENT),
        ("gone.json", "aws ecs describe-task-definition --task-definition churn > gone.json", State.WIRED),
        ("${{{{ env.TASK }}}}", "echo", State.WIRED),  # which nobody can tell
    ],
)
def test_a_deployment_of_what_no_file_describes(ask: Ask, file: str, before: str, state: State) -> None:
    text = ECS.format(file=file.format(), before=before)
    serving = {"app.py": SERVED, "Dockerfile": "FROM python\nCOPY app.py .\nCMD uvicorn app:app\n"}
    found = ask("service-cd", {**serving, "ecs/task.json": "{}", ".github/workflows/cd.yml": text})
    assert found.state is state


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ("trace.get_tracer('churn').start_as_current_span('predict')", State.PRESENT),
        ("trace.set_span_in_context(trace.NonRecordingSpan(None))", State.ABSENT),
        ("extract({})", State.ABSENT),
    ],
)
def test_a_service_that_only_hands_the_mark_of_a_request_on(ask: Ask, line: str, state: State) -> None:
    traced = "    from opentelemetry import trace\n    from opentelemetry.propagate import extract\n" + SERVED.lstrip(
        "\n"
    )
    found = ask("service-monitoring", {"app.py": f"{traced}    {line}\n"})
    assert found.state is state
