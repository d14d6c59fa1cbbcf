"""Looks at A/B tests that are under way, and ends those that are decided."""

from __future__ import annotations

from windlass.controller.context import LoopContext
from windlass.decisions.experiment import ExperimentEvidence, decide_experiment
from windlass.lake.lake import Lake
from windlass.records.event import Body
from windlass.records.experiment import ExperimentState
from windlass.release import experiment as experiments


class Experiments:
    """A test that is over leaves the champion where it is: whoever asked reads the result and acts on it."""

    def __init__(self, *, context: LoopContext) -> None:
        self._context = context
        self._pace = context.pace()

    def step(self, name: str) -> None:
        under_way = self._context.product(name).experiment
        if under_way is None or not self._pace.due(name):
            return
        with self._pace.spend(name):
            found = gathered(self._context.lake, name, under_way)
            judged = decide_experiment(found, under_way.plan, self._context.now)
            if judged.verdict != "wait":
                bodies: list[Body] = experiments.end(under_way, judged)
                self._context.record(*bodies, product=name)


def gathered(lake: Lake, product: str, under_way: ExperimentState) -> ExperimentEvidence:
    """What the lake holds of it by now."""
    answers = lake.predictions(product, since=under_way.started_at, columns=experiments.COLUMNS)
    measured = lake.measurements(product, metric=under_way.plan.metric, since=under_way.started_at)
    return experiments.evidence_of(under_way, answers, measured)
