"""What is lost on its way: errors that are caught and only told, and what would come after a step that cannot work."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import FIT, Ask, on_push

GATE = """
    import mlflow
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score

    def compare(accuracy, baseline_accuracy):
        if accuracy < baseline_accuracy:
            raise ValueError("worse than the baseline")

    def main(x, y):
        model = LogisticRegression().fit(x, y)
        accuracy = accuracy_score(y, model.predict(x))
        {asked}

    if __name__ == "__main__":
        main([[0], [1]], [0, 1])
"""
SWALLOWED = "try:\n            compare(accuracy, 0.8){after}\n        except {what} as error:\n            {then}"
RELEASE = "import mlflow\nmlflow.register_model('runs:/1/model', 'churn')\n"


@pytest.mark.parametrize(
    ("after", "what", "then", "state"),
    [
        ("", "Exception", "print(error)", State.ABSENT),
        ("\n            print('compared')", "Exception", "print(error)", State.ABSENT),
        ("", "(KeyError, Exception)", "logger.warning(error)", State.ABSENT),
        ("", "KeyError", "print(error)", State.WIRED),  # another error gets out
        ("", "Exception", "raise", State.WIRED),
        ("", "ValueError as error:\n            raise\n        except Exception", "print(error)", State.WIRED),
        ("", "Exception", "sys.exit(str(error))", State.WIRED),
        (
            "\n            mlflow.log_metric('a', accuracy)",
            "Exception",
            "print(error)",
            State.WIRED,
        ),  # which is left out
    ],
)
def test_a_gate_whose_error_is_only_told(ask: Ask, after: str, what: str, then: str, state: State) -> None:
    asked = SWALLOWED.format(after=after, what=what, then=then)
    files = {"train.py": GATE.replace("{asked}", asked), "release.py": RELEASE}
    found = ask("model-validation-gate", {**files, **on_push("python train.py && python release.py")})
    assert found.state is state
    assert any("only told" in each.why for each in found.turned_down) is (state is State.ABSENT)


CHECKED = """
import pandas as pd
from sklearn.linear_model import LinearRegression
def validate_data(frame):
    if frame.isnull().values.any():
        raise ValueError("values are missing")
def train():
    frame = pd.read_csv("rows.csv")
    {asked}
    LinearRegression().fit(frame[["a"]], frame["b"])
if __name__ == "__main__":
    train()
"""


@pytest.mark.parametrize(
    ("asked", "state"),
    [
        ("validate_data(frame)", State.PRESENT),
        ("try:\n        validate_data(frame)\n    except Exception:\n        pass", State.ABSENT),
        ("try:\n        validate_data(frame)\n    except:\n        return", State.PRESENT),
    ],
)
def test_a_check_of_data_whose_error_is_only_told(ask: Ask, asked: str, state: State) -> None:
    assert ask("data-tests", {"train.py": CHECKED.format(asked=asked)}).state is state


JENKINS = """
    pipeline {{
      agent any
      stages {{
        stage('Test') {{ steps {{ sh '{tests}' }} }}
        stage('Push') {{ steps {{ sh 'docker push registry/churn' }} }}
      }}
    }}
"""
TEST = "from model import train\ndef test_train():\n    assert train([[1], [2]], [1, 2]) is not None\n"


@pytest.mark.parametrize(
    ("tests", "state"),
    [
        ("pytest tests/", State.ABSENT),
        ("python -m pytest -q tests", State.ABSENT),
        ("pytest -v test/unit/test_model.py::test_train", State.ABSENT),
        ("pytest test/", State.WIRED),
        ("pytest test/test_model.py::test_train", State.WIRED),
        ("pytest churn/test", State.WIRED),  # from a folder above
        ("pytest -k tests", State.WIRED),  # no place
        ("cp -r old tests && pytest tests", State.WIRED),
        ("pytest tests/ || true", State.WIRED),
        ("pytest $WHERE/tests", State.WIRED),
        ("mkdir -p tests && pytest tests", State.WIRED),
    ],
)
def test_what_comes_after_tests_that_are_nowhere(ask: Ask, tests: str, state: State) -> None:
    files = {"model.py": FIT, "churn/test/test_model.py": TEST, "test/test_model.py": TEST}
    assert ask("automated-build", {**files, "Jenkinsfile": JENKINS.format(tests=tests)}).state is state


def test_tests_that_are_nowhere_are_named(ask: Ask) -> None:
    files = {"model.py": FIT, "test/test_model.py": TEST, "Jenkinsfile": JENKINS.format(tests="pytest tests/")}
    found = ask("tests-in-ci", files)
    assert found.state is State.ABSENT
    assert any("no such place" in each.why for each in found.turned_down)


@pytest.mark.parametrize(("condition", "state"), [("", State.ABSENT), ("if: always()", State.WIRED)])
def test_a_step_after_one_that_fails(ask: Ask, condition: str, state: State) -> None:
    steps = f"      - run: pytest tests/\n      - run: docker push registry/churn\n        {condition}\n"
    text = f"on: push\njobs:\n  a:\n    steps:\n{steps}"
    assert ask("automated-build", {"model.py": FIT, ".github/workflows/ci.yml": text}).state is state


@pytest.mark.parametrize(("condition", "state"), [("", State.ABSENT), ("    if: always()\n", State.WIRED)])
def test_a_job_that_needs_one_that_fails(ask: Ask, condition: str, state: State) -> None:
    text = "on: push\njobs:\n  push:\n    needs: test\n{}    steps:\n      - run: docker push registry/churn\n"
    text = text.format(condition) + "  test:\n    steps:\n      - run: pytest tests/\n"
    assert ask("automated-build", {"model.py": FIT, ".github/workflows/ci.yml": text}).state is state
