"""Gates: what must be shown before a model is registered or released, and whether it can be passed by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from windlass.assessment.automation.workflow import Job, Workflow
from windlass.assessment.facts import Facts, Place, Seen, Sighting, conclude, once, seen_use
from windlass.assessment.probes.deployments import deploy_jobs, in_ci
from windlass.assessment.probes.engines import engine_of
from windlass.assessment.probes.probe import probe
from windlass.assessment.probes.registry import registrations
from windlass.assessment.probes.verbs import publishes
from windlass.assessment.probes.written_in_ci import judged_before, judged_within
from windlass.assessment.reach.routes import By, Route
from windlass.assessment.reading.code import Call, Check, Function, Module, last_of
from windlass.assessment.records import Evidence, Finding
from windlass.assessment.words import is_metric, parts_of

_DECISIONS = frozenset(
    {
        "promote", "promoted", "promotion", "passed", "passes", "approved", "accept", "accepted", "better",
        "improved", "gate", "blessed", "deploy", "decision", "verdict", "eligible", "deployable", "beats", "wins",
        "qualified", "release",
    }
)  # fmt: skip
_RIVALS = frozenset(
    {
        "champion", "challenger", "candidate", "production", "prod", "baseline", "current", "incumbent", "contender",
        "previous", "old", "existing", "reference", "deployed", "champ", "chall",
    }
)  # fmt: skip
_ANSWERING = frozenset({"champion", "champ", "production", "incumbent", "deployed"})
"""Rivals that only a release is judged against."""
_CHALLENGING = frozenset({"challenger", "chall", "candidate", "contender"})
"""What is by its name held against one of those: `challenger_cost < champion_cost`."""
_FLOORS = frozenset(
    {
        "threshold", "min", "minimum", "floor", "gate", "epsilon", "margin", "max", "tolerance", "required",
        "target", "limit", "acceptance", "thres", "thresh", "cutoff",
    }
)  # fmt: skip
_ALLOWED = frozenset({"accepted", "accept", "approved", "promote", "promoted", "passed", "eligible", "blessed"})
_SEARCHING = re.compile(
    r"best_?(score|acc|accuracy|auc|f1|rmse|mae|mse|loss|metric|r2|val|model|params|so_far|cv)|"
    r"patience|epoch|lowest|highest"
)
_INTERVAL = frozenset({"lower", "ci", "uplift", "improvement", "delta", "diff"})
"""How much better one model is than another, or the end of an interval of it."""
_JUDGING = frozenset(
    {
        "decide", "promote", "promotion", "gate", "validate", "validation", "compare", "comparison", "should",
        "better", "accept", "evaluate", "judge", "qualify", "check", "verdict", "select",
    }
)  # fmt: skip
_OF_ROWS = frozenset(
    {
        "request", "requests", "batch", "input", "inputs", "data", "dataset", "feature", "features", "schema",
        "payload", "rows", "frame", "df", "columns", "transaction", "transactions", "config",
    }
)  # fmt: skip
"""In the name of a function: what it validates is no model."""
_PLATFORM = re.compile(
    r"(mlflow\.validate_evaluation_results|mlflow\.models\.MetricThreshold|"
    r"mlflow\..*MetricThreshold|sagemaker\..*ConditionStep|kfp\.dsl\.(Condition|If)|"
    r"tfx\..*Evaluator"
    r"|kfp\..*dsl\.(Condition|If))$"
)


@dataclass(frozen=True)
class Gate:
    """A judgement that a release depends on."""

    seen: Seen
    rival: bool
    """Whether the other side is the model in production."""


@lru_cache(maxsize=1 << 14)
def _is_release_by_name(name: str) -> bool:
    parts = parts_of(name)
    if parts & {"promote", "register", "deploy", "pusher", "push", "upload"} and parts & {
        "model",
        "champion",
        "version",
        "candidate",
        "challenger",
        "best",
        "promote",
        "production",
    }:
        return not _is_question(name)
    if parts & {"package", "pack"} and parts & {"deployment", "production", "release"}:
        return not _is_question(name)
    if parts & {"champion", "production", "alias"} and parts & {
        "write",
        "set",
        "update",
        "save",
        "move",
        "make",
        "activate",
        "swap",
        "replace",
    }:
        return True
    return name in ("deploy_model", "create_endpoint", "update_endpoint", "begin_create_or_update")


def _is_question(name: str) -> bool:
    return bool(parts_of(name) & {"should", "can", "is", "decide", "check", "evaluate", "ask", "get", "has", "would"})


_MOVES = frozenset({"transition_model_version_stage", "set_registered_model_alias"})


def _judges(check: Check, function: Function) -> bool:
    """A comparison by size of a metric with a floor or with another model's."""
    if not check.orders:
        return False
    words = check.words
    if _of_two_models(words):
        return True
    parts = {part for word in words for part in parts_of(word)}
    name = parts_of(function.name.rpartition(".")[2])
    measured = (
        any(is_metric(word) and not parts_of(word) & _FLOORS for word in words)
        or (
            name & _JUDGING
            and not name & _OF_ROWS
            and any(is_metric(word) for word in (*function.parameters, *function.words.split("\n")))
        )
        or (parts & _ANSWERING and parts & _CHALLENGING)
        or (name & {"promote", "promotion"} and parts & _INTERVAL)
    )
    other = (
        parts & (_RIVALS | _FLOORS)
        or check.numbers
        or (name & _JUDGING and parts & {"diff", "delta", "improvement", "gap"})
        or name & _DECISIONS
    )
    searching = any(_SEARCHING.search(word) for word in words) and not (
        parts & (_RIVALS | _ALLOWED) or name & _DECISIONS
    )
    return bool(measured and other) and not searching


