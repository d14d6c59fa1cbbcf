"""`windlass runs`: training runs and runs logged by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from windlass.cli.context import JsonOption, LimitOption, ProductOption, ProjectOption, workspace
from windlass.cli.output import console, print_json, say
from windlass.cli.views import show_runs

app = typer.Typer(help="Training runs, and runs logged by hand.", invoke_without_command=True)


@app.callback(invoke_without_command=True)
def list_runs(
    context: typer.Context,
    *,
    product: ProductOption = None,
    limit: LimitOption = 20,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """The newest runs and how they ended; `windlass runs compare A B` sets two side by side."""
    if context.invoked_subcommand is not None:
        return
    from windlass.app import queries

    with workspace(project) as opened:
        rows = queries.runs(opened, product, limit=limit)
        if as_json:
            print_json(rows)
        else:
            show_runs(rows)


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="A run's id, or a version such as v2.", show_default=False)],
    b: Annotated[str, typer.Argument(help="Another one.", show_default=False)],
    *,
    product: ProductOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
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
