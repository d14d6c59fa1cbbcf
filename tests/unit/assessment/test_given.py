"""What a function gives and what a table leads to, and other forms that disagreements with a loose search showed."""

from __future__ import annotations

from textwrap import dedent

import pytest

from windlass.assessment.assess import open_project
from windlass.assessment.facts import Facts
from windlass.assessment.kind import kind_of
from windlass.assessment.records import State

from .conftest import FIT, Ask, Write, on_push

LOGS = """
    def train():
        {made}
        with tracker.start_run():
            tracker.log_metric("auc", 0.9)

    if __name__ == "__main__":
        train()
"""


class TestClientsMadeLate:
    """A client or a module behind a function of the project."""

    @pytest.mark.parametrize(
        ("helper", "state"),
        [
            ("def _tracker():\n    import mlflow\n    return mlflow\n", State.PRESENT),
            ("def _tracker():\n    try:\n        import mlflow\n    except ImportError:\n        return None\n"
             "    return mlflow\n", State.PRESENT),
            ("import importlib\ndef _tracker():\n    return importlib.import_module('mlflow')\n", State.PRESENT),
            ("import functools\n@functools.lru_cache\ndef _tracker():\n    import mlflow\n    return mlflow\n",
             State.PRESENT),
            ("def _tracker():\n    import statsd\n    return statsd\n", State.ABSENT),
            ("def _tracker():\n    import mlflow\n    import statsd\n    if mlflow:\n        return mlflow\n"
             "    return statsd\n", State.ABSENT),
        ],
    )  # fmt: skip
    def test_a_module_that_a_function_gives(self, ask: Ask, helper: str, state: State) -> None:
        code = f"{helper}\n{dedent(LOGS.format(made='tracker = _tracker()'))}"
        assert ask("experiment-tracking", {"train.py": code}).state is state

    def test_a_module_that_is_taken_in_by_its_name(self, ask: Ask) -> None:
        code = LOGS.format(made="tracker = __import__('mlflow')")
        assert ask("experiment-tracking", {"train.py": code}).state is State.PRESENT

    @pytest.mark.parametrize(("client", "state"), [("MlflowClient", State.PRESENT), ("MyClient", State.ABSENT)])
    @pytest.mark.parametrize("keep", ["client = {}()\n    return client", "return {}()"])
    def test_a_client_of_another_file(self, ask: Ask, client: str, state: State, keep: str) -> None:
        files = {
            "src/__init__.py": "",
            "src/client.py": f"from mlflow.tracking import {client}\ndef get_client():\n    {keep.format(client)}\n"
            if client == "MlflowClient"
            else f"from mine import {client}\ndef get_client():\n    {keep.format(client)}\n",
            "register.py": "from src.client import get_client\n"
            "client = get_client()\nclient.set_registered_model_alias('m', 'champion', 3)\n",
        }
        assert ask("model-registry", files).state is state

    def test_a_client_that_a_method_makes(self, ask: Ask) -> None:
        code = """
            from mlflow.tracking import MlflowClient

            class Registry:
                def __init__(self):
                    self._client = None

                @property
                def client(self):
                    return MlflowClient()

                def keep(self):
                    self.client.create_model_version("m", "s3://bucket/m", "1")

            if __name__ == "__main__":
                Registry().keep()
        """
        assert ask("model-registry", {"keep.py": code}).state is State.PRESENT


TRAINER = """
    import mlflow
    from sklearn.linear_model import Lasso

    class LassoTrainer:
        def run(self, x, y):
            model = Lasso().fit(x, y)
            mlflow.log_metric("rmse", 1.0)
            return model
"""


