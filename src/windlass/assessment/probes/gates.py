"""Gates: what must be shown before a model is registered or released, and whether it can be passed by."""

from __future__ import annotations

import re

from windlass.assessment.facts import Facts, Seen, conclude, once
from windlass.assessment.probes.gates_by_failing import gates_in_functions
from windlass.assessment.probes.gates_in_ci import gates_in_ci
from windlass.assessment.probes.gates_of_engines import (
    branching_steps,
    choices_of_step_functions,
    deciding_steps,
    gates_of_platforms,
    thresholds_of_mlflow,
)
from windlass.assessment.probes.gates_on_files import (
    gates_on_a_floor,
    gates_on_replacing,
    gates_on_saving,
    gates_on_uploading,
)
from windlass.assessment.probes.gates_on_releases import gates_in_code
from windlass.assessment.probes.judging import Gate
from windlass.assessment.probes.probe import probe
from windlass.assessment.reach.routes import By
from windlass.assessment.reading.code import last_of
from windlass.assessment.records import Evidence, Finding
from windlass.assessment.words import parts_of


@once
def all_gates(facts: Facts) -> tuple[list[Gate], list[Evidence]]:
    """Every gate that is reached by somebody, and what was turned down."""
    gates, down = gates_in_code(facts)
    failing, unheeded = gates_in_functions(facts)
    down += unheeded
    found = [*gates, *failing, *gates_of_platforms(facts), *gates_in_ci(facts), *deciding_steps(facts)]
    found += choices_of_step_functions(facts)
    found += [*gates_on_saving(facts), *gates_on_replacing(facts), *gates_on_a_floor(facts)]
    found += [*gates_on_uploading(facts), *branching_steps(facts)]
    found += thresholds_of_mlflow(facts)
    unreached = [gate.seen.evidence[0] for gate in found if gate.seen.by is By.NOBODY]
    down += [Evidence(path=each.path, line=each.line, why="a gate that nothing calls") for each in unreached]
    return [gate for gate in found if gate.seen.by > By.NOBODY], down


@probe("model-validation-gate")
def model_gate(facts: Facts) -> Finding:
    """A threshold or a comparison decides whether a model is registered, promoted or deployed."""
    gates, down = all_gates(facts)
    return conclude("model-validation-gate", [gate.seen for gate in gates], turned_down=down)


@probe("champion-challenger")
def champion_challenger(facts: Facts) -> Finding:
    """A candidate is compared with the model in production."""
    gates, _ = all_gates(facts)
    return conclude("champion-challenger", [gate.seen for gate in gates if gate.rival])


@probe("model-evaluation-automated")
def evaluation_automated(facts: Facts) -> Finding:
    """Metrics are computed on the way that trains."""
    scored = re.compile(
        r"(sklearn\.metrics\.\w+|mlflow\.evaluate|mlflow\.models\.evaluate|torchmetrics\..*|^evaluate\.[\w.]+)$"
    )
    trained_files = {route.start.evidence for each in facts.training for route in facts.graph.routes(each.key)}
    asked = ("evaluate", "score", "cross_val_score")
    seen = []
    for module, function, call in facts.named(
        lambda name: scored.search(name) or (last_of(name) in asked and not name.startswith(":"))
    ):
        if module.is_notebook:
            continue
        for route in facts.graph.routes((module.path, function.name)):
            if route.start.evidence in trained_files or parts_of(f"{module.path} {function.name}") & {
                "evaluate",
                "eval",
                "evaluation",
            }:
                here = Evidence(path=module.path, line=call.line, why=f"{call.last}: measures the model")
                seen.append(Seen((here, *route.evidence), by=route.by))
    down = [
        each.here("measured in a notebook")
        for each in facts.calls("accuracy_score", "roc_auc_score", "f1_score", "mean_squared_error")
        if each.module.is_notebook
    ]
    return conclude("model-evaluation-automated", seen, turned_down=down if not seen else ())
