"""The forms in which real repositories write a practice, found in repositories that nobody had looked at before."""

from __future__ import annotations

import json

import pytest

from windlass.assessment.assess import open_project
from windlass.assessment.facts import Facts
from windlass.assessment.records import State

from .conftest import Ask, Write

WORKER = """
    import time
    from sklearn.linear_model import LogisticRegression

    class Worker:
        def __init__(self, queue):
            self.queue = queue
            self.running = False

        def run(self):
            self.running = True
            while {condition}:
                job = self.queue.rpop("retraining_queue")
                if job:
                    LogisticRegression().fit(job.x, job.y)
                time.sleep(10)

    if __name__ == "__main__":
        Worker(None).run()
"""
MONITOR = """
    import time

    class Monitor:
        def run(self):
            while True:
                if self.measure() > 0.2:
                    self.trigger_retraining()
                time.sleep(60)

        def trigger_retraining(self):
            self.queue.lpush("retraining_queue", "drift")

    if __name__ == "__main__":
        Monitor().run()
"""


class TestLoops:
    @pytest.mark.parametrize("condition", ["True", "self.running", "not self.stop_event.is_set()", "not stopped"])
    def test_a_loop_that_only_a_signal_ends_runs_by_itself(self, ask: Ask, condition: str) -> None:
        found = ask("training-automated", {"worker.py": WORKER.format(condition=condition)})
        assert found.state is State.WIRED
        assert any("a loop without end" in each.why for each in found.evidence)

    @pytest.mark.parametrize("condition", ["self.epoch < 10", "not job", "batches"])
    def test_a_loop_that_comes_to_an_end_does_not(self, ask: Ask, condition: str) -> None:
        assert ask("training-automated", {"worker.py": WORKER.format(condition=condition)}).state is State.PRESENT

    def test_a_monitor_and_a_worker_with_a_queue_between_them(self, ask: Ask) -> None:
        files = {"monitor.py": MONITOR, "worker.py": WORKER.format(condition="self.running")}
        assert ask("ct-trigger-threshold", files).state is State.WIRED

    def test_a_queue_that_nobody_takes_from(self, ask: Ask) -> None:
        assert not ask("ct-trigger-threshold", {"monitor.py": MONITOR}).state.holds


JOBS = {
    "jobs/__init__.py": "",
    "jobs/base.py": "class Job:\n    def go(self):\n        raise NotImplementedError\n",
    "jobs/train.py": """
        from sklearn.linear_model import LogisticRegression
        from jobs.base import Job

        class Training(Job):
            def go(self):
                LogisticRegression().fit([[0]], [0])
    """,
    "jobs/score.py": "from jobs.base import Job\n\nclass Scoring(Job):\n    def go(self):\n        pass\n",
    "main.py": "import settings\n\nif __name__ == '__main__':\n    settings.read().job.go()\n",
    "settings.py": "def read():\n    return None\n",
}


