"""What a project declares in the cloud: resources of CloudFormation, Terraform and AWS CDK by their kinds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from windlass.assessment.automation.workflow import mapping, text_of
from windlass.assessment.facts import Facts, Seen, once
from windlass.assessment.reach.routes import By
from windlass.assessment.reading.lines import line_at
from windlass.assessment.records import Evidence

_CDK = re.compile(r"aws_cdk\.aws_(\w+)\.(?:Cfn)?([A-Z]\w*)$")
_NEW = re.compile(r"^[^/\n]*\bnew\s+(\w+)\.(?:Cfn)?([A-Z]\w*)\(", re.MULTILINE)
_SERVICES = {
    "sagemaker": "SageMaker", "cloudwatch": "CloudWatch", "codepipeline": "CodePipeline", "ecs": "ECS", "s3": "S3",
    "stepfunctions": "StepFunctions",
}  # fmt: skip
"""Modules of CDK whose service is written in another way than with one capital."""


@dataclass(frozen=True)
class Resource:
    """One resource."""

    kind: str
    """As written: `AWS::SageMaker::Endpoint`, `aws_sagemaker_endpoint`."""
    path: str
    line: int

    def seen(self, why: str) -> Seen:
        return Seen((Evidence(path=self.path, line=self.line, why=f"{self.kind}: {why}"),), by=By.PERSON)


@once
def resources(facts: Facts) -> tuple[Resource, ...]:
    """Every resource that is declared, not only named."""
    return (*_cloud_formation(facts), *_terraform(facts), *_cdk(facts), *_cdk_of_typescript(facts))


def declared(facts: Facts, why: str, *kinds: str) -> Iterator[Seen]:
    """Resources of some kinds."""
    for each in resources(facts):
        if each.kind in kinds:
            yield each.seen(why)


def _cloud_formation(facts: Facts) -> Iterator[Resource]:
    for path in facts.project.yaml_paths:
        for document in facts.project.yaml(path)[:1]:
            for about in mapping(mapping(document).get("Resources")).values():
                kind = text_of(mapping(about).get("Type"))
                if kind.startswith("AWS::"):
                    yield Resource(kind, path, mapping(about).line_of("Type"))


def _terraform(facts: Facts) -> Iterator[Resource]:
    for each in facts.project.terraform:
        yield Resource(each.kind, each.path, each.line)


def _cdk(facts: Facts) -> Iterator[Resource]:
    """`sagemaker.CfnEndpoint(self, "endpoint")` in Python is an `AWS::SageMaker::Endpoint`."""
    for module, _, call in facts.named(_CDK.match):
        found = _CDK.match(call.name)
        if found is not None:
            yield Resource(_kind_of(found[1], found[2]), module.path, call.line)


def _cdk_of_typescript(facts: Facts) -> Iterator[Resource]:
    for path in facts.project.named(".ts"):
        text = facts.project.text(path)
        for found in _NEW.finditer(text) if "aws-cdk" in text else ():
            yield Resource(_kind_of(found[1].lower(), found[2]), path, line_at(text, found.start(1)))


def _kind_of(service: str, name: str) -> str:
    return f"AWS::{_SERVICES.get(service, service.title())}::{name}"
