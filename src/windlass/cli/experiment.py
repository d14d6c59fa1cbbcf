"""Commands about A/B tests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from windlass.cli.act import say_aside
from windlass.cli.context import JsonOption, ProductOption, ProjectOption, ReasonOption, workspace

app = typer.Typer(help="A/B tests of two versions by a figure of your own.", no_args_is_help=True)


@app.command()
def start(
    a: Annotated[str, typer.Argument(help="The champion, such as v1.", show_default=False)],
    b: Annotated[str, typer.Argument(help="The version beside it.", show_default=False)],
    *,
    metric: Annotated[str, typer.Option("--metric", help="What you post to /measurements.", show_default=False)],
    split: Annotated[float, typer.Option("--split", help="Part of the keys that B answers.")] = 0.5,
    smaller: Annotated[bool, typer.Option("--smaller-is-better", help="Of the metric.")] = False,
    lasts: Annotated[
        str | None, typer.Option("--for", help="The longest it lasts, such as 14d.", show_default=False)
    ] = None,
    reason: ReasonOption,
    product: ProductOption = None,
    project: ProjectOption = None,
) -> None:
    """Let a second version answer a part of the keys, and find out which does better."""
    from windlass.app import experiments
    from windlass.errors import ProductError, UsageError
    from windlass.product.duration import parse_duration
    from windlass.records.experiment import Plan

    try:
        length = None if lasts is None else parse_duration(lasts)
    except ProductError as error:
        raise UsageError(error.what, where="--for", remedy=error.remedy) from error
    plan = Plan(a=a, b=b, metric=metric, split=split, larger_is_better=not smaller)
    with workspace(project) as opened:
        typer.echo(experiments.start(opened, plan, product=product, lasts=length, reason=reason, say=say_aside))


@app.command()
def stop(*, reason: ReasonOption, product: ProductOption = None, project: ProjectOption = None) -> None:
    """End the test that is under way. The champion answers everyone again."""
    from windlass.app.act import ask
    from windlass.app.queries import the_product

    with workspace(project) as opened:
        typer.echo(ask(opened, "stop", product=the_product(opened, product).name, reason=reason, say=say_aside))


@app.command(name="list")
def show_all(*, product: ProductOption = None, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """All tests, and how they ended."""
    from windlass.app import experiments
    from windlass.cli.output import print_json
    from windlass.cli.views import show_experiments

    with workspace(project) as opened:
        rows = experiments.rows_of(opened, product)
        print_json(rows) if as_json else show_experiments(rows)


@app.command()
def show(
    name: Annotated[str | None, typer.Argument(help="By default the newest.", show_default=False)] = None,
    *,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page.", show_default=False)] = None,
    product: ProductOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a test says by now. Looking often changes nothing of its guarantee."""
    from windlass.app import experiments
    from windlass.cli.output import check_target, print_json
    from windlass.cli.views import show_experiment

    if html is not None:
        check_target(html, "--html")
    with workspace(project) as opened:
        found = experiments.result(opened, name, product=product)
    if html is not None:
        from windlass.web.experiment import experiment_page

        html.write_text(experiment_page(found), encoding="utf-8")
    row = experiments.as_row(found)
    print_json(row) if as_json else show_experiment(row)
