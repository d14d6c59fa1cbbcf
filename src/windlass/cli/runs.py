"""`windlass runs`: training runs and runs logged by hand."""

from __future__ import annotations

from pathlib import Path

import click

from windlass.cli.context import json_option, limit_option, product_option, project_option, workspace
from windlass.cli.group import Group
from windlass.cli.output import console, print_json, say
from windlass.cli.views import show_runs


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
@product_option
@limit_option(20)
@project_option
@json_option
def runs(context: click.Context, *, product: str | None, limit: int, project: Path | None, as_json: bool) -> None:
    """Training runs, and runs logged by hand.

    Without a command: the newest, and how they ended.
    """
    if context.invoked_subcommand is not None:
        return
    from windlass.app import queries

    with workspace(project) as opened:
        rows = queries.runs(opened, product, limit=limit)
        if as_json:
            print_json(rows)
        else:
            show_runs(rows)


@runs.command()
@click.argument("a", help="A run's id, or a version such as v2.")
@click.argument("b", help="Another one.")
@product_option
@project_option
@json_option
def compare(a: str, b: str, *, product: str | None, project: Path | None, as_json: bool) -> None:
    """Set two runs side by side. Parameters, metrics, data and code, what differs first."""
    from windlass.app.runs import compare as set_side_by_side

    with workspace(project) as opened:
        comparison = set_side_by_side(opened, a, b, product=product)
        if as_json:
            print_json(comparison)
            return
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table("", comparison.a, comparison.b, box=SIMPLE_HEAD, pad_edge=False)
        for row in comparison.rows:
            style = "bold" if row.differs else "dim"
            table.add_row(Text(f"{row.group}.{row.name}"), Text(say(row.a)), Text(say(row.b)), style=style)
        console().print(table)
