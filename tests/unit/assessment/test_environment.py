"""What programs find in their environment: of several pipelines each in its own."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import Ask

TRAINS = "from sklearn.svm import SVC\nSVC().fit([[1]], [1])\n"
SCORES = "import joblib\njoblib.load('m').predict([[1]])\n"
STEPS = """
import os
from os import environ, getenv
from azureml.pipeline.steps import PythonScriptStep
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    {setting}

SCRIPT = {top}
settings = Settings()
if __name__ == "__main__":
    PythonScriptStep(name="step", script_name={named})
"""
WORKFLOW = "on: {on}\njobs:\n{jobs}"
JOB = "  {name}:\n    steps:\n      - run: python steps.py\n        env:\n          SCRIPT: {script}\n"


def _steps(named: str = 'os.environ["SCRIPT"]', top: str = "None", setting: str = "one: int = 1") -> dict[str, str]:
    text = STEPS.replace("{named}", named).replace("{top}", top).replace("{setting}", setting)
    return {"steps.py": text, "train.py": TRAINS, "score.py": SCORES}


@pytest.mark.parametrize(
    "steps",
    [
        _steps(),
        _steps(named='os.getenv("SCRIPT", "score.py")'),
        _steps(named='environ["SCRIPT"]'),
        _steps(named='environ.get("SCRIPT")'),
        _steps(named='getenv("SCRIPT")'),
        _steps(named="SCRIPT", top='getenv("SCRIPT", "score.py")'),
        _steps(named="settings.script", setting='script: str = "score.py"'),
        _steps(named="settings.script", setting='script: str = Field(default="score.py")'),
    ],
)
@pytest.mark.parametrize(("script", "state"), [("train.py", State.WIRED), ("score.py", State.PRESENT)])
def test_a_script_that_the_environment_names(ask: Ask, steps: dict[str, str], script: str, state: State) -> None:
    flow = WORKFLOW.format(on="push", jobs=JOB.format(name="a", script=script))
    assert ask("training-automated", {**steps, ".github/workflows/a.yml": flow}).state is state


@pytest.mark.parametrize(
    "steps",
    [
        _steps(named='os.getenv("SCRIPT", "train.py")'),
        _steps(named="SCRIPT", top='os.environ.get("SCRIPT", "train.py")'),
        _steps(named="settings.script", setting='script: str = "train.py"'),
    ],
)
def test_a_default_where_nobody_says_anything(ask: Ask, steps: dict[str, str]) -> None:
    flow = "on: push\njobs:\n  a:\n    steps:\n      - run: python steps.py\n"
    assert ask("training-automated", {**steps, ".github/workflows/a.yml": flow}).state is State.WIRED


@pytest.mark.parametrize(("trains", "state"), [("push", State.WIRED), ("workflow_dispatch", State.PRESENT)])
@pytest.mark.parametrize("trains_first", [True, False])
def test_two_pipelines_that_give_one_name_two_values(ask: Ask, trains: str, trains_first: bool, state: State) -> None:
    scores = "workflow_dispatch" if trains == "push" else "push"
    names = ("a", "b") if trains_first else ("b", "a")
    flows = {
        names[0]: WORKFLOW.format(on=trains, jobs=JOB.format(name="job", script="train.py")),
        names[1]: WORKFLOW.format(on=scores, jobs=JOB.format(name="job", script="score.py")),
    }
    files = {f".github/workflows/{name}.yml": text for name, text in flows.items()}
    assert ask("training-automated", {**_steps(), **files}).state is state


@pytest.mark.parametrize(("script", "state"), [("train.py", State.WIRED), ("score.py", State.PRESENT)])
def test_two_jobs_of_one_workflow(ask: Ask, script: str, state: State) -> None:
    jobs = JOB.format(name="a", script=script) + JOB.format(name="b", script="train.py").replace(
        "    steps", "    if: github.event_name == 'workflow_dispatch'\n    steps"
    )
    flow = WORKFLOW.format(on="[push, workflow_dispatch]", jobs=jobs)
    assert ask("training-automated", {**_steps(), ".github/workflows/a.yml": flow}).state is state


@pytest.mark.parametrize(("other", "state"), [("train.py", State.WIRED), ("score.py", State.PRESENT)])
def test_what_is_said_elsewhere_in_two_ways_is_not_known(ask: Ask, other: str, state: State) -> None:
    flow = "on: push\njobs:\n  a:\n    steps:\n      - run: python steps.py\n"
    files = {".github/workflows/a.yml": flow, "dev.env": "SCRIPT=train.py\n", "prod.env": f"SCRIPT={other}\n"}
    assert ask("training-automated", {**_steps(), **files}).state is state


TRACKED = """
import os
import mlflow
from sklearn.svm import SVC
mlflow.set_tracking_uri({named})
with mlflow.start_run():
    SVC().fit([[1]], [1])
    mlflow.log_metric("a", 1)
"""


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("./mlruns", State.ABSENT),
        ("sqlite:///runs.db", State.ABSENT),
        ("https://mlflow.example.org", State.WIRED),
        ("${{ secrets.TRACKER }}", State.WIRED),
        ("", State.WIRED),  # nobody says: the settings of the platform do
    ],
)
@pytest.mark.parametrize("named", ['os.environ["TRACKER"]', 'os.getenv("TRACKER", "http://localhost:5000")'])
def test_a_tracker_that_the_pipeline_keeps_at_home(ask: Ask, named: str, said: str, state: State) -> None:
    given = f"\n        env:\n          TRACKER: {said}\n" if said else "\n"
    flow = f"on: push\njobs:\n  a:\n    steps:\n      - run: python train.py{given}"
    files = {"train.py": TRACKED.replace("{named}", named), ".github/workflows/a.yml": flow}
    assert ask("tracking-centralized", files).state is state
