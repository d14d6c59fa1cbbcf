"""Conditions of platforms, engines and state machines that a model is held to."""

from __future__ import annotations

import re
from collections.abc import Iterator

from windlass.assessment.facts import Facts, Place, Seen
from windlass.assessment.probes.engines import engine_of
from windlass.assessment.probes.judging import RIVALS, Gate, comparisons, judges
from windlass.assessment.probes.releasing import begins, releases, where_releases_begin
from windlass.assessment.reach.routes import By
from windlass.assessment.reading.code import Check, Function, last_of
from windlass.assessment.records import Evidence
from windlass.assessment.words import is_metric, parts_of

_PLATFORM = re.compile(
    r"(mlflow\.validate_evaluation_results|mlflow\.models\.MetricThreshold|"
    r"mlflow\..*MetricThreshold|sagemaker\..*ConditionStep|kfp\.dsl\.(Condition|If)|"
    r"tfx\..*Evaluator"
    r"|kfp\..*dsl\.(Condition|If))$"
)


def gates_of_platforms(facts: Facts) -> Iterator[Gate]:
    """Conditions and thresholds that a platform holds a model to."""
    evaluated = any(call.last == "evaluate" for _, _, call in facts.given(_GIVEN))
    for place in facts.named(_PLATFORM.search):
        if evaluated and place[2].last == "MetricThreshold":
            continue  # what is given to an evaluation counts with that
        if not _asks_data(facts, place):
            yield Gate(facts.sight(place).seen(), rival="baseline" in str(place[2].kwargs).lower())


def choices_of_step_functions(facts: Facts) -> Iterator[Gate]:
    """A number that a state machine compares, where one of its ways fails: `ChoiceRule.NumericLessThan(...)`."""
    for module, function, call in facts.named(_CHOICE.search):
        fails = any(each.name.startswith("stepfunctions.") and each.last == "Fail" for each in function.calls)
        if fails and any(map(is_metric, function.words.split("\n"))):
            yield Gate(facts.sight((module, function, call)).seen("the pipeline fails otherwise"), rival=False)


_CHOICE = re.compile(r"^stepfunctions\.[\w.]*ChoiceRule\.Numeric\w+$")
_BRANCHES = frozenset({"BranchPythonOperator", "ShortCircuitOperator"})
_OF_RELEASES = frozenset({"deploy", "deployment", "promote", "promotion", "register", "registration", "release"})


def branching_steps(facts: Facts) -> Iterator[Gate]:
    """Steps of Airflow that compare metrics and choose by them whether the step that releases follows."""
    chosen: dict[tuple[str, str], None] = {}
    for module, _, call in facts.named(lambda name: last_of(name) in _BRANCHES):
        chosen |= dict.fromkeys(facts.project.modules.handed_over(call, module))
    for module, function in facts.functions:
        if any(each.last in ("branch", "short_circuit") and "airflow" in each.name for each in function.decorators):
            chosen[module.path, function.name] = None
    releasing = where_releases_begin(facts) if chosen else set()
    for key in chosen:
        function = facts.project.modules.function(key)
        judged = [(key[0], each) for each in comparisons(function) if judges(each, function)]
        judged = judged or list(_judged_by_step_before(facts, key, function))
        told = {part for word in (function.name, *function.words.split("\n")) for part in parts_of(word)}
        for route in facts.graph.routes(key) if judged else ():
            if begins(route) in releasing or told & _OF_RELEASES:
                parts = {part for _, each in judged for word in each.words for part in parts_of(word)}
                path, check = judged[0]
                here = Evidence(path=path, line=check.line, why=f"{function.name} chooses whether to release")
                yield Gate(Seen((here, *route.evidence), by=route.by), rival=bool(parts & RIVALS))


def _judged_by_step_before(facts: Facts, key: tuple[str, str], function: Function) -> Iterator[tuple[str, Check]]:
    """What the step compares whose answer another takes: `ti.xcom_pull(task_ids="compare")`, be it code or command."""
    pulls = [call for call in function.calls if call.last == "xcom_pull"]
    taken = {call.kwarg("task_ids") or next(iter(call.args), None) for call in pulls} - {None}
    module = facts.project.modules.by_path[key[0]]
    for step in module.functions.values() if taken else ():
        for call in step.calls:
            if call.kwarg("task_id") not in taken:
                continue
            keys = (*facts.project.modules.handed_over(call, module), *facts.started(module, step, call))
            for inner in dict.fromkeys(each for one in keys for each in facts.below(one, most=60)):
                compares = facts.project.modules.function(inner)
                yield from ((inner[0], each) for each in comparisons(compares) if judges(each, compares))


_MODE = re.compile(r"^\s*run_mode:\s*[\"']?(\w+)", re.MULTILINE)


def thresholds_of_mlflow(facts: Facts) -> Iterator[Gate]:
    """An evaluation of MLflow that raises below its thresholds, unless its job is told to let such a model pass."""
    for module, function, call in facts.given(_GIVEN):
        if call.last != "evaluate" or not call.name.startswith("mlflow.") or call.kwarg(_GIVEN) == "None":
            continue
        asks = "dry_run" in facts.project.text(module.path)
        modes = {mode for path in facts.project.yaml_paths for mode in _MODE.findall(facts.project.text(path))}
        if not asks or "enabled" in modes or not modes:
            sighting = facts.sight((module, function, call))
            seen = sighting.seen("the evaluation fails below its thresholds")
            yield Gate(seen, rival=call.has("baseline_model"))


_GIVEN = "validation_thresholds"


def deciding_steps(facts: Facts) -> Iterator[Gate]:
    """Steps of an engine that answer whether to deploy, where another step deploys what they allow."""
    deploys = any(True for _ in facts.named(lambda name: name.endswith("model_deployer_step"))) or releases(facts)
    for module, function in facts.functions if deploys else ():
        parts = parts_of(function.name)
        if not (
            parts & {"trigger", "decision", "decide", "gate", "evaluate", "check"}
            and parts & {"deploy", "deployment", "promote"}
        ):
            continue
        judged = [each for each in function.assigned if each.orders and any(map(is_metric, each.words))]
        if judged and any(engine_of(decorator.name) for decorator in function.decorators):
            here = Evidence(path=module.path, line=judged[0].line, why=f"{function.name} decides whether to deploy")
            route = facts.route(module, function)
            way = route.evidence if route is not None else ()
            yield Gate(Seen((here, *way), by=route.by if route is not None else By.PERSON), rival=False)


_NAMES = re.compile(r"[A-Za-z_]\w*")


def _asks_data(facts: Facts, place: Place) -> bool:
    """Whether a condition of a pipeline asks what a check of data found, and for no metric."""
    module, _, call = place
    if call.last not in ("Condition", "If"):
        return False
    lines = facts.project.text(module.path).splitlines()
    said = "\n".join(lines[call.line - 1 : call.line + 4]).partition(":\n")[0]
    names = set(_NAMES.findall(said.partition("(")[2]))
    made = (re.match(r"\s*(\w+)\s*=\s*([\w.]+)\(", line) for line in lines)
    names |= {found[2] for found in made if found is not None and found[1] in names}
    parts = {part for name in names for part in parts_of(name)}
    return bool(parts & {"data", "dataset", "schema", "drift"}) and not any(map(is_metric, names))
