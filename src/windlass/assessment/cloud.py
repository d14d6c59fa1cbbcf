"""What a project declares in the cloud: resources of CloudFormation and Terraform by their kinds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from windlass.assessment.automation.workflow import mapping, text_of
from windlass.assessment.facts import Facts, Seen, once
from windlass.assessment.reach.routes import By
from windlass.assessment.records import Evidence

_TERRAFORM = re.compile(r'^\s*resource\s+"(\w+)"', re.MULTILINE)


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
    return (*_cloud_formation(facts), *_terraform(facts))


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
    for path in facts.project.named(".tf", ".tofu"):
        text = facts.project.text(path)
        for found in _TERRAFORM.finditer(text):
            yield Resource(found[1], path, text.count("\n", 0, found.start(1)) + 1)
