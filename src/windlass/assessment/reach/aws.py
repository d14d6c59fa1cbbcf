"""What AWS starts: a SageMaker pipeline on a schedule, an event or an alarm, a function for each new file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from windlass.assessment.automation.workflow import mapping, text_of
from windlass.assessment.project import Project
from windlass.assessment.reach.routes import By, Start
from windlass.assessment.reading.code import Call
from windlass.assessment.reading.yaml import Map
from windlass.assessment.records import Evidence
from windlass.assessment.words import parts_of

_DEFINES = re.compile(r"^(sagemaker|stepfunctions)\..*(TrainingStep|TuningStep)$")
_STARTS = re.compile(
    r"sagemaker\W*pipeline|startpipelineexecution|start_pipeline_execution|:pipeline/|:codepipeline:", re.IGNORECASE
)
_PATTERN = "aws_cdk.aws_events.EventPattern"


def aws_rules(project: Project) -> Iterator[tuple[Start, tuple[str, ...]]]:
    """Each rule with the functions that declare what it starts: the pipelines of the project that train."""
    pipelines = tuple(
        f"{module.path}:{function.name}"
        for module in project.modules
        if "sagemaker" in module.packages or "stepfunctions" in module.packages
        for function in module.functions.values()
        if any(_DEFINES.match(call.name) for call in function.calls)
    )
    if pipelines:
        yield from ((start, pipelines) for start in (*_in_cdk(project), *_in_cloud_formation(project)))


_FUNCTION = re.compile(r"lambda_function_arn\s*=\s*([\w.\[\]\"]+)")


def function_events(project: Project) -> Iterator[tuple[Start, tuple[str, ...]]]:
    """Functions that Terraform has a bucket start for each new file, by a word that names function and folder alike."""
    handlers = [
        (module.path, function.name)
        for module in project.modules
        for function in module.functions.values()
        if function.name in ("lambda_handler", "handler") and function.parameters[:2] == ("event", "context")
    ]
    notifies = (each for each in project.terraform if each.kind == "aws_s3_bucket_notification")
    for each in notifies if handlers else ():
        named = parts_of(" ".join(_FUNCTION.findall(each.body))) - {"lambda", "function", "aws", "module", "arn"}
        for home, name in handlers:
            if named & parts_of(home.removesuffix(".py")):
                here = Evidence(path=each.path, line=each.line, why="each new file of a bucket starts the function")
                yield Start(by=By.ITSELF, kinds=("event",), evidence=here), (f"{home}:", f"{home}:{name}")


def _in_cdk(project: Project) -> Iterator[Start]:
    for module in project.modules:
        for function in module.functions.values() if "aws_cdk" in module.packages else ():
            said = (*function.parameters, *function.words.split("\n"))
            if not any({"sagemaker", "pipeline"} <= parts_of(word) for word in said):
                continue
            for call in function.calls:
                kinds = _kinds(call)
                if kinds:
                    yield _start(module.path, call.line, kinds)


def _kinds(call: Call) -> tuple[str, ...]:
    if call.name == _PATTERN:
        return ("event", "alarm") if "aws.cloudwatch" in (call.kwarg("source") or "") else ("event",)
    scheduled = call.has("schedule") or call.has("schedule_expression")
    return ("schedule",) if scheduled and call.last in ("Rule", "CfnRule", "CfnSchedule", "on_state_change") else ()


def _in_cloud_formation(project: Project) -> Iterator[Start]:
    for path in project.yaml_paths:
        for document in project.yaml(path)[:1]:
            for about in mapping(mapping(document).get("Resources")).values():
                kind = text_of(mapping(about).get("Type"))
                if kind in ("AWS::Events::Rule", "AWS::Scheduler::Schedule"):
                    yield from _rule(path, mapping(about), mapping(mapping(about).get("Properties")))


def _rule(path: str, about: Map, properties: Map) -> Iterator[Start]:
    if _STARTS.search(f"{properties.get('Targets')}{properties.get('Target')}") is None:
        return
    if properties.get("State") == "DISABLED":
        return
    if "ScheduleExpression" in properties:
        yield _start(path, about.line, ("schedule",))
    elif "EventPattern" in properties:
        alarm = "aws.cloudwatch" in str(properties.get("EventPattern"))
        yield _start(path, about.line, ("event", "alarm") if alarm else ("event",))


def _start(path: str, line: int, kinds: tuple[str, ...]) -> Start:
    on = "an alarm" if "alarm" in kinds else "a schedule" if "schedule" in kinds else "an event"
    why = f"a rule of EventBridge starts the pipeline, on {on}"
    return Start(by=By.ITSELF, kinds=kinds, evidence=Evidence(path=path, line=line, why=why))
