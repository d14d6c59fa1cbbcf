"""`windlass backup` and `windlass restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from windlass.cli.context import JsonOption, ProjectOption, workspace
from windlass.cli.output import console, print_json

if TYPE_CHECKING:
    from windlass.records.backup import Backup

To = Annotated[Path, typer.Argument(help="A folder that is empty or new, outside the workspace.", show_default=False)]
From = Annotated[Path, typer.Argument(help="A folder that `windlass backup` wrote.", show_default=False)]


def backup(to: To, *, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Copy the workspace while it runs. Ledger, lake, what is on its way there, versions: of one moment, or later."""
    from windlass.app.backup import backup as make

    with workspace(project) as opened, console(stderr=True).status("") as status:
        made = make(opened, to, show=lambda what: status.update(f"copying {what}"))
    _tell(f"backed up to {to}", made, as_json=as_json)


def restore(source: From, *, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Make a workspace of a backup. It is verified before it counts; the project's workspace must be empty."""
    from windlass.app.restore import restore as bring
    from windlass.settings import load_settings

    with console(stderr=True).status("") as status:
        found = bring(load_settings(directory=project), source, show=status.update)
    _tell(f"restored from {source}", found, as_json=as_json)


def _tell(what: str, found: Backup, *, as_json: bool) -> None:
    if as_json:
        told = {"sequence": found.sequence, "files": len(found.files), "bytes": found.bytes, "missing": found.missing}
        print_json(told)
        return
    size = found.bytes / 1e6
    typer.echo(f"{what}: {found.sequence:,} events, {len(found.files):,} files, {size:,.1f} MB")
    for version in found.missing:
        typer.echo(f"the bundle of {version} is missing; everything else is there", err=True)


def register(app: typer.Typer) -> None:
    """Mount the commands of this file."""
    app.command()(backup)
    app.command()(restore)
