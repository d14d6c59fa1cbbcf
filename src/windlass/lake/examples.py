"""Bringing extracted rows into a table of examples, and reading their present state.

A row is brought in once however often it is extracted. Two rows are the same when they agree in every column that the
batch has (nulls equal nulls, NaN equals NaN). A row that differs from an earlier one with the same key is a newer
revision of it; so is one that goes back to an earlier revision. Of several in one batch the latest is the newest.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

import polars as pl

from windlass.errors import DataError
from windlass.lake.dtypes import TIMESTAMP, cast_exactly, conform, wider
from windlass.lake.layout import SEQUENCE
from windlass.lake.repeats import Repeats, settle
from windlass.lake.table import Readable, Table
from windlass.records.data import Ingested

EVENT_TIME = "_event_time"
INGESTED_AT = "_ingested_at"
SYSTEM = (SEQUENCE, INGESTED_AT, EVENT_TIME)
_ROW = "_row"


def ingest(
    table: Table, frame: pl.DataFrame, *, source: str, time: str | None, key: str | None, now: datetime
) -> Ingested:
    """Append the rows of `frame` that `table` does not hold already; the table must be refreshed.

    Raises DataError for rows that cannot be kept, naming the column, before anything is written.
    """
    rows, repeats, retyped = _prepared(table, frame, source=source, time=time, key=key)
    fresh = _fresh(table, rows, key=key) if table.exists else rows
    if not fresh.is_empty():
        if retyped:
            table.retype(retyped)
        table.append(_stamped(fresh, table.schema(), now=now))
    return Ingested(
        source=source,
        rows_seen=frame.height,
        rows_new=fresh.height,
        rows_equal=repeats.equal,
        rows_superseded=repeats.superseded,
        keys_superseded=repeats.keys,
        first_superseded=repeats.first,
        watermark=watermark(table),
        sequence=table.next_sequence() - 1,
    )


def as_kept(
    table: Table | None, frame: pl.DataFrame, *, source: str, time: str | None, key: str | None
) -> pl.DataFrame:
    """The rows of `frame`, the last of each key, as `current` would give them after `ingest`, without keeping them.

    Without a table, as if `frame` were the first to come. Raises DataError as `ingest` does.
    """
    rows, _, _ = _prepared(table, frame, source=source, time=time, key=key)
    known = {} if table is None else table.schema()
    rows = rows.drop(EVENT_TIME).with_columns(_nulls(rows, known))
    return last_of_each(rows, key)


def last_of_each(rows: pl.DataFrame, key: str | None) -> pl.DataFrame:
    """The last row of each key, in the frame's order; rows without a key all stand for themselves."""
    if key is None or key not in rows.columns:
        return rows
    return rows.filter(pl.col(key).is_null() | pl.col(key).is_last_distinct())


def _prepared(
    table: Table | None, frame: pl.DataFrame, *, source: str, time: str | None, key: str | None
) -> tuple[pl.DataFrame, Repeats, dict[str, pl.DataType]]:
    """The rows in the types and the order in which they are kept, and the columns of the table that must be wider."""
    where = f"source {source!r}"
    _check_names(frame, where=where)
    rows = _with_event_time(conform(frame, where=where), time=time, key=key, where=where)
    rows, repeats = settle(rows, key=key, time=EVENT_TIME)
    rows, retyped = (rows, {}) if table is None else _fit(table, rows, where=where)
    return rows, repeats, retyped


def watermark(table: Table) -> datetime | None:
    """The latest event time in the table; None while there is none."""
    if not table.exists:
        return None
    latest: datetime | None = table.read(lambda rows: rows.select(pl.col(EVENT_TIME).max())).item()
    return None if latest is None else latest.astimezone(UTC)


