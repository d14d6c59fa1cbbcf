"""`windlass token`: who may ask the server for what."""

from __future__ import annotations

from typing import Annotated

import typer

from windlass.cli.context import JsonOption, ProjectOption, ReasonOption, workspace
from windlass.cli.output import print_json, print_rows
from windlass.errors import UsageError
from windlass.records.token import SCOPES

app = typer.Typer(help="Tokens: who may ask the server for what, beyond this machine.", no_args_is_help=True)


@app.command()
def create(
    holder: Annotated[str, typer.Argument(metavar="HOLDER", help="Who gets it.", show_default=False)],
    *,
    scope: Annotated[
        list[str], typer.Option("--scope", help=f"{', '.join(SCOPES)}; give it once for each.", show_default=False)
    ],
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token and show it, once. Only its hash is kept."""
    from windlass.app import tokens

    scopes = tuple(known for known in SCOPES if known in scope)
    unknown = [each for each in scope if each not in SCOPES]
    if unknown:
        raise UsageError(f"there is no scope {unknown[0]!r}", where="--scope", remedy=f"choose of {', '.join(SCOPES)}")
    with workspace(project, create=True) as opened:
        name, secret = tokens.create(opened, holder, scopes)
    if as_json:
        print_json({"token": name, "secret": secret})
    else:
        typer.echo(f"windlass: {name} for {holder}: {', '.join(scopes)}. It is not shown again:", err=True)
        typer.echo(secret)


@app.command("list")
def list_tokens(*, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Every token that was made, for whom, by whom, and whether it was taken back."""
    from windlass.app import tokens

    with workspace(project) as opened:
        print_rows(tokens.listed(opened), as_json=as_json, title="Tokens", empty="no token has been made")


@app.command()
def revoke(
    token: Annotated[str, typer.Argument(help="Its name, as `list` shows it.", show_default=False)],
    *,
    reason: ReasonOption,
    project: ProjectOption = None,
) -> None:
    """Take a token back. It opens nothing from now on."""
    from windlass.app import tokens

    with workspace(project) as opened:
        tokens.revoke(opened, token, reason=reason)
    typer.echo(f"{token} opens nothing any more")
