"""Alembic's entry: runs the revisions inside the transaction that `upgrade.py` has already begun."""

from __future__ import annotations

from alembic import context

from windlass.ledger.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