def current(
    table: Readable, *, key: str | None, upto: int | None = None, columns: Collection[str] | None = None
) -> pl.DataFrame:
    """The last revision of each key, in the order it was ingested, with the system columns in front.

    Without a key, or where the key is null, every row stands for itself. `upto` is the highest sequence to count,
    `columns` saves reading the others.
    """
    wanted = (
        pl.all() if columns is None else pl.col(*(name for name in table.schema() if name in {*SYSTEM, key, *columns}))
    )
    rows = table.read(
        lambda every: (every if upto is None else every.filter(pl.col(SEQUENCE) <= upto)).select(wanted)
    ).sort(SEQUENCE)
    if key is None or key not in rows.columns:
        return rows
    last = pl.col(SEQUENCE) == pl.col(SEQUENCE).max().over(key)
    return rows.filter(pl.col(key).is_null() | last)


def _stamped(fresh: pl.DataFrame, known: dict[str, pl.DataType], *, now: datetime) -> pl.DataFrame:
    """`fresh` with the system columns in front and a null in every column of the table that it does not have."""
    return fresh.select(
        pl.lit(now, dtype=TIMESTAMP).alias(INGESTED_AT),
        EVENT_TIME,
        pl.exclude(EVENT_TIME),
        *_nulls(fresh, known),
    )


def _nulls(rows: pl.DataFrame, known: dict[str, pl.DataType]) -> list[pl.Expr]:
    """A column of nulls for each column of the table that `rows` lack."""
    there = {*rows.columns, *SYSTEM}
    return [pl.lit(None, dtype=dtype).alias(name) for name, dtype in known.items() if name not in there]


def _check_names(frame: pl.DataFrame, *, where: str) -> None:
    reserved = [name for name in frame.columns if name.lower() in {*SYSTEM, _ROW}]
    if reserved:
        raise DataError(
            f"the lake uses the column name {reserved[0]!r} itself",
            where=where,
            remedy="give the column another name in `extract`",
        )
    if "" in frame.columns:
        raise DataError(
            "a column has no name",
            where=where,
            remedy="name it in `extract`, or drop it: it may be a file's row number",
        )
    _check_case(frame.columns, where=where)


def _check_case(names: list[str], *, where: str) -> None:
    seen: dict[str, str] = {}
    for name in names:
        twin = seen.setdefault(name.lower(), name)
        if twin != name:
            raise DataError(
                f"the columns {twin!r} and {name!r} differ only in case, and Delta tables do not tell them apart",
                where=where,
                remedy="rename one of them in `extract`",
            )


def _with_event_time(rows: pl.DataFrame, *, time: str | None, key: str | None, where: str) -> pl.DataFrame:
    for role, name in (("time", time), ("key", key)):
        if name is not None and name not in rows.columns and rows.width:
            raise DataError(
                f"the {role} column {name!r} is not among the rows",
                where=where,
                remedy=f"return it from `extract`; there are {', '.join(rows.columns)}",
            )
    if time is None or time not in rows.columns:
        return rows.with_columns(pl.lit(None, dtype=TIMESTAMP).alias(EVENT_TIME))
    if rows.height and rows[time].dtype.base_type() not in (pl.Date, pl.Datetime):
        raise DataError(
            f"the time column holds {rows[time].dtype}, not dates or times",
            where=f"{where}, column {time!r}",
            remedy="parse it in `extract`, such as pl.col(...).str.to_datetime()",
        )
    if rows[time].has_nulls():
        first = int(rows[time].is_null().arg_max() or 0)
        raise DataError(
            f"{rows[time].null_count()} of {rows.height} rows have no event time, the first is row {first}",
            where=f"{where}, column {time!r}",
            remedy="leave such rows out in `extract` until their time is known",
        )
    return rows.with_columns(rows[time].cast(TIMESTAMP).alias(EVENT_TIME))