class TestClassesHandedOver:
    @pytest.mark.parametrize(
        ("use", "state"),
        [
            ("for trainer in [LassoTrainer]:\n    execute(trainer)", State.PRESENT),
            ("execute(LassoTrainer)", State.PRESENT),
            ("isinstance(1, LassoTrainer)", State.ABSENT),
        ],
    )
    def test_what_is_given_a_class_may_call_its_methods(self, ask: Ask, use: str, state: State) -> None:
        main = f"from trainers import LassoTrainer\ndef execute(kind):\n    kind().run([], [])\n{use}\n"
        assert ask("experiment-tracking", {"trainers.py": TRAINER, "main.py": main}).state is state


class TestRegistryInAFile:
    @pytest.mark.parametrize(("says", "state"), [("model_registry.json", State.PRESENT), ("notes.json", State.ABSENT)])
    def test_promote_names_the_registry_within(self, ask: Ask, says: str, state: State) -> None:
        code = f"""
            import json
            from pathlib import Path

            def load_production_model():
                return json.loads(Path("{says}").read_text())

            def promote(settings):
                path = Path("{says}")
                entries = {{"models": [settings]}}
                path.write_text(json.dumps(entries))

            if __name__ == "__main__":
                promote("a")
        """
        assert ask("model-registry", {"promote.py": code}).state is state


class TestSchemas:
    def test_a_class_method_with_a_type_for_its_class(self, ask: Ask) -> None:
        files = {
            "schemas.py": """
                import typing as T
                import pandera as pa

                class Schema(pa.DataFrameModel):
                    @classmethod
                    def check(cls: T.Type["Schema"], data):
                        return cls.validate(data)

                class Inputs(Schema):
                    age: int
            """,
            "train.py": f"{FIT}from schemas import Inputs\ntrain(Inputs.check([[0]]), [0])\n",
        }
        assert ask("data-tests", files).state is State.PRESENT

    @pytest.mark.parametrize(
        ("heed", "state"),
        [
            ("valid, why = check_data(frame)\n    if not valid:\n        return None", State.PRESENT),
            ("if not check_data(frame)[0]:\n        return None", State.PRESENT),
            ("valid, why = check_data(frame)\n    print(valid)", State.ABSENT),
        ],
    )
    def test_a_verdict_that_ends_the_way(self, ask: Ask, heed: str, state: State) -> None:
        code = (
            "import pandas as pd\nfrom sklearn.linear_model import Lasso\n"
            "def check_data(frame):\n    return frame.isnull().sum().sum() == 0, 'nulls'\n"
            f"def train():\n    frame = pd.read_csv('a.csv')\n    {heed}\n    return Lasso().fit(frame, frame)\n"
            "train()\n"
        )
        assert ask("data-tests", {"train.py": code}).state is state


class TestGatesOnReplacing:
    @pytest.mark.parametrize(
        ("condition", "state"),
        [
            ("champion['score'] < f1", State.PRESENT),
            ("best_f1 < f1", State.ABSENT),
        ],
    )
    def test_a_model_over_the_champion(self, ask: Ask, condition: str, state: State) -> None:
        code = f"""
            import pickle

            def select(model, champion, f1, best_f1=0):
                if {condition}:
                    with open("champion_model.pkl", "wb") as file:
                        pickle.dump(model, file)

            if __name__ == "__main__":
                select(None, {{"score": 0.1}}, 0.2)
        """
        assert ask("model-validation-gate", {"select.py": code}).state is state


class TestPipelinesOfAzure:
    TESTS = {"core.py": "def double(x):\n    return 2 * x\n",
             "tests/test_core.py": "from core import double\ndef test_it():\n    assert double(2) == 4\n"}  # fmt: skip

    @pytest.mark.parametrize("path", [".azure/pipelines/cicd.yml", "build/verify.yml"])
    @pytest.mark.parametrize(
        ("head", "state"),
        [("trigger: [main]\n", State.WIRED), ("parameters: []\n", State.ABSENT)],
    )
    def test_it_may_lie_anywhere_if_it_says_when(self, ask: Ask, path: str, head: str, state: State) -> None:
        pipeline = f"{head}pool:\n  vmImage: ubuntu-latest\nsteps:\n- script: pytest tests\n"
        assert ask("tests-in-ci", {**self.TESTS, path: pipeline}).state is state

    def test_none_in_a_folder_of_examples(self, ask: Ask) -> None:
        pipeline = "trigger: [main]\npool:\n  vmImage: ubuntu-latest\nsteps:\n- script: pytest tests\n"
        assert ask("tests-in-ci", {**self.TESTS, "docs/verify.yml": pipeline}).state is State.ABSENT


