"""What only looks like a command, a call or a pipeline; and what is brought, told or asserted in another place."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import FIT, Ask, on_push

CALLED = FIT + "train(1, 2)\n"


@pytest.mark.parametrize(
    ("says", "state"), [("files=(\\n  './train.py'\\n)", State.PRESENT), ("files=a\\n./train.py", State.WIRED)]
)
def test_a_list_of_the_shell_names_files(ask: Ask, says: str, state: State) -> None:
    run = "|\n" + "\n".join(f"                {line}" for line in says.split("\\n"))
    assert ask("training-automated", {**on_push(run), "train.py": CALLED}).state is state


@pytest.mark.parametrize(("asks", "state"), [("pipeline(x)", State.PRESENT), ("pipeline.run(x)", State.WIRED)])
def test_a_variable_that_is_called_like_a_file(ask: Ask, asks: str, state: State) -> None:
    taken = "import pipeline\n" if "." in asks else ""
    code = f"{taken}def answer(x, pipeline=None):\n    return {asks}\nif __name__ == '__main__':\n    answer(1)\n"
    code = code.replace(", pipeline=None", "") if taken else code
    files = {"pipeline.py": FIT + "def run(x):\n    return train(x, 2)\ntrain(1, 2)\n", "answer.py": code}
    assert ask("training-automated", {**files, "crontab": "0 3 * * * python answer.py\n"}).state is state


JENKINS = (
    "pipeline {{\n  agent any\n  {open}\n    stage('a') {{\n      steps {{ sh '''{run}''' }}\n    }}\n  {close}\n}}\n"
)


@pytest.mark.parametrize(("opens", "state"), [("stages {", State.WIRED), ("", State.ABSENT)])
def test_stages_that_stand_in_nothing(ask: Ask, opens: str, state: State) -> None:
    text = JENKINS.format(open=opens, close="}" if opens else "", run="docker push team/churn")
    assert ask("automated-build", {"Jenkinsfile": text}).state is state


SPACE = (
    "|\n                git clone https://a:b@{host}/team/churn there\n"
    "                cd there\n                git add . && git push"
)


@pytest.mark.parametrize(
    ("host", "state"), [("huggingface.co/spaces", State.WIRED), ("huggingface.co/datasets", State.ABSENT)]
)
def test_the_clone_of_a_space_that_is_filled(ask: Ask, host: str, state: State) -> None:
    assert ask("service-cd", on_push(SPACE.format(host=host))).state is state


OTHERS = (
    "|\n                git clone https://a:b@github.com/team/cluster\n                cd cluster\n"
    "                {writes}\n                git commit -am new && git push || echo 'no changes'"
)


@pytest.mark.parametrize(
    ("writes", "state"), [("kustomize edit set image churn:2", State.WIRED), ("date > built", State.ABSENT)]
)
def test_the_image_is_written_into_another_repository(ask: Ask, writes: str, state: State) -> None:
    assert ask("service-cd", on_push(OTHERS.format(writes=writes))).state is state


RULES = "groups:\n- rules:\n  - alert: Unsure\n    expr: {name} < 0.7\n"
TOLD = (
    "import joblib\nfrom fastapi import FastAPI\nfrom prometheus_client import Gauge\n"
    "model = joblib.load('a')\nsure = Gauge('api_avg_confidence', 'how sure')\napp = FastAPI()\n"
    "@app.post('/a')\ndef answer(x: float):\n    return model.predict([[x]])\n"
)


@pytest.mark.parametrize(
    ("name", "state"), [("api_avg_confidence", State.PRESENT), ("node_memory_bytes", State.ABSENT)]
)
def test_an_alert_on_how_certain_the_answers_are(ask: Ask, name: str, state: State) -> None:
    files = {"app.py": TOLD, "rules.yaml": RULES.format(name=name)}
    assert ask("model-performance-monitoring", files).state is state


@pytest.mark.parametrize(("taken", "state"), [("from watch import sure\n", State.PRESENT), ("", State.DECLARED)])
def test_metrics_in_a_file_that_the_service_takes_in(ask: Ask, taken: str, state: State) -> None:
    service = TOLD.replace("from prometheus_client import Gauge\n", taken).replace("sure = Gauge", "text = str")
    watch = "from prometheus_client import Gauge\nsure = Gauge('a', 'b')\nif __name__ == '__main__':\n    sure.set(1)\n"
    assert ask("service-monitoring", {"app.py": service, "watch.py": watch}).state is state


DEPLOYMENT = (
    "kind: Deployment\nspec:\n  template:\n    spec:\n      containers:\n      - name: a\n        image: team/a\n"
    "        args: [-w, {given}]\n        ports: [{{containerPort: 8000}}]\n"
)


@pytest.mark.parametrize(("given", "state"), [("/weights/a.pt", State.PRESENT), ("/etc/a.conf", State.ABSENT)])
def test_a_container_that_is_started_with_a_model(ask: Ask, given: str, state: State) -> None:
    assert ask("model-serving", {"k8s/a.yaml": DEPLOYMENT.format(given=given)}).state is state


KNOWN = (
    "import pandas as pd\ndef prepare():\n    rows, known = pd.read_csv('a.csv'), pd.read_csv('b.csv')\n"
    "    {check}\n    return rows\nif __name__ == '__main__':\n    prepare()\n"
)


@pytest.mark.parametrize(
    ("check", "state"),
    [("assert all(rows['label'].isin(known['id']))", State.PRESENT), ("rows = rows.isin(known)", State.ABSENT)],
)
def test_all_values_are_among_those_known(ask: Ask, check: str, state: State) -> None:
    assert ask("data-tests", {"train.py": CALLED, "preprocess.py": KNOWN.format(check=check)}).state is state


PACKS = (
    "from sklearn.metrics import f1_score\ndef validate_readiness(y, p):\n    score = f1_score(y, p)\n"
    "    checks = {{'f1': score >= 0.7}}\n    return 'Ready' if all(checks.values()) else 'Rejected'\n"
    "def package_for_deployment(path):\n    open(path)\n"
    "def main():\n    status = validate_readiness(1, 2)\n    if {asks}:\n        package_for_deployment('a')\nmain()\n"
)


@pytest.mark.parametrize(("asks", "state"), [("status == 'Ready'", State.PRESENT), ("True", State.ABSENT)])
def test_a_package_for_deployment_is_a_release(ask: Ask, asks: str, state: State) -> None:
    assert ask("model-validation-gate", {"run.py": PACKS.format(asks=asks)}).state is state


STEPS = """
import os
from dataclasses import dataclass
from azureml.pipeline.steps import PythonScriptStep

