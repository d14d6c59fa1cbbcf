"""Jobs of CI that deploy a model, or pack it, after jobs that judge it."""

from __future__ import annotations

from collections.abc import Iterator

from windlass.assessment.automation.workflow import Job, Workflow
from windlass.assessment.facts import Facts, Seen, seen_run
from windlass.assessment.probes.deployments import deploy_jobs
from windlass.assessment.probes.judging import Gate
from windlass.assessment.probes.releasing import packing_jobs, trained_before
from windlass.assessment.probes.written_in_ci import judged_before, judged_within
from windlass.assessment.words import is_metric, parts_of


def gates_in_ci(facts: Facts) -> Iterator[Gate]:
    """A job that deploys a model, or packs what the same file trained, and needs a job that tries the model."""
    for flow, job, seen in (*deploy_jobs(facts), *packing_jobs(facts)):
        for name in needed(flow, job):
            judge = _model_test(facts, flow, name)
            if judge is not None and not judge.swallowed:
                yield Gate(Seen((judge.evidence[0], *seen.evidence), by=min(seen.by, judge.by)), rival=False)
        step = seen.route.start.step if seen.route is not None else None
        compared = judged_before(facts, flow, job, step, needed(flow, job))
        followed = (judged_within(facts, each) for each in trained_before(facts, flow))
        compared = compared or next((each for each in followed if each is not None), None)
        if compared is not None:
            yield Gate(Seen((compared, *seen.evidence), by=seen.by), rival=False)


def needed(flow: Workflow, job: Job) -> set[str]:
    """The names of all jobs that one waits for."""
    by_name = {each.name: each for each in flow.jobs}
    waiting, found = list(job.needs), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in found and name in by_name:
            found.add(name)
            waiting += by_name[name].needs
    return found


def _model_test(facts: Facts, flow: Workflow, job: str) -> Seen | None:
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
            facts.project.modules.function(key) and fails_by_metric(facts, key) for key in run.functions
        ):
            return seen_run(run)
    return None


def fails_by_metric(facts: Facts, key: tuple[str, str]) -> bool:
    """Whether a function, or one below it, fails if a metric is too low."""
    for inner in facts.below(key, most=60):
        function = facts.project.modules.function(inner)
        if any(check.orders and any(map(is_metric, check.words)) for check in function.branches) and (
            function.raises or any(call.last == "exit" for call in function.calls)
        ):
            return True
    return False
