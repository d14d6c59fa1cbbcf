"""The step extract: from the user's sources into the lake."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec
import polars as pl

from windlass.engines.forks import one_comes_out
from windlass.pipeline.rows.assembly import OUTCOMES, roles_of, sources_of
from windlass.pipeline.rows.door import inspect
from windlass.pipeline.rows.labels import OUTCOME_COLUMNS, outcome_frame, without_repeats
from windlass.pipeline.rows.remarks import remarks
from windlass.pipeline.steps.context import Training
from windlass.pipeline.steps.step import Finished, Step, Summary
from windlass.pipeline.steps.tables import read_record, write_record
from windlass.records.data import Ingested
from windlass.records.event import Body, DataExtracted, StepFinished

_LOOK_BACK = 50
"""Extracts, of which at least one names a source of examples."""


class Extracted(msgspec.Struct, frozen=True, kw_only=True):
    """What the step keeps."""

    ingested: tuple[Ingested, ...]
    sources: tuple[str, ...]
    """The sources of examples that make the training set."""


def extract(training: Training) -> Finished:
    """Ask the product for what is new and bring it into the lake.

    The key holds the run at the start of the chain, so that a run that was taken up does not ask again, and a new run
    always does.
    """
    step = Step(name="extract", code=training.code("extract"), parameters={"origin": training.origin})
    return training.runner.run(step, partial(_extract, training), also=partial(_told, training))


def _extract(training: Training, folder: Path) -> Summary:
    known = _sources_in_use(training)
    since = training.lake.watermark(training.name, known)
    naive = _naive_before(training)
    sources = _ask(training, since.replace(tzinfo=None) if since is not None and naive else since)
    named = _named(sources) or known
    if since is not None and not set(named) <= set(known):
        training.runner.tell("extract", f"{', '.join(sorted(set(named) - set(known)))} is new: asking for all of it")
        since, sources = None, _ask(training, None)
        named = _named(sources) or known
    ingested = tuple(_take_in(training, sources))
    write_record(Extracted(ingested=ingested, sources=named), folder / "extracted.json")
    for each in ingested:
        _show_superseded(training, each, sources[each.source])
    new = sum(each.rows_new for each in ingested)
    return {
        "rows": sum(each.rows_seen for each in ingested),
        "new": new,
        "naive": _is_naive(sources, training.task.time, otherwise=naive),
        "since": None if since is None else since.isoformat(),
        "note": "; ".join([f"{new:,} new", *remarks(ingested)]),
    }


def _named(sources: dict[str, pl.DataFrame]) -> tuple[str, ...]:
    """The sources of examples among them."""
    return tuple(name for name in sources if name != OUTCOMES)


def _take_in(training: Training, sources: dict[str, pl.DataFrame]) -> Iterator[Ingested]:
    """Bring all of it into the lake, or, when a part of it cannot be used, nothing."""
    now, told = training.now, sources.get(OUTCOMES, pl.DataFrame())
    examples = {name: sources[name] for name in _named(sources)}
    outcomes = pl.DataFrame(schema=OUTCOME_COLUMNS)
    if told.width:
        outcomes = outcome_frame(told, key=training.task.key, now=now)
    inspect(training.product(), training.lake, examples, outcomes)
    for name, frame in examples.items():
        if frame.width:
            yield _ingest(training, name, frame)
    if told.width:
        yield _append(training, outcomes, now)


def _ask(training: Training, since: datetime | None) -> dict[str, pl.DataFrame]:
    with one_comes_out():  # before anything else is done with the rows: a second copy would bring them in, too
        found = training.product().extract(since)
    return sources_of(found, where=f"{training.product.__qualname__}.extract")


def _sources_in_use(training: Training) -> tuple[str, ...]:
    """The sources of examples that the last extract named, or all there are.

    A source that is named no more is left out, or none could ever be renamed or dropped. An extract that brought
    outcomes alone says nothing of them.
    """
    for event in reversed(training.ledger.events([DataExtracted], product=training.name, newest=_LOOK_BACK)):
        if isinstance(event.body, DataExtracted) and event.body.sources:
            return event.body.sources
    return tuple(training.lake.sources(training.name))


def _show_superseded(training: Training, ingested: Ingested, frame: pl.DataFrame) -> None:
    """Name a key that came more than once to whoever watches, and in the step's log; the ledger holds no keys."""
    if ingested.first_superseded is None or training.task.key is None:
        return
    key = frame.get_column(training.task.key)[ingested.first_superseded[0]]
    text = f"{training.task.key} {key!r} came in several different rows at once: the latest counts"
    print(text)  # noqa: T201 (the output of a step goes to its log)
    training.runner.tell("extract", text)


def _ingest(training: Training, source: str, frame: pl.DataFrame) -> Ingested:
    time, key = roles_of(training.product(), source, frame)
    return training.lake.ingest(training.name, source, frame, time=time, key=key, now=training.now)


def _append(training: Training, outcomes: pl.DataFrame, now: datetime) -> Ingested:
    fresh = without_repeats(outcomes, training.lake.outcomes(training.name), now=now)
    return training.lake.append_outcomes(training.name, fresh, request_id=training.origin, now=now)


def _is_naive(sources: dict[str, pl.DataFrame], time: str | None, *, otherwise: bool) -> bool:
    """Whether the user's own event times carry no zone; `otherwise` when this extract has none to look at."""
    kinds = [frame.schema[time] for frame in sources.values() if time is not None and time in frame.columns]
    return any(isinstance(kind, pl.Datetime) and kind.time_zone is None for kind in kinds) if kinds else otherwise


def _naive_before(training: Training) -> bool:
    """Whether the product's event times carried no zone last time: `since` then comes without one too, in UTC, so that
    it compares with the user's own columns."""
    events = training.ledger.events([StepFinished], product=training.name, newest=_LOOK_BACK)
    for event in reversed(events):
        if isinstance(event.body, StepFinished) and event.body.step == "extract":
            return bool(event.body.summary.get("naive"))
    return False


def _told(training: Training, finished: Finished) -> list[Body]:
    """New rows are told once, by the run that brought them in."""
    if finished.reused is not None:
        return []
    extracted = read_record(finished.folder / "extracted.json", Extracted)
    return [DataExtracted(run=training.run, ingested=extracted.ingested, sources=extracted.sources)]
