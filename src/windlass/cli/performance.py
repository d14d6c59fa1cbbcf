"""How good the answers were: by labels as far as they have come, and without them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from windlass.cli.context import PATH, json_option, limit_option, product_option, project_option, workspace

if TYPE_CHECKING:
    from windlass.app.performance import Performance, Span


@click.command()
@click.argument("version", required=False, help="A version such as v3; by default the champion.")
@click.option("--metric", help="Another than the gate's, such as log_loss.")
@click.option("--html", type=PATH, help="Write it as a page.")
@product_option
@limit_option(20)
@project_option
@json_option
def performance(
    version: str | None,
    *,
    metric: str | None,
    html: Path | None,
    product: str | None,
    limit: int,
    project: Path | None,
    as_json: bool,
) -> None:
    """How good the answers were, by labels and before any."""
    from windlass.app.performance import performance as look
    from windlass.cli.output import check_target, print_json

    if html is not None:
        check_target(html, "--html")
    with workspace(project) as opened:
        found = look(opened, product, version=version, metric=metric, limit=limit)
    if html is not None:
        from windlass.web.performance import performance_page

        html.write_text(performance_page(found), encoding="utf-8")
        click.echo(f"written: {html}")
    elif as_json:
        print_json(found)
    else:
        _show(found)


def _show(found: Performance) -> None:
    from windlass.app.performance import UNESTIMATED
    from windlass.cli.entries import Entry, print_entries
    from windlass.cli.output import minute

    entries = []
    for window in found.windows:
        own = next(each for each in window.figures if each.metric == found.metric)
        labels = f"{window.labelled / window.rows:.0%}"
        entries.append(
            Entry(head=(minute(window.first), f"{window.rows:,}", labels, told(own.realised), told(own.estimated)))
        )
    holdout = "" if found.holdout is None else f"; on its holdout {found.holdout:.4g}"
    print_entries(
        entries,
        title=f"{found.metric} of {found.version}{holdout}",
        columns=("from (UTC)", "rows", "labels", "by labels", "estimated"),
        empty=f"{found.version} has not answered yet",
    )
    if found.windows and not found.estimated:
        click.echo(UNESTIMATED)
    if found.far:
        click.echo(found.far)


def told(span: Span) -> str:
    """A figure with its interval."""
    if span.lower is None and span.upper is None:
        return "-" if span.value is None else f"{span.value:.4g}"
    ends = ["" if end is None else f"{end:.3f}" for end in (span.lower, span.upper)]
    between = f"{ends[0]} to {ends[1] or 'any'}"
    return between if span.value is None else f"{span.value:.3f} ({between})"