def _fit(table: Table, rows: pl.DataFrame, *, where: str) -> tuple[pl.DataFrame, dict[str, pl.DataType]]:
    """`rows` in the types that the table has or gets, and the columns of the table that must change for that."""
    known = table.schema()
    _check_case(list({**known, **rows.schema}), where=where)
    fitted, retyped = [], {}
    for series in rows.iter_columns():
        old = known.get(series.name, series.dtype)
        target = old if series.null_count() == len(series) else wider(old, series.dtype)
        if target is None and _is_empty(table, series.name):
            target = series.dtype
        column = None if target is None else cast_exactly(series, target)
        if target is None or column is None or (target != old and not _casts(table, series.name, target)):
            raise DataError(
                f"the column was {old} and now comes as {series.dtype}, and no type holds both",
                where=f"{where}, column {series.name!r}",
                remedy="cast it in `extract` to what it was, or give the new values a column of their own",
            )
        fitted.append(column)
        if target != old:
            retyped[series.name] = target
    return pl.DataFrame(fitted), retyped


def _is_empty(table: Table, name: str) -> bool:
    """Whether the column holds no value yet, so that its type was only a guess."""
    return bool(table.read(lambda rows: rows.select(pl.col(name).is_null().all())).item())


def _casts(table: Table, name: str, target: pl.DataType) -> bool:
    return cast_exactly(table.read(lambda rows: rows.select(name)).to_series(), target) is not None


def _fresh(table: Table, rows: pl.DataFrame, *, key: str | None) -> pl.DataFrame:
    """The rows that are not in the table, or that go back to an earlier revision of their key."""
    if rows.is_empty():
        return rows
    known = table.schema()
    shared = [name for name in rows.columns if name in known]
    since = rows[EVENT_TIME].min()
    held = table.read(
        lambda every: (every if since is None else every.filter(pl.col(EVENT_TIME) >= since)).select(SEQUENCE, *shared)
    )
    held = held.cast({name: rows[name].dtype for name in shared})
    numbered = rows.with_row_index(_ROW)
    # A new column makes every row that has a value in it differ from what is held.
    novel = [pl.col(name).is_not_null() for name in rows.columns if name not in shared]
    matched = (
        numbered.filter(~pl.any_horizontal(*novel, pl.lit(value=False)))
        .join(held, on=shared, how="inner", nulls_equal=True)
        .group_by(_ROW)
        .agg(pl.col(SEQUENCE).max())
    )
    absent = numbered.join(matched, on=_ROW, how="anti")
    returned = matched.clear() if key is None else _returned(table, numbered, matched=matched, absent=absent, key=key)
    wanted = pl.concat([absent.select(_ROW), returned.select(_ROW)]).sort(_ROW)
    return numbered.join(wanted, on=_ROW, how="semi", maintain_order="left").drop(_ROW)


def _returned(
    table: Table, numbered: pl.DataFrame, *, matched: pl.DataFrame, absent: pl.DataFrame, key: str
) -> pl.DataFrame:
    """Rows held already that are the source's last word on their key, while the table's last word is another.

    A key with several revisions in one batch is a history, which was taken in before, unless a part of it is new.
    """
    # As a column first: polars would ask it of all rows anew for each group, which takes the square of their number.
    is_absent = pl.col(_ROW).is_in(absent[_ROW].implode()).alias("_absent")
    of_key = (
        numbered.with_columns(is_absent)
        .filter(pl.col(key).is_not_null())
        .select(
            _ROW,
            pl.col(key).alias("_key"),
            (pl.len().over(key) == 1).alias("_alone"),
            (pl.col(_ROW) == pl.col(_ROW).max().over(key)).alias("_last"),
            pl.col("_absent").any().over(key).alias("_grown"),
        )
    )
    candidates = matched.join(of_key.filter(pl.col("_last")), on=_ROW, how="inner")
    if candidates.is_empty():
        return candidates
    newest = table.read(
        lambda every: every.select(pl.col(key).alias("_key"), pl.col(SEQUENCE).alias("_newest")).group_by("_key").max()
    ).cast({"_key": numbered[key].dtype})
    overtaken = pl.col("_alone") & (pl.col(SEQUENCE) < pl.col("_newest"))
    return candidates.join(newest, on="_key", how="inner").filter(overtaken | pl.col("_grown"))
