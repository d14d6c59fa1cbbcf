"""Pipelines of AWS that stacks of CDK declare, in Python or in TypeScript: the commands of their steps are CI."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from windlass.assessment.automation.workflow import Job, Step, Trigger, Workflow
from windlass.assessment.reading.code import Call, Module
from windlass.assessment.reading.lines import line_at
from windlass.assessment.reading.shell import read_shell

_PIPELINE = re.compile(r"^aws_cdk\.(pipelines\.CodePipeline|aws_codepipeline\.Pipeline)$")
_STEP = re.compile(r"^aws_cdk\.pipelines\.(CodeBuildStep|ShellStep)$")
_SPEC = re.compile(r"^aws_cdk\.aws_codebuild\.BuildSpec\.from_object(_to_yaml)?$")
_APPROVAL = re.compile(r"^aws_cdk\.(pipelines\.ManualApprovalStep|aws_codepipeline_actions\.ManualApprovalAction)$")
_FIELDS = ("install_commands", "commands")


def pipelines_of_python(modules: Iterable[Module]) -> Iterator[Workflow]:
    """A workflow for each file with such steps; only a project that makes a pipeline anywhere has one."""
    files = [module for module in modules if "aws_cdk" in module.packages]
    calls = {module.path: sorted(_calls(module), key=lambda call: call.line) for module in files}
    if any(_PIPELINE.match(call.name) for found in calls.values() for call in found):
        for path, found in calls.items():
            flow = _workflow(path, list(_steps(found)), heard=not any(map(_waits_for_nobody, found)))
            if flow is not None:
                yield flow


def _calls(module: Module) -> Iterator[Call]:
    return (call for function in module.functions.values() for call in function.calls)


def _waits_for_nobody(call: Call) -> bool:
    """Whether a source says that no push starts what takes it in."""
    return call.kwarg("trigger_on_push") == "False" or (call.kwarg("trigger") or "").endswith("Trigger.NONE")


def _steps(calls: Iterable[Call]) -> Iterator[tuple[Step, bool]]:
    """Each step with its commands, and whether it stands below the approval of a person."""
    approved = False
    for call in calls:
        approved = approved or bool(_APPROVAL.match(call.name))
        if _STEP.match(call.name):
            texts = [text for field in _FIELDS if (text := call.kwarg(field))]
            yield _step((call.args or (call.kwarg("id"),))[0] or "", call.line, "\n".join(texts)), approved
        elif _SPEC.match(call.name):
            yield _step("", call.line, next(iter(call.values), "")), approved


def _step(name: str, line: int, text: str) -> Step:
    return Step(name=name, line=line, commands=tuple(read_shell(text, line)))


def _workflow(path: str, steps: list[tuple[Step, bool]], *, heard: bool) -> Workflow | None:
    jobs = tuple(
        Job(name=step.name or "build", line=step.line, steps=(step,), manual=approved)
        for step, approved in steps
        if step.commands
    )
    kind = "push" if heard else "dispatch"
    triggers = (Trigger(kind=kind, line=jobs[0].line),) if jobs else ()
    return Workflow(path=path, system="CodePipeline", name=path, triggers=triggers, jobs=jobs) if jobs else None


# -- TypeScript ------------------------------------------------------------------------------------------------------

_MADE = re.compile(r"\bnew\s+(?:\w+\.)*(CodePipeline|Pipeline|CodeBuildStep|ShellStep|ManualApproval(?:Step|Action))\(")
_SPEC_OF_TYPESCRIPT = re.compile(r"\bBuildSpec\.fromObject(?:ToYaml)?\(")
_COMMANDS = re.compile(r"\b(?:installCommands|commands)['\"]?\s*:\s*\[(.*?)\]\s*(?:,|\}|\n)", re.DOTALL)
_TEXT = re.compile(r"'((?:[^'\\\n]|\\.)*)'|\"((?:[^\"\\\n]|\\.)*)\"|`((?:[^`\\]|\\.)*)`")
_COMMENT = re.compile(r"(?:^|(?<=\s))//.*$", re.MULTILINE)
_UNHEARD = re.compile(r"triggerOnPush\s*:\s*false|trigger\s*:\s*\w*\.?\w+Trigger\.NONE")


def pipelines_of_typescript(files: Iterable[tuple[str, str]]) -> Iterator[Workflow]:
    """The same of (path, text) of files of TypeScript, as far as their lists of commands are written out."""
    texts = {path: _COMMENT.sub("", text) for path, text in files if "aws-cdk" in text}
    if any(found[1] in ("CodePipeline", "Pipeline") for text in texts.values() for found in _MADE.finditer(text)):
        for path, text in texts.items():
            flow = _workflow(path, list(_steps_of_typescript(text)), heard=not _UNHEARD.search(text))
            if flow is not None:
                yield flow


def _steps_of_typescript(text: str) -> Iterator[tuple[Step, bool]]:
    made = [*_MADE.finditer(text), *_SPEC_OF_TYPESCRIPT.finditer(text)]
    made.sort(key=lambda found: found.start())
    approved = False
    ends = [*(found.start() for found in made), len(text)][1:]
    for found, after in zip(made, ends, strict=True):
        approved = approved or "ManualApproval" in found[0]
        said = text[found.end() : after]
        lists = _COMMANDS.findall(said) if "Pipeline" not in found[0] else ()
        commands = ["".join(parts) for each in lists for parts in _TEXT.findall(each)]
        yield _step("", line_at(text, found.start()), "\n".join(commands)), approved