_NEWER = frozenset({"new", "old", "prev", "previous", "current", "candidate"})


def _of_two_models(words: tuple[str, ...]) -> bool:
    """Whether a metric stands beside the same one of another model: `best_f1_new > best_f1`."""
    parts = [parts_of(word) for word in words if is_metric(word)]
    return any(one < other and other - one <= _NEWER for one in parts for other in parts)


def _comparisons(function: Function, call: Call | None = None) -> Iterator[Check]:
    """Everything that is compared; of a call, what chose a value that it is given: `stage = "Production" if ...`."""
    yield from function.branches if call is None else ()
    for assigned in function.assigned:
        chosen = call is None or (assigned.line <= call.line and assigned.name in call.values)
        if assigned.orders and chosen:
            yield Check(
                line=assigned.line,
                words=(*assigned.words, assigned.name.lower()),
                orders=True,
                numbers=(1.0,),
                stops=False,
            )


_OTHERWISE = re.compile(r"\s*(else|elif|except)\b")


def _overwritten(facts: Facts, module: Module, function: Function, call: Call, flags: tuple[str, ...]) -> int:
    """Line where the flag that guards a call is set to a constant after it was judged, or 0.

    What stands in another branch is its value where nothing was judged: `if champion: ... else: deploy = True`.
    """
    for flag in flags:
        before = [each for each in function.assigned if each.name == flag and each.line < call.line]
        if (
            len(before) >= 2
            and before[-1].constant
            and not before[-2].constant
            and before[-1].line - before[-2].line <= 12
        ):
            between = facts.project.text(module.path).splitlines()[before[-2].line : before[-1].line]
            if not any(map(_OTHERWISE.match, between)):
                return before[-1].line
    return 0


def _is_given_by_hand(facts: Facts, sighting: Sighting, guard: Check) -> bool:
    """Whether all who call a function hand a constant over for the verdict that it asks: `promote(approved=True)`."""
    asked = [flag for flag in guard.flags if flag in sighting.function.parameters]
    callers = facts.callers(sighting.key) if len(asked) == 1 and len(guard.flags) == 1 else ()
    modules, given = facts.project.modules, []
    for caller in callers:
        module, function = modules.by_path[caller[0]], modules.function(caller)
        for call in function.calls:
            if sighting.key in modules.called(call.name, module, function):
                value = call.kwarg(asked[0]) or next(
                    iter(call.args[sighting.function.parameters.index(asked[0]) :]), ""
                )
                written = [each for each in function.assigned if each.name == value]
                given.append(value == "True" or (bool(written) and all(each.constant for each in written)))
    return bool(given) and all(given)