@dataclass(frozen=True)
class Env:
    train_script: str = os.environ.get("TRAIN_SCRIPT")
    sources: str = os.getenv("SOURCES_DIR")

def main():
    e = Env()
    step = PythonScriptStep(name="train", script_name=e.train_script, source_directory=e.sources)

if __name__ == "__main__":
    main()
"""
TRAINS = "import mlflow\nfrom sklearn.svm import SVC\nmlflow.log_metric('a', 1)\nSVC().fit([[1]], [1])\n"
AZURE = """
    trigger: [main]
    variables:
    - template: names.yml
    steps:
    - script: python steps.py
"""


@pytest.mark.parametrize(
    ("files", "state"),
    [
        (
            {"names.yml": "variables:\n- name: TRAIN_SCRIPT\n  value: fit.py\n- {name: SOURCES_DIR, value: code}\n"},
            "wired",
        ),
        ({"names.yml": "variables:\n  TRAIN_SCRIPT: fit.py\n  SOURCES_DIR: code\n"}, "wired"),
        ({".env.example": "# where\nTRAIN_SCRIPT = 'fit.py'  # the script\nexport SOURCES_DIR=code\n"}, "wired"),
        ({"Dockerfile": "FROM python\nENV TRAIN_SCRIPT=fit.py\nENV SOURCES_DIR=code\n"}, "wired"),
        ({"compose.yaml": "services:\n  a:\n    environment: {TRAIN_SCRIPT: fit.py, SOURCES_DIR: code}\n"}, "wired"),
        ({"names.yml": "variables:\n  TRAIN_SCRIPT: other.py\n  SOURCES_DIR: code\n"}, "present"),
        ({}, "present"),
    ],
)
def test_the_script_of_a_step_stands_in_the_environment(ask: Ask, files: dict[str, str], state: str) -> None:
    project = {"steps.py": STEPS, "code/fit.py": TRAINS, "azure-pipelines.yml": AZURE, **files}
    assert ask("experiment-tracking", project).state.value == state
