"""The `windlass` command."""

from __future__ import annotations

import errno
import gc
import logging
import os
import sys

import click

from windlass import __version__
from windlass.cli.group import Group
from windlass.errors import UsageError, WindlassError

PATIENT_THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_THREAD_TIMEOUT": "4"}
"""The threads of a fit sleep while they wait for each other. Left alone they spin, and where anything else wants the
cores, a server beside the training, say, a fit takes ten times as long (bench/busy.py). Read when a library is loaded.
OpenBLAS counts in powers of two: 2^4 turns instead of 2^26."""

_NEW_OBJECTS = 20_000
"""How many there may be before the collector looks for garbage. A short command is nearly all imports, which leave
none: at Python's 700 it looks 160 times, which is a twelfth of `windlass trace`."""

_COMMANDS = {
    "init": ("init",),
    "serve": ("up", "serve", "train"),
    "predict": ("predict",),
    "act": ("pause", "resume", "promote", "approve", "rollback"),
    "show": ("status", "versions", "releases", "alarms", "incidents", "events", "trace"),
    "performance": ("performance",),
    "backup": ("backup", "restore"),
    "clean": ("clean",),
    "reproduce": ("reproduce",),
    "drift": ("profile", "drift"),
    "backtest": ("backtest",),
    "assess": ("assess",),
    "alerts": ("alerts",),
    "experiment": ("experiment",),
    "runs": ("runs",),
    "data": ("data",),
    "ledger": ("ledger",),
    "token": ("token",),
}
"""The commands of each module beside this one, in the order in which the help lists them."""


@click.group(
    cls=Group,
    modules={name: f"windlass.cli.{module}" for module, names in _COMMANDS.items() for name in names},
    context_settings={"show_default": True},
)
@click.version_option(__version__, message="%(version)s", help="Print the version and leave.")
def app() -> None:
    """From a model file to a model that is served, watched, retrained, released and rolled back by itself."""


def main() -> None:
    """Run the command line; an error of ours is one message and exit code 1 (2 for a wrong call)."""
    # What is logged belongs into files; without this Python would print errors a second time.
    logging.getLogger("windlass").addHandler(logging.NullHandler())
    for name, value in PATIENT_THREADS.items():
        os.environ.setdefault(name, value)
    gc.set_threshold(_NEW_OBJECTS)
    try:
        code = app(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort:
        code = 130  # as shells have it: by SIGINT
    except WindlassError as error:
        click.echo(f"windlass: {error}", err=True)
        code = 2 if isinstance(error, UsageError) else 1
    except OSError as error:
        told = _of_the_system(error)
        if told is None:
            raise
        click.echo(f"windlass: {told}", err=True)
        code = 1
    sys.exit(code)


def _of_the_system(error: OSError) -> str | None:
    """What a person can mend about a disk or a file; None: nobody foresaw it, so its traceback is wanted."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = error.filename or "what this command prints goes to it, or it has a file there"
        return f"the disk is full ({where})\n  remedy: free some of it, and try again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and error.filename:
        return (
            f"{error.filename}: {error.strerror}\n"
            "  remedy: let this user read or write it, or name a file in another folder"
        )
    return None
