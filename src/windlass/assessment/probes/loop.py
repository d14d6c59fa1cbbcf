"""The loop as a whole: closed, rolled back, and tried out under traffic."""

from __future__ import annotations

import re

from windlass.assessment.facts import Facts, Seen, conclude, seen_run
from windlass.assessment.probes.automatic_releases import release_automated
from windlass.assessment.probes.gates import all_gates
from windlass.assessment.probes.probe import probe
from windlass.assessment.probes.retraining import ct_threshold
from windlass.assessment.reach.routes import By
from windlass.assessment.records import Evidence, Finding
from windlass.assessment.words import parts_of


@probe("closed-loop-retraining")
def closed_loop(facts: Facts) -> Finding:
    """Monitor, retrain, judge and release, all without a person."""
    parts = (ct_threshold(facts), release_automated(facts))
    gates = all_gates(facts)[0]
    if all(part.state.holds for part in parts) and gates:
        places = (parts[0].evidence[0], gates[0].seen.evidence[0], parts[1].evidence[0])
        return conclude("closed-loop-retraining", [Seen(places, by=By.ITSELF)])
    missing = [
        name
        for name, part in zip(("a threshold that starts training", "a release that nobody starts"), parts, strict=True)
        if not part.state.holds
    ]
    down = [
        Evidence(
            path=part.evidence[0].path,
            line=part.evidence[0].line,
            why=f"the loop is open: missing {' and '.join(missing)}",
        )
        for part in parts
        if part.state.holds and part.evidence
    ]
    return conclude("closed-loop-retraining", (), turned_down=down)


@probe("rollback-service-model")
def rollback(facts: Facts) -> Finding:
    """Code that puts the previous model or release back, and that something calls."""
    seen, down = [], []
    for module, function in facts.functions:
        parts = parts_of(function.name.rpartition(".")[2])
        if (
            not ({"rollback", "revert"} & parts or {"roll", "back"} <= parts or {"probation"} & parts)
            or function.stub
            or "transaction" in parts
        ):
            continue
        route = facts.route(module, function)
        here = Evidence(path=module.path, line=function.line, why=f"{function.name} puts the previous model back")
        if route is None:
            down.append(Evidence(path=module.path, line=function.line, why=f"nothing calls {function.name}"))
        elif facts.project.modules.by_path[module.path].functions[function.name].calls:
            seen.append(Seen((here, *route.evidence), by=route.by))
    for run in facts.runs(lambda argv: argv[:3] == ("kubectl", "rollout", "undo") or argv[:2] == ("helm", "rollback")):
        seen.append(seen_run(run))
    return conclude("rollback-service-model", seen, turned_down=down)


_ONLINE = re.compile(
    r"shadow|canary|traffic_split|ab_test|a_b_test|split_traffic|champion_challenger_traffic|mirror", re.IGNORECASE
)
_SPLITS = re.compile(r"'(weight|mirror\w*)':")
"""In the routes of a service mesh: a path that is only led somewhere splits nothing."""
_MOST_READ = 20_000


@probe("online-experiment")
def online_experiment(facts: Facts) -> Finding:
    """Traffic is split or mirrored between versions of the model."""
    seen, down = [], []
    for module, function in facts.functions:
        name = function.name.rpartition(".")[2]
        if _ONLINE.search(name) and not function.stub:
            route = facts.route(module, function)
            here = Evidence(path=module.path, line=function.line, why=f"{name} compares versions under traffic")
            if route is not None and route.by >= By.REQUEST:
                seen.append(Seen((here, *route.evidence), by=route.by))
            else:
                down.append(
                    Evidence(path=module.path, line=function.line, why=f"{name} is not on the way of any request")
                )
    for path in facts.project.yaml_paths:
        for document in facts.project.yaml(path):
            if isinstance(document, dict) and (
                document.get("kind") in ("Rollout", "Canary")
                or (document.get("kind") == "VirtualService" and _SPLITS.search(str(document)[:_MOST_READ]))
                or "mirror_traffic" in document
                or "canaryTrafficPercent" in str(document)[:4000]
            ):
                seen.append(
                    Seen((Evidence(path=path, line=1, why="traffic between versions is declared"),), by=By.PERSON)
                )
    for run in facts.runs(lambda argv: any("--traffic" in word or "--mirror-traffic" in word for word in argv)):
        if not any("=100" in word for word in run.command.argv):
            seen.append(seen_run(run))
    return conclude("online-experiment", seen, turned_down=down)
