"""Answers, checks and drift in forms of their own, each beside one that only looks like it."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import FIT, Ask

LOAD = "import joblib\nmodel = joblib.load('model.pkl')\n"


class TestServing:
    @pytest.mark.parametrize(
        ("answer", "state"), [("model.predict([event['x']])", State.PRESENT), ("{'minutes': 10}", State.ABSENT)]
    )
    def test_a_function_of_the_cloud_by_any_name(self, ask: Ask, answer: str, state: State) -> None:
        code = (
            f"{LOAD}def estimate(event, context):\n    return {answer}\ndef beside(x):\n    return model.predict(x)\n"
        )
        assert ask("model-serving", {"function.py": code}).state is state

    @pytest.mark.parametrize(
        ("made", "state"), [("AutoModel.from_pretrained('a')", State.PRESENT), ("open('a')", State.ABSENT)]
    )
    def test_a_model_that_is_kept_under_another_name(self, ask: Ask, made: str, state: State) -> None:
        model = (
            "from transformers import AutoModel\nclass Captions:\n    def __init__(self):\n"
            f"        self.model, self.words = {made}, {{}}\n"
            "    def caption(self, image):\n        return self.model.generate(image)\n"
        )
        code = (
            "from fastapi import FastAPI\nfrom captions import Captions\nSHARED = {}\napp = FastAPI()\n"
            "@app.on_event('startup')\ndef start():\n    SHARED['model'] = Captions()\n"
            "@app.post('/caption')\ndef caption(image: str):\n    return SHARED['model'].caption(image)\n"
        )
        assert ask("model-serving", {"captions.py": model, "app.py": code}).state is state

    @pytest.mark.parametrize(("called", "state"), [("model(rows)", State.PRESENT), ("len(rows)", State.ABSENT)])
    def test_a_network_that_another_file_makes(self, ask: Ask, called: str, state: State) -> None:
        made = "import torch\nmodel = torch.nn.Linear(1, 1)\nmodel.load_state_dict(torch.load('a.pt'))\n"
        code = (
            "from fastapi import APIRouter\nfrom network import model\nrouter = APIRouter()\n"
            f"@router.post('/answer')\ndef answer(rows: list):\n    return {called}\n"
        )
        assert ask("model-serving", {"network.py": made, "router.py": code}).state is state

    @pytest.mark.parametrize(
        ("place", "state"), [("s3://answers/{day}.parquet", State.PRESENT), ("submission.csv", State.ABSENT)]
    )
    def test_answers_that_are_written_into_a_bucket(self, ask: Ask, place: str, state: State) -> None:
        code = (
            "import joblib\ndef main(rows, day):\n    answers = joblib.load('a.pkl').predict(rows)\n"
            f"    answers.to_parquet(f'{place}')\n"
            "if __name__ == '__main__':\n    main(1, 2)\n"
        )
        assert ask("model-serving", {"job.py": code}).state is state

    @pytest.mark.parametrize(
        ("made", "state"), [("mlflow.pyfunc.spark_udf(spark, uri)", State.PRESENT), ("udf(len)", State.ABSENT)]
    )
    def test_a_function_of_spark_that_answers(self, ask: Ask, made: str, state: State) -> None:
        code = (
            "import mlflow\nfrom pyspark.sql.functions import udf\ndef score(spark, uri):\n"
            f"    rows = spark.table('a').withColumn('answer', {made}('x'))\n    rows.write.saveAsTable('b')\n"
        )
        assert ask("model-serving", {"score.py": code}).state is state


class TestRegistry:
    @pytest.mark.parametrize(
        ("address", "state"), [("models:/{name}/Production", State.PRESENT), ("runs:/{name}/model", State.ABSENT)]
    )
    def test_a_model_that_is_taken_by_its_name(self, ask: Ask, address: str, state: State) -> None:
        code = f"import mlflow\ndef load(name):\n    return mlflow.xgboost.load_model(f'{address}')\nload('churn')\n"
        assert ask("model-registry", {"score.py": code}).state is state


class TestChecks:
    @pytest.mark.parametrize(
        ("asks", "state"),
        [("frame.isnull().sum().sum() == 0", State.PRESENT), ("accuracy > 0.8", State.ABSENT), ("True", State.ABSENT)],
    )
    def test_checks_of_dagster(self, ask: Ask, asks: str, state: State) -> None:
        code = (
            "from dagster import AssetCheckResult, asset, asset_check\n"
            "@asset\ndef rows():\n    return 1\n"
            f"@asset_check(asset=rows)\ndef sound(frame, accuracy):\n    return AssetCheckResult(passed={asks})\n"
        )
        assert ask("data-tests", {"assets.py": code}).state is state


class TestDrift:
    @pytest.mark.parametrize(("owner", "state"), [("DriftDetector", State.WIRED), ("FaceDetector", State.ABSENT)])
    def test_a_class_that_says_what_its_method_detects(self, ask: Ask, owner: str, state: State) -> None:
        code = (
            "import numpy as np\nfrom fastapi import FastAPI\napp = FastAPI()\n"
            f"class {owner}:\n    def detect(self, rows):\n        return float(np.mean(rows) - np.mean([1, 2]))\n"
            f"@app.get('/detect')\ndef answer(rows: list):\n    return {owner}().detect(rows)\n"
        )
        image = "FROM python:3.12\nCOPY service.py .\nCMD uvicorn service:app\n"
        assert ask("drift-monitoring", {"service.py": code, "Dockerfile": image}).state is state

    @pytest.mark.parametrize(("takes", "state"), [("*", State.WIRED), ("nothing", State.ABSENT)])
    def test_a_step_that_a_file_has_by_a_star(self, ask: Ask, takes: str, state: State) -> None:
        measures = (
            "from scipy.stats import ks_2samp\ndef detect_drift(old, new):\n    return ks_2samp(old, new)\n"
            "def nothing():\n    pass\n"
        )
        dag = (
            f"from airflow import DAG\nfrom airflow.operators.python import PythonOperator\nfrom watch import {takes}\n"
            "watch = DAG('watch', schedule='@daily')\n"
            "PythonOperator(task_id='a', python_callable=detect_drift, dag=watch)\n"
        )
        assert ask("drift-monitoring", {"watch.py": measures, "dags/daily.py": dag}).state is state


@pytest.mark.parametrize(("says", "state"), [("if HAS_IT:", State.WIRED), ("class Kept:", State.ABSENT)])
def test_a_function_that_is_defined_in_one_of_two_ways(ask: Ask, says: str, state: State) -> None:
    fit = "\n    ".join(FIT.splitlines())
    other = (
        "else:\n    def train(x, y):\n        return None\n" if says.startswith("if") else "def train(x, y):\n    x\n"
    )
    code = f"HAS_IT = True\n{says}\n    {fit}\n{other}if __name__ == '__main__':\n    train(1, 2)\n"
    files = {"train.py": code, "crontab": "0 3 * * * python train.py\n"}
    assert (ask("training-automated", files).state is State.WIRED) is (state is State.WIRED)
