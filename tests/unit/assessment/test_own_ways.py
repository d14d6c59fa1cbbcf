"""Practices that a project wrote itself: registries, tables, bounds and checks without any product's name."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import FIT, Ask

MAIN = FIT + "if __name__ == '__main__':\n    train(1, 2)\n"


class TestReleases:
    @pytest.mark.parametrize(
        ("stage", "state"),
        [('"Production" if recall >= threshold else "Staging"', State.PRESENT), ('"Production"', State.ABSENT)],
    )
    def test_a_stage_that_a_metric_chooses(self, ask: Ask, stage: str, state: State) -> None:
        code = f"""
            from mlflow.tracking import MlflowClient
            def promote(recall, threshold):
                stage = {stage}
                MlflowClient().transition_model_version_stage(name="m", version=1, stage=stage)
            if __name__ == "__main__":
                promote(0.8, 0.7)
        """
        assert ask("model-validation-gate", {"promote.py": code}).state is state

    TRAIN = """
        import json
        import joblib
        from pathlib import Path
        from sklearn.linear_model import LinearRegression
        REGISTRY = Path("models/registry")
        {version}
        model = LinearRegression().fit([[1]], [1])
        joblib.dump(model, REGISTRY / version / "model.pkl")
        json.dump({{"r2": 0.9}}, open(REGISTRY / version / "metadata.json", "w"))
    """
    READ = "import json\nfrom train import REGISTRY\nversion = json.load(open(REGISTRY / 'latest.json'))['version']\n"

    @pytest.mark.parametrize(
        ("version", "readers", "state"),
        [
            ("version = f'v{len(list(REGISTRY.iterdir()))}'", 1, State.PRESENT),
            ("version = f'v{len(list(REGISTRY.iterdir()))}'", 0, State.ABSENT),
            ("folder = version = 'current'", 0, State.ABSENT),
        ],
    )
    def test_a_registry_of_folders(self, ask: Ask, version: str, readers: int, state: State) -> None:
        files = {"train.py": self.TRAIN.format(version=version), **({"evaluate.py": self.READ} if readers else {})}
        assert ask("model-registry", files).state is state

    def test_a_folder_that_is_only_called_a_registry(self, ask: Ask) -> None:
        once = self.TRAIN.format(version="").replace(" / version", "")
        read = "import joblib\nfrom train import REGISTRY\njoblib.load(REGISTRY / 'model.pkl')\n"
        assert ask("model-registry", {"train.py": once, "serve.py": read}).state is State.ABSENT

    @pytest.mark.parametrize(("on", "state"), [("pull_request", State.WIRED), ("workflow_dispatch", State.ABSENT)])
    def test_training_on_a_pull_request_runs_the_newest_pipeline(self, ask: Ask, on: str, state: State) -> None:
        flow = f"on: {on}\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: python train.py\n"
        assert ask("pipeline-cd", {".github/workflows/ci.yml": flow, "train.py": MAIN}).state is state


class TestTables:
    @pytest.mark.parametrize(
        ("sql", "state"), [("INSERT INTO predictions (a, b) VALUES", State.WIRED), ("SELECT a FROM", State.ABSENT)]
    )
    def test_answers_that_sql_writes(self, ask: Ask, sql: str, state: State) -> None:
        dag = f'''
            import lightgbm as lgb
            from airflow import DAG
            from airflow.operators.python import PythonOperator
            def predict():
                model = lgb.Booster(model_file="m.txt")
                answers = model.predict([[1]])
                for answer in answers:
                    cursor.execute(f"""
                        {sql}
                        {{tuple(answer)}}
                    """)
            with DAG("d", schedule="@monthly"):
                PythonOperator(task_id="a", python_callable=predict)
        '''
        assert ask("model-serving", {"dags/d.py": dag}).state is state

    @pytest.mark.parametrize(
        ("columns", "state"),
        [("model_name, model_params, model_metrics", State.PRESENT), ("model_name, seconds, user_id", State.ABSENT)],
    )
    def test_a_run_that_is_a_row(self, ask: Ask, columns: str, state: State) -> None:
        code = f'''
            def remember(name, params, seconds):
                cursor.execute(f"""
                    INSERT INTO models ({columns})
                    VALUES ('{{name}}', '{{str(params)}}', '{{str(seconds)}}')
                """)
            if __name__ == "__main__":
                remember("a", {{}}, 1)
        '''
        assert ask("experiment-tracking", {"train.py": code}).state is state

    @pytest.mark.parametrize(("name", "state"), [("preds.parquet", State.PRESENT), ("items.parquet", State.ABSENT)])
    def test_an_application_that_tells_answers_of_a_batch(self, ask: Ask, name: str, state: State) -> None:
        app = f"""
            import pandas as pd
            from flask import Flask
            app = Flask("a")
            answers = pd.read_parquet("{name}")
            def predict(key):
                return answers.loc[key]
            @app.route("/predict")
            def endpoint():
                return predict(1)
        """
        assert ask("model-serving", {"app.py": app}).state is state

    @pytest.mark.parametrize(("copy", "state"), [("copy_file(path, version)", State.PRESENT), ("", State.ABSENT)])
    def test_a_copy_of_the_data_under_a_version(self, ask: Ask, copy: str, state: State) -> None:
        code = f"""
            import json
            import fsspec
            def copy_file(path, version):
                with fsspec.open(path) as source, fsspec.open(version + path, "wb") as target:
                    target.write(source.read())
            def snapshot_datasets(path, version):
                {copy or "pass"}
                json.dump({{"version": version}}, open("manifest.json", "w"))
            if __name__ == "__main__":
                snapshot_datasets("a.csv", "v1")
        """
        assert ask("data-versioned", {"versions.py": code}).state is state


class TestBoundsAndChecks:
    @pytest.mark.parametrize(
        ("check", "state"),
        [("average_confidence < threshold", State.WIRED), ("len(rows) < threshold", State.ABSENT)],
    )
    def test_how_certain_answers_are(self, ask: Ask, check: str, state: State) -> None:
        app = f"""
            import joblib
            import requests
            from fastapi import FastAPI
            app = FastAPI()
            model = joblib.load("model.pkl")
            @app.post("/predict")
            def predict(rows, threshold=0.7):
                average_confidence = model.predict_proba(rows).max(axis=1).mean()
                if {check}:
                    requests.post("https://hook", json={{}})
                return model.predict(rows)
        """
        files = {"app.py": app, "Dockerfile": 'FROM python\nCOPY . .\nCMD ["uvicorn", "app:app"]\n'}
        assert ask("model-performance-monitoring", files).state is state

    @pytest.mark.parametrize(
        ("call", "state"), [("frame_schema(df, lazy=True)", State.PRESENT), ("make_schema(df)", State.DECLARED)]
    )
    def test_a_schema_that_is_called(self, ask: Ask, call: str, state: State) -> None:
        code = f"""
            import pandas as pd
            import pandera as pa
            from sklearn.linear_model import LinearRegression
            frame_schema = pa.DataFrameSchema({{"a": pa.Column(int)}})
            def make_schema(df):
                return df.dtypes
            def train(path):
                df = pd.read_csv(path)
                {call}
                return LinearRegression().fit(df, df)
            if __name__ == "__main__":
                train("a.csv")
        """
        assert ask("data-tests", {"train.py": code, "requirements.txt": "pandera\n"}).state is state

    CHECK = "def check_columns(df):\n    if 'a' not in df.columns:\n        raise ValueError('a is missing')\n"

    @pytest.mark.parametrize(("user", "state"), [("pipeline.py", State.PRESENT), ("tests/test_it.py", State.ABSENT)])
    def test_checks_that_lie_in_a_folder_of_tests(self, ask: Ask, user: str, state: State) -> None:
        use = f"import pandas as pd\nfrom tests.checks import check_columns\n{FIT}df = pd.read_csv('a')\n"
        files = {
            "tests/__init__.py": "",
            "tests/checks.py": self.CHECK,
            user: use + "check_columns(df)\ntrain(df, df)\n",
        }
        assert ask("data-tests", files).state is state

    @pytest.mark.parametrize(("name", "state"), [("train.py", State.PRESENT), ("predict.py", State.ABSENT)])
    def test_a_check_of_what_is_asked_is_none_of_training_data(self, ask: Ask, name: str, state: State) -> None:
        use = "import pandas as pd\nimport joblib\ndef main(path):\n    df = pd.read_csv(path)\n    check_columns(df)\n"
        main = "if __name__ == '__main__':\n    main('a.csv')\n    train([[1]], [1])\n"
        assert ask("data-tests", {name: self.CHECK + FIT + use + main}).state is state

    @pytest.mark.parametrize(("path", "state"), [("watch.py", State.PRESENT), ("demo_watch.py", State.ABSENT)])
    def test_drift_that_is_only_shown(self, ask: Ask, path: str, state: State) -> None:
        code = """
            from scipy.stats import ks_2samp
            def measure_drift(old, new, connection):
                connection.execute("INSERT INTO drift VALUES (1)", ks_2samp(old, new))
            if __name__ == "__main__":
                measure_drift([1], [2], None)
        """
        assert ask("drift-monitoring", {path: code}).state is state

    @pytest.mark.parametrize(
        ("said", "state"),
        [
            ("trained.baseline_rmse > 0", State.ABSENT),
            ("rmse < trained.baseline_rmse", State.PRESENT),
            ("trained.rmse < 3.5", State.PRESENT),
        ],
    )
    def test_a_baseline_that_nothing_is_held_to(self, ask: Ask, said: str, state: State) -> None:
        test = f"from team import train\ndef test_it():\n    trained = train(1, 2)\n    rmse = 1\n    assert {said}\n"
        assert ask("model-quality-tests", {"team.py": FIT, "tests/test_team.py": test}).state is state

    @pytest.mark.parametrize(
        ("code", "state"),
        [
            ("giskard.testing.test_f1(model=m, dataset=d, threshold=0.7)", State.PRESENT),
            ("giskard.Model(m)", State.ABSENT),
        ],
    )
    def test_a_suite_of_tests_of_a_model(self, ask: Ask, code: str, state: State) -> None:
        assert ask("model-quality-tests", {"validate.py": f"import giskard.testing\n{code}\n"}).state is state


class TestSaid:
    """What a name, a keyword or a kind says, where nothing else does."""

    @pytest.mark.parametrize(("to", "state"), [('"mlflow"', State.PRESENT), ('"none"', State.ABSENT)])
    @pytest.mark.parametrize("others", [2, 20])
    def test_a_trainer_that_is_told_to_report(self, ask: Ask, others: int, to: str, state: State) -> None:
        given = ", ".join(f"a{number}={number}" for number in range(others))
        code = f"from transformers import TrainingArguments\nTrainingArguments({given}, report_to={to})\n"
        assert ask("experiment-tracking", {"train.py": code}).state is state

    @pytest.mark.parametrize(("name", "state"), [("train_model", State.PRESENT), ("load_train_data", State.ABSENT)])
    @pytest.mark.parametrize(("body", "does"), [("trace(model.fit)(rows)", True), ("pass", False)])
    def test_a_step_named_for_training(self, ask: Ask, name: str, state: State, body: str, does: bool) -> None:
        code = f"import dagster\n@dagster.op\ndef read(): ...\n@dagster.op\ndef {name}(rows):\n    {body}\n"
        assert ask("pipeline-orchestrated", {"jobs.py": code}).state is (state if does else State.ABSENT)

    @pytest.mark.parametrize(("kind", "state"), [("RealtimeAPI", State.PRESENT), ("Queue", State.ABSENT)])
    def test_an_api_of_cortex(self, ask: Ask, kind: str, state: State) -> None:
        api = f"- name: a\n  kind: {kind}\n  predictor: {{type: python, path: predictor.py}}\n"
        assert ask("model-serving", {"api.yaml": api, "predictor.py": "x = 1\n"}).state is state

    @pytest.mark.parametrize(("command", "state"), [("CreateEndpoint", State.PRESENT), ("ListEndpoints", State.ABSENT)])
    def test_an_endpoint_that_javascript_makes(self, ask: Ask, command: str, state: State) -> None:
        code = (
            f"import {{ {command}Command }} from '@aws-sdk/client-sagemaker'\nclient.send(new {command}Command({{}}))\n"
        )
        assert ask("model-serving", {"lambda/create.js": code, "a.py": FIT}).state is state
