"""Commands that run something: the whole loop, the server alone, one training run, one file."""

from __future__ import annotations

from typing import Annotated

import typer

from windlass.cli.context import ProductOption, ProjectOption, workspace

HostOption = Annotated[str | None, typer.Option("--host", help="Address to listen on.", show_default="127.0.0.1")]
PortOption = Annotated[int | None, typer.Option("--port", help="Port; 0 takes a free one.", show_default="8080")]
GrpcOption = Annotated[int | None, typer.Option("--grpc-port", help="Port of gRPC; 0: none.", show_default="0")]
WorkersOption = Annotated[int | None, typer.Option("--workers", help="Serving processes.", show_default="1")]


def up(
    *,
    host: HostOption = None,
    port: PortOption = None,
    grpc_port: GrpcOption = None,
    workers: WorkersOption = None,
    project: ProjectOption = None,
) -> None:
    """Run the whole loop: server, controller and schedule. SIGTERM or Ctrl-C ends it."""
    from windlass.app.up import up as run_up

    with workspace(project, create=True, host=host, port=port, grpc_port=grpc_port, workers=workers) as opened:
        run_up(opened, say=typer.echo)


def serve(
    *,
    host: HostOption = None,
    port: PortOption = None,
    grpc_port: GrpcOption = None,
    workers: WorkersOption = None,
    project: ProjectOption = None,
) -> None:
    """Serve the champions, or a model file, over HTTP. Nothing else is run; what they answer is captured."""
    from windlass.app.up import serve as run_server

    with workspace(project, create=True, host=host, port=port, grpc_port=grpc_port, workers=workers) as opened:
        run_server(opened, say=typer.echo)


def train(
    *,
    product: ProductOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Repeat every step, even those whose inputs are the same.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept in the ledger.")] = "by hand",
    project: ProjectOption = None,
) -> None:
    """Train once and release what passes. Extract, check, train, evaluate, gate, register."""
    from windlass.app.train import train as run_training
    from windlass.cli.progress import RunDisplay

    with workspace(project, create=True) as opened, RunDisplay() as display:
        finished = run_training(opened, product=product, force=force, reason=reason, show=display.show, say=display.say)
        display.close()
        typer.echo(finished.message)
        if not finished.ok:
            raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Mount the commands of this file."""
    for command in (up, serve, train):
        app.command()(command)
