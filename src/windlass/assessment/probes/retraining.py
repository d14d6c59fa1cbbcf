"""Retraining that a threshold starts: signs of drift or decay, and the ways from them to training."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from windlass.assessment.automation.workflow import Job, Step
from windlass.assessment.facts import Facts, Place, Seen, conclude, once, seen_run, seen_use
from windlass.assessment.modules import Key
from windlass.assessment.probes.probe import probe
from windlass.assessment.reach.dags import STARTS_A_DAG, dags_started
from windlass.assessment.reach.routes import By, Route
from windlass.assessment.reading.code import Call, Check, Function, Module, last_of
from windlass.assessment.records import Evidence, Finding
from windlass.assessment.training import REMOTE, is_launch
from windlass.assessment.words import is_metric, parts_of

_SIGNS = frozenset(
    {
        "drift", "drifted", "degraded", "degradation", "retrain", "retraining", "psi", "decay", "breach", "breached",
        "alarm", "alert", "deteriorated", "stale", "staleness", "dropped", "drop", "declined", "decline", "below",
    }
)  # fmt: skip


Says = Callable[[tuple[str, ...]], bool]


def _signs(words: tuple[str, ...]) -> bool:
    return any(parts_of(word) & _SIGNS for word in words)


_EARLIER = frozenset({"latest", "last", "previous", "prev", "old", "earlier", "deployed", "former"})


def _scores(words: tuple[str, ...]) -> bool:
    """Whether a score is held against an earlier one: `if score < latest_score`."""
    metrics = [parts_of(word) for word in words if is_metric(word)]
    return len(metrics) > 1 and any(each & _EARLIER for each in metrics)


def _under_sign(function: Function, call: Call, says: Says = _signs) -> Evidence | None:
    """The condition on drift or decay that a call stands under, or one above it that would have stopped."""
    for check in reversed(function.branches):
        refuses = any(
            check.line < line <= check.line + 2 for line in function.raises
        )  # what it was given, not to train
        above = check.line in call.guards or (check.stops and not refuses and check.line <= call.line)
        if above and (says(check.words) or (says is _signs and _hints(function, check))):
            return Evidence(path="", line=check.line, why="")
    return None


_HINTS = frozenset({"trigger", "triggered", "should", "needed", "needs", "required"})
_OF_RETRAINING = frozenset({"retrain", "retraining"})


def _hints(function: Function, check: Check) -> bool:
    """Whether a function that is about training again asks for a flag that something else has raised."""
    asked = any(parts_of(word) & _HINTS for word in (*check.words, *check.flags))
    return asked and bool(parts_of(function.name) & _OF_RETRAINING)


def threshold_ways(facts: Facts) -> Iterator[tuple[Seen, bool]]:
    """Each place where a sign of decay leads to training; and whether it is only a stub."""
    yield from _in_code(facts, _signs)
    yield from _in_code(facts, _scores)
    yield from _through_queues(facts)
    yield from _through_dispatch(facts)
    yield from _by_steps(facts)
    yield from _in_ci(facts)
    yield from _dispatched_in_ci(facts)
    yield from _asked_for(facts)
    yield from _through_alarms(facts)


def _through_alarms(facts: Facts) -> Iterator[tuple[Seen, bool]]:
    """An alarm of the platform starts the pipeline that trains."""
    for sighting in facts.training:
        for route in facts.graph.routes(sighting.key):
            if "alarm" in route.start.kinds:
                yield Seen((*route.evidence, sighting.here("trains")), by=route.by, route=route), False


def retrained_on_scores(facts: Facts) -> list[Seen]:
    """Schedules that measure the model in use again, and train where its score is not what it was."""
    ways = [seen for seen, _ in _in_code(facts, _scores) if seen.by is By.ITSELF]
    return [seen for seen in ways if seen.route is not None and seen.route.start.is_scheduled]


def _in_code(facts: Facts, says: Says) -> Iterator[tuple[Seen, bool]]:
    for module, function in facts.functions:
        if module.is_notebook or not any(
            says(check.words) or (says is _signs and _hints(function, check)) for check in function.branches
        ):
            continue
        for call in function.calls:
            under = _under_sign(function, call, says)
            if under is None:
                continue
            keys = (*facts.project.modules.called(call.name, module, function), *facts.started(module, function, call))
            here = Evidence(path=module.path, line=under.line, why=f"a sign of drift or decay leads to {call.last}")
            if any(facts.trains(key) for key in keys) or (
                says is _signs  # a search compares scores too, and fits right there
                and (module.path, function.name) in facts.training_keys
                and _is_own(facts, module, function, call)
            ):
                ways: list[Route | None] = [*facts.graph.routes((module.path, function.name))]
                for route in ways or [None]:
                    yield _seen(here, module, call, route), False
            elif keys and parts_of(call.last) & {"retrain", "retraining"} and all(_is_stub(facts, key) for key in keys):
                yield (
                    Seen(
                        (
                            Evidence(
                                path=keys[0][0],
                                line=facts.project.modules.function(keys[0]).line,
                                why=f"{keys[0][1]} trains nothing",
                            ),
                        )
                    ),
                    True,
                )


def _is_own(facts: Facts, module: Module, function: Function, call: Call) -> bool:
    return any(each.call is call for each in facts.training if each.key == (module.path, function.name))


def _seen(here: Evidence, module: Module, call: Call, route: Route | None) -> Seen:
    way = route.evidence if route is not None else ()
    line = Evidence(path=module.path, line=call.line, why=f"{call.last} trains")
    return Seen(
        (here, line, *way),
        by=route.by if route is not None else By.NOBODY,
        swallowed=route.swallowed if route is not None else "",
        route=route,
    )


def _is_stub(facts: Facts, key: Key) -> bool:
    return not facts.trains(key)


_SENDS = frozenset(
    {
        "lpush", "rpush", "xadd", "publish", "send", "send_task", "delay", "apply_async", "send_message", "produce",
        "put", "enqueue", "basic_publish",
    }
)  # fmt: skip
_SENDING = frozenset({"push", "send", "publish", "enqueue", "emit", "dispatch"})
_TAKING = frozenset({"pop", "consume", "receive", "listen", "subscribe", "dequeue", "blocking"})
_TAKES = frozenset(
    {
        "brpop", "blpop", "rpop", "lpop", "xread", "xreadgroup", "subscribe", "consume", "get_message",
        "receive_messages", "poll", "get", "basic_consume", "listen", "KafkaConsumer",
    }
)  # fmt: skip


def _through_queues(facts: Facts) -> Iterator[tuple[Seen, bool]]:
    """A monitor puts a request into a queue from which a worker takes it and trains."""
    sent: dict[str, list[Place]] = {}
    for module, function, call in facts.named(lambda name: _is_one(name, _SENDS, _SENDING)):
        queue = call.args[0] if call.args else None
        if queue:
            said = parts_of(f"{queue} {function.name}")
            if said & {"retrain", "retraining", "drift"} or _under_sign(function, call) is not None:
                sent.setdefault(queue, []).append((module, function, call))
    for place in facts.named(lambda name: _is_one(name, _TAKES, _TAKING)) if sent else ():
        module, _, call = place
        senders = sent.get(call.args[0] or "", []) if call.args else []
        if senders and any(facts.trains((module.path, name)) for name in module.functions):
            yield from ((_queued(facts, sender, place), False) for sender in senders)


def _is_one(name: str, lasts: frozenset[str], words: frozenset[str]) -> bool:
    last = last_of(name)
    return last in lasts or bool(parts_of(last) & words)


def _queued(facts: Facts, sender: Place, taker: Place) -> Seen:
    sent, taken = facts.route(*sender[:2]), facts.route(*taker[:2])
    by = min(sent.by if sent else By.NOBODY, taken.by if taken else By.NOBODY)
    places = (
        Evidence(path=sender[0].path, line=sender[2].line, why=f"a sign of drift is put into {sender[2].args[0]}"),
        Evidence(path=taker[0].path, line=taker[2].line, why=f"{taker[1].name} takes it from there and trains"),
        *(sent.evidence if sent else ()),
        *(taken.evidence if taken else ()),
    )
    return Seen(places, by=by, route=taken)


def _through_dispatch(facts: Facts) -> Iterator[tuple[Seen, bool]]:
    """A monitor calls the API of a CI system or an orchestrator, whose workflow trains."""
    flows = [
        route.start.workflow
        for each in facts.training
        for route in facts.graph.routes(each.key)
        if route.start.workflow is not None
    ]
    starters = ("trigger_dag", "run_deployment", "TriggerDagRunOperator", "trigger_dag_run")
    for sighting in facts.calls("post", *starters):
        module, function, call = sighting.module, sighting.function, sighting.call
        texts = " ".join(value for value in call.args if value)
        if call.last == "post" and not (flows and ("/dispatches" in texts or "dagRuns" in texts)):
            continue
        if not (_under_sign(function, call) or parts_of(function.name) & _SIGNS or _decided(facts, module, function)):
            continue
        if call.last in STARTS_A_DAG and not dags_started(facts.project, call, module):
            continue  # it names none of the project's
        here = Evidence(path=module.path, line=call.line, why="a sign of drift starts the training workflow")
        yield _seen(here, module, call, sighting.route), False


def _asked_for(facts: Facts) -> Iterator[tuple[Seen, bool]]:
    """A monitor asks a service of the project to train, where it has found a sign of drift or decay."""
    handlers = [
        decorator.args[0] or ""
        for module, function in facts.functions
        for decorator in function.decorators
        if decorator.last in ("post", "get", "put", "route") and decorator.args
        if facts.trains((module.path, function.name))
    ]
    routes = {part for path in handlers for part in parts_of(path)} & (_OF_RETRAINING | {"train", "training"})
    for sighting in facts.calls("post", "request", "put") if routes else ():
        module, function, call = sighting.module, sighting.function, sighting.call
        said = {part.removesuffix("er") for value in call.values for part in parts_of(value)}
        if said & routes and (_under_sign(function, call) or _called_under_sign(facts, sighting.key)):
            here = Evidence(path=module.path, line=call.line, why="a sign of drift asks a service to train")
            yield _seen(here, module, call, sighting.route), False


def _called_under_sign(facts: Facts, key: Key) -> bool:
    """Whether a function is called where a sign of drift or decay was found."""
    modules = facts.project.modules
    for caller in facts.callers(key):
        module, function = modules.by_path[caller[0]], modules.function(caller)
        for call in function.calls:
            if key in modules.called(call.name, module, function) and _under_sign(function, call):
                return True
    return False


def _decided(facts: Facts, module: Module, function: Function) -> bool:
    """Whether a step before, which may skip all that follows or choose it, answers by a sign of drift or decay."""
    modules = facts.project.modules
    deciding = [
        modules.function(key)
        for call in function.calls
        if call.last in ("ShortCircuitOperator", "BranchPythonOperator")
        for key in modules.handed_over(call, module)
    ]
    named = (call.kwarg("task_id") or "" for call in function.calls if call.last == "ShortCircuitOperator")
    if any(parts_of(name) & _SIGNS for name in named):
        return True
    chosen = ("airflow" in module.packages) and any(
        decorator.last in _DECIDE and _signs((each.name, *each.parameters))
        for each in module.functions.values()
        for decorator in each.decorators
    )
    return chosen or any(
        _signs((each.name, *check.words))
        for each in deciding
        for check in (*each.branches, *(_chosen(each) if not each.branches else ()))
    )


def _chosen(function: Function) -> Iterator[Check]:
    """`return "retrain" if is_drift else "wait"`: what such a line asks stands among the words of the function."""
    yield Check(line=function.line, words=tuple(function.words.split("\n")))


_DECIDE = frozenset({"short_circuit", "short_circuit_task", "branch"})
"""Decorators of Airflow for a step that chooses what follows."""


def _by_steps(facts: Facts) -> Iterator[tuple[Seen, bool]]:
    """Steps of a DAG that train, in one where a step before decides by a sign of drift."""
    for sighting in facts.calls("BashOperator", "PythonOperator", "KubernetesPodOperator", *REMOTE):
        module, function, call = sighting.module, sighting.function, sighting.call
        keys = (*facts.project.modules.handed_over(call, module), *facts.started(module, function, call))
        if (is_launch(call) or any(map(facts.trains, keys))) and _decided(facts, module, function):
            here = Evidence(path=module.path, line=call.line, why="a sign of drift decides on this step")
            yield _seen(here, module, call, sighting.route), False
    yield from _by_functions(facts)


def _by_functions(facts: Facts) -> Iterator[tuple[Seen, bool]]:
    """Tasks written as functions that train, where a task before names them as what follows a sign of drift."""
    branching = {
        (module.path, function.name): module
        for module, function in facts.functions
        if "airflow" in module.packages
        and any(decorator.last in _DECIDE for decorator in function.decorators)
        and any(map(_signs, [(function.name,), *(check.words for check in (*function.branches, *_chosen(function)))]))
    }
    for (path, name), module in branching.items():
        named = set(module.functions[name].words.split("\n"))
        for each, function in module.functions.items():
            if each.rpartition(".")[2] in named and each != name and facts.trains((path, each)):
                here = Evidence(path=path, line=function.line, why=f"a sign of drift decides on the task {each}")
                for route in facts.graph.routes((path, each)):
                    yield Seen((here, *route.evidence), by=route.by, route=route), False


_OUTPUT = re.compile(r"outputs\.([\w-]+)")
_OUTCOME = re.compile(r"steps\.([\w-]+)\.(?:outcome|conclusion)\b")
"""How a step ended, which may go on all the same: `if: steps.drift.outcome == 'failure'`."""
_ASKS = re.compile(r"^\s*(?:-\s+)?(?:run:\s*)?(?:if|elif)\b")
_SHELLS = (".yml", ".yaml", ".sh", "makefile", "justfile")
_ABOVE = 4
"""Lines from the condition of a shell to what it has done."""


def _asked_in_shell(facts: Facts, route: Route) -> Evidence | None:
    """The condition on drift or decay that a command stands under: `if grep -q drift report.txt; then`, or `... ||`."""
    for each in route.evidence:
        if not each.path.lower().endswith(_SHELLS):
            continue
        lines = facts.project.text(each.path).splitlines()[max(0, each.line - 1 - _ABOVE) : each.line]
        asked = [line for line in lines if _ASKS.match(line)]
        asked += [line.partition("||")[0] for line in lines[-1:] if "||" in line]
        near = " ".join(lines) if any("$?" in line for line in asked) else ""
        if any(parts_of(f"{line} {near}") & (_SIGNS | {"monitor", "monitoring"}) for line in asked):
            return Evidence(path=each.path, line=each.line, why="a sign of drift decides on this command")
    return None


def _tells_to_train(condition: str) -> bool:
    """Whether a condition asks for what an earlier step or job found out: drift, decay, or that training is needed."""
    found = [parts_of(name) for name in _OUTPUT.findall(condition)]
    if any(each & _SIGNS or (each & _HINTS and each & {"train", "training"}) for each in found):
        return True
    if any(parts_of(name) & _SIGNS for name in _OUTCOME.findall(condition)):
        return True
    return bool(found) and any(each <= _HINTS for each in found) and bool(parts_of(condition) & _SIGNS)


_DISPATCHES = ("benc-uk/workflow-dispatch", "peter-evans/repository-dispatch", "convictional/trigger-workflow-and-wait")
_IN_A_SCRIPT = ("createWorkflowDispatch", "createDispatchEvent")


def _follows_alarm(job: Job | None, step: Step, condition: str) -> bool:
    """Whether a step runs because one before it failed, which looks for drift: `if: failure()`."""
    before = [each for each in job.steps if each.line < step.line] if job is not None else []
    said = (each.name + " ".join(command.text for command in each.commands) for each in before)
    return "failure()" in condition and any(parts_of(each) & _SIGNS for each in said)


def _dispatched_in_ci(facts: Facts) -> Iterator[tuple[Seen, bool]]:
    """A step of a schedule that starts the workflow that trains, on the condition of what an earlier one found."""
    flows = {
        route.start.workflow.path: route.start.workflow
        for each in facts.training
        for route in facts.graph.routes(each.key)
        if route.start.workflow is not None
    }
    steps = [(use.step, seen_use(use)) for use in facts.uses(*_DISPATCHES)]
    steps += [
        (use.step, seen_use(use))
        for use in facts.uses("actions/github-script")
        if any(each in use.step.given.get("script", "") for each in _IN_A_SCRIPT)
    ]
    steps += [
        (run.route.start.step, seen_run(run))
        for run in facts.runs(lambda argv: argv[:3] == ("gh", "workflow", "run") or "/dispatches" in " ".join(argv))
        if run.route.start.step is not None
    ]
    for step, seen in steps if flows else ():
        job = seen.route.start.job if seen.route is not None else None
        condition = f"{job.condition if job is not None else ''} {step.condition}"
        if step is None or seen.by is not By.ITSELF:
            continue
        if _tells_to_train(condition) or _follows_alarm(job, step, condition):
            said = " ".join((*step.given.values(), seen.evidence[0].why))
            named = any(flow.name in said or path.rpartition("/")[2] in said for path, flow in flows.items())
            if named or parts_of(said) & _OF_RETRAINING:
                yield seen, False


def _in_ci(facts: Facts) -> Iterator[tuple[Seen, bool]]:
    """A step or a job of a schedule that trains on the condition of what an earlier one found."""
    for sighting in facts.training:
        for route in facts.graph.routes(sighting.key):
            start = route.start
            if (
                start.workflow is None
                or start.job is None
                or not {"schedule", "event", "workflow_run"} & set(start.kinds)
            ):
                continue
            condition = f"{start.job.condition} {start.step.condition if start.step is not None else ''}"
            shell = _asked_in_shell(facts, route)
            if shell is not None:
                yield Seen((shell, *route.evidence), by=route.by, route=route), False
            if _tells_to_train(condition):
                here = Evidence(
                    path=start.evidence.path, line=start.evidence.line, why=f"trains if {condition.strip()[:100]}"
                )
                yield Seen((here, *route.evidence), by=route.by, swallowed=route.swallowed, route=route), False


@once
def thresholds(facts: Facts) -> tuple[list[Seen], list[Evidence]]:
    """Ways from a threshold to training that somebody starts, and what only looks like one."""
    found, down = [], []
    for seen, stub in threshold_ways(facts):
        if stub:
            down.append(seen.evidence[0])
        elif seen.by is By.NOBODY:
            down.append(
                Evidence(
                    path=seen.evidence[0].path,
                    line=seen.evidence[0].line,
                    why="nothing calls the function that this stands in",
                )
            )
        else:
            found.append(seen)
    for module, function in facts.functions:
        parts = parts_of(function.name.rpartition(".")[2])
        if "retraining" in parts or "retrain" in parts:
            if function.stub:
                down.append(
                    Evidence(path=module.path, line=function.line, why=f"{function.name} is a stub that trains nothing")
                )
            elif facts.trains((module.path, function.name)) and facts.route(module, function) is None:
                down.append(Evidence(path=module.path, line=function.line, why=f"nothing calls {function.name}"))
    return found, down


@probe("ct-trigger-threshold")
def ct_threshold(facts: Facts) -> Finding:
    """A threshold of drift or performance starts training by itself."""
    found, down = thresholds(facts)
    automatic = [each for each in found if each.by is By.ITSELF]
    down = down + [
        Evidence(path=each.evidence[0].path, line=each.evidence[0].line, why="only when a person runs it")
        for each in found
        if each.by < By.ITSELF
    ]
    return conclude("ct-trigger-threshold", automatic or found, turned_down=down, wired_from=By.ITSELF)