def _guard_of(function: Function, call: Call, asked: frozenset[str]) -> Check | None:
    """The condition that a call stands under, or one above it that would have stopped.

    It compares by itself, or names a decision, or asks one of the functions that compare: `if validate(metrics)`.
    """
    above = [check for check in function.branches if check.line <= call.line]
    under = [check for check in above if check.line in call.guards]
    stopping = [check for check in above if check.stops and check not in under]
    stopping += [check for check in function.asserts if check.line < call.line and _judges(check, function)]
    for check in reversed(under + stopping):
        parts = {part for word in check.words for part in parts_of(word)}
        judged = _judges(check, function) or _asks(check, function, asked) or _gathered(check, function)
        if judged or (parts & _DECISIONS and not _OF_PEOPLE.intersection(check.words)):
            return check
    chosen = next((check for check in _comparisons(function, call) if _judges(check, function)), None)
    # `if source == "new"`, after a function was asked which of them is better
    picked = (check for check in under if _NEWCOMERS.intersection(check.words) and _asks_above(check, function, asked))
    return chosen or _answered(function, call, asked) or next(picked, None)


_OF_PEOPLE = frozenset({"args", "arguments", "opts", "argv", "command", "subcommand", "cmd"})
"""In a condition: what somebody wrote on the command line, which is no verdict."""


def _gathered(check: Check, function: Function) -> bool:
    """Whether a condition asks a list into which comparisons above it put what falls short: `if failures: raise`."""
    put = [
        call for call in function.calls if call.last == "append" and call.on in check.flags and call.line < check.line
    ]
    above = [each for each in function.branches if each.line < check.line] if put else ()
    return any(each.line in call.guards and _judges(each, function) for each in above for call in put)


_NEWCOMERS = frozenset({"new", "candidate", "challenger"})


def _answered(function: Function, call: Call, asked: frozenset[str]) -> Check | None:
    """What one of these functions answered, where it says to which alias or stage a call moves a model."""
    answers = {each.line: each.last for each in function.calls if each.last in asked and each.line < call.line}
    for assigned in function.assigned if call.last in _MOVES else ():
        if assigned.line in answers and assigned.name in call.values:
            return Check(line=assigned.line, words=(assigned.name.lower(), answers[assigned.line].lower()))
    return None


def _asks(check: Check, function: Function, asked: frozenset[str]) -> bool:
    """Whether a condition asks such a function, or tests a name that holds what one answered."""
    if asked.intersection(check.words):
        return True
    answers = {call.line for call in function.calls if call.last in asked}
    return any(each.name in check.flags and each.line in answers for each in function.assigned)


@once
def _judging_functions(facts: Facts) -> frozenset[str]:
    """Names of functions that compare metrics and answer what came of it."""
    return frozenset(
        name
        for module, function in facts.functions
        if not module.is_notebook and len(parts_of(name := function.name.rpartition(".")[2])) > 1
        if parts_of(name) & (_JUDGING | _DECISIONS | {"choose", "pick"})
        and any(_judges(each, function) for each in _comparisons(function))
    )


_SERVING = re.compile(r"serving_endpoints\.(create|update_config)\w*$")


@once
def releases(facts: Facts) -> tuple[Sighting, ...]:
    """Every call outside of tests that registers, promotes or deploys a model."""
    by_name = facts.named(lambda name: _is_release_by_name(last_of(name)) or _SERVING.search(name))
    found = {id(place[2]): facts.sight(place) for place in by_name}
    found |= {id(each.call): each for each in registrations(facts)}
    found |= {id(place[2]): facts.sight(place) for place in _moved_below(facts) if id(place[2]) not in found}
    return tuple(found.values())


