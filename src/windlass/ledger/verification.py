"""Finds what was done to the ledger behind its back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
from sqlalchemy import Connection

from windlass.errors import LedgerCorrupt
from windlass.ledger import checkpoints, gaps, heads, query
from windlass.ledger.anchoring import Anchor, Anchored, Signed, anchored
from windlass.ledger.following import Problems, follow
from windlass.ledger.gaps import Gap
from windlass.records.event import LedgerPruned

_T = TypeVar("_T")


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What `Ledger.verify` found."""

    ok: bool
    events: int
    """Rows read."""
    pruned: int = 0
    """Events that pruning removed; the chain is followed across."""
    head: str
    """The hash of the last event; whoever notes it elsewhere can later show that nothing before it was rewritten."""
    signed_upto: int = 0
    """The last event that a trusted signature covers; 0: none, or nobody asked."""
    unsigned: int = 0
    """Events that are newer."""
    checkpoints: int = 0
    """Those that are there."""
    key: str = ""
    """The key in force; empty: there is none."""
    problems: tuple[str, ...]
    """Each a sentence that names the event; in the order of the ledger, the first 50."""


def verify(
    connection: Connection, anchor: Anchor | None, *, where: str, between: Callable[[], None] = lambda: None
) -> Verification:
    """Follow the whole chain and, with an `anchor`, compare it with what was signed. Memory stays flat.

    Without one, a rewritten past whose hashes were all computed anew goes unnoticed.
    """
    head = heads.read(connection, where=where)
    problems = Problems()
    signed = _readable(lambda: checkpoints.every(connection), problems)
    rotations = _readable(lambda: checkpoints.rotations(connection), problems)
    prunings = _readable(lambda: gaps.prunings(connection), problems)
    left = gaps.read(connection)
    wanted = {checkpoint.sequence for checkpoint in signed}
    chain = follow(query.stream(connection, between=between), problems, head=head, gaps=left, wanted=wanted)
    pruned_at, pruning = prunings[-1] if prunings else (0, None)
    _compare_gaps(left, pruning, problems)
    reach = Anchored(upto=0, key="", problems=())
    if anchor is not None:
        known = Signed(
            checkpoints=signed,
            rotations=rotations,
            hashes=chain.hashes,
            head=chain.last,
            first_number=1 if pruning is None else pruning.checkpoints_from,
            vouching=() if pruning is None else pruning.checkpoints_before,
        )
        reach = anchored(known, anchor)
        problems.add(*reach.problems)
        if pruned_at > reach.upto:
            problems.add(f"event {pruned_at} says that the ledger was pruned, and no trusted signature covers it")
    found = problems.spelled_out()
    return Verification(
        ok=not found,
        events=chain.events,
        pruned=chain.pruned,
        head=chain.last_hash,
        signed_upto=reach.upto,
        unsigned=max(chain.last - reach.upto, 0) if anchor is not None else 0,
        checkpoints=len(signed),
        key=reach.key,
        problems=found,
    )


def _readable(read: Callable[[], list[_T]], problems: Problems) -> list[_T]:
    """What `read` finds; nothing, and a problem more, when it was changed into something that cannot be read."""
    try:
        return read()
    except LedgerCorrupt as error:
        problems.add(error.what)
        return []


def _compare_gaps(left: Sequence[Gap], pruning: LedgerPruned | None, problems: Problems) -> None:
    if pruning is None and left:
        stretch = f"events {left[0].first} to {left[0].last}"
        problems.add(f"{stretch} are gone as if they had been pruned, and no event says so")
    elif pruning is not None and gaps.digest(left) != pruning.digest:
        problems.add("the gaps are not those that the last pruning left: they were changed")