class TestWaysToCode:
    def test_a_method_of_one_family_of_classes_may_be_that_of_any(self, ask: Ask) -> None:
        assert ask("training-scripted", JOBS).state is State.PRESENT

    def test_methods_of_one_name_in_classes_that_have_nothing_in_common(self, ask: Ask) -> None:
        apart = {path: text.replace("(Job)", "") for path, text in JOBS.items()}
        assert ask("training-scripted", apart).state is State.ABSENT

    def test_a_module_that_is_run_by_its_name(self, ask: Ask) -> None:
        files = {
            "team/__init__.py": "",
            "team/train.py": """
                from sklearn.linear_model import LogisticRegression

                if __name__ == "__main__":
                    LogisticRegression().fit([[0]], [0])
            """,
            "dags/daily.py": """
                from airflow import DAG
                from airflow.operators.python import PythonOperator
                from runner import {call}

                def retrain():
                    return {call}("team.train", args=[])

                with DAG("daily", schedule="@daily"):
                    PythonOperator(task_id="retrain", python_callable=retrain)
            """,
        }
        run = {**files, "dags/daily.py": files["dags/daily.py"].format(call="run_project_module")}
        assert ask("training-automated", run).state is State.WIRED

    def test_a_module_whose_name_is_only_said(self, ask: Ask) -> None:
        files = {
            "team/__init__.py": "",
            "team/train.py": "from sklearn.svm import SVC\n\nif __name__ == '__main__':\n    SVC().fit([[0]], [0])\n",
            "loop.py": "import time\n\nwhile True:\n    print('team.train')\n    time.sleep(1)\n",
        }
        assert ask("training-automated", files).state is State.PRESENT

    def test_what_a_service_does_before_it_answers(self, ask: Ask) -> None:
        code = """
            from flask import Flask
            from scipy.stats import ks_2samp

            app = Flask(__name__)

            @app.{hook}
            def measure_drift():
                ks_2samp([0], [1])
        """
        image = {"Dockerfile": 'FROM python:3.12\nCOPY . .\nCMD ["python", "app.py"]\n'}
        hooked = {**image, "app.py": code.replace("{hook}", "before_first_request")}
        assert ask("drift-monitoring", hooked).state is State.WIRED
        assert not ask("drift-monitoring", {**image, "app.py": code.replace("{hook}", "template_filter")}).state.holds

    def test_an_annotation_tells_what_a_factory_made(self, ask: Ask) -> None:
        code = """
            import hydra
            from lightning import Trainer

            def main(cfg, model):
                trainer{said} = hydra.utils.instantiate(cfg.trainer)
                trainer.fit(model)

            if __name__ == "__main__":
                main(None, None)
        """
        assert ask("training-scripted", {"train.py": code.replace("{said}", ": Trainer")}).state is State.PRESENT

    def test_an_object_of_the_project_that_is_fitted_elsewhere(self, ask: Ask) -> None:
        files = {
            "pkg/__init__.py": "",
            "pkg/pipeline.py": "from sklearn.pipeline import Pipeline\n\nprice_pipe = Pipeline([])\n",
            "pkg/train.py": """
                from pkg.pipeline import price_pipe
                from sklearn.model_selection import train_test_split

                if __name__ == "__main__":
                    price_pipe.fit(*train_test_split([[0]], [0]))
            """,
        }
        assert ask("training-scripted", files).state is State.PRESENT
        foreign = files["pkg/train.py"].replace("pkg.pipeline", "another.pipeline")
        assert ask("training-scripted", {"pkg/train.py": foreign}).state is State.ABSENT

    def test_a_job_file_of_a_cluster_that_ci_submits(self, ask: Ask) -> None:
        files = {
            "train.py": "from sklearn.svm import SVC\n\nif __name__ == '__main__':\n    SVC().fit([[0]], [0])\n",
            "jobs/train.yaml": "name: train\nentrypoint: bash jobs/train.sh\n",
            "jobs/train.sh": "python train.py\n",
            ".github/workflows/train.yml": """
                on: push
                jobs:
                  train:
                    runs-on: ubuntu-latest
                    steps:
                      - run: anyscale jobs submit jobs/train.yaml --wait
            """,
        }
        assert ask("training-automated", files).state is State.WIRED
        ray = files[".github/workflows/train.yml"].replace(
            "anyscale jobs submit jobs/train.yaml --wait", "ray job list"
        )
        assert ask("training-automated", {**files, ".github/workflows/train.yml": ray}).state is State.PRESENT
        ray = ray.replace("ray job list", "ray job submit -- python train.py")
        assert ask("training-automated", {**files, ".github/workflows/train.yml": ray}).state is State.WIRED

    def test_paths_that_are_joined_name_their_file(self, write: Write) -> None:
        code = "import os\nstep(code=os.path.join(HERE, '..', 'src', 'evaluate.py'), other=', '.join(HERE, 'x'))\n"
        project = open_project(write({"a.py": code}))
        (call,) = [call for call in project.modules.by_path["a.py"].functions[""].calls if call.last == "step"]
        assert call.kwarg("code") == "{}/../src/evaluate.py"
        assert call.kwarg("other") != "{}/x"