def _moved_below(facts: Facts) -> Iterator[Place]:
    """Calls of what moves the stage or the alias of a model, or has another function of the project move it."""
    moving = {each.key for each in registrations(facts) if each.call.last in _MOVES and each.function.name}
    moving |= {key for each in tuple(moving) for key in facts.callers(each) if key[0] == each[0] and key[1]}
    for path, name in dict.fromkeys(caller for key in sorted(moving) for caller in facts.callers(key)):
        module = facts.project.modules.by_path[path]
        function = module.functions[name]
        for call in function.calls:
            if not moving.isdisjoint(facts.project.modules.called(call.name, module, function)):
                yield module, function, call


def gates_in_code(facts: Facts) -> tuple[list[Gate], list[Evidence]]:
    """Releases that depend on a comparison of metrics, and those that only seem to."""
    gates: list[Gate] = []
    down: list[Evidence] = []
    judged = list(_judgements(facts))
    asked = _judging_functions(facts)
    for sighting in releases(facts):
        module, function, call = sighting.module, sighting.function, sighting.call
        if module.is_notebook:
            continue
        guard = _guard_of(function, call, asked)
        if guard is None:
            down += _late(module, function, call)
            continue
        # What is compared by size is no verdict: without a model in production its score is 0.
        dead = 0 if guard.orders else _overwritten(facts, module, function, call, guard.flags)
        if dead:
            why = "the verdict is overwritten right before it is used"
            down.append(Evidence(path=module.path, line=dead, why=why))
            continue
        if not guard.orders and _is_given_by_hand(facts, sighting, guard):
            why = "the verdict is written down by hand"
            down.append(Evidence(path=module.path, line=guard.line, why=why))
            continue
        here = Evidence(path=module.path, line=guard.line, why=f"{call.last} depends on this condition")
        own = _judges(guard, function) or _gathered(guard, function)
        basis = None if own else _basis(judged, module)
        if own or basis is not None:
            places = (here, *((basis[0],) if basis is not None else ()), *sighting.seen().evidence)
            parts = {part for word in guard.words for part in parts_of(word)} | (
                basis[1] if basis is not None else set()
            )
            gates.append(Gate(Seen(places, by=sighting.by), bool(parts & _RIVALS)))
    return gates, down


_KEEPS = frozenset({"save", "persist", "export", "write"})


def gates_on_saving(facts: Facts) -> Iterator[Gate]:
    """A model that is kept only if a verdict allows it."""
    asked = _judging_functions(facts)
    for place in facts.named(lambda name: _is_kept(last_of(name))) if asked else ():
        module, function, call = place
        for check in function.branches if not module.is_notebook else ():
            parts = {part for word in check.words for part in parts_of(word)}
            if check.line in call.guards and parts & _ALLOWED and _asks_above(check, function, asked):
                here = Evidence(path=module.path, line=check.line, why=f"{call.last} depends on this condition")
                sighting = facts.sight(place)
                yield Gate(Seen((here, *sighting.seen().evidence), by=sighting.by), rival=bool(parts & _RIVALS))


_DUMPS = frozenset({"joblib.dump", "pickle.dump", "cloudpickle.dump", "torch.save", "shutil.copy", "shutil.copy2"})


def gates_on_replacing(facts: Facts) -> Iterator[Gate]:
    """A model that is written over the one in use only if it is better than that: by name, not the best of a search."""
    for place in facts.named(_DUMPS.__contains__):
        module, function, call = place
        for check in function.branches if not module.is_notebook else ():
            parts = {part for word in check.words for part in parts_of(word)}
            if check.line in call.guards and parts & _ANSWERING and _judges(check, function):
                here = Evidence(path=module.path, line=check.line, why=f"{call.last} depends on this condition")
                sighting = facts.sight(place)
                yield Gate(Seen((here, *sighting.seen().evidence), by=sighting.by), rival=True)


_UPLOADS = frozenset(
    {"upload_file", "upload_fileobj", "upload_blob", "upload_from_filename", "put_object", "fput_object"}
)