class TestLatency:
    @pytest.mark.parametrize(("bound", "state"), [("< 200", State.PRESENT), ("> 0.0", State.ABSENT)])
    def test_above_nothing_is_no_bound(self, ask: Ask, bound: str, state: State) -> None:
        test = f"from api import predict\ndef test_latency():\n    assert predict('a')['latency_ms'] {bound}\n"
        files = {"api.py": "def predict(x):\n    return {'latency_ms': 1}\n", "tests/test_api.py": test}
        assert ask("model-quality-tests", files).state is state


class TestKinds:
    QUESTIONS = {"next/cookiecutter.json": "{}", "next/{{cookiecutter.slug}}/a.py": "x = 1\n"}

    @pytest.mark.parametrize(
        ("files", "kind"),
        [
            ({"train.py": FIT, "README.md": "# Prices\n", **QUESTIONS}, "project"),
            ({"README.md": "# Prices\n", **QUESTIONS}, "template"),
            ({"train.py": FIT, "cookiecutter.json": "{}"}, "template"),
        ],
    )
    def test_a_project_may_keep_the_template_of_the_next(self, write: Write, files: dict[str, str], kind: str) -> None:
        assert kind_of(Facts(open_project(write(files)))).name == kind


class TestPipelinesOfMage:
    @pytest.mark.parametrize(("uuid", "state"), [("fit", State.PRESENT), ("other", State.ABSENT)])
    def test_without_a_trigger_a_person_starts_it(self, ask: Ask, uuid: str, state: State) -> None:
        files = {
            "shop/pipelines/training/metadata.yaml": f"blocks:\n- uuid: {uuid}\n  type: transformer\n",
            "shop/transformers/fit.py": """
                import mlflow
                from mage_ai.data_preparation.decorators import transformer
                from sklearn.linear_model import Lasso

                @transformer
                def fit(data, *args):
                    Lasso().fit(data, data)
                    mlflow.log_metric("rmse", 1.0)
            """,
        }
        assert ask("experiment-tracking", files).state is state


MOVE = """
    from mlflow import MlflowClient

    def move(client, name):
        client.transition_model_version_stage(name=name, version=1, stage="Production")

    def main(name):
        move(MlflowClient(), name)
"""


