"""What keeps a table small: small files put together, and files that no row lies in any more deleted."""

from __future__ import annotations

import msgspec

from windlass.lake.table import Conflict, Held, Table


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to one table, or would be."""

    merged: int = 0
    """How many files fewer hold its rows."""
    files: int = 0
    """Files that were deleted."""
    bytes: int = 0
    remark: str = ""
    """Why it was not done: a whole sentence."""


def sweep(table: Table, *, hours: int) -> Swept:
    """Put small files together, then delete what has been of no use for `hours` real hours.

    A reader may be at work on files that were replaced meanwhile; none is for as long as that. Raises LeaseLost as
    `Table` does.
    """
    try:
        merged = table.compact()
    except Conflict:
        return Swept(remark=f"{table.path.name}: somebody wrote to it meanwhile, so it waits for the next time")
    try:
        files, size = table.vacuum(hours=hours)
    except Held as error:
        return Swept(merged=merged, remark=error.fault)
    return Swept(merged=merged, files=files, bytes=size)


def sweepable(table: Table, *, hours: int) -> Swept:
    """What `sweep` would delete at once; what it replaces goes the next time."""
    unused = table.unused(hours=hours)
    return Swept(merged=table.compactable(), files=len(unused), bytes=sum(path.stat().st_size for path in unused))