def gates_on_uploading(facts: Facts) -> Iterator[Gate]:
    """A model that comes to a shared store only if it is better than the one there, or good enough."""
    for place in facts.named(lambda name: last_of(name) in _UPLOADS):
        module, function, call = place
        said = (*call.values, call.on, function.name, *function.words.split("\n"))
        told = {part for word in said for part in parts_of(word)}
        for check in function.branches if told & {"model", "models"} and not module.is_notebook else ():
            parts = {part for word in check.words for part in parts_of(word)}
            rival = bool(parts & _RIVALS) or _of_two_models(check.words)
            bound = rival or set(check.numbers) - {0.0, 1.0}
            if check.line in call.guards and bound and _judges(check, function):
                here = Evidence(path=module.path, line=check.line, why=f"{call.last} depends on this condition")
                sighting = facts.sight(place)
                yield Gate(Seen((here, *sighting.seen().evidence), by=sighting.by), rival=rival)


def gates_on_a_floor(facts: Facts) -> Iterator[Gate]:
    """A model that is kept only above a floor that is written down: `if recall > 0.65: save_model(model)`."""
    for place in facts.named(lambda name: _is_kept(last_of(name)) or name in _DUMPS):
        module, function, call = place
        for check in function.branches if not module.is_notebook else ():
            floor = set(check.numbers) - {0.0, 1.0}
            measured = [word for word in check.words if is_metric(word) and not parts_of(word) & _OF_TRAINING]
            again = any(check.line in each.guards and each.last in ("fit", "train") for each in function.calls)
            if check.line not in call.guards or again:
                continue  # a model that is bad leads to a search for another, and both are kept
            if check.orders and floor and measured and _judges(check, function):
                here = Evidence(path=module.path, line=check.line, why=f"{call.last} depends on this condition")
                sighting = facts.sight(place)
                yield Gate(Seen((here, *sighting.seen().evidence), by=sighting.by), rival=False)


_OF_TRAINING = frozenset({"loss", "gain", "lift", "error", "train", "map"})


def _is_kept(name: str) -> bool:
    parts = parts_of(name)
    return bool(parts & _KEEPS and parts & {"model", "bundle", "champion"})


def _asks_above(check: Check, function: Function, asked: frozenset[str]) -> bool:
    """Whether a function that compares metrics was asked before a condition on a verdict."""
    return any(call.last in asked and call.line < check.line for call in function.calls)


def _judgements(facts: Facts) -> Iterator[tuple[Evidence, set[str], By, str]]:
    for module, function in facts.functions:
        if module.is_notebook:
            continue
        for check in _comparisons(function):
            if not check.orders:
                continue
            name = parts_of(function.name.rpartition(".")[2])
            parts = {part for word in check.words for part in parts_of(word)}
            if _judges(check, function) and (
                parts & (_RIVALS | _FLOORS | _DECISIONS) or name & (_JUDGING | _DECISIONS)
            ):
                route = facts.route(module, function)
                words = parts | {part for word in (*function.parameters, function.name) for part in parts_of(word)}
                here = Evidence(
                    path=module.path, line=check.line, why=f"{function.name or 'the script'} compares metrics"
                )
                yield here, words, route.by if route is not None else By.NOBODY, module.path


def _basis(judged: list[tuple[Evidence, set[str], By, str]], module: Module) -> tuple[Evidence, set[str]] | None:
    """The comparison that a decision rests on: one that is reached at least as well."""
    reached = [each for each in judged if each[2] > By.NOBODY]
    best = min(reached, key=lambda each: (not each[1] & _RIVALS, each[3] != module.path), default=None)
    return (best[0], best[1]) if best is not None else None


def _late(module: Module, function: Function, call: Call) -> Iterator[Evidence]:
    """A comparison that comes only after the release."""
    for check in function.branches:
        if check.line > call.line and _judges(check, function):
            yield Evidence(path=module.path, line=check.line, why=f"judged only after {call.last} in line {call.line}")
            return


