"""What stands in another file than where one looks first: CI taken in, images, deployments, notebooks."""

from __future__ import annotations

import json

import pytest

from windlass.assessment.records import State

from .conftest import FIT, Ask, on_push

MAIN = FIT + "if __name__ == '__main__':\n    train(1, 2)\n"
TESTS = {"team.py": FIT, "tests/test_team.py": "from team import train\ndef test_it():\n    assert train([[1]], [1])\n"}


class TestCi:
    @pytest.mark.parametrize(
        ("include", "state"),
        [
            ("include:\n  - local: ci/tests.yml\n", State.WIRED),
            ("include: /ci/tests.yml\n", State.WIRED),
            ("include: 'ci/*.yml'\n", State.WIRED),
            ("include:\n  - local: ci/others.yml\n", State.ABSENT),
            ("include: https://example.org/ci/tests.yml\n", State.ABSENT),
            ("", State.ABSENT),
        ],
    )
    def test_files_that_a_pipeline_of_gitlab_takes_in(self, ask: Ask, include: str, state: State) -> None:
        main = f"{include}stages: [test]\nlint:\n  script: [ruff check]\n"
        files = {".gitlab-ci.yml": main, "ci/tests.yml": "try:\n  script: [pytest]\n", **TESTS}
        assert ask("tests-in-ci", files).state is state

    @pytest.mark.parametrize(("base", "state"), [(".tests", State.WIRED), (".none", State.ABSENT)])
    def test_a_job_that_extends_one_of_another_file(self, ask: Ask, base: str, state: State) -> None:
        files = {
            ".gitlab-ci.yml": "include: ['ci/base.yml', 'ci/team.yml']\n",
            "ci/base.yml": "\n\n\n.tests:\n  script: [pytest]\n",
            "ci/team.yml": f"team:\n  extends: {base}\n",
            **TESTS,
        }
        found = ask("tests-in-ci", files)
        assert found.state is state
        # What it runs stands in the other file: the job is what can be looked up.
        lines = {each.line for each in found.evidence if each.path == "ci/team.yml"}
        assert lines == ({2} if state is State.WIRED else set())

    @pytest.mark.parametrize(
        ("folder", "says", "state"),
        [
            ("ado_pipelines", "trigger: [main]", State.WIRED),
            ("ado_pipelines", "resources:\n  repositories: []", State.WIRED),
            ("ado_pipelines", "trigger: none", State.PRESENT),
            ("ado_pipelines", "parameters:\n  - name: a", State.ABSENT),
            ("pipelines", "trigger: [main]", State.ABSENT),
        ],
    )
    def test_pipelines_of_azure_in_a_folder_of_their_own(self, ask: Ask, folder: str, says: str, state: State) -> None:
        files = {f"{folder}/ci.yml": f"{says}\nsteps:\n  - script: pytest\n", **TESTS}
        assert ask("tests-in-ci", files).state is state

    @pytest.mark.parametrize(
        ("run", "fails", "state"),
        [
            ("pytest --junitxml=a.xml || true", "true", State.WIRED),
            ("pytest --junitxml=a.xml || true", "false", State.PRESENT),
            ("pytest || true", "true", State.PRESENT),
        ],
    )
    def test_azure_fails_on_what_tests_wrote_down(self, ask: Ask, run: str, fails: str, state: State) -> None:
        step = f"  - task: PublishTestResults@2\n    inputs:\n      failTaskOnFailedTests: {fails}\n"
        files = {"azure-pipelines.yml": f"trigger: [main]\nsteps:\n  - script: {run}\n{step}", **TESTS}
        assert ask("tests-in-ci", files).state is state

    @pytest.mark.parametrize(
        ("run", "shell", "state"),
        [
            ("pytest -v | tee out.txt", "", State.PRESENT),
            ("pytest -v 2>&1 | tee out.txt", "", State.PRESENT),
            ("pytest -v | tee out.txt", "bash", State.WIRED),
            ("set -o pipefail\n          pytest -v | tee out.txt", "", State.WIRED),
            ("pytest -v | tee out.txt\n          exit ${PIPESTATUS[0]}", "", State.WIRED),
            ("pytest -v > out.txt", "", State.WIRED),
            ("pytest --version", "", State.ABSENT),
        ],
    )
    @pytest.mark.parametrize("where", ["step", "defaults"])
    def test_what_a_pipe_loses(self, ask: Ask, where: str, run: str, shell: str, state: State) -> None:
        default = f"defaults:\n  run:\n    shell: {shell}\n" if shell and where == "defaults" else ""
        own = f"\n        shell: {shell}" if shell and where == "step" else ""
        flow = f"on: push\n{default}jobs:\n  a:\n    runs-on: x\n    steps:\n      - run: |\n          {run}{own}\n"
        assert ask("tests-in-ci", {".github/workflows/ci.yml": flow, **TESTS}).state is state

    @pytest.mark.parametrize(
        ("path", "state"),
        [
            ("Jenkinsfile", State.WIRED),
            ("models/churn/Jenkinsfile", State.WIRED),
            ("docs/Jenkinsfile", State.ABSENT),
            ("examples/churn/Jenkinsfile", State.ABSENT),
        ],
    )
    def test_where_a_jenkinsfile_lies(self, ask: Ask, path: str, state: State) -> None:
        assert ask("tests-in-ci", {path: "node { stage('Test') { sh 'pytest' } }\n", **TESTS}).state is state

    @pytest.mark.parametrize(
        ("run", "state"),
        [
            ("docker run --rm churn-train", State.WIRED),
            ("docker run -e TOKEN churn-train:latest", State.WIRED),
            ("docker run churn-train python train.py", State.WIRED),
            ("docker run churn-train python show.py", State.PRESENT),
            ("docker run others-train", State.PRESENT),
            ("docker pull churn-train", State.PRESENT),
        ],
    )
    @pytest.mark.parametrize("builder", ["build.sh", "Makefile"])
    def test_an_image_that_is_built_and_run(self, ask: Ask, builder: str, run: str, state: State) -> None:
        build = "docker build -t churn-train:latest -f docker/Dockerfile ."
        files = {
            **on_push(run),
            builder: f"image:\n\t{build}\n" if builder == "Makefile" else f"{build}\n",
            "docker/Dockerfile": "FROM python:3.12\nCOPY . .\nCMD python train.py\n",
            "train.py": MAIN,
            "show.py": "print(1)\n",
        }
        assert ask("training-automated", files).state is state


