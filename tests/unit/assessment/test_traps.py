"""What real repositories have that looks like a practice and is none: each beside the real thing."""

from __future__ import annotations

from windlass.assessment.records import State

from .conftest import Ask

TEST = """
    from pkg.core import double

    def test_double():
        assert double(2) == 4
"""
CORE = """
    def double(x):
        return 2 * x
"""
TRAIN = """
    from sklearn.linear_model import LogisticRegression
    import joblib

    def train(x, y):
        model = LogisticRegression()
        model.fit(x, y)
        joblib.dump(model, "model.joblib")

    if __name__ == "__main__":
        train([[0], [1]], [0, 1])
"""


def workflow(*commands: str, on: str = "push", more: str = "") -> str:
    steps = "\n".join(f"                  - run: {command}" for command in commands)
    return f"""
            on: {on}
            jobs:
              build:
                runs-on: ubuntu-latest
{more}
                steps:
{steps}
    """


def why(finding: object) -> str:
    return " | ".join(each.why for each in finding.turned_down)  # type: ignore[attr-defined]


class TestTestsInCi:
    FILES = {"pkg/core.py": CORE, "pkg/__init__.py": "", "tests/test_core.py": TEST}

    def test_a_blocking_run_is_wired_with_the_way_to_it(self, ask: Ask) -> None:
        found = ask("tests-in-ci", {**self.FILES, ".github/workflows/ci.yml": workflow("pytest")})
        assert found.state is State.WIRED
        assert found.evidence[0].path == ".github/workflows/ci.yml"
        assert found.evidence[0].line == 7

    def test_swallowed_by_or_true(self, ask: Ask) -> None:
        found = ask("tests-in-ci", {**self.FILES, ".github/workflows/ci.yml": workflow("pytest || true")})
        assert found.state is State.PRESENT
        assert "|| true" in why(found)

    def test_swallowed_by_continue_on_error(self, ask: Ask) -> None:
        text = workflow("pytest", more="                continue-on-error: true")
        found = ask("tests-in-ci", {**self.FILES, ".github/workflows/ci.yml": text})
        assert found.state is State.PRESENT
        assert "continue-on-error" in why(found)

    def test_swallowed_in_the_makefile_behind_it(self, ask: Ask) -> None:
        files = {**self.FILES, "Makefile": "test:\n\t-pytest\n", ".github/workflows/ci.yml": workflow("make test")}
        assert ask("tests-in-ci", files).state is State.PRESENT

    def test_through_make_tox_nox_just_npm_and_a_script(self, ask: Ask) -> None:
        ways = {
            "make check": {"Makefile": "check: test\n\ntest:\n\tpython -m pytest -q\n"},
            "tox -e py": {"tox.ini": "[tox]\nenvlist = py\n[testenv]\ncommands = pytest tests\n"},
            "nox -s tests": {
                "noxfile.py": "import nox\n@nox.session\ndef tests(session):\n    session.run('pytest', '-q')\n"
            },
            "just test": {"justfile": "test:\n    uv run pytest\n"},
            "npm run check": {"package.json": '{"scripts": {"check": "pytest -q"}}'},
            "bash ci/run.sh": {"ci/run.sh": "set -e\npytest -q\n"},
            "mise run test": {"mise.toml": '[tasks.test]\nrun = "pytest"\n'},
        }
        for command, more in ways.items():
            found = ask("tests-in-ci", {**self.FILES, **more, ".github/workflows/ci.yml": workflow(command)})
            assert found.state is State.WIRED, command

    def test_a_workflow_that_a_person_starts(self, ask: Ask) -> None:
        text = workflow("pytest", on="workflow_dispatch")
        found = ask("tests-in-ci", {**self.FILES, ".github/workflows/ci.yml": text})
        assert found.state is State.PRESENT
        assert "only a person" in why(found)

    def test_a_workflow_in_a_folder_of_templates(self, ask: Ask) -> None:
        found = ask("tests-in-ci", {**self.FILES, "templates/workflows/ci.yml": workflow("pytest")})
        assert found.state is State.ABSENT
        assert "where nothing runs it" in why(found)

    def test_a_job_that_is_switched_off(self, ask: Ask) -> None:
        text = workflow("pytest", more="                if: false")
        assert ask("tests-in-ci", {**self.FILES, ".github/workflows/ci.yml": text}).state is State.ABSENT

    def test_a_run_without_any_test(self, ask: Ask) -> None:
        found = ask("tests-in-ci", {"pkg/core.py": CORE, ".github/workflows/ci.yml": workflow("pytest")})
        assert found.state is State.ABSENT
        assert "no test" in why(found)

    def test_other_systems(self, ask: Ask) -> None:
        for path, text in {
            ".gitlab-ci.yml": "test:\n  script:\n    - pytest\n",
            "azure-pipelines.yml": "trigger: [main]\nsteps:\n  - script: pytest\n",
            ".circleci/config.yml": "jobs:\n  test:\n    steps:\n      - checkout\n      - run: pytest\n",
            "Jenkinsfile": "pipeline { stages { stage('Test') { steps { sh 'pytest -q' } } } }",
            "cloudbuild.yaml": "steps:\n  - name: python:3.11\n    entrypoint: bash\n    args: ['-c', 'pytest']\n",
        }.items():
            assert ask("tests-in-ci", {**self.FILES, path: text}).state is State.WIRED, path

    def test_a_manual_gitlab_job_is_not(self, ask: Ask) -> None:
        text = "test:\n  when: manual\n  script: [pytest]\n"
        assert ask("tests-in-ci", {**self.FILES, ".gitlab-ci.yml": text}).state is State.PRESENT


