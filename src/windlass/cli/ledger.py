"""`windlass ledger`: is the record whole?"""

from __future__ import annotations

import typer

from windlass.cli.context import JsonOption, ProjectOption, workspace
from windlass.cli.output import print_json

app = typer.Typer(help="The record of everything that happened.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The record of everything that happened."""


@app.command()
def verify(*, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Check the hash chain. A changed, dropped or reordered row is named, and the exit code is 1."""
    with workspace(project) as opened:
        verification = opened.ledger.verify()
        if as_json:
            print_json(verification)
        elif verification.ok:
            typer.echo(f"the ledger holds: {verification.events} events, every hash follows from the one before")
        else:
            typer.echo("the ledger does NOT hold:", err=True)
            for problem in verification.problems:
                typer.echo(f"  {problem}", err=True)
        if not verification.ok:
            raise typer.Exit(1)
