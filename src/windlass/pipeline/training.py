"""One training run, from the world's data to a registered version."""

from __future__ import annotations

import time
from collections.abc import Sequence

from windlass.clock import clock_from
from windlass.lake.lake import Lake
from windlass.ledger.ledger import Ledger
from windlass.pipeline.bundling import bundle, registration
from windlass.pipeline.declaring import opened
from windlass.pipeline.fitting import learning
from windlass.pipeline.notes.noted import note_environment
from windlass.pipeline.opening import declaration_of, is_news, open_product
from windlass.pipeline.rows.dataset import check, pin
from windlass.pipeline.rows.ingest import extract
from windlass.pipeline.steps.context import Training
from windlass.pipeline.steps.progress import Emit, silent
from windlass.pipeline.steps.request import Outcome, TrainingRequest, TrainingResult
from windlass.pipeline.steps.resume import chain_of, trusted_by
from windlass.pipeline.steps.step import StepRunner, prune
from windlass.pipeline.steps.tables import read_record
from windlass.pipeline.verdicts import judging
from windlass.pipeline.verdicts.champion import split_of_champion
from windlass.pipeline.verdicts.evaluation import EVALUATION, Evaluation
from windlass.pipeline.verdicts.recourse import gone_back_to, recourse
from windlass.records.decision import Decision
from windlass.records.event import Body, RunFinished
from windlass.records.paths import Paths
from windlass.registry.registry import Registry


def run_training(request: TrainingRequest, *, emit: Emit = silent) -> TrainingResult:
    """Run every step that has not been done before, and register what passed the gate.

    Raises the user's error as RunFailed (a WindlassError as it is), after it was recorded; LeaseLost, with nothing more
    recorded, when somebody else acts now.
    """
    began = time.perf_counter()
    with opened(request.settings) as (paths, ledger):
        training = _begin(request, paths, ledger, emit)
        with training.runner.closing():
            return _run(training, began)


def _begin(request: TrainingRequest, paths: Paths, ledger: Ledger, emit: Emit) -> Training:
    """Load the user's code: what is wrong with it is told under the run."""
    clock = clock_from(request.settings.clock)
    runner = StepRunner(
        ledger=ledger,
        paths=paths,
        clock=clock,
        product=request.product,
        run=request.run,
        fence=request.fence,
        emit=emit,
        project=request.settings.project.resolve(),
        trusted=trusted_by(ledger, request.product, request.run),
    )
    with runner.stage("prepare"):
        product, source = open_product(request.settings, product=request.product, entry=request.entry)
        declared = declaration_of(product, source)
        captured = note_environment(paths, request.product, request.run, project=request.settings.project)
    if is_news(ledger, request.product, declared):
        runner.append(declared)
    return Training(
        request=request,
        paths=paths,
        clock=clock,
        ledger=ledger,
        lake=Lake(paths.lake, request.fence),
        registry=Registry(paths, request.fence),
        runner=runner,
        product=product,
        source=source,
        environment=captured,
        origin=chain_of(ledger, request.product, request.run)[-1],
    )


def _run(training: Training, began: float) -> TrainingResult:
    rows = check(training, pin(training, extract(training)), learned=split_of_champion(training))
    prepared = learning.make_features(training, rows)
    if training.request.only_earlier:
        return _asked(training, prepared, began)
    tuned = learning.tune(training, prepared)
    trained = learning.train(training, prepared, tuned)
    evaluated = judging.evaluate(training, prepared, trained)
    judged = judging.gate(training, prepared, evaluated, learning.climb_curve(training, prepared, tuned))
    metrics = read_record(evaluated.folder / EVALUATION, Evaluation).metrics
    digest: str | None = None
    version: str | None = None
    outcome: Outcome = "rejected"
    last: list[Body] = []
    recalled = gone_back_to(training, recourse(training, prepared, evaluated, judged))
    if recalled is not None:
        version, digest = recalled
        outcome = "recalled"
    elif judged.decision.verdict == "pass":
        released = learning.refit(training, prepared, tuned, trained)
        digest = bundle(training, prepared, released, evaluated)
        version, registered = registration(training, digest, metrics)
        outcome = "unchanged" if registered is None else "registered"
        last = [] if registered is None else [registered]
    return _ended(
        training, began, outcome, version=version, digest=digest, metrics=metrics, decision=judged.decision, last=last
    )


def _asked(training: Training, prepared: learning.Prepared, began: float) -> TrainingResult:
    """Nothing is trained: only whether a version that answered before is to answer again."""
    decision = recourse(training, prepared)
    assert decision is not None, "such a run is only begun for a champion"
    version, digest = gone_back_to(training, decision) or (None, None)
    outcome: Outcome = "kept" if version is None else "recalled"
    return _ended(training, began, outcome, version=version, digest=digest, metrics={}, decision=decision)


def _ended(
    training: Training,
    began: float,
    outcome: Outcome,
    *,
    version: str | None,
    digest: str | None,
    metrics: dict[str, float],
    decision: Decision,
    last: Sequence[Body] = (),
) -> TrainingResult:
    """Say what came of the run, and tidy up behind it; `last` is said in the same write."""
    seconds = time.perf_counter() - began
    finished = RunFinished(run=training.run, outcome=outcome, version=version, seconds=seconds)
    training.runner.append(*last, finished)
    prune(training.paths, training.name, training.runner.used, fence=training.request.fence)
    return TrainingResult(
        run=training.run,
        product=training.name,
        outcome=outcome,
        version=version,
        digest=digest,
        metrics=metrics,
        decision=decision,
        reused=training.runner.reused,
        seconds=seconds,
    )
