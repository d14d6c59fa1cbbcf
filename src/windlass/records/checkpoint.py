"""A signature under the ledger's past."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the key says: the event `sequence` has this hash, and so all events before it stand as they are."""

    number: int
    """1, 2, 3, ... so that a checkpoint that was removed shows."""
    sequence: int
    """The last event that it covers."""
    hash: str
    """Of that event."""
    at: datetime
    """When it was signed, under the signer's clock."""
    key: str
    """The first 32 hexadecimal digits of the sha256 of the public key."""
    signature: str
    """Ed25519 over `windlass.ledger.checkpoints.content`, 128 hexadecimal digits."""