class TestPlatforms:
    def test_a_training_step_of_sagemaker_or_step_functions_trains(self, ask: Ask) -> None:
        code = (
            "from {package} import TrainingStep\n\nif __name__ == '__main__':\n    TrainingStep('train', estimator=1)\n"
        )
        for package in ("sagemaker.workflow.steps", "stepfunctions.steps"):
            assert ask("managed-compute", {"pipeline.py": code.format(package=package)}).state is State.PRESENT
        assert ask("managed-compute", {"pipeline.py": code.format(package="shop.steps")}).state is State.ABSENT

    def test_a_feature_store_of_databricks_that_scores_a_table(self, ask: Ask) -> None:
        code = """
            from databricks.feature_store import FeatureStoreClient

            def score(uri, rows):
                FeatureStoreClient().score_batch(uri, rows).write.saveAsTable("scores")

            if __name__ == "__main__":
                score("models:/churn/Production", None)
        """
        assert ask("model-serving", {"score.py": code}).state is State.PRESENT
        store = ask("feature-consistency", {"score.py": code})
        assert store.evidence[0].why.startswith("feature store")

    def test_dbx_deploys_jobs(self, ask: Ask) -> None:
        flow = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: dbx deploy --jobs=train\n"
        assert ask("pipeline-cd", {".github/workflows/cd.yml": flow}).state is State.WIRED


class TestActions:
    @pytest.mark.parametrize(
        ("action", "given", "state"),
        [
            ("team/actions/deploy@v1", "ecr-repo: churn", State.WIRED),
            ("team/actions/deploy@v1", "environment: prod", State.ABSENT),
            ("team/actions/scan@v1", "ecr-repo: churn", State.ABSENT),
        ],
    )
    def test_an_action_of_a_teams_own_that_is_told_where_images_go(
        self, ask: Ask, action: str, given: str, state: State
    ) -> None:
        flow = f"""
            on: push
            jobs:
              image:
                runs-on: ubuntu-latest
                steps:
                  - uses: {action}
                    with:
                      {given}
        """
        assert ask("automated-build", {".github/workflows/cd.yml": flow}).state is state


