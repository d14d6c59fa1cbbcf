"""`windlass predict`: rows of a file in, the same rows with their answers out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from windlass.cli.context import JsonOption, ProductOption, ProjectOption, workspace


def predict(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .parquet or .csv file.", show_default=False)],
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write; by default beside FILE.", show_default=False),
    ] = None,
    version: Annotated[
        str | None, typer.Option("--version", help="Such as v3; by default the champion.", show_default=False)
    ] = None,
    key_only: Annotated[
        bool, typer.Option("--key-only", help="Write only the key beside each answer, not the whole row.")
    ] = False,
    product: ProductOption = None,
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Answer every row of a file. Written whole or not at all; neither captured nor watched."""
    from windlass.app.predict import predict_file
    from windlass.cli.output import check_target, print_json
    from windlass.cli.progress import RowsDisplay

    if output is not None:
        check_target(output, "--output")
    with workspace(project) as opened, RowsDisplay(file.name) as display:
        done = predict_file(
            opened, file, output=output, version=version, product=product, key_only=key_only, show=display.show
        )
    if as_json:
        print_json({"product": done.product, "version": done.version, "rows": done.rows, "output": str(done.output)})
    else:
        typer.echo(f"{done.version} of {done.product} answered {done.rows:,} rows: {done.output}")


def register(app: typer.Typer) -> None:
    """Mount the command of this file."""
    app.command()(predict)
