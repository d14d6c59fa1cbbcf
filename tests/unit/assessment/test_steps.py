"""Steps of pipelines that a project makes in ways of its own, and what starts them."""

from __future__ import annotations

from windlass.assessment.records import State

from .conftest import FIT, Ask, on_push

MADE = """
    from airflow import DAG
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

    def pod(task_id, module):
        return KubernetesPodOperator(task_id=task_id, image="team/jobs", cmds=["python", "-m", module])

    with DAG("retrain", schedule="@daily"):
        pod(task_id="check", module="jobs.check") >> pod(task_id="fit_it", module="jobs.train")
"""
JOBS = {
    "jobs/__init__.py": "",
    "jobs/check.py": "if __name__ == '__main__':\n    print('fine')\n",
    "jobs/train.py": FIT + "if __name__ == '__main__':\n    train([1], [2])\n",
}


def test_a_function_of_the_project_makes_the_steps(ask: Ask) -> None:
    files = {**JOBS, "dags/retrain.py": MADE}
    assert ask("pipeline-orchestrated", files).state.rank >= State.PRESENT.rank
    assert ask("training-automated", files).state is State.WIRED
    only_checks = {**JOBS, "dags/retrain.py": MADE.replace("fit_it", "look").replace("jobs.train", "jobs.check")}
    assert ask("pipeline-orchestrated", only_checks).state is State.ABSENT
    assert ask("training-automated", only_checks).state is not State.WIRED


def test_a_class_of_the_project_is_a_step(ask: Ask) -> None:
    dag = """
        from airflow import DAG
        from airflow.providers.docker.operators.docker import DockerOperator

        class JobOperator(DockerOperator):
            pass

        with DAG("jobs", schedule=None):
            JobOperator(task_id="ingest", command="x") >> JobOperator(task_id="train_model", command="y")
    """
    assert ask("pipeline-orchestrated", {"dags/jobs.py": dag}).state is State.PRESENT


def test_a_flow_is_deployed_from_its_source(ask: Ask) -> None:
    flow = "from prefect import flow\n" + FIT + "@flow\ndef main():\n    train([1], [2])\n"
    deploy = """
        from prefect import flow

        flow.from_source(source="https://host/team/repo.git", entrypoint="flows/train.py:main").deploy(
            name="weekly", work_pool_name="pool", cron="0 5 * * 1"
        )
    """
    files = {"flows/train.py": flow, "deploy.py": deploy}
    assert ask("training-automated", files).state is State.WIRED
    by_hand = {**files, "deploy.py": deploy.replace(', cron="0 5 * * 1"', "")}
    assert ask("training-automated", by_hand).state is State.PRESENT
    assert ask("pipeline-cd", by_hand).state is State.ABSENT
    assert ask("pipeline-cd", {**by_hand, **on_push("python deploy.py")}).state is State.WIRED


def test_what_is_done_before_a_loop_is_done_once(ask: Ask) -> None:
    files = {
        "compose.yml": "services:\n  app:\n    build: .\n    command: python main.py\n",
        "Dockerfile": "FROM python\n",
        "fit.py": FIT,
    }
    before = (
        "import time\nfrom fit import train\ndef main():\n    train([1], [2])\n    while True:\n        time.sleep(1)\n"
    )
    within = before.replace("    train([1], [2])\n    while True:\n", "    while True:\n        train([1], [2])\n")
    run = "if __name__ == '__main__':\n    main()\n"
    assert ask("training-automated", {**files, "main.py": before + run}).state is not State.WIRED
    assert ask("training-automated", {**files, "main.py": within + run}).state is State.WIRED


def test_ci_that_starts_a_service_or_fixtures_trains_for_nobody(ask: Ask) -> None:
    page = "import streamlit as st\n" + FIT + "if st.button('train'):\n    train([1], [2])\n"
    started = {"app.py": page, **on_push("poetry run streamlit run app.py")}
    assert ask("training-automated", started).state is State.PRESENT
    stages = "stages:\n  train:\n    cmd: python fit.py\n"
    code = {"fit.py": FIT + "train([1], [2])\n", "dvc.yaml": stages, "tests/fixtures/dvc.yaml": stages}
    tried = {**code, **on_push("dvc repro tests/fixtures/dvc.yaml")}
    assert ask("training-automated", tried).state is State.PRESENT
    meant = {**code, **on_push("dvc repro")}
    assert ask("training-automated", meant).state is State.WIRED


def test_a_file_that_a_container_mounts_is_found_by_its_name(ask: Ask) -> None:
    job = """
        apiVersion: batch/v1
        kind: CronJob
        spec:
          schedule: "0 3 * * *"
          jobTemplate:
            spec:
              template:
                spec:
                  containers:
                    - image: python:3.12
                      command: ["/bin/sh", "-c"]
                      args: ["python /scripts/fit.py"]
    """
    files = {"jobs/fit.py": FIT + "train([1], [2])\n", "k8s/job.yaml": job}
    assert ask("training-automated", files).state is State.WIRED
    twice = {**files, "old/fit.py": "print('another')\n"}
    assert ask("training-automated", twice).state is State.PRESENT


def test_an_image_of_a_function_starts_its_handler(ask: Ask) -> None:
    image = 'FROM public.ecr.aws/lambda/python:3.12\nCOPY jobs jobs\nCMD ["jobs.fit.handler"]\n'
    track = "import mlflow\n" + FIT + "def handler(event, context):\n    with mlflow.start_run():\n"
    track += "        train([1], [2])\n        mlflow.log_metric('rmse', 1.0)\n"
    files = {"jobs/__init__.py": "", "jobs/fit.py": track, "main.py": "import jobs.fit\n"}
    assert ask("experiment-tracking", files).state is not State.WIRED
    assert ask("experiment-tracking", {**files, "Dockerfile": image}).state.holds


MACHINE = """
    import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
    import * as tasks from 'aws-cdk-lib/aws-stepfunctions-tasks';
    const first = new tasks.LambdaInvoke(this, 'Prepare', { lambdaFunction: a });
    const second = new tasks.LambdaInvoke(this, '{second}', { lambdaFunction: b });
    new sfn.StateMachine(this, 'Machine', { definitionBody: first.next(second) });
"""
TERRAFORM = """
    resource "aws_sfn_state_machine" "m" {
      definition = jsonencode({
        StartAt = "Prepare"
        States = {
          Prepare = { Type = "Task", Resource = "a", Next = "{second}" }
          {second} = { Type = "Task", Resource = "b", End = true }
        }
      })
    }
"""


def test_a_machine_of_states_trains(ask: Ask) -> None:
    for path, text in (("lib/dag.ts", MACHINE), ("infra/dag.tf", TERRAFORM)):
        assert ask("pipeline-orchestrated", {path: text.replace("{second}", "SendMail")}).state is State.ABSENT
        assert ask("pipeline-orchestrated", {path: text.replace("{second}", "TrainModel")}).state is State.PRESENT
        ask("pipeline-orchestrated", {path: "\n"})
