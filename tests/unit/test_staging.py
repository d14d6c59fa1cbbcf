"""The folder of the holder of the lease: what leaves it, and what never does once somebody else has taken over."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from windlass.errors import LeaseLost
from windlass.records.lease import Fence
from windlass.staging import Staging, newest_token


def staging(store: Path, token: int) -> Staging:
    return Staging(store, Fence(holder=f"holder-{token}", token=token))


def begun(store: Path, token: int) -> Staging:
    """As `controller.takeover` does it."""
    found = staging(store, token)
    found.begin()
    found.retire_predecessors()
    found.clear_retired()
    return found


def filled(folder: Path, text: str) -> Path:
    (folder / "file").write_text(text)
    return folder


def test_a_folder_appears_by_one_rename(tmp_path: Path) -> None:
    mine = begun(tmp_path, 1)
    mine.put(filled(mine.make("flights", "a"), "new"), tmp_path / "a")
    assert (tmp_path / "a" / "file").read_text() == "new"
    with pytest.raises(OSError, match="not empty"):
        mine.put(filled(mine.make("flights", "b"), "other"), tmp_path / "a")
    mine.exchange(mine.folder / "flights" / "b", tmp_path / "a")
    assert (tmp_path / "a" / "file").read_text() == "other"
    mine.exchange(filled(mine.make("flights", "c"), "new here"), tmp_path / "c")
    mine.remove(tmp_path / "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".staging", "c"]
    assert [path.name for path in mine.folder.iterdir()] == ["flights"]


def test_a_file_takes_the_place_of_the_one_before_when_it_is_whole(tmp_path: Path) -> None:
    mine, target = begun(tmp_path, 1), tmp_path / "record.json"
    with mine.writing(target) as file:
        file.write(b"one")
    with mine.writing(target) as file:
        file.write(b"two")
        file.flush()
        assert target.read_bytes() == b"one"
    assert target.read_bytes() == b"two"
    with pytest.raises(ValueError, match="on the way"), mine.writing(target) as file:
        raise ValueError("on the way")
    assert target.read_bytes() == b"two"


def test_what_a_killed_process_left_is_in_nobody_s_way(tmp_path: Path) -> None:
    mine = begun(tmp_path, 1)
    filled(mine.make("flights", "a"), "half")
    assert list(mine.make("flights", "a").iterdir()) == []
    mine.clear("flights")
    mine.clear("never there")
    assert list(mine.folder.iterdir()) == []


WORK: dict[str, Callable[[Staging, Path], object]] = {
    "make": lambda old, store: old.make("flights", "x"),
    "put": lambda old, store: old.put(old.folder / "flights" / "a", store / "new"),
    "exchange for nothing": lambda old, store: old.exchange(old.folder / "flights" / "a", store / "new"),
    "exchange": lambda old, store: old.exchange(old.folder / "flights" / "a", store / "kept"),
    "remove": lambda old, store: old.remove(store / "kept"),
    "write": lambda old, store: old.writing(store / "record").__enter__(),
    "retire": lambda old, store: old.retire_predecessors(),
}


@pytest.mark.parametrize("work", WORK)
def test_after_a_take_over_a_predecessor_changes_nothing(tmp_path: Path, work: str) -> None:
    old = begun(tmp_path, 1)
    old.put(filled(old.make("flights", "kept"), "kept"), tmp_path / "kept")
    filled(old.make("flights", "a"), "late")
    new = begun(tmp_path, 2)
    with pytest.raises(LeaseLost, match="token 1 counts no more"):
        WORK[work](old, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".staging", "kept"]
    assert (tmp_path / "kept" / "file").read_text() == "kept"
    assert list((tmp_path / ".staging").iterdir()) == [new.folder]


@pytest.mark.parametrize("frozen", ["while the library writes", "before what it wrote is adopted", "before it is put"])
def test_what_a_library_writes_after_a_take_over_gets_nowhere(tmp_path: Path, frozen: str) -> None:
    """It makes the folders that it misses, as the one below delta tables does."""
    old = begun(tmp_path, 1)
    folder = old.foreign()
    staged = old.adopt(filled(folder, "late"), "tables") if frozen == "before it is put" else None
    if frozen == "before what it wrote is adopted":
        filled(folder, "late")
    new = begun(tmp_path, 2)
    if frozen == "while the library writes":
        folder.mkdir(parents=True)
        filled(folder, "late")
    with pytest.raises(LeaseLost, match="token 1 counts no more"):
        old.put(staged or old.adopt(folder, "tables"), tmp_path / "table")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".staging"]
    assert not old.folder.exists()
    new.clear_leftovers()
    assert list((tmp_path / ".staging").iterdir()) == [new.folder]


def test_one_that_was_stopped_before_it_began_retires_nobody(tmp_path: Path) -> None:
    """It got its token, slept, and makes its folder after its successor did everything."""
    new = begun(tmp_path, 2)
    late = staging(tmp_path, 1)
    late.begin()
    with pytest.raises(LeaseLost):
        late.retire_predecessors()
    new.put(filled(new.make("flights", "a"), "new"), tmp_path / "a")
    newest = begun(tmp_path, 3)
    assert list((tmp_path / ".staging").iterdir()) == [newest.folder]


def test_a_token_is_begun_once(tmp_path: Path) -> None:
    begun(tmp_path, 1)
    with pytest.raises(FileExistsError):
        staging(tmp_path, 1).begin()


def test_a_take_over_that_was_killed_is_completed_by_the_next(tmp_path: Path) -> None:
    old = begun(tmp_path, 1)
    filled(old.make("flights", "a"), "late")
    killed = staging(tmp_path, 2)
    killed.begin()
    killed.retire_predecessors()
    assert len(list((tmp_path / ".staging").iterdir())) == 2
    new = begun(tmp_path, 3)
    assert list((tmp_path / ".staging").iterdir()) == [new.folder]


def test_what_an_older_release_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".staging" / "flights" / "0123").mkdir(parents=True)
    new = begun(tmp_path, 1)
    assert list((tmp_path / ".staging").iterdir()) == [new.folder]


def test_what_is_wrong_with_a_file_is_told_as_it_is_while_the_lease_is_held(tmp_path: Path) -> None:
    mine = begun(tmp_path, 1)
    with pytest.raises(FileNotFoundError):
        mine.put(mine.folder / "nothing", tmp_path / "a")
    with pytest.raises(FileNotFoundError):
        mine.remove(tmp_path / "nothing")


def test_the_newest_token_is_found_in_whatever_store_it_is(tmp_path: Path) -> None:
    stores = [tmp_path / "a", tmp_path / "b", tmp_path / "never made"]
    assert newest_token(stores) == 0
    begun(stores[0], 3)
    begun(stores[1], 12)
    (stores[1] / ".staging" / "token-99x").mkdir()
    (stores[0] / ".staging" / "retired-77").mkdir()
    assert newest_token(stores) == 12


def test_who_only_reads_has_no_folder(tmp_path: Path) -> None:
    with pytest.raises(LeaseLost, match="does not hold the lease"):
        Staging(tmp_path, None).make("flights", "a")
    assert list(tmp_path.iterdir()) == []


class Holders(RuleBasedStateMachine):
    """Holders that come one after the other, each stopped anywhere and woken up at any time.

    `ledger` stands for the token in the ledger, which a holder looks at after it made its folder.
    """

    store: Path
    numbers = itertools.count()

    @initialize()
    def begin(self) -> None:
        self.root = self.store / str(next(self.numbers))
        self.ledger = 0
        self.steps: dict[int, list[Callable[[], None]]] = {}
        self.complete = 0
        """The highest token whose take-over is complete."""
        self.put: list[int] = []
        self.wrong: list[str] = []

    def _act(self, token: int) -> None:
        mine = staging(self.root, token)
        staged = mine.folder / "work" / f"by-{token}"
        target = self.root / f"{len(self.put)}-by-{token}"
        mine.put(staged, target)
        if token < self.complete:
            self.wrong.append(f"{token} changed something after {self.complete} had taken over")
        self.put.append(token)

    def _confirm(self, token: int) -> None:
        if token != self.ledger:
            raise LeaseLost("lost")

    def _completed(self, token: int) -> None:
        self.complete = max(self.complete, token)

    @rule()
    def acquire(self) -> None:
        self.ledger += 1
        token = self.ledger
        mine = staging(self.root, token)
        self.steps[token] = [
            mine.begin,
            lambda: self._confirm(token),
            mine.retire_predecessors,
            lambda: self._completed(token),
            mine.clear_retired,
            *[lambda: mine.make("work", f"by-{token}") and None, lambda: self._act(token)] * 3,
        ]

    @precondition(lambda self: self.steps)
    @rule(data=st.data(), count=st.integers(1, 9))
    def go_on(self, data: st.DataObject, count: int) -> None:
        token = data.draw(st.sampled_from(sorted(self.steps)))
        for _ in range(count):
            if self.steps[token]:
                try:
                    self.steps[token].pop(0)()
                except LeaseLost:
                    self.steps[token].clear()

    @precondition(lambda self: self.steps)
    @rule()
    def the_last_one_always_can(self) -> None:
        while self.steps[self.ledger]:
            self.steps[self.ledger].pop(0)()

    @invariant()
    def nobody_acts_after_a_successor(self) -> None:
        assert self.wrong == []


def test_any_order_of_stopping_and_waking(tmp_path: Path) -> None:
    Holders.store = tmp_path
    run_state_machine_as_test(Holders, settings=settings(max_examples=60, stateful_step_count=20))