class TestGatesFartherOff:
    @pytest.mark.parametrize(
        ("condition", "state"), [("test_score > prod_score", State.PRESENT), ("verbose", State.ABSENT)]
    )
    def test_what_moves_the_stage_lies_two_calls_below(self, ask: Ask, condition: str, state: State) -> None:
        flow = f"""
            from move import main as update_stages

            def last(test_score, runs, verbose):
                if runs:
                    prod_score = max(runs)
                else:
                    prod_score = 0
                if {condition}:
                    update_stages("m")

            if __name__ == "__main__":
                last(0.9, [], True)
        """
        assert ask("model-validation-gate", {"move.py": MOVE, "flow.py": flow}).state is state

    @pytest.mark.parametrize(("order", "state"), [("<", State.PRESENT), ("==", State.ABSENT)])
    def test_a_property_that_compares(self, ask: Ask, order: str, state: State) -> None:
        code = f"""
            class ChallengerTest:
                def __init__(self, challenger_mae, current_mae):
                    self.challenger_mae = challenger_mae
                    self.current_mae = current_mae

                @property
                def challenger_is_better(self):
                    return self.challenger_mae {order} self.current_mae

            def main(model):
                test = ChallengerTest(1, 2)
                to_be_promoted = test.challenger_is_better
                if to_be_promoted:
                    model.promote_to_prod()

            if __name__ == "__main__":
                main(None)
        """
        assert ask("model-validation-gate", {"promote.py": code}).state is state

    @pytest.mark.parametrize(("made", "state"), [("checks", State.PRESENT), ("notes", State.ABSENT)])
    def test_a_verdict_made_of_a_list_of_checks(self, ask: Ask, made: str, state: State) -> None:
        compared = '[("auc", candidate["auc"] >= FLOOR)]' if made == "checks" else '[("auc", candidate["auc"])]'
        code = f"""
            import mlflow
            FLOOR = 0.8

            def gate(candidate):
                {made} = {compared}
                failed = [each for each in {made} if not each[1]]
                if failed:
                    raise ValueError("it stays out of production")
                mlflow.register_model("runs:/1/model", "m")

            if __name__ == "__main__":
                gate({{"auc": 1}})
        """
        assert ask("model-validation-gate", {"gate.py": code}).state is state


class TestStartedByItself:
    @pytest.mark.parametrize(
        ("given", "state"),
        [("automation_condition=dagster.AutomationCondition.eager()", State.WIRED), ("", State.PRESENT)],
    )
    def test_an_asset_that_follows_those_above_it(self, ask: Ask, given: str, state: State) -> None:
        code = (
            "import dagster\nfrom sklearn.linear_model import Lasso\n"
            f"@dagster.asset({given})\ndef model(rows):\n    return Lasso().fit(rows, rows)\n"
        )
        files = {"assets.py": code, "run.py": "from assets import model\nmodel([])\n"}
        assert ask("training-automated", files).state is state

    @pytest.mark.parametrize(("schedule", "state"), [("", State.WIRED), ("    schedule:\n      - cron: '0 0 * * *'\n",
                                                                      State.ABSENT)])  # fmt: skip
    def test_github_refuses_a_trigger_within_another(self, ask: Ask, schedule: str, state: State) -> None:
        tests = TestPipelinesOfAzure.TESTS
        flow = (
            f"on:\n  push:\n    branches: [main]\n{schedule}jobs:\n  a:\n    runs-on: ubuntu-latest\n"
            "    steps:\n      - run: pytest\n"
        )
        assert ask("tests-in-ci", {**tests, ".github/workflows/ci.yml": flow}).state is state


class TestWrittenInCi:
    """A comparison in the file of CI itself."""

    FILES = {"train.py": f"{FIT}train([[0]], [0])\n", "Dockerfile": "FROM python\nCOPY . .\nCMD python train.py\n"}
    COMPARE = 'if (( $(echo "$ACCURACY > 0.8" | bc -l) )); then {then}; fi'

    def flow(self, compare: str, condition: str) -> dict[str, str]:
        text = (
            "on:\n  push:\njobs:\n  train:\n    runs-on: ubuntu-latest\n"
            "    outputs:\n      deploy: ${{ steps.check.outputs.deploy }}\n    steps:\n"
            f"      - run: python train.py\n      - id: check\n        run: |\n          {compare}\n"
            f"  deploy:\n    needs: train\n    {condition}\n    runs-on: ubuntu-latest\n    steps:\n"
            "      - run: docker build -t a/b . && docker push a/b\n      - run: kubectl apply -f k8s/\n"
        )
        return {**self.FILES, ".github/workflows/ci.yml": text}

    @pytest.mark.parametrize(
        ("compare", "condition", "state"),
        [
            (COMPARE.format(then='echo "deploy=true" >> $GITHUB_OUTPUT'),
             "if: needs.train.outputs.deploy == 'true'", State.WIRED),
            (COMPARE.format(then='echo "deploy=true" >> $GITHUB_OUTPUT'), "name: deploy", State.ABSENT),
            ('echo "deploy=true" >> $GITHUB_OUTPUT', "if: needs.train.outputs.deploy == 'true'", State.ABSENT),
            ('if [ "$ACCURACY" -lt 80 ]; then exit 1; fi', "name: deploy", State.WIRED),
            ('if [ "$COUNT" -lt 80 ]; then exit 1; fi', "name: deploy", State.ABSENT),
        ],
    )  # fmt: skip
    def test_a_deployment_that_waits_for_it(self, ask: Ask, compare: str, condition: str, state: State) -> None:
        assert ask("model-validation-gate", self.flow(compare, condition)).state is state


