"""What was signed cannot be changed without a key, and `verify` says where it was tried."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windlass.errors import SigningError
from windlass.ledger.ledger import Ledger
from windlass.ledger.notary import Notary
from windlass.ledger.retention import Kept
from windlass.records.event import RunLogged, RunStarted, WorkspaceCreated
from windlass.records.paths import Paths

from .conftest import Backdoor  # type: ignore[import-not-found]
from .intruder import Intruder  # type: ignore[import-not-found]

AT = datetime(2013, 3, 1, 12, tzinfo=UTC)


def logged(number: int) -> RunLogged:
    return RunLogged(run=f"run-{number}", metrics={"auc": number / 10})


def fill(ledger: Ledger, notary: Notary) -> None:
    """Events 1 to 11, of which 4 brought in the key, with checkpoints at 4, 7 and 9."""
    ledger.append(WorkspaceCreated(workspace="w", windlass="0"), logged(2), logged(3), at=AT, actor="ann")
    notary.sign(at=AT, actor="controller")
    for number, signed in ((5, False), (6, False), (7, True), (8, False), (9, True), (10, False), (11, False)):
        ledger.append(logged(number), at=AT, actor="ann", product="flights")
        if signed:
            notary.sign(at=AT, actor="controller")


@pytest.fixture
def notary(stored: Ledger, tmp_path: Path) -> Notary:
    notary = Notary(stored, Paths(tmp_path / "workspace"))
    (tmp_path / "workspace").mkdir()
    fill(stored, notary)
    assert notary.verify().ok
    return notary


@pytest.fixture
def intruder(backdoor: Backdoor) -> Intruder:
    return Intruder(backdoor)


def forged_key(intruder: Intruder) -> str:
    body = {"kind": "key.rotated", "key": intruder.key.id, "public": intruder.key.public.hex()}
    return json.dumps(body | {"previous": None, "reason": "mine"}, separators=(",", ":"))


BODY = logged(3)
ATTACKS: dict[str, tuple[Callable[[Intruder], Any], str]] = {
    "a rewritten event with all hashes after it": (
        lambda it: it.rewrite(5, actor="eve"),
        "checkpoint 2 signs event 7, which is another one now: the ledger was rewritten between event 4 and there",
    ),
    "the first event rewritten": (
        lambda it: it.rewrite(1, actor="eve"),
        "checkpoint 1 signs event 4, which is another one now: the ledger was rewritten between its beginning",
    ),
    "a dropped event, with the rest moved up": (
        lambda it: (it.drop(9), it.rehash(9), it.move_head()),
        "event 9 is missing",
    ),
    "swapped events": (lambda it: (it.swap(5, 6), it.rehash(5)), "checkpoint 2 signs event 7, which is another one"),
    "the end cut off": (
        lambda it: it.cut(8),
        "checkpoint 3, kept outside, signs event 9 and is not in the ledger: its end was cut off",
    ),
    "the end cut off, its checkpoint left": (
        lambda it: (it.cut(9), it.drop(9), it.move_head()),
        "checkpoint 3 signs event 9, but the ledger ends at event 8: its end was cut off",
    ),
    "a removed checkpoint": (lambda it: it.remove_checkpoint(2), "checkpoint 2 was removed"),
    "the last checkpoint removed": (
        lambda it: it.remove_checkpoint(3),
        "checkpoint 3, kept outside, signs event 9 and is not in the ledger",
    ),
    "all checkpoints removed": (
        lambda it: [it.remove_checkpoint(number) for number in (1, 2, 3)],
        "checkpoint 3, kept outside, signs event 9 and is not in the ledger",
    ),
    "a checkpoint moved to another event": (
        lambda it: it.change_checkpoint(2, sequence=8, hash=it.events("sequence = 8")[0][9]),
        "checkpoint 2 was changed or forged: its signature does not fit",
    ),
    "a checkpoint with a later time": (
        lambda it: it.change_checkpoint(2, at="2013-03-01T13:00:00.000000Z"),
        "checkpoint 2 was changed or forged",
    ),
    "checkpoints under each other's number": (
        lambda it: (
            it.change_checkpoint(1, number=9),
            it.change_checkpoint(2, number=1),
            it.change_checkpoint(9, number=2),
        ),
        "checkpoint 1 was changed or forged",
    ),
    "an empty signature": (lambda it: it.change_checkpoint(2, signature=""), "checkpoint 2 was changed or forged"),
    "a signature by another key": (
        lambda it: it.sign_again(),
        "which no event brought in",
    ),
    "a checkpoint that cannot be read": (lambda it: it.change_checkpoint(2, at="noon"), "checkpoint 2 cannot be read"),
    "a key of the intruder's from the beginning": (
        lambda it: it.replace_key(),
        "which is not trusted here and no trusted key vouches for it",
    ),
    "a key of the intruder's from now on": (
        lambda it: it.add("key.rotated", forged_key(it), it.key.id),
        "which is not trusted here and no trusted key vouches for it",
    ),
    "a key under the name of the trusted one": (
        lambda it: it.rewrite(4, body=it.events("sequence = 4")[0][7].replace('"public":"', '"public":"00')),
        "event 4 brings in a key under a name that is not its own",
    ),
    "events taken out as if they had been pruned": (
        lambda it: it.prune(5, 6),
        "says that the ledger was pruned, and no trusted signature covers it",
    ),
    "a gap that nobody told of": (
        lambda it: (it.prune(5, 6), it.drop(12), it.move_head()),
        "events 5 to 6 are gone as if they had been pruned, and no event says so",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_intruder_without_the_key_is_found(notary: Notary, intruder: Intruder, attack: str) -> None:
    act, expected = ATTACKS[attack]
    act(intruder)

    found = notary.verify()

    assert not found.ok
    assert any(expected in problem for problem in found.problems), found.problems


def test_one_change_is_told_once(notary: Notary, intruder: Intruder) -> None:
    intruder.rewrite(2, actor="eve")
    assert len(notary.verify().problems) == 1


def test_what_is_newer_than_the_last_checkpoint_can_be_rewritten(notary: Notary, intruder: Intruder) -> None:
    """The window that the documentation names."""
    before = notary.verify()
    intruder.rewrite(10, actor="eve")
    after = notary.verify()
    assert (
        (before.ok, before.signed_upto, before.events) == (after.ok, after.signed_upto, after.events) == (True, 9, 11)
    )
    assert before.head != after.head


def test_a_cut_end_is_not_signed_over(notary: Notary, intruder: Intruder, stored: Ledger) -> None:
    """The running controller must not wipe out the only evidence by its next checkpoint."""
    intruder.cut(8)
    stored.append(logged(1), at=AT, actor="ann")

    with pytest.raises(SigningError, match=r"checkpoint 3, which signs event 9 .* is not in the ledger"):
        notary.sign(at=AT, actor="controller")
    assert not notary.verify().ok


def test_an_older_copy_is_shown_by_a_checkpoint_that_was_kept_elsewhere(
    notary: Notary, intruder: Intruder, tmp_path: Path
) -> None:
    """Who may write to the folder too can put back an older state of both, but not what was kept elsewhere."""
    outside = tmp_path / "workspace" / "checkpoint.json"
    old, elsewhere = outside.read_bytes(), tmp_path / "kept.json"
    notary.sign(at=AT, actor="controller")
    shutil.copy(outside, elsewhere)
    intruder.cut(9)
    outside.write_bytes(old)

    assert notary.verify().ok
    assert "checkpoint 4, kept outside, signs event 11 and is not in the ledger" in str(
        notary.verify(against=elsewhere).problems
    )


def test_a_checkpoint_outside_that_was_forged_is_named(notary: Notary, tmp_path: Path) -> None:
    outside = tmp_path / "workspace" / "checkpoint.json"
    said = json.loads(outside.read_text())
    outside.write_text(json.dumps(said | {"sequence": 8}))
    assert notary.verify().problems == (
        "checkpoint 3, kept outside, was changed or forged: its signature does not fit or is not trusted",
    )
    outside.write_text(json.dumps(said | {"key": "0" * 32}))
    assert "this ledger does not know: it is another one" in str(notary.verify().problems)
    outside.unlink()
    assert notary.verify().problems == (
        "there is no checkpoint outside of the ledger, so an end that was cut off would not show",
    )


def test_a_key_of_nobodys_is_not_trusted(notary: Notary, stored: Ledger) -> None:
    key = stored.key()
    assert key is not None
    assert notary.verify(trusted=[key.key]).ok
    found = notary.verify(trusted=[])
    assert found.signed_upto == 0
    assert "not trusted here" in found.problems[0]


# -- whatever they think of --------------------------------------------------------------------------------------

_EVENT = st.integers(1, 11)
_DEEDS: dict[str, st.SearchStrategy[tuple[Any, ...]]] = {
    "change": st.tuples(_EVENT, st.sampled_from(["actor", "kind", "subject", "hash", "previous"]), st.just("eve")),
    "rewrite": st.tuples(_EVENT),
    "swap": st.tuples(_EVENT, _EVENT),
    "drop": st.tuples(_EVENT),
    "cut": st.tuples(_EVENT),
    "rehash": st.tuples(_EVENT),
    "remove_checkpoint": st.tuples(st.integers(1, 3)),
    "change_checkpoint": st.tuples(st.integers(1, 3)),
    "sign_again": st.tuples(),
    "replace_key": st.tuples(),
}
_deed = st.sampled_from(sorted(_DEEDS)).flatmap(lambda name: st.tuples(st.just(name), _DEEDS[name]))


def do(intruder: Intruder, name: str, arguments: tuple[Any, ...]) -> None:
    match name:
        case "rewrite":
            intruder.rewrite(*arguments, actor="eve")
        case "change_checkpoint":
            last = intruder.events()[-1]
            intruder.change_checkpoint(*arguments, sequence=last[0], hash=last[9])
        case _:
            getattr(intruder, name)(*arguments)


class QuickBackdoor:
    """As `Backdoor`, for a file that need not survive a power cut."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None)
        self._connection.execute("PRAGMA synchronous = OFF")

    def run(self, script: str, **parameters: Any) -> None:
        for statement in script.split(";"):
            self._connection.execute(statement, parameters)

    def rows(self, question: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(question).fetchall()

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Workspaces to take copies of: a whole ledger, and one that was pruned."""
    found: dict[str, Path] = {}
    for name in ("whole", "pruned"):
        folder = found[name] = tmp_path_factory.mktemp(name)
        with Ledger(f"sqlite:///{folder / 'ledger.db'}") as ledger:
            notary = Notary(ledger, Paths(folder))
            fill(ledger, notary)
            if name == "pruned":
                ledger.append(RunStarted(run="run-1", trigger="manual", reason=""), at=AT, actor="ann")
                fence = ledger.acquire("one", 60)
                assert fence is not None
                kept = Kept(before=AT + timedelta(days=1), runs=frozenset({"run-3", "run-8", "run-10"}))
                assert notary.prune(kept, at=AT, actor="one", fence=fence).removed == 6
            assert notary.verify().ok
    return found


@given(
    name=st.sampled_from(["whole", "pruned"]), deeds=st.lists(_deed, min_size=1, max_size=4), number=st.integers(0, 9)
)
@settings(max_examples=120)
def test_no_way_is_found_to_change_what_was_signed(
    templates: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    deeds: list[tuple[str, tuple[Any, ...]]],
    number: int,
) -> None:
    folder = tmp_path_factory.getbasetemp() / f"copy-{number}"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(templates[name], folder)
    file = folder / "ledger.db"
    backdoor = QuickBackdoor(file)
    intruder = Intruder(backdoor)
    signed_upto = intruder.checkpoints()[-1].sequence
    before = intruder.everything(signed_upto)
    for deed, arguments in deeds:
        try:
            do(intruder, deed, arguments)
        except (ValueError, IndexError, KeyError):  # what the deed wants to change is gone already
            continue
    changed = intruder.everything(signed_upto) != before
    backdoor.close()
    with Ledger(f"sqlite:///{file}") as ledger:
        found = Notary(ledger, Paths(folder)).verify()

    assert not (changed and found.ok), deeds
