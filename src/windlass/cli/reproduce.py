"""`windlass reproduce`."""

from __future__ import annotations

from pathlib import Path

import click

from windlass.cli.context import json_option, product_option, project_option, workspace
from windlass.cli.output import print_json


@click.command()
@click.argument("version", help="Such as v3.")
@product_option
@project_option
@json_option
def reproduce(version: str, *, product: str | None, project: Path | None, as_json: bool) -> None:
    """Train a version again from its pinned rows and source. Exit code 1 if its answers are not the same."""
    from windlass.app.reproduce import reproduce as again
    from windlass.cli.progress import RunDisplay

    with workspace(project) as opened, RunDisplay() as display:
        found = again(opened, version, product=product, show=display.show)
    if as_json:
        print_json(
            {
                "version": version,
                "same": found.same,
                "rows": found.rows,
                "differing": found.differing,
                "largest": found.largest,
                "reasons": found.reasons,
                "erased": found.erased,
            }
        )
    elif found.same:
        click.echo(f"{version} is reproduced: all {found.rows:,} predictions agree bit for bit")
        if found.erased:
            click.echo(f"  {found.erased}")
    else:
        click.echo(
            f"{version} is not reproduced: {found.differing:,} of {found.rows:,} predictions differ, "
            f"by {found.largest:.3g} at most"
        )
        for reason in found.reasons:
            click.echo(f"  {reason}")
    if not found.same:
        raise click.exceptions.Exit(1)
