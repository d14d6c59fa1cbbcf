"""The log of a table stays short, however many commits there are, and nobody who comes late can use what is gone."""

from __future__ import annotations

import fcntl
from pathlib import Path

import deltalake
import polars as pl
import pytest

from windlass.errors import LakeError, LeaseLost
from windlass.lake import table as tables
from windlass.lake.layout import CONFIGURATION
from windlass.lake.table import Conflict, Table
from windlass.records.lease import Fence
from windlass.staging import Staging

COMMITS = 110


def opened(folder: Path, *, begin: bool = False) -> Table:
    staging = Staging(folder, Fence(holder="test", token=1))
    if begin:
        staging.begin()
    return Table(folder / "table", staging)


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    monkeypatch.setattr(tables, "_KEPT", 40)
    made = opened(tmp_path, begin=True)
    add(made, 0)
    return made


def add(table: Table, value: int) -> None:
    table.retrying(lambda: table.append(pl.DataFrame({"x": [value]})))
    table.settle()
    table.tidy()


def entries(table: Table) -> list[int]:
    return sorted(int(path.name[:20]) for path in (table.path / "_delta_log").glob("*.json") if path.name[0].isdigit())


def values(table: Table) -> list[int]:
    table.refresh()
    return table.read(lambda rows: rows.sort("_sequence"))["x"].to_list()


def test_only_the_last_entries_are_kept_and_all_rows(table: Table, tmp_path: Path) -> None:
    for value in range(1, COMMITS):
        add(table, value)
    assert entries(table) == list(range(entries(table)[0], table.version + 1))
    assert 40 < len(entries(table)) < 40 + 2 * 32 + 2, "of a hundred and ten commits and three compactions"
    assert values(table) == values(opened(tmp_path)) == list(range(COMMITS))


def test_who_read_before_is_refused_although_the_place_is_free_again(table: Table, tmp_path: Path) -> None:
    late = opened(tmp_path)
    late.refresh()
    for value in range(1, COMMITS):
        add(table, value)
    assert late.version + 1 < entries(table)[0]
    with pytest.raises(Conflict, match="others have committed many times"):
        late.append(pl.DataFrame({"x": [-1]}))
    late.retrying(lambda: late.append(pl.DataFrame({"x": [-1]})))
    assert values(table) == [*range(COMMITS), -1]


def test_what_others_commit_is_taken_in_however_much_of_the_log_is_gone(table: Table, tmp_path: Path) -> None:
    late = opened(tmp_path)
    late.refresh()
    before = late.version
    assert late.refresh()
    assert late.version == before
    add(table, 1)
    assert late.refresh()
    assert late.version == table.version
    for value in range(2, COMMITS):
        add(table, value)
    assert late.version + 1 < entries(table)[0]  # neither that nor the next one is there
    assert late.refresh()
    assert late.version == table.version


@pytest.mark.parametrize("name", ["_log", "_held"])
def test_while_somebody_commits_or_copies_the_log_is_left_alone(table: Table, name: str) -> None:
    with (table.path / name).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        for value in range(1, COMMITS):
            add(table, value)
        assert entries(table)[0] == 0
    for value in range(COMMITS, COMMITS + 33):
        add(table, value)
    assert entries(table)[0] > 0, "but for the time being only"


def test_one_who_never_ends_to_shorten_the_log_is_told_of(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_PATIENCE", 0.0)
    with (table.path / "_log").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(LakeError, match="shortening the table's log for too long") as told:
            table.append(pl.DataFrame({"x": [1]}))
        assert "kill it" in told.value.remedy
    table.append(pl.DataFrame({"x": [1]}))
    assert values(table) == [0, 1]


def test_a_table_of_an_older_windlass_is_given_todays_properties_by_who_takes_over(
    table: Table, tmp_path: Path
) -> None:
    handle = deltalake.DeltaTable(str(table.path))
    handle.alter.set_table_properties({"delta.enableExpiredLogCleanup": "true"})
    table.refresh()
    before = table.version
    staging = Staging(tmp_path, Fence(holder="successor", token=2))
    staging.begin()
    successor = Table(table.path, staging)
    for _ in range(2):
        successor.retrying(successor.claim)
    assert successor.version == before + 1
    assert CONFIGURATION.items() <= deltalake.DeltaTable(str(table.path)).metadata().configuration.items()
    with pytest.raises(LeaseLost):
        table.retrying(lambda: table.append(pl.DataFrame({"x": [1]})))
