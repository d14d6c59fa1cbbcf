"""`windlass backup` and `windlass restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from windlass.cli.context import PATH, json_option, project_option, workspace
from windlass.cli.output import console, print_json

if TYPE_CHECKING:
    from windlass.records.backup import Backup


@click.command()
@click.argument("to", type=PATH, help="A folder that is empty or new, outside the workspace.")
@project_option
@json_option
def backup(to: Path, *, project: Path | None, as_json: bool) -> None:
    """Copy the workspace while it runs. Ledger, lake, what is on its way there, versions: of one moment, or later."""
    from windlass.app.backup import backup as make

    with workspace(project) as opened, console(stderr=True).status("") as status:
        made = make(opened, to, show=lambda what: status.update(f"copying {what}"))
    _tell(f"backed up to {to}", made, as_json=as_json)


@click.command()
@click.argument("source", type=PATH, help="A folder that `windlass backup` wrote.")
@project_option
@json_option
def restore(source: Path, *, project: Path | None, as_json: bool) -> None:
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
    click.echo(f"{what}: {found.sequence:,} events, {len(found.files):,} files, {size:,.1f} MB")
    for version in found.missing:
        click.echo(f"the bundle of {version} is missing; everything else is there", err=True)
