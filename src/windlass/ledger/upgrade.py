"""Brings an older ledger's schema to this release's; only this file imports alembic, and only when there is work."""

from __future__ import annotations

import threading

from sqlalchemy import Connection, inspect, text

from windlass.errors import LedgerError
from windlass.ledger.schema import REVISIONS, VERSION_TABLE

_ALEMBIC = threading.Lock()
"""Alembic keeps the migration under way in module globals."""


def revision_of(connection: Connection, *, where: str) -> str | None:
    """The schema's revision; None for an empty database.

    Raises LedgerError for a database that is not a ledger, or that a newer release has written.
    """
    names = inspect(connection).get_table_names()
    if VERSION_TABLE not in names:
        if not names:
            return None
        raise LedgerError(
            f"this database holds something else than a ledger: {', '.join(sorted(names)[:5])}",
            where=where,
            remedy="check the setting `ledger`; a ledger needs a database of its own",
        )
    found: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 (a constant)
    if found is not None and found not in REVISIONS:
        raise LedgerError(
            f"a newer release wrote this ledger: its schema is {found}, this release knows up to {REVISIONS[-1]}",
            where=where,
            remedy="pip install --upgrade windlass",
        )
    return found


def upgrade(connection: Connection) -> None:
    """Run what is missing, inside the transaction of `connection`: another process sees all of it or nothing."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "windlass.ledger:migrations")
    config.attributes["connection"] = connection
    with _ALEMBIC:
        command.upgrade(config, REVISIONS[-1])
