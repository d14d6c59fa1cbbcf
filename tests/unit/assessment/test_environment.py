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


HEAD = "import asyncio, os, runpy, subprocess, sys\nfrom dotenv import load_dotenv\n"
SETTINGS = """from pydantic_settings import BaseSettings
class Settings(BaseSettings):
    model_config = {"env_file": ".env.prod"}
    script: str = "score.py"
"""
CHILD = f"{HEAD}subprocess.run([sys.executable, os.environ['SCRIPT']])\n"


@pytest.mark.parametrize(
    "program",
    [
        "subprocess.run(['python', os.environ['SCRIPT']])",
        "subprocess.run([sys.executable, os.getenv('SCRIPT', 'score.py')])",
        "S = os.environ['SCRIPT']\nsubprocess.run(args=[sys.executable, '-u', S], check=True)",
        "cmd = [sys.executable, os.environ['SCRIPT']]\ncmd += ['--fast', '1']\nsubprocess.run(cmd)",
        "subprocess.run([sys.executable] + [os.environ['SCRIPT']])",
        "subprocess.run([sys.executable, settings.script])",
        "S = os.environ['SCRIPT']\nos.system(f'python {S}')",
        "os.system('python $SCRIPT')",
        "runpy.run_path(os.environ['SCRIPT'])",
        "asyncio.run(asyncio.create_subprocess_exec(sys.executable, os.environ['SCRIPT']))",
        "subprocess.run([sys.executable, 'child.py'])",
    ],
)
@pytest.mark.parametrize(("script", "state"), [("train.py", State.WIRED), ("score.py", State.PRESENT)])
def test_a_command_that_takes_a_word_from_the_environment(ask: Ask, program: str, script: str, state: State) -> None:
    flow = WORKFLOW.format(on="push", jobs=JOB.format(name="a", script=script))
    files = {"train.py": TRAINS, "score.py": SCORES, "child.py": CHILD, ".github/workflows/a.yml": flow}
    assert ask("training-automated", {**files, "steps.py": f"{HEAD}{SETTINGS}{program}\n"}).state is state


@pytest.mark.parametrize(
    ("run", "program"),
    [
        ("SCRIPT={} python child.py", ""),
        ("export SCRIPT={} && python child.py", ""),
        ("env SCRIPT={} python child.py", ""),
        ("python steps.py", "subprocess.run([sys.executable, 'child.py'], env={{**os.environ, 'SCRIPT': '{}'}})"),
        ("python steps.py", "subprocess.run([sys.executable, 'child.py'], env=os.environ | {{'SCRIPT': '{}'}})"),
        ("python steps.py", "subprocess.run([sys.executable, 'child.py'], env=dict(os.environ, SCRIPT='{}'))"),
        (
            "python steps.py",
            "e = os.environ.copy()\ne['SCRIPT'] = '{}'\nsubprocess.run([sys.executable, 'child.py'], env=e)",
        ),
        ("python steps.py", "os.environ['SCRIPT'] = '{}'\nsubprocess.run([sys.executable, 'child.py'])"),
    ],
)
@pytest.mark.parametrize(("script", "state"), [("train.py", State.WIRED), ("score.py", State.PRESENT)])
def test_what_is_put_into_the_environment_on_the_way_counts_most(
    ask: Ask, run: str, program: str, script: str, state: State
) -> None:
    other = {"train.py": "score.py", "score.py": "train.py"}[script]
    flow = WORKFLOW.format(on="push", jobs=JOB.format(name="a", script=other))
    files = {"train.py": TRAINS, "score.py": SCORES, "child.py": CHILD, "steps.py": HEAD + program.format(script)}
    files[".github/workflows/a.yml"] = flow.replace("python steps.py", run.format(script))
    assert ask("training-automated", files).state is state


@pytest.mark.parametrize(
    ("run", "program"),
    [
        ("set -a && source .env.prod && python steps.py", CHILD),
        ("python steps.py", f"{HEAD}load_dotenv('.env.prod')\n{CHILD}"),
        ("python steps.py", f"{HEAD}{SETTINGS}subprocess.run([sys.executable, settings.script])\n"),
    ],
)
@pytest.mark.parametrize(("script", "state"), [("train.py", State.WIRED), ("score.py", State.PRESENT)])
def test_of_several_files_of_settings_the_one_that_is_loaded(
    ask: Ask, run: str, program: str, script: str, state: State
) -> None:
    other = {"train.py": "score.py", "score.py": "train.py"}[script]
    files = {"train.py": TRAINS, "score.py": SCORES, "steps.py": program}
    files |= {".env.prod": f"SCRIPT={script}\n", ".env.dev": f"SCRIPT={other}\n"}
    files[".github/workflows/a.yml"] = f"on: push\njobs:\n  a:\n    steps:\n      - run: {run}\n"
    assert ask("training-automated", files).state is state


@pytest.mark.parametrize(
    "program",
    [
        "for script in ['score.py', 'train.py']:\n    subprocess.run([sys.executable, script])",
        "STEPS = ('score.py', 'train.py')\nfor each in STEPS:\n    subprocess.run(f'python {each}', shell=True)",
        "STEPS = [('a', 'score.py'), ('b', 'train.py')]\nfor name, each in STEPS:\n    os.system('python ' + each)",
        "def go(s):\n    subprocess.run([sys.executable, s])\nfor each in ['score.py', 'train.py']:\n    go(each)",
    ],
)
def test_a_loop_over_scripts_runs_each(ask: Ask, program: str) -> None:
    flow = "on: push\njobs:\n  a:\n    steps:\n      - run: python steps.py\n"
    files = {"train.py": TRAINS, "score.py": SCORES, ".github/workflows/a.yml": flow}
    assert ask("training-automated", {**files, "steps.py": HEAD + program}).state is State.WIRED
    others = program.replace("train.py", "other.py")
    assert ask("training-automated", {"steps.py": HEAD + others}).state is State.PRESENT


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
