"""Commands that run something: the whole loop, the server alone, one training run, one file."""

from __future__ import annotations

from pathlib import Path

import click

from windlass.cli.context import product_option, project_option, workspace

host_option = click.option("--host", show_default="127.0.0.1", help="Address to listen on.")
port_option = click.option("--port", type=int, show_default="8080", help="Port; 0 takes a free one.")
grpc_port_option = click.option("--grpc-port", type=int, show_default="0", help="Port of gRPC; 0: none.")
workers_option = click.option("--workers", type=int, show_default="1", help="Serving processes.")


@click.command()
@host_option
@port_option
@grpc_port_option
@workers_option
@project_option
def up(*, host: str | None, port: int | None, grpc_port: int | None, workers: int | None, project: Path | None) -> None:
    """Run the whole loop: server, controller and schedule. SIGTERM or Ctrl-C ends it."""
    from windlass.app.up import up as run_up

    with workspace(project, create=True, host=host, port=port, grpc_port=grpc_port, workers=workers) as opened:
        run_up(opened, say=click.echo)


@click.command()
@host_option
@port_option
@grpc_port_option
@workers_option
@project_option
def serve(
    *, host: str | None, port: int | None, grpc_port: int | None, workers: int | None, project: Path | None
) -> None:
    """Serve the champions, or a model file, over HTTP. Nothing else is run; what they answer is captured."""
    from windlass.app.up import serve as run_server

    with workspace(project, create=True, host=host, port=port, grpc_port=grpc_port, workers=workers) as opened:
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