class TestUnitTests:
    def test_one_that_asserts(self, ask: Ask) -> None:
        assert ask("unit-tests-code", TestTestsInCi.FILES).state is State.PRESENT

    def test_one_that_asserts_nothing(self, ask: Ask) -> None:
        text = "from pkg.core import double\n\ndef test_double():\n    double(2)\n"
        found = ask("unit-tests-code", {"pkg/core.py": CORE, "tests/test_core.py": text})
        assert found.state is State.ABSENT
        assert "asserts nothing" in why(found)

    def test_one_that_imports_what_does_not_exist(self, ask: Ask) -> None:
        text = "from pkg.gone import double\n\ndef test_double():\n    assert double(2) == 4\n"
        found = ask("unit-tests-code", {"pkg/core.py": CORE, "tests/test_core.py": text})
        assert found.state is State.ABSENT
        assert "does not exist" in why(found)

    def test_one_in_a_template_that_nobody_filled_in(self, ask: Ask) -> None:
        found = ask("unit-tests-code", {"{{ cookiecutter.name }}/tests/test_core.py": TEST, "pkg/core.py": CORE})
        assert found.state is State.ABSENT


class TestTraining:
    def test_a_schedule_that_trains(self, ask: Ask) -> None:
        text = workflow("python train.py", on="{schedule: [{cron: '0 3 * * 1'}]}")
        files = {"train.py": TRAIN, ".github/workflows/train.yml": text}
        assert ask("ct-trigger-schedule", files).state is State.WIRED
        found = ask("training-automated", files)
        assert found.state is State.WIRED
        assert [each.path for each in found.evidence][:2] == ["train.py", ".github/workflows/train.yml"]

    def test_a_schedule_that_does_something_else(self, ask: Ask) -> None:
        text = workflow("ruff check .", on="{schedule: [{cron: '0 3 * * 1'}]}")
        files = {"train.py": TRAIN, ".github/workflows/nightly.yml": text}
        found = ask("training-automated", files)
        assert found.state is State.PRESENT
        assert "does not train" in why(found)
        assert ask("ct-trigger-schedule", files).state is State.ABSENT

    def test_a_button(self, ask: Ask) -> None:
        files = {"train.py": TRAIN, ".github/workflows/t.yml": workflow("python train.py", on="workflow_dispatch")}
        found = ask("training-automated", files)
        assert found.state is State.PRESENT
        assert "only a person" in why(found)

    def test_fitting_a_scaler_is_not_training(self, ask: Ask) -> None:
        text = """
            from sklearn.preprocessing import StandardScaler
            scaler = StandardScaler()
            scaler.fit([[1.0]])
        """
        files = {"prepare.py": text, ".github/workflows/t.yml": workflow("python prepare.py")}
        assert ask("training-automated", files).state is State.ABSENT

    def test_tests_that_train_are_no_trigger(self, ask: Ask) -> None:
        test = "from train import train\n\ndef test_train():\n    assert train([[0], [1]], [0, 1]) is None\n"
        files = {"train.py": TRAIN, "tests/test_train.py": test, ".github/workflows/ci.yml": workflow("pytest")}
        assert ask("training-automated", files).state is State.PRESENT

    def test_a_stub_that_says_it_retrains(self, ask: Ask) -> None:
        text = """
            def trigger_retraining():
                print("retraining")
                return True

            def monitor(drift_score, threshold):
                if drift_score > threshold:
                    trigger_retraining()

            if __name__ == "__main__":
                monitor(1, 0)
        """
        files = {
            "monitor.py": text,
            "train.py": TRAIN,
            ".github/workflows/m.yml": workflow("python monitor.py", on="{schedule: [{cron: '0 3 * * *'}]}"),
        }
        found = ask("ct-trigger-threshold", files)
        assert found.state is State.ABSENT
        assert "stub" in why(found)

    def test_a_threshold_that_does(self, ask: Ask) -> None:
        text = """
            from train import train

            def monitor(drift_score, threshold):
                if drift_score > threshold:
                    train([[0], [1]], [0, 1])

            if __name__ == "__main__":
                monitor(1, 0)
        """
        on = "{schedule: [{cron: '0 3 * * *'}]}"
        files = {"monitor.py": text, "train.py": TRAIN, ".github/workflows/m.yml": workflow("python monitor.py", on=on)}
        assert ask("ct-trigger-threshold", files).state is State.WIRED
        by_hand = {**files, ".github/workflows/m.yml": workflow("python monitor.py", on="workflow_dispatch")}
        found = ask("ct-trigger-threshold", by_hand)
        assert found.state is State.PRESENT
        assert "only when a person" in why(found)


