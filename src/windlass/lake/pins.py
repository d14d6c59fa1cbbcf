"""Training sets that read the same for ever.

A pin names rows by ingest sequence, which neither compaction nor a rewrite changes, the columns and types they had, and
a digest of each frame. Later rows, corrections, late outcomes and new columns are beyond it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import msgspec
import polars as pl

from windlass.errors import PinBroken
from windlass.lake.digest import digest_frame, digest_parts
from windlass.lake.dtypes import TIMESTAMP, name_of, named
from windlass.lake.examples import EVENT_TIME, SYSTEM, current
from windlass.lake.join import join_outcomes
from windlass.lake.layout import SEQUENCE
from windlass.lake.served import OUTCOMES, PREDICTIONS, complete, empty
from windlass.lake.table import Readable, Table
from windlass.product.policy import Outcome
from windlass.records.data import DataPin, PinnedPart
from windlass.records.routing import ANSWERED

_EXAMPLES = "examples/"
_SERVED = "served"
_WAITING = "waiting"
_KNOWN_AT = "known_at"
SERVED_COLUMNS = ("prediction_id", "key", "at", "event_time", "request", "value", "observed_at", _KNOWN_AT)
WAITING_COLUMNS = ("key", "at", "event_time")


class TrainingSet(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a model learns from, before the sources are assembled to one row per example."""

    sources: dict[str, pl.DataFrame]
    """By name: the last revision of each example, in ingest order, as the user's columns."""
    served: pl.DataFrame
    """Answered predictions with their label, in the order they came into the lake (`SERVED_COLUMNS`)."""
    waiting: pl.DataFrame
    """Answered predictions that have no label yet (`WAITING_COLUMNS`): all that is learned from them is how complete
    the labels of their time are."""


def make_pin(
    product: str,
    *,
    sources: dict[str, Table],
    predictions: Table,
    outcomes: Table,
    time: str | None,
    key: str | None,
    outcome: Outcome,
    as_of: datetime,
    start: datetime | None,
) -> tuple[TrainingSet, DataPin]:
    """Fix what the tables hold now; they must be refreshed."""
    tables = {_EXAMPLES + name: table for name, table in sources.items()}
    tables |= {"predictions": predictions, "outcomes": outcomes}
    draft = DataPin(
        product=product,
        upto={name: table.next_sequence() - 1 for name, table in tables.items()},
        as_of=as_of,
        start=start,
        time=time,
        key=key,
        within=outcome.within.total_seconds(),
        absent=outcome.absent,
        rows=0,
        digest="",
    )
    training_set = _load(draft, tables.__getitem__)
    return training_set, _fixed(draft, _parts(training_set))


def repin(pin: DataPin, table: Callable[[str], Readable]) -> DataPin:
    """The same set as it reads now that rows were erased: its columns and types are those of then.

    Raises PinBroken when it has lost more than rows.
    """
    frames = {
        name: _as_pinned(pin, name, frame, pin.parts[name])
        for name, frame in _parts(_load(pin, table)).items()
        if name in pin.parts
    }
    return _fixed(pin, frames)


def _fixed(draft: DataPin, frames: Mapping[str, pl.DataFrame]) -> DataPin:
    parts = {
        name: PinnedPart(
            rows=frame.height,
            columns=tuple((column, name_of(dtype)) for column, dtype in frame.schema.items()),
            digest=digest_frame(frame),
        )
        for name, frame in frames.items()
    }
    return msgspec.structs.replace(
        draft,
        rows=sum(part.rows for name, part in parts.items() if name != _WAITING),
        parts=parts,
        digest=_digest(parts),
    )


def read_pin(pin: DataPin, table: Callable[[str], Readable]) -> TrainingSet:
    """The set that `pin` fixed; `table` gives the refreshed table of a name in `pin.upto`.

    Raises PinBroken, naming the part and what is different about it.
    """
    found = _load(pin, table)
    frames = {}
    for name, frame in _parts(found).items():
        part = pin.parts.get(name)
        if part is None and name == _WAITING:  # a pin of before these were counted
            frames[name] = frame.clear()
            continue
        if part is None:
            raise _broken(pin, f"{name} is not described in the pin")
        frames[name] = _as_pinned(pin, name, frame, part)
        _compare(pin, name, frames[name], part)
    if _KNOWN_AT not in frames[_SERVED].columns:  # a pin of before this was told: it follows from the rows it names
        frames[_SERVED] = frames[_SERVED].with_columns(found.served[_KNOWN_AT])
    if _digest(pin.parts) != pin.digest:
        raise _broken(pin, "the pin's own digests do not belong together")
    return TrainingSet(
        sources={name: frames[_EXAMPLES + name] for name in found.sources},
        served=frames[_SERVED],
        waiting=frames[_WAITING],
    )


