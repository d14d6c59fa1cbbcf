"""What a model or its data are shown to be: by tests, by pages, by verdicts that a release waits for."""

from __future__ import annotations

import pytest

from windlass.assessment.assess import open_project
from windlass.assessment.facts import Facts
from windlass.assessment.kind import kind_of
from windlass.assessment.records import State

from .conftest import FIT, Ask, Write, on_push

TRAIN = f"{FIT}if __name__ == '__main__':\n    train([[0], [1]], [0, 1])\n"
E2E = """
    import requests
    {taken}

    def test_a_setosa():
        answer = requests.post("http://localhost:8080/predict", json={{"data": [[5.1, 3.5, 1.4, 0.2]]}})
        assert answer.status_code == 200
        data = answer.json()
        assert {held}
"""


@pytest.mark.parametrize(
    ("held", "taken", "state"),
    [
        ('data["predictions"][0] == 0', "", State.PRESENT),
        ('data["species"] == "setosa"', "", State.PRESENT),
        ('data["predictions"][0] in [0, 1, 2]', "", State.ABSENT),
        ('len(data["predictions"]) == 1', "", State.ABSENT),
        ('data["status"] == "ok"', "", State.ABSENT),
        ('data["predictions"][0] == 0', "from unittest.mock import patch", State.PRESENT),  # which it does not use
        ('data["predictions"][0] == 0 and patch', "from unittest.mock import patch", State.ABSENT),
    ],
)
def test_a_known_case_that_a_running_service_is_asked(ask: Ask, held: str, taken: str, state: State) -> None:
    found = ask("model-quality-tests", {"model.py": FIT, "tests/test_e2e.py": E2E.format(held=held, taken=taken)})
    assert found.state is state


METRICS = """
    import json
    import unittest

    class TestIt(unittest.TestCase):
        FILE = "results/metrics.json"

        def test_the_error(self):
            with open(self.FILE) as file:
                metrics = json.load(file)
            self.{held}
"""


@pytest.mark.parametrize(
    ("held", "state"),
    [
        ('assertLessEqual(metrics["rmse"], 0.8)', State.PRESENT),
        ('assertGreater(metrics["rmse"], 0.0)', State.ABSENT),
        ('assertIn("rmse", metrics)', State.ABSENT),
    ],
)
def test_metrics_of_a_run_that_unittest_holds_to_a_bound(ask: Ask, held: str, state: State) -> None:
    assert ask("model-quality-tests", {"test/test.py": METRICS.format(held=held)}).state is state


JUDGES = """
    import pickle
    model = pickle.load(open("model.pkl", "rb"))
    loss, accuracy = model.evaluate([[0]], [0])
    if accuracy < {floor}:
        raise RuntimeError("too bad")
"""


@pytest.mark.parametrize(
    ("name", "floor", "state"),
    [("3_test.py", "0.8", State.WIRED), ("3_test.py", "0", State.ABSENT), ("3_show.py", "0.8", State.ABSENT)],
)
def test_a_script_of_ci_that_tests_the_model(ask: Ask, name: str, floor: str, state: State) -> None:
    files = {"train.py": TRAIN, name: JUDGES.format(floor=floor)}
    assert ask("model-quality-tests", {**files, **on_push(f"python train.py && python {name}")}).state is state


STACK = """
    import aws_cdk.assertions as assertions
    from stack import Churn

    def test_the_pipeline():
        template = assertions.Template.from_stack(Churn())
        template.{asked}
"""


@pytest.mark.parametrize(
    ("asked", "state"),
    [('resource_count_is("AWS::S3::Bucket", 1)', State.PRESENT), ("to_json()", State.ABSENT)],
)
def test_what_a_test_asks_of_a_stack(ask: Ask, asked: str, state: State) -> None:
    files = {"stack.py": "class Churn: ...\n", "tests/test_stack.py": STACK.format(asked=asked)}
    assert ask("unit-tests-code", files).state is state


ROWS = """
    import pandas as pd
    from model import train

    def test_the_rows():
        frame = pd.read_csv("data/rows.csv")
        assert {asked}
"""


@pytest.mark.parametrize(
    ("asked", "then", "state"),
    [
        ("frame.shape[1] == 10", "python model.py", State.WIRED),
        ("frame.shape[1] == 10", "echo done", State.ABSENT),  # nothing trains there
        ("train(frame, frame) is not None", "python model.py", State.ABSENT),  # a test of code
    ],
)
def test_data_that_ci_tests_before_it_trains(ask: Ask, asked: str, then: str, state: State) -> None:
    files = {"model.py": TRAIN, "tests/test_rows.py": ROWS.format(asked=asked)}
    assert ask("data-tests", {**files, **on_push(f"pytest && {then}")}).state is state


