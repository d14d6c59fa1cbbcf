"""What jobs make and what is made of it: images, packages, services in other languages, versions, rows kept."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import FIT, Ask, on_push

IMAGE = "FROM python:3.12\nCOPY {taken} ./model\nCOPY app.py .\nCMD python app.py\n"


@pytest.mark.parametrize(
    ("taken", "before", "state"),
    [
        ("model", "az acr login --name team", State.WIRED),
        ("model/weights.bin", "az acr login --name team", State.WIRED),
        ("registered_model", "az acr login --name team", State.ABSENT),  # DVC keeps it, and nobody pulls
        ("./registered_model/", "az acr login --name team", State.ABSENT),
        ("registered_model", "dvc pull", State.WIRED),
        ("registered_model", "python train.py", State.WIRED),
        ("registered_*", "az acr login --name team", State.WIRED),
        ("$MODEL", "az acr login --name team", State.WIRED),
        ("dist", "az acr login --name team", State.WIRED),
    ],
)
def test_an_image_that_takes_what_is_nowhere(ask: Ask, taken: str, before: str, state: State) -> None:
    steps = f"      - run: {before}\n      - run: docker build -t team/churn .\n      - run: docker push team/churn\n"
    files = {
        ".github/workflows/ci.yml": f"on: push\njobs:\n  a:\n    steps:\n      - uses: actions/checkout@v4\n{steps}",
        "Dockerfile": IMAGE.format(taken=taken),
        "registered_model.dvc": "outs:\n- md5: 1\n  path: registered_model\n",
        "model/weights.bin": "",
        "app.py": "",
    }
    assert ask("automated-build", files).state is state


@pytest.mark.parametrize(
    ("more", "files", "state"),
    [
        ("", {}, State.ABSENT),
        ("\n        working-directory: serving", {"serving/Dockerfile": IMAGE.format(taken="model")}, State.WIRED),
        ("", {".gitmodules": "[submodule 'a']\n  path = registered_model\n"}, State.WIRED),
    ],
)
def test_an_image_of_another_folder_or_with_a_submodule(
    ask: Ask, more: str, files: dict[str, str], state: State
) -> None:
    text = f"on: push\njobs:\n  a:\n    steps:\n      - run: docker build -t c . && docker push team/c{more}\n"
    project = {".github/workflows/ci.yml": text, "Dockerfile": IMAGE.format(taken="registered_model"), "app.py": ""}
    assert ask("automated-build", {**project, **files}).state is state


@pytest.mark.parametrize(("then", "state"), [("pulumi up --yes", State.WIRED), ("ls", State.ABSENT)])
def test_a_package_that_the_same_job_deploys(ask: Ask, then: str, state: State) -> None:
    assert ask("automated-build", on_push(f"dotnet publish app.csproj && {then}")).state is state


@pytest.mark.parametrize("word", ["eval ", "exec ", ""])
def test_a_command_that_the_shell_is_handed(ask: Ask, word: str) -> None:
    script = f'CMD="python train.py"\nCMD="$CMD --fast"\n{word}$CMD\n'
    files = {"train.py": FIT + "train([[1]], [1])\n", "train.sh": script, **on_push("bash train.sh")}
    assert ask("training-automated", files).state is State.WIRED


@pytest.mark.parametrize(("owner", "state"), [("Model", State.ABSENT), ("Dataset", State.PRESENT)])
def test_a_version_of_a_model_is_none_of_data(ask: Ask, owner: str, state: State) -> None:
    code = f"from azureml.core import {owner}\n{owner}.register(workspace=None, name='churn')\n"
    assert ask("data-versioned", {"train.py": code}).state is state


@pytest.mark.parametrize(
    ("kept", "state"),
    [
        ("sys.path.insert(0, 'src')", State.ABSENT),
        ("rows.insert(loc=0, column='answer', value=answers)", State.ABSENT),
        ("rows.insert(place, 'answer', answers)", State.ABSENT),
        ("collection.insert(answers)", State.PRESENT),
    ],
)
def test_what_is_put_into_a_frame_is_not_kept(ask: Ask, kept: str, state: State) -> None:
    code = f"""
        import sys
        import joblib
        def score(rows, collection, place):
            answers = joblib.load("model.pkl").predict(rows)
            {kept}
        if __name__ == "__main__":
            score([], None, 0)
    """
    assert ask("model-serving", {"score.py": code}).state is state


@pytest.mark.parametrize(("steps", "state"), [("predict(rows)", State.PRESENT), ("print(rows)", State.ABSENT)])
def test_a_step_that_no_pipeline_has(ask: Ask, steps: str, state: State) -> None:
    code = f"""
        from zenml import pipeline, step
        @step
        def predict(model, rows):
            return model.predict(rows)
        @pipeline
        def whole(rows):
            {steps}
        if __name__ == "__main__":
            whole([])
    """
    assert ask("model-serving", {"run.py": code}).state is state


LATENCIES = """
import joblib
import numpy as np
from fastapi import FastAPI
app = FastAPI()
class Latencies:
    def record(self, {given}):
        self.kept.append({given})
    def report(self):
        return {told}
kept = Latencies()
@app.post("/predict")
def predict(rows: list):
    kept.record(3)
    return joblib.load("model.pkl").predict(rows)
"""


@pytest.mark.parametrize(
    ("given", "told", "state"),
    [
        ("latency_ms", "np.percentile(self.kept, 99)", State.PRESENT),
        ("latency_ms", "len(self.kept)", State.ABSENT),
        ("price", "np.percentile(self.kept, 99)", State.ABSENT),
    ],
)
def test_latencies_that_a_service_keeps(ask: Ask, given: str, told: str, state: State) -> None:
    assert ask("service-monitoring", {"app.py": LATENCIES.format(given=given, told=told)}).state is state


@pytest.mark.parametrize(
    ("files", "state"),
    [
        (
            {"Api.cs": 'class Api { PredictionEnginePool<A, B> pool; [FunctionName("Predict")] void Run() {} }'},
            "present",
        ),
        ({"Api.cs": "class Api { PredictionEnginePool<A, B> pool; }"}, "absent"),
        ({"Tests/Api.cs": "class Api { PredictionEngine<A, B> e; [HttpPost] void Run() {} }"}, "absent"),
        ({"M.scala": "import org.tensorflow._\n", "S.scala": "import akka.http.scaladsl._\n"}, "present"),
        ({"M.scala": "import org.tensorflow._\n"}, "absent"),
        ({"S.java": "import org.springframework.web.bind.annotation.*;\nimport ai.onnxruntime.*;\n"}, "present"),
        ({"app.js": "const tf = require('@tensorflow/tfjs-node');\nconst e = require('express');\n"}, "present"),
        ({"node_modules/a/app.js": "require('onnxruntime-node'); require('express')\n"}, "absent"),
    ],
)
def test_a_service_in_another_language(ask: Ask, files: dict[str, str], state: str) -> None:
    assert ask("model-serving", files).state.value == state