def _parts(training_set: TrainingSet) -> dict[str, pl.DataFrame]:
    examples = {_EXAMPLES + name: frame for name, frame in training_set.sources.items()}
    return examples | {_SERVED: training_set.served, _WAITING: training_set.waiting}


def _digest(parts: dict[str, PinnedPart]) -> str:
    """Over what is learned from: answers that wait for their label make no other training set."""
    return digest_parts({name: part.digest for name, part in parts.items() if name != _WAITING})


def _load(pin: DataPin, table: Callable[[str], Readable]) -> TrainingSet:
    names = [name for name in pin.upto if name.startswith(_EXAMPLES)]
    served, waiting = _served(pin, predictions=table("predictions"), outcomes=table("outcomes"))
    return TrainingSet(
        sources={name.removeprefix(_EXAMPLES): _examples(pin, name, table(name)) for name in names},
        served=served,
        waiting=waiting,
    )


def _examples(pin: DataPin, name: str, table: Readable) -> pl.DataFrame:
    if not table.exists:
        raise _broken(pin, f"the table {name} is gone")
    rows = current(table, key=pin.key, upto=pin.upto[name])
    if pin.start is not None:
        rows = rows.filter(pl.col(EVENT_TIME).is_null() | (pl.col(EVENT_TIME) >= pl.lit(pin.start, dtype=TIMESTAMP)))
    return rows.drop(SYSTEM)


def _served(pin: DataPin, *, predictions: Readable, outcomes: Readable) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The answers whose label is known, and those that wait for it."""
    answered = (
        pl.col("error").is_null()
        & pl.col("stage").is_in(ANSWERED)
        & (pl.col("at") <= pl.lit(pin.as_of, dtype=TIMESTAMP))
    )
    if pin.start is not None:
        answered &= pl.coalesce("event_time", "at") >= pl.lit(pin.start, dtype=TIMESTAMP)
    rows = _upto(predictions, pin.upto["predictions"], PREDICTIONS, answered)
    history = _upto(outcomes, pin.upto["outcomes"], OUTCOMES, pl.lit(value=True))
    outcome = Outcome(within=timedelta(seconds=pin.within), absent=pin.absent)
    joined = join_outcomes(rows, history, outcome=outcome, as_of=pin.as_of)
    labelled = _last_of_each(joined.filter(pl.col("value").is_not_null()))
    waiting = joined.filter(pl.col("value").is_null()).join(labelled, on="key", how="anti")
    return labelled.select(SERVED_COLUMNS), _last_of_each(waiting).select(WAITING_COLUMNS)


def _last_of_each(rows: pl.DataFrame) -> pl.DataFrame:
    """Of several answers to one key, the last: the one that was acted upon."""
    last = pl.struct("at", SEQUENCE).rank("ordinal").over("key") == pl.len().over("key")
    return rows.filter(pl.col("key").is_null() | last).sort(SEQUENCE)


def _upto(table: Readable, sequence: int, columns: dict[str, pl.DataType], condition: pl.Expr) -> pl.DataFrame:
    if not table.exists:
        return empty(columns)
    wanted, there = (pl.col(SEQUENCE) <= sequence) & condition, table.schema()
    return table.read(lambda rows: complete(rows, columns, there=there).filter(wanted)).select(list(columns))


def _as_pinned(pin: DataPin, name: str, frame: pl.DataFrame, part: PinnedPart) -> pl.DataFrame:
    """The columns of then, in the types of then: a column may have been widened or added since."""
    there = set(frame.columns)
    missing = [column for column, _ in part.columns if column not in there]
    if missing:
        raise _broken(pin, f"{name} has no column {missing[0]!r} any more")
    try:
        return frame.select(pl.col(column).cast(named(dtype)) for column, dtype in part.columns)
    except pl.exceptions.PolarsError as error:
        raise _broken(pin, f"{name} cannot be brought to the types it had: {error}") from error


def _compare(pin: DataPin, name: str, frame: pl.DataFrame, part: PinnedPart) -> None:
    if frame.height != part.rows:
        raise _broken(pin, f"{name} has {frame.height} rows instead of {part.rows}")
    if digest_frame(frame) != part.digest:
        raise _broken(pin, f"the values of {name} are not the ones that were pinned")


def _broken(pin: DataPin, what: str) -> PinBroken:
    return PinBroken(
        f"the training set does not read the same: {what}",
        where=f"product {pin.product!r}, pin {pin.digest[:12]}",
        remedy="restore the lake's folder from a backup; versions trained on this set cannot be reproduced until then",
    )