def gates_of_platforms(facts: Facts) -> Iterator[Gate]:
    """Conditions and thresholds that a platform holds a model to."""
    evaluated = any(call.last == "evaluate" for _, _, call in facts.given(_GIVEN))
    for place in facts.named(_PLATFORM.search):
        if evaluated and place[2].last == "MetricThreshold":
            continue  # what is given to an evaluation counts with that
        if not _asks_data(facts, place):
            yield Gate(facts.sight(place).seen(), rival="baseline" in str(place[2].kwargs).lower())


def _choices_of_step_functions(facts: Facts) -> Iterator[Gate]:
    """A number that a state machine compares, where one of its ways fails: `ChoiceRule.NumericLessThan(...)`."""
    for module, function, call in facts.named(_CHOICE.search):
        fails = any(each.name.startswith("stepfunctions.") and each.last == "Fail" for each in function.calls)
        if fails and any(map(is_metric, function.words.split("\n"))):
            yield Gate(facts.sight((module, function, call)).seen("the pipeline fails otherwise"), rival=False)


_CHOICE = re.compile(r"^stepfunctions\.[\w.]*ChoiceRule\.Numeric\w+$")


def gates_in_functions(facts: Facts) -> tuple[list[Gate], list[Evidence]]:
    """Steps that fail when a metric is too low on a way that also releases, and those whose error nobody heeds."""
    gates: list[Gate] = []
    down: list[Evidence] = []
    releasing = _releasing(facts)
    asked = _judging_functions(facts)
    released: dict[tuple[str, str], int] = {}
    for each in releases(facts) if releasing else ():
        released[each.key] = max(released.get(each.key, 0), each.call.line)
    for module, function in facts.functions if releasing else ():
        for check in (*function.branches, *function.asserts) if not module.is_notebook else ():
            parts = {part for word in check.words for part in parts_of(word)}
            judged = (
                bool(parts & (_FLOORS | _RIVALS) or set(check.numbers) - {0.0, 1.0}) and _judges(check, function)
                if check.orders
                else _is_verdict(function, check) or _asks(check, function, asked) or _gathered(check, function)
            )
            if not (judged and (check in function.asserts or _fails_at(module, function, check))):
                continue
            key = (module.path, function.name)
            if 0 < released.get(key, 0) < check.line:
                continue  # judged only after it
            if not _leaves(function, check) and not facts.is_heeded(key, check.line):
                why = "its error is caught and only told, so that it stops nothing"
                down.append(Evidence(path=module.path, line=check.line, why=why))
                continue
            told = {part for word in function.words.split("\n") for part in parts_of(word)}
            for route in facts.graph.routes(key):
                if _begins(route) in releasing or (parts | told) & _ANSWERING:
                    here = Evidence(path=module.path, line=check.line, why="the run fails if the metric is too low")
                    gates.append(Gate(Seen((here, *route.evidence), by=route.by), rival=bool(parts & _RIVALS)))
    return gates, down


_BRANCHES = frozenset({"BranchPythonOperator", "ShortCircuitOperator"})
_OF_RELEASES = frozenset({"deploy", "deployment", "promote", "promotion", "register", "registration", "release"})


def _branching_steps(facts: Facts) -> Iterator[Gate]:
    """Steps of Airflow that compare metrics and choose by them whether the step that releases follows."""
    chosen: dict[tuple[str, str], None] = {}
    for module, _, call in facts.named(lambda name: last_of(name) in _BRANCHES):
        chosen |= dict.fromkeys(facts.project.modules.handed_over(call, module))
    for module, function in facts.functions:
        if any(each.last in ("branch", "short_circuit") and "airflow" in each.name for each in function.decorators):
            chosen[module.path, function.name] = None
    releasing = _releasing(facts) if chosen else set()
    for key in chosen:
        function = facts.project.modules.function(key)
        judged = [(key[0], each) for each in _comparisons(function) if _judges(each, function)]
        judged = judged or list(_judged_by_step_before(facts, key, function))
        told = {part for word in (function.name, *function.words.split("\n")) for part in parts_of(word)}
        for route in facts.graph.routes(key) if judged else ():
            if _begins(route) in releasing or told & _OF_RELEASES:
                parts = {part for _, each in judged for word in each.words for part in parts_of(word)}
                path, check = judged[0]
                here = Evidence(path=path, line=check.line, why=f"{function.name} chooses whether to release")
                yield Gate(Seen((here, *route.evidence), by=route.by), rival=bool(parts & _RIVALS))


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
                yield from ((inner[0], each) for each in _comparisons(compares) if _judges(each, compares))


