"""The `windlass` command."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from windlass import __version__
from windlass.cli import (
    act,
    alerts,
    assess,
    backtest,
    backup,
    clean,
    data,
    drift,
    experiment,
    init,
    ledger,
    performance,
    predict,
    reproduce,
    runs,
    serve,
    show,
    token,
)
from windlass.errors import UsageError, WindlassError

PATIENT_THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_THREAD_TIMEOUT": "4"}
"""The threads of a fit sleep while they wait for each other. Left alone they spin, and where anything else wants the
cores, a server beside the training, say, a fit takes ten times as long (bench/busy.py). Read when a library is loaded.
OpenBLAS counts in powers of two: 2^4 turns instead of 2^26."""

app = typer.Typer(
    name="windlass",
    help="From a model file to a model that is served, watched, retrained, released and rolled back by itself.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def _root(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


for module in (init, serve, predict, act, show, performance, backup, clean, reproduce, drift):
    module.register(app)
app.command()(backtest.backtest)
app.command()(assess.assess)
app.add_typer(alerts.app, name="alerts")
app.add_typer(experiment.app, name="experiment")
app.add_typer(runs.app, name="runs")
app.add_typer(data.app, name="data")
app.add_typer(ledger.app, name="ledger")
app.add_typer(token.app, name="token")


def main() -> None:
    """Run the command line; an error of ours is one message and exit code 1 (2 for a wrong call)."""
    # What is logged belongs into files; without this Python would print errors a second time.
    logging.getLogger("windlass").addHandler(logging.NullHandler())
    for name, value in PATIENT_THREADS.items():
        os.environ.setdefault(name, value)
    try:
        app()
    except WindlassError as error:
        typer.echo(f"windlass: {error}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