LOADS = """
    import pandas as pd

    def load_raw(path):
        frame = pd.read_csv(path)
        missing = [each for each in ("age", "late") if each not in frame.columns]
        if missing:
            {then}
        return frame
"""
BETWEEN = "from load import load_raw\ndef bundle():\n    return load_raw('rows.csv')\n"
FITS = """
    from sklearn.linear_model import LinearRegression
    from bundle import bundle
    rows = bundle()
    LinearRegression().fit(rows[["age"]], rows["late"])
"""


@pytest.mark.parametrize(("then", "state"), [("raise ValueError(missing)", State.PRESENT), ("print(missing)", None)])
def test_columns_asked_for_two_calls_below_training(ask: Ask, then: str, state: State | None) -> None:
    files = {"load.py": LOADS.format(then=then), "bundle.py": BETWEEN, "run.py": FITS}
    assert ask("data-tests", files).state is (state or State.ABSENT)


PAGE = """
    import streamlit as st
    from scipy.stats import ks_2samp
    from sqlalchemy import text

    def drift(connection):
        rows = connection.execute(text("SELECT age FROM {table}")).all()
        return ks_2samp([1, 2, 3], rows)

    st.write(drift(None))
"""


@pytest.mark.parametrize(("table", "state"), [("predictions", State.PRESENT), ("customers", State.ABSENT)])
def test_a_page_of_what_was_answered(ask: Ask, table: str, state: State) -> None:
    assert ask("drift-monitoring", {"train.py": TRAIN, "page.py": PAGE.format(table=table)}).state is state


@pytest.mark.parametrize(("held_to", "state"), [("rows", State.PRESENT), ("None", State.ABSENT)])
def test_a_report_on_rows_that_are_held_to_no_others(ask: Ask, held_to: str, state: State) -> None:
    report = f"""
        import json
        from evidently.report import Report
        from evidently.metric_preset import DataDriftPreset
        from storage import bucket
        def report(rows, now):
            made = Report(metrics=[DataDriftPreset()])
            made.run(reference_data={held_to}, current_data=now)
            bucket.upload_file("report.html")
        report([], [])
    """
    assert ask("drift-monitoring", {"train.py": TRAIN, "report.py": report}).state is state


GATED = """
    import sys
    import mlflow

    def held(value, floor):
        passed = value >= floor
        return passed

    def main():
        client = mlflow.MlflowClient()
        metrics = client.get_run("1").data.metrics
        failures = []
        for name, floor in (("roc_auc", 0.7), ("f1", 0.5)):
            passed = held(metrics[name], floor)
            if not {asked}:
                failures.append(name)
        if failures:
            return 1
        client.transition_model_version_stage("churn", "1", "Production")
        return 0

    if __name__ == "__main__":
        sys.exit(main())
"""


@pytest.mark.parametrize(("asked", "gated"), [("passed", True), ("name", False)])
def test_a_list_of_what_did_not_pass(ask: Ask, asked: str, gated: bool) -> None:
    found = ask("model-validation-gate", {"gate.py": GATED.format(asked=asked)})
    assert (found.state is State.PRESENT) is gated


NAMED = """
    import mlflow

    def publish(metrics, promotion_metric):
        if {asked}:
            raise ValueError("no such metric")
        mlflow.register_model("runs:/1/model", "churn")

    def compare(score, threshold):
        return score > threshold

    compare(0.3, 0.4)
    publish({{}}, "auc")
"""


@pytest.mark.parametrize(("asked", "gated"), [("promotion_metric not in metrics", False), ("not promoted", True)])
def test_the_name_of_a_metric_is_no_verdict(ask: Ask, asked: str, gated: bool) -> None:
    found = ask("model-validation-gate", {"publish.py": NAMED.format(asked=asked)})
    assert (found.state is State.PRESENT) is gated


STAGES = """
    import mlflow

    def register(run, stage=None):
        version = mlflow.register_model(f"runs:/{{run}}/model", "churn")
        if stage:
            mlflow.MlflowClient().transition_model_version_stage("churn", version.version, stage)

    def main():
        from sklearn.linear_model import LinearRegression
        score = LinearRegression().fit([[0]], [0]).score([[0]], [0])
        if score < 0.7:
            raise ValueError("too bad")
        register("1"{given})

    if __name__ == "__main__":
        main()
"""


