"""Signs what the ledger says, keeps the last signature outside of it, and compares the two."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path

from windlass.errors import LedgerCorrupt, SigningError
from windlass.ledger.anchoring import Anchor
from windlass.ledger.checkpoints import read_outside, write_outside
from windlass.ledger.keys import Keys, SigningKey
from windlass.ledger.ledger import Ledger
from windlass.ledger.pruning import Pruned
from windlass.ledger.retention import Kept
from windlass.ledger.verification import Verification
from windlass.records.checkpoint import Checkpoint
from windlass.records.event import KeyRotated
from windlass.records.lease import Fence
from windlass.records.paths import Paths


class Notary:
    """The ledger of a workspace together with its keys and its checkpoint outside."""

    def __init__(self, ledger: Ledger, paths: Paths, *, signing_key: Path | None = None) -> None:
        """`signing_key`: the file of the private key, when it is not kept in the workspace."""
        self._ledger = ledger
        self._outside = paths.checkpoint
        self.keys = Keys(paths.keys, elsewhere=signing_key)
        self._held: SigningKey | None = None
        """The key in force, once it was used: who answers is to be changed also after its file is gone."""

    def sign(self, *, at: datetime, actor: str, fence: Fence | None = None) -> Checkpoint:
        """Sign everything up to now, first in the ledger, then outside: killed in between, the copy is only older.

        Raises SigningError when the key cannot be used, when the copy cannot be written, or when the ledger does not
        hold what the copy says; LeaseLost for a lost `fence`.
        """
        outside = read_outside(self._outside)
        checkpoint = self._ledger.checkpoint(self.keys, at=at, actor=actor, fence=fence, outside=outside)
        write_outside(self._outside, checkpoint)
        return checkpoint

    def vouch(self, content: bytes) -> tuple[str, str] | None:
        """The id of the key in force and its signature of `content`; None before the first key.

        Raises SigningError when the key cannot be used.
        """
        known = self._ledger.key()
        if known is None:
            return None
        if self._held is None or self._held.id != known.key:
            self._held = self.keys.load(known.key)
        return known.key, self._held.sign(content)

    def verify(
        self,
        *,
        trusted: Collection[str] | None = None,
        against: Path | None = None,
        between: Callable[[], None] = lambda: None,
    ) -> Verification:
        """Compare every event with its hash and the hashes with the signatures.

        `trusted` are ids of keys, by default those of the workspace's folder; `against` is a checkpoint that was kept
        elsewhere, by default the workspace's. `between` is called every few thousand events. Raises SigningError for
        files that are none.
        """
        path = against or self._outside
        outside = read_outside(path)
        if outside is None and against is not None:
            raise SigningError("there is no such checkpoint", where=str(path), remedy="give the path of its file")
        ids = self.keys.trusted() if trusted is None else frozenset(trusted)
        return self._ledger.verify(Anchor(trusted=ids, outside=outside), between=between)

    def rotate(
        self, *, at: datetime, actor: str, reason: str, lost: bool = False, file: Path | None = None
    ) -> Checkpoint:
        """Put a new key in the place of the present one, which vouches for it, and sign with it.

        `lost`: the present private key is gone or not to be used, and nobody vouches: the workspace's folder alone says
        that the new one is trusted. `file`: where the new private key is to lie, outside of the workspace.
        """
        known = self._ledger.key()
        if known is None:
            raise SigningError(
                "there is no key yet that could be replaced",
                where="ledger",
                remedy="`windlass ledger checkpoint` makes the first",
            )
        old = None if lost else self.keys.load(known.key)
        new = self.keys.replacement(file)
        change = KeyRotated(key=new.id, public=new.public.hex(), previous=known.key, reason=reason)
        self._ledger.rotate_key(change, old=old, at=at, actor=actor)
        self.keys.forget(known.key)
        self.keys = self.keys.with_private(file)
        return self.sign(at=at, actor=actor)

    def prune(
        self,
        kept: Kept,
        *,
        at: datetime,
        actor: str,
        fence: Fence,
        between: Callable[[], None] = lambda: None,
    ) -> Pruned:
        """Remove what `retention.prunable` finds, once the ledger has been signed up to now and verified.

        `between` is called after each batch and while events are read, for whoever has a lease to renew. Raises
        LedgerCorrupt, with nothing removed, when the ledger does not hold: what an intruder changed must not be tidied
        away.
        """
        self.sign(at=at, actor=actor, fence=fence)
        found = self.verify(between=between)
        if not found.ok:
            raise LedgerCorrupt(
                f"the ledger does not hold, so nothing is removed from it: {found.problems[0]}",
                where="ledger",
                remedy="see `windlass ledger verify`",
            )
        upto = found.signed_upto - 1  # the event that is signed stays
        pruned = self._ledger.prune(kept, upto=upto, keys=self.keys, at=at, actor=actor, fence=fence, between=between)
        if pruned.checkpoint is not None:
            write_outside(self._outside, pruned.checkpoint)
        return pruned
