"""`windlass alerts`: who was told what, and for how long nobody wants to be."""

from __future__ import annotations

from typing import Annotated

import typer

from windlass.cli.context import JsonOption, LimitOption, ProductOption, ProjectOption, ReasonOption, workspace
from windlass.cli.output import print_rows
from windlass.errors import ProductError, UsageError

app = typer.Typer(help="Messages about alarms and incidents, and how far they got.", invoke_without_command=True)

_SIGNALS = ("drift", "decay", "quality", "service", "incident")


@app.callback(invoke_without_command=True)
def list_alerts(
    context: typer.Context,
    *,
    product: ProductOption = None,
    limit: LimitOption = 20,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """The newest messages: to which route, whether they arrived, and what the receiver said."""
    if context.invoked_subcommand is not None:
        return
    from windlass.app.alerts import alerts

    with workspace(project) as opened:
        rows = alerts(opened, product, limit=limit)
        print_rows(rows, as_json=as_json, title="Alerts", empty="no message has been sent")


@app.command()
def silences(*, product: ProductOption = None, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """The silences in force."""
    from windlass.app import alerts

    with workspace(project) as opened:
        rows = alerts.silences(opened, product)
        print_rows(rows, as_json=as_json, title="Silences", empty="no silence is in force")


@app.command()
def silence(
    *,
    lasts: Annotated[str, typer.Option("--for", help="How long, such as 2h or 1d.", show_default=False)],
    reason: ReasonOption,
    signal: Annotated[
        str | None, typer.Option("--signal", help=f"Only of {', '.join(_SIGNALS)}.", show_default=False)
    ] = None,
    product: ProductOption = None,
    project: ProjectOption = None,
) -> None:
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
        typer.echo(alerts.silence(opened, product, signal=signal, lasts=length, reason=reason))


@app.command()
def unsilence(
    name: Annotated[str, typer.Argument(help="Of the silence.", show_default=False)],
    *,
    reason: ReasonOption,
    project: ProjectOption = None,
) -> None:
    """End a silence before its time."""
    from windlass.app import alerts

    with workspace(project) as opened:
        typer.echo(alerts.unsilence(opened, name, reason=reason))


@app.command()
def ack(
    matter: Annotated[str, typer.Argument(help="Id of an alarm or an incident.", show_default=False)],
    *,
    reason: ReasonOption,
    project: ProjectOption = None,
) -> None:
    """Say that somebody has seen an alarm or an incident."""
    from windlass.app import alerts

    with workspace(project) as opened:
        typer.echo(alerts.acknowledge(opened, matter, reason=reason))


@app.command(name="test")
def try_route(
    route: Annotated[str, typer.Argument(help="Its name in the setting `alerts`.", show_default=False)],
    *,
    project: ProjectOption = None,
) -> None:
    """Send a message of no consequence to a route, and say whether it arrived."""
    from windlass.app import alerts

    with workspace(project) as opened:
        typer.echo(alerts.try_route(opened, route))
