"""Forms that the field knows, each beside one that only looks like it: servers, trackers, registries, engines."""

from __future__ import annotations

import json

import pytest

from windlass.assessment.records import State

from .conftest import FIT, Ask

MAIN = FIT + "if __name__ == '__main__':\n    train(1, 2)\n"
LOAD = "import joblib\nmodel = joblib.load('model.pkl')\n"
TORCH = "import torch\nfrom fastapi import FastAPI\napp = FastAPI()\n"


class TestServing:
    @pytest.mark.parametrize(
        ("code", "state"),
        [
            (f"{LOAD}from fastapi import APIRouter\nr = APIRouter()\ndef p(x):\n    return model.predict(x)\n", 1),
            ("from fastapi import APIRouter\nr = APIRouter()\ndef p(x):\n    return x\n", 0),
            (f"{LOAD}from django.http import JsonResponse\ndef view(request):\n    return model.predict(1)\n", 1),
            ("from django.http import JsonResponse\ndef view(request):\n    return JsonResponse({})\n", 0),
            (
                f"{LOAD}from rest_framework.views import APIView\nclass V(APIView):\n"
                "    def post(self, request):\n        return model.predict(1)\n",
                1,
            ),
            (
                f"{LOAD}import tornado.web\nclass V(tornado.web.RequestHandler):\n"
                "    def post(self):\n        self.write(model.predict(1))\n",
                1,
            ),
            (
                "import bentoml\n@bentoml.service\nclass S:\n    def __init__(self):\n"
                "        self.model = bentoml.sklearn.load_model('a')\n"
                "    @bentoml.api\n    def answer(self, x):\n        return self.model.predict(x)\n",
                1,
            ),
            (
                "import bentoml\n@bentoml.service\nclass S:\n    @bentoml.api\n"
                "    def answer(self, x):\n        return x\n",
                0,
            ),
            (f"{LOAD}import grpc\ndef answer(x):\n    return model.predict(x)\nserver = grpc.server(1)\n", 1),
            (f"{TORCH}model = torch.load('m.pt')\n@app.post('/p')\ndef p(x: float):\n    return model(x)\n", 1),
            (f"{TORCH}@app.post('/p')\ndef p(x: float):\n    return model(x)\n", 0),
            (
                "from fastapi import FastAPI\nfrom transformers import pipeline\nask = pipeline('a')\n"
                "app = FastAPI()\n@app.post('/p')\ndef p(x: str):\n    return ask(x)\n",
                1,
            ),
        ],
    )
    def test_applications_and_views(self, ask: Ask, code: str, state: int) -> None:
        assert (ask("model-serving", {"service.py": code}).state.rank >= State.PRESENT.rank) is bool(state)

    @pytest.mark.parametrize(
        ("image", "state"),
        [
            ("tensorflow/serving:2.11.0", State.WIRED),
            ("nvcr.io/nvidia/tritonserver:23.01-py3", State.WIRED),
            ("tensorflow/tensorflow:2.11.0", State.ABSENT),
        ],
    )
    def test_servers_that_are_given_a_model(self, ask: Ask, image: str, state: State) -> None:
        assert ask("model-serving", {"compose.yml": f"services:\n  a:\n    image: {image}\n"}).state is state

    @pytest.mark.parametrize(("does", "state"), [("predict(model, input$x)", State.PRESENT), ("input$x", State.ABSENT)])
    def test_a_page_of_shiny(self, ask: Ask, does: str, state: State) -> None:
        code = f"server <- function(input, output) {{ output$p <- renderText({does}) }}\nshinyApp(ui, server)\n"
        assert ask("model-serving", {"app.R": code}).state is state


class TestRuns:
    @pytest.mark.parametrize(
        ("code", "state"),
        [
            ("import mlflow\nmlflow.evaluate('m', 1)\n", State.PRESENT),
            ("import dagshub\nwith dagshub.dagshub_logger() as log:\n    log.log_metrics(a=1)\n", State.PRESENT),
            ("from pycaret.classification import setup\nsetup(1, log_experiment=True)\n", State.PRESENT),
            ("from pycaret.classification import setup\nsetup(1, log_experiment=False)\n", State.ABSENT),
        ],
    )
    def test_trackers(self, ask: Ask, code: str, state: State) -> None:
        assert ask("experiment-tracking", {"run.py": f"{FIT}{code}train(1, 2)\n"}).state is state

    @pytest.mark.parametrize(
        ("kind", "state"),
        [("kedro_mlflow.io.metrics.MlflowMetricDataset", State.PRESENT), ("pandas.CSVDataset", State.ABSENT)],
    )
    def test_metrics_in_the_catalog_of_kedro(self, ask: Ask, kind: str, state: State) -> None:
        assert ask("experiment-tracking", {"conf/catalog.yml": f"m:\n  type: {kind}\n", "run.py": MAIN}).state is state

    @pytest.mark.parametrize(
        ("name", "kind", "versioned", "state"),
        [
            ("rows", "pandas.CSVDataset", "true", State.PRESENT),
            ("rows", "pandas.CSVDataset", "false", State.ABSENT),
            ("model", "pandas.ParquetDataset", "true", State.ABSENT),
            ("rows", "pickle.PickleDataset", "true", State.ABSENT),
        ],
    )
    def test_versions_in_the_catalog_of_kedro(
        self, ask: Ask, name: str, kind: str, versioned: str, state: State
    ) -> None:
        catalog = f"{name}:\n  type: {kind}\n  versioned: {versioned}\n"
        assert ask("data-versioned", {"conf/catalog.yml": catalog, "run.py": MAIN}).state is state

    @pytest.mark.parametrize(
        ("code", "state"),
        [
            (
                "import hopsworks\nreg = hopsworks.login().get_model_registry()\n"
                "m = reg.python.create_model(name='a')\nm.save('b')\n",
                State.PRESENT,
            ),
            ("from snowflake.ml.registry import Registry\nRegistry().log_model(1, model_name='a')\n", State.PRESENT),
            ("import mlflow\nmlflow.sklearn.log_model(1, 'a')\n", State.ABSENT),
        ],
    )
    def test_registries(self, ask: Ask, code: str, state: State) -> None:
        assert ask("model-registry", {"run.py": f"{FIT}{code}train(1, 2)\n"}).state is state