class TestGate:
    GATED = """
        import mlflow
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import accuracy_score

        def main(x, y):
            model = LogisticRegression().fit(x, y)
            accuracy = accuracy_score(y, model.predict(x))
            if accuracy > 0.8:
                mlflow.register_model("runs:/1/model", "m")

        if __name__ == "__main__":
            main([[0], [1]], [0, 1])
    """

    def test_a_threshold_before_registration(self, ask: Ask) -> None:
        assert ask("model-validation-gate", {"train.py": self.GATED}).state is State.PRESENT
        text = workflow("python train.py")
        found = ask("model-validation-gate", {"train.py": self.GATED, ".github/workflows/t.yml": text})
        assert found.state is State.WIRED

    def test_a_verdict_that_is_overwritten(self, ask: Ask) -> None:
        text = """
            import mlflow

            def main(path):
                deploy_flag = int(open(path).read())
                mlflow.log_metric("deploy flag", deploy_flag)
                deploy_flag = 1
                if deploy_flag == 1:
                    mlflow.register_model("runs:/1/model", "m")

            if __name__ == "__main__":
                main("flag")
        """
        found = ask("model-validation-gate", {"register.py": text})
        assert found.state is State.ABSENT
        assert "overwritten" in why(found)

    def test_a_judgement_after_promotion(self, ask: Ask) -> None:
        text = """
            import mlflow

            def main(accuracy):
                mlflow.register_model("runs:/1/model", "m")
                if accuracy < 0.8:
                    print("that was not good")

            if __name__ == "__main__":
                main(0.5)
        """
        found = ask("model-validation-gate", {"register.py": text})
        assert found.state is State.ABSENT
        assert "only after" in why(found)

    def test_the_best_of_a_search_is_no_champion(self, ask: Ask) -> None:
        text = """
            import mlflow

            def search(models, x, y):
                best_score = 0
                for model in models:
                    score = model.fit(x, y).score(x, y)
                    if score > best_score:
                        best_score = score
                return best_score

            if __name__ == "__main__":
                search([], [], [])
                mlflow.register_model("runs:/1/model", "m")
        """
        assert ask("champion-challenger", {"search.py": text}).state is State.ABSENT
        assert ask("model-validation-gate", {"search.py": text}).state is State.ABSENT


