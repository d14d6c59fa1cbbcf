"""Finds what was done to the ledger behind its back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from windlass.ledger.chain import START, row_hash

_SHOWN = 50
"""Problems that are spelled out; a ledger that was changed throughout must not fill the memory."""


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What `Ledger.verify` found."""

    ok: bool
    events: int
    """Rows read."""
    head: str
    """The hash of the last event; whoever notes it elsewhere can later show that nothing before it was rewritten."""
    problems: tuple[str, ...]
    """Each a sentence that names the event; in the order of the ledger, the first 50."""


class _Problems:
    """The first sentences, and how many there were."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._count = 0

    def add(self, sentence: str) -> None:
        self._count += 1
        if self._count <= _SHOWN:
            self._found.append(sentence)

    def spelled_out(self) -> tuple[str, ...]:
        left = self._count - _SHOWN
        return (*self._found, f"and {left} problems more") if left > 0 else tuple(self._found)


def verify_rows(rows: Iterable[Any], *, head: tuple[int, str]) -> Verification:
    """Compare every row with its hash, with the row before it, and the last with the head. One pass, flat memory.

    `rows` are the columns of `events` in the order of their sequence, `head` what the head says: sequence and hash of
    the last. After a broken link the check goes on from what is there, so that one change is one problem and not one
    for every event after it.
    """
    problems = _Problems()
    last, last_hash, count = 0, START, 0
    for row in rows:
        sequence, previous, stored = row[0], row[8], row[9]
        if sequence > head[0] >= last:
            _compare_head(problems, last, last_hash, head)
        if sequence != last + 1:
            problems.add(_gap(last + 1, sequence))
        if sequence > head[0]:
            problems.add(f"event {sequence} was inserted: the head says that the ledger ends at event {head[0]}")
        else:
            _compare_row(problems, row, follows=previous == last_hash, adjoins=sequence == last + 1)
        last, last_hash, count = sequence, stored, count + 1
    if last <= head[0]:
        _compare_head(problems, last, last_hash, head)
    found = problems.spelled_out()
    return Verification(ok=not found, events=count, head=last_hash, problems=found)


def _compare_row(problems: _Problems, row: Any, *, follows: bool, adjoins: bool) -> None:
    sequence = row[0]
    holds = row_hash(str(row[8]), row[:8]) == row[9]
    if not holds and not follows:
        problems.add(f"event {sequence} stands where another was written: events were reordered or replaced")
    elif not holds:
        problems.add(f"event {sequence} was changed: its content does not match its hash")
    elif not follows and adjoins:
        before = f"event {sequence - 1} as that reads now" if sequence > 1 else "the beginning"
        problems.add(f"event {sequence} does not follow {before}: one of them was replaced")


def _compare_head(problems: _Problems, last: int, last_hash: str, head: tuple[int, str]) -> None:
    if last < head[0]:
        problems.add(f"{_events(last + 1, head[0])} missing at the end: the head says that there are {head[0]}")
    elif last_hash != head[1]:
        problems.add(f"event {last} is not the one that the head names: the end of the ledger was rewritten")


def _gap(expected: int, sequence: int) -> str:
    if sequence > expected:
        return f"{_events(expected, sequence - 1)} missing"
    return f"event {sequence} was inserted before the first"


def _events(first: int, last: int) -> str:
    return f"event {first} is" if first == last else f"events {first} to {last} are"
