"""The keys and signatures of a workspace's ledger, as a person asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from windlass.app.workspace import Workspace
from windlass.errors import SigningError


def trusted_keys(named: Sequence[str] | None) -> frozenset[str] | None:
    """Ids of keys that were named by id or by a public key's file; None for none: then the workspace's count."""
    from windlass.ledger.keys import id_of_file

    return frozenset(id_of_file(Path(name)) if Path(name).is_file() else name for name in named) if named else None


def sign(workspace: Workspace) -> dict[str, Any]:
    """Sign everything up to now; the checkpoint as a record."""
    return asdict(workspace.notary.sign(at=workspace.clock.now(), actor=workspace.actor))


def key(workspace: Workspace) -> dict[str, Any]:
    """The key in force. Raises SigningError when there is none yet."""
    known = workspace.ledger.key()
    if known is None:
        raise SigningError(
            "nothing was ever signed here, so there is no key",
            where=str(workspace.settings.workspace),
            remedy="`windlass ledger checkpoint` makes one, and so does `windlass up`",
        )
    private = workspace.notary.keys.place(known.key)
    return {
        "key": known.key,
        "public": known.public,
        "private": str(private),
        "there": private.is_file(),
        "reason": known.reason,
        "previous": known.previous,
    }


def rotate(workspace: Workspace, *, reason: str, lost: bool, file: Path | None) -> str:
    """Put a new key in the place of the present one; what is to be done now, in words."""
    checkpoint = workspace.notary.rotate(
        at=workspace.clock.now(), actor=workspace.actor, reason=reason, lost=lost, file=file
    )
    told = f"signed by the key {checkpoint.key} from now on"
    if file is None:
        return told
    return f"{told}; set `signing_key` to {file.absolute()} and start what runs anew"
