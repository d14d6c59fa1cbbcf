"""`windlass ledger`: is the record whole, and who signs it?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from windlass.cli.context import JsonOption, ProjectOption, ReasonOption, workspace
from windlass.cli.output import print_json, print_record

app = typer.Typer(help="The record of everything that happened.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The record of everything that happened."""


@app.command()
def verify(
    *,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key", help="Trust this key alone: its id, or its .pub file. May be repeated.", show_default=False
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", help="A checkpoint that was kept elsewhere: its file.", show_default=False),
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
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
            raise typer.Exit(1)


@app.command()
def checkpoint(*, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Sign everything up to now, and print the signature.

    Keep it where nobody can change it.
    """
    from windlass.app.ledger import sign

    with workspace(project) as opened:
        print_record(sign(opened), as_json=as_json, title="Checkpoint")


@app.command("key")
def show_key(*, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """The key that signs, and where its private half lies.

    Note the id where nobody can change it.
    """
    from windlass.app.ledger import key

    with workspace(project) as opened:
        print_record(key(opened), as_json=as_json, title="Key")


@app.command("rotate-key")
def rotate_key(
    *,
    reason: ReasonOption,
    lost: Annotated[
        bool, typer.Option("--lost", help="The old private key is gone or known to others: it vouches for nothing.")
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option("--to", help="Where the new private key is to lie, outside of the workspace.", show_default=False),
    ] = None,
    project: ProjectOption = None,
) -> None:
    """Let a new key sign from now on.

    The old one vouches for it, and what it signed goes on holding.
    """
    from windlass.app.ledger import rotate

    with workspace(project) as opened:
        typer.echo(rotate(opened, reason=reason, lost=lost, file=to))
