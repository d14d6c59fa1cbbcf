"""`windlass data erase`: a person's rows go, by whoever holds the lease."""

from __future__ import annotations

from windlass.app.act import Say, ask
from windlass.app.queries import the_product
from windlass.app.workspace import Workspace
from windlass.controller.erasure_file import read_erasure, write_erasure
from windlass.errors import UsageError
from windlass.records.erasure import Erasure

_PATIENCE = 600.0
"""Seconds that a living holder may take: a large lake is read and written anew."""


def erase(workspace: Workspace, key: str, *, product: str | None, reason: str, say: Say) -> str:
    """What was erased, in words. The key stays out of the ledger: it goes to the holder of the lease by a file."""
    state = the_product(workspace, product)
    if not key:
        raise UsageError("an empty key names nobody", where="--key", remedy="give the key of the rows")
    if key in reason:
        raise UsageError(
            "the reason names the key, and it would stay in the ledger for ever",
            where="--reason",
            remedy="name the request instead, by its number or its date",
        )
    commands: list[str] = []

    def note(command: str) -> None:
        commands.append(command)
        write_erasure(workspace.paths, Erasure(command=command, product=state.name, key=key))

    try:
        return ask(workspace, "erase", product=state.name, reason=reason, say=say, patience=_PATIENCE, prepare=note)
    finally:
        for command in commands:
            left = read_erasure(workspace.paths, command)
            if left is not None and left.repinned is None:  # it was refused or taken back
                workspace.paths.erasure(command).unlink(missing_ok=True)
