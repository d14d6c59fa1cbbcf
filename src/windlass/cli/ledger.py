"""`windlass ledger`: is the record whole, and who signs it?"""

from __future__ import annotations

from pathlib import Path

import click

from windlass.cli.context import PATH, json_option, project_option, reason_option, workspace
from windlass.cli.group import Group
from windlass.cli.output import print_json, print_record


@click.group(cls=Group)
def ledger() -> None:
    """The record of everything that happened."""


@ledger.command()
@click.option("--key", multiple=True, help="Trust this key alone: its id, or its .pub file. May be repeated.")
@click.option("--against", type=PATH, help="A checkpoint that was kept elsewhere: its file.")
@project_option
@json_option
def verify(*, key: tuple[str, ...], against: Path | None, project: Path | None, as_json: bool) -> None:
    """Check the hash chain and its signatures.

    What was changed, dropped or forged is named, and the exit code is 1.
    """
    from windlass.app.ledger import trusted_keys
    from windlass.cli.ledger_view import say_verified

    with workspace(project) as opened:
        verification = opened.notary.verify(trusted=trusted_keys(key), against=against)
        if as_json:
            print_json(verification)
        else:
            say_verified(verification)
        if not verification.ok:
            raise click.exceptions.Exit(1)


@ledger.command()
@project_option
@json_option
def checkpoint(*, project: Path | None, as_json: bool) -> None:
    """Sign everything up to now, and print the signature.

    Keep it where nobody can change it.
    """
    from windlass.app.ledger import sign

    with workspace(project) as opened:
        print_record(sign(opened), as_json=as_json, title="Checkpoint")


@ledger.command("key")
@project_option
@json_option
def show_key(*, project: Path | None, as_json: bool) -> None:
    """The key that signs, and where its private half lies.

    Note the id where nobody can change it.
    """
    from windlass.app.ledger import key

    with workspace(project) as opened:
        print_record(key(opened), as_json=as_json, title="Key")


@ledger.command("rotate-key")
@reason_option
@click.option("--lost", is_flag=True, help="The old private key is gone or known to others: it vouches for nothing.")
@click.option("--to", type=PATH, help="Where the new private key is to lie, outside of the workspace.")
@project_option
def rotate_key(*, reason: str, lost: bool, to: Path | None, project: Path | None) -> None:
    """Let a new key sign from now on.

    The old one vouches for it, and what it signed goes on holding.
    """
    from windlass.app.ledger import rotate

    with workspace(project) as opened:
        click.echo(rotate(opened, reason=reason, lost=lost, file=to))
