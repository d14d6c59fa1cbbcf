"""What a verdict, a container or a stack carries on to something else."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import FIT, Ask, on_push

VALIDATOR = (
    "import json\nimport sys\nclass Validator:\n    def {name}(self, path):\n"
    "        rows = json.load(open(path))\n        required_fields = ['text', 'label']\n"
    "        return all(field in row for row in rows for field in required_fields)\n"
    "def main():\n    ok = Validator().{name}('rows.json')\n    {leaves}\nif __name__ == '__main__':\n    main()\n"
)


@pytest.mark.parametrize(
    ("name", "leaves", "state"),
    [
        ("validate_training_data", "sys.exit(0 if ok else 1)", State.WIRED),
        ("validate_training_data", "sys.exit(not ok)", State.WIRED),
        ("validate_training_data", "sys.exit(0)", State.ABSENT),
        ("validate_training_data", "print(ok)", State.ABSENT),
        ("validate_record", "sys.exit(0 if ok else 1)", State.ABSENT),
    ],
)
def test_a_program_that_leaves_with_a_verdict(ask: Ask, name: str, leaves: str, state: State) -> None:
    files = {"check_data.py": VALIDATOR.format(name=name, leaves=leaves), **on_push("python check_data.py")}
    assert ask("data-tests", files).state is state


SERVICE = (
    "import pickle\nfrom flask import Flask\napp = Flask(__name__)\nmodel = pickle.load(open('m.pkl', 'rb'))\n"
    "@app.post('/predict')\ndef answer():\n    return model.predict([[1]])\n"
)
OTHER = "from flask import Flask\napp = Flask(__name__)\n@app.post('/rows')\ndef rows():\n    return 'ok'\n"


@pytest.mark.parametrize(("code", "other"), [(SERVICE, OTHER), (OTHER, SERVICE)])
def test_a_container_starts_the_file_of_its_own_folder(ask: Ask, code: str, other: str) -> None:
    files = {
        "a_watch/app.py": other,
        "answers/app.py": code,
        "answers/Dockerfile": 'FROM python:3.12\nCOPY app.py .\nENTRYPOINT ["gunicorn", "app:app"]\n',
        "docker-compose.yml": "services:\n  answers:\n    build: answers\n",
    }
    evidence = ask("model-serving", files).evidence
    answers = "answers/app.py" if code is SERVICE else "a_watch/app.py"
    assert evidence[0].path == answers
    assert any(each.path == "docker-compose.yml" for each in evidence) is (code is SERVICE)


STACK = (
    "from aws_cdk import Stack, aws_lambda as lambda_\nclass Functions(Stack):\n    def __init__(self, scope):\n"
    "        lambda_.Function(self, 'register', handler='index.{handler}',\n"
    "            code=lambda_.Code.from_asset('functions/register'))\n"
)
REGISTERS = (
    "import boto3\ndef lambda_handler(event, context):\n    client = boto3.client('sagemaker')\n"
    "    client.create_model_package(ModelPackageGroupName='churn')\n"
)


@pytest.mark.parametrize(("handler", "state"), [("lambda_handler", State.PRESENT), ("other", State.ABSENT)])
def test_a_function_that_a_stack_declares(ask: Ask, handler: str, state: State) -> None:
    files = {
        "stack.py": STACK.format(handler=handler),
        "functions/register/index.py": REGISTERS,
        "functions/other/index.py": "def lambda_handler(event, context):\n    return 1\n",
        "train.py": FIT,
    }
    assert ask("model-registry", files).state is state


WATCHED = (
    "from aws_cdk import Stack, aws_cloudwatch as cloudwatch\nclass Watch(Stack):\n    def __init__(self, scope):\n"
    "        latency = cloudwatch.Metric(namespace='{space}', metric_name='ModelLatency')\n"
    "        cloudwatch.{shows}(self, 'late', metric=latency)\n"
)
ALARM = (
    "Resources:\n  Late:\n    Type: AWS::CloudWatch::Alarm\n    Properties:\n"
    "      Namespace: {space}\n      MetricName: ModelLatency\n"
)


@pytest.mark.parametrize(
    ("space", "shows", "state"),
    [
        ("AWS/SageMaker", "Alarm", State.PRESENT),
        ("AWS/SageMaker", "Dashboard", State.PRESENT),
        ("AWS/SageMaker", "Color", State.ABSENT),
        ("AWS/Kinesis", "Alarm", State.ABSENT),
    ],
)
def test_alarms_of_a_stack(ask: Ask, space: str, shows: str, state: State) -> None:
    assert ask("service-monitoring", {"watch.py": WATCHED.format(space=space, shows=shows)}).state is state


@pytest.mark.parametrize(("space", "state"), [("AWS/SageMaker", State.PRESENT), ("AWS/Kinesis", State.ABSENT)])
def test_alarms_of_a_template(ask: Ask, space: str, state: State) -> None:
    assert ask("service-monitoring", {"template.yaml": ALARM.format(space=space)}).state is state


REGISTERING = (
    "import mlflow\nfrom lightning.pytorch.callbacks import {base}\nclass Keep({base}):\n"
    "    def __init__(self, name='a'):\n        self.name = name\n    def {hook}(self, trainer, model):\n"
    "        mlflow.register_model('runs:/1/model', self.name)\n"
)
MADE = {
    "code": {"fit.py": "from keep import Keep\ntrainer = Trainer(callbacks=[Keep()])\ntrainer.fit(model)\n"},
    "settings": {
        "fit.py": "from hydra.utils import instantiate\ntrainer = Trainer(callbacks=instantiate(cfg.callbacks))\n",
        "conf/callbacks.yaml": "- _target_: keep.Keep\n  name: b\n",
    },
}


@pytest.mark.parametrize("made", list(MADE))
@pytest.mark.parametrize(
    ("base", "hook", "state"),
    [
        ("Callback", "on_train_end", State.PRESENT),
        ("Callback", "keep", State.ABSENT),
        ("Thing", "on_train_end", State.ABSENT),
    ],
)
def test_a_trainer_calls_its_callbacks(ask: Ask, made: str, base: str, hook: str, state: State) -> None:
    assert ask("model-registry", {"keep.py": REGISTERING.format(base=base, hook=hook), **MADE[made]}).state is state


def test_a_callback_that_makes_nothing_of_itself(ask: Ask) -> None:
    code = REGISTERING.format(base="Callback", hook="on_train_end")
    code = code.replace("    def __init__(self, name='a'):\n        self.name = name\n", "    name = 'a'\n")
    assert ask("model-registry", {"keep.py": code, **MADE["code"]}).state is State.PRESENT


@pytest.mark.parametrize(("given", "state"), [("self._on_message", State.PRESENT), ("self._other", State.ABSENT)])
def test_a_method_that_is_handed_over(ask: Ask, given: str, state: State) -> None:
    code = (
        "import mlflow\nclass Consumer:\n    def __init__(self, client):\n        client.consume({given})\n"
        "    def _on_message(self, body):\n        mlflow.register_model('runs:/1/model', 'a')\n"
        "    def _other(self, body):\n        return body\nif __name__ == '__main__':\n    Consumer(connect())\n"
    )
    assert ask("model-registry", {"consume.py": code.format(given=given)}).state is state
