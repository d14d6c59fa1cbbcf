"""A person's rows that are to be erased, while that is under way."""

from __future__ import annotations

import msgspec

from windlass.records.data import DataPin


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """What the holder of the lease works from; it lies in a file of its own, since the ledger must not hold the key.

    The file goes when the request is done, refused or taken back. Until then whoever holds the lease takes it up.
    """

    command: str
    product: str
    key: str
    segments: tuple[str, ...] | None = None
    """Files that may hold its rows and are not in the lake yet, below the workspace; None: nobody has looked yet."""
    repinned: dict[str, DataPin] | None = None
    """Version -> its training set without the rows; fixed before the first row goes. None: no row has gone yet."""
    broken: tuple[str, ...] = ()
    """Versions whose training set had not read as pinned before, and which are left as they are."""
