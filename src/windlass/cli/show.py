"""Commands that show where things stand."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from windlass.app.workspace import Workspace
from windlass.cli import views
from windlass.cli.context import PATH, json_option, limit_option, product_option, project_option, workspace
from windlass.cli.output import Row, check_target, print_json
from windlass.errors import UsageError


@click.command()
@project_option
@json_option
def status(*, project: Path | None, as_json: bool) -> None:
    """Who answers, what is under way and what is wrong."""
    from windlass.app import queries

    with workspace(project) as opened:
        rows = queries.status(opened)
        if as_json:
            print_json(rows)
        else:
            views.show_status(rows, now=opened.clock.now())


@click.command()
@click.argument("version", required=False, help="Show all that is known of this one, such as v3.")
@click.option("--html", type=PATH, help="With VERSION: write it as a page.")
@product_option
@project_option
@json_option
def versions(
    version: str | None, *, html: Path | None, product: str | None, project: Path | None, as_json: bool
) -> None:
    """The versions of a product, oldest first. Or one of them with its evaluation, data and environment."""
    from windlass.app import queries

    if html is not None:
        if version is None:
            raise UsageError(
                "a page is of one version", where="--html", remedy="name one: windlass versions v3 --html FILE"
            )
        check_target(html, "--html")
    with workspace(project) as opened:
        if version is not None:
            _show_version(opened, version, product=product, html=html, as_json=as_json)
            return
        rows = queries.versions(opened, product)
        _print(rows, as_json=as_json, show=views.show_versions)


@click.command()
@product_option
@limit_option(20)
@project_option
@json_option
def releases(*, product: str | None, limit: int, project: Path | None, as_json: bool) -> None:
    """Releases, the stages they went through and how they ended."""
    from windlass.app import queries

    with workspace(project) as opened:
        rows = queries.releases(opened, product, limit=limit)
        _print(rows, as_json=as_json, show=views.show_releases)


@click.command()
@product_option
@limit_option(20)
@project_option
@json_option
def alarms(*, product: str | None, limit: int, project: Path | None, as_json: bool) -> None:
    """Alarms, with what they rest on."""
    from windlass.app import queries

    with workspace(project) as opened:
        rows = queries.alarms(opened, product, limit=limit)
        _print(rows, as_json=as_json, show=views.show_alarms)


@click.command()
@product_option
@limit_option(20)
@project_option
@json_option
def incidents(*, product: str | None, limit: int, project: Path | None, as_json: bool) -> None:
    """What went wrong, why, and what helps."""
    from windlass.app import queries

    with workspace(project) as opened:
        rows = queries.incidents(opened, product, limit=limit)
        _print(rows, as_json=as_json, show=views.show_incidents)


@click.command()
@product_option
@limit_option(40)
@click.option("--steps", is_flag=True, help="The steps of runs too.")
@click.option("--follow", "-f", is_flag=True, help="Go on printing what happens.")
@project_option
@json_option
def events(*, product: str | None, limit: int, steps: bool, follow: bool, project: Path | None, as_json: bool) -> None:
    """The timeline: everything that happened, from the ledger."""
    from windlass.app import queries

    with workspace(project) as opened:
        seen = opened.ledger.head()  # before the table is read, so that nothing falls between the two
        rows = queries.timeline(opened, product, limit=limit, steps=steps)
        _print(rows, as_json=as_json, show=views.show_events)
        seen = max([seen, *(row["sequence"] for row in rows)])
        while follow:
            time.sleep(opened.settings.poll_seconds)
            for row in queries.timeline(opened, product, steps=steps, after=seen):
                seen = row["sequence"]
                if as_json:
                    print_json(row)
                else:
                    views.show_event(row)


@click.command()
@click.argument("prediction_id", help="The id that came with the answer.")
@product_option
@project_option
@json_option
def trace(prediction_id: str, *, product: str | None, project: Path | None, as_json: bool) -> None:
    """From one answer back to where it came from. Request, features, version, release, run, data and code."""
    from windlass.app.trace import trace as find
    from windlass.cli.trace import render

    with workspace(project) as opened:
        found = find(opened, prediction_id, product=product)
        if as_json:
            print_json(found)
        else:
            render(found)


def _print(rows: Sequence[Row], *, as_json: bool, show: Callable[[Sequence[Row]], None]) -> None:
    if as_json:
        print_json(list(rows))
    else:
        show(rows)


def _show_version(opened: Workspace, version: str, *, product: str | None, html: Path | None, as_json: bool) -> None:
    from windlass.app.version import version_card
    from windlass.cli.version import render_version

    card = version_card(opened, version, product=product)
    if html is not None:
        from windlass.web.version import version_page

        html.write_text(version_page(card), encoding="utf-8")
        click.echo(f"written: {html}")
    elif as_json:
        print_json(card)
    else:
        render_version(card)