class TestStarted:
    @pytest.mark.parametrize(
        ("schedule", "active", "state"),
        [
            ("schedule:\n  cron: 0 10 * * 1\n", "null", State.WIRED),
            ("schedule:\n  cron: 0 10 * * 1\n", "true", State.WIRED),
            ("schedule:\n  cron: 0 10 * * 1\n", "false", State.PRESENT),
            ("schedule: null\n", "null", State.PRESENT),
        ],
    )
    def test_a_deployment_file_of_prefect(self, ask: Ask, schedule: str, active: str, state: State) -> None:
        text = f"name: weekly\n{schedule}is_schedule_active: {active}\nflow_name: a\nentrypoint: flows/train.py:run\n"
        flow = "import prefect\nfrom team import train\n@prefect.flow\ndef run():\n    train(1, 2)\n"
        files = {"run-deployment.yaml": text, "flows/train.py": flow, "team.py": FIT}
        assert ask("training-automated", files).state is state

    @pytest.mark.parametrize(("place", "state"), [("project", State.WIRED), ("other", State.PRESENT)])
    def test_of_two_programs_of_one_name_the_one_beside(self, ask: Ask, place: str, state: State) -> None:
        files = {
            "project/crontab.txt": "*/10 * * * * python fullprocess.py\n",
            "project/fullprocess.py": "import subprocess\nsubprocess.run(['python', 'training.py'])\n",
            "project/training.py": "print(1)\n",
            "other/training.py": "print(1)\n",
            f"{place}/training.py": MAIN,
        }
        assert ask("training-automated", files).state is state

    @pytest.mark.parametrize(
        ("run", "state"),
        [
            ("jupyter nbconvert --to script train.ipynb && python train.py", State.WIRED),
            ("jupytext --to py train.ipynb && python other.py", State.ABSENT),
        ],
    )
    def test_a_program_that_is_made_of_a_notebook(self, ask: Ask, run: str, state: State) -> None:
        cell = {"cell_type": "code", "source": FIT + "train(1, 2)\n", "outputs": [], "metadata": {}}
        book = json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
        assert ask("training-automated", {**on_push(run), "train.ipynb": book}).state is state

    @pytest.mark.parametrize("practice", ["ct-trigger-threshold", "training-automated"])
    def test_programs_of_one_name_that_a_sign_of_decay_starts(self, ask: Ask, practice: str) -> None:
        files = {
            "a/crontab": "@daily python watch.py\n",
            "a/watch.py": "import subprocess\nif drift > 1:\n    subprocess.run(['python', 'train.py'])\n",
            "a/train.py": MAIN,
            "b/train.py": "print(1)\n",
        }
        assert ask(practice, files).state is State.WIRED

    @pytest.mark.parametrize(("home", "state"), [("", State.WIRED), ("models/trainer.py", State.PRESENT)])
    def test_what_is_defined_where_an_import_fails(self, ask: Ask, home: str, state: State) -> None:
        code = """
            try:
                from models.trainer import Trainer
            except ImportError:
                from sklearn.linear_model import LinearRegression
                class Trainer:
                    def learn(self, x, y):
                        return LinearRegression().fit(x, y)
            trainer = Trainer()
            trainer.learn(1, 2)
        """
        files = {**on_push("python train.py"), "train.py": code}
        files |= {home: "class Trainer:\n    def learn(self, x, y): return 1\n"} if home else {}
        assert ask("training-automated", files).state is state


