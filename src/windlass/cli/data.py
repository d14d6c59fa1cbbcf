"""`windlass data`: what lies in the lake."""

from __future__ import annotations

from typing import Annotated

import typer

from windlass.cli.act import say_aside
from windlass.cli.context import JsonOption, ProductOption, ProjectOption, ReasonOption, workspace
from windlass.cli.output import print_json, print_rows
from windlass.cli.views import show_tables

app = typer.Typer(help="What lies in the lake.", no_args_is_help=True)


@app.command("ls")
def list_tables(*, product: ProductOption = None, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """The tables, with rows, size and the time they span."""
    import msgspec

    with workspace(project) as opened:
        rows = [msgspec.structs.asdict(table) for table in opened.lake.tables(product)]
        if as_json:
            print_json(rows)
        else:
            show_tables(rows)


@app.command()
def erase(
    *,
    key: Annotated[str, typer.Option("--key", help="The key of the rows: a person's.", show_default=False)],
    reason: ReasonOption,
    product: ProductOption = None,
    project: ProjectOption = None,
) -> None:
    """Erase all rows of a key for good. The ledger keeps that it was done, and not whose.

    They go from the lake, from what is on its way there, from outputs of steps and from logs. Models that learned from
    them stay, and so do backups.
    """
    from windlass.app.erase import erase as remove

    with workspace(project) as opened:
        typer.echo(remove(opened, key, product=product, reason=reason, say=say_aside))


@app.command()
def show(
    table: Annotated[
        str, typer.Argument(help="Such as predictions, outcomes or examples/<source>.", show_default=False)
    ],
    *,
    product: ProductOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many rows, the newest.", min=1)] = 20,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """The newest rows of a table."""
    from windlass.app.queries import the_product

    with workspace(project) as opened:
        frame = opened.lake.show(the_product(opened, product).name, table, limit=limit)
        if as_json:
            print_json(frame.to_dicts())
        else:
            print_rows(frame.to_dicts(), as_json=False, title=table, empty="the table is empty")
