"""The assessment as SARIF 2.1.0, which code hosts show beside the lines: look-alikes, and what blocks a level."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from windlass.assessment.catalogue import load_catalogue
from windlass.assessment.records import Assessment, Evidence, Finding
from windlass.assessment.report.places import is_elsewhere, is_file, path_in_repository

_OF_ADDRESSES = "/:#?&=@%"
"""What stays as it is in the address of a live system."""


def to_sarif(found: Assessment, *, version: str) -> dict[str, Any]:
    """One run with a rule for each practice; `version` is that of the tool."""
    catalogue = load_catalogue()
    results: list[dict[str, Any]] = []
    for part in found.projects or (found,):
        blocking = {name for score in part.models.values() for name in score.blockers}
        seen = (each for finding in part.practices for each in finding.evidence + finding.turned_down)
        somewhere = next(filter(is_file, seen), None)
        for finding in part.practices:
            results += _results(part, finding, blocks=finding.id in blocking, somewhere=somewhere)
    used = {result["ruleId"] for result in results}
    rules = [
        {
            "id": practice.id,
            "shortDescription": {"text": practice.title},
            "help": {"text": "; ".join(practice.remediation)},
        }
        for practice in catalogue.practices.values()
        if practice.id in used
    ]
    driver = {"name": "windlass assess", "version": version, "semanticVersion": version, "rules": rules}
    return {
        "version": "2.1.0",
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "runs": [
            {"tool": {"driver": driver}, "results": results, "properties": {"rules": found.rules, "mode": found.mode}}
        ],
    }


def _results(part: Assessment, finding: Finding, *, blocks: bool, somewhere: Evidence | None) -> list[dict[str, Any]]:
    """`somewhere`: a file of the project, for what has none of its own, since hosts show no result without a place."""
    results = [_result(part, finding.id, "note", f"Turned down: {each.why}", each) for each in finding.turned_down]
    if blocks:
        place = next((each for each in finding.evidence if is_file(each) or is_elsewhere(each)), somewhere)
        results.append(_result(part, finding.id, "warning", f"{finding.state}: the next level needs it wired", place))
    return results


def _result(part: Assessment, rule: str, level: str, text: str, place: Evidence | None) -> dict[str, Any]:
    result = {"ruleId": rule, "level": level, "message": {"text": text}}
    if place is None:
        return result
    path = path_in_repository(part, place)
    uri = quote(path, safe=_OF_ADDRESSES if is_elsewhere(place) else "/")
    location = {
        "artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": max(1, place.line)},
    }
    return result | {"locations": [{"physicalLocation": location}]}
