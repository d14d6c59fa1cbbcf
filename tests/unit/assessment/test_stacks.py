"""Pipelines that stacks of CDK declare: what their steps run, and what none of them does."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import FIT, Ask

TRAIN = FIT + 'if __name__ == "__main__":\n    train([[1]], [1])\n'
JOBS = {"jobs/train.py": TRAIN, "requirements.txt": "scikit-learn\n"}
PYTHON = """
    from aws_cdk import Stack, pipelines


    class Pipeline(Stack):
        def __init__(self, scope, id):
            super().__init__(scope, id)
            source = pipelines.CodePipelineSource.git_hub("team/churn", "main"{source})
            pipelines.{made}(self, "Pipeline", synth=pipelines.ShellStep("Synth", input=source, commands=["cdk synth"]))
            {before}
            pipelines.CodeBuildStep(
                "Train",
                input=source,
                install_commands=["pip install -r requirements.txt"],
                commands=["echo training", f"cd {{id}}", "cd jobs", "{command}"],
            )
"""
TYPESCRIPT = """
    import {{ pipelines }} from 'aws-cdk-lib';
    const synth = new pipelines.ShellStep('Synth', {{ commands: ['cdk synth'] }});
    new pipelines.{made}(this, 'Pipeline', {{ synth }});
    new pipelines.CodeBuildStep('Train', {{
      input: source,{comment}
      commands: [
        'echo training',
        'cd jobs && {command}',
      ],
    }});
"""
SPEC = """
    from aws_cdk import aws_codebuild as codebuild, aws_codepipeline as codepipeline

    def declare(stack):
        codepipeline.Pipeline(stack, "Pipeline")
        codebuild.PipelineProject(
            stack,
            "Train",
            build_spec=codebuild.BuildSpec.from_object(
                {"version": "0.2", "phases": {"build": {"commands": ["cd jobs", "python train.py"]}}}
            ),
        )
"""


def _python(made: str = "CodePipeline", command: str = "python train.py", source: str = "", before: str = "") -> str:
    text = PYTHON.replace("{made}", made).replace("{command}", command).replace("{source}", source)
    return text.replace("{before}", before).replace("{{id}}", "{id}")


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (_python(), State.WIRED),
        (_python(made="CodeStarSource"), State.PRESENT),  # steps of no pipeline
        (_python(command="echo python train.py"), State.PRESENT),
        (_python(source=", trigger_on_push=False"), State.PRESENT),
        (_python(before='pipelines.ManualApprovalStep("Approve")'), State.PRESENT),
    ],
)
def test_steps_in_python(ask: Ask, text: str, state: State) -> None:
    assert ask("training-automated", {"stack.py": text, **JOBS}).state is state


@pytest.mark.parametrize(
    ("made", "command", "comment", "state"),
    [
        ("CodePipeline", "python train.py", "", State.WIRED),
        ("CodePipeline", "python train.py", " // triggerOnPush: false, said of another", State.WIRED),
        ("CodePipeline", "python train.py", "\n      triggerOnPush: false,", State.PRESENT),
        ("Repository", "python train.py", "", State.PRESENT),
        ("CodePipeline", "echo done", "", State.PRESENT),
    ],
)
def test_steps_in_typescript(ask: Ask, made: str, command: str, comment: str, state: State) -> None:
    text = TYPESCRIPT.format(made=made, command=command, comment=comment)
    assert ask("training-automated", {"lib/stack.ts": text, "jobs/train.py": TRAIN}).state is state


def test_a_stack_without_steps_beside_one_that_declares_a_pipeline(ask: Ask) -> None:
    bare = "import * as cdk from 'aws-cdk-lib';\nnew Pool(new cdk.App(), 'pool');\n"
    text = TYPESCRIPT.format(made="CodePipeline", command="python train.py", comment="")
    found = ask("training-automated", {"bin/app.ts": bare, "lib/stack.ts": text, "jobs/train.py": TRAIN})
    assert found.state is State.WIRED


@pytest.mark.parametrize(
    ("text", "state"),
    [(SPEC, State.WIRED), (SPEC.replace("codepipeline.Pipeline(", "codepipeline.Artifact("), State.PRESENT)],
)
def test_a_build_that_is_described_in_code(ask: Ask, text: str, state: State) -> None:
    assert ask("training-automated", {"stack.py": text, **JOBS}).state is state


def test_a_stack_in_tests_is_no_ci(ask: Ask) -> None:
    assert ask("training-automated", {"tests/test_stack.py": _python(), **JOBS}).state is State.PRESENT


def test_an_image_that_such_a_step_pushes(ask: Ask) -> None:
    found = ask("automated-build", {"stack.py": _python(command="docker push registry/churn"), **JOBS})
    assert found.state is State.WIRED
