"""Two runs side by side."""

from __future__ import annotations

from typing import Any

import msgspec

from windlass.errors import UsageError
from windlass.ledger.ledger import Ledger
from windlass.pipeline.notes.noted import NO_PRODUCT, environment_file
from windlass.pipeline.steps.tables import read_record
from windlass.records import event as events
from windlass.records.bundle import Environment
from windlass.records.paths import Paths

Value = str | int | float | bool | None
Facts = dict[tuple[str, str], Value]

_NO_FACT = object()
_GROUPS = ("run", "param", "metric", "gate", "recourse", "data", "code", "environment")


class ComparedRow(msgspec.Struct, frozen=True, kw_only=True):
    """One fact of both runs."""

    group: str
    """run, param, metric, gate, data, code or environment."""
    name: str
    a: Value
    """None where the run has no such fact."""
    b: Value
    differs: bool


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs, what differs first."""

    a: str
    b: str
    rows: tuple[ComparedRow, ...]


def compare_runs(ledger: Ledger, a: str, b: str, *, paths: Paths | None = None) -> Comparison:
    """Parameters, metrics, data, code and environment of the runs `a` and `b`.

    Without `paths` the installed distributions, which lie beside the runs' logs, are left out. Raises UsageError for
    a run that the ledger does not know.
    """
    first, second = (_facts(ledger, run, paths) for run in (a, b))
    rows = [
        ComparedRow(
            group=group,
            name=name,
            a=first.get((group, name)),
            b=second.get((group, name)),
            differs=first.get((group, name), _NO_FACT) != second.get((group, name), _NO_FACT),
        )
        for group, name in {**first, **second}
    ]
    rows.sort(key=lambda row: (not row.differs, _GROUPS.index(row.group), row.name))
    return Comparison(a=a, b=b, rows=tuple(rows))


def _facts(ledger: Ledger, run: str, paths: Paths | None) -> Facts:
    found: Facts = {}
    product = NO_PRODUCT
    for event in ledger.events(run=run):
        found |= {(group, name): value for group, name, value in _said(event.body)}
        if isinstance(event.body, events.RunStarted):
            product = event.product or NO_PRODUCT
    if ("run", "trigger") not in found:
        raise UsageError(f"there is no run {run!r}", where="ledger", remedy="`windlass runs` lists them")
    if paths is not None:
        found |= _environment(paths, product, run)
    return found


def _said(body: events.Body) -> list[tuple[str, str, Value]]:  # noqa: PLR0911 (a table)
    """What an event says of its run."""
    match body:
        case events.RunStarted():
            return [("run", "trigger", body.trigger), ("run", "name", body.name), ("run", "reason", body.reason)]
        case events.RunFinished():
            return [
                ("run", "outcome", body.outcome),
                ("run", "version", body.version),
                ("run", "seconds", body.seconds),
            ]
        case events.RunFailed():
            return [("run", "outcome", "failed"), ("run", "error", body.message)]
        case events.RunLogged():
            metrics: dict[str, Value] = {**body.metrics}
            return _named("param", body.params) + _named("metric", metrics)
        case events.DataPinned():
            return _named("data", _pin(body))
        case events.GateDecided():
            verdict: dict[str, Value] = {"verdict": body.decision.verdict, "against": body.against}
            return _named("gate", verdict | body.decision.numbers)
        case events.RecourseDecided():
            return _named("recourse", {"verdict": body.decision.verdict, **body.decision.numbers})
        case events.StepFinished(step="evaluate"):
            return _named("metric", {f"holdout.{name}": value for name, value in body.summary.items()})
        case events.ProductDeclared():
            return [("code", "entry", body.entry)]
        case events.StepFinished(step="train"):
            return _named("code", body.summary)
        case _:
            return []


def _pin(body: events.DataPinned) -> dict[str, Value]:
    pin = body.pin
    upto: dict[str, Value] = {f"upto {table}": sequence for table, sequence in pin.upto.items()}
    start = None if pin.start is None else pin.start.isoformat()
    return {"rows": pin.rows, "digest": pin.digest, "as of": pin.as_of.isoformat(), "start": start, **upto}


def _named(group: str, values: dict[str, Value]) -> list[tuple[str, str, Value]]:
    return [(group, name, value) for name, value in values.items()]


def _environment(paths: Paths, product: str, run: str) -> Facts:
    file = environment_file(paths, product, run)
    if not file.is_file():
        return {}
    environment = read_record(file, Environment)
    plain: dict[str, Any] = {"python": environment.python, "platform": environment.platform}
    code: Facts = {("code", "git_commit"): environment.git_commit, ("code", "git_dirty"): environment.git_dirty}
    return code | {("environment", name): value for name, value in {**plain, **environment.distributions}.items()}
