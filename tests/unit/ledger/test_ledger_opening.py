"""Opening: new, older, newer, foreign and half-made ledgers, on both databases."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from windlass.errors import LedgerError
from windlass.ledger.chain import Row, row_hash
from windlass.ledger.ledger import Ledger
from windlass.ledger.schema import REVISIONS, make
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


def test_a_new_ledger_is_what_the_migrations_would_have_made(
    new_ledger_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def contents(url: str) -> list[Any]:
        with Ledger(url) as ledger, ledger._database.reading() as connection:
            there = inspect(connection)
            names = sorted(there.get_table_names())
            looks: list[Callable[[str], Any]] = [
                there.get_columns, there.get_pk_constraint, there.get_check_constraints, there.get_indexes,
            ]  # fmt: skip
            rows = [connection.execute(text(f"SELECT * FROM {name}")).all() for name in names]
            return [names, rows, *(sorted(map(str, look(name))) for look in looks for name in names)]

    new = contents(new_ledger_url())
    monkeypatch.setattr("windlass.ledger.database.make", upgrade)
    assert contents(new_ledger_url()) == new
    assert "head_is_one_row" in str(new), "a constraint"
    assert "events_product_kind" in str(new), "an index"


def test_every_revision_is_named_in_order() -> None:
    config = Config()
    config.set_main_option("script_location", "windlass.ledger:migrations")
    packaged = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(packaged)) == REVISIONS


def test_a_new_ledger_and_one_that_is_up_to_date_open_without_alembic(ledger_url: str) -> None:
    script = (
        "import sys\nfrom windlass.ledger.ledger import Ledger\n"
        f"Ledger('{ledger_url}').close()\n"
        f"print(Ledger('{ledger_url}', create=False).head(), 'alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "False"]


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


@pytest.mark.parametrize("way", [make, upgrade])
def test_a_beginning_that_breaks_off_leaves_nothing_behind(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch, way: Callable[[Connection], None]
) -> None:
    def break_off(connection: Connection) -> None:
        way(connection)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("windlass.ledger.database.make", break_off)
        with pytest.raises(KeyboardInterrupt):
            Ledger(ledger_url)
    with pytest.raises(LedgerError, match="there is no ledger here"):
        Ledger(ledger_url, create=False)
    with Ledger(ledger_url) as ledger:
        assert ledger.verify().ok
