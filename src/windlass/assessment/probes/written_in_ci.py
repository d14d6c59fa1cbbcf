"""Comparisons of metrics that a file of CI holds itself, in shell or in a program within it, and what hangs on them."""

from __future__ import annotations

import re

from windlass.assessment.automation.workflow import Job, Step, Workflow
from windlass.assessment.facts import Facts
from windlass.assessment.records import Evidence
from windlass.assessment.words import is_metric

_COMPARED = re.compile(r"\s-(lt|gt|le|ge)\s|\|\s*bc\b|[<>]=\s|\bif\b[^>|]*\w\s*[<>]\s*\w")
_NAMES = re.compile(r"[A-Za-z_]\w*")
_ENDS = re.compile(r"\bexit\(?\s*1\b|\braise\b|\bexit\((0 if\b.*\belse 1|1 if\b.*\belse 0|not\b|int\(not\b)")
_OUTPUT = re.compile(r"\boutputs\.(\w+)")
_NEAR = 40
"""Lines from a comparison to the output that it decides on."""
_SOON = 12
"""Lines from a comparison to the failure that it leads to."""


def judged_before(facts: Facts, flow: Workflow, job: Job, step: Step | None, needed: set[str]) -> Evidence | None:
    """What a job waits for: an output that a comparison decides on, or a job before it that fails by one."""
    lines = facts.project.text(flow.path).splitlines()
    compared = [number for number, line in enumerate(lines, start=1) if _compares(line)]
    if not compared:
        return None
    asked = _OUTPUT.findall(f"{job.condition} {step.condition if step is not None else ''}")
    for name in asked:
        written = [number for number, line in enumerate(lines, start=1) if re.search(rf"\b{name}=", line)]
        for number in compared:
            if any(0 <= each - number <= _NEAR for each in written):
                return Evidence(path=flow.path, line=number, why=f"{job.name} runs if this comparison says so")
    for number in compared:
        within = max((each for each in flow.jobs if each.line <= number), key=lambda each: each.line, default=None)
        ends = any(map(_ENDS.search, lines[number - 1 : number + _SOON]))
        earlier = within is job and step is not None and number < step.line
        if within is not None and (within.name in needed or earlier) and not within.swallowed and ends:
            return Evidence(path=flow.path, line=number, why=f"{within.name} fails by this comparison")
    return None


def judged_within(facts: Facts, flow: Workflow) -> Evidence | None:
    """A comparison of metrics by which a job of a workflow fails, and with it what follows the workflow."""
    lines = facts.project.text(flow.path).splitlines()
    for number, line in enumerate(lines, start=1):
        if _compares(line) and any(map(_ENDS.search, lines[number - 1 : number + _SOON])):
            within = max((each for each in flow.jobs if each.line <= number), key=lambda each: each.line, default=None)
            if within is not None and not within.swallowed:
                return Evidence(path=flow.path, line=number, why=f"{within.name} fails by this comparison")
    return None


_RIVALS = frozenset({"new", "old", "base", "baseline", "champion", "challenger", "candidate", "prod", "production"})


def _compares(line: str) -> bool:
    said = line.partition("#")[0]
    names = _NAMES.findall(said) if _COMPARED.search(said) else []
    return any(map(is_metric, names)) or len(_RIVALS.intersection(names)) > 1