class TestDelivery:
    def test_a_step_that_echoes(self, ask: Ask) -> None:
        found = ask("service-cd", {".github/workflows/cd.yml": workflow('echo "Deploying to production"')})
        assert found.state is State.ABSENT
        assert "only says" in why(found)

    def test_one_that_deploys(self, ask: Ask) -> None:
        text = workflow("gcloud run deploy api --image x")
        assert ask("service-cd", {".github/workflows/cd.yml": text}).state is State.WIRED
        text = workflow("gcloud run deploy api --image x", on="workflow_dispatch")
        assert ask("service-cd", {".github/workflows/cd.yml": text}).state is State.PRESENT

    def test_pages_are_no_service(self, ask: Ask) -> None:
        text = "on: push\njobs:\n  pages:\n    steps:\n      - uses: actions/deploy-pages@v4\n"
        found = ask("service-cd", {".github/workflows/pages.yml": text})
        assert found.state is State.ABSENT
        assert "pages" in why(found)

    def test_an_image_that_is_thrown_away(self, ask: Ask) -> None:
        files = {"Dockerfile": "FROM python\nCOPY . .\n", ".github/workflows/b.yml": workflow("docker build -t x .")}
        found = ask("automated-build", files)
        assert found.state is State.ABSENT
        assert "thrown away" in why(found)
        files[".github/workflows/b.yml"] = workflow("docker build -t x .", "docker push x")
        assert ask("automated-build", files).state is State.WIRED


class TestTracking:
    def test_words_and_lists_are_declared_at_most(self, ask: Ask) -> None:
        assert ask("experiment-tracking", {"README.md": "We use MLflow.", "x.py": "x = 1"}).state is State.ABSENT
        found = ask("experiment-tracking", {"requirements.txt": "mlflow==3.0\n", "x.py": "x = 1"})
        assert found.state is State.DECLARED
        assert (found.evidence[0].path, found.evidence[0].line) == ("requirements.txt", 1)

    def test_imported_and_never_called(self, ask: Ask) -> None:
        found = ask("experiment-tracking", {"train.py": "import mlflow\n" + "x = 1\n"})
        assert found.state is State.ABSENT
        assert "nothing of it that logs" in why(found)

    def test_commented_calls_do_not_count(self, ask: Ask) -> None:
        assert (
            ask("experiment-tracking", {"t.py": "import mlflow\n# mlflow.log_metric('a', 1)\n"}).state is State.ABSENT
        )

    def test_a_class_that_carries_the_name(self, ask: Ask) -> None:
        text = """
            class MLFlowClient:
                def log_metric(self, name, value):
                    print(name)

            MLFlowClient().log_metric('a', 1)
        """
        found = ask("experiment-tracking", {"client.py": text})
        assert found.state is State.ABSENT
        assert "only carries the name" in why(found)

    def test_a_call_that_runs(self, ask: Ask) -> None:
        assert ask("experiment-tracking", {"t.py": "import mlflow as m\nm.log_metric('a', 1)\n"}).state is State.PRESENT

    def test_a_tracker_that_ci_throws_away(self, ask: Ask) -> None:
        text = workflow("mlflow server --port 5000 &", "python t.py")
        files = {"t.py": "import mlflow\nmlflow.log_metric('a', 1)\n", ".github/workflows/t.yml": text}
        found = ask("tracking-centralized", files)
        assert not found.state.holds
        assert "thrown away" in why(found)