class TestNamed:
    """What a name or a path stands for, that another file or an operator makes."""

    @pytest.mark.parametrize(
        ("command", "state"),
        [
            ("${script}", State.WIRED),
            ("${scripts.train}", State.WIRED),
            ("${other}", State.WIRED),
            ("${folder}/train.py", State.WIRED),
            ("${missing}", State.PRESENT),
            ("${scripts}", State.PRESENT),
            ("${show}", State.PRESENT),
        ],
    )
    def test_values_of_a_file_of_stages(self, ask: Ask, command: str, state: State) -> None:
        stages = f"vars:\n  - other: src/train.py\n  - more.yaml\nstages:\n  fit:\n    cmd: python {command}\n"
        files = {
            **on_push("dvc repro"),
            "dvc.yaml": stages,
            "params.yaml": "script: src/train.py\nshow: src/show.py\nscripts:\n  train: src/train.py\n",
            "more.yaml": "folder: src\n",
            "src/train.py": MAIN,
            "src/show.py": "print(1)\n",
        }
        assert ask("training-automated", files).state is state

    @pytest.mark.parametrize(
        ("path", "state"),
        [
            ("str(ROOT / 'src' / 'train.py')", State.WIRED),
            ("ROOT / 'src/train.py'", State.WIRED),
            ("Path('src') / 'train.py'", State.WIRED),
            ("str(ROOT / 'src' / 'show.py')", State.PRESENT),
            ("ROOT / 'others' / name", State.PRESENT),
        ],
    )
    @pytest.mark.parametrize("held", [True, False])
    def test_a_path_that_is_put_together(self, ask: Ask, path: str, held: bool, state: State) -> None:
        words = f"[sys.executable, {path}, '--epochs', str(EPOCHS)]"
        run = f"command = {words}\nsubprocess.run(command, check=True)\n" if held else f"subprocess.run({words})\n"
        files = {
            **on_push("python worker.py"),
            "worker.py": f"import subprocess, sys\nfrom pathlib import Path\nROOT = Path(__file__).parent\n{run}",
            "src/train.py": MAIN,
            "src/show.py": "print(1)\n",
        }
        assert ask("training-automated", files).state is state

    @pytest.mark.parametrize(
        ("call", "registry", "deployed"),
        [
            ("upload_file(path_or_fileobj=path, repo_id='a/b', repo_type='model')", State.WIRED, State.ABSENT),
            ("upload_file(path_or_fileobj='model.pkl', repo_id='a/b')", State.WIRED, State.ABSENT),
            ("upload_file(path_or_fileobj='report.html', repo_id='a/b')", State.ABSENT, State.ABSENT),
            ("upload_folder(folder_path='.', repo_id='a/b', repo_type='space')", State.ABSENT, State.WIRED),
            ("upload_folder(folder_path='.', repo_id='a/b', repo_type='dataset')", State.ABSENT, State.ABSENT),
            ("upload_folder(folder_path='.', repo_id='a/b')", State.WIRED, State.ABSENT),
        ],
    )
    def test_what_goes_to_the_hub(self, ask: Ask, call: str, registry: State, deployed: State) -> None:
        code = f"from huggingface_hub import HfApi\napi = HfApi()\napi.{call}\n"
        files = {**on_push("python push.py"), "push.py": code}
        assert ask("model-registry", files).state is registry
        assert ask("service-cd", files).state is deployed


