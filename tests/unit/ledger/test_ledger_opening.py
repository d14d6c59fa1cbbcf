"""Opening: new, older, newer, foreign and half-made ledgers, on both databases."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from windlass.errors import LedgerError
from windlass.ledger.chain import Row, row_hash
from windlass.ledger.ledger import Ledger
from windlass.ledger.schema import REVISIONS, metadata
from windlass.ledger.upgrade import upgrade
from windlass.records.event import ProductPaused, RunLogged, RunStarted

from .conftest import Backdoor  # type: ignore[import-not-found]

AT = datetime(2013, 3, 1, 12, tzinfo=UTC)
LOGGED = RunLogged(run="run-1")


def test_what_was_written_is_there_when_opened_again(ledger_url: str) -> None:
    with Ledger(ledger_url) as ledger:
        written = ledger.append(LOGGED, at=AT, actor="ann")
        fence = ledger.acquire("one", 60)
    with Ledger(ledger_url, create=False) as ledger:
        assert ledger.events() == list(written)
        assert ledger.acquire("two", 60) is None
        ledger.append(ProductPaused(reason="holiday"), at=AT, actor="one", product="flights", fence=fence)


def test_the_migrations_make_the_tables_that_are_used(stored: Ledger) -> None:
    with stored._database.reading() as connection:
        opts = {"version_table": "ledger_schema", "include_object": lambda _, __, kind, *___: kind != "index"}
        assert compare_metadata(MigrationContext.configure(connection, opts=opts), metadata) == []
        for table in metadata.sorted_tables:
            last = ["sequence"] if connection.dialect.name == "postgresql" and table.name == "events" else []
            found = {index["name"]: index["column_names"] for index in inspect(connection).get_indexes(table.name)}
            assert found == {index.name: [*index.columns.keys(), *last] for index in table.indexes}


def test_every_revision_is_named_in_order() -> None:
    config = Config()
    config.set_main_option("script_location", "windlass.ledger:migrations")
    packaged = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(packaged)) == REVISIONS


def test_an_up_to_date_ledger_opens_without_alembic(stored: Ledger, ledger_url: str) -> None:
    stored.append(LOGGED, at=AT, actor="ann")
    script = (
        "import sys\nfrom windlass.ledger.ledger import Ledger\n"
        f"print(Ledger('{ledger_url}', create=False).head(), 'alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "False"]


def test_a_ledger_of_a_newer_release_is_refused(stored: Ledger, ledger_url: str, backdoor: Backdoor) -> None:
    stored.close()
    backdoor.run("UPDATE ledger_schema SET version_num = '9999'")

    with pytest.raises(LedgerError, match=r"newer release.*9999[\s\S]*pip install --upgrade windlass"):
        Ledger(ledger_url)


def write_raw(backdoor: Backdoor, *, kind: str, body: str) -> None:
    """An event as another release would write it: hashed and chained as it should be."""
    content = (1, "2013-03-01T12:00:00.000000Z", kind, None, None, None, "ann", body)
    row = Row(*content, "0" * 64, row_hash("0" * 64, content))
    columns = ", ".join(f":{name}" for name in row._fields)
    backdoor.run(f"INSERT INTO events VALUES ({columns})", **row._asdict())
    backdoor.run("UPDATE head SET sequence = 1, hash = :hash", hash=row.hash)


def test_a_field_of_a_newer_release_is_passed_over(stored: Ledger, backdoor: Backdoor) -> None:
    write_raw(backdoor, kind="run.logged", body='{"kind":"run.logged","run":"run-1","mood":{"good":true}}')

    (event,) = stored.events()

    assert event.body == LOGGED
    assert stored.verify().ok


def test_a_kind_of_a_newer_release_stops_the_reader(stored: Ledger, backdoor: Backdoor) -> None:
    write_raw(backdoor, kind="moon.landed", body='{"kind":"moon.landed"}')

    with pytest.raises(LedgerError, match=r"does not know: 'moon\.landed'[\s\S]*pip install --upgrade"):
        stored.events()
    assert stored.events(kinds=(RunStarted,)) == []
    assert stored.verify().ok


def test_a_ledger_that_is_not_there_can_be_left_so(ledger_url: str) -> None:
    for _ in range(2):  # the second time would find what the first had left
        with pytest.raises(LedgerError, match=r"there is no ledger here[\s\S]*windlass up"):
            Ledger(ledger_url, create=False)


def test_another_database_is_refused_and_left_alone(ledger_url: str, backdoor: Backdoor) -> None:
    if ledger_url.startswith("postgresql"):
        backdoor.run(f"CREATE SCHEMA {ledger_url.rpartition('=')[2]}")
    backdoor.run("CREATE TABLE recipes (name TEXT)")

    with pytest.raises(LedgerError, match="something else than a ledger: recipes"):
        Ledger(ledger_url)
    backdoor.run("DROP TABLE recipes")
    with pytest.raises(LedgerError, match="there is no ledger here"):
        Ledger(ledger_url, create=False)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ledger.db", "not a database URL"),
        ("", "not a database URL"),
        ("mysql://host/x", "no ledger in mysql"),
        ("postgres://host/x", r"no ledger in postgres[\s\S]*write .*postgresql://"),
        ("postgresql://host:port/x", "not a database URL"),
        ("postgresql://host/x?schema=Team A", r"'Team A' cannot be the schema"),
        ("postgresql://host/x?schema=pg_catalog", r"'pg_catalog' cannot be the schema"),
        ("postgresql://host/x?schema=a&schema=b", "cannot be the schema"),
    ],
)
def test_a_url_that_cannot_work_is_explained(url: str, said: str) -> None:
    with pytest.raises(LedgerError, match=said):
        Ledger(url)


@pytest.mark.parametrize("url", ["postgresql:/ann:secret@host/x", "mysql://ann:secret@host/x", "p:ann:secret@host"])
def test_a_wrong_url_is_told_without_its_password(url: str) -> None:
    with pytest.raises(LedgerError) as raised:
        Ledger(url)
    assert "secret" not in f"{raised.value}{raised.value.__cause__}"


def test_a_migration_that_breaks_off_leaves_nothing_behind(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_off(connection: Connection) -> None:
        upgrade(connection)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("windlass.ledger.database.upgrade", break_off)
        with pytest.raises(KeyboardInterrupt):
            Ledger(ledger_url)
    with pytest.raises(LedgerError, match="there is no ledger here"):
        Ledger(ledger_url, create=False)
    with Ledger(ledger_url) as ledger:
        assert ledger.verify().ok
