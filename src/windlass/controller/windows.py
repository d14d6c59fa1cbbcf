"""Between what is watched in memory and the windows that are kept in the lake."""

from __future__ import annotations

import msgspec
import polars as pl

from windlass.controller.eyes import Eyes, JudgedWindow
from windlass.lake.windows import Windows
from windlass.monitoring.drifting import WindowCounts


def keep_windows(table: Windows, eyes: Eyes) -> None:
    """Bring what was judged into the lake. What a crash leaves out is judged again from the answers, and the same."""
    rows = [
        {
            "version": eyes.version,
            "through": each.through,
            "upto": each.upto,
            "at": each.at,
            "rows": each.window.rows,
            "counts": msgspec.json.encode(each.window.counts).decode(),
        }
        for each in eyes.judged
    ]
    if rows:
        table.append(pl.DataFrame(rows))
        eyes.judged.clear()


def kept_windows(table: Windows, version: str) -> list[JudgedWindow]:
    """The windows of a version that were judged before, in their order."""
    return [
        JudgedWindow(
            through=row["through"],
            upto=row["upto"],
            at=row["at"],
            window=WindowCounts(
                rows=row["rows"], counts=msgspec.json.decode(row["counts"], type=tuple[tuple[int, ...] | None, ...])
            ),
        )
        for row in table.of(version).iter_rows(named=True)
    ]
