"""`windlass init`: start a project."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from windlass.cli.context import PATH


@click.command()
@click.argument("name", type=PATH, help="Folder to make; its last part names the product.")
@click.option("--from-model", type=PATH, help="Serve this existing model file.")
@click.option("--trust", is_flag=True, help="Vouch for the model file: loading a pickle or joblib file runs its code.")
@click.option("--target", help="With --from-model: what the model predicts; by default the other column of --data.")
@click.option("--data", type=PATH, help="With --from-model: rows (.parquet, .csv) as requests bring them.")
@click.option("--key", help="With --from-model: the column that names a row, for outcomes.")
def init(
    name: Path, *, from_model: Path | None, trust: bool, target: str | None, data: Path | None, key: str | None
) -> None:
    """Write a project that runs at once, with tests of its own."""
    from windlass.app.scaffold import make_project, make_project_from_model

    if from_model is None:
        folder = make_project(name)
        click.echo(f"made {folder}; next: cd {shlex.quote(str(folder))} && windlass train && windlass up")
    else:
        made = make_project_from_model(name, from_model, trust=trust, target=target, key=key, data=data)
        if made.doubt:
            asked = "a row of zeros, or of ones" if data is None else f"a row of {data.name}"
            click.echo(f"the model did not answer {asked}; try one of its own: {made.doubt}", err=True)
        if made.assumed:
            click.echo(f"nobody says it, so it was assumed: {made.assumed}", err=True)
        if made.guess:
            click.echo(f"nobody says it, so it was assumed: {made.guess}", err=True)
        if made.misfit:
            click.echo(f"before it can serve: {made.misfit}", err=True)
        if made.modules:
            click.echo(f"copied beside product.py, since the model holds objects of it: {', '.join(made.modules)}")
        click.echo(f"made {name}; next: cd {shlex.quote(str(name))} && windlass up")
