"""Releases that nobody starts: after training a model that was judged takes its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from msgspec.structs import replace as replace_evidence

from windlass.assessment.automatic import automatic_routes
from windlass.assessment.automation.workflow import Job, Workflow
from windlass.assessment.facts import Facts, Seen, Sighting, conclude, once
from windlass.assessment.probes.deployments import deploy_jobs
from windlass.assessment.probes.gates import all_gates
from windlass.assessment.probes.gates_in_ci import needed
from windlass.assessment.probes.gates_on_files import gates_on_uploading
from windlass.assessment.probes.probe import probe
from windlass.assessment.probes.releasing import only_proposes, releases, trained_before
from windlass.assessment.probes.serving import batch_modules, serve_from_registry
from windlass.assessment.probes.verbs import asks_service
from windlass.assessment.reach.routes import By, Route
from windlass.assessment.reading.code import Call, Check
from windlass.assessment.records import Evidence, Finding
from windlass.assessment.words import PRODUCTION, STAGING, parts_of

_PROMOTING = frozenset(
    {
        "set_registered_model_alias",
        "transition_model_version_stage",
        "deploy_model",
        "update_endpoint",
        "create_endpoint",
        "link_model",
    }
)


@once
def automatic_releases(facts: Facts) -> list[Seen]:
    """Calls that put a new model in the place of the one that answers, on a way that nobody has to start."""
    return list(_find_releases(facts))


def _began(route: Route) -> Evidence:
    """Where a way begins: one job of CI is one way, whichever of its steps it is."""
    job = route.start.job
    return replace_evidence(route.start.evidence, line=job.line, why="") if job is not None else route.start.evidence


def _only_stages(route: Route) -> bool:
    """Whether a step of CI says that it brings something to where it is tried out, and nowhere else."""
    step = route.start.step
    told = parts_of(f"{step.name} {' '.join(each.text for each in step.commands)}") if step is not None else frozenset()
    return bool(told & {"staging", "stg", "preprod"}) and not told & PRODUCTION


def _find_releases(facts: Facts) -> Iterator[Seen]:
    trained = {(_began(route), route.by) for _, route in automatic_routes(facts)}
    following = {flow.path for flow in facts.project.workflows if any(trained_before(facts, flow))}
    for sighting in releases(facts):
        if not _promotes(sighting.call) or only_proposes(facts, sighting):
            continue
        here = sighting.here(f"{sighting.call.last}: the new model takes its place")
        for route in facts.graph.routes(sighting.key):
            flow = route.start.workflow
            after = (_began(route), route.by) in trained or (flow is not None and flow.path in following)
            taken = route.by is By.ITSELF and after and not route.swallowed and not _only_stages(route)
            if taken and _is_handed(facts, sighting, route):
                yield Seen((here, *route.evidence), by=route.by, route=route)


def _is_handed(facts: Facts, sighting: Sighting, route: Route) -> bool:
    """Whether a way hands over what a call waits for: not to `if stage:` where nobody on it names a stage."""
    function, modules = sighting.function, facts.project.modules
    waits = [check.flags[0] for check in function.branches if check.line in sighting.call.guards and _is_flag(check)]
    for name in (each for each in waits if each in function.parameters):
        place = function.parameters.index(name)
        gives, gives_not = set[Evidence](), set[Evidence]()
        for path, caller in facts.callers(sighting.key):
            module = modules.by_path[path]
            outer = module.functions[caller]
            for call in outer.calls:
                if sighting.key in modules.called(call.name, module, outer):
                    given = call.has(name) or call.has("**") or len(call.args) > place
                    (gives if given else gives_not).add(Evidence(path=path, line=outer.line, why=""))
        on_it = {replace_evidence(each, why="") for each in route.evidence}
        if on_it & gives_not and not on_it & gives:
            return False
    return True


def _is_flag(check: Check) -> bool:
    """Whether a condition asks one name alone, whether it is there: `if stage:`."""
    return len(check.flags) == 1 and check.words == (check.flags[0].lower(),) and not check.orders


def changes_endpoint(call: Call) -> bool:
    """Whether a call gives an endpoint the model with which it answers."""
    return call.last in ("update_endpoint", "create_endpoint", "deploy_model") or "serving_endpoints." in call.name


def _promotes(call: Call) -> bool:
    parts = parts_of(call.last)
    stage = " ".join(call.values).lower()
    return (
        call.last in _PROMOTING
        or changes_endpoint(call)
        or bool(parts & {"promote", "deploy", "champion", "production", "alias", "swap", "activate"})
        or "champion" in stage
        or "production" in stage
    )


def _serving_follows(facts: Facts) -> bool:
    """Whether what serves takes the released model: from the registry, or because it is told to load again."""
    told = any(True for _ in _reloads(facts)) or any(changes_endpoint(each.call) for each in releases(facts))
    return told or serve_from_registry(facts).state.rank >= 2


def _reloads(facts: Facts) -> Iterator[Sighting]:
    for sighting in facts.calls("post", "get", "request", "put"):
        texts = " ".join(value for value in sighting.call.args if value) + sighting.function.name
        if "reload" in texts:
            yield sighting


@probe("model-release-automated")
def release_automated(facts: Facts) -> Finding:
    """After training a validated model takes its place without a person."""
    seen = automatic_releases(facts)
    gated = bool(all_gates(facts)[0])
    follows = _serving_follows(facts)
    down = []
    if seen and not gated:
        down.append(
            Evidence(path=seen[0].evidence[0].path, line=seen[0].evidence[0].line, why="released without any gate")
        )
    if seen and not follows:
        down.append(
            Evidence(
                path=seen[0].evidence[0].path,
                line=seen[0].evidence[0].line,
                why="nothing that serves takes up what is released",
            )
        )
    seen = [
        *(seen if gated and follows else ()),
        *_put_in_place(facts),
        *_deploys_after_training(facts),
        *_answers_after_gate(facts),
    ]
    return conclude("model-release-automated", seen, turned_down=down, wired_from=By.ITSELF)


def _put_in_place(facts: Facts) -> Iterator[Seen]:
    """A schedule that trains, and brings what is better to where the service loads it from, which is told to do so."""
    if not any(True for _ in _reloads(facts)):
        return
    trained = {route.start.evidence for _, route in automatic_routes(facts)}
    for gate in gates_on_uploading(facts):
        if gate.rival and gate.seen.by is By.ITSELF and trained & set(gate.seen.evidence):
            yield gate.seen


def _said_of(flow: Workflow, job: Job) -> frozenset[str]:
    """The words for where a job deploys."""
    return frozenset(parts_of(f"{job.environment} {job.name} {flow.path.rpartition('/')[2]}"))


def _deploys_after_training(facts: Facts) -> Iterator[Seen]:
    """One CI workflow that trains, judges, and deploys what it trained."""
    gated = bool(all_gates(facts)[0])
    training = {
        route.start.workflow.path
        for each in facts.training
        for route in facts.graph.routes(each.key)
        if route.start.workflow is not None and route.by is By.ITSELF
    }
    jobs = deploy_jobs(facts)
    by_hand = any(_said_of(flow, job) & PRODUCTION and seen.by < By.ITSELF for flow, job, seen in jobs)
    for flow, job, seen in jobs:
        if by_hand and _said_of(flow, job) & STAGING:
            continue  # tried out before a person brings it to where it counts
        if (seen.route is not None and _only_stages(seen.route)) or not (gated or _is_tried_before(facts, flow, job)):
            continue
        follows = any(trigger.kind == "workflow_run" for trigger in flow.triggers) and training
        if (flow.path in training or follows) and seen.by is By.ITSELF and not seen.swallowed:
            yield replace(seen)


def _is_tried_before(facts: Facts, flow: Workflow, job: Job) -> bool:
    """Whether a job waits for one that tests what an earlier one has deployed to be tried out."""
    before = needed(flow, job)
    staged = {each.name for other, each, _ in deploy_jobs(facts) if other is flow and each.name in before}
    for run in facts.graph.runs if staged else ():
        start = run.route.start
        tries = start.job if start.workflow is flow and (run.tests or asks_service(run.command.argv)) else None
        heeded = tries is not None and tries.name in before - staged and not run.route.swallowed
        if tries is not None and heeded and needed(flow, tries) & staged:
            return True
    return False


def _answers_after_gate(facts: Facts) -> Iterator[Seen]:
    """One schedule that trains, fails below a floor, and answers for a batch of rows."""
    trained = {route.start.evidence for _, route in automatic_routes(facts) if route.start.is_scheduled}
    gated = {place for gate in all_gates(facts)[0] for place in gate.seen.evidence}
    for sighting in batch_modules(facts).values() if trained & gated else ():
        for route in facts.graph.routes(sighting.key):
            if route.start.evidence in trained & gated and not route.swallowed:
                here = sighting.here(f"{sighting.function.name} answers on the schedule that trains and judges")
                yield Seen((here, *route.evidence), by=route.by, route=route)


@probe("train-serve-linked")
def train_serve_linked(facts: Facts) -> Finding:
    """An event binds training to serving: one flow, a registry alias, or a call to load again."""
    seen = [each for each in automatic_releases(facts) if _serving_follows(facts)]
    seen += [each.seen("serving is told to load the new model") for each in _reloads(facts) if each.by is By.ITSELF]
    seen += list(_deploys_after_training(facts))
    return conclude("train-serve-linked", seen, wired_from=By.ITSELF)