class TestUploadsOfModels:
    @pytest.mark.parametrize(
        ("code", "state"),
        [
            ("from google.cloud import aiplatform\naiplatform.Model.upload_xgboost_model_file('m')\n", State.PRESENT),
            ("import bentoml\nbentoml.pytorch.save('m', model)\n", State.PRESENT),
            ("import bentoml\nbentoml.pytorch.load('m')\n", State.ABSENT),
        ],
    )
    def test_a_family_of_calls(self, ask: Ask, code: str, state: State) -> None:
        assert ask("model-registry", {"keep.py": code}).state is state


class TestScriptsThatAssert:
    @pytest.mark.parametrize(
        ("path", "says", "state"),
        [
            ("integration-test/test_docker.py", "assert double(2) == 4", State.WIRED),
            ("integration-test/test_docker.py", "print(double(2))", State.ABSENT),
            ("scripts/run.py", "assert double(2) == 4", State.ABSENT),
        ],
    )
    def test_a_test_that_is_run_by_itself(self, ask: Ask, path: str, says: str, state: State) -> None:
        files = {
            **TestPipelinesOfAzure.TESTS,
            path: f"from core import double\n{says}\n",
            "integration-test/run.sh": f'cd "$(dirname "$0")/.."\npython {path}\n',
            **on_push("bash integration-test/run.sh"),
        }
        assert ask("tests-in-ci", files).state is state


class TestKedro:
    @pytest.mark.parametrize(("says", "state"), [("[tool.kedro]", State.PRESENT), ("[tool.ruff]", State.ABSENT)])
    def test_a_person_runs_what_is_a_project_of_kedro(self, ask: Ask, says: str, state: State) -> None:
        files = {
            "pyproject.toml": f'{says}\npackage_name = "shop"\n',
            "src/shop/__init__.py": "",
            "src/shop/pipelines/training/nodes.py": (
                "import mlflow\ndef fit(rows):\n    mlflow.log_metric('rmse', 1.0)\n"
            ),
            "src/shop/pipelines/training/__init__.py": "from .pipeline import create_pipeline\n",
            "src/shop/pipelines/training/pipeline.py": """
                from kedro.pipeline import node, pipeline
                from .nodes import fit

                def create_pipeline(**kwargs):
                    return pipeline([node(fit, "rows", "model")])
            """,
        }
        assert ask("experiment-tracking", files).state is state


class TestAnswersThatCompare:
    @pytest.mark.parametrize(
        ("answer", "state"),
        [
            ("delta >= promotion_margin, delta", State.PRESENT),
            ("delta >= promotion_margin and delta < 1", State.PRESENT),
            ("delta == promotion_margin, delta", State.ABSENT),
        ],
    )
    def test_an_answer_with_a_comparison_in_it(self, ask: Ask, answer: str, state: State) -> None:
        code = f"""
            def compare_metrics(champion_metric, challenger_metric, promotion_margin):
                delta = challenger_metric - champion_metric
                return {answer}

            def main(client):
                decision = compare_metrics(1, 2, 3)
                if decision.promote:
                    client.promote_challenger_model("m")

            if __name__ == "__main__":
                main(None)
        """
        assert ask("model-validation-gate", {"promote.py": code}).state is state
