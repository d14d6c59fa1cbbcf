"""Follows the chain from its beginning to its head, across what was pruned."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec

from windlass.ledger.chain import START, Link, row_hash
from windlass.ledger.gaps import Gap

_SHOWN = 50
"""Problems that are spelled out; a ledger that was changed throughout must not fill the memory."""


class Problems:
    """The first sentences, and how many there were."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._count = 0

    def add(self, *sentences: str) -> None:
        for sentence in sentences:
            self._count += 1
            if self._count <= _SHOWN:
                self._found.append(sentence)

    def spelled_out(self) -> tuple[str, ...]:
        left = self._count - _SHOWN
        return (*self._found, f"and {left} problems more") if left > 0 else tuple(self._found)


class Chain(msgspec.Struct, kw_only=True):
    """What following the chain once has come to."""

    events: int = 0
    pruned: int = 0
    last: int = 0
    """The sequence of the last event that is there."""
    last_hash: str = START
    hashes: dict[int, str]
    """The hashes of the events that were asked for, where they are there."""


def follow(
    rows: Iterable[Any], problems: Problems, *, head: Link, gaps: Sequence[Gap] = (), wanted: Collection[int] = ()
) -> Chain:
    """Compare every row with its hash, with the row before it, and the last with the head. One pass, flat memory.

    `rows` are the columns of `events` in the order of their sequence, `gaps` what pruning left, `wanted` sequences
    whose hashes are asked for. After a broken link the check goes on from what is there, so that one change is one
    problem and not one for every event after it.
    """
    chain = Chain(hashes={})
    pruned = {gap.first: gap for gap in gaps}
    for row in rows:
        sequence, previous, stored = row[0], row[8], row[9]
        if (gap := pruned.get(chain.last + 1)) is not None:
            _cross(chain, gap, problems)
        if sequence > head.sequence >= chain.last:
            _compare_head(problems, chain, head)
        if sequence != chain.last + 1:
            problems.add(_gap(chain.last + 1, sequence))
        if sequence > head.sequence:
            problems.add(f"event {sequence} was inserted: the head says that the ledger ends at event {head.sequence}")
        else:
            _compare_row(problems, row, follows=previous == chain.last_hash, adjoins=sequence == chain.last + 1)
        if sequence in wanted:
            chain.hashes[sequence] = stored
        chain.last, chain.last_hash, chain.events = sequence, stored, chain.events + 1
    if chain.last <= head.sequence:
        _compare_head(problems, chain, head)
    return chain


def _cross(chain: Chain, gap: Gap, problems: Problems) -> None:
    """Go on behind a gap, whose hashes stand for what was there."""
    if gap.previous != chain.last_hash:
        before = f"event {gap.first - 1}" if gap.first > 1 else "the beginning"
        problems.add(f"{before} is not what stood before {_range(gap.first, gap.last)} when they were pruned")
    chain.last, chain.last_hash = gap.last, gap.hash
    chain.pruned += gap.last - gap.first + 1


def _compare_row(problems: Problems, row: Any, *, follows: bool, adjoins: bool) -> None:
    sequence = row[0]
    holds = row_hash(str(row[8]), row[:8]) == row[9]
    if not holds and not follows:
        problems.add(f"event {sequence} stands where another was written: events were reordered or replaced")
    elif not holds:
        problems.add(f"event {sequence} was changed: its content does not match its hash")
    elif not follows and adjoins:
        before = f"event {sequence - 1} as that reads now" if sequence > 1 else "the beginning"
        problems.add(f"event {sequence} does not follow {before}: one of them was replaced")


def _compare_head(problems: Problems, chain: Chain, head: Link) -> None:
    if chain.last < head.sequence:
        missing = _events(chain.last + 1, head.sequence)
        problems.add(f"{missing} missing at the end: the head says that there are {head.sequence}")
    elif chain.last_hash != head.hash:
        problems.add(f"event {chain.last} is not the one that the head names: the end of the ledger was rewritten")


def _gap(expected: int, sequence: int) -> str:
    if sequence > expected:
        return f"{_events(expected, sequence - 1)} missing"
    if sequence > 0:
        return f"event {sequence} was inserted where events had been pruned"
    return f"event {sequence} was inserted before the first"


def _range(first: int, last: int) -> str:
    return f"event {first}" if first == last else f"events {first} to {last}"


def _events(first: int, last: int) -> str:
    return f"{_range(first, last)} {'is' if first == last else 'are'}"
