"""`windlass predict`: rows of a file in, the same rows with their answers out."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from windlass.cli.context import PATH, json_option, product_option, project_option, workspace


@click.command()
@click.argument("file", type=PATH, help="A .parquet or .csv file.")
@click.option("--output", "-o", type=PATH, help="Where to write; by default beside FILE.")
@click.option("--version", help="Such as v3; by default the champion.")
@click.option("--key-only", is_flag=True, help="Write only the key beside each answer, not the whole row.")
@product_option
@json_option
@project_option
def predict(
    file: Path,
    *,
    output: Path | None,
    version: str | None,
    key_only: bool,
    product: str | None,
    as_json: bool,
    project: Path | None,
) -> None:
    """Answer every row of a file. Written whole or not at all; neither captured nor watched."""
    from windlass.app.predict import predict_file
    from windlass.cli.output import check_target, print_json
    from windlass.cli.progress import RowsDisplay

    if output is not None:
        check_target(output, "--output")
    with _ended_in_order(), workspace(project) as opened, RowsDisplay(file.name) as display:
        done = predict_file(
            opened, file, output=output, version=version, product=product, key_only=key_only, show=display.show
        )
    if as_json:
        print_json({"product": done.product, "version": done.version, "rows": done.rows, "output": str(done.output)})
    else:
        click.echo(f"{done.version} of {done.product} answered {done.rows:,} rows: {done.output}")


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """SIGTERM ends it as Ctrl-C does: what is half written, and lies beside the file that was to be, goes with it."""

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
