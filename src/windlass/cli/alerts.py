"""`windlass alerts`: who was told what, and for how long nobody wants to be."""

from __future__ import annotations

from pathlib import Path

import click

from windlass.cli.context import json_option, limit_option, product_option, project_option, reason_option, workspace
from windlass.cli.group import Group
from windlass.cli.tables import print_rows
from windlass.errors import ProductError, UsageError

_SIGNALS = ("drift", "decay", "quality", "service", "incident")


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
@product_option
@limit_option(20)
@project_option
@json_option
def alerts(context: click.Context, *, product: str | None, limit: int, project: Path | None, as_json: bool) -> None:
    """Messages about alarms and incidents, and how far they got.

    Without a command: the newest, to which route, whether they arrived, and what the receiver said.
    """
    if context.invoked_subcommand is not None:
        return
    from windlass.app.alerts import alerts

    with workspace(project) as opened:
        rows = alerts(opened, product, limit=limit)
        print_rows(rows, as_json=as_json, title="Alerts", empty="no message has been sent")


@alerts.command()
@product_option
@project_option
@json_option
def silences(*, product: str | None, project: Path | None, as_json: bool) -> None:
    """The silences in force."""
    from windlass.app import alerts

    with workspace(project) as opened:
        rows = alerts.silences(opened, product)
        print_rows(rows, as_json=as_json, title="Silences", empty="no silence is in force")


@alerts.command()
@click.option("--for", "lasts", required=True, help="How long, such as 2h or 1d.")
@reason_option
@click.option("--signal", help=f"Only of {', '.join(_SIGNALS)}.")
@product_option
@project_option
def silence(*, lasts: str, reason: str, signal: str | None, product: str | None, project: Path | None) -> None:
    """Tell nobody of new alarms and incidents for a while. They are recorded as ever."""
    from windlass.app import alerts
    from windlass.product.duration import parse_duration

    if signal is not None and signal not in _SIGNALS:
        raise UsageError(f"there is no signal {signal!r}", where="--signal", remedy=f"one of: {', '.join(_SIGNALS)}")
    try:
        length = parse_duration(lasts)
    except ProductError as error:
        raise UsageError(error.what, where="--for", remedy=error.remedy) from error
    with workspace(project) as opened:
        click.echo(alerts.silence(opened, product, signal=signal, lasts=length, reason=reason))


@alerts.command()
@click.argument("name", help="Of the silence.")
@reason_option
@project_option
def unsilence(name: str, *, reason: str, project: Path | None) -> None:
    """End a silence before its time."""
    from windlass.app import alerts

    with workspace(project) as opened:
        click.echo(alerts.unsilence(opened, name, reason=reason))


@alerts.command()
@click.argument("matter", help="Id of an alarm or an incident.")
@reason_option
@project_option
def ack(matter: str, *, reason: str, project: Path | None) -> None:
    """Say that somebody has seen an alarm or an incident."""
    from windlass.app import alerts

    with workspace(project) as opened:
        click.echo(alerts.acknowledge(opened, matter, reason=reason))


@alerts.command("test")
@click.argument("route", help="Its name in the setting `alerts`.")
@project_option
def try_route(route: str, *, project: Path | None) -> None:
    """Send a message of no consequence to a route, and say whether it arrived."""
    from windlass.app import alerts

    with workspace(project, create=True) as opened:  # a new project's routes are tried before anything else
        click.echo(alerts.try_route(opened, route))