class TestJudgements:
    GATE = """
        from azureml.core import Run

        run = Run.get_context()
        production_model_mse = float(run.tags["mse"])
        new_model_mse = float(run.get_metrics()["mse"])
        if new_model_mse < production_model_mse:
            print("better")
        else:
            {end}
    """

    def test_a_run_that_is_cancelled_when_production_is_better(self, ask: Ask) -> None:
        register = {"register.py": "import mlflow\n\nmlflow.register_model('runs:/1/model', 'churn')\n"}
        gated = ask("model-validation-gate", {**register, "evaluate.py": self.GATE.format(end="run.parent.cancel()")})
        assert gated.state is State.PRESENT
        said = ask("model-validation-gate", {"evaluate.py": self.GATE.format(end="print('worse')")})
        assert said.state is State.ABSENT

    def test_a_data_set_that_a_notebook_registers_by_hand(self, ask: Ask) -> None:
        code = "from google.cloud import aiplatform\naiplatform.TabularDataset.create(display_name='x')\n"
        cells = {"cells": [{"cell_type": "code", "source": code}]}
        assert ask("data-versioned", {"a.ipynb": json.dumps(cells)}).state is State.ABSENT
        assert ask("data-versioned", {"a.py": code}).state is State.PRESENT

    def test_behaviour_by_equal_answers(self, ask: Ask) -> None:
        test = """
            from model import label

            def test_{name}(predictor):
                assert label("a", predictor) == label("b", predictor)
        """
        files = {"model.py": "def label(text, predictor):\n    return predictor.predict(text)\n"}
        named = {**files, "tests/test_model.py": test.format(name="invariance")}
        assert ask("model-quality-tests", named).state is State.PRESENT
        assert (
            ask("model-quality-tests", {**files, "tests/test_model.py": test.format(name="both")}).state is State.ABSENT
        )

    def test_expectations_that_a_test_asserts(self, ask: Ask) -> None:
        files = {
            "tests/data/conftest.py": "import great_expectations as ge\n\ndef df():\n    return ge.read_csv('a.csv')\n",
            "tests/data/test_data.py": """
                def test_data(df):
                    df.expect_column_values_to_not_be_null(column="id")
                    assert df.validate()["success"]
            """,
        }
        assert ask("data-tests", files).state is State.PRESENT
        files["tests/data/conftest.py"] = "def df():\n    return None\n"
        assert ask("data-tests", files).state is State.ABSENT

    def test_runs_that_are_not_those_of_experiments(self, ask: Ask) -> None:
        code = """
            def record_run(connection, {names}):
                connection.execute("insert into runs values (1)")

            if __name__ == "__main__":
                record_run(None, 1, 2)
        """
        tracked = ask("experiment-tracking", {"keep.py": code.replace("{names}", "accuracy, params")})
        assert tracked.state is State.PRESENT
        assert ask("experiment-tracking", {"keep.py": code.replace("{names}", "table, rows")}).state is State.ABSENT

    def test_a_tracker_that_ray_is_given_as_a_callback(self, ask: Ask) -> None:
        code = """
            from ray.air.integrations.mlflow import MLflowLoggerCallback

            if __name__ == "__main__":
                MLflowLoggerCallback(experiment_name="x")
        """
        assert ask("experiment-tracking", {"train.py": code}).state is State.PRESENT

    def test_monitors_of_older_evidently(self, write: Write) -> None:
        from windlass.assessment.probes.drift import drift_computations

        code = "from evidently.model_monitoring import ModelMonitoring, DataDriftMonitor\n\nModelMonitoring([])\n"
        found = drift_computations(Facts(open_project(write({"m.py": code}))))
        assert [each.call.last for each in found] == ["ModelMonitoring"]


VETIVER = """
    library(vetiver)
    # lm(price ~ ., data = old)
    board <- board_folder("data", versioned = TRUE)
    pin_write(board, frame)
    fitted <- workflow(spec) %>% fit(frame)
    board %>% vetiver_pin_write(vetiver_model(fitted, "price"))
"""


