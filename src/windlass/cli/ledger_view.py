"""What a verification found, for a person."""

from __future__ import annotations

import click

from windlass.ledger.verification import Verification


def say_verified(found: Verification) -> None:
    """On standard output when all is well, else on standard error."""
    if not found.ok:
        click.echo("the ledger does NOT hold:", err=True)
        for problem in found.problems:
            click.echo(f"  {problem}", err=True)
        return
    pruned = f" ({found.pruned} more were pruned)" if found.pruned else ""
    click.echo(f"the ledger holds: {found.events} events{pruned}, every hash follows from the one before")
    if not found.signed_upto:
        click.echo("nothing of it is signed yet: `windlass ledger checkpoint`")
        return
    click.echo(f"signed up to event {found.signed_upto} by the key {found.key}; checkpoints: {found.checkpoints}")
    if found.unsigned:
        click.echo(f"not signed yet: {found.unsigned} newer events")
