"""One Delta table: sequences without gaps, transactions, and writers that come at the same time."""

from __future__ import annotations

import threading
from pathlib import Path

import polars as pl
import pytest

from windlass.errors import LakeError
from windlass.lake.table import Conflict, Table
from windlass.records.lease import Fence
from windlass.staging import Staging


def staged(folder: Path, token: int = 1) -> Staging:
    return Staging(folder, Fence(holder="test", token=token))


def opened(table: Table, token: int = 1) -> Table:
    """The same table as somebody else has it, under the same lease or a later one."""
    return Table(table.path, staged(table.path.parent, token))


@pytest.fixture
def table(tmp_path: Path) -> Table:
    staging = staged(tmp_path)
    staging.begin()
    return Table(tmp_path / "table", staging)


def rows(*values: int) -> pl.DataFrame:
    return pl.DataFrame({"x": values}, schema={"x": pl.Int64})


def held(table: Table) -> list[tuple[int, int]]:
    table.refresh()
    return table.read(lambda every: every.select("_sequence", "x")).sort("_sequence").rows()


def test_sequences_go_on_without_gaps(table):
    assert not table.refresh()
    assert table.append(rows(7, 8))["_sequence"].to_list() == [0, 1]
    again = opened(table)
    again.refresh()
    assert again.next_sequence() == 2
    assert again.append(rows(9)).rows() == [(2, 9)]
    assert held(table) == [(0, 7), (1, 8), (2, 9)]


def test_nothing_is_not_committed(table):
    assert table.append(rows()).columns == ["_sequence", "x"]
    assert not table.refresh()
    table.append(rows(1))
    table.append(rows())
    assert table.version == 0


def test_who_comes_second_is_refused_and_looks_again(table):
    table.append(rows(1))
    other = opened(table)
    other.refresh()
    table.append(rows(2))
    with pytest.raises(Conflict, match="another process committed"):
        other.append(rows(3))
    assert held(table) == [(0, 1), (1, 2)]
    assert other.retrying(lambda: other.append(rows(3)))["_sequence"].to_list() == [2]


def test_two_who_write_at_once_both_get_through_and_share_no_sequence(table):
    table.append(rows(-1))

    def work(name: int) -> None:
        mine = opened(table)
        for number in range(6):
            mine.retrying(lambda value=10 * name + number: mine.append(rows(value)))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = held(table)
    assert [sequence for sequence, _ in found] == list(range(13))
    assert sorted(x for _, x in found) == [-1, *range(6), *range(10, 16)]


def test_a_transaction_is_where_it_was_left(table):
    assert table.transaction("w") is None
    table.append(rows(1), moves={"w": (None, 5)})
    table.append(rows(2), moves={"w": (5, 9), "v": (None, 1)})
    again = opened(table)
    again.refresh()
    assert (again.transaction("w"), again.transaction("v"), again.transaction("u")) == (9, 1, None)


def test_a_transaction_that_somebody_else_moved_is_refused(table):
    table.append(rows(1), moves={"w": (None, 5)})
    with pytest.raises(LakeError, match="another process commits what w wrote"):
        table.append(rows(1), moves={"w": (None, 5)})
    assert held(table) == [(0, 1)]


def test_transactions_and_sequences_survive_compaction_and_retyping(table):
    for number in range(40):
        table.append(rows(number), moves={"w": (number - 1 if number else None, number)})
        table.tidy()
    assert table.files()[0] < 15
    table.retype({"x": pl.Float64()})
    again = opened(table)
    again.refresh()
    assert (again.transaction("w"), again.next_sequence()) == (39, 40)
    assert held(again) == [(number, float(number)) for number in range(40)]


def test_rows_that_come_while_files_are_put_together_are_kept(table, monkeypatch):
    for number in range(33):
        table.append(rows(number))
    other = opened(table)
    other.refresh()
    other.append(rows(33))
    with monkeypatch.context() as patch:
        patch.setattr(table, "refresh", lambda: True)  # they come after it has looked
        table.tidy()
        assert table.files()[0] == 33  # nothing came of it: the next call looks again
    table.tidy()
    assert table.files()[0] == 1
    assert table.append(rows(34))["_sequence"].to_list() == [34]
    assert held(other) == [(number, number) for number in range(35)]


def test_two_who_put_the_same_files_together_do_not_double_them(table):
    for number in range(33):
        table.append(rows(number))
    other = opened(table)
    other.refresh()
    other._tidied = 0
    other.tidy()
    table.tidy()
    assert table.files()[0] == 1
    assert held(other) == [(number, number) for number in range(33)]


def test_a_retyping_of_what_is_no_longer_there_is_refused(table):
    table.append(rows(0))
    other = opened(table)
    other.refresh()
    other.append(rows(1))
    with pytest.raises(Conflict):
        table.retype({"x": pl.Float64()})
    assert held(table) == [(0, 0), (1, 1)]


def test_a_handle_that_slept_through_the_log_s_pruning_opens_the_table_anew(table):
    sleeper = opened(table)
    table.append(rows(0))
    sleeper.refresh()
    for number in range(1, 40):
        table.append(rows(number))
    log = table.path / "_delta_log"
    (checkpoint,) = log.glob("*.checkpoint.parquet")
    for version in range(int(checkpoint.name[:20])):
        (log / f"{version:020d}.json").unlink()
    assert [x for _, x in held(sleeper)] == list(range(40))


def test_no_value_of_a_user_stands_in_the_log(table):
    table.append(pl.DataFrame({"name": ["Ada Lovelace"], "x": [123456789]}))
    for number in range(33):
        table.append(pl.DataFrame({"name": [f"Ada {number}"], "x": [123456789]}))
        table.tidy()
    logs = list((table.path / "_delta_log").glob("*.json"))
    assert len(logs) > 30
    assert not any("Ada" in log.read_text() or "123456789" in log.read_text() for log in logs)
    (checkpoint,) = (table.path / "_delta_log").glob("*.checkpoint.parquet")
    assert "Ada" not in str(pl.read_parquet(checkpoint).to_dicts())


def test_a_missing_file_is_a_clear_error(table):
    table.append(rows(1))
    next(table.path.glob("*.parquet")).unlink()
    with pytest.raises(LakeError, match="the table cannot be read") as caught:
        held(table)
    assert str(table.path) in caught.value.where


def test_a_table_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    staging = staged(tmp_path)
    staging.begin()
    with pytest.raises(LakeError, match="the table cannot be written"):
        Table(tmp_path / "file" / "table", staging).append(rows(1))
