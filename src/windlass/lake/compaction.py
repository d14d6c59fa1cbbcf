"""Files of a table exchanged for others: small ones put together, or the same without rows that go.

The commit that does so counts only on the very state that it was made from.

Delta's own `optimize` cannot be fenced (deltalake 1.6.6): it leaves out the transactions that it is given, and commits
beside whatever was committed meanwhile. So two compactions of the same files both succeed, and every row in them is
there twice. Here the rows are written to new files, and old and new are exchanged by a commit like any other.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

import deltalake
import polars as pl
from deltalake.transaction import AddAction, RemoveAction

from windlass.lake.layout import CONFIGURATION, SEQUENCE, WRITER
from windlass.staging import Staging

Exchange = list[AddAction | RemoveAction]
GROUP = "compaction"
"""The folder in the lake's staging where new files are written."""


Group = list[tuple[str, int]]
"""Path and bytes of files that become one."""


def exchange(root: Path, groups: Sequence[Group], *, schema: Mapping[str, pl.DataType], staging: Staging) -> Exchange:
    """What a commit has to say so that each group of files becomes one; nothing if there is none.

    `schema` are the table's columns. The new files lie in the table's folder by then, and count with the commit.
    """
    actions: Exchange = []
    for group in groups:
        rows = _read(root, [path for path, _ in group], schema).collect()
        actions += [*_written(root, rows, staging=staging, changed=False), *_removed(group, changed=False)]
    return actions


def without(
    root: Path, files: pl.DataFrame, dropped: pl.Expr, *, schema: Mapping[str, pl.DataType], staging: Staging
) -> tuple[Exchange, int]:
    """What a commit has to say so that the rows `dropped` are gone, and how many these are.

    `files` are the table's `path` and `size_bytes`. Files that hold none of the rows stay as they are.
    """
    actions: Exchange = []
    gone = 0
    for path, size in files.iter_rows():
        rows = _read(root, [path], schema)
        found = int(rows.filter(dropped).select(pl.len()).collect().item())
        if found:
            left = rows.filter(~dropped).collect()
            actions += _written(root, left, staging=staging, changed=True) if left.height else []
            actions += _removed([(path, size)], changed=True)
            gone += found
    return actions, gone


def together(files: pl.DataFrame, *, below: int) -> list[Group]:
    """Two or more files smaller than `below` bytes each, that come to about so much together.

    `files` are a table's `path` and `size_bytes` in the order of their rows.
    """
    groups: list[Group] = [[]]
    filled = 0
    for path, size in files.filter(pl.col("size_bytes") < below).select("path", "size_bytes").iter_rows():
        if filled + size > below:
            groups.append([])
            filled = 0
        groups[-1].append((path, size))
        filled += size
    return [group for group in groups if len(group) > 1]


def _read(root: Path, paths: list[str], schema: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """The rows of these files; a column that came later is missing in the files before."""
    return pl.scan_parquet(
        [root / unquote(path) for path in paths], schema=schema, missing_columns="insert", glob=False
    )


def _removed(group: Group, *, changed: bool) -> Exchange:
    now = time.time_ns() // 1_000_000
    return [
        RemoveAction(path, data_change=changed, deletion_timestamp=now, size=size, partition_values={})
        for path, size in group
    ]


def _written(root: Path, rows: pl.DataFrame, *, staging: Staging, changed: bool) -> Exchange:
    """The rows in new files. A table of their own is written, so that they are as all others are."""
    written = staging.foreign()
    deltalake.write_deltalake(str(written), rows.sort(SEQUENCE), configuration=CONFIGURATION, writer_properties=WRITER)
    scratch = staging.adopt(written, GROUP)
    (commit,) = (scratch / "_delta_log").glob("*.json")
    added = [found for line in commit.read_bytes().splitlines() if (found := json.loads(line).get("add")) is not None]
    for file in added:
        staging.put(scratch / file["path"], root / file["path"])
    shutil.rmtree(scratch)
    return [
        AddAction(
            path=file["path"],
            size=file["size"],
            partition_values={},
            modification_time=file["modificationTime"],
            data_change=changed,
            stats=file["stats"],
        )
        for file in added
    ]