class TestPipelines:
    STEPS = "from kfp import dsl\n@dsl.component\ndef prepare(): ...\n{mark}\ndef train_model(x):\n    return x\n"

    @pytest.mark.parametrize(("mark", "state"), [("@dsl.component", State.PRESENT), ("", State.ABSENT)])
    def test_a_pipeline_that_a_notebook_declares(self, ask: Ask, mark: str, state: State) -> None:
        cell = {"cell_type": "code", "source": self.STEPS.format(mark=mark), "outputs": [], "metadata": {}}
        book = json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
        assert ask("pipeline-orchestrated", {"pipeline.ipynb": book}).state is state

    @pytest.mark.parametrize(
        ("step", "state"),
        [("AutoMLTabularTrainingJobRunOp", State.PRESENT), ("ImageDatasetCreateOp", State.ABSENT)],
    )
    def test_components_of_vertex(self, ask: Ask, step: str, state: State) -> None:
        code = f"""
            import kfp
            from google_cloud_pipeline_components import aiplatform as parts
            @kfp.dsl.pipeline(name="a")
            def pipeline(project: str):
                data = parts.TabularDatasetCreateOp(project=project)
                parts.{step}(dataset=data.outputs["dataset"])
        """
        assert ask("pipeline-orchestrated", {"pipeline.py": code}).state is state

    @pytest.mark.parametrize(
        ("code", "state"),
        [
            ("from google_cloud_pipeline_components import aiplatform as a\na.ModelDeployOp(model=m)", State.PRESENT),
            ("from google_cloud_pipeline_components import aiplatform as a\na.ModelUploadOp(model=m)", State.ABSENT),
            ("from kserve import KServeClient\nKServeClient().create(service)", State.PRESENT),
            ("from kserve import KServeClient\nKServeClient().get(name)", State.ABSENT),
        ],
    )
    def test_what_brings_a_model_to_an_endpoint(self, ask: Ask, code: str, state: State) -> None:
        assert ask("model-serving", {"deploy.py": code + "\n"}).state is state


