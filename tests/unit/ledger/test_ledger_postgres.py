"""What is particular to a ledger on a server: its schema, its sessions, its errors."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import make_url

from windlass.errors import LedgerCorrupt, LedgerError, MissingExtra
from windlass.ledger import heads
from windlass.ledger import postgres as dialect
from windlass.ledger.ledger import Ledger
from windlass.records.event import RunLogged

from ...postgres_server import PostgresServer  # type: ignore[import-not-found]

AT = datetime(2013, 3, 1, 12, tzinfo=UTC)
LOGGED = RunLogged(run="run-1")


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return str(postgres.new_url())


@pytest.fixture
def on_server(url: str) -> Iterator[Ledger]:
    with Ledger(url) as ledger:
        yield ledger


def ask(ledger: Ledger, question: str) -> Any:
    with ledger._database.writing() as connection:
        return connection.exec_driver_sql(question).scalar()


def test_two_workspaces_share_a_database(postgres: PostgresServer) -> None:
    with Ledger(postgres.new_url()) as ours, Ledger(postgres.new_url()) as theirs:
        (event,) = ours.append(LOGGED, at=AT, actor="ann")
        fence = ours.acquire("one", 60)

        assert theirs.head() == 0
        assert theirs.lease() is None
        assert theirs.acquire("two", 60) is not None
        theirs.append(RunLogged(run="run-2"), RunLogged(run="run-3"), at=AT, actor="bob")
        assert ours.events() == [event]
        assert ours.lease() is not None
        assert fence is not None
        assert (ours.verify().events, theirs.verify().events) == (1, 2)


def test_without_a_name_the_schema_is_windlass(postgres: PostgresServer) -> None:
    with Ledger(postgres.url("x").replace("&schema=x", "")) as ledger:
        assert ask(ledger, "SELECT current_schema()") == "windlass"
    postgres.execute("DROP SCHEMA windlass CASCADE")


def test_a_schema_that_an_administrator_made_is_enough(postgres: PostgresServer) -> None:
    postgres.execute("CREATE ROLE tenant LOGIN")
    url = postgres.url("granted", user="tenant")
    with pytest.raises(LedgerError, match=r"permission denied for database[\s\S]*CREATE SCHEMA name AUTHORIZATION"):
        Ledger(url)
    postgres.execute("CREATE SCHEMA granted AUTHORIZATION tenant")
    with Ledger(url) as ledger:
        assert ledger.append(LOGGED, at=AT, actor="ann")[0].sequence == 1


def test_readers_see_one_moment_and_writers_the_latest(on_server: Ledger) -> None:
    with on_server._database.reading() as connection:
        assert connection.exec_driver_sql("SHOW transaction_isolation").scalar() == "repeatable read"
        assert connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "on"
        assert connection.exec_driver_sql("SELECT count(*) FROM events").scalar() == 0
        on_server.append(LOGGED, at=AT, actor="ann")
        assert connection.exec_driver_sql("SELECT count(*) FROM events").scalar() == 0
    assert on_server.head() == 1


def test_a_session_cannot_hold_up_the_others_for_ever(on_server: Ledger) -> None:
    assert ask(on_server, "SHOW idle_in_transaction_session_timeout") == "10s"
    assert ask(on_server, "SHOW lock_timeout") == "1min"
    assert ask(on_server, "SHOW statement_timeout") == "2min"
    assert str(ask(on_server, "SHOW application_name")).startswith("windlass ")


def test_commits_wait_for_the_disk_even_where_the_server_would_not(on_server: Ledger) -> None:
    """The server of these tests is told not to."""
    assert ask(on_server, "SHOW synchronous_commit") == "on"


def test_a_stricter_durability_than_ours_is_left_alone(postgres: PostgresServer) -> None:
    postgres.execute("CREATE ROLE strict LOGIN SUPERUSER")
    postgres.execute("ALTER ROLE strict SET synchronous_commit = remote_apply")
    with Ledger(postgres.url("strict", user="strict")) as ledger:
        assert ask(ledger, "SHOW synchronous_commit") == "remote_apply"


def test_a_session_that_was_ended_between_two_uses_is_not_noticed(postgres: PostgresServer, on_server: Ledger) -> None:
    on_server.append(LOGGED, at=AT, actor="ann")
    postgres.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name LIKE 'windlass %'"
    )
    assert on_server.append(LOGGED, at=AT, actor="ann")[0].sequence == 2


def test_a_session_that_is_ended_in_a_transaction_is_told_and_writes_nothing(
    postgres: PostgresServer, on_server: Ledger
) -> None:
    def write() -> None:
        with on_server._database.writing() as connection:
            connection.exec_driver_sql("UPDATE head SET sequence = 7")
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            postgres.execute("SELECT pg_terminate_backend(%s, 10000)", pid)
            connection.exec_driver_sql("SELECT 1")

    with pytest.raises(LedgerError, match=r"connection to the ledger's server was lost: .*\(at postgresql://windlass@"):
        write()
    assert on_server.head() == 0
    assert on_server.append(LOGGED, at=AT, actor="ann")[0].sequence == 1


@pytest.mark.parametrize(
    "last", ["UPDATE head SET sequence = 7", None], ids=["before a statement", "before the commit"]
)
def test_a_transaction_that_stands_still_is_ended_and_the_others_go_on(
    url: str, monkeypatch: pytest.MonkeyPatch, last: str | None
) -> None:
    with Ledger(url) as other, monkeypatch.context() as patched:
        patched.setattr(dialect, "_IDLE", "1s")
        frozen = Ledger(url)

        def write() -> None:
            with frozen._database.writing() as connection:
                connection.exec_driver_sql("UPDATE head SET sequence = 5")
                assert other.append(LOGGED, at=AT, actor="ann")[0].sequence == 1
                if last is not None:
                    connection.exec_driver_sql(last)

        with pytest.raises(LedgerError, match=r"lost: terminating connection due to idle-in-transaction timeout"):
            write()
        assert frozen.append(LOGGED, at=AT, actor="ann")[0].sequence == 2
        frozen.close()


def test_a_lock_that_is_held_for_long_is_told(url: str, on_server: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialect, "_WAIT", "50ms")
    with Ledger(url) as other, on_server._database.writing() as connection:
        heads.read(connection, where="", lock=True)
        assert other.head() == 0  # readers do not wait
        with pytest.raises(LedgerError, match=r"lock timeout[\s\S]*pg_stat_activity"):
            other.append(LOGGED, at=AT, actor="ann")


def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    with pytest.raises(LedgerError) as raised:
        Ledger("postgresql://ann:secret@127.0.0.1:1/ledgers?schema=team_a&password=secret2")
    said = f"{raised.value} {raised.value.__cause__}"
    assert "cannot be used: " in said
    assert "Connection refused" in said
    assert "(at postgresql://ann@127.0.0.1:1/ledgers?schema=team_a)" in said
    assert "setting `ledger`" in said
    assert "secret" not in said


def test_a_database_that_is_not_there_is_named(postgres: PostgresServer) -> None:
    with pytest.raises(LedgerError, match='database "nowhere" does not exist'):
        Ledger(postgres.url("x").replace("/postgres?", "/nowhere?"))


def test_a_database_that_cannot_hold_every_text_is_refused(postgres: PostgresServer) -> None:
    postgres.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(LedgerError, match=r"keeps text as LATIN1[\s\S]*ENCODING 'UTF8'"):
        Ledger(postgres.url("x").replace("/postgres?", "/latin?"))


def test_a_server_that_is_too_old_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialect, "_OLDEST", 99)
    with pytest.raises(LedgerError, match=r"PostgreSQL 1\d; a ledger needs 99 or later[\s\S]*upgrade the server"):
        Ledger(url)


def test_a_server_that_stops_is_an_error_until_it_is_back() -> None:
    with PostgresServer() as server, Ledger(server.new_url()) as ledger:
        ledger.append(LOGGED, at=AT, actor="ann")
        server.kill()
        with pytest.raises(LedgerError, match="server cannot be used"):
            ledger.append(LOGGED, at=AT, actor="ann")
        server.start()
        assert ledger.append(LOGGED, at=AT, actor="ann")[0].sequence == 2

        server.stop()
        server.start(standby=True)
        assert ledger.verify().events == 2
        with pytest.raises(LedgerError, match=r"during recovery[\s\S]*standby"):
            ledger.append(LOGGED, at=AT, actor="ann")


def test_a_lost_table_is_told(postgres: PostgresServer, on_server: Ledger, url: str) -> None:
    postgres.execute(f"DROP TABLE {make_url(url).query['schema']}.events")
    with pytest.raises(LedgerError, match=r'"events" does not exist[\s\S]*no whole ledger'):
        on_server.events()


def test_damage_is_called_damage(on_server: Ledger) -> None:
    with (
        pytest.raises(LedgerCorrupt, match="damaged: invalid page"),
        on_server._database.writing() as connection,
    ):
        connection.exec_driver_sql(
            "DO $$ BEGIN RAISE EXCEPTION 'invalid page in block 0' USING ERRCODE = 'XX001'; END $$"
        )


def test_without_the_driver_the_extra_is_named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match=r"'psycopg'[\s\S]*pip install 'windlass\[postgres\]'"):
        Ledger(url)
