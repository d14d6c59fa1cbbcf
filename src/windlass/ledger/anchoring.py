"""Compares the ledger with what was signed: pure, on records that were read before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from windlass.ledger.checkpoints import content
from windlass.ledger.keys import key_id, signature_holds
from windlass.records.checkpoint import Checkpoint
from windlass.records.event import KeyRotated


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody knows who does not take the database's word for it."""

    trusted: frozenset[str]
    """Ids of keys. A later key needs none, if the one before vouched for it."""
    outside: Checkpoint | None
    """The last checkpoint as it was kept outside; None: there is none."""


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger holds of signatures."""

    checkpoints: Sequence[Checkpoint]
    """By number."""
    rotations: Sequence[tuple[int, KeyRotated]]
    """The events by which keys came into force, with their sequences."""
    hashes: Mapping[int, str]
    """Sequence -> the hash of the event there, for each sequence that a checkpoint names."""
    head: int
    """The sequence of the last event that is there."""
    first_number: int
    """Checkpoints with lower numbers were pruned,"""
    vouching: Sequence[int]
    """but for these."""


class Anchored(msgspec.Struct, frozen=True, kw_only=True):
    """How far the signatures reach."""

    upto: int
    """The last event that a trusted signature covers; 0: none."""
    key: str
    """The key in force; empty: there is none."""
    problems: tuple[str, ...]


def anchored(signed: Signed, anchor: Anchor) -> Anchored:
    """Check every signature, who made it, and whether the events still are those that were signed."""
    public = {rotated.key: bytes.fromhex(rotated.public) for _, rotated in signed.rotations if _is_key(rotated)}
    problems = [
        f"event {sequence} brings in a key under a name that is not its own"
        for sequence, rotated in signed.rotations
        if rotated.key not in public
    ]
    problems += _missing(signed)
    good: list[Checkpoint] = []
    rewritten = False
    for checkpoint in signed.checkpoints:
        fault = _wrong_signature(checkpoint, signed, public)
        if fault is None and signed.hashes.get(checkpoint.sequence) != checkpoint.hash:
            # The first says it all: behind a change no later hash can be the one that was signed.
            fault = None if rewritten else _rewritten(checkpoint, signed.head, after=good[-1] if good else None)
            rewritten = True
        elif fault is None:
            good.append(checkpoint)
        problems += [] if fault is None else [fault]
    accepted = _accepted(signed.rotations, good, anchor.trusted)
    upto = max((checkpoint.sequence for checkpoint in good if checkpoint.key in accepted), default=0)
    problems += _not_trusted(signed.rotations, accepted, upto=upto)
    problems += _outside(signed, anchor, public, accepted)
    key = signed.rotations[-1][1].key if signed.rotations else ""
    return Anchored(upto=upto, key=key, problems=tuple(problems))


def _is_key(rotated: KeyRotated) -> bool:
    try:
        return key_id(bytes.fromhex(rotated.public)) == rotated.key
    except ValueError:
        return False


def _missing(signed: Signed) -> list[str]:
    there = {checkpoint.number for checkpoint in signed.checkpoints}
    expected = [*signed.vouching, *range(signed.first_number, max(there, default=0))]
    gone = [number for number in expected if number not in there]
    return [f"checkpoint {number} was removed" for number in gone]


def _wrong_signature(checkpoint: Checkpoint, signed: Signed, public: Mapping[str, bytes]) -> str | None:
    name = f"checkpoint {checkpoint.number}"
    if checkpoint.key not in public:
        return f"{name} is signed by the key {checkpoint.key}, which no event brought in"
    allowed = _in_force(checkpoint.sequence, signed.rotations)
    if checkpoint.key not in allowed:
        return f"{name} is signed by the key {checkpoint.key}, where {' or '.join(allowed)} was in force"
    if not signature_holds(public[checkpoint.key], content(checkpoint), checkpoint.signature):
        return f"{name} was changed or forged: its signature does not fit"
    return None


def _in_force(sequence: int, rotations: Sequence[tuple[int, KeyRotated]]) -> list[str]:
    """The keys that may sign at `sequence`: at the very event that brings in a key, the one before and itself."""
    before = [rotated.key for at, rotated in rotations if at < sequence][-1:]
    return before + [rotated.key for at, rotated in rotations if at == sequence]


def _rewritten(checkpoint: Checkpoint, head: int, *, after: Checkpoint | None) -> str:
    signs = f"checkpoint {checkpoint.number} signs event {checkpoint.sequence}"
    if checkpoint.sequence > head:
        return f"{signs}, but the ledger ends at event {head}: its end was cut off"
    since = "its beginning" if after is None else f"event {after.sequence}"
    return f"{signs}, which is another one now: the ledger was rewritten between {since} and there"


def _accepted(
    rotations: Sequence[tuple[int, KeyRotated]], good: Sequence[Checkpoint], trusted: frozenset[str]
) -> frozenset[str]:
    """The keys that are trusted, and those that an accepted key vouched for."""
    vouched = {(checkpoint.sequence, checkpoint.key) for checkpoint in good}
    accepted: set[str] = set()
    for sequence, rotated in rotations:
        by_the_one_before = rotated.previous in accepted and (sequence, rotated.previous) in vouched
        if rotated.key in trusted or by_the_one_before:
            accepted.add(rotated.key)
    return frozenset(accepted)


def _not_trusted(rotations: Sequence[tuple[int, KeyRotated]], accepted: frozenset[str], *, upto: int) -> list[str]:
    """Keys that came in by themselves; those below a trusted signature do not matter, since it covers them."""
    return [
        f"event {sequence} brings in the key {rotated.key}, which is not trusted here and no trusted key vouches for it"
        for sequence, rotated in rotations
        if rotated.key not in accepted and sequence > upto
    ]


def _outside(signed: Signed, anchor: Anchor, public: Mapping[str, bytes], accepted: frozenset[str]) -> list[str]:
    """What the copy outside of the database shows."""
    outside = anchor.outside
    if outside is None:
        return _nothing_outside(signed, anchor)
    name = f"checkpoint {outside.number}"
    if outside.key not in public:
        return [f"{name}, kept outside, is signed by {outside.key}, which this ledger does not know: it is another one"]
    if not signature_holds(public[outside.key], content(outside), outside.signature) or outside.key not in accepted:
        return [f"{name}, kept outside, was changed or forged: its signature does not fit or is not trusted"]
    same = next((checkpoint for checkpoint in signed.checkpoints if checkpoint.number == outside.number), None)
    gone = outside.number < signed.first_number and outside.number not in signed.vouching
    if same == outside or (same is None and gone):
        return []
    if same is not None:
        return [f"{name} is another one than was kept outside: the ledger was rewritten or an old copy went on"]
    return [
        f"{name}, kept outside, signs event {outside.sequence} and is not in the ledger: its end was cut off, "
        "or an older copy was put back"
    ]


def _nothing_outside(signed: Signed, anchor: Anchor) -> list[str]:
    if signed.checkpoints:
        return ["there is no checkpoint outside of the ledger, so an end that was cut off would not show"]
    if anchor.trusted:
        return ["there is a signing key, but no checkpoint in the ledger: they were removed"]
    return []
