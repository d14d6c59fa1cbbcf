"""One Delta table, held open.

Opening a table by its path costs many times what a commit costs, so the handle is kept and brought up to date. A commit
is tried once at exactly the version that was read: whoever comes second is refused and looks again, so that sequences
have no gaps and no transaction counts twice, whether or not two processes were meant to write.

Each commit also says under which lease it was made. Whoever takes the lease over commits that first (`claim`). What a
predecessor has prepared is refused from then on, since the version it was made for is taken; and one that looks again
finds a higher token than its own.
"""

from __future__ import annotations

import errno
import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar
from urllib.parse import unquote

import deltalake
import polars as pl
from deltalake.exceptions import CommitFailedError, DeltaError

from windlass.crashpoints import crashpoint
from windlass.errors import LakeError, LeaseLost
from windlass.lake.compaction import Exchange, exchange, together, without
from windlass.lake.layout import CONFIGURATION, SEQUENCE, WRITER
from windlass.lake.segments import sync_file
from windlass.staging import Staging

FENCE = "windlass.fence"
"""Application id of the Delta transaction whose version is the token of whoever committed last."""
_HIGH = "windlass.sequence"
"""Application id of the Delta transaction whose version is the sequence of the next row, kept when rows are dropped."""
_ATTEMPTS = 8
_UNSETTLED = 3
"""The most commits that are made without a sync between them."""
_KEPT = 256
"""Entries of the log that are kept, about; a reader that opens the table has as many commits' time for it."""
_HOOKS = deltalake.PostCommitHookProperties(cleanup_expired_logs=False)
_PATIENCE = 10.0
"""Seconds for which a commit waits for somebody who shortens the log, which takes milliseconds."""
_BLINK = 0.01
_LEVELS = ((32, 2**18), (512, 2**22), (8192, 2**26))
"""Every so many commits, files smaller than so many bytes are put together: each row is rewritten a few times only."""

_T = TypeVar("_T")
Query = Callable[[pl.LazyFrame], pl.LazyFrame]
Moves = Mapping[str, tuple[int | None, int]]
"""Application id -> (its last transaction version as the caller knows it, its next one)."""


class Conflict(LakeError):
    """Another process committed to the table in between."""


class Held(LakeError):
    """Somebody is copying the table's files, so none may go."""


class _Opened(deltalake.DeltaTable):
    """A table whose files Polars finds also where a folder's name has a blank, or letters beyond ASCII: it takes for
    paths what are parts of addresses, in which a blank is `%20`."""

    def file_uris(self, *given: Any, **named: Any) -> list[str]:
        return [unquote(uri) for uri in super().file_uris(*given, **named)]


class Readable(Protocol):
    """As much of a table as reading takes."""

    @property
    def exists(self) -> bool: ...

    def schema(self) -> dict[str, pl.DataType]: ...

    def read(self, query: Query) -> pl.DataFrame: ...


