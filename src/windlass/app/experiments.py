"""A/B tests, as people and programs ask for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import polars as pl

from windlass.app.act import ask
from windlass.app.queries import Row, the_product
from windlass.app.workspace import Workspace
from windlass.decisions.experiment import ExperimentEvidence, decide_experiment
from windlass.errors import UsageError
from windlass.records.decision import Decision
from windlass.records.event import ExperimentFinished, ExperimentStarted
from windlass.records.experiment import ExperimentState, Plan
from windlass.release.experiment import COLUMNS, evidence_of
from windlass.serving.protocols.measuring import METRIC

_LOOKS = 40
"""Points of the curve on the page."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One A/B test, from the ledger."""

    product: str
    started: ExperimentState
    ended_at: datetime | None
    judged: Decision | None
    """How it ended; None: it is under way."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """One A/B test, and what came of it by now."""

    test: Trial
    judged: Decision
    course: tuple[tuple[datetime, Decision], ...]
    """What would have been said at moments in between."""


def start(
    workspace: Workspace,
    plan: Plan,
    *,
    product: str | None,
    lasts: timedelta | None,
    reason: str,
    say: Callable[[str], None],
) -> str:
    """Begin a test; raises UsageError for a plan that makes no sense, or when the loop refuses it."""
    _check(plan)
    if lasts is not None:
        plan = msgspec.structs.replace(plan, until=workspace.clock.now() + lasts)
    name = the_product(workspace, product).name
    return ask(workspace, "experiment", product=name, experiment=plan, reason=reason, say=say)


def tests(workspace: Workspace, product: str | None) -> list[Trial]:
    """All tests of a product, the newest last."""
    name = the_product(workspace, product).name
    found: dict[str, Trial] = {}
    for event in workspace.ledger.events((ExperimentStarted, ExperimentFinished), product=name):
        body = event.body
        if isinstance(body, ExperimentStarted):
            begun = ExperimentState(
                experiment=body.experiment, plan=body.plan, started_at=event.at, by=body.by, reason=body.reason
            )
            found[body.experiment] = Trial(product=name, started=begun, ended_at=None, judged=None)
        elif isinstance(body, ExperimentFinished) and body.experiment in found:
            test = found[body.experiment]
            found[body.experiment] = Trial(product=name, started=test.started, ended_at=event.at, judged=body.decision)
    return list(found.values())


def rows_of(workspace: Workspace, product: str | None) -> list[Row]:
    """The same as plain rows."""
    return [_row(test) for test in tests(workspace, product)]


def result(workspace: Workspace, name: str | None, *, product: str | None) -> Result:
    """What came of the test `name` (None: the newest). Raises UsageError when there is none."""
    known = tests(workspace, product)
    chosen = [test for test in known if name in (None, test.started.experiment)]
    if not chosen:
        names = ", ".join(test.started.experiment for test in known) or "none yet"
        raise UsageError(f"there is no A/B test {name or ''}".rstrip(), remedy=f"known: {names}")
    test = chosen[-1]
    started = test.started
    until = test.ended_at or workspace.clock.now()
    answers = workspace.lake.predictions(
        test.product, since=started.started_at, until=until + timedelta(microseconds=1), columns=COLUMNS
    )
    measured = workspace.lake.measurements(test.product, metric=started.plan.metric, since=started.started_at)
    course = _course(started, answers, measured, until=until)
    said = tuple((at, decide_experiment(evidence, started.plan, at)) for at, evidence in course)
    return Result(test=test, judged=test.judged or said[-1][1], course=said)


def _course(
    started: ExperimentState, answers: pl.DataFrame, measured: pl.DataFrame, *, until: datetime
) -> list[tuple[datetime, ExperimentEvidence]]:
    step = (until - started.started_at) / _LOOKS
    moments = [started.started_at + step * number for number in range(1, _LOOKS)] + [until]
    return [
        (at, evidence_of(started, answers.filter(pl.col("at") <= at), measured.filter(pl.col("received_at") <= at)))
        for at in moments
    ]


def _check(plan: Plan) -> None:
    import re

    if not 0 < plan.split < 1:
        raise UsageError(f"{plan.split:g} is no share of the keys", where="--split", remedy="such as 0.5")
    if not re.fullmatch(METRIC, plan.metric):
        raise UsageError(
            f"{plan.metric!r} cannot be the name of a metric",
            where="--metric",
            remedy="use letters, digits, dots, dashes and underscores, at most 100 of them",
        )


def _row(test: Trial) -> Row:
    plan = test.started.plan
    judged = test.judged
    return {
        "experiment": test.started.experiment,
        "product": test.product,
        "a": plan.a,
        "b": plan.b,
        "metric": plan.metric,
        "split": plan.split,
        "started": test.started.started_at,
        "by": test.started.by,
        "why": test.started.reason,
        "ended": test.ended_at,
        "verdict": "under way" if judged is None else judged.verdict,
        "reason": None if judged is None else judged.reasons[0],
    }


def as_row(found: Result) -> Row:
    """A result as a program reads it."""
    return _row(found.test) | {"reason": found.judged.reasons[0], "numbers": dict(found.judged.numbers)}
