"""What is recorded of data: which rows, never the rows themselves."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Ingested(msgspec.Struct, frozen=True, kw_only=True):
    """What one `extract` brought into the lake."""

    source: str
    rows_seen: int
    """Rows that `extract` returned."""
    rows_new: int
    """Rows that were not in the lake already."""
    rows_equal: int = 0
    """Rows that another row of the same frame equals in every column: of these one is kept."""
    rows_superseded: int = 0
    """Rows whose key came with a later, differing row in the same frame, which counts in their place."""
    keys_superseded: int = 0
    """Keys that came with several differing rows in one frame."""
    first_superseded: tuple[int, int] | None = None
    """An example: a superseded row and the one that counts, by their numbers in the frame. The key itself would be
    personal data, which the ledger does not hold; the step's log names it."""
    watermark: datetime | None
    """The latest event time seen so far: the next `since`."""
    sequence: int
    """The highest ingest sequence of the table after this extract."""


class PinnedPart(msgspec.Struct, frozen=True, kw_only=True):
    """One frame of a pinned training set, so that a broken pin can say which part broke and how."""

    rows: int
    columns: tuple[tuple[str, str], ...]
    """Each column and its dtype in the lake's own words; a column that came later does not belong to the set. Pairs,
    since the digest follows their order, and canonical JSON would sort the names of an object."""
    digest: str


class DataPin(msgspec.Struct, frozen=True, kw_only=True):
    """Enough to read a training set again, bit for bit, whatever is appended or compacted later."""

    product: str
    upto: dict[str, int]
    """Table (`examples/<source>`, `predictions`, `outcomes`) -> the highest ingest sequence that belongs to the set."""
    as_of: datetime
    """Outcomes observed after this moment do not belong to the set."""
    start: datetime | None
    """Rows with an earlier event time do not belong to the set; None means from the beginning."""
    time: str | None
    """The column of the event time in the examples."""
    key: str | None
    """The column that identifies an example; of rows with the same key the last ingested counts."""
    within: float
    """Seconds an outcome may take (`Outcome.within`)."""
    absent: bool | int | float | str | None
    """The label of a served row whose outcome did not come in time; None leaves such rows out."""
    rows: int
    digest: str
    """sha256 over the content in its pinned order; checked whenever the set is read again."""
    parts: dict[str, PinnedPart] = {}
    """`examples/<source>`, `served` and `waiting` -> what that frame looked like; `digest` is taken over the digests of
    all but the last, which holds the answers without a label."""
