"""What must hold after whatever crashes, read from the records alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import polars as pl

from windlass.errors import WindlassError
from windlass.lake.lake import Lake
from windlass.ledger.ledger import Ledger
from windlass.ledger.view import StateView
from windlass.records.event import (
    Body,
    CommandFinished,
    RunFailed,
    RunFinished,
    RunStarted,
    StepFinished,
    VersionRegistered,
    WorkspaceCreated,
)
from windlass.records.paths import Paths
from windlass.registry.registry import Registry
from windlass.release.routing import read_routing, routing_for
from windlass.serving.versions.trust import Trust

_B = TypeVar("_B", bound=Body)


def violations(
    paths: Paths,
    ledger_url: str,
    product: str,
    *,
    acknowledged: Sequence[str],
    reported: Sequence[str],
    asked: Sequence[str],
    champions: Sequence[str] | None = None,
) -> list[str]:
    """Whole sentences; none when all is well. `champions`: who must have answered one after the other, if known."""
    with Ledger(ledger_url) as ledger:
        return [
            *ledger.verify().problems,
            *_history(ledger, asked),
            *_runs(ledger),
            *_champions(ledger, paths, product, champions),
            *_bundles(ledger, paths, product),
            *_rows(Lake(paths.lake), product, acknowledged, reported),
            *_leftovers(ledger, paths, product),
        ]


def _history(ledger: Ledger, asked: Sequence[str]) -> Iterator[str]:
    if (begun := len(_bodies(ledger, WorkspaceCreated))) != 1:
        yield f"the workspace was created {begun} times"
    yield from _not_once("the command", [body.command for body in _bodies(ledger, CommandFinished)], asked)


def _runs(ledger: Ledger) -> Iterator[str]:
    started = [body.run for body in _bodies(ledger, RunStarted)]
    ended = [body.run for body in (*_bodies(ledger, RunFinished), *_bodies(ledger, RunFailed))]
    yield from _not_once("the end of the run", ended, started)
    done = Counter(body.key for body in _bodies(ledger, StepFinished) if body.reused is None)
    yield from (f"the step {key} was done {times} times" for key, times in done.items() if times > 1)
    finished = Counter((body.run, body.step) for body in _bodies(ledger, StepFinished))
    yield from (f"{run} finished {step} {times} times" for (run, step), times in finished.items() if times > 1)


def _champions(ledger: Ledger, paths: Paths, product: str, expected: Sequence[str] | None) -> Iterator[str]:
    state = StateView(ledger).refresh().products[product]
    reigns = [*(past.version.version for past in state.previous_champions)]
    reigns += [] if state.champion is None else [state.champion.version]
    if expected is not None and reigns != list(expected):
        yield f"the champions were {reigns}, not {list(expected)}"
    routing = read_routing(paths.routing(product))
    if routing is None or not routing.says(routing_for(state, sequence=routing.sequence)):
        yield f"the routing record says {routing}, and the ledger {state.champion}"
        return
    if routing.signature:
        try:
            Trust(paths).check(routing)
        except WindlassError as error:
            yield str(error)


def _bundles(ledger: Ledger, paths: Paths, product: str) -> Iterator[str]:
    versions = _bodies(ledger, VersionRegistered)
    yield from _not_once("the version", [body.version for body in versions], {body.version for body in versions})
    there = {path.name for path in paths.bundles(product).iterdir()}
    known = {body.digest for body in versions}
    if there != known:
        yield f"bundles that no event names, or that are gone: {sorted(there ^ known)}"
    for digest in known & there:
        try:
            Registry(paths).verify(product, digest)
        except WindlassError as error:
            yield str(error)


def _rows(lake: Lake, product: str, acknowledged: Sequence[str], reported: Sequence[str]) -> Iterator[str]:
    predictions, outcomes = lake.predictions(product), lake.outcomes(product)
    yield from _not_once("the answer", predictions["prediction_id"].to_list(), acknowledged)
    yield from _not_once("the outcome", outcomes["prediction_id"].drop_nulls().to_list(), reported)
    tables = {"predictions": predictions, "outcomes": outcomes}
    tables |= {source: lake.examples(product, source, system=True) for source in lake.sources(product)}
    for name, rows in tables.items():
        if sorted(rows["_sequence"]) != list(range(rows.height)):
            yield f"the sequences of {name} have gaps or repeat"
    for source in lake.sources(product):
        twice = tables[source].group_by("id").len().filter(pl.col("len") > 1).height
        if twice:
            yield f"{twice} rows of {source} are there twice"


def _leftovers(ledger: Ledger, paths: Paths, product: str) -> Iterator[str]:
    """What a crash leaves must go with the next take-over or the end of a run, so that it never grows."""
    for store in paths.stores:
        folders = list((store / ".staging").iterdir())
        if len(folders) != 1:
            yield f"in the staging of {store.name} there are {[folder.name for folder in folders]}"
        yield from (f"{path} was left" for folder in folders for path in _files(folder))
    # Whoever is killed between the end of a run and the deletion of what it did not use leaves that to the next run.
    ended = {body.run for body in _bodies(ledger, RunFinished)[-2:]}
    used = {body.key for body in _bodies(ledger, StepFinished) if body.run in ended}
    there = {path.name for path in paths.step(product, "any").parent.iterdir()}
    if there - used:
        yield f"outputs of steps that neither of the last two runs used: {sorted(there - used)}"
    yield from (f"the segment {path.name} was left" for path in paths.segments(product).rglob("*.segment"))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _bodies(ledger: Ledger, kind: type[_B]) -> list[_B]:
    return [event.body for event in ledger.events((kind,)) if isinstance(event.body, kind)]


def _not_once(what: str, found: Iterable[str], expected: Iterable[str]) -> Iterator[str]:
    counted, wanted = Counter(found), Counter(expected)
    for name in counted.keys() | wanted.keys():
        if counted[name] != 1 or wanted[name] != 1:
            yield f"{what} {name} is there {counted[name]} times, and was promised {wanted[name]} times"