_MODE = re.compile(r"^\s*run_mode:\s*[\"']?(\w+)", re.MULTILINE)


def _thresholds_of_mlflow(facts: Facts) -> Iterator[Gate]:
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
_VERDICTS = frozenset({"failed", "fail", "passed", "pass", "rejected", "approved", "status", "ok"}) | _DECISIONS


def _deciding_steps(facts: Facts) -> Iterator[Gate]:
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


def _is_verdict(function: Function, check: Check) -> bool:
    """Whether a condition asks for a verdict that a comparison of metrics gave: `status == "FAILED"`."""
    said = {word for word in check.words if parts_of(word) & _VERDICTS}
    # Also one that was made of it: `failed = [each for each in checks if not each.passed]`.
    made = [each.line for each in function.assigned if each.name.lower() in said and each.line < check.line]
    return any(
        assigned.orders
        and assigned.line < check.line
        and any(map(is_metric, assigned.words))
        and (
            said & set(assigned.words)
            or assigned.name.lower() in check.words
            or any(assigned.line < line for line in made)
        )
        for assigned in function.assigned
    )


def _fails_at(module: Module, function: Function, check: Check) -> bool:
    """Whether a condition leads to an error or to the end of the process: `sys.exit(main())` leaves with its answer."""
    if check.stops and any(_exits_with(each, function.name) for each in module.functions.values()):
        return True
    if check.stops and (_leaves(function, check) or any(0 < line - check.line <= 6 for line in function.raises)):
        return True
    if check.stops and any(check.line in call.guards and call.line in function.raises for call in function.calls):
        return True  # after what it does when all is well: `if score >= floor: save(model) else: raise TooLow()`
    return any(
        call.last == "cancel" and "run" in call.name.lower() and check.line in call.guards for call in function.calls
    )


def _leaves(function: Function, check: Check) -> bool:
    """Whether a condition ends the process, which none who catches errors holds up."""
    return any(0 < each.line - check.line <= 6 for each in function.calls if each.last in ("exit", "SystemExit"))


def _exits_with(function: Function, asked: str) -> bool:
    """`sys.exit(main())`, and `sys.exit(0 if passed else 1)` after `passed = check_gate()`, which its name says."""
    leaves = [call for call in function.calls if call.last in ("exit", "SystemExit")]
    judges = parts_of(asked.rpartition(".")[2]) & (_JUDGING | _DECISIONS)
    lines = [call.line for call in function.calls if call.name == f":{asked}"] if judges else []
    return any(
        call.args[:1] == (f":{asked}",) or (call.args[:1] == (None,) and any(line <= call.line for line in lines))
        for call in leaves
    )


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


def _releasing(facts: Facts) -> set[str]:
    """The files in which ways begin that register, promote or deploy."""
    starts = {flow.path for flow, _, _ in (*deploy_jobs(facts), *_packing_jobs(facts))}
    for key in {each.key for each in releases(facts)}:
        starts |= {_begins(route) for route in facts.graph.routes(key)}
    return starts


def _begins(route: Route) -> str:
    """Where a way begins: a workflow is one way, and a file of services as many as it has."""
    here = route.start.evidence
    return f"{here.path}:{here.line}" if "service" in route.start.kinds else here.path


