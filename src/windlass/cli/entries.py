"""A list that a person reads: one line for each thing, in columns, and what there is to say about it below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from windlass.cli.output import console, say


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing."""

    head: tuple[object, ...]
    """Its line, one cell for each column; every entry of a list has as many."""
    more: tuple[tuple[str, object], ...] = ()
    """What is said below, each under a name; what is None is left out."""


def print_entries(entries: Sequence[Entry], *, title: str, columns: Sequence[str] = (), empty: str) -> None:
    """Print the list under its title. A cell is never broken, what is said below is broken between words."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    out = console()
    if not entries:
        out.print(Text(empty, style="dim"))
        return
    heads = [[_cell(cell) for cell in entry.head] for entry in entries]
    titles = [list(columns)] if columns else []
    widths = [max(map(len, cells)) for cells in zip(*titles, *heads, strict=True)]
    if title:
        out.print(Text(title, style="bold"))
    for line in titles:
        out.print(Text(_line(line, widths), style="dim"), no_wrap=True, overflow="ignore", crop=False)
    for entry, cells in zip(entries, heads, strict=True):
        out.print(Text(_line(cells, widths)), no_wrap=True, overflow="ignore", crop=False)
        said = [(name, value) for name, value in entry.more if value is not None]
        if said:
            below = Table.grid(padding=(0, 2))
            below.add_column(style="dim", no_wrap=True)
            below.add_column(overflow="fold")
            for name, value in said:
                below.add_row(name, Text(say(value)))
            out.print(Padding(below, (0, 0, 0, 4)))


def _cell(value: object) -> str:
    return "" if value is None else say(value)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
