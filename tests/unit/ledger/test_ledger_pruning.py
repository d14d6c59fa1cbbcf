"""Removing events: the rest still proves itself, whoever is killed or meddles."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windlass.errors import LeaseLost, LedgerCorrupt, SigningError
from windlass.ledger import pruning
from windlass.ledger.gaps import Gap, digest, merged
from windlass.ledger.ledger import Ledger
from windlass.ledger.notary import Notary
from windlass.ledger.pruning import Pruned, Stretch, batches, stretches
from windlass.ledger.retention import Kept
from windlass.ledger.view import StateView
from windlass.records.event import ChampionChanged, Event, LedgerPruned, RunLogged, RunStarted, VersionRegistered
from windlass.records.lease import Fence
from windlass.records.paths import Paths

from .conftest import Backdoor  # type: ignore[import-not-found]
from .intruder import Intruder  # type: ignore[import-not-found]

AT = datetime(2013, 3, 1, 12, tzinfo=UTC)
KEPT = Kept(before=AT + timedelta(days=1), runs=frozenset({"run-2"}))


def tell(ledger: Ledger, *runs: str) -> None:
    """Of each run: its start, three figures and a version that answers."""
    for run in runs:
        fence = ledger.acquire("teller", 60)
        assert fence is not None
        started = RunStarted(run=run, trigger="schedule", reason="")
        figures = [RunLogged(run=run, metrics={"loss": 1.0 / step}) for step in (1, 2, 3)]
        version = VersionRegistered(version=f"v-{run}", digest=f"d-{run}", run=run, metrics={})
        champion = ChampionChanged(version=f"v-{run}", digest=f"d-{run}", previous=None, release=None, reason="")
        ledger.append(started, *figures, version, champion, at=AT, actor="ann", product="flights", fence=fence)
        ledger.release(fence)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    (tmp_path / "workspace").mkdir()
    return Paths(tmp_path / "workspace")


@pytest.fixture
def notary(stored: Ledger, paths: Paths) -> Notary:
    """Events 1 to 18 of three runs, of which the second is kept."""
    tell(stored, "run-1", "run-2", "run-3")
    return Notary(stored, paths)


def prune(notary: Notary, ledger: Ledger, kept: Kept = KEPT) -> Pruned:
    fence = ledger.acquire("controller", 60)
    assert fence is not None
    try:
        return notary.prune(kept, at=AT, actor="controller", fence=fence)
    finally:
        ledger.release(fence)


def by_sequence(events: Sequence[Event]) -> dict[int, Event]:
    return {event.sequence: event for event in events}


def test_what_nothing_needs_goes_and_the_rest_stands_as_it_was(notary: Notary, stored: Ledger) -> None:
    before, state = by_sequence(stored.events()), StateView(stored).refresh()

    pruned = prune(notary, stored)

    after = by_sequence(stored.events())
    assert (pruned.removed, pruned.gaps) == (6, 2)
    assert sorted(before.keys() - after.keys()) == [2, 3, 4, 14, 15, 16]
    assert all(after[sequence] == event for sequence, event in before.items() if sequence in after)
    assert [event.kind for sequence, event in after.items() if sequence not in before] == [
        "key.rotated",
        "ledger.pruned",
    ]
    assert StateView(stored).refresh() == state
    assert stored.events(run="run-2") == [event for event in before.values() if event.run == "run-2"]


def test_the_chain_is_followed_across_the_gaps(notary: Notary, stored: Ledger) -> None:
    prune(notary, stored)
    found = notary.verify()
    assert (found.ok, found.pruned, found.events, found.signed_upto) == (True, 6, 14, stored.head())
    assert stored.verify().ok  # also by those who have no keys
    tell(stored, "run-4")
    assert notary.verify().ok


def test_the_event_says_what_went(notary: Notary, stored: Ledger) -> None:
    prune(notary, stored)
    (event,) = stored.events((LedgerPruned,))
    assert isinstance(event.body, LedgerPruned)
    assert (event.body.removed, event.body.gaps, event.body.before) == (6, 2, KEPT.before)
    assert event.actor == "controller"


def test_gaps_grow_together_when_more_goes(notary: Notary, stored: Ledger) -> None:
    prune(notary, stored)
    everything = Kept(before=KEPT.before, runs=frozenset())
    pruned = prune(notary, stored, everything)
    assert (pruned.removed, pruned.gaps) == (3, 3)
    assert notary.verify().ok
    tell(stored, "run-4")
    pruned = prune(notary, stored, everything)
    assert (pruned.removed, pruned.gaps) == (3 + 1, 5)  # with the event of the pruning before the last
    assert notary.verify().ok
    assert prune(notary, stored, everything) == Pruned()  # a pruning is no reason for another


def test_gaps_that_touch_are_one(notary: Notary, stored: Ledger, backdoor: Backdoor) -> None:
    notary.sign(at=AT, actor="ann")
    fence = stored.acquire("one", 60)
    assert fence is not None
    for upto in (3, 2, 4, 18):
        stored.prune(KEPT, upto=upto, keys=notary.keys, at=AT, actor="one", fence=fence)
    assert backdoor.rows("SELECT first, last FROM gaps ORDER BY first") == [(2, 4), (14, 16)]
    assert stored.verify().ok


def test_when_nothing_is_to_be_removed_nothing_is_written(notary: Notary, stored: Ledger) -> None:
    notary.sign(at=AT, actor="ann")
    head = stored.head()
    assert prune(notary, stored, Kept(before=AT, runs=frozenset())) == Pruned()
    assert stored.head() == head


def test_old_checkpoints_go_except_where_they_vouch_for_a_key(
    notary: Notary, stored: Ledger, paths: Paths, backdoor: Backdoor
) -> None:
    first = notary.sign(at=AT, actor="ann").key
    notary.rotate(at=AT, actor="ann", reason="once a year")
    for run in ("run-4", "run-5", "run-6"):
        tell(stored, run)
        notary.sign(at=AT, actor="ann")
    prune(notary, stored)
    intruder = Intruder(backdoor)
    kept = [checkpoint.number for checkpoint in intruder.checkpoints()]
    assert kept == [1, 2, 3, 6, 7]  # by the first key, by it for the second, by the second at once; then the last two
    assert notary.verify(trusted=[first]).ok
    intruder.remove_checkpoint(2)
    assert notary.verify().problems == ("checkpoint 2 was removed",)


# -- killed ------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here."""


