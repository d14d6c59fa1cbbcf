"""The lake of a workspace: one Delta table for each source of examples, one for predictions, one for outcomes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec
import polars as pl

from windlass.errors import LakeError
from windlass.lake import examples, windows
from windlass.lake.commit import Committed, Committer
from windlass.lake.conditions import conditions
from windlass.lake.dtypes import TIMESTAMP
from windlass.lake.erasing import Without, rows_of_key
from windlass.lake.join import JOINED, NEEDED, join_outcomes
from windlass.lake.layout import SEQUENCE
from windlass.lake.naming import checked
from windlass.lake.pins import TrainingSet, make_pin, read_pin, repin
from windlass.lake.repeats import settle
from windlass.lake.served import MEASUREMENTS, OUTCOMES, PREDICTIONS, complete, empty
from windlass.lake.table import FENCE, Table
from windlass.lake.upkeep import Swept, sweep, sweepable
from windlass.lake.windows import Windows
from windlass.product.policy import Outcome
from windlass.records.data import DataPin, Ingested
from windlass.records.lease import Fence
from windlass.records.paths import STAGING
from windlass.records.routing import ANSWERED
from windlass.staging import Staging

__all__ = ["Committed", "Lake", "TableInfo", "TrainingSet"]

Query = Callable[[pl.LazyFrame], pl.LazyFrame]
_TIMES = {"predictions": "at", "outcomes": "observed_at", "measurements": "received_at", "windows": "at"}


class TableInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One table, for people."""

    product: str
    table: str
    """`examples/<source>`, `predictions`, `outcomes`, `measurements` or `windows`."""
    rows: int
    files: int
    bytes: int
    versions: int
    """Commits so far."""
    first: datetime | None
    """The earliest event time (examples), answer (predictions) or observation (outcomes)."""
    last: datetime | None