class TestPipelines:
    @pytest.mark.parametrize(("second", "state"), [("train", State.PRESENT), ("plot", State.ABSENT)])
    def test_rules_of_snakemake(self, ask: Ask, second: str, state: State) -> None:
        rules = f'rule load:\n    shell: "python a.py"\nrule {second}:\n    shell: "python b.py"\n'
        assert ask("pipeline-orchestrated", {"Snakefile": rules}).state is state

    @pytest.mark.parametrize(
        ("starts", "state"),
        [
            ("arn:aws:states:::sagemaker:createTrainingJob.sync", State.PRESENT),
            ("arn:aws:lambda:eu:1:function:train", State.PRESENT),
            ("arn:aws:lambda:eu:1:function:load", State.ABSENT),
        ],
    )
    def test_states_of_step_functions(self, ask: Ask, starts: str, state: State) -> None:
        said = json.dumps({"StartAt": "A", "States": {"A": {"Resource": "x"}, "B": {"Resource": starts}}})
        assert ask("pipeline-orchestrated", {"flow.asl.json": said}).state is state

    @pytest.mark.parametrize(
        "said",
        [
            "tasks:\n  - {source: load.py, product: a}\n  - {source: second.py, product: b}\n",
            "blocks:\n  - {uuid: load, type: data_loader}\n  - {uuid: second, upstream_blocks: [load]}\n",
            "tasks:\n  - {id: load, type: io.kestra.plugin.A, commands: [python load.py]}\n"
            "  - {id: last, type: io.kestra.plugin.A, commands: [python steps/learn.py]}\n",
        ],
    )
    def test_steps_that_stand_in_a_list(self, ask: Ask, said: str) -> None:
        files = {
            "flow.yaml": said,
            "steps/load.py": "x = 1\n",
            "steps/learn.py": "x = 1\n",
            "steps/second.py": "x = 1\n",
        }
        assert ask("pipeline-orchestrated", files).state is State.ABSENT
        files |= {"steps/learn.py": MAIN, "steps/second.py": FIT}
        assert ask("pipeline-orchestrated", files).state is State.PRESENT

    @pytest.mark.parametrize(
        "code",
        [
            "from azureml.pipeline.steps import PythonScriptStep\nPythonScriptStep(script_name='a.py')\n"
            "PythonScriptStep(script_name='b.py', source_directory='steps')\n",
            "from azure.ai.ml import load_component\nload_component('a.yml')\nload_component(source='b.yml')\n",
            "from airflow.operators.bash import BashOperator\nBashOperator(bash_command='python steps/a.py')\n"
            "BashOperator(bash_command='python steps/b.py')\n",
        ],
    )
    def test_steps_that_start_a_program(self, ask: Ask, code: str) -> None:
        files = {
            "define.py": code,
            "a.yml": "command: python a.py\ncode: steps\n",
            "b.yml": "command: python b.py\ncode: steps\n",
            "steps/a.py": "x = 1\n",
            "steps/b.py": "x = 1\n",
        }
        assert ask("pipeline-orchestrated", files).state is State.ABSENT
        assert ask("pipeline-orchestrated", files | {"steps/b.py": MAIN}).state is State.PRESENT


class TestInfrastructure:
    @pytest.mark.parametrize(
        ("path", "said", "state"),
        [
            ("main.tf.json", '{"resource": {"a": {}}}', State.PRESENT),
            ("main.tf.json", '{"provider": {"a": {}}}', State.ABSENT),
            ("arm/workspace.json", '{"$schema": "https://schema/deploymentTemplate.json#"}', State.PRESENT),
            ("arm/parameters.json", '{"$schema": "https://schema/deploymentParameters.json#"}', State.ABSENT),
        ],
    )
    def test_templates_in_json(self, ask: Ask, path: str, said: str, state: State) -> None:
        assert ask("infra-as-code", {path: said}).state is state
