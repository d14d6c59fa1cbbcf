"""All that is particular to PostgreSQL: the workspace's schema, what a session may take, what its errors mean."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, select, true
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema

from windlass.errors import LedgerCorrupt, LedgerError, MissingExtra

READING: Mapping[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
"""A reader sees one moment, and is in nobody's way."""
GLANCING: Mapping[str, Any] = {"isolation_level": "AUTOCOMMIT"}
"""No transaction, and so half of the ways to the server and back."""
WRITING: Mapping[str, Any] = {"isolation_level": "READ COMMITTED"}
"""A writer that waited for the row of the head then sees what the one before it wrote, instead of failing over it."""

_OLDEST = 15
_DEFAULT_SCHEMA = "windlass"
_SCHEMA = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")
_NETWORK = {"connect_timeout": "10", "keepalives_idle": "10", "keepalives_interval": "5", "tcp_user_timeout": "30000"}
"""Seconds, the last in milliseconds: a server that vanishes without a word is noticed. The URL may say otherwise."""
_IDLE = "10s"
"""How long a transaction of ours may stand still. It takes about a millisecond, so one that stands belongs to a
process that is frozen or cut off: the server ends it, and whoever waits for its lock goes on."""
_WAIT = "60s"
_LONGEST = "120s"
"""For one statement. Reading all that counts for the state of a million events takes a second or two."""
_MIGRATION = {"idle_in_transaction_session_timeout": "60s", "lock_timeout": "600s", "statement_timeout": "0"}
"""A migration may have to rebuild an index over millions of rows, while others wait for it; and it loads its tool."""


def place(url: URL) -> str:
    """Server, database and schema for messages: never the password, wherever in the URL it stands."""
    shown = {name: url.query[name] for name in ("host", "port") if name in url.query} | {"schema": _schema_of(url)}
    return URL.create(
        "postgresql", username=url.username, host=url.host, port=url.port, database=url.database, query=shown
    ).render_as_string()


def open_engine(url: URL, *, create: bool) -> Engine:  # noqa: ARG001 (the schema is made together with the tables)
    """An engine whose sessions see the workspace's schema alone; raises MissingExtra without the driver."""
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise MissingExtra.named("psycopg", "postgres") from error
    schema, where = _schema_of(url), place(url)
    engine = create_engine(
        url.difference_update_query(["schema"])
        .set(drivername="postgresql+psycopg")
        .update_query_dict({name: value for name, value in _NETWORK.items() if name not in url.query}),
        connect_args={"application_name": f"windlass {os.getpid()}", "client_encoding": "utf8"},
        pool_pre_ping=True,  # a session that the server ended between two uses is replaced, and nobody notices
        use_native_hstore=False,
    )
    # First of all listeners: SQLAlchemy's own already ask the session questions.
    event.listen(engine, "connect", lambda session, _: _set_up(session, schema=schema, where=where), insert=True)
    return engine


def prepare(connection: Connection) -> None:
    """Keep every other process from making or changing the tables until this transaction ends, and make the schema."""
    for name, value in _MIGRATION.items():
        connection.execute(select(func.set_config(name, value, true())))
    schema = connection.execute(select(func.current_setting("search_path"))).scalar_one()
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"windlass ledger {schema}", 0))))
    # Asked first, since IF NOT EXISTS wants the right to make schemas even when there is nothing to make.
    if connection.execute(select(func.to_regnamespace(schema))).scalar() is None:
        connection.execute(CreateSchema(schema))


def time(connection: Connection) -> datetime:
    """The server's clock: one for all machines, whatever each of them takes the time to be."""
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return now.astimezone(UTC)


def explain(error: DBAPIError, *, where: str) -> LedgerError:
    """What the server's or the driver's error means for the reader."""
    state = getattr(error.orig, "sqlstate", None)
    said = str(error.orig).strip().partition("\n")[0]
    if error.connection_invalidated or (state or "").startswith(("08", "57P")):
        return LedgerError(
            f"the connection to the ledger's server was lost: {said}",
            where=where,
            remedy="check that the server runs; the next use connects anew. A write that this met is in the ledger "
            "whole or not at all: see `windlass events` before repeating it",
        )
    if state is None:
        return LedgerError(
            f"the ledger's server cannot be used: {said}",
            where=where,
            remedy="check that it runs, and the host, database, user and password in the setting `ledger`",
        )
    if state.startswith("XX"):
        return LedgerCorrupt(
            f"the ledger's database is damaged: {said}",
            where=where,
            remedy="see the server's log, put back a backup, and run `windlass ledger verify`",
        )
    no_writes = "this server only answers questions (a standby?): name the one that takes writes"
    remedies = {
        "55P03": "find who holds it and end it: SELECT pid, application_name, state FROM pg_stat_activity; "
        "SELECT pg_terminate_backend(pid)",
        "57014": "see what the server is busy with: SELECT * FROM pg_stat_activity",
        "42501": "let the schema's owner grant this user its rights, or make the schema: "
        "CREATE SCHEMA name AUTHORIZATION user",
        "42P01": "check the setting `ledger`; this schema holds no whole ledger",
        "25006": no_writes,
        "0A000": no_writes,
        "53100": "make room on the server's disk; nothing was written",
        "53300": "raise max_connections of the server, or end processes that hold connections",
    }
    return LedgerError(
        f"the ledger cannot be used: {said}", where=where, remedy=remedies.get(state, "run `windlass ledger verify`")
    )


def _schema_of(url: URL) -> str:
    schema = url.query.get("schema", _DEFAULT_SCHEMA)
    if not isinstance(schema, str) or not _SCHEMA.fullmatch(schema):
        raise LedgerError(
            f"{schema!r} cannot be the schema of a workspace",
            where="setting `ledger`",
            remedy="give one name of small letters, digits and underscores, such as ?schema=team_a",
        )
    return schema


def _set_up(session: Any, *, schema: str, where: str) -> None:
    """Refuse a server that cannot keep a ledger, and say what this session may take and what it sees."""
    version, encoding = session.info.server_version // 10_000, session.info.parameter_status("server_encoding")
    if version < _OLDEST:
        raise LedgerError(
            f"the server is PostgreSQL {version}; a ledger needs {_OLDEST} or later",
            where=where,
            remedy="upgrade the server, or name another in the setting `ledger`",
        )
    if encoding != "UTF8":
        raise LedgerError(
            f"the database keeps text as {encoding}, which cannot hold every text of a ledger",
            where=where,
            remedy="make a database with CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0",
        )
    settings = {
        "search_path": schema,
        "idle_in_transaction_session_timeout": _IDLE,
        "lock_timeout": _WAIT,
        "statement_timeout": _LONGEST,
    }
    with session.cursor() as cursor:
        for name, value in settings.items():
            cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
        # A commit that was answered survives a power cut, also where somebody has turned that off for all.
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting(%s) = 'off'",
            ("synchronous_commit",),
        )
    session.commit()
