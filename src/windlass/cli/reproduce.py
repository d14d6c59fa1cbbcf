"""`windlass reproduce`."""

from __future__ import annotations

from typing import Annotated

import typer

from windlass.cli.context import JsonOption, ProductOption, ProjectOption, workspace
from windlass.cli.output import print_json


def reproduce(
    version: Annotated[str, typer.Argument(help="Such as v3.", show_default=False)],
    *,
    product: ProductOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
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
        typer.echo(f"{version} is reproduced: all {found.rows:,} predictions agree bit for bit")
        if found.erased:
            typer.echo(f"  {found.erased}")
    else:
        typer.echo(
            f"{version} is not reproduced: {found.differing:,} of {found.rows:,} predictions differ, "
            f"by {found.largest:.3g} at most"
        )
        for reason in found.reasons:
            typer.echo(f"  {reason}")
    if not found.same:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Mount the command of this file."""
    app.command()(reproduce)
