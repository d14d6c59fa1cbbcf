"""Alarms: rules, whom they reach, and what is promised."""

from __future__ import annotations

import re

from windlass.assessment.automation.workflow import mapping, maps
from windlass.assessment.facts import Facts, Seen, conclude
from windlass.assessment.probes.probe import probe
from windlass.assessment.reach.routes import By
from windlass.assessment.reading.code import last_of
from windlass.assessment.records import Evidence, Finding
from windlass.assessment.words import parts_of

_SENDS = re.compile(r"slack|webhook|pagerduty|opsgenie|teams|telegram|discord|smtp|email|sns|alert", re.IGNORECASE)


_SUBJECTS = frozenset({"drift", "degradation", "accuracy", "performance", "psi", "model", "quality", "retrain"})


@probe("alerting-on-model")
def alerting(facts: Facts) -> Finding:
    """A rule on drift or quality, and someone who gets its alarm."""
    rules, receivers, down = _alert_rules(facts), _receivers(facts), []
    model_rules = [
        each
        for each in rules
        if parts_of(each.why)
        & {
            "drift",
            "accuracy",
            "model",
            "prediction",
            "predictions",
            "quality",
            "psi",
            "performance",
            "degradation",
            "error",
        }
    ]
    seen = [Seen((rule, receivers[0]), by=By.REQUEST) for rule in model_rules if receivers]
    down += [
        Evidence(path=rule.path, line=rule.line, why="a rule whose alarm nobody gets")
        for rule in model_rules
        if not receivers
    ]
    for place in facts.named(lambda name: name.endswith(".post") or _SENDS.search(last_of(name))):
        module, function, call = place
        if call.last == "post" and not (_SENDS.search(function.words) and _SENDS.search(function.name)):
            continue
        under = [word for check in function.branches if check.line in call.guards for word in check.words]
        if not parts_of(" ".join((*under, function.name, module.path.rpartition("/")[2]))) & _SUBJECTS:
            continue
        targets = facts.project.modules.called(call.name, module, function)
        sighting = facts.sight(place)
        if targets and all(facts.project.modules.function(key).stub for key in targets):
            down.append(Evidence(path=module.path, line=call.line, why=f"{call.last} sends nothing"))
        elif sighting.route is None:
            down.append(Evidence(path=module.path, line=call.line, why="nothing calls the function that sends"))
        else:
            here = Evidence(path=module.path, line=call.line, why=f"{call.last}: an alarm about the model")
            seen.append(Seen((here, *sighting.route.evidence), by=sighting.by))
    return conclude("alerting-on-model", seen, turned_down=down, wired_from=By.REQUEST)


def _alert_rules(facts: Facts) -> list[Evidence]:
    found = []
    for path in facts.project.yaml_paths:
        for document in facts.project.yaml(path):
            groups = [
                *maps(mapping(document).get("groups")),
                *maps(mapping(mapping(document).get("spec")).get("groups")),
            ]
            for group in groups:
                for rule in maps(group.get("rules")):
                    if "alert" in rule:
                        found.append(
                            Evidence(
                                path=path, line=rule.line, why=f"alert {rule['alert']}: {str(rule.get('expr'))[:80]}"
                            )
                        )
    return found


def _receivers(facts: Facts) -> list[Evidence]:
    found = []
    for path in facts.project.yaml_paths:
        for document in facts.project.yaml(path):
            for receiver in maps(mapping(document).get("receivers")):
                if any(key.endswith("_configs") for key in receiver):
                    found.append(Evidence(path=path, line=receiver.line, why=f"receiver {receiver.get('name')}"))
            if "contactPoints" in mapping(document):
                found.append(Evidence(path=path, line=1, why="contact points of Grafana"))
    return found


@probe("incident-automation")
def incident_automation(facts: Facts) -> Finding:
    """Alarms reach a pager or a ticket by themselves."""
    rules, receivers = _alert_rules(facts), _receivers(facts)
    paged = [
        each
        for each in receivers
        if re.search(
            r"pager|opsgenie|ticket|jira|servicenow|on-?call|incident", facts.project.text(each.path), re.IGNORECASE
        )
    ]
    seen = [Seen((rules[0], paged[0]), by=By.REQUEST)] if rules and paged else []
    down = [
        Evidence(path=rule.path, line=rule.line, why="a rule whose alarm nobody gets")
        for rule in rules[:3]
        if not receivers
    ]
    return conclude("incident-automation", seen, turned_down=down)


@probe("slo-defined")
def slo_defined(facts: Facts) -> Finding:
    """Objectives with a query that measures them."""
    seen = []
    for path in facts.project.yaml_paths:
        for document in facts.project.yaml(path):
            top = mapping(document)
            if (
                "slos" in top
                or top.get("kind") in ("SLO", "PrometheusServiceLevel", "ServiceLevelObjective")
                or ("objectives" in top and "sli" in str(top)[:3000].lower())
            ):
                seen.append(Seen((Evidence(path=path, line=1, why="objectives with their indicators"),), by=By.PERSON))
    declared = [
        Evidence(path=path, line=1, why="a text on objectives, which measures nothing")
        for path in facts.project.readmes
        if re.search(r"\bslos?\b", path.rpartition("/")[2].lower())
    ]
    return conclude("slo-defined", seen, declared=declared)


@probe("aiops-observability")
def aiops(facts: Facts) -> Finding:
    """Alarms whose thresholds are learned."""
    rules = [
        each
        for each in _alert_rules(facts)
        if re.search(r"predict_linear|holt_winters|stddev_over_time|anomaly|double_exponential", each.why)
    ]
    seen = [Seen((rule,), by=By.REQUEST) for rule in rules]
    text = [(path, facts.project.text(path)) for path in facts.project.named(".tf")]
    seen += [
        Seen((Evidence(path=path, line=1, why="an anomaly detector of the cloud"),), by=By.PERSON)
        for path, each in text
        if re.search(r"anomaly_detect|ANOMALY_DETECTION_BAND", each)
    ]
    return conclude("aiops-observability", seen)
