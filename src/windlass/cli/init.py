"""`windlass init`: start a project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def init(
    name: Annotated[Path, typer.Argument(help="Folder to make; its last part names the product.", show_default=False)],
    *,
    from_model: Annotated[
        Path | None, typer.Option("--from-model", help="Serve this existing model file.", show_default=False)
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Vouch for the model file: loading a pickle or joblib file runs its code.")
    ] = False,
    target: Annotated[str, typer.Option("--target", help="With --from-model: what the model predicts.")] = "target",
    key: Annotated[
        str | None,
        typer.Option("--key", help="With --from-model: the column that names a row, for outcomes.", show_default=False),
    ] = None,
) -> None:
    """Write a project that runs at once, with tests of its own."""
    from windlass.app.scaffold import make_project, make_project_from_model

    if from_model is None:
        folder = make_project(name)
        typer.echo(f"made {folder}; next: cd {folder} && windlass train && windlass up")
    else:
        doubt = make_project_from_model(name, from_model, trust=trust, target=target, key=key)
        if doubt:
            typer.echo(f"the model did not answer a row of zeros, or of ones; try one of its own: {doubt}", err=True)
        typer.echo(f"made {name}; next: cd {name} && windlass up")


def register(app: typer.Typer) -> None:
    """Mount the command of this file."""
    app.command()(init)