def test_killed_between_two_batches_the_next_one_goes_on(
    notary: Notary, stored: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "_ROWS", 2)
    notary.sign(at=AT, actor="ann")
    calls = 0

    def die_after_the_second() -> None:
        nonlocal calls
        calls += len(stored.events((LedgerPruned,))) == 2
        if calls:
            raise Killed

    fence = stored.acquire("one", 60)
    assert fence is not None
    with pytest.raises(Killed):
        notary.prune(KEPT, at=AT, actor="one", fence=fence, between=die_after_the_second)
    stored.release(fence)

    # The checkpoint outside is older than those that are in the ledger, and one of them may be pruned.
    assert len(stored.events()) == 18 + 1 + 2 - 3
    assert notary.verify().ok
    assert prune(notary, stored).removed == 3 + 1
    assert notary.verify().ok
    assert {event.sequence for event in stored.events((RunLogged,))} == {8, 9, 10}


@pytest.mark.parametrize("step", ["heads.append", "checkpoints.sign", "gaps.replace"])
def test_killed_before_the_commit_nothing_has_happened(
    notary: Notary, stored: Ledger, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    notary.sign(at=AT, actor="ann")
    before = stored.events()
    module, name = step.split(".")

    def die(*_: object, **__: object) -> None:
        raise Killed

    fence = stored.acquire("one", 60)
    assert fence is not None
    with monkeypatch.context() as patch:
        patch.setattr(getattr(pruning, module), name, die)
        with pytest.raises(Killed):
            stored.prune(KEPT, upto=18, keys=notary.keys, at=AT, actor="one", fence=fence)
    stored.release(fence)
    assert stored.events() == before
    assert notary.verify().ok
    assert prune(notary, stored).removed == 6


def test_killed_before_the_copy_outside_is_written(notary: Notary, stored: Ledger) -> None:
    """The copy then names a checkpoint that the ledger does not keep any more."""
    notary.sign(at=AT, actor="ann")
    tell(stored, "run-4")
    stored.checkpoint(notary.keys, at=AT, actor="ann")
    fence = stored.acquire("one", 60)
    assert fence is not None
    stored.prune(KEPT, upto=stored.head() - 1, keys=notary.keys, at=AT, actor="one", fence=fence)
    assert notary.verify().ok
    tell_again = notary.sign(at=AT, actor="ann")
    assert tell_again.sequence == stored.head()
    assert notary.verify().ok


# -- refused -----------------------------------------------------------------------------------------------------


def test_who_lost_the_lease_removes_nothing(notary: Notary, stored: Ledger) -> None:
    notary.sign(at=AT, actor="ann")
    before = stored.events()
    with pytest.raises(LeaseLost):
        notary.prune(KEPT, at=AT, actor="one", fence=Fence(holder="one", token=1))
    with pytest.raises(LeaseLost):
        stored.prune(KEPT, upto=18, keys=notary.keys, at=AT, actor="one", fence=Fence(holder="one", token=1))
    assert stored.events() == before


def test_what_an_intruder_changed_is_not_tidied_away(notary: Notary, stored: Ledger, backdoor: Backdoor) -> None:
    notary.sign(at=AT, actor="ann")
    Intruder(backdoor).rewrite(3, actor="eve")
    with pytest.raises(LedgerCorrupt, match="nothing is removed from it: checkpoint 1 signs event 19"):
        prune(notary, stored)
    assert len(stored.events((RunLogged,))) == 9


def test_without_the_key_nothing_is_removed(notary: Notary, stored: Ledger, paths: Paths) -> None:
    notary.sign(at=AT, actor="ann")
    for path in paths.keys.glob("*.pem"):
        path.unlink()
    with pytest.raises(SigningError):
        prune(notary, stored)
    assert len(stored.events((RunLogged,))) == 9


def test_of_events_that_are_gone_already_nothing_is_removed(
    notary: Notary, stored: Ledger, backdoor: Backdoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    notary.sign(at=AT, actor="ann")
    fence = stored.acquire("one", 60)
    assert fence is not None
    chosen = pruning.batches

    def gone_meanwhile(doomed: list[Stretch]) -> object:
        Intruder(backdoor).drop(3)
        return chosen(doomed)

    monkeypatch.setattr(pruning, "batches", gone_meanwhile)
    with pytest.raises(LedgerCorrupt, match="of 3 events 2 were there"):
        stored.prune(KEPT, upto=18, keys=notary.keys, at=AT, actor="one", fence=fence)


# -- meddled with ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("UPDATE events SET actor = 'eve' WHERE sequence = 8", "event 8 was changed"),
        ("DELETE FROM events WHERE sequence = 13", "events 13 to 16 are missing"),
        ("DELETE FROM gaps WHERE first = 2", "events 2 to 4 are missing"),
        ("UPDATE gaps SET last = 5 WHERE first = 2; DELETE FROM events WHERE sequence = 5", "the gaps are not those"),
        ("UPDATE gaps SET hash = previous WHERE first = 2", "event 5 does not follow event 4"),
        ("UPDATE gaps SET previous = hash WHERE first = 2", "event 1 is not what stood before events 2 to 4"),
        ("INSERT INTO gaps VALUES (90, 99, 'x', 'y')", "the gaps are not those that the last pruning left"),
        ("UPDATE gaps SET first = first + 100, last = last + 100", "events 2 to 4 are missing"),
    ],
)
def test_meddling_with_what_was_kept_is_named(
    notary: Notary, stored: Ledger, backdoor: Backdoor, script: str, problem: str
) -> None:
    prune(notary, stored)
    backdoor.run(script)
    assert any(said.startswith(problem) for said in notary.verify().problems), notary.verify().problems


