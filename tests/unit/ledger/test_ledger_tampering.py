"""Whatever is done to the tables behind the ledger's back, `verify` names it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from windlass.errors import LedgerCorrupt
from windlass.ledger.chain import row_hash
from windlass.ledger.ledger import Ledger
from windlass.records.event import RunLogged

from .conftest import Backdoor  # type: ignore[import-not-found]

AT = datetime(2013, 3, 1, 12, tzinfo=UTC)
COLUMNS = "sequence, at, kind, product, subject, run, actor, body, previous, hash"


@pytest.fixture
def ten(stored: Ledger) -> Ledger:
    """A ledger of ten events that differ."""
    for number in range(1, 11):
        stored.append(
            RunLogged(run=f"run-{number}", metrics={"auc": number / 10}), at=AT, actor="ann", product="flights"
        )
    assert stored.verify().ok
    return stored


@pytest.mark.parametrize(
    ("script", "problems"),
    [
        pytest.param(
            "UPDATE events SET body = replace(body, '0.5', '0.9') WHERE sequence = 5",
            ["event 5 was changed: its content does not match its hash"],
            id="changed body",
        ),
        *(
            pytest.param(
                f"UPDATE events SET {column} = {value} WHERE sequence = 5",
                ["event 5 was changed: its content does not match its hash"],
                id=f"changed {column}",
            )
            for column, value in {
                "at": "'2013-03-01T12:00:00.000001Z'",
                "kind": "'run.failed'",
                "product": "NULL",
                "subject": "'run-6'",
                "run": "'run-6'",
                "actor": "'eve'",
                "body": "body || ' '",
            }.items()
        ),
        pytest.param(
            "UPDATE events SET hash = previous WHERE sequence = 5",
            ["event 5 was changed: its content does not match its hash", "event 6 does not follow event 5"],
            id="changed hash",
        ),
        pytest.param(
            "UPDATE events SET previous = hash WHERE sequence = 5",
            ["event 5 stands where another was written"],
            id="changed link",
        ),
        pytest.param("DELETE FROM events WHERE sequence = 1", ["event 1 is missing"], id="dropped first"),
        pytest.param("DELETE FROM events WHERE sequence = 5", ["event 5 is missing"], id="dropped one"),
        pytest.param(
            "DELETE FROM events WHERE sequence BETWEEN 4 AND 6", ["events 4 to 6 are missing"], id="dropped several"
        ),
        pytest.param(
            "DELETE FROM events WHERE sequence > 8",
            ["events 9 to 10 are missing at the end: the head says that there are 10"],
            id="cut tail",
        ),
        pytest.param(
            "DELETE FROM events WHERE sequence > 8; UPDATE head SET sequence = 8",
            ["event 8 is not the one that the head names"],
            id="cut tail and head",
        ),
        pytest.param(
            "DELETE FROM events",
            ["events 1 to 10 are missing at the end: the head says that there are 10"],
            id="emptied",
        ),
        pytest.param(
            "UPDATE events SET sequence = -5 WHERE sequence = 5;"
            "UPDATE events SET sequence = 5 WHERE sequence = 6; UPDATE events SET sequence = 6 WHERE sequence = -5",
            [
                "event 5 stands where another was written: events were reordered or replaced",
                "event 6 stands where another was written: events were reordered or replaced",
                "event 7 does not follow event 6",
            ],
            id="reordered",
        ),
        pytest.param(
            f"INSERT INTO events SELECT 11, {COLUMNS.partition(', ')[2]} FROM events WHERE sequence = 10",
            ["event 11 was inserted: the head says that the ledger ends at event 10"],
            id="inserted at the end",
        ),
        pytest.param(
            f"INSERT INTO events SELECT 0, {COLUMNS.partition(', ')[2]} FROM events WHERE sequence = 1",
            ["event 0 was inserted before the first", "event 0 was changed", "event 1 does not follow the beginning"],
            id="inserted at the beginning",
        ),
        pytest.param(
            "UPDATE events SET sequence = -sequence - 1 WHERE sequence > 5;"
            "UPDATE events SET sequence = -sequence WHERE sequence < 0;"
            f"INSERT INTO events SELECT 6, {COLUMNS.partition(', ')[2]} FROM events WHERE sequence = 5",
            [
                "event 6 stands where another was written: events were reordered or replaced",
                "event 7 was changed: its content does not match its hash",
                "event 8 was changed: its content does not match its hash",
                "event 9 was changed: its content does not match its hash",
                "event 10 was changed: its content does not match its hash",
                "event 10 is not the one that the head names",
                "event 11 was inserted: the head says that the ledger ends at event 10",
            ],
            id="inserted in the middle",
        ),
        pytest.param(
            "UPDATE head SET hash = (SELECT hash FROM events WHERE sequence = 9)",
            ["event 10 is not the one that the head names"],
            id="changed head",
        ),
    ],
)
def test_tampering_is_named(ten: Ledger, backdoor: Backdoor, script: str, problems: list[str]) -> None:
    backdoor.run(script)

    found = ten.verify()

    assert not found.ok
    assert len(found.problems) == len(problems), found.problems
    assert all(said.startswith(expected) for said, expected in zip(found.problems, problems, strict=True)), (
        found.problems
    )


def test_an_event_forged_with_a_fitting_hash_breaks_the_link_after_it(ten: Ledger, backdoor: Backdoor) -> None:
    (row,) = backdoor.rows(f"SELECT {COLUMNS} FROM events WHERE sequence = 5")
    content = (*row[:7], row[7].replace("0.5", "0.9"))
    forged = row_hash(row[8], content)
    backdoor.run("UPDATE events SET body = :body, hash = :hash WHERE sequence = 5", body=content[7], hash=forged)

    assert ten.verify().problems == ("event 6 does not follow event 5 as that reads now: one of them was replaced",)


def test_a_lost_head_is_named(ten: Ledger, backdoor: Backdoor) -> None:
    backdoor.run("DELETE FROM head")

    with pytest.raises(LedgerCorrupt, match="no head"):
        ten.verify()
    with pytest.raises(LedgerCorrupt, match="no head"):
        ten.append(RunLogged(run="run-1"), at=AT, actor="ann")


def test_only_the_first_problems_are_spelled_out(stored: Ledger, backdoor: Backdoor) -> None:
    stored.append(*(RunLogged(run=f"run-{number}") for number in range(80)), at=AT, actor="ann")
    backdoor.run("UPDATE events SET actor = 'eve'")

    problems = stored.verify().problems

    assert len(problems) == 51
    assert problems[-1] == "and 30 problems more"


def test_a_body_that_cannot_be_read_says_where(ten: Ledger, backdoor: Backdoor) -> None:
    backdoor.run("UPDATE events SET body = '{' WHERE sequence = 3")

    with pytest.raises(LedgerCorrupt, match=r"event 3 \(run\.logged\) cannot be read"):
        ten.events()


def test_a_text_that_is_no_text_is_damage(on_file: Ledger, file: Path) -> None:
    """Only SQLite lets such a text in."""
    on_file.append(RunLogged(run="run-1"), at=AT, actor="ann")
    back = Backdoor(f"sqlite:///{file}")
    back.run("UPDATE events SET body = CAST(body AS BLOB)")
    assert on_file.verify().problems == ("event 1 was changed: its content does not match its hash",)
    back.run("UPDATE events SET body = CAST(x'ff' AS TEXT)")

    with pytest.raises(LedgerCorrupt, match="damaged"):
        on_file.verify()
