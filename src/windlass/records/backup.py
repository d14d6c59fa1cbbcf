"""The table of contents of a backup."""

from __future__ import annotations

from datetime import datetime

import msgspec

FORMAT = 1
MANIFEST = "backup.json"
LEDGER = "ledger.db"


class BackupFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file, by its path below the backup's folder."""

    path: str
    bytes: int
    sha256: str


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """`backup.json`: written last, so that a folder without it is no backup."""

    format: int = FORMAT
    windlass: str
    """The release that wrote it."""
    made_at: datetime
    sequence: int
    """The last event in it."""
    head: str
    """The hash of that event."""
    files: tuple[BackupFile, ...]
    """Every file but this one, the ledger's first."""
    missing: tuple[str, ...] = ()
    """Versions that the ledger names and whose bundle was gone already, as `product version`."""

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)