class Table:
    """Rows in the order of their `_sequence`: 0, 1, 2, ... without gaps over all commits.

    Everything that writes raises LeaseLost, with nothing written, when a successor has claimed the table, and when this
    process works under no lease at all.
    """

    def __init__(self, path: Path, staging: Staging) -> None:
        """`staging` is the lake's; it carries the fence."""
        self.path = path
        self._staging = staging
        self._handle: deltalake.DeltaTable | None = None
        self._next: tuple[int, int] = (-1, 0)
        """Version of the table, and the sequence that its next row gets."""
        self._schema: tuple[int, dict[str, pl.DataType]] = (-1, {})
        """Version of the table, and the columns it has."""
        self._tidied = -1
        """Version of the table when small files were last looked at."""
        self._settled = -1
        """Version of the table up to which its files are known to be on the disk."""

    def refresh(self) -> bool:
        """Take in what others committed; False while the table does not exist."""
        with self._clearly("opened"):
            if self._is_newest:  # which a look at two names tells in a hundredth of the time
                return True
            if self._handle is not None:
                try:
                    self._handle.update_incremental()
                except DeltaError:  # the part of the log in between is gone: a checkpoint stands for it
                    self._handle = None
            if self._handle is None:
                if not (self.path / "_delta_log").is_dir() or not deltalake.DeltaTable.is_deltatable(str(self.path)):
                    return False
                self._take_up()
        return True

    @property
    def exists(self) -> bool:
        """As of the last `refresh`."""
        return self._handle is not None

    @property
    def version(self) -> int:
        return -1 if self._handle is None else self._handle.version()

    def read(self, query: Query) -> pl.DataFrame:
        """What `query` makes of all rows; the table must exist. Rows come in no order but the one asked for."""
        with self._clearly("read"):
            return query(pl.scan_delta(self._open())).collect()

    def schema(self) -> dict[str, pl.DataType]:
        """Stored column types; empty while the table does not exist."""
        if self._handle is None:
            return {}
        version, columns = self._schema
        if version != self._handle.version():
            with self._clearly("read"):
                columns = dict(pl.scan_delta(self._handle).collect_schema())
            self._schema = (self._handle.version(), columns)
        return dict(columns)

    def next_sequence(self) -> int:
        """The sequence that the next row gets."""
        if self._handle is None:
            return 0
        version, following = self._next
        if version != self._handle.version():
            highest = self.read(lambda rows: rows.select(pl.col(SEQUENCE).max())).item()
            following = max(0 if highest is None else int(highest) + 1, self.transaction(_HIGH) or 0)
            self._next = (self._handle.version(), following)
        return following

    def transaction(self, application: str) -> int | None:
        """The last version that `application` committed in this table."""
        with self._clearly("read"):
            return None if self._handle is None else self._handle.transaction_version(application)

    def files(self) -> tuple[int, int]:
        """Number and bytes of the files that hold the rows now."""
        if self._handle is None:
            return 0, 0
        actions = pl.DataFrame(self._handle.get_add_actions(flatten=True))
        return actions.height, int(actions["size_bytes"].sum())

    def retrying(self, work: Callable[[], _T]) -> _T:
        """`work` on the newest state of the table, again from the start when somebody else committed meanwhile."""
        for _ in range(_ATTEMPTS - 1):
            self.refresh()
            try:
                return work()
            except Conflict:
                continue
        self.refresh()
        return work()

    def claim(self) -> None:
        """Let nothing count any more that a predecessor prepares, or has prepared, for this table.

        A table of an older Windlass gets the properties of today by the same commit. Raises Conflict when somebody
        committed since `refresh`.
        """
        if self._handle is None:
            return
        if not CONFIGURATION.items() <= self._handle.metadata().configuration.items():
            self._configure(self._handle)
        elif self.transaction(FENCE) != self._staging.token:
            self._exchange([])

    def append(self, rows: pl.DataFrame, *, moves: Moves | None = None) -> pl.DataFrame:
        """Commit `rows` once and return them with their `_sequence` in front; nothing happens when there are none.

        `moves` are recorded in the same commit. Raises Conflict when somebody else committed since `refresh`, and
        LakeError when a transaction is not where the caller believes it to be.
        """
        if rows.is_empty():
            return rows.select(pl.lit(0, dtype=pl.Int64).alias(SEQUENCE), pl.all())
        for application, (before, _) in (moves or {}).items():
            if self.transaction(application) != before:
                raise LakeError(
                    f"another process commits what {application} wrote",
                    where=str(self.path),
                    remedy="let only the holder of the lease commit segments",
                )
        start = self.next_sequence()
        numbered = rows.select(pl.int_range(start, start + rows.height, dtype=pl.Int64).alias(SEQUENCE), pl.all())
        known = self.schema()
        self._write(
            numbered.select([*known, *(name for name in numbered.columns if name not in known)]) if known else numbered,
            merge=bool(known) and len(known) != numbered.width,
            transactions=[deltalake.Transaction(name, after) for name, (_, after) in (moves or {}).items()],
        )
        self._next = (self.version, start + rows.height)
        return numbered

    def retype(self, types: Mapping[str, pl.DataType]) -> None:
        """Give columns other types: every row is written anew, with its sequence and all else as it was."""
        rows = self.read(lambda all_rows: all_rows.cast(dict(types)).sort(SEQUENCE))  # type: ignore[arg-type]
        self._write(rows, replace=True)

    def drop(self, wanted: pl.Expr, *, mark: str) -> int:
        """Take the rows that are `wanted` out of the table; their files are `unused` from then on.

        No sequence is given again. How many rows went is recorded under the application `mark` in the same commit, and
        added to what is recorded there; that sum is returned, so that nothing is lost or counted twice by a crash.
        """
        before = self.transaction(mark) or 0
        condition = wanted.fill_null(value=False)
        with self._clearly("read"):
            actions, gone = without(self.path, self._files(), condition, schema=self.schema(), staging=self._staging)
        if not gone:
            return before
        following = self.next_sequence()
        transactions = [deltalake.Transaction(_HIGH, following), deltalake.Transaction(mark, before + gone)]
        self._exchange(actions, transactions)
        return before + gone

    def tidy(self) -> None:
        """Put small files together when enough commits have passed, so that a scan stays quick."""
        due = [size for every, size in _LEVELS if self._tidied // every != self.version // every]
        if not due or self._handle is None:
            return
        try:
            self._compact(below=max(due))
        except Conflict:
            return  # somebody committed meanwhile; the next call looks again
        self.settle()
        self._shorten_log()
        self._tidied = self.version

    def compactable(self) -> int:
        """How many files fewer `compact` would leave, about."""
        groups = together(self._files(), below=_LEVELS[-1][1])
        return sum(len(group) for group in groups) - len(groups)

    def compact(self) -> int:
        """Put all small files together; how many fewer there are. Raises Conflict when somebody committed meanwhile."""
        before, _ = self.files()
        self._compact(below=_LEVELS[-1][1])
        self.settle()
        return before - self.files()[0]

    def unused(self, *, hours: int) -> list[Path]:
        """Files that no row has lain in for so many real hours: replaced, or written and never committed."""
        with self._clearly("looked through"):
            names = self._open().vacuum(retention_hours=hours, enforce_retention_duration=False, full=True)
        return [path for name in names if (path := self.path / unquote(name)).is_file()]

    def vacuum(self, *, hours: int) -> tuple[int, int]:
        """Delete the `unused` files; their number and bytes. Raises Held while somebody copies the table."""
        self.settle()
        files = size = 0
        with (self.path / "_held").open("wb") as lock:
            if not _locked(lock, fcntl.LOCK_EX):
                raise Held(
                    "a backup is copying the table, so none of its files may go",
                    where=str(self.path),
                    remedy="try again when `windlass backup` is done",
                )
            for path in self.unused(hours=hours):
                size += path.stat().st_size
                with self._clearly("cleaned"):
                    self._staging.remove(path)
                files += 1
        return files, size

    @contextmanager
    def held(self) -> Iterator[list[Path]]:
        """The files that the table consists of now: the rows' first, then its log. For copying them.

        None goes away inside the block: whoever throws files away that were replaced takes the lock for itself.
        """
        with (self.path / "_held").open("wb") as lock:
            with self._clearly("read"):
                fcntl.flock(lock, fcntl.LOCK_SH)
                self.refresh()
                added = pl.DataFrame(self._open().get_add_actions(flatten=True))["path"].to_list()
                rows = [self.path / unquote(name) for name in added]
                log = sorted((self.path / "_delta_log").glob("[0-9]*"))
            yield rows + [file for file in log if int(file.name[:20]) <= self.version]

    def settle(self) -> None:
        """Bring everything that was committed to the disk; only then may what it was made from be deleted."""
        if self._settled == self.version:
            return
        with self._clearly("synced"):
            for version in range(self._settled + 1, self.version + 1):
                self._sync(version)
            sync_file(self.path)
            sync_file(self.path / "_delta_log")
        self._settled = self.version

    # -- below ------------------------------------------------------------------------------------------------------

    def _open(self) -> deltalake.DeltaTable:
        if self._handle is None:
            raise LakeError("there is no such table yet", where=str(self.path), remedy="bring rows into it first")
        return self._handle

    def _write(
        self,
        rows: pl.DataFrame,
        *,
        merge: bool = False,
        replace: bool = False,
        transactions: list[deltalake.Transaction] | None = None,
    ) -> None:
        properties = self._once(transactions or [])
        with self._clearly("written"):
            if self._handle is None:
                self._create(rows, properties)
                return
            crashpoint("lake.before")
            with self._log_as_it_is():
                deltalake.write_deltalake(
                    self._handle,
                    rows,
                    mode="overwrite" if replace else "append",
                    schema_mode="overwrite" if replace else "merge" if merge else None,
                    writer_properties=WRITER,
                    commit_properties=properties,
                    post_commithook_properties=_HOOKS,
                )
            crashpoint("lake.after")

    def _create(self, rows: pl.DataFrame, properties: deltalake.CommitProperties) -> None:
        """The table as a whole, made in the staging folder and put in place, so that a predecessor cannot make one."""
        written = self._staging.foreign()
        deltalake.write_deltalake(
            str(written), rows, configuration=CONFIGURATION, writer_properties=WRITER, commit_properties=properties
        )
        staged = self._staging.adopt(written, "tables")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._staging.put(staged, self.path)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST) and (self.path / "_delta_log").is_dir():
                shutil.rmtree(staged)
                raise Conflict("another process made the table at the same time", where=str(self.path)) from error
            raise
        self._take_up()

    def _compact(self, *, below: int) -> None:
        self.refresh()
        groups = together(self._files(), below=below)
        with self._clearly("compacted"):
            found = exchange(self.path, groups, schema=self.schema(), staging=self._staging)
        if found:
            self._exchange(found)

    def _files(self) -> pl.DataFrame:
        """`path` and `size_bytes` of the files that hold the rows, in the order of these."""
        actions = pl.DataFrame(self._open().get_add_actions(flatten=True))
        if actions.is_empty():
            return pl.DataFrame(schema={"path": pl.String, "size_bytes": pl.Int64})
        return actions.sort(f"min.{SEQUENCE}", nulls_last=True).select("path", "size_bytes")

    def _exchange(self, actions: Exchange, transactions: Sequence[deltalake.Transaction] = ()) -> None:
        """Commit that files come and go; without any, it is the fence alone that is committed."""
        handle, properties = self._open(), self._once(list(transactions))
        with self._clearly("written"):
            crashpoint("lake.exchange.before")
            with self._log_as_it_is():
                handle.create_write_transaction(
                    actions,
                    "append",
                    handle.schema(),
                    [],
                    commit_properties=properties,
                    post_commithook_properties=_HOOKS,
                )
            crashpoint("lake.exchange.after")
            handle.update_incremental()

    @contextmanager
    def _log_as_it_is(self) -> Iterator[None]:
        """Around a commit: the log is not shortened meanwhile, and still has the version that was read.

        That a commit is refused whose version is taken rests on the entry that took it. The oldest entries go first: so
        where the one that was read stands, those after it do, too. Raises Conflict where it does not.
        """
        with (self.path / "_log").open("wb") as lock:
            deadline = time.monotonic() + _PATIENCE
            while not _locked(lock, fcntl.LOCK_SH):
                if time.monotonic() > deadline:
                    raise LakeError(
                        "another process has been shortening the table's log for too long",
                        where=str(self.path),
                        remedy="see whether a `windlass` process of this workspace is stopped (state T); kill it",
                    )
                time.sleep(_BLINK)
            if self._is_gone:
                raise self._too_late()
            yield

    @property
    def _is_newest(self) -> bool:
        """Whether nobody has committed since the table was read: there is no next entry of the log, asked before
        whether that of the version read is still there, since the oldest go first."""
        return self._handle is not None and not _entry(self.path, self.version + 1).exists() and not self._is_gone

    @property
    def _is_gone(self) -> bool:
        """Whether the log has been shortened beyond the version that was read."""
        return self._handle is not None and not _entry(self.path, self.version).exists()

    def _too_late(self) -> Conflict:
        return Conflict(
            "others have committed many times since the table was read", where=str(self.path), remedy="try again"
        )

    def _shorten_log(self) -> None:
        """Throw away the entries that a checkpoint on the disk stands for, but for the last ones. Left for the next
        time where somebody commits or copies the table."""
        log = self.path / "_delta_log"
        with (
            self._clearly("tidied"),
            (self.path / "_log").open("wb") as commits,
            (self.path / "_held").open("wb") as held,
        ):
            if not (_locked(commits, fcntl.LOCK_EX) and _locked(held, fcntl.LOCK_EX)):
                return
            checkpoints = [int(path.name[:20]) for path in log.glob("[0-9]*.checkpoint*.parquet")]
            first = max((each for each in checkpoints if each <= self._settled - _KEPT), default=0)
            for path in sorted(log.glob("[0-9]*")):
                if int(path.name[:20]) < first:
                    path.unlink(missing_ok=True)

    def _configure(self, handle: deltalake.DeltaTable) -> None:
        properties = self._once([])
        with self._clearly("written"), self._log_as_it_is():
            handle.alter.set_table_properties(
                CONFIGURATION, commit_properties=properties, post_commithook_properties=_HOOKS
            )

    def _once(self, transactions: list[deltalake.Transaction]) -> deltalake.CommitProperties:
        """The properties of a commit that is tried at the version that was read, under the fence if it still counts."""
        token = self._staging.token
        claimed = self.transaction(FENCE)
        if claimed is not None and claimed > token:
            raise LeaseLost(
                f"another process has taken the lease over (its token {claimed}, ours {token})",
                where=str(self.path),
                remedy="nothing was written: stop acting, and acquire the lease anew",
            )
        fenced = [*transactions, deltalake.Transaction(FENCE, token)]
        return deltalake.CommitProperties(max_commit_retries=0, app_transactions=fenced)

    def _take_up(self) -> None:
        self._handle = _Opened(str(self.path))
        version = self._handle.version()
        self._next, self._schema, self._tidied = (-1, 0), (-1, {}), version
        # Whoever wrote before may have been killed between its last commits and their sync.
        self._settled = max(-1, version - _UNSETTLED)

    def _sync(self, version: int) -> None:
        log = self.path / "_delta_log"
        commit = _entry(self.path, version)
        if commit.exists():  # an old one may have been pruned
            for line in commit.read_bytes().splitlines():
                added = json.loads(line).get("add")
                # One that was replaced meanwhile may have been deleted since.
                if added is not None and (file := self.path / unquote(added["path"])).exists():
                    sync_file(file)
            sync_file(commit)
        for checkpoint in log.glob(f"{version:020d}.checkpoint*"):
            sync_file(checkpoint)
            sync_file(log / "_last_checkpoint")
        if version == 0:
            for folder in self.path.parents[:3]:
                sync_file(folder)

    @contextmanager
    def _clearly(self, done: str) -> Iterator[None]:
        """Delta's and polars' own errors as ours."""
        try:
            yield
        except CommitFailedError as error:
            raise Conflict(
                f"another process committed at the same time: {error}",
                where=str(self.path),
                remedy="let only the holder of the lease write to this table",
            ) from error
        except (DeltaError, pl.exceptions.PolarsError, OSError) as error:
            if self._is_gone:
                raise self._too_late() from error
            raise LakeError(
                f"the table cannot be {done}: {error}",
                where=str(self.path),
                remedy="see that the folder is complete, readable and writable and that its disk has space",
            ) from error


def _entry(table: Path, version: int) -> Path:
    """What a commit has written into the table's log."""
    return table / "_delta_log" / f"{version:020d}.json"


def _locked(file: IO[bytes], how: int) -> bool:
    """Whether a file could be locked until it is closed."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