def gates_in_ci(facts: Facts) -> Iterator[Gate]:
    """A job that deploys a model, or packs what the same file trained, and needs a job that tries the model."""
    for flow, job, seen in (*deploy_jobs(facts), *_packing_jobs(facts)):
        for name in _needed(flow, job):
            judge = _model_test(facts, flow, name)
            if judge is not None and not judge.swallowed:
                yield Gate(Seen((judge.evidence[0], *seen.evidence), by=min(seen.by, judge.by)), rival=False)
        step = seen.route.start.step if seen.route is not None else None
        compared = judged_before(facts, flow, job, step, _needed(flow, job))
        followed = (judged_within(facts, each) for each in _trained_before(facts, flow))
        compared = compared or next((each for each in followed if each is not None), None)
        if compared is not None:
            yield Gate(Seen((compared, *seen.evidence), by=seen.by), rival=False)


def _trained_before(facts: Facts, flow: Workflow) -> Iterator[Workflow]:
    """The workflows that train and that one follows."""
    names = {
        name for each in flow.triggers if each.kind == "workflow_run" for name in map(str.strip, each.detail.split(","))
    }
    training = _training_workflows(facts) if names else ()
    yield from (each for each in facts.project.workflows if each.name in names and each.path in training)


def _training_workflows(facts: Facts) -> set[str]:
    return {
        route.start.workflow.path
        for sighting in facts.training
        for route in facts.graph.routes(sighting.key)
        if route.start.workflow is not None
    }


def _packing_jobs(facts: Facts) -> Iterator[tuple[Workflow, Job, Seen]]:
    """Jobs that publish an image or a package, in workflows that train."""
    training = _training_workflows(facts)
    pushed = [use for use in facts.uses("docker/build-push-action") if use.step.given.get("push", "").lower() == "true"]
    for seen in (*in_ci(facts, publishes), *map(seen_use, pushed)) if training else ():
        start = seen.route.start if seen.route is not None else None
        if (
            start is not None
            and start.workflow is not None
            and start.job is not None
            and start.workflow.path in training
        ):
            yield start.workflow, start.job, seen


def _needed(flow: Workflow, job: Job) -> set[str]:
    by_name = {each.name: each for each in flow.jobs}
    waiting, found = list(job.needs), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in found and name in by_name:
            found.add(name)
            waiting += by_name[name].needs
    return found


def _model_test(facts: Facts, flow: Workflow, job: str) -> Seen | None:
    from windlass.assessment.facts import seen_run

    for run in facts.graph.runs:
        start = run.route.start
        if start.workflow is not flow or start.job is None or start.job.name != job:
            continue
        named = parts_of(" ".join(word for word in run.words if not word.startswith("-")))
        words = named | (parts_of(job) - {"quality"})  # which is that of the code, as a rule
        if run.tests and words & {
            "performance",
            "model",
            "models",
            "inference",
            "quality",
            "behavior",
            "behaviour",
            "behavioral",
        }:
            return seen_run(run)
        if words & {"validate", "gate", "evaluate"} and any(
            facts.project.modules.function(key) and _fails(facts, key) for key in run.functions
        ):
            return seen_run(run)
    return None


def _fails(facts: Facts, key: tuple[str, str]) -> bool:
    for inner in facts.below(key, most=60):
        function = facts.project.modules.function(inner)
        if any(check.orders and any(map(is_metric, check.words)) for check in function.branches) and (
            function.raises or any(call.last == "exit" for call in function.calls)
        ):
            return True
    return False


@once
def all_gates(facts: Facts) -> tuple[list[Gate], list[Evidence]]:
    """Every gate that is reached by somebody, and what was turned down."""
    gates, down = gates_in_code(facts)
    failing, unheeded = gates_in_functions(facts)
    down += unheeded
    found = [*gates, *failing, *gates_of_platforms(facts), *gates_in_ci(facts), *_deciding_steps(facts)]
    found += _choices_of_step_functions(facts)
    found += [*gates_on_saving(facts), *gates_on_replacing(facts), *gates_on_a_floor(facts)]
    found += [*gates_on_uploading(facts), *_branching_steps(facts)]
    found += _thresholds_of_mlflow(facts)
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
        r"(sklearn\.metrics\.\w+|mlflow\.evaluate|mlflow\.models\.evaluate|torchmetrics\..*|evaluate\.\w+)$"
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
