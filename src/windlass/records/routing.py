"""Who answers: the one record that serving workers read."""

from __future__ import annotations

from typing import Literal

import msgspec

Stage = Literal["shadow", "canary", "champion", "direct", "control"]
"""The role a version answered in. A version on probation answers as the champion; `direct`: a challenger that the
caller asked by its name; `control`: the champion before, timed beside the one on probation and never heard."""
ANSWERED: tuple[Stage, ...] = ("champion", "canary", "direct")
"""The stages whose answers somebody got."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A version that can answer."""

    version: str
    digest: str
    """sha256 of the bundle's manifest; the directory's name in the registry."""


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """Champion, challenger and split of one product.

    Written whole by the holder of the lease after the ledger's commit, replaced atomically, read by serving workers.
    It is a copy: what the ledger says wins, and the controller writes it anew at every start.
    """

    product: str
    sequence: int
    """The ledger's event this record follows from; a worker never goes back to a lower one."""
    champion: Target | None
    challenger: Target | None = None
    mode: Literal["none", "shadow", "canary"] = "none"
    share: float = 0.0
    """Part of the keys that the challenger answers while `mode` is `canary`, in 0..1."""
    salt: str = ""
    """Mixed into the hash of a key, so that each release splits the keys anew."""
    control: bool = False
    """The challenger is the champion before: workers ask it now and then as they ask the one on probation."""
    key: str = ""
    """Id of the workspace's key that the holder of the lease signed it with; empty: there was none to be used."""
    signature: str = ""
    """Of `signed_text`, 128 hexadecimal digits."""

    def signed_text(self) -> bytes:
        """What is signed: the whole record, so that no version gets another role than it was given."""
        return msgspec.json.encode(["windlass.routing.1", msgspec.structs.replace(self, key="", signature="")])

    def says(self, other: Routing) -> bool:
        """Whether it has the same versions answer in the same way, whenever that was said and by whom."""
        return msgspec.structs.replace(self, sequence=other.sequence, key=other.key, signature=other.signature) == other