class TestServed:
    @pytest.mark.parametrize(("asked", "state"), [("predict_proba.run", State.PRESENT), ("status.run", State.DECLARED)])
    def test_a_runner_of_bentoml(self, ask: Ask, asked: str, state: State) -> None:
        code = f"""
            import bentoml
            runner = bentoml.sklearn.get("model:latest").to_runner()
            svc = bentoml.Service("team", runners=[runner])
            @svc.api(input=1, output=2)
            def answer(rows):
                return runner.{asked}(rows)
        """
        assert (ask("model-serving", {"service.py": code}).state is State.PRESENT) is (state is State.PRESENT)

    @pytest.mark.parametrize(("call", "state"), [("container.build", State.PRESENT), ("models.list", State.ABSENT)])
    def test_the_image_of_a_service_of_bentoml(self, ask: Ask, call: str, state: State) -> None:
        assert ask("container-images", {"build.py": f"import bentoml\nbentoml.{call}('team')\n"}).state is state

    @pytest.mark.parametrize(
        ("path", "code", "state"),
        [
            (
                "a/deployment.py",
                "import joblib\nclass Deployment:\n    def __init__(self): self.model = joblib.load('a')\n"
                "    def request(self, data): return self.model.predict(data)\n",
                State.PRESENT,
            ),
            ("a/deployment.py", "class Deployment:\n    def request(self, data): return data\n", State.ABSENT),
            (
                "a/deployment.R",
                "init <- function(a, b) {\n  model <<- readRDS('m.rds')\n}\n"
                "request <- function(data, a, b) {\n  predict(model, data)\n}\n",
                State.PRESENT,
            ),
            (
                "a/deployment.R",
                "init <- function(a, b) {}\nrequest <- function(data, a, b) {\n  fit <- lm(y ~ x, data)\n}\n",
                State.ABSENT,
            ),
        ],
    )
    def test_a_deployment_of_ubiops(self, ask: Ask, path: str, code: str, state: State) -> None:
        assert ask("model-serving", {path: code}).state is state

    @pytest.mark.parametrize(
        ("load", "then", "state"),
        [
            ("joblib.load('m')", "", State.PRESENT),
            ("joblib.load('m')", "sklearn.metrics.f1_score(y, p)", State.ABSENT),
            ("object()", "", State.ABSENT),
        ],
    )
    def test_a_step_that_answers_from_a_saved_model(self, ask: Ask, load: str, then: str, state: State) -> None:
        code = f"""
            import joblib, sklearn.metrics
            from kfp.dsl import component
            @component
            def using_it(rows, y):
                model = {load}
                p = model.predict(rows)
                {then}
                p.to_csv("out.csv")
        """
        assert ask("model-serving", {"steps.py": code}).state is state

    @pytest.mark.parametrize(
        ("body", "state"),
        [
            ("ch.publish(load_model('m').predict(body))", State.PRESENT),
            ("ch.publish(body)", State.ABSENT),
            ("m = load_model('m')\n    SVC().fit(m.predict(body), body)", State.ABSENT),
        ],
    )
    @pytest.mark.parametrize("broker", ["pika", "os"])
    def test_a_program_that_answers_messages(self, ask: Ask, broker: str, body: str, state: State) -> None:
        code = (
            f"import {broker} as broker\nfrom keras.models import load_model\nfrom sklearn.svm import SVC\n"
            f"def answer(ch, body):\n    {body}\n"
            "def main():\n    ch = broker.connect()\n    ch.basic_consume(queue='a', on_message_callback=answer)\n"
            "if __name__ == '__main__':\n    main()\n"
        )
        assert ask("model-serving", {"worker.py": code}).state is (state if broker == "pika" else State.ABSENT)

    @pytest.mark.parametrize(("broker", "state"), [("pika", True), ("os", False)])
    def test_metrics_of_a_program_that_answers_messages(self, ask: Ask, broker: str, state: bool) -> None:
        code = f"""
            import {broker}
            from joblib import load
            from prometheus_client import Counter, start_http_server
            def answer(ch, body):
                ch.publish(load("m").predict(body))
            def main():
                start_http_server(8000)
                ch = {broker}.connect()
                ch.basic_consume(queue="a", on_message_callback=answer)
            if __name__ == "__main__":
                main()
        """
        assert (ask("service-monitoring", {"worker.py": code}).state is State.PRESENT) is state

    @pytest.mark.parametrize(("key", "state"), [("appInsightsEnabled", State.PRESENT), ("authEnabled", State.ABSENT)])
    def test_an_endpoint_that_the_platform_watches(self, ask: Ask, key: str, state: State) -> None:
        files = {"deploy.yml": f"computeType: aks\n{key}: true\n", "a.py": FIT}
        assert ask("service-monitoring", files).state is state

    @pytest.mark.parametrize(
        ("name", "state"), [("wandb-registry-model/churn:latest", State.PRESENT), ("team/churn/run-1:v0", State.ABSENT)]
    )
    def test_a_model_taken_from_the_registry_of_wandb(self, ask: Ask, name: str, state: State) -> None:
        code = f"import wandb\nwandb.Api().artifact('{name}').download()\n"
        assert ask("model-registry", {"get.py": code}).state is state

    @pytest.mark.parametrize(("mark", "state"), [("", State.PRESENT), ("@component", State.DECLARED)])
    def test_metrics_of_a_step_are_none_of_a_service(self, ask: Ask, mark: str, state: State) -> None:
        code = f"""
            from kfp.dsl import component
            from prometheus_client import Gauge, start_http_server
            {mark}
            def answer():
                start_http_server(8000)
                Gauge("r2", "how well").set(1)
            answer()
        """
        files = {"app.py": code, "prometheus.yml": "scrape_configs:\n  - job_name: app\n"}
        found = ask("service-monitoring", files).state
        assert (found.rank >= State.PRESENT.rank) is (state is State.PRESENT)