class Lake:
    """Append-only data of all products below `root`; may be shared by threads.

    Only who works under a `fence` may write: whatever writes raises LeaseLost, with nothing written, when this process
    holds no lease or holds it no longer. Table handles stay open, so keep one Lake for long.
    """

    def __init__(self, root: Path, fence: Fence | None = None) -> None:
        self.root = root
        self._staging = Staging(root, fence)
        self._lock = threading.RLock()
        self._tables: dict[Path, Table] = {}
        self._committers: dict[str, Committer] = {}

    # -- the lease -------------------------------------------------------------------------------------------------

    def claim(self, *, between: Callable[[], None] = lambda: None) -> tuple[str, ...]:
        """Let nothing count any more that a predecessor prepares, or has prepared, for any table: at a take-over.

        The tables must be all there are: whoever could still make one has been kept from it (`windlass.staging`).
        `between` is called before each of them, to hold the lease. Answers with what is wrong with tables that cannot
        even be opened; nobody can commit to those.
        """
        problems = []
        with self._lock:
            for table in (self._handle(product, name) for product in self.products() for name in self._logs(product)):
                between()
                try:
                    table.refresh()
                except LakeError as error:
                    problems.append(str(error))
                else:
                    table.retrying(table.claim)
        return tuple(problems)

    def newest_token(self) -> int:
        """The highest token of a lease under which any table was written; 0 when there is none."""
        tables = [self._table(product, name) for product in self.products() for name in self.names(product)]
        return max((table.transaction(FENCE) or 0 for table in tables), default=0)

    # -- examples --------------------------------------------------------------------------------------------------

    def ingest(
        self, product: str, source: str, frame: pl.DataFrame, *, time: str | None, key: str | None, now: datetime
    ) -> Ingested:
        """Append the rows of `frame` that `source` does not hold yet; doing it again changes nothing.

        `time` names the column of the event time (dates or datetimes, naive ones are UTC), `key` the one that
        identifies a row; None where the source has none. Raises DataError for rows that cannot be kept.
        """
        with self._lock:
            table = self._handle(product, f"examples/{checked(source)}")
            ingested = table.retrying(lambda: examples.ingest(table, frame, source=source, time=time, key=key, now=now))
            table.settle()
            table.tidy()
            return ingested

    def as_kept(
        self, product: str, source: str, frame: pl.DataFrame, *, time: str | None, key: str | None
    ) -> pl.DataFrame:
        """`frame` as `examples` would give it after `ingest`, without keeping it; raises DataError as that does."""
        with self._lock:
            table = self._table(product, f"examples/{checked(source)}")
            return examples.as_kept(table, frame, source=source, time=time, key=key)

    def watermark(self, product: str, sources: Collection[str] | None = None) -> datetime | None:
        """The event time up to which all `sources` (None: every one) are in: the least of their latest event times."""
        with self._lock:
            names = self.sources(product, sources)
            latest = [examples.watermark(self._table(product, f"examples/{name}")) for name in names]
            return min((moment for moment in latest if moment is not None), default=None)

    def sources(self, product: str, among: Collection[str] | None = None) -> list[str]:
        """The names of all sources that ever brought a row, or of those `among` these."""
        names = [name.removeprefix("examples/") for name in self.names(product) if name.startswith("examples/")]
        return names if among is None else [name for name in names if name in among]

    def examples(
        self,
        product: str,
        source: str,
        *,
        key: str | None = None,
        upto: int | None = None,
        columns: Collection[str] | None = None,
        system: bool = False,
    ) -> pl.DataFrame:
        """The last revision of each `key` (None: every row), in ingest order; `upto` is the highest sequence to count.

        `columns` saves reading others, besides the key; names that the source does not have are passed over. `system`
        keeps the lake's own columns (`_sequence`, `_ingested_at`, `_event_time`).
        """
        with self._lock:
            table = self._existing(product, f"examples/{source}")
            rows = examples.current(table, key=key, upto=upto, columns=columns)
            return rows if system else rows.drop(examples.SYSTEM)

    # -- answers and labels ----------------------------------------------------------------------------------------

    def commit_segments(
        self,
        product: str,
        folder: Path,
        now: datetime,  # noqa: ARG002 (every writer of the lake is told the time; records carry their own)
        *,
        limit_bytes: int = 2**28,
    ) -> Committed:
        """Bring what serving workers wrote below `folder` into the lake, each record exactly once.

        Takes about `limit_bytes` at once, and says so in `more` when there is more.
        """
        with self._lock:
            committer = self._committers.get(product)
            if committer is None:
                committer = Committer(
                    predictions=self._handle(product, "predictions"),
                    outcomes=self._handle(product, "outcomes"),
                    measurements=self._handle(product, "measurements"),
                )
                self._committers[product] = committer
            return committer.commit(folder, limit_bytes=limit_bytes)

    def append_outcomes(self, product: str, rows: pl.DataFrame, *, request_id: str, now: datetime) -> Ingested:
        """Append labels that came with an extract; a row that is there already (id, key, value, time) is left out.

        `rows` has these four as columns, the value as JSON text.
        """
        same = ["prediction_id", "key", "value", "observed_at"]
        stamped = rows.with_columns(received_at=pl.lit(now), request_id=pl.lit(request_id), actor=pl.lit(None))
        stamped = stamped.select(pl.col(name).cast(dtype) for name, dtype in OUTCOMES.items() if name != SEQUENCE)
        # Of one case there may be several in the course of time; of one moment the last counts.
        moment = pl.struct("prediction_id", "key", "observed_at").alias("_moment")
        settled, repeats = settle(stamped.with_columns(moment), key="_moment", time="observed_at")
        fresh = settled.drop("_moment")
        with self._lock:
            table = self._handle(product, "outcomes")

            def append() -> pl.DataFrame:
                if not table.exists:
                    return table.append(fresh)
                held = table.read(lambda every: every.select(same))
                return table.append(fresh.join(held, on=same, how="anti", nulls_equal=True, maintain_order="left"))

            appended = table.retrying(append)
            table.settle()
            table.tidy()
            latest = self._read(table, OUTCOMES, lambda every: every.select(pl.col("observed_at").max())).item()
            return Ingested(
                source="outcomes",
                rows_seen=rows.height,
                rows_new=appended.height,
                rows_equal=repeats.equal,
                rows_superseded=repeats.superseded,
                keys_superseded=repeats.keys,
                watermark=latest,
                sequence=table.next_sequence() - 1,
            )

    def predictions(
        self,
        product: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        after_sequence: int | None = None,
        upto_sequence: int | None = None,
        versions: Sequence[str] | None = None,
        stages: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        prediction_id: str | None = None,
    ) -> pl.DataFrame:
        """Captured predictions in the order they came into the lake (`served.PREDICTIONS`), failed ones too.

        `since` (inclusive) and `until` (exclusive) bound when they were answered; `columns` saves reading the others.
        """
        wanted = conditions(
            {"version": versions, "stage": stages, "prediction_id": None if prediction_id is None else [prediction_id]},
            since=since,
            until=until,
            after_sequence=after_sequence,
            upto_sequence=upto_sequence,
        )
        return self._predictions(product, wanted, list(PREDICTIONS) if columns is None else columns)

    def outcomes(
        self,
        product: str,
        *,
        as_of: datetime | None = None,
        prediction_id: str | None = None,
        key: str | None = None,
        after_sequence: int | None = None,
    ) -> pl.DataFrame:
        """Every outcome ever received, corrected ones too, in the order received (`served.OUTCOMES`)."""
        wanted = conditions(
            {
                "prediction_id": None if prediction_id is None else [prediction_id],
                "key": None if key is None else [key],
            },
            after_sequence=after_sequence,
        )
        if as_of is not None:
            wanted &= pl.col("observed_at") <= pl.lit(as_of, dtype=TIMESTAMP)
        with self._lock:
            return self._read(self._table(product, "outcomes"), OUTCOMES, lambda rows: rows.filter(wanted)).sort(
                SEQUENCE
            )

    def measurements(self, product: str, *, metric: str, since: datetime) -> pl.DataFrame:
        """What callers measured and sent from `since` on, in the order received (`served.MEASUREMENTS`)."""
        wanted = (pl.col("metric") == metric) & (pl.col("received_at") >= pl.lit(since, dtype=TIMESTAMP))
        with self._lock:
            table = self._table(product, "measurements")
            return self._read(table, MEASUREMENTS, lambda rows: rows.filter(wanted)).sort(SEQUENCE)

    def labelled(
        self,
        product: str,
        *,
        outcome: Outcome,
        as_of: datetime,
        since: datetime | None = None,
        until: datetime | None = None,
        after_sequence: int | None = None,
        versions: Sequence[str] | None = None,
        stages: Sequence[str] | None = ANSWERED,
        columns: Sequence[str] | None = None,
        prediction_id: str | None = None,
    ) -> pl.DataFrame:
        """Predictions that did not fail, each with the label it has as of `as_of` (the rules are `lake.join`'s).

        Adds `value` (JSON text; null while unknown), `observed_at` and `known_at`. `stages` None takes shadow answers
        too. By default all columns but the two large ones, `request` and `features`; ask for those by name.
        """
        if columns is None:
            columns = [name for name in PREDICTIONS if name not in ("request", "features")]
        wanted = pl.col("error").is_null() & conditions(
            {"version": versions, "stage": stages, "prediction_id": None if prediction_id is None else [prediction_id]},
            since=since,
            until=until,
            after_sequence=after_sequence,
        )
        with self._lock:
            needed = [*columns, *(name for name in NEEDED if name not in columns)]
            rows = self._predictions(product, wanted, needed)
            history = self.outcomes(product, as_of=as_of)
        return join_outcomes(rows, history, outcome=outcome, as_of=as_of).select(*columns, *JOINED)

    def windows(self, product: str) -> Windows:
        """What drift was judged on so far."""
        return Windows(self._handle(product, windows.NAME), self._lock)

    # -- training sets ---------------------------------------------------------------------------------------------

    def pin(
        self,
        product: str,
        *,
        time: str | None,
        key: str | None,
        outcome: Outcome,
        as_of: datetime,
        start: datetime | None = None,
        sources: Collection[str] | None = None,
    ) -> tuple[TrainingSet, DataPin]:
        """Everything that is known as of `as_of` with an event time from `start` on, and how to read it again.

        `sources` leaves out what others brought (None: none is left out).
        """
        with self._lock:
            return make_pin(
                product,
                sources={name: self._table(product, f"examples/{name}") for name in self.sources(product, sources)},
                predictions=self._table(product, "predictions"),
                outcomes=self._table(product, "outcomes"),
                time=time,
                key=key,
                outcome=outcome,
                as_of=as_of,
                start=start,
            )

    def read(self, pin: DataPin) -> TrainingSet:
        """The training set that `pin` fixed, bit for bit; raises PinBroken, saying what differs."""
        with self._lock:
            return read_pin(pin, lambda name: self._table(pin.product, name))

    @contextmanager
    def held(self, product: str, table: str) -> Iterator[list[Path]]:
        """As `Table.held`, of one table; raises LakeError for one that is not there."""
        with self._lock:
            found = self._existing(product, table)
        with found.held() as files:
            yield files

    # -- erasing ---------------------------------------------------------------------------------------------------

    def repin(self, pin: DataPin, *, column: str | None, key: str) -> DataPin:
        """`pin` as it will read once the rows of `key` are gone; raises PinBroken when it does not read as it is."""
        with self._lock:
            self.read(pin)
            answers = self._answers_to(pin.product, key)

            def table(name: str) -> Without:
                found = self._table(pin.product, name)
                return Without(found, rows_of_key(found, name, column=column, key=key, answers=answers))

            return repin(pin, table)

    def erase(self, product: str, *, column: str | None, key: str, mark: str) -> dict[str, int]:
        """Take the rows of `key` out of every table, and delete the files that held them: table -> rows that went.

        `column` identifies an example. Called again with the same `mark` after a crash, it goes on and tells of all.
        Raises Held when a backup is copying a table: then some files are left, and it is to be called again.
        """
        with self._lock:
            answers, gone = self._answers_to(product, key), {}
            # Predictions last: outcomes and measurements are found by the ids of answers.
            for name in sorted(self.names(product), key=lambda each: each == "predictions"):
                table = self._table(product, name)
                wanted = rows_of_key(table, name, column=column, key=key, answers=answers)
                if wanted is not None:
                    gone[name] = table.retrying(partial(table.drop, wanted, mark=mark))
            for name in self.names(product):
                self._table(product, name).vacuum(hours=0)
            return gone

    def _answers_to(self, product: str, key: str) -> frozenset[str]:
        return frozenset(self._predictions(product, pl.col("key") == key, ["prediction_id"])["prediction_id"])

    # -- upkeep ----------------------------------------------------------------------------------------------------

    def sweep(self, product: str, table: str, *, hours: int) -> Swept:
        """As `upkeep.sweep`, of one table."""
        with self._lock:
            return sweep(self._existing(product, table), hours=hours)

    def sweepable(self, product: str, table: str, *, hours: int) -> Swept:
        """What `sweep` would do, without doing it."""
        with self._lock:
            return sweepable(self._existing(product, table), hours=hours)

    def unknown(self, product: str, ids: pl.Series) -> int:
        """How many of these prediction ids no prediction has."""
        with self._lock:
            table = self._table(product, "predictions")
            wanted = pl.col("prediction_id").is_in(ids.implode())
            known = self._read(table, PREDICTIONS, lambda rows: rows.filter(wanted).select(pl.col("prediction_id")))
        return ids.len() - int(ids.is_in(known["prediction_id"].implode()).sum())

    def answering(self, product: str, *, since: datetime) -> frozenset[str]:
        """The versions that answered anything since then, in whatever stage."""
        recent = conditions({}, since=since)
        with self._lock:
            table = self._table(product, "predictions")
            found = self._read(table, PREDICTIONS, lambda rows: rows.filter(recent).select(pl.col("version").unique()))
        return frozenset(found["version"])

    # -- looking ---------------------------------------------------------------------------------------------------

    def products(self) -> list[str]:
        """Those that have anything in the lake."""
        folders = sorted(self.root.iterdir()) if self.root.is_dir() else []
        return [folder.name for folder in folders if folder.is_dir() and folder.name != STAGING]

    def names(self, product: str) -> list[str]:
        """The tables of a product: `examples/<source>`, `predictions`, `outcomes`."""
        return [name for name in self._logs(product) if self._table(product, name).exists]

    def tables(self, product: str | None = None) -> list[TableInfo]:
        """All tables, or those of one product."""
        products = self.products() if product is None else [product]
        with self._lock:
            return [self._info(name, table) for name in products for table in self.names(name)]

    def show(self, product: str, table: str, limit: int = 20) -> pl.DataFrame:
        """The newest rows of a table, at most `limit`, the newest last; raises LakeError for one that is not there."""
        with self._lock:
            found = self._existing(product, table)
            return found.read(lambda rows: rows.top_k(limit, by=SEQUENCE)).sort(SEQUENCE)

    # -- below -----------------------------------------------------------------------------------------------------

    def _handle(self, product: str, name: str) -> Table:
        """The table as it was last seen, whether or not it exists yet."""
        path = self.root / checked(product) / name
        table = self._tables.get(path)
        if table is None:
            table = self._tables[path] = Table(path, self._staging)
        return table

    def _table(self, product: str, name: str) -> Table:
        """The table as it is now, whether or not it exists yet."""
        table = self._handle(product, name)
        table.refresh()
        return table

    def _existing(self, product: str, name: str) -> Table:
        names = self.names(product)
        if name not in names:
            raise LakeError(
                f"there is no table {name!r}",
                where=f"product {product!r}",
                remedy=f"there are {', '.join(names)}" if names else "nothing has come into the lake yet",
            )
        return self._table(product, name)

    def _logs(self, product: str) -> list[str]:
        """The names of what looks like tables."""
        folder = self.root / checked(product)
        logs = [*folder.glob("examples/*/_delta_log"), *folder.glob("*/_delta_log")]
        return sorted(log.parent.relative_to(folder).as_posix() for log in logs)

    def _predictions(self, product: str, wanted: pl.Expr, columns: Sequence[str]) -> pl.DataFrame:
        unknown = [name for name in columns if name not in PREDICTIONS]
        if unknown:
            raise LakeError(
                f"predictions have no column {unknown[0]!r}",
                where=f"product {product!r}",
                remedy=f"there are {', '.join(PREDICTIONS)}",
            )
        with self._lock:
            table = self._table(product, "predictions")
            rows = self._read(
                table,
                PREDICTIONS,
                lambda every: every.filter(wanted).select(list(dict.fromkeys([SEQUENCE, *columns]))),
            )
        return rows.sort(SEQUENCE).select(columns)

    def _read(self, table: Table, columns: dict[str, pl.DataType], query: Query) -> pl.DataFrame:
        """As `Table.read`, of no rows while the table does not exist, and of all `columns` however old it is."""
        if not table.exists:
            return query(empty(columns).lazy()).collect()
        there = table.schema()
        return table.read(lambda rows: query(complete(rows, columns, there=there)))

    def _info(self, product: str, name: str) -> TableInfo:
        table = self._table(product, name)
        time = pl.col(_TIMES.get(name, examples.EVENT_TIME))
        found = table.read(lambda rows: rows.select(rows=pl.len(), first=time.min(), last=time.max())).row(
            0, named=True
        )
        files, size = table.files()
        return TableInfo(product=product, table=name, files=files, bytes=size, versions=table.version + 1, **found)
