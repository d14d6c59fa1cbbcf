"""Ways of answering with a model: what is asked, by whom, and what only looks so."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import Ask

SESSION = """
    import onnxruntime as ort
    from fastapi import FastAPI
    app = FastAPI()

    @app.on_event("startup")
    def start():
        global net_sess
        net_sess = ort.InferenceSession("net.onnx")

    @app.post("/label")
    def label(rows: list):
        return net_sess.run(None, {"rows": rows})[0]
"""
HUB = """
    import torch

    def get_net():
        return torch.hub.load("pytorch/vision", "deeplabv3")

    def segment(model, image):
        return model(image)
"""
RUNNER = """
    import bentoml
    runner = bentoml.pytorch.load_runner(tag="iris")
    svc = bentoml.Service("iris", runners=[runner])

    @svc.api()
    def classify(rows):
        return runner.run(rows)
"""


@pytest.mark.parametrize(
    "files",
    [
        {"app.py": SESSION},
        {"app.py": "from fastapi import FastAPI\nfrom net import *\nfrom net import get_net, segment\n"
                   "app = FastAPI()\nmodel = get_net()\n@app.post('/')\ndef ask(x):\n    return segment(model, x)\n",
         "net.py": HUB},
        {"service.py": RUNNER},
    ],
)  # fmt: skip
def test_a_loaded_model_is_asked_by_running_or_calling_it(ask: Ask, files: dict[str, str]) -> None:
    assert ask("model-serving", files).state is State.PRESENT


API = {
    "app.py": "import connexion\napp = connexion.App(__name__, specification_dir='spec/')\napp.add_api('api.yaml')\n",
    "spec/api.yaml": "openapi: 3.0.0\npaths:\n  /predict:\n    post:\n      operationId: controller.answer\n",
    "model.py": "import joblib\nMODEL = joblib.load('m.joblib')\ndef predict(x):\n    return MODEL.predict(x)\n",
}


def test_an_operation_of_a_description_answers(ask: Ask) -> None:
    healthy = "def answer(body):\n    return 'ok'\n"
    assert ask("model-serving", {**API, "controller.py": healthy}).state is State.ABSENT
    answer = "from model import predict\ndef answer(body):\n    return predict(body)\n"
    assert ask("model-serving", {**API, "controller.py": answer}).state is State.PRESENT


@pytest.mark.parametrize(
    "code",
    [
        "from sagemaker import ModelPackage\ndef go(arn=None):\n"
        "    ModelPackage(model_package_arn=arn).deploy(instance_type='m')\n",
        "from google.cloud import aiplatform\ndef go(p=None):\n"
        "    model = aiplatform.Model.upload_scikit_learn_model_file(model_file_path=p)\n"
        "    model.deploy(endpoint='e')\n",
        "from sagemaker.transformer import Transformer\ndef go(n=None):\n"
        "    Transformer(model_name=n).transform(data='s3://x')\n",
        "import boto3\ndef go():\n    boto3.client('sagemaker').create_transform_job(TransformJobName='j')\n",
    ],
)
def test_a_platform_is_given_a_model_to_answer_with(ask: Ask, code: str) -> None:
    assert ask("model-serving", {"go.py": f"{code}go()\n"}).state is State.PRESENT
    assert ask("model-serving", {"go.py": code}).state is State.ABSENT


def test_what_a_platform_asks_for_answers(ask: Ask) -> None:
    training = "def model_fn(folder):\n    return folder\n"
    named = "def init():\n    pass\ndef run(rows):\n    return rows\n"
    assert ask("model-serving", {"code/train.py": training, "code/tools.py": named}).state is State.ABSENT
    both = training + "def predict_fn(rows, model):\n    return model(rows)\n"
    assert ask("model-serving", {"code/inference.py": both}).state is State.PRESENT


PAGE = """
    import joblib
    import streamlit as st
    from sklearn.linear_model import LinearRegression

    def answer(rows):
        return joblib.load("m.joblib").predict(rows)

    def compare(x, y):
        return LinearRegression().fit(x, y).predict(x)

    st.write(answer([1]))
    st.write(compare([1], [2]))
"""


def test_a_page_answers_with_a_saved_model_and_may_train_others(ask: Ask) -> None:
    assert ask("model-serving", {"app.py": PAGE}).state is State.PRESENT


COMPONENT = """
    name: score
    implementation:
      container:
        image: team/score
        command: [python3, /app/src/score.py, --rows, {inputPath: rows}]
"""
SCORE = """
    import joblib
    import pandas as pd
    if __name__ == "__main__":
        rows = pd.read_csv("rows.csv")
        rows["answer"] = joblib.load("m.joblib").predict(rows)
        rows.to_csv("answers.csv")
"""


def test_a_component_in_a_file_answers_for_a_batch(ask: Ask) -> None:
    made = "import kfp\nfrom kfp import dsl\nscore = kfp.components.load_component_from_file('score.yaml')\n"
    assert ask("model-serving", {"src/score.py": SCORE, "score.yaml": COMPONENT}).state is State.ABSENT
    assert ask("model-serving", {"pipeline.py": made}).state is State.PRESENT