class TestFunctions:
    """Functions of a cloud that Terraform and CI bring to where they run."""

    NOTICE = """
        resource "aws_s3_bucket_notification" "raw" {{
          bucket = module.s3.raw
          lambda_function {{
            lambda_function_arn = module.lambda.{name}_function_arn
            events              = ["s3:ObjectCreated:*"]
          }}
        }}
    """

    @pytest.mark.parametrize(
        ("name", "kind", "state"),
        [
            ("training", "aws_s3_bucket_notification", State.WIRED),
            ("inference", "aws_s3_bucket_notification", State.PRESENT),
            ("training", "aws_s3_bucket_policy", State.PRESENT),
        ],
    )
    def test_a_new_file_starts_training(self, ask: Ask, name: str, kind: str, state: State) -> None:
        files = {
            "infra/main.tf": self.NOTICE.format(name=name).replace("aws_s3_bucket_notification", kind),
            "training/app.py": f"{FIT}def lambda_handler(event, context):\n    train(1, 2)\n",
        }
        assert ask("training-automated", files).state is state

    @pytest.mark.parametrize(
        ("name", "state"),
        [("churn-training", State.WIRED), ("churn-inference", State.ABSENT), ("trains", State.ABSENT)],
    )
    def test_ci_brings_the_function_that_trains(self, ask: Ask, name: str, state: State) -> None:
        files = on_push(f"aws lambda update-function-code --function-name {name} --image-uri x")
        assert ask("pipeline-cd", {**files, "train.py": FIT}).state is state

    @pytest.mark.parametrize(("namespace", "state"), [("AWS/ApiGateway", State.PRESENT), ("AWS/Billing", State.ABSENT)])
    def test_an_alarm_on_what_a_platform_counts(self, ask: Ask, namespace: str, state: State) -> None:
        alarm = f"""
            resource "aws_cloudwatch_metric_alarm" "errors" {{
              metric_name = "5xx"
              namespace   = "{namespace}"
            }}
        """
        assert ask("service-monitoring", {"infra/main.tf": alarm, "a.py": FIT}).state is state

    @pytest.mark.parametrize(("does", "state"), [("put_item(Item=item)", State.PRESENT), ("scan()", State.ABSENT)])
    def test_a_registry_in_a_table(self, ask: Ask, does: str, state: State) -> None:
        code = f"""
            import boto3
            table = boto3.resource("dynamodb").Table("models")
            def register_model(version, item):
                table.{does}
            def get_stable_version():
                return table.query()
            if __name__ == "__main__":
                register_model("v1", {{}})
        """
        assert ask("model-registry", {"train.py": code}).state is state
