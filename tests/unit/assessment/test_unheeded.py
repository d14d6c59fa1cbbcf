"""What only looks like a practice: checks that nobody heeds, programs of others, trials."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import Ask, on_push


class TestWhatStopsNothing:
    """Checks that nobody heeds, images and deployments that are no release of the project's own."""

    CHECK = """
        import great_expectations as ge
        import pandas as pd
        from sklearn.linear_model import LinearRegression
        def train():
            frame = pd.read_csv("rows.csv")
            results = ge.get_context().run_checkpoint(checkpoint_name="rows")
            HEED
            LinearRegression().fit(frame[["a"]], frame["b"])
        if __name__ == "__main__":
            train()
    """

    @pytest.mark.parametrize(
        ("heed", "state"),
        [
            ("print(results)", State.ABSENT),
            ("assert results.success", State.PRESENT),
            ("if not results.success: raise ValueError(results)", State.PRESENT),
        ],
    )
    def test_a_check_whose_answer_is_or_is_not_heeded(self, ask: Ask, heed: str, state: State) -> None:
        found = ask("data-tests", {"train.py": self.CHECK.replace("HEED", heed)})
        assert found.state is state
        assert any("nobody heeds" in each.why for each in found.turned_down) is (state is State.ABSENT)

    @pytest.mark.parametrize(
        ("loud", "state"), [("raise ValueError(gone)", State.PRESENT), ("print(gone)", State.ABSENT)]
    )
    @pytest.mark.parametrize("held", ["check_columns", "logged(check_columns)"])
    def test_checks_that_are_looked_up_in_a_table(self, ask: Ask, held: str, loud: str, state: State) -> None:
        checks = f"""
            def check_columns(frame):
                gone = [name for name in ("a", "b") if name not in frame.columns]
                if gone:
                    {loud}
                return frame
        """
        step = f"""
            import pandas as pd
            from sklearn.linear_model import LinearRegression
            from checks import check_columns
            def logged(function):
                return function
            TESTS = {{"columns": {held}}}
            def train_step(name):
                frame = TESTS[name](pd.read_csv("rows.csv"))
                LinearRegression().fit(frame[["a"]], frame["b"])
            if __name__ == "__main__":
                train_step("columns")
        """
        assert ask("data-tests", {"checks.py": checks, "train_step.py": step}).state is state

    @pytest.mark.parametrize(
        ("image", "state"),
        [
            ("FROM apache/airflow:2.11.0\nRUN pip install boto3\nCOPY entrypoint.sh /entrypoint.sh\n", State.ABSENT),
            ("FROM ghcr.io/mlflow/mlflow:v3.2.0\nRUN pip install psycopg2-binary\n", State.ABSENT),
            ("FROM apache/airflow:2.11.0\nCOPY dags/ /opt/airflow/dags/\n", State.PRESENT),
            ("FROM team/mlflow-model:1\n", State.PRESENT),
            ("FROM python:3.12\nCOPY requirements.txt .\n", State.PRESENT),
        ],
    )
    def test_the_program_of_others_with_packages(self, ask: Ask, image: str, state: State) -> None:
        assert ask("container-images", {"Dockerfile": image}).state is state

    @pytest.mark.parametrize(("last", "state"), [("push", State.WIRED), ("workflow_dispatch", State.ABSENT)])
    def test_a_deployment_for_development_before_a_person_deploys(self, ask: Ask, last: str, state: State) -> None:
        code = """
            import mlflow
            from sklearn.linear_model import LogisticRegression
            from sklearn.metrics import accuracy_score
            def main(x, y):
                model = LogisticRegression().fit(x, y)
                accuracy = accuracy_score(y, model.predict(x))
                if accuracy > 0.8:
                    mlflow.register_model("runs:/1/model", "m")
            if __name__ == "__main__":
                main([[0], [1]], [0, 1])
        """
        job = "jobs:\n  {0}:\n    environment: {0}\n    steps:\n{1}      - run: kubectl apply -f k8s/api.yaml\n"
        files = {
            "train.py": code,
            ".github/workflows/dev.yml": "on: push\n" + job.format("dev", "      - run: python train.py\n"),
            ".github/workflows/prod.yml": f"on: {last}\n" + job.format("production", ""),
        }
        assert ask("model-release-automated", files).state is state

    @pytest.mark.parametrize(
        ("path", "line", "state"),
        [
            ("infra/test/stack.test.ts", "import { Stack } from '../lib/stack'", State.PRESENT),
            ("infra/test/stack.test.ts", "// import { Stack } from 'aws-cdk-lib'", State.ABSENT),
            ("infra/test/stack.ts", "import { Stack } from '../lib/stack'", State.ABSENT),
        ],
    )
    def test_a_test_in_typescript(self, ask: Ask, path: str, line: str, state: State) -> None:
        text = f"{line}\ntest('it is there', () => {{\n  expect(Stack).toBeDefined()\n}})\n"
        assert ask("unit-tests-code", {path: text}).state is state

    @pytest.mark.parametrize(("schedule", "state"), [("train", State.WIRED), ("data_drift", State.ABSENT)])
    def test_a_schedule_that_only_watches(self, ask: Ask, schedule: str, state: State) -> None:
        files = on_push(f"az ml schedule create --file jobs/{schedule}.yml")
        assert ask("pipeline-cd", files).state is state

    @pytest.mark.parametrize(("package", "state"), [("sklearn", State.WIRED), ("team", State.ABSENT)])
    def test_cross_validation_fits_models(self, ask: Ask, package: str, state: State) -> None:
        code = f"from {package}.model_selection import cross_val_score\ncross_val_score(1, 2, 3)\n"
        assert ask("training-automated", {**on_push("python fit.py"), "fit.py": code}).state is state

    @pytest.mark.parametrize(
        ("copies", "state"), [("gsutil cp -r out gs://pipelines", State.WIRED), ("ls", State.ABSENT)]
    )
    def test_a_compiled_pipeline_that_ci_keeps(self, ask: Ask, copies: str, state: State) -> None:
        code = (
            "from kfp import compiler\nfrom pipe import whole\ncompiler.Compiler().compile(whole, 'out/whole.json')\n"
        )
        files = {**on_push(f"python compile.py && {copies}"), "compile.py": code, "pipe.py": "def whole(): ...\n"}
        assert ask("automated-build", files).state is state

    @pytest.mark.parametrize(("does", "state"), [("predict", State.PRESENT), ("collect", State.DECLARED)])
    def test_metrics_that_nothing_collects(self, ask: Ask, does: str, state: State) -> None:
        code = f"""
            import kserve
            from prometheus_client import Counter, start_http_server
            DONE = Counter("done", "Rows")
            class Churn({"kserve.Model" if does == "predict" else "dict"}):
                def {does}(self, rows):
                    DONE.inc()
                    return self.model.{does}(rows)
            if __name__ == "__main__":
                start_http_server(8001)
        """
        assert ask("service-monitoring", {"server.py": code}).state is state
