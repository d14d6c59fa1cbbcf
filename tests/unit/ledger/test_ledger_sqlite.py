"""What is particular to a ledger in a file: its folder, its loss, its locks, its damage."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from windlass.clock import SimulatedClock
from windlass.errors import LedgerCorrupt, LedgerError
from windlass.ledger.ledger import Ledger
from windlass.ledger.lock_holder import LockHolder, find_lock_holder
from windlass.records.event import RunLogged

AT = datetime(2013, 3, 1, 12, tzinfo=UTC)
LOGGED = RunLogged(run="run-1")


def test_the_file_survives_a_power_cut(on_file: Ledger) -> None:
    with on_file._database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_the_folder_is_made(tmp_path: Path) -> None:
    with Ledger(f"sqlite:///{tmp_path}/deep/down/ledger.db") as ledger:
        assert ledger.head() == 0


def test_a_ledger_opened_by_a_relative_path_stays_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with Ledger("sqlite:///ledger.db") as ledger:
        monkeypatch.chdir(tmp_path / "elsewhere")
        with ledger._database.reading():  # keeps the first connection, so that the next needs another
            assert ledger.append(LOGGED, at=AT, actor="ann")[0].sequence == 1
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(LedgerError, match="folder of the ledger cannot be made"):
        Ledger(f"sqlite:///{tmp_path}/file/ledger.db")


@pytest.mark.parametrize("content", [b"x" * 5000, b"col_a,col_b\n1,2\n" * 400])
def test_a_file_that_is_no_database_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(LedgerError, match="not a ledger"):
        Ledger(f"sqlite:///{file}")
    assert file.read_bytes() == content


def test_a_folder_in_the_place_of_the_file_is_refused(file: Path) -> None:
    file.mkdir()
    with pytest.raises(LedgerError, match="unable to open"):
        Ledger(f"sqlite:///{file}")


def test_a_damaged_file_is_called_damaged(on_file: Ledger, file: Path) -> None:
    on_file.append(*(RunLogged(run=f"run-{number}") for number in range(500)), at=AT, actor="ann")
    on_file.close()
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(file.read_bytes())
    content[4096 * 3 :] = b"\xa5" * (len(content) - 4096 * 3)
    file.write_bytes(bytes(content))

    with pytest.raises(LedgerCorrupt, match="damaged"), Ledger(f"sqlite:///{file}") as ledger:
        ledger.verify()


def test_a_read_only_ledger_can_be_read_and_says_why_it_cannot_be_written(on_file: Ledger, file: Path) -> None:
    on_file.append(LOGGED, at=AT, actor="ann")

    with Ledger(f"sqlite:///file:{file}?mode=ro&uri=true") as ledger:
        assert ledger.head() == 1
        assert ledger.verify().ok
        with pytest.raises(LedgerError, match=r"readonly[\s\S]*right to write"):
            ledger.append(LOGGED, at=AT, actor="ann")


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_goes_away_is_noticed_by_reader_and_writer(on_file: Ledger, file: Path, replaced: bool) -> None:
    on_file.append(LOGGED, at=AT, actor="ann")
    file.rename(file.with_suffix(".away"))
    if replaced:
        file.write_bytes(file.with_suffix(".away").read_bytes())

    with pytest.raises(LedgerError, match="deleted or replaced"):
        on_file.append(LOGGED, at=AT, actor="ann")
    with pytest.raises(LedgerError, match="deleted or replaced"):
        on_file.events()
    assert file.exists() == replaced

    file.unlink(missing_ok=True)
    file.with_suffix(".away").rename(file)
    assert on_file.append(LOGGED, at=AT, actor="ann")[0].sequence == 2


def test_a_new_connection_does_not_make_the_lost_file_anew(on_file: Ledger, file: Path) -> None:
    with on_file._database.reading():  # keeps the connection that is open, so that `head` needs another
        file.rename(file.with_suffix(".away"))
        with pytest.raises(LedgerError, match="deleted or replaced"):
            on_file.head()
    assert not file.exists()


def test_a_ledger_that_somebody_locks_for_long_is_an_error_of_ours(
    on_file: Ledger, file: Path, real_time: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_file.acquire("one", 60)
    monkeypatch.setattr("windlass.ledger.sqlite._BUSY_SECONDS", 0.05)
    monkeypatch.setattr("windlass.ledger.sqlite._LOOK_SECONDS", 0.02)
    with (
        closing(sqlite3.connect(file, isolation_level=None)) as raw,
        Ledger(f"sqlite:///{file}", now=real_time.now) as ledger,
    ):
        raw.execute("BEGIN IMMEDIATE")
        assert ledger.head() == 0  # readers do not wait,
        assert ledger.acquire("two", 60) is None  # nor does a standby that finds the lease taken
        with pytest.raises(LedgerError, match=rf"locked by process {os.getpid()} \(.*python[\s\S]*end it: kill"):
            ledger.append(LOGGED, at=AT, actor="ann")
        monkeypatch.setattr("windlass.ledger.lock_holder._PROC", file)  # as on a system without it
        with pytest.raises(LedgerError, match=r"locked by another process[\s\S]*fuser .*ledger\.db"):
            ledger.append(LOGGED, at=AT, actor="ann")
        raw.execute("ROLLBACK")
        assert ledger.append(LOGGED, at=AT, actor="ann")[0].sequence == 1


def test_an_empty_file_becomes_a_ledger(file: Path) -> None:
    file.touch()  # what a process leaves that dies between making the file and making the tables
    with Ledger(f"sqlite:///{file}") as ledger:
        assert ledger.append(LOGGED, at=AT, actor="ann")[0].sequence == 1


def test_a_ledger_that_is_not_there_can_be_left_so(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="there is no ledger here"):
        Ledger(f"sqlite:///{tmp_path}/none/ledger.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_the_holder_of_the_lock_is_told_from_other_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ledger.db-shm").touch()
    inode = (tmp_path / "ledger.db-shm").stat().st_ino
    monkeypatch.setattr("windlass.ledger.lock_holder._PROC", tmp_path)
    others = [
        f"1: FLOCK  ADVISORY  WRITE 1 fe:00:{inode} 0 EOF",
        f"2: POSIX  ADVISORY  READ 2 fe:00:{inode} 120 120",
        f"3: POSIX  ADVISORY  WRITE 3 fe:00:{inode} 124 124",
        f"4: POSIX  ADVISORY  WRITE 4 fe:00:{inode}1 120 120",
        f"5: -> POSIX  ADVISORY  WRITE 5 fe:00:{inode} 120 120",
        f"6: POSIX  ADVISORY  WRITE 6 fe:00:{inode} 0 EOF",
    ]
    (tmp_path / "locks").write_text("\n".join(others))
    assert find_lock_holder(tmp_path / "ledger.db") is None

    (tmp_path / "locks").write_text("\n".join([*others, f"7: POSIX  ADVISORY  WRITE 70 fe:00:{inode} 120 127"]))
    assert find_lock_holder(tmp_path / "ledger.db") is None  # it has gone since
    (tmp_path / "70").mkdir()
    (tmp_path / "70" / "cmdline").write_text("python\0-m\0windlass\0up\0")
    for state, stopped in {"S": False, "T": True, "t": True}.items():
        (tmp_path / "70" / "stat").write_text(f"70 (a) b) {state} 1 70")
        assert find_lock_holder(tmp_path / "ledger.db") == LockHolder(
            pid=70, command="python -m windlass up", stopped=stopped
        )