def test_a_removed_event_cannot_be_put_back(notary: Notary, stored: Ledger, backdoor: Backdoor) -> None:
    row = Intruder(backdoor).events("sequence = 3")[0]
    prune(notary, stored)
    Intruder(backdoor).put(row)
    assert "event 3 was inserted where events had been pruned" in str(notary.verify().problems)


# -- pure --------------------------------------------------------------------------------------------------------


@given(st.sets(st.integers(1, 60)), st.sets(st.integers(1, 60)))
@settings(max_examples=300)
def test_gaps_are_the_longest_stretches_whatever_went_when(first: set[int], second: set[int]) -> None:
    def as_gaps(sequences: set[int]) -> list[Gap]:
        return [Gap(a, b, f"h{a - 1}", f"h{b}") for a, b in stretches(sorted(sequences))]

    one_by_one = merged([*merged(as_gaps(first)), *as_gaps(second - first)])

    assert one_by_one == merged(as_gaps(first | second))
    assert {number for gap in one_by_one for number in range(gap.first, gap.last + 1)} == first | second
    assert all(a.last + 1 < b.first for a, b in itertools.pairwise(one_by_one))
    assert all((gap.previous, gap.hash) == (f"h{gap.first - 1}", f"h{gap.last}") for gap in one_by_one)


@given(st.sets(st.integers(1, 200)), st.integers(1, 20))
@settings(max_examples=200)
def test_batches_hold_everything_once_and_are_no_larger_than_told(sequences: set[int], rows: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pruning, "_ROWS", rows)
        found = list(batches(stretches(sorted(sequences))))
    flat = [number for batch in found for first, last in batch for number in range(first, last + 1)]
    assert flat == sorted(sequences)
    assert all(0 < sum(stretch.length for stretch in batch) <= rows for batch in found)


def test_the_digest_tells_gaps_apart() -> None:
    gaps = [Gap(2, 4, "a", "b"), Gap(6, 6, "c", "d")]
    assert len({digest(gaps), digest(gaps[:1]), digest([]), digest(gaps[::-1]), digest([Gap(2, 4, "a", "c")])}) == 5
