"""`windlass clean`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from windlass.cli.act import say_aside
from windlass.cli.context import json_option, project_option, workspace
from windlass.cli.output import console, print_json
from windlass.cli.tables import print_rows

if TYPE_CHECKING:
    from windlass.records.event import WorkspaceCleaned


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what would go.")
@click.option("--reason", default="by hand", help="Why; it is kept in the ledger.")
@project_option
@json_option
def clean(*, dry_run: bool, reason: str, project: Path | None, as_json: bool) -> None:
    """Remove what nothing needs any more. Settings say what is kept.

    Old events, logs, outputs of steps, replaced files of the lake, bundles of old versions; `keep_days` and
    `keep_versions` say what is old. The controller does it daily.
    """
    from windlass.app.clean import clean as remove
    from windlass.app.clean import foresee

    with workspace(project) as opened:
        if dry_run:
            found = foresee(opened)
        else:
            with console(stderr=True).status("") as status:
                found = remove(
                    opened,
                    reason=reason,
                    say=say_aside,
                    show=lambda what: status.update(f"cleaning {what}"),
                )
    if as_json:
        print_json(found)
        return
    _show(found, title="Would be cleaned" if dry_run else "Cleaned")


def _show(found: WorkspaceCleaned, *, title: str) -> None:
    rows = [
        {
            "what": freed.what,
            "number": f"{freed.count:,}".rjust(9),
            "size": "" if freed.bytes is None else _size(freed.bytes).rjust(12),
        }
        for freed in found.freed
    ]
    print_rows(rows, as_json=False, title=title, empty="there is nothing to remove")
    for remark in found.remarks:
        click.echo(f"windlass: {remark}", err=True)


def _size(amount: int) -> str:
    return f"{amount / 1e6:,.1f} MB" if amount >= 1e6 else f"{amount / 1e3:,.1f} kB"
