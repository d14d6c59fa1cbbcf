"""Commands about A/B tests."""

from __future__ import annotations

from pathlib import Path

import click

from windlass.cli.act import say_aside
from windlass.cli.context import PATH, json_option, product_option, project_option, reason_option, workspace
from windlass.cli.group import Group


@click.group(cls=Group)
def experiment() -> None:
    """A/B tests of two versions by a figure of your own."""


@experiment.command()
@click.argument("a", help="The champion, such as v1.")
@click.argument("b", help="The version beside it.")
@click.option("--metric", required=True, help="What you post to /measurements.")
@click.option("--split", type=float, default=0.5, help="Part of the keys that B answers.")
@click.option("--smaller-is-better", "smaller", is_flag=True, help="Of the metric.")
@click.option("--for", "lasts", help="The longest it lasts, such as 14d.")
@reason_option
@product_option
@project_option
def start(
    a: str,
    b: str,
    *,
    metric: str,
    split: float,
    smaller: bool,
    lasts: str | None,
    reason: str,
    product: str | None,
    project: Path | None,
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
        click.echo(experiments.start(opened, plan, product=product, lasts=length, reason=reason, say=say_aside))


@experiment.command()
@reason_option
@product_option
@project_option
def stop(*, reason: str, product: str | None, project: Path | None) -> None:
    """End the test that is under way. The champion answers everyone again."""
    from windlass.app.act import ask
    from windlass.app.queries import the_product

    with workspace(project) as opened:
        click.echo(ask(opened, "stop", product=the_product(opened, product).name, reason=reason, say=say_aside))


@experiment.command("list")
@product_option
@project_option
@json_option
def show_all(*, product: str | None, project: Path | None, as_json: bool) -> None:
    """All tests, and how they ended."""
    from windlass.app import experiments
    from windlass.cli.output import print_json
    from windlass.cli.views import show_experiments

    with workspace(project) as opened:
        rows = experiments.rows_of(opened, product)
        print_json(rows) if as_json else show_experiments(rows)


@experiment.command()
@click.argument("name", required=False, help="By default the newest.")
@click.option("--html", type=PATH, help="Write a page.")
@product_option
@project_option
@json_option
def show(name: str | None, *, html: Path | None, product: str | None, project: Path | None, as_json: bool) -> None:
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
