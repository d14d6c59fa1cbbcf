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


APP = "import joblib\nfrom fastapi import FastAPI\nmodel = joblib.load('m')\napp = FastAPI()\n"
SERVED = {"app.py": f"{APP}@app.post('/predict')\ndef answer(x: dict):\n    return model.predict([x])\n"}


def _step(text: str) -> dict[str, str]:
    lines = "".join(f"        {line}\n" for line in text.split("\n"))
    return {".github/workflows/ci.yml": f"on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      -\n{lines}"}


class TestDelivery:
    @pytest.mark.parametrize(
        ("step", "state"),
        [
            ("run: npx -y cdk deploy", State.WIRED),
            ("run: npx cdk diff", State.ABSENT),
            ("run: oc rollout latest app", State.WIRED),
            ("run: oc get pods", State.ABSENT),
            ("run: gcloud run services update app --image a", State.WIRED),
            ("run: doctl apps list", State.ABSENT),
            ("uses: azure/CLI@v1\nwith:\n  inlineScript: az webapp up", State.WIRED),
            ("uses: azure/CLI@v1\nwith:\n  inlineScript: az webapp list", State.ABSENT),
            ("uses: actions-hub/kubectl@master\nwith:\n  args: apply -f k8s", State.WIRED),
            ("uses: actions-hub/kubectl@master\nwith:\n  args: get pods", State.ABSENT),
            ("uses: actions/github-script@v7\nwith:\n  script: kubectl apply -f k8s", State.ABSENT),
            ("uses: easingthemes/ssh-deploy@main", State.WIRED),
        ],
    )
    def test_what_brings_a_service_somewhere(self, ask: Ask, step: str, state: State) -> None:
        assert ask("service-cd", {**_step(step), **SERVED}).state is state

    @pytest.mark.parametrize(
        ("run", "state"),
        [
            ("skopeo copy docker://a docker://b", State.WIRED),
            ("skopeo inspect docker://a", State.ABSENT),
            ("/kaniko/executor --destination a", State.WIRED),
            ("/kaniko/executor --no-push", State.ABSENT),
            ("pdm publish", State.WIRED),
        ],
    )
    def test_what_publishes(self, ask: Ask, run: str, state: State) -> None:
        assert ask("automated-build", {**_step(f"run: {run}"), **SERVED}).state is state

    @pytest.mark.parametrize(
        ("run", "state"),
        [
            ("python flow.py argo-workflows create", State.WIRED),
            ("python flow.py argo-workflows delete", State.ABSENT),
            ("rsync -a dags me@host:/opt/airflow/dags", State.WIRED),
            ("rsync -a dags backup/dags", State.ABSENT),
            ("aws sagemaker update-pipeline --pipeline-name a", State.WIRED),
        ],
    )
    def test_what_publishes_a_pipeline(self, ask: Ask, run: str, state: State) -> None:
        assert ask("pipeline-cd", {**_step(f"run: {run}"), "flow.py": "x = 1\n"}).state is state

    def test_what_an_action_runs_on_another_machine_is_followed(self, ask: Ask) -> None:
        step = "uses: appleboy/ssh-action@v1\nwith:\n  host: a\n  script: cd app && python fit.py"
        assert ask("training-automated", {**_step(step), "fit.py": MAIN}).state is State.WIRED

    @pytest.mark.parametrize(("said", "state"), [("latency", State.PRESENT), ("auc", State.ABSENT)])
    def test_a_page_of_metrics_of_the_model_watches_no_service(self, ask: Ask, said: str, state: State) -> None:
        page = f"@app.get('/metrics')\ndef page():\n    return {{'{said}': 1}}\n"
        assert ask("service-monitoring", {"app.py": SERVED["app.py"] + page}).state is state


class TestWatched:
    @pytest.mark.parametrize(
        ("code", "state"),
        [
            ("import logfire\nlogfire.configure()\n", State.PRESENT),
            ("import boto3\nboto3.client('cloudwatch').put_metric_data(Namespace='a')\n", State.PRESENT),
            ("import boto3\nboto3.client('cloudwatch').list_metrics(Namespace='a')\n", State.ABSENT),
        ],
    )
    def test_a_service_that_sends_what_it_measures(self, ask: Ask, code: str, state: State) -> None:
        assert ask("service-monitoring", {"app.py": SERVED["app.py"] + code}).state is state

    @pytest.mark.parametrize(
        ("code", "state"),
        [
            ("from arize.api import Client\nClient().log(model_id='a')\n", State.WIRED),
            ("from google.cloud import aiplatform as a\na.ModelDeploymentMonitoringJob.create()\n", State.WIRED),
            ("from google.cloud import aiplatform as a\na.ModelDeploymentMonitoringJob.list()\n", State.ABSENT),
        ],
    )
    def test_platforms_that_watch_a_model(self, ask: Ask, code: str, state: State) -> None:
        assert ask("drift-monitoring", {**_step("run: python watch.py"), "watch.py": code}).state is state


class TestJudged:
    @pytest.mark.parametrize(
        ("check", "state"),
        [
            ("assert 'a' in frame.columns", State.PRESENT),
            ("assert len(frame) > 1", State.ABSENT),
            ("if frame['a'].null_count():\n        raise ValueError('a')", State.PRESENT),
        ],
    )
    def test_what_is_asserted_of_what_was_read(self, ask: Ask, check: str, state: State) -> None:
        code = f"def main(path):\n    frame = pd.read_csv(path)\n    {check}\n    train(frame, 1)\nmain('a')\n"
        files = {"team.py": FIT, "run.py": f"import pandas as pd\nfrom team import train\n{code}"}
        assert ask("data-tests", files).state is state

    @pytest.mark.parametrize(
        ("bound", "after", "state"),
        [("0.8", "docker push app", State.WIRED), ("0", "docker push app", State.ABSENT), ("0.8", "ls", State.ABSENT)],
    )
    def test_a_script_of_ci_that_leaves_before_the_model_is_packed(
        self, ask: Ask, bound: str, after: str, state: State
    ) -> None:
        check = (
            f"import json, sys\nfound = json.load(open('m.json'))\nif found['accuracy'] < {bound}:\n    sys.exit(1)\n"
        )
        step = f"run: |\n  python fit.py\n  python check.py\n  {after}"
        assert ask("model-validation-gate", {**_step(step), "fit.py": MAIN, "check.py": check}).state is state

    @pytest.mark.parametrize(("run", "state"), [("hatch test", State.WIRED), ("hatch build", State.ABSENT)])
    def test_programs_that_run_their_own_tests(self, ask: Ask, run: str, state: State) -> None:
        test = "from team import train\ndef test_it():\n    assert train(1, 2)\n"
        assert ask("tests-in-ci", {**_step(f"run: {run}"), "team.py": FIT, "tests/test_a.py": test}).state is state


class TestFeatures:
    @pytest.mark.parametrize(
        ("code", "state"),
        [
            ("from tecton import batch_feature_view\n@batch_feature_view()\ndef a(x):\n    return x\n", State.PRESENT),
            ("from google.cloud import aiplatform\naiplatform.Featurestore.create('a')\n", State.PRESENT),
            ("from google.cloud import aiplatform\naiplatform.TabularDataset.create('a')\n", State.ABSENT),
            ("from azureml.featurestore import FeatureStoreClient\nFeatureStoreClient(1)\n", State.PRESENT),
        ],
    )
    def test_stores(self, ask: Ask, code: str, state: State) -> None:
        assert ask("feature-consistency", {"run.py": f"{FIT}{code}train(1, 2)\n"}).state is state
