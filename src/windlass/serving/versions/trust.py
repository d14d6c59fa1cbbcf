"""Whether a routing record may be followed at all: whoever holds the lease has signed it.

The digest in a routing record says which bundle is meant, and every file of it is held against that. The signature says
that it was the holder of the lease who meant it, and in which role: who can change routing and registry, and has not
the workspace's key, makes no version serve, nor one in shadow answer.
"""

from __future__ import annotations

from windlass.errors import SigningError
from windlass.ledger.keys import Keys, signature_holds
from windlass.records.paths import Paths
from windlass.records.routing import Routing


class Trust:
    """The public keys of a workspace, read anew each time: they are few, and one may have been replaced."""

    def __init__(self, paths: Paths) -> None:
        self._keys = Keys(paths.keys)
        self._had_some = False

    def check(self, routing: Routing) -> None:
        """Raise SigningError unless a trusted key signed it, or there is none yet in the workspace."""
        keys = self._keys.public()
        if not keys and not self._had_some:
            return
        self._had_some = True
        if not routing.signature:
            raise _refused("it is not signed", "nobody who holds the lease has written it")
        public = keys.get(routing.key)
        if public is None:
            raise _refused(f"it is signed by {routing.key[:12]!r}", "that key is not trusted here")
        if not signature_holds(public, routing.signed_text(), routing.signature):
            raise _refused("its signature does not hold", "something of it was changed")


def _refused(what: str, why: str) -> SigningError:
    return SigningError(
        f"the routing record is not followed: {what}: {why}",
        where="routing",
        remedy="let `windlass up` write it anew; if it cannot sign, see `windlass ledger key`",
    )