@pytest.mark.parametrize(("given", "released"), [(', stage="Production"', True), ("", False)])
def test_a_stage_that_nobody_on_the_way_names(ask: Ask, given: str, released: bool) -> None:
    serves = "import mlflow\nfrom fastapi import FastAPI\napp = FastAPI()\n"
    serves += 'model = mlflow.pyfunc.load_model("models:/churn/Production")\n'
    serves += '@app.post("/predict")\ndef predict(row: dict):\n    return model.predict(row)\n'
    files = {"main.py": STAGES.format(given=given), "app.py": serves, **on_push("python main.py")}
    assert ask("model-release-automated", files).state.holds is released


TRIED = """
    on: push
    jobs:
      train:
        runs-on: ubuntu-latest
        steps:
          - run: python train.py
      staging:
        needs: train
        runs-on: ubuntu-latest
        steps:
          - run: az ml model deploy -n churn-staging
      try:
        needs: {tried}
        runs-on: ubuntu-latest
        steps:
          - run: {command}
      production:
        needs: try
        runs-on: ubuntu-latest
        steps:
          - run: az ml model deploy -n churn
"""


@pytest.mark.parametrize(
    ("tried", "command", "released"),
    [
        ("staging", "pytest tests/test_service.py", True),
        ("staging", "echo tried", False),
        ("train", "pytest tests/test_service.py", False),  # what is deployed is not tried
    ],
)
def test_a_service_that_is_tried_before_it_goes_on(ask: Ask, tried: str, command: str, released: bool) -> None:
    asks = "import requests\ndef test_it():\n    assert requests.post('http://churn/score', json=[1]).ok\n"
    files = {"train.py": TRAIN, "tests/test_service.py": asks}
    files[".github/workflows/cd.yml"] = TRIED.format(tried=tried, command=command)
    assert ask("model-release-automated", files).state.holds is released


def test_a_catalogue_that_tests_bring_along_keeps_nothing(ask: Ask) -> None:
    catalogue = "cars:\n  type: pandas.CSVDataset\n  filepath: cars.csv\n  versioned: true\n"
    assert ask("data-versioned", {"train.py": TRAIN, "conf/base/catalog.yml": catalogue}).state is State.PRESENT
    assert (
        ask("data-versioned", {"conf/base/catalog.yml": "", "tests/conf/catalog.yml": catalogue}).state is State.ABSENT
    )


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("This template contains a pipeline for any model.", "template"),
        ("This repository is a machine learning project template.", "template"),
        ("This project is made from a template.", "project"),
        ("Fill in the template of the card.", "project"),
    ],
)
def test_a_readme_that_says_what_it_is(write: Write, said: str, kind: str) -> None:
    readme = f"---\npage_type: sample\n---\n\n# Churn\n\n[![CI](badge)](there)\n\n{said}\n"
    assert kind_of(Facts(open_project(write({"README.md": readme, "train.py": TRAIN})))).name == kind


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ("curl -X POST $WEBHOOK -d failed", State.WIRED),
        ("gh issue create --title failed", State.WIRED),
        ("docker logs churn", State.ABSENT),
        ("echo I am the webhook", State.ABSENT),
    ],
)
def test_a_step_after_a_failure(ask: Ask, told: str, state: State) -> None:
    flow = f"""
        on: push
        jobs:
          train:
            runs-on: ubuntu-latest
            steps:
              - run: python train.py
              - if: failure()
                run: {told}
    """
    assert ask("data-pipeline-observability", {"train.py": TRAIN, ".github/workflows/ci.yml": flow}).state is state


@pytest.mark.parametrize(
    ("route", "state"),
    [
        ("{destination: {host: new}, weight: 10}, {destination: {host: old}, weight: 90}", State.PRESENT),
        ("{destination: {host: mlflow}}", State.ABSENT),
    ],
)
def test_routes_of_a_mesh(ask: Ask, route: str, state: State) -> None:
    mesh = f"kind: VirtualService\nspec:\n  http:\n    - route: [{route}]\n"
    assert ask("online-experiment", {"train.py": TRAIN, "mesh.yaml": mesh}).state is state


def test_what_a_step_named_evaluate_is_told_measures_nothing(ask: Ask) -> None:
    step = "from kfp import dsl\n@dsl.component\ndef evaluate(rows: str) -> float:\n    return 0.5\n"
    step += "@dsl.pipeline\ndef pipeline():\n    scored = evaluate(rows='rows')\n    scored.set_memory_limit('2G')\n"
    assert ask("model-evaluation-automated", {"train.py": TRAIN, "evaluate.py": step}).state is State.ABSENT
    measured = "import evaluate\nprint(evaluate.load('accuracy').compute([1], [1]))\n"
    assert ask("model-evaluation-automated", {"evaluation.py": measured, "evaluate.py": "x = 1\n"}).state.rank > 0
