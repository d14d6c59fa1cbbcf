"""What a comparison decides, and what only looks as if it decided: gates, retraining on scores, tests of data."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import FIT, Ask


class TestGates:
    @pytest.mark.parametrize(
        ("judge", "state"),
        [
            ("def validate_model(metrics, floor=0.7):\n    return metrics['f1'] >= min_f1\n", State.PRESENT),
            ("def validate_model(metrics):\n    return 'f1' in metrics\n", State.ABSENT),
            ("def read_metrics(metrics, floor=0.7):\n    return metrics['f1'] >= min_f1\n", State.ABSENT),
        ],
    )
    @pytest.mark.parametrize("held", [True, False])
    def test_a_release_that_waits_for_what_a_function_answers(
        self, ask: Ask, judge: str, held: bool, state: State
    ) -> None:
        name = judge.partition("(")[0].removeprefix("def ")
        ask_it = f"    ok = {name}(metrics)\n    if ok:\n" if held else f"    if {name}(metrics):\n"
        judge = (
            judge.replace("return ", "min_f1 = 0.7\n    if ").rstrip() + ":\n        return True\n    return False\n"
        )
        flow = f"def run(metrics):\n{ask_it}        deploy_model('a')\ndef deploy_model(path): print(path)\nrun({{}})\n"
        assert ask("model-validation-gate", {"flow.py": judge + flow}).state is state

    @pytest.mark.parametrize(("score", "state"), [("map50", State.PRESENT), ("width", State.ABSENT)])
    def test_a_floor_before_a_registry_of_files(self, ask: Ask, score: str, state: State) -> None:
        code = f"""
            import json, shutil
            from pathlib import Path
            def register_model(version):
                shutil.copy2("runs/best.pt", Path("models") / version / "best.pt")
            def read_production_model():
                return json.loads(Path("production.json").read_text())
            def work({score}, baseline_{score}=0.5):
                if {score} < baseline_{score}:
                    return
                register_model("v1")
            if __name__ == "__main__":
                work(1)
        """
        assert ask("model-validation-gate", {"worker.py": code}).state is state
        assert ask("model-registry", {"worker.py": code}).state is State.PRESENT

    @pytest.mark.parametrize(
        ("name", "state"), [("registering_decision", State.PRESENT), ("search_parameters", State.ABSENT)]
    )
    def test_a_decision_against_the_best_so_far(self, ask: Ask, name: str, state: State) -> None:
        code = f"""
            import mlflow
            def {name}(model_accuracy, best_accuracy):
                decided = False
                if model_accuracy > best_accuracy:
                    decided = True
                return decided
            if {name}(1, 2):
                mlflow.register_model("runs:/1/model", "churn")
        """
        assert ask("model-validation-gate", {"register.py": code}).state is state

    @pytest.mark.parametrize(
        ("made", "asks", "state"),
        [
            ("validate_data", "outputs['validation_success'] == True", State.ABSENT),
            ("check_schema", "output == 'true'", State.ABSENT),
            ("evaluate_model", "outputs['deploy'] == 'true'", State.PRESENT),
            ("validate_data", "outputs['accuracy'] > 0.8", State.PRESENT),
        ],
    )
    @pytest.mark.parametrize("around", ["{}", "\n" + " " * 20 + '{}, name="a",\n' + " " * 16])
    def test_what_a_condition_of_a_pipeline_asks(
        self, ask: Ask, made: str, asks: str, state: State, around: str
    ) -> None:
        code = f"""
            from kfp import dsl
            @dsl.pipeline
            def run():
                task = {made}(path="x")
                with dsl.Condition({around.format(f"task.{asks}")}):
                    train(data=1)
            run()
        """
        assert ask("model-validation-gate", {"pipeline.py": code}).state is state


class TestScores:
    CODE = """
        import sklearn.svm, subprocess, training
        score, latest_score = 1.0, 2.0
        if {condition}:
            {then}
    """

    @pytest.mark.parametrize(
        ("condition", "then", "state"),
        [
            ("score != latest_score", "subprocess.run(['python', 'training.py'])", State.WIRED),
            ("score < latest_score", "training.train(1, 2)", State.WIRED),
            ("score < 0.7", "training.train(1, 2)", State.ABSENT),
            ("score < latest_score", "print('worse')", State.ABSENT),
            ("name != latest_name", "training.train(1, 2)", State.ABSENT),
            ("score < latest_score", "sklearn.svm.SVC().fit(1, 2)", State.ABSENT),
        ],
    )
    @pytest.mark.parametrize("practice", ["ct-trigger-threshold", "model-performance-monitoring"])
    def test_training_on_a_score_that_moved(
        self, ask: Ask, practice: str, condition: str, then: str, state: State
    ) -> None:
        files = {
            "crontab": "*/10 * * * * python process.py\n",
            "process.py": self.CODE.format(condition=condition, then=then),
            "training.py": FIT + "if __name__ == '__main__':\n    train(1, 2)\n",
        }
        assert ask(practice, files).state is state

    def test_a_person_who_runs_it_is_no_monitor(self, ask: Ask) -> None:
        code = self.CODE.format(condition="score < latest_score", then="training.train(1, 2)")
        assert not ask("model-performance-monitoring", {"process.py": code, "training.py": FIT}).state.holds


class TestTests:
    @pytest.mark.parametrize(
        ("command", "test", "state"),
        [
            ("pytest . -vv", "    assert list(data.columns) == ['a']\n", State.PRESENT),
            ("pytest . -vv", "    assert team.total(1) == 2\n", State.ABSENT),
            ("pytest . -vv", "    assert list(team.total(data).columns) == ['a']\n", State.ABSENT),
            ("python run.py", "    assert list(data.columns) == ['a']\n", State.ABSENT),
        ],
    )
    def test_a_step_that_hands_data_to_a_test_runner(self, ask: Ask, command: str, test: str, state: State) -> None:
        files = {
            "src/check/MLproject": f"entry_points:\n  main:\n    command: {command}\n",
            "src/check/test_data.py": f"import team\ndef test_columns(data):\n{test}",
            "src/check/run.py": "print(1)\n",
            "team.py": FIT + "def total(x): return x + 1\n",
        }
        assert ask("data-tests", files).state is state

    @pytest.mark.parametrize(
        ("taken", "state"),
        [
            ("from team import train", State.PRESENT),
            ("from team import LIMIT", State.PRESENT),
            ("from team import Trainer", State.ABSENT),
            ("from star import Trainer", State.PRESENT),
            ("from lazy import Trainer", State.PRESENT),
            ("from package import inner", State.PRESENT),
        ],
    )
    def test_a_test_that_takes_in_what_is_not_there_cannot_start(self, ask: Ask, taken: str, state: State) -> None:
        files = {
            "team.py": FIT + "LIMIT = 1\n",
            "star.py": "from others import *\n",
            "lazy.py": "def __getattr__(name): return 1\n",
            "package/__init__.py": "",
            "package/inner.py": "x = 1\n",
            "tests/test_team.py": f"{taken}\nimport team\ndef test_it():\n    assert team.train([[1]], [1])\n",
        }
        assert ask("unit-tests-code", files).state is state

    @pytest.mark.parametrize(("home", "state"), [("split", State.PRESENT), ("report", State.ABSENT)])
    def test_a_schema_on_the_way_of_what_makes_the_data(self, ask: Ask, home: str, state: State) -> None:
        files = {
            "team/checks.py": "import pandera as pa\nschema = pa.DataFrameSchema({})\n"
            "def checked(frame):\n    return schema.validate(frame)\n",
            f"team/{home}.py": "from team.checks import checked\ndef main():\n    checked(1)\n"
            "if __name__ == '__main__':\n    main()\n",
            "team/fit.py": FIT,
        }
        found = ask("data-tests", files).state
        assert (found is State.PRESENT) is (state is State.PRESENT)

    @pytest.mark.parametrize(("bag", "state"), [("DagBag", State.PRESENT), ("Variable", State.ABSENT)])
    def test_tests_that_load_the_dags(self, ask: Ask, bag: str, state: State) -> None:
        test = f"from airflow.models import {bag}\ndef test_tags():\n    assert {bag}().dags['a'].tags\n"
        files = {"dags/a.py": "from airflow import DAG\nDAG('a', tags=['b'])\n", "tests/test_dags.py": test}
        assert ask("unit-tests-code", files).state is state

    def test_of_a_file_that_cannot_start_one_line_is_said(self, ask: Ask) -> None:
        tests = "def test_a():\n    assert team.train(1, 2)\ndef test_b():\n    assert team.train(1, 2)\n"
        found = ask("unit-tests-code", {"team.py": FIT, "test_team.py": f"from team import Gone\nimport team\n{tests}"})
        assert [each.why for each in found.turned_down] == ["it imports team.Gone, which does not exist"]
