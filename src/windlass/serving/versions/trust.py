"""Whether a version may serve here at all: whoever holds the lease has signed for it.

The digest in a routing record says which bundle is meant, and every file of it is held against that. The signature says
that it was the holder of the lease who meant it: who can change routing and registry, and has not the workspace's key,
makes no version serve.
"""

from __future__ import annotations

from windlass.errors import SigningError
from windlass.ledger.keys import Keys, signature_holds
from windlass.records.paths import Paths
from windlass.records.routing import Target


class Trust:
    """The public keys of a workspace, read anew each time: they are few, and one may have been replaced."""

    def __init__(self, paths: Paths) -> None:
        self._folder = paths.keys

    def check(self, product: str, target: Target) -> None:
        """Raise SigningError unless a trusted key signed for `target`, or there is none yet in the workspace."""
        keys = Keys(self._folder).public()
        if not keys:
            return
        if not target.signature:
            raise _refused(f"version {target.version} is not signed", "nobody who holds the lease has routed it")
        public = keys.get(target.key)
        if public is None:
            raise _refused(f"version {target.version} is signed by {target.key[:12]!r}", "that key is not trusted here")
        if not signature_holds(public, target.signed_text(product), target.signature):
            raise _refused(f"the signature of version {target.version} does not hold", "something of it was changed")


def _refused(what: str, why: str) -> SigningError:
    return SigningError(
        f"{what}: {why}",
        where="routing",
        remedy="let `windlass up` route it anew; if it cannot sign, see `windlass ledger key`",
    )
