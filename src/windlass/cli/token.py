"""`windlass token`: who may ask the server for what."""

from __future__ import annotations

from pathlib import Path

import click

from windlass.cli.context import json_option, project_option, reason_option, workspace
from windlass.cli.group import Group
from windlass.cli.output import print_json
from windlass.cli.tables import print_rows
from windlass.errors import UsageError
from windlass.records.token import SCOPES


@click.group(cls=Group)
def token() -> None:
    """Tokens: who may ask the server for what, beyond this machine."""


@token.command()
@click.argument("holder", help="Who gets it.")
@click.option("--scope", multiple=True, required=True, help=f"{', '.join(SCOPES)}; give it once for each.")
@project_option
@json_option
def create(holder: str, *, scope: tuple[str, ...], project: Path | None, as_json: bool) -> None:
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
        click.echo(f"windlass: {name} for {holder}: {', '.join(scopes)}. It is not shown again:", err=True)
        click.echo(secret)


@token.command("list")
@project_option
@json_option
def list_tokens(*, project: Path | None, as_json: bool) -> None:
    """Every token that was made, for whom, by whom, and whether it was taken back."""
    from windlass.app import tokens

    with workspace(project) as opened:
        print_rows(tokens.listed(opened), as_json=as_json, title="Tokens", empty="no token has been made")


@token.command()
@click.argument("token", help="Its name, as `list` shows it.")
@reason_option
@project_option
def revoke(token: str, *, reason: str, project: Path | None) -> None:
    """Take a token back. It opens nothing from now on."""
    from windlass.app import tokens

    with workspace(project) as opened:
        tokens.revoke(opened, token, reason=reason)
    click.echo(f"{token} opens nothing any more")
