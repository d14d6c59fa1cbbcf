"""Commands that run something: the whole loop, the server alone, one training run, one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from windlass.cli.context import Command, product_option, project_option, workspace

_FILE = click.Path(resolve_path=True)  # from where the command is given, which need not be the project's folder
_SERVING = (
    click.option("--host", show_default="127.0.0.1", help="Address to listen on."),
    click.option("--port", type=int, show_default="8080", help="Port; 0 takes a free one."),
    click.option("--grpc-port", type=int, show_default="0", help="Port of gRPC; 0: none."),
    click.option("--workers", type=int, show_default="1", help="Serving processes."),
    click.option("--tls-certificate", type=_FILE, help="Certificate (PEM) to answer by TLS alone; takes --tls-key."),
    click.option("--tls-key", type=_FILE, help="Private key (PEM) of the certificate."),
)


def serving_options(command: Command) -> Command:
    """How the server answers: settings, each by its own name, for one start."""
    for option in reversed(_SERVING):
        command = option(command)
    return command


@click.command()
@serving_options
@project_option
def up(*, project: Path | None, **settings: Any) -> None:
    """Run the whole loop: server, controller and schedule. SIGTERM or Ctrl-C ends it."""
    from windlass.app.up import up as run_up

    with workspace(project, create=True, **settings) as opened:
        run_up(opened, say=click.echo)


@click.command()
@serving_options
@project_option
def serve(*, project: Path | None, **settings: Any) -> None:
    """Serve the champions over HTTP. Nothing else is run; what they answer is captured.

    A model file becomes a project first: `windlass init NAME --from-model FILE`.
    """
    from windlass.app.up import serve as run_server

    with workspace(project, create=True, **settings) as opened:
        run_server(opened, say=click.echo)


@click.command()
@product_option
@click.option("--force", is_flag=True, help="Repeat every step, even those whose inputs are the same.")
@click.option("--reason", default="by hand", help="Why; it is kept in the ledger.")
@project_option
def train(*, product: str | None, force: bool, reason: str, project: Path | None) -> None:
    """Train once and release what passes. Extract, check, train, evaluate, gate, register."""
    from windlass.app.train import train as run_training
    from windlass.cli.progress import RunDisplay

    with workspace(project, create=True) as opened, RunDisplay() as display:
        finished = run_training(opened, product=product, force=force, reason=reason, show=display.show, say=display.say)
        display.close()
        click.echo(finished.message)
        if not finished.ok:
            raise click.exceptions.Exit(1)
