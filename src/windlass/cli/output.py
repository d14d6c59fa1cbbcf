"""What commands print: a table for a person, JSON for a program."""

from __future__ import annotations

import ctypes
import math
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from windlass.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

Row = Mapping[str, Any]
_PIPE_WIDTH = 200
_LARGE = 1000
"""From here on a number is shown to the last unit: it is an amount, and 6.048e+05 tells nobody how much."""


def line_width() -> int:
    """How many characters a line of standard output may have: as `console` has it."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _PIPE_WIDTH


def console(*, stderr: bool = False) -> Console:
    """A console that is wide where nobody looks, so that a pipe gets whole lines."""
    from rich.console import Console

    shown = Console(stderr=stderr, highlight=False)
    return shown if shown.is_terminal else Console(stderr=stderr, highlight=False, width=_PIPE_WIDTH)


def check_target(path: Path, flag: str) -> None:
    """Raise UsageError unless a file can be made at `path`, before any work is done for it."""
    if not path.absolute().parent.is_dir():
        raise UsageError(f"the folder of {path} does not exist", where=flag, remedy="make it first")
    if path.is_dir():
        raise UsageError(f"{path} is a folder", where=flag, remedy="name a file in it")


@contextmanager
def stdout_for_figures() -> Iterator[None]:
    """What user code and native libraries print meanwhile goes to standard error, so that a pipe gets JSON alone."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # there is no standard output
        kept = None
    try:
        if kept is not None:
            os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if kept is not None:
            ctypes.CDLL(None).fflush(None)  # what native code has printed, but C still holds
            os.dup2(kept, 1)
            os.close(kept)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())  # noqa: T201 (the command's output)


def print_record(record: Row, *, as_json: bool, title: str) -> None:
    """One record: a list of its fields, or a JSON object."""
    if as_json:
        print_json(record)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="bold", box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in record.items():
        table.add_row(name.replace("_", " "), Text(say(value)))
    console().print(table)


def say(value: Any) -> str:  # noqa: PLR0911 (a table)
    """A value as a person reads it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return (
            f"{value:.4g}"
            if abs(value) < _LARGE or not math.isfinite(value)
            else f"{value:.2f}".rstrip("0").rstrip(".")
        )
    if isinstance(value, datetime):
        return f"{_utc(value):%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {say(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(say(item) for item in value)
    return str(value)


def minute(moment: datetime) -> str:
    """A moment where its place says that it is UTC and seconds do not matter."""
    return f"{_utc(moment):%Y-%m-%d %H:%M}"


def ago(moment: datetime, now: datetime) -> str:
    """How long it is since `moment`, in the largest unit that fits."""
    seconds = int((now - moment).total_seconds())
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        count = seconds // size
        if count >= 1:
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"


def _utc(moment: datetime) -> datetime:
    """Naive moments are UTC everywhere in Windlass."""
    return moment.astimezone(UTC) if moment.tzinfo is not None else moment
