"""What systems of CI, wheels, jobs of Databricks and evaluations run, in forms that only they have."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import FIT, Ask, on_push

CALLED = FIT + "train(1, 2)\n"
SEMAPHORE = (
    "version: v1.0\nblocks:\n  - name: Test\n    task:\n      prologue:\n        commands: [checkout]\n"
    "      jobs:\n        - name: one\n          commands: [{command}]\n"
    "promotions:\n  - pipeline_file: next.yml\n{auto}"
)
NEXT = "version: v1.0\nblocks:\n  - name: Image\n    task:\n      jobs:\n        - commands: [docker push team/churn]\n"
AUTO = "    auto_promote:\n      when: branch = 'main'\n"


@pytest.mark.parametrize(("auto", "state"), [(AUTO, State.WIRED), ("", State.PRESENT)])
def test_semaphore_promotes(ask: Ask, auto: str, state: State) -> None:
    files = {".semaphore/semaphore.yml": SEMAPHORE.format(command="make", auto=auto), ".semaphore/next.yml": NEXT}
    assert ask("automated-build", files).state is state


def test_semaphore_hears_of_no_other_file(ask: Ask) -> None:
    assert ask("automated-build", {".semaphore/next.yml": NEXT}).state is State.ABSENT


def test_semaphore_trains(ask: Ask) -> None:
    text = SEMAPHORE.format(command="python train.py", auto="")
    assert ask("training-automated", {".semaphore/semaphore.yml": text, "train.py": CALLED}).state is State.WIRED


BUILDKITE = (
    "steps:\n  - label: test\n    command: make\n{block}  - group: all\n    steps:\n      - command: {command}\n"
)


@pytest.mark.parametrize(("block", "state"), [("", State.WIRED), ("  - block: release?\n", State.PRESENT)])
def test_buildkite_waits(ask: Ask, block: str, state: State) -> None:
    text = BUILDKITE.format(block=block, command="docker push team/churn")
    assert ask("automated-build", {".buildkite/pipeline.yml": text}).state is state


SETUP = {
    "setup.py": "from setuptools import setup\nsetup(entry_points={'console_scripts': ['a = {name}:run']})\n",
    "setup.cfg": "[options.entry_points]\nconsole_scripts =\n    other = team.x:y\n    a = {name}:run\n",
}
HIDDEN = "from team.fit import train\ndef run():\n    train(1, 2)\n"


@pytest.mark.parametrize("file", list(SETUP))
@pytest.mark.parametrize(("name", "state"), [("team.cli", State.WIRED), ("team.none", State.ABSENT)])
def test_a_console_script_of_an_older_form(ask: Ask, file: str, name: str, state: State) -> None:
    code = {"team/__init__.py": "", "team/fit.py": FIT, "team/cli.py": HIDDEN, "team/use.py": "import team.cli\n"}
    files = {**code, file: SETUP[file].replace("{name}", name), "crontab": "0 3 * * * a --fast\n"}
    assert ask("training-automated", files).state.rank >= state.rank
    assert ask("training-automated", files).state.holds is (state is State.WIRED)


JOB = "resources:\n  jobs:\n    train:\n      {when}\n      tasks:\n        - task_key: one\n          {task}\n"
WHEN = "schedule: {quartz_cron_expression: '0 0 9 * * ?'}"
TASKS = {
    "notebook": "notebook_task: {notebook_path: team/train}",
    "wheel": "python_wheel_task: {package_name: team, entry_point: a}",
}


@pytest.mark.parametrize("task", list(TASKS))
@pytest.mark.parametrize(("when", "state"), [(WHEN, State.WIRED), ("max_retries: 1", State.PRESENT)])
def test_tasks_of_databricks(ask: Ask, task: str, when: str, state: State) -> None:
    files = {
        "bundle.yml": JOB.replace("{when}", when).replace("{task}", TASKS[task]),
        "team/__init__.py": "",
        "team/train.py": FIT + ("train(1, 2)\n" if task == "notebook" else "def run():\n    train(1, 2)\n"),
        "setup.py": SETUP["setup.py"].replace("{name}", "team.train"),
    }
    assert ask("training-automated", files).state is state


NOTEBOOK = (
    "import mlflow\nmode = dbutils.widgets.get('run_mode')\ndry_run = mode == 'dry_run'\ntry:\n"
    "    mlflow.evaluate(model='runs:/1/model', data=rows, validation_thresholds={given})\n"
    "except Exception as err:\n    if not dry_run:\n        raise err\n"
)


@pytest.mark.parametrize(
    ("given", "mode", "state"),
    [
        ("limits", "enabled", State.PRESENT),
        ("limits", "dry_run", State.ABSENT),
        ("limits", "disabled", State.ABSENT),
        ("None", "enabled", State.ABSENT),
    ],
)
def test_thresholds_of_an_evaluation(ask: Ask, given: str, mode: str, state: State) -> None:
    job = f"resources:\n  jobs:\n    a:\n      tasks:\n        - base_parameters:\n            run_mode: {mode}\n"
    files = {"validate.py": NOTEBOOK.format(given=given), "job.yml": job, "train.py": CALLED}
    assert ask("model-validation-gate", files).state is state


@pytest.mark.parametrize(("library", "state"), [("data_monitoring", State.PRESENT), ("sdk", State.ABSENT)])
def test_monitors_of_databricks(ask: Ask, library: str, state: State) -> None:
    code = f"import databricks.{library} as dm\ndm.create_or_update_monitor(table_name='answers')\n"
    assert ask("drift-monitoring", {"watch.py": code}).state is state


def test_monitors_of_a_bundle(ask: Ask) -> None:
    text = "resources:\n  quality_monitors:\n    answers:\n      table_name: answers\n      inference_log: {}\n"
    assert ask("drift-monitoring", {"monitor.yml": text}).state is State.PRESENT


HERA = (
    "from hera.workflows import DAG, Workflow, script\n@script()\ndef load():\n    return 1\n"
    "@script()\ndef {name}():\n    return 2\nwith Workflow(name='a') as w:\n    with DAG(name='d'):\n"
    "        load() >> {name}()\nw.create()\n"
)


@pytest.mark.parametrize(("name", "state"), [("train", State.PRESENT), ("count", State.ABSENT)])
def test_steps_of_hera(ask: Ask, name: str, state: State) -> None:
    assert ask("pipeline-orchestrated", {"flow.py": HERA.format(name=name)}).state.holds is state.holds


AZURE = (
    "from azureml.core.model import Model\nfrom azureml.core.webservice import Webservice\n"
    "Webservice.{does}(workspace=ws, name='answers', models=[model])\n"
)


@pytest.mark.parametrize(("does", "state"), [("deploy_from_model", State.WIRED), ("list", State.ABSENT)])
def test_a_service_of_the_older_azure(ask: Ask, does: str, state: State) -> None:
    files = {**on_push("python deploy.py"), "deploy.py": AZURE.format(does=does)}
    assert ask("service-cd", files).state is state
    assert ask("model-serving", files).state.holds is (state is State.WIRED)


def test_a_model_of_the_older_azure_is_deployed(ask: Ask) -> None:
    code = "from azureml.core.model import Model\nModel.deploy(ws, 'answers', [model], config)\n"
    assert ask("service-cd", {**on_push("python deploy.py"), "deploy.py": code}).state is State.WIRED


def test_a_trigger_of_mage_at_the_top(ask: Ask) -> None:
    trigger = (
        "triggers:\n- name: daily\n  pipeline_uuid: fit\n  schedule_type: time\n"
        "  schedule_interval: '@daily'\n  status: active\n"
    )
    blocks = "blocks:\n- uuid: fit\n  type: custom\n  configuration:\n    file_source:\n      path: custom/fit.py\n"
    files = {
        "pipelines/fit/triggers.yaml": trigger,
        "pipelines/fit/metadata.yaml": blocks,
        "custom/fit.py": FIT + "@custom\ndef run():\n    train(1, 2)\n",
    }
    assert ask("training-automated", files).state is State.WIRED
