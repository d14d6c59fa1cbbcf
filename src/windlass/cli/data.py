"""`windlass data`: what lies in the lake."""

from __future__ import annotations

from pathlib import Path

import click

from windlass.cli.act import say_aside
from windlass.cli.context import json_option, product_option, project_option, reason_option, workspace
from windlass.cli.group import Group
from windlass.cli.output import print_json
from windlass.cli.tables import print_rows
from windlass.cli.views import show_tables


@click.group(cls=Group)
def data() -> None:
    """What lies in the lake."""


@data.command("ls")
@product_option
@project_option
@json_option
def list_tables(*, product: str | None, project: Path | None, as_json: bool) -> None:
    """The tables, with rows, size and the time they span."""
    import msgspec

    with workspace(project) as opened:
        rows = [msgspec.structs.asdict(table) for table in opened.lake.tables(product)]
        if as_json:
            print_json(rows)
        else:
            show_tables(rows)


@data.command()
@click.option("--key", required=True, help="The key of the rows: a person's.")
@reason_option
@product_option
@project_option
def erase(*, key: str, reason: str, product: str | None, project: Path | None) -> None:
    """Erase all rows of a key for good. The ledger keeps that it was done, and not whose.

    They go from the lake, from what is on its way there, from outputs of steps and from logs. Models that learned from
    them stay, and so do backups.
    """
    from windlass.app.erase import erase as remove

    with workspace(project) as opened:
        click.echo(remove(opened, key, product=product, reason=reason, say=say_aside))


@data.command()
@click.argument("table", help="Such as predictions, outcomes or examples/<source>.")
@product_option
@click.option("--limit", "-n", type=click.IntRange(min=1), default=20, help="How many rows, the newest.")
@project_option
@json_option
def show(table: str, *, product: str | None, limit: int, project: Path | None, as_json: bool) -> None:
    """The newest rows of a table."""
    from windlass.app.queries import the_product

    with workspace(project) as opened:
        frame = opened.lake.show(the_product(opened, product).name, table, limit=limit)
        if as_json:
            print_json(frame.to_dicts())
        else:
            print_rows(frame.to_dicts(), as_json=False, title=table, empty="the table is empty")