class TestR:
    def test_training_versions_and_pins(self, ask: Ask) -> None:
        files = {"train.R": VETIVER}
        trained = ask("training-scripted", files)
        assert (trained.state, trained.evidence[0].line) == (State.PRESENT, 5)
        assert ask("model-registry", files).state is State.PRESENT
        assert ask("data-versioned", files).state is State.PRESENT
        assert ask("data-versioned", {"train.R": VETIVER.replace(", versioned = TRUE", "")}).state is State.ABSENT

    def test_a_comment_and_a_text_fit_nothing(self, ask: Ask) -> None:
        code = "# lm(price ~ ., data = frame)\ncat(\"# not a comment\"); print('lm (of course)')\n"
        assert ask("training-scripted", {"train.R": code}).state is State.ABSENT

    def test_a_document_is_what_a_notebook_is(self, ask: Ask) -> None:
        text = "# Prices\n\nWe call lm(x) here.\n\n```{r fit}\nlm(price ~ ., data = frame)\n```\n"
        assert ask("training-scripted", {"train.qmd": text}).state is State.ABSENT
        down = ask("modular-code", {"train.qmd": text}).turned_down
        assert [each.line for each in down] == [6]

    def test_a_schedule_that_runs_a_script(self, ask: Ask) -> None:
        flow = """
            on:
              schedule:
                - cron: "0 3 * * *"
            jobs:
              train:
                runs-on: ubuntu-latest
                steps:
                  - run: Rscript {script}
        """
        files = {"R/train.R": VETIVER, "R/plot.R": "plot(1)\n"}
        train = {**files, ".github/workflows/train.yml": flow.replace("{script}", "R/train.R")}
        assert ask("ct-trigger-schedule", train).state is State.WIRED
        plot = {**files, ".github/workflows/train.yml": flow.replace("{script}", "R/plot.R")}
        assert not ask("ct-trigger-schedule", plot).state.holds

    def test_tests_that_ci_runs(self, ask: Ask) -> None:
        files = {
            "tests/testthat/test-price.R": "test_that('it adds', {\n  expect_equal(add(1, 1), 2)\n})\n",
            ".github/workflows/ci.yml": """
                on: push
                jobs:
                  test:
                    runs-on: ubuntu-latest
                    steps:
                      - run: Rscript -e 'testthat::test_dir("tests")'
            """,
        }
        assert ask("tests-in-ci", files).state is State.WIRED
        hollow = {**files, "tests/testthat/test-price.R": "add(1, 1)\n"}
        assert ask("tests-in-ci", hollow).state is State.ABSENT

    def test_targets_are_a_pipeline_if_one_trains(self, ask: Ask) -> None:
        code = "library(targets)\nlist(\n  tar_target(rows, read()),\n  tar_target({name}, make(rows))\n)\n"
        assert ask("pipeline-orchestrated", {"_targets.R": code.replace("{name}", "model")}).state is State.PRESENT
        assert ask("pipeline-orchestrated", {"_targets.R": code.replace("{name}", "plot")}).state is State.ABSENT

    def test_an_api_and_its_image(self, ask: Ask) -> None:
        files = {
            "plumber.R": "v <- vetiver_pin_read(b, 'price')\nfunction(pr) {\n  vetiver_api(pr, v)\n}\n",
            "Dockerfile": 'FROM rocker/r-ver\nENTRYPOINT ["R", "-e", "plumber::plumb(\'/opt/ml/plumber.R\')$run()"]\n',
        }
        assert ask("model-serving", files).state is State.WIRED


BUILD = """
    version: 0.2
    phases:
      build:
        commands:
          - pushd ml
          - python run.py --module-name pipeline
          - popd
"""


class TestCloud:
    FILES = {
        "ml/run.py": "import importlib\n\nif __name__ == '__main__':\n    importlib.import_module('x')\n",
        "ml/pipeline.py": """
            from sagemaker.workflow.steps import TrainingStep

            def get_pipeline(region):
                return [TrainingStep(name="train", estimator=1)]
        """,
        "specs/buildspec.yml": BUILD,
    }

    def test_a_build_file_that_a_stack_names_runs_a_module_that_is_named(self, ask: Ask) -> None:
        stack = {"lib/stack.ts": "buildSpec: BuildSpec.fromSourceFilename('./specs/buildspec.yml'),\n"}
        assert ask("training-automated", {**self.FILES, **stack}).state is State.WIRED

    def test_a_build_file_that_nothing_names(self, ask: Ask) -> None:
        assert ask("training-automated", self.FILES).state is State.PRESENT

    TEMPLATE = """
        AWSTemplateFormatVersion: "2010-09-09"
        Resources:
          One:
            Type: AWS::SageMaker::{kind}
    """

    @pytest.mark.parametrize(
        ("practice", "kind"),
        [
            ("model-serving", "Endpoint"),
            ("drift-monitoring", "MonitoringSchedule"),
            ("model-registry", "ModelPackageGroup"),
            ("feature-consistency", "FeatureGroup"),
        ],
    )
    def test_what_a_template_declares(self, ask: Ask, practice: str, kind: str) -> None:
        found = ask(practice, {"stack.yml": self.TEMPLATE.replace("{kind}", kind)})
        assert (found.state, found.evidence[0].line) == (State.PRESENT, 4)
        assert ask(practice, {"stack.yml": self.TEMPLATE.replace("{kind}", "NotebookInstance")}).state is State.ABSENT
